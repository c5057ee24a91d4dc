//! Which settings win, the request that they make, and the errors of wrong ones.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::keystone::Credentials;
use crate::keystone::catalog::Wanted;
use crate::keystone::resolve::{Plan, Request};

/// Folders with files, and an environment.
struct Machine {
    root: PathBuf,
    variables: HashMap<String, OsString>,
}

impl Machine {
    fn new(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("vbs-client-{}-{number}", std::process::id()));
        let mut machine = Self { root, variables: HashMap::new() };
        for folder in ["here", "home/.config/openstack", "xdg/openstack", "site"] {
            fs::create_dir_all(machine.root.join(folder)).unwrap();
        }
        for (path, text) in files {
            fs::write(machine.root.join(path), text).unwrap();
        }
        machine.variables.insert("HOME".to_owned(), machine.root.join("home").into());
        for (name, value) in variables {
            let value = value.replace("ROOT", machine.root.to_str().unwrap());
            machine.variables.insert((*name).to_owned(), value.into());
        }
        machine
    }

    fn run<T>(&self, run: impl FnOnce(&Environment<'_>) -> Result<T, Error>) -> Result<T, String> {
        let found = run(&Environment {
            variable: &|name| self.variables.get(name).cloned(),
            folders: [&self.root.join("here"), &self.root.join("site")],
        });
        found.map_err(|error| reason(&error).replace(self.root.to_str().unwrap(), "ROOT"))
    }
}

