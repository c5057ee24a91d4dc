//! Where settings come from: the environment, and the files that openstacksdk reads.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file::{self, File};
use super::settings::{ENDPOINT, Settings, Values};
use crate::Error;

/// The variables that are read, with the names of their settings.
const VARIABLES: &[(&str, &str)] = &[
    ("OS_AUTH_TYPE", "auth_type"),
    ("OS_AUTH_URL", "auth_url"),
    ("OS_USERNAME", "username"),
    ("OS_USER_ID", "user_id"),
    ("OS_PASSWORD", "password"),
    ("OS_USER_DOMAIN_NAME", "user_domain_name"),
    ("OS_USER_DOMAIN_ID", "user_domain_id"),
    ("OS_PROJECT_NAME", "project_name"),
    ("OS_PROJECT_ID", "project_id"),
    ("OS_TENANT_NAME", "tenant_name"),
    ("OS_TENANT_ID", "tenant_id"),
    ("OS_PROJECT_DOMAIN_NAME", "project_domain_name"),
    ("OS_PROJECT_DOMAIN_ID", "project_domain_id"),
    ("OS_TRUST_ID", "trust_id"),
    ("OS_SYSTEM_SCOPE", "system_scope"),
    ("OS_DOMAIN_NAME", "domain_name"),
    ("OS_DOMAIN_ID", "domain_id"),
    ("OS_DEFAULT_DOMAIN", "default_domain"),
    ("OS_DEFAULT_DOMAIN_NAME", "default_domain_name"),
    ("OS_DEFAULT_DOMAIN_ID", "default_domain_id"),
    ("OS_APPLICATION_CREDENTIAL_ID", "application_credential_id"),
    ("OS_APPLICATION_CREDENTIAL_NAME", "application_credential_name"),
    ("OS_APPLICATION_CREDENTIAL_SECRET", "application_credential_secret"),
    ("OS_TOKEN", "token"),
    ("OS_AUTH_TOKEN", "auth_token"),
    ("OS_REGION_NAME", "region_name"),
    ("OS_INTERFACE", "interface"),
    ("OS_ENDPOINT_TYPE", "endpoint_type"),
    ("OS_CACERT", "cacert"),
    ("OS_INSECURE", "insecure"),
];

/// Those that say nothing of who signs in: by themselves, they are for the only cloud of the file.
const SELECTORS: &[&str] = &["region_name", "interface", "endpoint_type", "cacert", "insecure"];

/// The variable of a setting.
pub(super) fn variable(setting: &str) -> String {
    if setting == ENDPOINT {
        return "VBS_ENDPOINT".to_owned();
    }
    let found = VARIABLES.iter().find(|(_, name)| *name == setting);
    found.map_or_else(|| format!("OS_{}", setting.to_uppercase()), |(variable, _)| (*variable).to_owned())
}

/// Where settings were found: what their names are for whoever has written them.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Code,
    Environment,
    File { cloud: String, path: PathBuf },
}

/// The extensions of a file, the preferred one first.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// The environment, as the tests can have another one.
pub(super) struct Environment<'a> {
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The working directory, and the machine's configuration directory.
    pub(super) folders: [&'a Path; 2],
}

impl Environment<'static> {
    pub(super) fn of_this_process() -> Self {
        Self { variable: &|name| std::env::var_os(name), folders: [Path::new(""), Path::new("/etc/openstack")] }
    }
}

impl Environment<'_> {
    /// A variable, unless it is empty.
    fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = (self.variable)(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        value.into_string().map(Some).map_err(|_| invalid("environment", format!("{name} is not UTF-8")))
    }

    /// `OS_CLOUD`, or else `OS_*`, or else the only cloud of the file.
    pub(super) fn default_cloud(&self) -> Result<(Settings, Source), Error> {
        let (settings, source) = match self.get("OS_CLOUD")? {
            Some(cloud) => self.named_cloud(&cloud)?,
            None => self.without_cloud()?,
        };
        let mut chosen = Settings::default();
        if let Some(endpoint) = self.get("VBS_ENDPOINT")? {
            chosen.top.insert(ENDPOINT, endpoint.into());
        }
        Ok((chosen.or(settings), source))
    }

    fn without_cloud(&self) -> Result<(Settings, Source), Error> {
        let mut values = Values::new();
        for (variable, setting) in VARIABLES {
            if let Some(value) = self.get(variable)? {
                values.insert(*setting, value.into());
            }
        }
        let identifying: Vec<_> = values.keys().filter(|name| !SELECTORS.contains(*name)).copied().collect();
        let settings = Settings { top: values, ..Settings::default() };
        if settings.text(&["auth_url"]).is_some() || !identifying.is_empty() {
            return Ok((settings, Source::Environment));
        }
        let found = self.load()?;
        let mut names = found.file.clouds.keys();
        let (Some(only), None) = (names.next(), names.next()) else {
            let reason = format!("neither OS_CLOUD nor OS_AUTH_URL is set, and {}", found.describe());
            return Err(invalid("cloud", reason));
        };
        let cloud = only.clone();
        let (of_file, source) = self.cloud(found, &cloud)?;
        // Before all that the file has, also for one service or one region.
        let chosen = Settings { explicit: settings.top, ..Settings::default() };
        Ok((chosen.or(of_file), source))
    }

    /// The entry of a cloud in clouds.yaml, with what secure.yaml and its profile have.
    pub(super) fn named_cloud(&self, cloud: &str) -> Result<(Settings, Source), Error> {
        let found = self.load()?;
        self.cloud(found, cloud)
    }

    fn cloud(&self, mut found: Found, cloud: &str) -> Result<(Settings, Source), Error> {
        let Some(mut settings) = found.file.clouds.remove(cloud) else {
            return Err(invalid("cloud", format!("there is no cloud {cloud:?}: {}", found.describe())));
        };
        let profile = settings.text(&["profile", "cloud"]).map(str::to_owned);
        if let Some(name) = profile {
            let (public, searched) = self.search("clouds-public", None)?;
            let mut public = public.map(|(_, file)| file).unwrap_or_default();
            match public.public_clouds.remove(&name).or_else(|| built_in(&name)) {
                Some(profile) => settings = settings.or(profile),
                // It may have nothing that matters here.
                None if settings.text(&["auth_url"]).is_some() => {}
                None => {
                    let there: Vec<_> = public.public_clouds.keys().map(String::as_str).chain(["otc"]).collect();
                    let reason = format!(
                        "the cloud {cloud:?} has no auth_url, and there is no profile {name:?}, only {}; searched: {}",
                        there.join(", "),
                        paths(&searched)
                    );
                    return Err(invalid("profile", reason));
                }
            }
        }
        let path = found.path.unwrap_or_default();
        Ok((settings, Source::File { cloud: cloud.to_owned(), path }))
    }

    /// clouds.yaml, with what secure.yaml has.
    fn load(&self) -> Result<Found, Error> {
        let (clouds, searched) = self.search("clouds", Some("OS_CLIENT_CONFIG_FILE"))?;
        let (secure, _) = self.search("secure", Some("OS_CLIENT_SECURE_FILE"))?;
        let (path, mut file) = clouds.map(|(path, file)| (Some(path), file)).unwrap_or_default();
        for (name, secret) in secure.map(|(_, file)| file.clouds).unwrap_or_default() {
            let open = file.clouds.remove(&name).unwrap_or_default();
            file.clouds.insert(name, secret.or(open));
        }
        Ok(Found { file, path, searched })
    }

    /// The first of the files that is there, and those that were looked for before.
    fn search(&self, name: &str, chosen: Option<&str>) -> Result<(Option<Read>, Vec<PathBuf>), Error> {
        if let Some(variable) = chosen
            && let Some(path) = self.get(variable)?
        {
            let path = PathBuf::from(path);
            return match read(&path)? {
                Some(file) => Ok((Some((path.clone(), file)), vec![path])),
                None => Err(invalid("file", format!("{variable} is {}, which does not exist", path.display()))),
            };
        }
        let mut searched = Vec::new();
        for folder in self.folders() {
            for extension in EXTENSIONS {
                let path = folder.join(format!("{name}.{extension}"));
                if let Some(file) = read(&path)? {
                    return Ok((Some((path, file)), searched));
                }
                searched.push(path);
            }
        }
        Ok((None, searched))
    }

    /// The working directory, the user's, and the machine's.
    fn folders(&self) -> Vec<PathBuf> {
        let path = |name| (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME").or_else(std::env::home_dir);
        let [working, site] = self.folders;
        let mut folders = vec![working.to_owned()];
        folders.extend(path("XDG_CONFIG_HOME").filter(|folder| folder.is_absolute()));
        if cfg!(windows) {
            folders.extend(path("LOCALAPPDATA").map(|folder| folder.join("OpenStack")));
        }
        if cfg!(target_os = "macos") {
            folders.extend(home.as_ref().map(|home| home.join("Library/Application Support")));
        }
        folders.extend(home.map(|home| home.join(".config")));
        for folder in folders.iter_mut().skip(1) {
            folder.push("openstack");
        }
        folders.push(site.to_owned());
        folders.dedup();
        folders
    }
}