/// Which setting is wrong, and why.
fn reason(error: &Error) -> String {
    match error {
        Error::InvalidConfig { setting, reason } => format!("invalid {setting}: {reason}"),
        other => other.to_string(),
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// What is set, secrets included.
fn show((settings, source): (Settings, Source)) -> String {
    let written = |setting: &Setting| match settings.find(*setting)? {
        (Origin::Code, _) => None,
        (Origin::File(name), value) => Some((name, value)),
        (Origin::Variable(name), value) => Some((format!("${name}"), value)),
    };
    let is_shown = |setting: &&Setting| **setting != Setting::Profile;
    let set: Vec<_> = Setting::ALL
        .iter()
        .filter(is_shown)
        .filter_map(written)
        .map(|(name, value)| format!("{name}={}", value.expose_secret()))
        .collect();
    let regions: Vec<_> = settings.regions.iter().map(|region| region.name.as_str()).collect();
    let source = match source {
        Source::Code => String::new(),
        Source::Environment => "environment".to_owned(),
        Source::File { cloud, .. } => cloud,
    };
    format!("{source}: {} {}", set.join(" "), regions.join(",")).trim_end().to_owned()
}

const ONE: &str = "clouds: {one: {auth: {auth_url: https://one, username: u}, region_name: A}}";
const ONE_JSON: &str =
    r#"{"clouds": {"one": {"auth": {"auth_url": "https://one", "username": "u"}, "region_name": "A"}}}"#;
const TWO: &str = "clouds: {one: {auth: {auth_url: https://one}}, two: {auth: {auth_url: https://two}}}";

#[test]
fn settings_come_from_the_first_source_that_has_any() {
    let here = "here/clouds.yaml";
    for (files, variables, expected) in [
        // With OS_CLOUD, no other OS_*.
        (vec![(here, TWO)], vec![("OS_CLOUD", "two")], "two: auth_url=https://two"),
        (
            vec![(here, TWO)],
            vec![("OS_CLOUD", "two"), ("OS_REGION_NAME", "B"), ("OS_AUTH_URL", "https://env"), ("OS_TOKEN", "t")],
            "two: auth_url=https://two $OS_REGION_NAME=B",
        ),
        (
            vec![(here, ONE)],
            vec![("OS_CLOUD", ""), ("OS_AUTH_URL", "")],
            "one: auth_url=https://one username=u region_name=A",
        ),
        // OS_*.
        (
            vec![(here, ONE)],
            vec![("OS_AUTH_URL", "https://env"), ("OS_USERNAME", "v"), ("OS_PASSWORD", ""), ("OS_UNKNOWN", "x")],
            "environment: $OS_AUTH_URL=https://env $OS_USERNAME=v",
        ),
        (vec![(here, ONE)], vec![("OS_USERNAME", "v")], "environment: $OS_USERNAME=v"),
        // The only cloud in the file, and variables that do not state who signs in.
        (vec![(here, ONE)], vec![], "one: auth_url=https://one username=u region_name=A"),
        (
            vec![(here, ONE)],
            vec![("OS_REGION_NAME", "B"), ("OS_INSECURE", "1")],
            "one: auth_url=https://one username=u $OS_REGION_NAME=B $OS_INSECURE=1",
        ),
        (
            vec![(here, ONE)],
            vec![("VBS_ENDPOINT", "https://vbs")],
            "one: auth_url=https://one username=u region_name=A $VBS_ENDPOINT=https://vbs",
        ),
        (
            vec![],
            vec![("VBS_ENDPOINT", "https://vbs"), ("OS_TOKEN", "t"), ("OS_PROJECT_ID", "p")],
            "environment: $OS_PROJECT_ID=p $OS_TOKEN=t $VBS_ENDPOINT=https://vbs",
        ),
        // Folders and extensions, in their order.
        (
            vec![
                ("site/clouds.yaml", TWO),
                ("home/.config/openstack/clouds.json", ONE_JSON),
                ("xdg/openstack/clouds.yml", TWO),
            ],
            vec![],
            "one: auth_url=https://one username=u region_name=A",
        ),
        (
            vec![("home/.config/openstack/clouds.yaml", TWO), ("xdg/openstack/clouds.yml", ONE)],
            vec![("XDG_CONFIG_HOME", "ROOT/xdg")],
            "one: auth_url=https://one username=u region_name=A",
        ),
        (
            vec![("site/clouds.yml", ONE), ("site/clouds.json", TWO)],
            vec![],
            "one: auth_url=https://one username=u region_name=A",
        ),
        (
            vec![(here, TWO), ("xdg/mine", ONE)],
            vec![("OS_CLIENT_CONFIG_FILE", "ROOT/xdg/mine")],
            "one: auth_url=https://one username=u region_name=A",
        ),
        // secure.yaml, from anywhere.
        (
            vec![
                (here, ONE),
                ("site/secure.yaml", "clouds: {one: {auth: {password: p, username: w}, region_name: ''}}"),
            ],
            vec![],
            "one: auth_url=https://one username=w password=p region_name=A",
        ),
        (
            vec![(here, ONE), ("xdg/s.yaml", "clouds: {one: {auth: {password: p}}}")],
            vec![("OS_CLIENT_SECURE_FILE", "ROOT/xdg/s.yaml")],
            "one: auth_url=https://one username=u password=p region_name=A",
        ),
        // Profiles.
        (
            vec![(here, "clouds: {o: {profile: otc, region_name: eu-nl}}")],
            vec![],
            "o: auth_url=https://iam.{region_name}.otc.t-systems.com/v3 region_name=eu-nl eu-de,eu-nl",
        ),
        (
            vec![
                (here, "clouds: {o: {cloud: mine, auth: {username: u}}}"),
                (
                    "site/clouds-public.yaml",
                    "public-clouds: {mine: {auth: {auth_url: https://m, username: x}, regions: [R]}}",
                ),
            ],
            vec![],
            "o: auth_url=https://m username=u R",
        ),
        (vec![(here, "clouds: {o: {profile: nope, auth: {auth_url: https://o}}}")], vec![], "o: auth_url=https://o"),
        // Text as it is written.
        (
            vec![(
                here,
                "clouds:\n  n:\n    verify: False\n    insecure: no\n    auth:\n      project_id: 00112233445566778899001122334455\n      \
                 password: 1e3\n      username: 0x1F\n      user-domain-id: ~\n      token: true\n",
            )],
            vec![],
            "n: username=0x1F password=1e3 project_id=00112233445566778899001122334455 token=true insecure=no \
             verify=False",
        ),
        // Anchors and merge keys.
        (
            vec![(
                here,
                "common: &common {region_name: R, auth: &auth {auth_url: https://c, password: 0123}}\nclouds:\n  \
                 m:\n    <<: *common\n    interface: internal\n    auth:\n      <<: [{username: v}, *auth]\n      \
                 project_id: p\n",
            )],
            vec![],
            "m: auth_url=https://c username=v password=0123 project_id=p region_name=R interface=internal",
        ),
        (
            vec![(
                here,
                "clouds:\n  m:\n    <<: &c {region_name: R, auth: {auth_url: https://c}}\n    region_name: S\n",
            )],
            vec![],
            "m: auth_url=https://c region_name=S",
        ),
    ] {
        let machine = Machine::new(&files, &variables);
        assert_eq!(
            machine.run(|env| env.default_cloud()).map(show).as_deref(),
            Ok(expected),
            "{files:?} {variables:?}"
        );
    }
}

#[test]
fn an_error_names_what_is_searched_and_found() {
    let here = "here/clouds.yaml";
    for (files, variables, expected) in [
        (
            vec![],
            vec![("XDG_CONFIG_HOME", "ROOT/xdg")],
            "invalid cloud: neither OS_CLOUD nor OS_AUTH_URL is set, and there is none of the files \
             ROOT/here/clouds.yaml, ROOT/here/clouds.yml, ROOT/here/clouds.json, ROOT/xdg/openstack/clouds.yaml, \
             ROOT/xdg/openstack/clouds.yml, ROOT/xdg/openstack/clouds.json, ROOT/home/.config/openstack/clouds.yaml, \
             ROOT/home/.config/openstack/clouds.yml, ROOT/home/.config/openstack/clouds.json, ROOT/site/clouds.yaml, \
             ROOT/site/clouds.yml, ROOT/site/clouds.json",
        ),
        (
            vec![(here, TWO)],
            vec![],
            "invalid cloud: neither OS_CLOUD nor OS_AUTH_URL is set, and ROOT/here/clouds.yaml has the clouds one, two",
        ),
        (
            vec![(here, TWO)],
            vec![("OS_CLOUD", "three")],
            "invalid cloud: there is no cloud \"three\": ROOT/here/clouds.yaml has the clouds one, two",
        ),
        (
            vec![(here, "")],
            vec![("OS_CLOUD", "a")],
            "invalid cloud: there is no cloud \"a\": ROOT/here/clouds.yaml has no clouds",
        ),
        (
            vec![(here, ONE)],
            vec![("OS_CLIENT_CONFIG_FILE", "ROOT/nowhere.yaml")],
            "invalid file: OS_CLIENT_CONFIG_FILE is ROOT/nowhere.yaml, which does not exist",
        ),
        (
            vec![(here, "clouds: {o: {profile: nope}}")],
            vec![("HOME", "ROOT")],
            "invalid profile: the cloud \"o\" has no auth_url, and there is no profile \"nope\", only auro, betacloud, \
                 binero, bluebox, catalyst, citycloud, conoha, dreamcompute, elastx, entercloudsuite, fuga, ibmcloud, \
                 internap, limestonenetworks, otc, otc-swiss, ovh, ovh-us, rackspace, switchcloud, switchengines, \
                 ultimum, unitedstack, vexxhost, zetta; searched: \
             ROOT/here/clouds-public.yaml, ROOT/here/clouds-public.yml, ROOT/here/clouds-public.json, \
             ROOT/.config/openstack/clouds-public.yaml, ROOT/.config/openstack/clouds-public.yml, \
             ROOT/.config/openstack/clouds-public.json, ROOT/site/clouds-public.yaml, ROOT/site/clouds-public.yml, \
             ROOT/site/clouds-public.json",
        ),
    ] {
        let machine = Machine::new(&files, &variables);
        assert_eq!(machine.run(|env| env.default_cloud()).map(show).unwrap_err(), expected, "{files:?} {variables:?}");
    }
}

/// A file that comes first is not skipped, and no error quotes it.
#[test]
fn a_broken_file_is_an_error_that_shows_no_secret() {
    for text in [
        "clouds: [",
        "clouds: {a: secret}",
        "clouds: {a: {auth: secret}}",
        "clouds: {a: {auth: 7355608}}",
        "clouds: {a: {auth: true}}",
        "clouds: {a: {auth: {password: [secret]}}}",
        "clouds: {a: {auth: {password: {secret: secret}}}}",
        "clouds: {a: {auth: {password: secret, password: secret}}}",
        "clouds: {a: {}, a: {}}",
        "clouds: secret",
        "- secret",
        "secret",
        "clouds: {a: {<<: secret}}",
        "clouds: {a: {regions: secret}}",
        "clouds: {a: {regions: [[secret]]}}",
        "clouds: {a: {auth: {password: *secret}}}",
        "clouds: {a: {auth: {password: \"secret}}}",
        "clouds: {a: {auth: {password: !vault secret}}}",
        "clouds: {a: {auth: {password: !secret}}}",
        "clouds: {a: {auth: {password: !!binary c2VjcmV0}}}",
        "clouds:\n  a:\n    auth:\n      password: !vault |\n        secret\n",
        "clouds: {a: {auth: {password: &a [*a], username: secret}}}",
        "clouds: {a: {auth: {<<: [secret]}}}",
        "clouds: {a: {auth: {user-name: secret, user_name: secret}}}",
        "clouds: {a: {}}\n---\nclouds: {a: {auth: {password: secret}}}",
        "clouds: {a: {auth: {? [secret] : secret}}}",
        "clouds: {a: {interface: [secret]}}",
    ] {
        let machine = Machine::new(&[("here/clouds.yaml", text), ("site/clouds.yaml", ONE)], &[]);
        let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
        assert!(error.starts_with("invalid file: ROOT/here/clouds.yaml: "), "{text}: {error}");
        assert!(!error.contains("secret") && !error.contains("7355608"), "{text}: {error}");
    }
}

#[test]
fn variables_override_the_only_cloud() {
    let text = "clouds: {c: {block_storage_region_name: A, volume_interface: admin, regions: [{name: B, values: \
                {interface: admin}}], auth: {auth_url: https://iam, username: u, password: pw, user_domain_name: D, \
                project_id: p}}}";
    let variables = [("OS_REGION_NAME", "B"), ("OS_INTERFACE", "internal")];
    let machine = Machine::new(&[("here/clouds.yaml", text)], &variables);
    let plan = machine.run(|env| planned(Credentials::found(env.default_cloud()?))).unwrap();
    assert!(plan.starts_with("https://iam Some(\"B\") internal "), "{plan}");
}

/// What signing in would send.
fn planned(credentials: Credentials) -> Result<String, Error> {
    let Plan { sign_in, wanted: Wanted { region, interface, .. }, .. } = credentials.resolve()?;
    let Request { auth_url, body, .. } = sign_in.unwrap();
    // In the order of the names.
    let body = serde_json::to_value(body).unwrap();
    Ok(format!("{auth_url} {region:?} {interface} {body}"))
}

/// The same for a file, or why nothing is sent.
fn plan(text: &str, change: impl FnOnce(Credentials) -> Credentials) -> Result<String, String> {
    let machine = Machine::new(&[("here/clouds.yaml", text)], &[]);
    machine.run(|env| planned(change(Credentials::found(env.default_cloud()?))))
}

#[test]
fn a_cloud_becomes_a_request() {
    let cloud = |rest: &str| format!("clouds: {{c: {rest}}}");
    let same = |credentials: Credentials| credentials;
    let user = "auth_url: https://iam, username: u, password: pw, user_domain_name: D, project_id: p";
    let of =
        |identity: &str| format!("{{\"auth\":{{\"identity\":{identity},\"scope\":{{\"project\":{{\"id\":\"p\"}}}}}}}}");
    let demo = of(r#"{"methods":["password"],"password":{"user":{"domain":{"name":"D"},"name":"u","password":"pw"}}}"#);
    for (entry, expected) in [
        (format!("{{auth: {{{user}}}}}"), format!("https://iam None public {demo}")),
        // Beside auth, as in some files; also in the environment.
        (format!("{{{user}}}"), format!("https://iam None public {demo}")),
        (
            format!("{{auth: {{{user}}}, region_name: R, endpoint_type: internalURL}}"),
            format!("https://iam Some(\"R\") internal {demo}"),
        ),
        (format!("{{auth: {{{user}}}, regions: [R]}}"), format!("https://iam Some(\"R\") public {demo}")),
        (
            format!("{{auth: {{{user}}}, regions: [{{name: R, values: {{interface: admin, auth: {{auth_url: https://r}}}}}}]}}"),
            format!("https://r Some(\"R\") admin {demo}"),
        ),
        (
            format!("{{profile: otc, region_name: eu-nl, auth: {{{}}}}}", user.replace("auth_url: https://iam, ", "")),
            format!("https://iam.eu-nl.otc.t-systems.com Some(\"eu-nl\") public {demo}"),
        ),
        (
            format!("{{auth: {{{user}}}, region_name: R, interface: admin, volumev3_region_name: S, volume_interface: internal}}"),
            format!("https://iam Some(\"S\") internal {demo}"),
        ),
        // In both places: some settings in auth win, others beside it.
        (
            format!("{{auth: {{{user}}}, auth_url: https://x, username: x, password: x}}"),
            format!("https://iam None public {demo}"),
        ),
        (
            format!("{{auth: {{{}, project_id: x}}, project_id: p}}", user.replace(", project_id: p", "")),
            format!("https://iam None public {demo}"),
        ),
        // The preferred name wins, wherever it is.
        (format!("{{auth: {{{user}}}, tenant_id: x}}"), format!("https://iam None public {demo}")),
        // One domain for both.
        (
            "{auth: {auth_url: https://iam, username: u, password: pw, domain_name: D, project_id: p}}".to_owned(),
            format!("https://iam None public {demo}"),
        ),
        (
            "{auth: {auth_url: https://iam, username: u, password: pw, default_domain: d, tenant_name: t}}".to_owned(),
            "https://iam None public {\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":\
             {\"domain\":{\"id\":\"d\"},\"name\":\"u\",\"password\":\"pw\"}}},\"scope\":{\"project\":{\"domain\":\
             {\"id\":\"d\"},\"name\":\"t\"}}}}"
                .to_owned(),
        ),
        // The method follows from the settings. As in gophercloud, a user's password wins.
        (
            format!("{{auth: {{{user}, application_credential_id: i, application_credential_secret: s, token: t}}}}"),
            format!("https://iam None public {demo}"),
        ),
        (
            "{auth: {auth_url: https://iam, application_credential_id: i, application_credential_secret: s}}".to_owned(),
            "https://iam None public {\"auth\":{\"identity\":{\"application_credential\":{\"id\":\"i\",\"secret\":\"s\"},\
             \"methods\":[\"application_credential\"]}}}"
                .to_owned(),
        ),
        (
            "{auth_type: v3applicationcredential, auth: {auth_url: https://iam, application_credential_name: n, \
             application_credential_secret: s, user_id: u}}"
                .to_owned(),
            "https://iam None public {\"auth\":{\"identity\":{\"application_credential\":{\"name\":\"n\",\"secret\":\"s\",\
             \"user\":{\"id\":\"u\"}},\"methods\":[\"application_credential\"]}}}"
                .to_owned(),
        ),
        (
            "{auth: {auth_url: https://iam, auth_token: t, project_id: p}}".to_owned(),
            format!("https://iam None public {}", of(r#"{"methods":["token"],"token":{"id":"t"}}"#)),
        ),
        (
            format!("{{auth_type: v3token, auth: {{{user}, token: t}}}}"),
            format!("https://iam None public {}", of(r#"{"methods":["token"],"token":{"id":"t"}}"#)),
        ),
    ] {
        assert_eq!(plan(&cloud(&entry), same), Ok(expected), "{entry}");
    }
    // The caller's setting wins, also over another kind of name.
    let changed = plan(&cloud(&format!("{{auth: {{{user}}}, region_name: R}}")), |credentials| {
        credentials.user_id("v").project_name("q").project_domain_id("e").region("S").interface("internal")
    });
    let expected = "https://iam Some(\"S\") internal {\"auth\":{\"identity\":{\"methods\":[\"password\"],\"password\":\
                    {\"user\":{\"id\":\"v\",\"password\":\"pw\"}}},\"scope\":{\"project\":{\"domain\":{\"id\":\"e\"},\
                    \"name\":\"q\"}}}}";
    assert_eq!(changed.as_deref(), Ok(expected));
    for regions in ["regions: [R, S]", "block_storage_region_name: R"] {
        let text = cloud(&format!("{{auth: {{{user}}}, {regions}}}"));
        let chosen = plan(&text, |credentials| credentials.region("S"));
        assert!(chosen.unwrap().starts_with("https://iam Some(\"S\")"));
    }
}

#[test]
fn an_error_names_the_setting_of_a_cloud() {
    let user = "auth_url: https://iam, username: u, password: pw, user_domain_name: D, project_id: p";
    let here = "of the cloud \"c\" in ROOT/here/clouds.yaml";
    for (entry, expected) in [
        (
            "{auth: {username: u}}".to_owned(),
            format!("invalid auth_url: auth_url {here} is not set; these are set: username"),
        ),
        (
            format!("{{auth: {{{user}, trust_id: t}}}}"),
            format!(
                "invalid scope: trust_id {here} is set, but only a project is supported: a list is that of a project"
            ),
        ),
        (
            format!("{{auth: {{{}, domain_id: d}}}}", user.replace(", project_id: p", "")),
            format!(
                "invalid scope: domain_id {here} is set, but only a project is supported: a list is that of a project"
            ),
        ),
        (
            format!("{{auth: {{{user}}}, regions: [R, S]}}"),
            format!("invalid region: region_name {here} (or OS_REGION_NAME) is not set, and there are several: R, S"),
        ),
        (
            format!("{{auth: {{{user}}}, region_name: 'R,S'}}"),
            format!("invalid region: region_name {here} is \"R,S\": choose one of these"),
        ),
        (
            format!("{{auth: {{{user}}}, region_name: r, regions: [R, S]}}"),
            format!("invalid region: region_name {here} is \"r\", which is none of the cloud's regions: R, S"),
        ),
        (
            "{auth: {auth_url: 'https://iam.{region_name}'}}".to_owned(),
            format!(
                "invalid region: auth_url {here} has {{region_name}}, and region_name {here} (or OS_REGION_NAME) is not set"
            ),
        ),
        (
            format!("{{auth_type: v3oidcpassword, auth: {{{user}}}}}"),
            format!(
                "invalid auth_type: auth_type {here} is \"v3oidcpassword\", where password, token and \
                 v3applicationcredential are supported"
            ),
        ),
        (
            format!("{{auth: {{{user}}}, insecure: maybe}}"),
            format!("invalid insecure: insecure {here} is \"maybe\", neither true nor false"),
        ),
        (
            "{auth: {auth_url: https://iam, application_credential_secret: s}}".to_owned(),
            format!(
                "invalid application_credential_id: application_credential_id {here} (or application_credential_name) \
                 is not set; these are set: auth_url, application_credential_secret"
            ),
        ),
    ] {
        let text = format!("clouds: {{c: {entry}}}");
        assert_eq!(plan(&text, |credentials| credentials), Err(expected), "{entry}");
    }
    for (entry, expected) in [
        // The variable that would fill it, and unknown keys, without those that may contain a value.
        (
            "{auth: {auth_url: https://iam, user: secret, pass word: secret, s3cret: secret, secret: ~}, regon: R, \
             identity_api_version: 3}",
            format!("invalid password: password {here} (or OS_PASSWORD) is not set; these are set: auth_url; unknown: user, regon"),
        ),
        (
            "{auth: {auth_url: https://iam, ak: secret, sk: secret, project_name: p}}",
            format!(
                "invalid auth_type: ak {here} is set, but AK/SK (an access key and a secret key) is not supported: a \
                 password, an application credential or a token is needed"
            ),
        ),
        (
            "{secret_key: secret}",
            format!(
                "invalid auth_type: secret_key {here} is set, but AK/SK (an access key and a secret key) is not \
                 supported: a password, an application credential or a token is needed"
            ),
        ),
        (
            "{profile: 'https://cloud.example', auth: {auth_url: https://iam}}",
            "invalid profile: the cloud \"c\" has a profile by URL, \"https://cloud.example\", which is not supported: \
             write its settings into the cloud's entry"
                .to_owned(),
        ),
        (
            "{profile: vexxhost}",
            "invalid profile: the cloud \"c\" has a profile by URL, \"https://vexxhost.com\", which is not supported: \
             write its settings into the cloud's entry"
                .to_owned(),
        ),
        (
            "{profile: rackspace}",
            "invalid profile: the profile \"rackspace\" of the cloud \"c\" has version 2 of the Identity API only, \
             which is not supported"
                .to_owned(),
        ),
        (
            "{profile: otc, auth: {username: u, password: secret}}",
            format!("invalid region: region_name {here} (or OS_REGION_NAME) is not set, and there are several: eu-de, eu-nl"),
        ),
    ] {
        let text = format!("clouds: {{c: {entry}}}");
        assert_eq!(plan(&text, |credentials| credentials), Err(expected), "{entry}");
    }
    let machine = Machine::new(&[], &[("OS_USERNAME", "u"), ("OS_PASSWORD", "pw")]);
    let error = machine.run(|env| planned(Credentials::found(env.default_cloud()?))).unwrap_err();
    assert_eq!(error, "invalid auth_url: OS_AUTH_URL is not set; these are set: OS_USERNAME, OS_PASSWORD");
}

#[cfg(feature = "rustls")]
#[test]
fn certificates_are_read_and_faults_name_the_file() {
    let entry = "auth: {auth_url: https://iam, token: t}";
    let error = plan(&format!("clouds: {{c: {{{entry}, cacert: /nowhere.pem}}}}"), |credentials| credentials);
    assert!(
        error
            .unwrap_err()
            .starts_with("invalid cacert: cacert of the cloud \"c\" in ROOT/here/clouds.yaml: /nowhere.pem: ")
    );
    let error = plan(&format!("clouds: {{c: {{{entry}, cacert: /dev/null}}}}"), |credentials| credentials);
    assert!(error.unwrap_err().ends_with("/dev/null: it is not a regular file"));
    // This file is not read.
    let plan =
        plan(&format!("clouds: {{c: {{{entry}, cacert: /nowhere.pem, verify: false}}}}"), |credentials| credentials);
    plan.unwrap();
}

/// The log of a function.
fn logged(run: impl FnOnce()) -> String {
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    // While only one thread has a subscriber, tracing may disable a warning for all threads when another one emits it
    // first. Another test may have set a subscriber.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry());
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, run);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_ignored_variable_that_differs_from_the_cloud_is_logged() {
    let entry = "clouds: {c: {auth: {auth_url: https://iam, username: u, project_name: p}, region_name: R}}";
    for (variable, value, is_warned) in [
        ("OS_REGION_NAME", "R", false),
        ("OS_REGION_NAME", "other", true),
        ("OS_PROJECT_NAME", "p", false),
        ("OS_PROJECT_NAME", "other", true),
        ("OS_PROJECT_ID", "other", true),
        ("OS_USER_AGENT", "other", false),
    ] {
        let machine = Machine::new(&[("here/clouds.yaml", entry)], &[("OS_CLOUD", "c"), (variable, value)]);
        let log = logged(|| _ = machine.run(|env| env.default_cloud()).map(show).unwrap());
        let warning = format!("{variable} has no effect: the cloud \"c\" is chosen");
        assert_eq!(log.contains(&warning), is_warned, "{variable}={value}: {log}");
    }
}

#[cfg(feature = "rustls")]
#[test]
fn disabled_verification_of_certificates_is_logged() {
    for (entry, warning) in [
        ("verify: false", "certificates are not verified: verify of the cloud \"c\" in "),
        ("insecure: true", "certificates are not verified: insecure of the cloud \"c\" in "),
        ("verify: true, insecure: false", ""),
    ] {
        let text = format!("clouds: {{c: {{auth: {{auth_url: https://iam, token: t}}, {entry}}}}}");
        let log = logged(|| _ = plan(&text, |credentials| credentials).unwrap());
        assert_eq!(log.is_empty(), warning.is_empty(), "{log}");
        assert!(log.contains(warning), "{log}");
    }
}

#[cfg(not(feature = "rustls"))]
#[test]
fn certificates_need_a_tls_feature() {
    for (entry, name) in [("cacert: /dev/null", "cacert"), ("verify: false", "verify"), ("insecure: true", "insecure")]
    {
        let text = format!("clouds: {{c: {{auth: {{auth_url: https://iam, token: t}}, {entry}}}}}");
        let expected = format!(
            "invalid http: {name} of the cloud \"c\" in ROOT/here/clouds.yaml needs a TLS feature, such as rustls"
        );
        assert_eq!(plan(&text, |credentials| credentials), Err(expected));
    }
    let text = "clouds: {c: {auth: {auth_url: https://iam, token: t}, verify: true, insecure: false}}";
    plan(text, |credentials| credentials).unwrap();
}

#[test]
fn debug_shows_no_secret() {
    let text = "clouds: {c: {auth: {auth_url: https://iam, username: u, password: hidden, token: hidden, \
                application_credential_secret: hidden}, auth_token: hidden}}";
    let machine = Machine::new(&[("here/clouds.yaml", text)], &[]);
    let shown = machine.run(|env| Ok(format!("{:?}", Credentials::found(env.default_cloud()?)))).unwrap();
    assert!(shown.contains("username: \"u\"") && !shown.contains("hidden"), "{shown}");
    assert!(shown.contains("password: \"[REDACTED]\""), "{shown}");
    // Without its scheme, too.
    let text = "clouds: {c: {auth: {auth_url: 'me:hidden@iam'}, volume_endpoint_override: 'me:hidden@host/v3', profile: \
                'https://me:hidden@cloud.example'}}";
    let machine = Machine::new(&[("here/clouds.yaml", text)], &[]);
    let error = machine.run(|env| Ok(Credentials::found(env.default_cloud()?))).map(|_| ()).unwrap_err();
    assert!(error.contains("a profile by URL") && !error.contains("hidden"), "{error}");
    let variables = [("OS_AUTH_URL", "me:hidden@iam"), ("OS_BLOCK_STORAGE_ENDPOINT_OVERRIDE", "me:hidden@host/v3")];
    let machine = Machine::new(&[], &variables);
    let shown = machine.run(|env| Ok(format!("{:?}", Credentials::found(env.default_cloud()?)))).unwrap();
    assert!(shown.contains("endpoint_override: ") && !shown.contains("hidden"), "{shown}");
}

#[test]
fn files_are_regular_small_and_of_any_usual_encoding() {
    let (bom, one) = ("\u{feff}---\n", "one: auth_url=https://one username=u region_name=A");
    let json =
        r#"{"clouds": {"one": {"auth": {"auth_url": "https://one", "username": "\ud83d\ude00"}, "verify": false}}}"#;
    for (path, text, expected) in [
        ("here/clouds.yaml", format!("{bom}{ONE}"), one),
        ("here/clouds.json", json.to_owned(), "one: auth_url=https://one username=\u{1f600} verify=false"),
        ("here/clouds.json", format!("\u{feff}{json}"), "one: auth_url=https://one username=\u{1f600} verify=false"),
        // A number, in a program that enables serde_json's `arbitrary_precision`.
        (
            "here/clouds.json",
            json.replace(r#""\ud83d\ude00""#, r#"{"$serde_json::private::Number": "1e3"}"#),
            "one: auth_url=https://one username=1e3 verify=false",
        ),
    ] {
        let machine = Machine::new(&[(path, &text)], &[]);
        assert_eq!(machine.run(|env| env.default_cloud()).map(show).as_deref(), Ok(expected), "{text}");
    }
    for (text, expected) in [
        (
            r#"{"clouds": {"one": {"auth": {"password": "secret", "password": "secret"}}}}"#,
            "a key occurs twice at line 1 ",
        ),
        (r#"{"clouds": {"one": {"auth": {"password": 1e3}}}}"#, "a number with a fraction or an exponent"),
        (r#"{"clouds": {"one": {"auth": {"password": secret}}}}"#, "it is not valid JSON: expected value at line 1 "),
        ("clouds: {}", "it is not valid JSON: expected value at line 1 "),
    ] {
        let machine = Machine::new(&[("here/clouds.json", text)], &[]);
        let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
    let large = format!("{ONE}\n{}", "#".repeat(1 << 20));
    let machine = Machine::new(&[("here/clouds.yaml", &large)], &[]);
    let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
    assert_eq!(error, "invalid file: ROOT/here/clouds.yaml: it has more than 1 MiB");
}

#[cfg(unix)]
#[test]
fn a_device_or_a_fifo_is_not_read() {
    let machine = Machine::new(&[], &[]);
    let fifo = machine.root.join("here/clouds.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
    assert_eq!(error, "invalid file: ROOT/here/clouds.yaml: it is not a regular file");
    for device in ["/dev/zero", "/dev/null"] {
        let machine = Machine::new(&[], &[("OS_CLIENT_CONFIG_FILE", device)]);
        let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
        assert_eq!(error, format!("invalid file: {device}: it is not a regular file"));
    }
}

/// Keys are looked up in a set: comparing each pair takes twelve seconds.
#[test]
fn a_file_of_20_000_clouds_is_read() {
    let clouds: String = (0..20_000).map(|number| format!("  c{number}: {{auth: {{username: u}}}}\n")).collect();
    let machine = Machine::new(&[("here/clouds.yaml", &format!("clouds:\n{clouds}"))], &[("OS_CLOUD", "c19999")]);
    assert_eq!(machine.run(|env| env.default_cloud()).map(show).as_deref(), Ok("c19999: username=u"));
}

/// Nested aliases and merge keys expand to more than memory holds.
#[test]
fn a_file_that_grows_when_it_is_read_is_refused_or_shared() {
    let mut text = "a0: &a0 {k: v}\n".to_owned();
    for number in 1..40 {
        let before = number - 1;
        text += &format!("a{number}: &a{number} {{x: *a{before}, y: *a{before}}}\n");
    }
    let machine = Machine::new(&[("here/clouds.yaml", &format!("{text}{ONE}"))], &[]);
    machine.run(|env| env.default_cloud()).unwrap();
    let keys: String = (0..1000).map(|number| format!("k{number}: v, ")).collect();
    let merged = format!("m: &m {{{keys}}}\nn: {{<<: [{}]}}\n{ONE}", "*m, ".repeat(1000));
    let deep = format!("d: {}{}\n{ONE}", "[".repeat(100), "]".repeat(100));
    for (text, expected) in [(merged, "its merge keys (`<<`) copy too many entries"), (deep, "it is nested too deep")] {
        let machine = Machine::new(&[("here/clouds.yaml", &text)], &[]);
        let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn every_profile_signs_in_or_is_an_error_that_states_why() {
    let names = Clouds::built_in().unwrap();
    assert!(names.names().count() > 20);
    let mut plans = Vec::new();
    for name in names.names() {
        let text = format!("clouds: {{c: {{profile: {name}, region_name: R, auth: {{username: u, password: pw}}}}}}");
        match plan(&text, |credentials| credentials) {
            Ok(plan) => plans.push(format!("{name} {}", plan.split(' ').next().unwrap())),
            Err(error) => assert!(
                error.starts_with("invalid profile: ") || error.starts_with("invalid auth_url: ") && name == "bluebox",
                "{error}"
            ),
        }
    }
    assert_eq!(plans.len(), 15, "{plans:?}");
    assert!(plans.contains(&"citycloud https://r.citycloud.com:5000".to_owned()), "{plans:?}");
    assert!(plans.contains(&"catalyst https://api.cloud.catalyst.net.nz:5000".to_owned()), "{plans:?}");
}

/// Settings of another region would be used silently.
#[test]
fn a_region_that_the_cloud_does_not_have_is_an_error() {
    let text = "clouds: {c: {auth: {auth_url: https://iam, username: u, password: pw, project_id: p}, \
                block_storage_endpoint_override: https://one, regions: [One, {name: Two, values: \
                {block_storage_endpoint_override: https://two}}]}}";
    let error = plan(text, |credentials| credentials.region("two")).unwrap_err();
    assert_eq!(error, "invalid region: region_name is \"two\", which is none of the cloud's regions: One, Two");
    let machine = Machine::new(&[("here/clouds.yaml", text)], &[("OS_REGION_NAME", "two")]);
    for cloud in [None, Some("c")] {
        let error = machine.run(|env| {
            let found = cloud.map_or_else(|| env.default_cloud(), |cloud| env.named_cloud(cloud));
            planned(Credentials::found(found?))
        });
        assert_eq!(
            error.unwrap_err(),
            "invalid region: OS_REGION_NAME is \"two\", which is none of the cloud's regions: One, Two"
        );
    }
}

/// A profile's regions are those of its cloud: only an auth URL with a region needs one.
#[test]
fn a_profile_with_an_auth_url_of_its_own_needs_no_region() {
    let auth = "auth: {auth_url: 'https://iam.eu-de.otc.t-systems.com:443/v3', username: u, password: pw, project_name: eu-de, \
                user_domain_name: OTC0000000000100000000}";
    let text = format!("clouds: {{c: {{profile: otc, {auth}}}}}");
    let plan = plan(&text, |credentials| credentials).unwrap();
    assert_eq!(
        plan,
        "https://iam.eu-de.otc.t-systems.com None public {\"auth\":{\"identity\":{\"methods\":[\"password\"],\
         \"password\":{\"user\":{\"domain\":{\"name\":\"OTC0000000000100000000\"},\"name\":\"u\",\"password\":\
         \"pw\"}}},\"scope\":{\"project\":{\"domain\":{\"name\":\"OTC0000000000100000000\"},\"name\":\"eu-de\"}}}}"
    );
}

#[test]
fn the_services_own_settings_win_over_the_general_ones() {
    let auth = "auth: {auth_url: https://iam, username: u, password: pw, project_id: p}";
    let chosen = |entry: &str, variables: &[(&str, &str)]| {
        let machine = Machine::new(&[("here/clouds.yaml", &format!("clouds: {{c: {{{auth}, {entry}}}}}"))], variables);
        machine.run(|env| {
            let plan = Credentials::found(env.default_cloud()?).resolve()?;
            let Wanted { region, interface, service_type, service_name } = plan.wanted;
            let shown = [plan.endpoint, region, Some(interface), service_type, service_name];
            Ok(shown.map(|value| value.unwrap_or_else(|| "-".to_owned())).join(" "))
        })
    };
    for service in ["block_storage", "block-storage", "block_store", "volumev3", "volumev2", "volume", "vbs"] {
        let entry = format!(
            "interface: admin, region_name: R, {service}_region_name: S, {service}_endpoint_type: internalURL, \
             {service}_service_name: n, {service}_service_type: t, {service}_endpoint_override: 'https://{{region_name}}'"
        );
        assert_eq!(chosen(&entry, &[]).as_deref(), Ok("https://R S internal t n"), "{entry}");
    }
    // In openstacksdk's order.
    let entry = "volume_region_name: A, volumev2_region_name: B, volumev3_region_name: C, block_store_region_name: E";
    assert_eq!(chosen(entry, &[]).as_deref(), Ok("- C public - -"));
    // By variables, for the only cloud.
    let variables = [
        ("OS_VOLUME_SERVICE_NAME", "n"),
        ("OS_BLOCK_STORAGE_REGION_NAME", "R"),
        ("OS_VOLUMEV3_ENDPOINT_OVERRIDE", "https://v"),
    ];
    assert_eq!(chosen("region_name: S", &variables).as_deref(), Ok("https://v R public - n"));
}

#[test]
fn envvars_is_the_cloud_of_the_environment() {
    let variables = [("OS_CLOUD", "envvars"), ("OS_AUTH_URL", "https://env"), ("OS_USERNAME", "u")];
    let expected = "environment: $OS_AUTH_URL=https://env $OS_USERNAME=u";
    let machine = Machine::new(&[("here/clouds.yaml", ONE)], &variables);
    assert_eq!(machine.run(|env| env.default_cloud()).map(show).as_deref(), Ok(expected));
    let machine = Machine::new(&[("here/clouds.yaml", "clouds: {envvars: {}}")], &variables);
    let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
    assert_eq!(
        error,
        "invalid cloud: the cloud \"envvars\" is that of the environment, but ROOT/here/clouds.yaml has the clouds envvars"
    );
    let renamed = [&variables[1..], &[("OS_CLOUD", "mine"), ("OS_CLOUD_NAME", "mine")]].concat();
    let machine = Machine::new(&[("here/clouds.yaml", "clouds: {envvars: {}}")], &renamed);
    assert_eq!(machine.run(|env| env.default_cloud()).map(show).as_deref(), Ok(expected));
}

#[test]
fn some_variables_fill_in_what_a_clouds_entry_lacks() {
    let variables = [
        ("OS_CLOUD", "c"),
        ("OS_PASSWORD", "pw"),
        ("OS_APPLICATION_CREDENTIAL_SECRET", "s"),
        ("OS_REGION_NAME", "R"),
        ("OS_INTERFACE", "internal"),
        ("OS_CACERT", "/ca.pem"),
        ("OS_USERNAME", "x"),
        ("OS_PROJECT_NAME", "x"),
        ("OS_INSECURE", "true"),
        ("VBS_ENDPOINT", "https://vbs"),
    ];
    for (entry, expected) in [
        (
            "auth: {username: u}",
            "c: username=u $OS_PASSWORD=pw $OS_APPLICATION_CREDENTIAL_SECRET=s $OS_REGION_NAME=R $OS_INTERFACE=internal \
             $VBS_ENDPOINT=https://vbs $OS_CACERT=/ca.pem",
        ),
        (
            "auth: {username: u, password: own, application_credential_secret: own}, region_name: own, endpoint_type: own, \
             cacert: own",
            "c: username=u password=own application_credential_secret=own region_name=own endpoint_type=own \
             $VBS_ENDPOINT=https://vbs cacert=own",
        ),
        // A password would win over what the entry has.
        (
            "auth: {username: u, application_credential_name: n, application_credential_secret: own}, region_name: own, \
             interface: own, cacert: own",
            "c: username=u application_credential_name=n application_credential_secret=own region_name=own interface=own \
             $VBS_ENDPOINT=https://vbs cacert=own",
        ),
    ] {
        let machine = Machine::new(&[("here/clouds.yaml", &format!("clouds: {{c: {{{entry}}}}}"))], &variables);
        assert_eq!(machine.run(|env| env.default_cloud()).map(show).as_deref(), Ok(expected), "{entry}");
    }
}

#[test]
fn the_vendor_file_provides_profiles() {
    let files = [
        ("here/clouds.yaml", "clouds: {c: {profile: otc, auth: {username: u}}}"),
        ("xdg/v.yaml", "public-clouds: {otc: {auth: {auth_url: https://mine}, status: shutdown}}"),
    ];
    let machine = Machine::new(&files, &[("OS_CLIENT_VENDOR_FILE", "ROOT/xdg/v.yaml")]);
    let found = machine.run(|env| env.default_cloud()).map(show);
    assert_eq!(found.as_deref(), Ok("c: auth_url=https://mine username=u status=shutdown"));
    let machine = Machine::new(&files, &[("OS_CLIENT_VENDOR_FILE", "ROOT/nowhere")]);
    let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
    assert_eq!(error, "invalid file: OS_CLIENT_VENDOR_FILE is ROOT/nowhere, which does not exist");
}

/// A certificate, its key, and the certificate as OpenSSL writes a trusted CA, in PEM.
#[cfg(feature = "rustls")]
fn pem(name: &str) -> [String; 3] {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    // An empty sequence of trust settings.
    let mut trusted = [&*CertificateDer::from_pem_slice(cert.pem().as_bytes()).unwrap(), &[0x30, 0]].concat();
    trusted.resize(trusted.len().next_multiple_of(3), 0);
    let encode = |three: &[u8]| {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[bits >> shift & 63]))
    };
    let text: String = trusted.chunks(3).flat_map(encode).collect();
    let lines =
        text.as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap() + "\n").collect::<String>();
    let trusted = format!("-----BEGIN TRUSTED CERTIFICATE-----\n{lines}-----END TRUSTED CERTIFICATE-----\n");
    [cert.pem(), signing_key.serialize_pem(), trusted]
}

/// A server that wants a client certificate gets it, and each way to trust the server works.
#[cfg(feature = "rustls")]
#[tokio::test]
async fn a_client_certificate_is_sent_to_a_trusted_server() {
    use std::sync::Arc;

    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::server::WebPkiClientVerifier;
    use tokio_rustls::rustls::{RootCertStore, ServerConfig};

    let [of_server, key_of_server, trusted] = pem("localhost");
    let [of_client, key_of_client, _] = pem("client");
    let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(der(&of_client)).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap())
        .with_single_cert(vec![der(&of_server)], PrivateKeyDer::from_pem_slice(key_of_server.as_bytes()).unwrap())
        .unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    let both = format!("{key_of_client}{of_client}");
    let with_bom = format!("\u{feff}{of_server}");
    let files = [
        ("site/server.pem", &*of_server),
        ("site/trusted.pem", &trusted),
        ("site/bom.pem", &with_bom),
        ("site/client.pem", &of_client),
        ("site/client.key", &key_of_client),
        ("site/both.pem", &both),
    ];
    for (entry, is_accepted) in [
        ("cacert: ROOT/server.pem, cert: ROOT/client.pem, key: ROOT/client.key", true),
        ("cacert: ROOT/bom.pem, cert: ROOT/both.pem", true),
        ("cacert: ROOT/trusted.pem, cert: ROOT/both.pem", true),
        ("verify: ROOT/server.pem, cert: ROOT/both.pem", true),
        ("cacert: ROOT/server.pem", false),
        ("verify: ROOT/client.pem, cert: ROOT/both.pem", false),
    ] {
        let machine = Machine::new(&files, &[]);
        let entry = entry.replace("ROOT", machine.root.join("site").to_str().unwrap());
        let text = format!("clouds: {{c: {{auth: {{auth_url: https://iam, token: t}}, {entry}}}}}");
        fs::write(machine.root.join("here/clouds.yaml"), text).unwrap();
        let plan = machine
            .run(|env| Credentials::found(env.default_cloud()?).resolve())
            .unwrap_or_else(|error| panic!("{error}"));
        let http = plan.http.iter().fold(reqwest::Client::builder().no_proxy(), |http, settings| settings(http));
        let client = http.build().unwrap();
        let response = client.get(format!("https://localhost:{port}")).send().await;
        assert_eq!(
            response.as_ref().is_ok_and(|response| response.status() == 204),
            is_accepted,
            "{entry}: {response:?}"
        );
    }
    for (entry, expected) in [
        ("key: ROOT/client.key", "is set, and cert of the cloud"),
        ("cert: ROOT/client.pem", "it has no certificate with an unencrypted key"),
        ("cert: ROOT/nowhere.pem", "nowhere.pem: there is no such file"),
        ("cacert: ROOT/client.key", "client.key: it has no certificates"),
        ("verify: maybe", "verify of the cloud \"c\" in ROOT/here/clouds.yaml: maybe: there is no such file"),
    ] {
        let machine = Machine::new(&files, &[]);
        let entry = entry.replace("ROOT", machine.root.join("site").to_str().unwrap());
        let text = format!("clouds: {{c: {{auth: {{auth_url: https://iam, token: t}}, {entry}}}}}");
        fs::write(machine.root.join("here/clouds.yaml"), text).unwrap();
        let error = machine.run(|env| Credentials::found(env.default_cloud()?).resolve().map(drop)).unwrap_err();
        assert!(error.contains(expected) && !error.contains("PRIVATE"), "{error}");
    }
}