/// A file and where it is.
type Read = (PathBuf, File);

/// What a search for clouds has found.
struct Found {
    file: File,
    path: Option<PathBuf>,
    searched: Vec<PathBuf>,
}

impl Found {
    fn describe(&self) -> String {
        let names: Vec<_> = self.file.clouds.keys().map(String::as_str).collect();
        match &self.path {
            None => format!("there is none of the files {}", paths(&self.searched)),
            Some(path) if names.is_empty() => format!("{} has no clouds", path.display()),
            Some(path) => format!("{} has the clouds {}", path.display(), names.join(", ")),
        }
    }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn read(path: &Path) -> Result<Option<File>, Error> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(invalid("file", format!("{}: {error}", path.display()))),
    };
    file::parse(&text).map(Some).map_err(|reason| invalid("file", format!("{}: {reason}", path.display())))
}

/// The profiles that need no file.
fn built_in(name: &str) -> Option<Settings> {
    const OTC: &str = "{clouds: {otc: {regions: [eu-de, eu-nl], \
                       auth: {auth_url: 'https://iam.{region_name}.otc.t-systems.com/v3'}}}}";
    file::parse(OTC).ok()?.clouds.remove(name)
}

fn invalid(setting: &'static str, reason: String) -> Error {
    Error::InvalidConfig { setting, reason }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::keystone::Credentials;
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
            found.map_err(|error| error.to_string().replace(self.root.to_str().unwrap(), "ROOT"))
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.root);
        }
    }

    /// What is set, secrets included.
    fn show((settings, source): (Settings, Source)) -> String {
        let set: Vec<_> = settings
            .names()
            .into_iter()
            .filter(|name| !["profile", "cloud"].contains(name))
            .map(|name| format!("{name}={}", settings.text(&[name]).unwrap()))
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
    const TWO: &str = "clouds: {one: {auth: {auth_url: https://one}}, two: {auth: {auth_url: https://two}}}";

    #[test]
    fn settings_come_from_the_first_place_that_has_any() {
        let here = "here/clouds.yaml";
        for (files, variables, expected) in [
            // OS_CLOUD, and then no other OS_*.
            (vec![(here, TWO)], vec![("OS_CLOUD", "two")], "two: auth_url=https://two"),
            (
                vec![(here, TWO)],
                vec![("OS_CLOUD", "two"), ("OS_REGION_NAME", "B"), ("OS_AUTH_URL", "https://env"), ("OS_TOKEN", "t")],
                "two: auth_url=https://two",
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
                "environment: auth_url=https://env username=v",
            ),
            (vec![(here, ONE)], vec![("OS_USERNAME", "v")], "environment: username=v"),
            // The only cloud in the file, and what says nothing of who signs in.
            (vec![(here, ONE)], vec![], "one: auth_url=https://one username=u region_name=A"),
            (
                vec![(here, ONE)],
                vec![("OS_REGION_NAME", "B"), ("OS_INSECURE", "1")],
                "one: auth_url=https://one username=u region_name=B insecure=1",
            ),
            (
                vec![(here, ONE)],
                vec![("VBS_ENDPOINT", "https://vbs")],
                "one: auth_url=https://one username=u region_name=A vbs_endpoint_override=https://vbs",
            ),
            (
                vec![],
                vec![("VBS_ENDPOINT", "https://vbs"), ("OS_TOKEN", "t"), ("OS_PROJECT_ID", "p")],
                "environment: project_id=p token=t vbs_endpoint_override=https://vbs",
            ),
            // Folders and extensions, in their order.
            (
                vec![
                    ("site/clouds.yaml", TWO),
                    ("home/.config/openstack/clouds.json", ONE),
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
            (
                vec![(here, "clouds: {o: {profile: nope, auth: {auth_url: https://o}}}")],
                vec![],
                "o: auth_url=https://o",
            ),
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
    fn what_is_wrong_with_the_settings_is_named() {
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
                "invalid profile: the cloud \"o\" has no auth_url, and there is no profile \"nope\", only otc; searched: \
                 ROOT/here/clouds-public.yaml, ROOT/here/clouds-public.yml, ROOT/here/clouds-public.json, \
                 ROOT/.config/openstack/clouds-public.yaml, ROOT/.config/openstack/clouds-public.yml, \
                 ROOT/.config/openstack/clouds-public.json, ROOT/site/clouds-public.yaml, ROOT/site/clouds-public.yml, \
                 ROOT/site/clouds-public.json",
            ),
        ] {
            let machine = Machine::new(&files, &variables);
            assert_eq!(
                machine.run(|env| env.default_cloud()).map(show).unwrap_err(),
                expected,
                "{files:?} {variables:?}"
            );
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
            "\tclouds: {}",
        ] {
            let machine = Machine::new(&[("here/clouds.yaml", text), ("site/clouds.yaml", ONE)], &[]);
            let error = machine.run(|env| env.default_cloud()).map(show).unwrap_err();
            assert!(error.starts_with("invalid file: ROOT/here/clouds.yaml: "), "{text}: {error}");
            assert!(!error.contains("secret") && !error.contains("7355608"), "{text}: {error}");
        }
    }

    #[test]
    fn variables_beside_the_only_cloud_count_before_all_that_it_has() {
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
        let Plan { sign_in, region, interface, .. } = credentials.resolve()?;
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
        let of = |identity: &str| {
            format!("{{\"auth\":{{\"identity\":{identity},\"scope\":{{\"project\":{{\"id\":\"p\"}}}}}}}}")
        };
        let demo =
            of(r#"{"methods":["password"],"password":{"user":{"domain":{"name":"D"},"name":"u","password":"pw"}}}"#);
        for (entry, expected) in [
            (format!("{{auth: {{{user}}}}}"), format!("https://iam None public {demo}")),
            // Beside auth, as some have it; also in the environment.
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
            // In both places: for some, the one in auth counts, for others the one beside it.
            (
                format!("{{auth: {{{user}}}, auth_url: https://x, username: x, password: x}}"),
                format!("https://iam None public {demo}"),
            ),
            (
                format!("{{auth: {{{}, project_id: x}}, project_id: p}}", user.replace(", project_id: p", "")),
                format!("https://iam None public {demo}"),
            ),
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
            // The method that the settings are for.
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
        // What the caller sets is before everything else, also where it is another kind of name.
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
    fn what_is_missing_in_a_cloud_is_named() {
        let user = "auth_url: https://iam, username: u, password: pw, user_domain_name: D, project_id: p";
        let here = "of the cloud \"c\" in ROOT/here/clouds.yaml";
        for (entry, expected) in [
            (
                "{auth: {username: u}}".to_owned(),
                format!("invalid auth_url: auth_url {here} is not set; set are username"),
            ),
            (
                format!("{{auth: {{{user}, trust_id: t}}}}"),
                format!(
                    "invalid scope: trust_id {here} is set: only a project is supported, because a list is a project's"
                ),
            ),
            (
                format!("{{auth: {{{}, domain_id: d}}}}", user.replace(", project_id: p", "")),
                format!(
                    "invalid scope: domain_id {here} is set: only a project is supported, because a list is a project's"
                ),
            ),
            (
                format!("{{auth: {{{user}}}, regions: [R, S]}}"),
                format!("invalid region: region_name {here} is not set, and there are several: R, S"),
            ),
            (
                format!("{{auth: {{{user}}}, region_name: 'R,S'}}"),
                format!("invalid region: region_name {here} is \"R,S\": choose one of these"),
            ),
            (
                "{auth: {auth_url: 'https://iam.{region_name}'}}".to_owned(),
                format!("invalid region: auth_url {here} has {{region_name}}, and region_name {here} is not set"),
            ),
            (
                format!("{{auth_type: v3oidcpassword, auth: {{{user}}}}}"),
                format!(
                    "invalid auth_type: auth_type {here} is \"v3oidcpassword\", where password, token and \
                     v3applicationcredential are supported"
                ),
            ),
            (
                format!("{{auth: {{{user}}}, verify: maybe}}"),
                format!("invalid insecure: verify {here} is \"maybe\", where true or false is needed"),
            ),
            (
                "{auth: {auth_url: https://iam, application_credential_secret: s}}".to_owned(),
                format!(
                    "invalid application_credential_id: application_credential_id {here} (or application_credential_name) \
                     is not set; set are auth_url, application_credential_secret"
                ),
            ),
        ] {
            let text = format!("clouds: {{c: {entry}}}");
            assert_eq!(plan(&text, |credentials| credentials), Err(expected), "{entry}");
        }
        let machine = Machine::new(&[], &[("OS_USERNAME", "u"), ("OS_PASSWORD", "pw")]);
        let error = machine.run(|env| planned(Credentials::found(env.default_cloud()?))).unwrap_err();
        assert_eq!(error, "invalid auth_url: OS_AUTH_URL is not set; set are OS_USERNAME, OS_PASSWORD");
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
        assert!(error.unwrap_err().ends_with("/dev/null: it has no certificates"));
        // It is not looked at.
        let plan = plan(&format!("clouds: {{c: {{{entry}, cacert: /nowhere.pem, verify: false}}}}"), |credentials| {
            credentials
        });
        plan.unwrap();
    }

    #[cfg(feature = "rustls")]
    #[test]
    fn certificates_that_are_not_verified_are_warned_of() {
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

        // While only one thread has a subscriber, tracing may disable the warning for all when another meets it first.
        tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
        for (entry, warning) in [
            ("verify: false", "certificates are not verified: verify of the cloud \"c\" in "),
            ("insecure: true", "certificates are not verified: insecure of the cloud \"c\" in "),
            ("verify: true, insecure: false", ""),
        ] {
            let log = Log::default();
            let writer = log.clone();
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
            let text = format!("clouds: {{c: {{auth: {{auth_url: https://iam, token: t}}, {entry}}}}}");
            tracing::subscriber::with_default(subscriber, || plan(&text, |credentials| credentials)).unwrap();
            let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            assert_eq!(log.is_empty(), warning.is_empty(), "{log}");
            assert!(log.contains(warning), "{log}");
        }
    }

    #[cfg(not(feature = "rustls"))]
    #[test]
    fn certificates_need_a_tls_feature() {
        for (entry, name) in
            [("cacert: /dev/null", "cacert"), ("verify: false", "verify"), ("insecure: true", "insecure")]
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
    }
}
