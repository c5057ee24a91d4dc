//! openstacksdk and the `openstack` command beside this crate: by `tests/cloud.rs`, whose module this is.
//!
//! All get the same files and the same environment, sign in to the real Keystone through a proxy that notes what
//! they send, and resolve an endpoint.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::{env, fs};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vbs_client::keystone::Credentials;

use crate::http::read_request;
use crate::sign_in::{application_credential, user_id};
use crate::support::{ready, token, var};
use Endpoint::{Internal, One, Other, Two};
use Verdict::{Differently, Neither, OnlyThey, OnlyWe, Same};

/// The endpoints in the catalog, and one that is not.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Endpoint {
    /// The public one of RegionOne.
    One,
    /// The internal one of RegionOne.
    Internal,
    /// The public one of RegionTwo.
    Two,
    /// `http://127.0.0.1:9`, which is not in the catalog.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// Both send the same to Keystone and resolve this endpoint.
    Same(Endpoint),
    Neither,
    /// The reason for a difference.
    OnlyWe(Endpoint, &'static str),
    OnlyThey(Endpoint, &'static str),
    /// First ours, then theirs.
    Differently(Endpoint, Endpoint, &'static str),
}

type Pairs = &'static [(&'static str, &'static str)];

/// A name, the files with their contents, the variables, and the verdict.
///
/// The folders of files are `here` (the working directory), `home` and `xdg`. Of values, `$URL` and the like are
/// replaced, see [`Place::new`]. `-` is a variable of [`BASE`] that is not set.
type Case = (&'static str, Pairs, Pairs, Verdict);

const FIRST_REGION: &str = "of several regions, openstacksdk takes the first: a wrong list";
const EMPTY: &str = "an empty value is the same as none";
const TEXT: &str = "the text of a YAML number counts, not its value";
const METHOD: &str = "the method is that of the settings that there are, where auth_type is not set";
const BROKEN: &str = "what is chosen and can't be read is an error, not skipped";

/// Variables of all cases by which the environment signs in.
const BASE: Pairs = &[
    ("OS_AUTH_URL", "$URL/v3"),
    ("OS_USERNAME", "demo"),
    ("OS_PASSWORD", "$PASSWORD"),
    ("OS_USER_DOMAIN_NAME", "Default"),
    ("OS_PROJECT_NAME", "demo"),
    ("OS_PROJECT_DOMAIN_NAME", "Default"),
    ("OS_REGION_NAME", "RegionOne"),
];

/// Cases in which variables sign in, beside those of [`BASE`].
const ENVIRONMENT: &[Case] = &[
    ("names", &[], &[], Same(One)),
    (
        "ids",
        &[],
        &[
            ("OS_USERNAME", "-"),
            ("OS_USER_DOMAIN_NAME", "-"),
            ("OS_PROJECT_NAME", "-"),
            ("OS_PROJECT_DOMAIN_NAME", "-"),
            ("OS_USER_ID", "$USER_ID"),
            ("OS_PROJECT_ID", "$PROJECT_ID"),
        ],
        Same(One),
    ),
    ("ids and names", &[], &[("OS_USER_ID", "$USER_ID"), ("OS_PROJECT_ID", "$PROJECT_ID")], Same(One)),
    (
        "ids of domains",
        &[],
        &[
            ("OS_USER_DOMAIN_NAME", "-"),
            ("OS_PROJECT_DOMAIN_NAME", "-"),
            ("OS_USER_DOMAIN_ID", "default"),
            ("OS_PROJECT_DOMAIN_ID", "default"),
        ],
        Same(One),
    ),
    (
        "one domain by name",
        &[],
        &[("OS_USER_DOMAIN_NAME", "-"), ("OS_PROJECT_DOMAIN_NAME", "-"), ("OS_DOMAIN_NAME", "Default")],
        Same(One),
    ),
    (
        "one domain by id",
        &[],
        &[("OS_USER_DOMAIN_NAME", "-"), ("OS_PROJECT_DOMAIN_NAME", "-"), ("OS_DOMAIN_ID", "default")],
        Same(One),
    ),
    (
        "the default domain's id",
        &[],
        &[("OS_USER_DOMAIN_NAME", "-"), ("OS_PROJECT_DOMAIN_NAME", "-"), ("OS_DEFAULT_DOMAIN_ID", "default")],
        Same(One),
    ),
    (
        "the default domain's name",
        &[],
        &[("OS_USER_DOMAIN_NAME", "-"), ("OS_PROJECT_DOMAIN_NAME", "-"), ("OS_DEFAULT_DOMAIN_NAME", "Default")],
        Same(One),
    ),
    (
        "the default domain",
        &[],
        &[("OS_USER_DOMAIN_NAME", "-"), ("OS_PROJECT_DOMAIN_NAME", "-"), ("OS_DEFAULT_DOMAIN", "default")],
        OnlyWe(One, "OS_DEFAULT_DOMAIN is a variable of the openstack command"),
    ),
    ("a tenant's name", &[], &[("OS_PROJECT_NAME", "-"), ("OS_TENANT_NAME", "demo")], Same(One)),
    ("a tenant's id", &[], &[("OS_PROJECT_NAME", "-"), ("OS_TENANT_ID", "$PROJECT_ID")], Same(One)),
    ("a project and a tenant", &[], &[("OS_TENANT_NAME", "other")], Same(One)),
    ("no project", &[], &[("OS_PROJECT_NAME", "-")], Neither),
    ("another's project", &[], &[("OS_PROJECT_NAME", "other")], Neither),
    ("a project whose catalog does not have the service", &[], &[("OS_PROJECT_NAME", "bare")], Neither),
    ("no version in the URL", &[], &[("OS_AUTH_URL", "$URL")], Same(One)),
    ("a slash after the URL", &[], &[("OS_AUTH_URL", "$URL/v3/")], Same(One)),
    (
        "the old version in the URL",
        &[],
        &[("OS_AUTH_URL", "$URL/v2.0")],
        OnlyWe(One, "there is no other version than 3 any more"),
    ),
    (
        "a region in the URL",
        &[],
        &[("OS_AUTH_URL", "$URL/{region_name}/v3")],
        OnlyWe(One, "openstacksdk fills it in in files only"),
    ),
    ("no URL", &[], &[("OS_AUTH_URL", "-")], Neither),
    ("another region", &[], &[("OS_REGION_NAME", "RegionTwo")], Same(Two)),
    ("a region that there is not", &[], &[("OS_REGION_NAME", "Regionone")], Neither),
    ("no region", &[], &[("OS_REGION_NAME", "-")], OnlyThey(One, FIRST_REGION)),
    ("an empty region", &[], &[("OS_REGION_NAME", "")], OnlyThey(One, FIRST_REGION)),
    ("an interface", &[], &[("OS_INTERFACE", "internal")], Same(Internal)),
    ("an interface by its old name", &[], &[("OS_INTERFACE", "internalURL")], Same(Internal)),
    ("an endpoint type", &[], &[("OS_ENDPOINT_TYPE", "internalURL")], Same(Internal)),
    ("an interface that there is not", &[], &[("OS_INTERFACE", "admin")], Neither),
    ("a wrong password", &[], &[("OS_PASSWORD", "wrong")], Neither),
    ("an empty password", &[], &[("OS_PASSWORD", "")], Neither),
    ("a disabled user", &[], &[("OS_USERNAME", "disabled")], Neither),
    ("empty values", &[], &[("OS_USER_ID", ""), ("OS_PROJECT_ID", ""), ("OS_USER_DOMAIN_ID", "")], Same(One)),
    ("the version of Keystone's API", &[], &[("OS_IDENTITY_API_VERSION", "3"), ("OS_UNKNOWN", "x")], Same(One)),
    ("a password's method", &[], &[("OS_AUTH_TYPE", "v3password")], Same(One)),
    ("an unknown method", &[], &[("OS_AUTH_TYPE", "v3oidcpassword")], Neither),
    (
        "a token",
        &[],
        &[
            ("OS_USERNAME", "-"),
            ("OS_PASSWORD", "-"),
            ("OS_USER_DOMAIN_NAME", "-"),
            ("OS_AUTH_TYPE", "token"),
            ("OS_TOKEN", "$TOKEN"),
        ],
        Same(One),
    ),
    (
        "a token of v3",
        &[],
        &[
            ("OS_USERNAME", "-"),
            ("OS_PASSWORD", "-"),
            ("OS_USER_DOMAIN_NAME", "-"),
            ("OS_AUTH_TYPE", "v3token"),
            ("OS_TOKEN", "$TOKEN"),
        ],
        Same(One),
    ),
    (
        "a token by its old name",
        &[],
        &[
            ("OS_USERNAME", "-"),
            ("OS_PASSWORD", "-"),
            ("OS_USER_DOMAIN_NAME", "-"),
            ("OS_AUTH_TYPE", "token"),
            ("OS_AUTH_TOKEN", "$TOKEN"),
        ],
        Same(One),
    ),
    (
        "a token beside a user",
        &[],
        &[("OS_AUTH_TYPE", "token"), ("OS_TOKEN", "$TOKEN")],
        OnlyWe(One, "settings of other methods do no harm; openstacksdk fails with a TypeError"),
    ),
    (
        "a token without a method",
        &[],
        &[("OS_USERNAME", "-"), ("OS_PASSWORD", "-"), ("OS_USER_DOMAIN_NAME", "-"), ("OS_TOKEN", "$TOKEN")],
        OnlyWe(One, METHOD),
    ),
    (
        "an application credential's id",
        &[],
        &[
            ("OS_PROJECT_NAME", "-"),
            ("OS_AUTH_TYPE", "v3applicationcredential"),
            ("OS_APPLICATION_CREDENTIAL_ID", "$AC_ID"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "$AC_SECRET"),
        ],
        Same(One),
    ),
    (
        "an application credential's name",
        &[],
        &[
            ("OS_PROJECT_NAME", "-"),
            ("OS_AUTH_TYPE", "v3applicationcredential"),
            ("OS_APPLICATION_CREDENTIAL_NAME", "$AC_NAME"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "$AC_SECRET"),
        ],
        Same(One),
    ),
    (
        "an application credential and a project",
        &[],
        &[
            ("OS_AUTH_TYPE", "v3applicationcredential"),
            ("OS_APPLICATION_CREDENTIAL_ID", "$AC_ID"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "$AC_SECRET"),
        ],
        OnlyWe(One, "Keystone refuses the two together; the project has to be that of the application credential"),
    ),
    (
        "an application credential without a method",
        &[],
        &[
            ("OS_PROJECT_NAME", "-"),
            ("OS_PASSWORD", "-"),
            ("OS_APPLICATION_CREDENTIAL_ID", "$AC_ID"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "$AC_SECRET"),
        ],
        OnlyWe(One, METHOD),
    ),
    (
        "a wrong application credential",
        &[],
        &[
            ("OS_PROJECT_NAME", "-"),
            ("OS_AUTH_TYPE", "v3applicationcredential"),
            ("OS_APPLICATION_CREDENTIAL_ID", "$AC_ID"),
            ("OS_APPLICATION_CREDENTIAL_SECRET", "wrong"),
        ],
        Neither,
    ),
    (
        "an endpoint",
        &[],
        &[("VBS_ENDPOINT", "http://127.0.0.1:9")],
        Differently(Other, One, "VBS_ENDPOINT is a variable of this crate"),
    ),
    (
        "a file of certificates that there is not",
        &[],
        &[("OS_CACERT", "$ROOT/nowhere.pem")],
        OnlyThey(One, "what is chosen and can't be read is an error, also where it is not needed"),
    ),
    ("a region of the service by a variable", &[], &[("OS_BLOCK_STORAGE_REGION_NAME", "RegionTwo")], Same(Two)),
    ("a region of the service by its old name", &[], &[("OS_VOLUMEV3_REGION_NAME", "RegionTwo")], Same(Two)),
    ("an interface of the service by a variable", &[], &[("OS_VOLUME_INTERFACE", "internal")], Same(Internal)),
    ("an endpoint type of the service", &[], &[("OS_VOLUMEV2_ENDPOINT_TYPE", "internalURL")], Same(Internal)),
    ("an endpoint of the service", &[], &[("OS_BLOCK_STORE_ENDPOINT_OVERRIDE", "$STRICT/v3/$PROJECT_ID")], Same(Two)),
    ("a service's type", &[], &[("OS_VOLUME_SERVICE_TYPE", "block-storage")], Same(One)),
    (
        "a service's type by its old name",
        &[],
        &[("OS_VOLUME_SERVICE_TYPE", "volumev3")],
        OnlyWe(One, "the catalog has it; openstacksdk fails with an ImpliedMinVersionMismatch"),
    ),
    ("a service's type that the catalog lacks", &[], &[("OS_VOLUME_SERVICE_TYPE", "backup")], Neither),
    ("a service's name", &[], &[("OS_BLOCK_STORAGE_SERVICE_NAME", "cinderv3")], Same(One)),
    ("a service's name that the catalog lacks", &[], &[("OS_BLOCK_STORAGE_SERVICE_NAME", "swift")], Neither),
    ("AK and SK", &[], &[("OS_PASSWORD", "-"), ("OS_ACCESS_KEY", "a"), ("OS_SECRET_KEY", "s")], Neither),
    ("the cloud of the environment by its name", &[], &[("OS_CLOUD", "envvars")], Same(One)),
    (
        "the cloud of the environment by another name",
        &[],
        &[("OS_CLOUD", "mine"), ("OS_CLOUD_NAME", "mine")],
        Same(One),
    ),
    // No other file or cloud counts.
    ("a file beside it", &[("here/clouds.yaml", "clouds: {one: {region_name: RegionTwo}}")], &[], Same(One)),
];

/// Cases in which a file signs in, without the variables of [`BASE`].
const FILES: &[Case] = &[
    ("nothing", &[], &[], Neither),
    ("the only cloud", &[("here/clouds.yaml", ONE)], &[], Same(One)),
    ("one of two", &[("here/clouds.yaml", BOTH)], &[("OS_CLOUD", "two")], Same(Two)),
    ("none of two", &[("here/clouds.yaml", BOTH)], &[], Neither),
    ("an unknown one", &[("here/clouds.yaml", BOTH)], &[("OS_CLOUD", "three")], Neither),
    ("no file", &[], &[("OS_CLOUD", "one")], Neither),
    ("an empty file", &[("here/clouds.yaml", "")], &[], Neither),
    ("an empty name", &[("here/clouds.yaml", ONE)], &[("OS_CLOUD", "")], Same(One)),
    (
        "a name and other variables",
        &[("here/clouds.yaml", ONE)],
        &[
            ("OS_CLOUD", "one"),
            ("OS_AUTH_URL", "http://127.0.0.1:9"),
            ("OS_USERNAME", "nobody"),
            ("OS_REGION_NAME", "RegionTwo"),
            ("OS_PROJECT_NAME", "other"),
            ("OS_TOKEN", "t"),
        ],
        Same(One),
    ),
    ("a user beside the only cloud", &[("here/clouds.yaml", ONE)], &[("OS_USERNAME", "demo")], Neither),
    ("an empty URL beside the only cloud", &[("here/clouds.yaml", ONE)], &[("OS_AUTH_URL", "")], OnlyWe(One, EMPTY)),
    (
        "an interface beside the only cloud",
        &[("here/clouds.yaml", ONE)],
        &[("OS_INTERFACE", "internal")],
        OnlyWe(Internal, "what says nothing of who signs in is for the only cloud, and does not hide it"),
    ),
    (
        "a region beside the only cloud",
        &[("here/clouds.yaml", ONE)],
        &[("OS_REGION_NAME", "RegionTwo")],
        Differently(Two, One, "the region that was chosen is not ignored"),
    ),
    ("yml", &[("here/clouds.yml", ONE)], &[], Same(One)),
    (
        "json",
        &[("here/clouds.json", r#"{"clouds": {"one": {"auth": $JSON, "region_name": "RegionTwo"}}}"#)],
        &[],
        Same(Two),
    ),
    ("the first of two files", &[("here/clouds.yml", ONE), ("here/clouds.json", "{}")], &[], Same(One)),
    ("the home directory", &[("home/.config/openstack/clouds.yaml", ONE)], &[], Same(One)),
    (
        "the working directory first",
        &[("here/clouds.json", r#"{"clouds": {}}"#), ("home/.config/openstack/clouds.yaml", ONE)],
        &[],
        Neither,
    ),
    (
        "the configuration directory",
        &[("xdg/openstack/clouds.yaml", ONE), ("home/.config/openstack/clouds.yaml", BOTH)],
        &[("XDG_CONFIG_HOME", "$ROOT/xdg")],
        Same(One),
    ),
    (
        "a file that is named",
        &[("here/clouds.yaml", BOTH), ("xdg/mine", ONE)],
        &[("OS_CLIENT_CONFIG_FILE", "$ROOT/xdg/mine")],
        Same(One),
    ),
    (
        "a file that is named and does not exist",
        &[("here/clouds.yaml", ONE)],
        &[("OS_CLIENT_CONFIG_FILE", "$ROOT/nowhere")],
        OnlyThey(One, BROKEN),
    ),
    (
        "a broken file",
        &[("here/clouds.yaml", "clouds: ["), ("home/.config/openstack/clouds.yaml", ONE)],
        &[],
        OnlyThey(One, BROKEN),
    ),
    (
        "a secret in a file of its own",
        &[
            ("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $DEMO}, region_name: RegionOne}}"),
            ("here/secure.yaml", SECURE),
        ],
        &[],
        Same(One),
    ),
    (
        "a secret in another directory, which wins",
        &[
            ("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $DEMO, password: x}, region_name: RegionOne}}"),
            ("home/.config/openstack/secure.yml", SECURE),
        ],
        &[],
        Same(One),
    ),
    (
        "a secret in a file that is named",
        &[
            ("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $DEMO}, region_name: RegionOne}}"),
            ("xdg/s", SECURE),
        ],
        &[("OS_CLIENT_SECURE_FILE", "$ROOT/xdg/s")],
        Same(One),
    ),
    (
        "a cloud of the file of secrets only",
        &[("here/secure.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionTwo}}")],
        &[],
        Same(Two),
    ),
    (
        "a profile",
        &[("here/clouds.yaml", "clouds: {one: {profile: p, auth: {$LOGIN}}}"), ("here/clouds-public.yaml", PROFILE)],
        &[],
        Same(Two),
    ),
    (
        "a profile by its old name",
        &[
            ("here/clouds.yaml", "clouds: {one: {cloud: p, auth: {$LOGIN}, region_name: RegionOne}}"),
            ("home/.config/openstack/clouds-public.yml", PROFILE),
        ],
        &[],
        Same(One),
    ),
    (
        "an unknown profile beside a URL",
        &[("here/clouds.yaml", "clouds: {one: {profile: q, auth: $AUTH, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    ("an unknown profile", &[("here/clouds.yaml", "clouds: {one: {profile: q, auth: {$LOGIN}}}")], &[], Neither),
    (
        "a region in the URL of a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: '$URL/{region_name}/v3', $LOGIN}, region_name: RegionTwo}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "the only region of a list",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, regions: [RegionTwo]}}")],
        &[],
        Same(Two),
    ),
    (
        "several regions",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, regions: [RegionOne, RegionTwo]}}")],
        &[],
        OnlyThey(One, FIRST_REGION),
    ),
    (
        "a region that is none of the cloud's",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: regiontwo, regions: [RegionOne, {name: RegionTwo}], \
             block_storage_endpoint_override: 'http://127.0.0.1:9'}}",
        )],
        &[],
        Neither,
    ),
    (
        "several regions in one text",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: 'RegionOne,RegionTwo'}}")],
        &[],
        OnlyThey(One, FIRST_REGION),
    ),
    (
        "a region and several",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: RegionTwo, regions: [RegionOne, RegionTwo]}}",
        )],
        &[],
        Differently(Two, One, "the region that was chosen is not ignored"),
    ),
    (
        "a region with values",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, interface: admin, regions: [{name: RegionOne, values: {interface: internal}}]}}",
        )],
        &[],
        Same(Internal),
    ),
    ("no region in a file", &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH}}")], &[], OnlyThey(One, FIRST_REGION)),
    (
        "an interface in a file",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne, interface: internal}}")],
        &[],
        Same(Internal),
    ),
    (
        "an endpoint type in a file",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne, endpoint_type: internalURL}}")],
        &[],
        Same(Internal),
    ),
    (
        "an interface of the service",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: RegionOne, block_storage_interface: internal}}",
        )],
        &[],
        Same(Internal),
    ),
    (
        "a region of the service",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: RegionOne, block_storage_region_name: RegionTwo}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "an endpoint in a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: RegionOne, block_storage_endpoint_override: '$STRICT/v3/$PROJECT_ID'}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "settings beside auth",
        &[("here/clouds.yaml", "clouds: {one: {auth_url: $URL/v3, $LOGIN, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    (
        "a user in auth and another beside it",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, username: nobody, password: x, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    (
        "a project in auth and another beside it",
        &[("here/clouds.yaml", "clouds: {one: {auth: {$OTHER}, project_name: demo, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    (
        "dashes",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth-url: $URL, username: demo, password: $PASSWORD, user-domain-name: Default, \
             project-id: $PROJECT_ID}, region-name: RegionOne}}",
        )],
        &[],
        Same(One),
    ),
    (
        "anchors and merge keys",
        &[(
            "here/clouds.yaml",
            "x: &x\n  auth: &auth {auth_url: $URL, $AS: nobody}\n  region_name: RegionOne\nclouds:\n  one:\n    \
             <<: *x\n    auth:\n      <<: *auth\n      username: demo\n    region_name: RegionTwo\n",
        )],
        &[],
        Same(Two),
    ),
    (
        "a key that is there twice",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, username: demo}, region_name: RegionOne}}",
        )],
        &[],
        OnlyThey(One, "only one of them can be what was meant"),
    ),
    (
        "a number as text",
        &[("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $AS: 0777}, region_name: RegionOne}}")],
        &[],
        OnlyWe(One, TEXT),
    ),
    (
        "a number in quotes",
        &[("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $AS: '0777'}, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    (
        "empty values in a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, user_domain_id: '', project_id: ''}, region_name: RegionOne}}",
        )],
        &[],
        Same(One),
    ),
    (
        "nulls",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, user_domain_id: null, project_id: ~}, region_name: RegionOne}}",
        )],
        &[],
        OnlyWe(One, EMPTY),
    ),
    (
        "an application credential in a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth_type: v3applicationcredential, region_name: RegionTwo, auth: {auth_url: $URL, \
             application_credential_id: $AC_ID, application_credential_secret: $AC_SECRET}}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "an application credential's name in a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth_type: v3applicationcredential, region_name: RegionTwo, auth: {auth_url: $URL, user_id: \
             $USER_ID, application_credential_name: $AC_NAME, application_credential_secret: $AC_SECRET}}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "a password and an application credential",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, application_credential_id: $AC_ID, \
             application_credential_secret: $AC_SECRET}, region_name: RegionOne}}",
        )],
        &[],
        OnlyWe(One, METHOD),
    ),
    (
        "a tenant beside the project in auth",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, project_id: $PROJECT_ID}, tenant_id: x, region_name: RegionOne}}",
        )],
        &[],
        Same(One),
    ),
    (
        "a token in a file",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth_type: token, auth: {auth_url: $URL, token: $TOKEN, project_id: $PROJECT_ID}, region_name: \
             RegionOne}}",
        )],
        &[],
        Same(One),
    ),
    (
        "settings of the service by an old name",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: $AUTH, region_name: RegionOne, volumev2_region_name: RegionTwo, volume_region_name: x}}",
        )],
        &[],
        Same(Two),
    ),
    (
        "a service's name in a file",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne, volume-service-name: cinderv3}}")],
        &[],
        Same(One),
    ),
    (
        "a profile with a URL of its own",
        &[("here/clouds.yaml", "clouds: {one: {profile: otc, auth: $AUTH}}")],
        &[],
        Neither,
    ),
    (
        "a profile with a URL of its own and a region",
        &[("here/clouds.yaml", "clouds: {one: {profile: otc, auth: $AUTH, region_name: RegionTwo}}")],
        &[],
        Same(Two),
    ),
    (
        "a profile of a cloud that has ceased",
        &[("here/clouds.yaml", "clouds: {one: {profile: betacloud, auth: $AUTH, region_name: RegionOne}}")],
        &[],
        Neither,
    ),
    (
        "a byte order mark",
        &[("here/clouds.yaml", "\u{feff}---\nclouds: {one: {auth: $AUTH, region_name: RegionOne}}")],
        &[],
        Same(One),
    ),
    (
        "escaped surrogates in JSON",
        &[(
            "here/clouds.json",
            r#"{"x": "\ud83d\ude00", "clouds": {"one": {"auth": $JSON, "region_name": "RegionOne"}}}"#,
        )],
        &[],
        Same(One),
    ),
    (
        "a tag",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, $LOGIN, token: !vault x}, region_name: RegionOne}}",
        )],
        &[],
        Neither,
    ),
    (
        "a key that is not understood",
        &[(
            "here/clouds.yaml",
            "clouds: {one: {auth: {auth_url: $URL, user: demo, password: x}, region_name: RegionOne}}",
        )],
        &[],
        Neither,
    ),
    (
        "certificates that are not verified",
        &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne, verify: false, insecure: true}}")],
        &[],
        Same(One),
    ),
];

/// Cases in which the `openstack` command differs from openstacksdk, by variables and files alone, and what it resolves.
///
/// The command takes any variable for one of its options, which win over the cloud's entry.
const COMMAND: &[(Case, Option<Endpoint>)] = &[
    (
        (
            "no domain",
            &[],
            &[
                ("OS_AUTH_URL", "$URL/v3"),
                ("OS_USERNAME", "demo"),
                ("OS_PASSWORD", "$PASSWORD"),
                ("OS_PROJECT_NAME", "demo"),
                ("OS_REGION_NAME", "RegionOne"),
                ("OS_IDENTITY_API_VERSION", "3"),
            ],
            OnlyWe(One, DOMAIN),
        ),
        Some(One),
    ),
    (
        (
            "the vendor's sample openrc",
            &[],
            &[
                ("OS_AUTH_URL", "$URL/v3"),
                ("OS_USERNAME", "demo"),
                ("OS_PASSWORD", "$PASSWORD"),
                ("OS_USER_DOMAIN_NAME", "Default"),
                ("OS_PROJECT_NAME", "demo"),
                ("OS_REGION_NAME", "RegionOne"),
                ("OS_IDENTITY_API_VERSION", "3"),
            ],
            OnlyWe(One, DOMAIN),
        ),
        Some(One),
    ),
    (
        (
            "the vendor's sample clouds.yaml",
            &[(
                "here/clouds.yaml",
                "clouds:\n  otc:\n    profile: otc\n    region_name: RegionOne\n    auth:\n      username: 'demo'\n      \
                 password: '$PASSWORD'\n      project_name: 'demo'\n      user_domain_name: 'Default'\n      auth_url: \
                 '$URL/v3'\n    interface: 'public'\n    identity_api_version: 3\n",
            )],
            &[("OS_CLOUD", "otc")],
            OnlyWe(One, DOMAIN),
        ),
        Some(One),
    ),
    (
        (
            "a password beside a name",
            &[("here/clouds.yaml", "clouds: {one: {auth: {auth_url: $URL, $DEMO}, region_name: RegionOne}}")],
            &[("OS_CLOUD", "one"), ("OS_PASSWORD", "$PASSWORD")],
            OnlyWe(One, FILLS),
        ),
        Some(One),
    ),
    (
        (
            "a region beside a name",
            &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH}}")],
            &[("OS_CLOUD", "one"), ("OS_REGION_NAME", "RegionTwo")],
            Differently(Two, One, FILLS),
        ),
        Some(Two),
    ),
    (
        (
            "an interface beside a name",
            &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne}}")],
            &[("OS_CLOUD", "one"), ("OS_INTERFACE", "internal")],
            Differently(Internal, One, FILLS),
        ),
        Some(Internal),
    ),
    // The entry is what was chosen: openstacksdk is followed, and there is a warning.
    (
        (
            "a region beside a name that has one",
            &[("here/clouds.yaml", ONE)],
            &[("OS_CLOUD", "one"), ("OS_REGION_NAME", "RegionTwo")],
            Same(One),
        ),
        None,
    ),
    (
        (
            "an interface beside a name that has one",
            &[("here/clouds.yaml", "clouds: {one: {auth: $AUTH, region_name: RegionOne, interface: public}}")],
            &[("OS_CLOUD", "one"), ("OS_INTERFACE", "internal")],
            Same(One),
        ),
        Some(Internal),
    ),
    (
        (
            "a project beside a name that has one",
            &[("here/clouds.yaml", ONE)],
            &[("OS_CLOUD", "one"), ("OS_PROJECT_NAME", "other")],
            Same(One),
        ),
        None,
    ),
    (
        (
            "a region of the service beside a name",
            &[("here/clouds.yaml", ONE)],
            &[("OS_CLOUD", "one"), ("OS_VOLUMEV3_REGION_NAME", "RegionTwo")],
            Same(One),
        ),
        Some(One),
    ),
];

const DOMAIN: &str = "without a domain, the project's is the user's, and the user's is the default one";
const FILLS: &str = "with OS_CLOUD, variables fill in for what the entry lacks";

const ONE: &str = "clouds: {one: {auth: $AUTH, region_name: RegionOne}}";
const BOTH: &str = "clouds: {one: {auth: $AUTH, region_name: RegionOne}, two: {auth: $AUTH, region_name: RegionTwo}}";
const SECURE: &str = "clouds: {one: {auth: {password: $PASSWORD}}}";
const PROFILE: &str = "public-clouds: {p: {auth: {auth_url: $URL}, region_name: RegionTwo}}";

/// Set in the process that [`resolve`] is for: the file for its result.
const RESULT: &str = "VBS_CLIENT_TEST_RESULT";

/// One client's copy of a case.
struct Place {
    root: PathBuf,
    variables: Vec<(String, String)>,
    keystone: Proxy,
}

impl Place {
    async fn new(root: PathBuf, files: Pairs, variables: &[(&str, &str)], values: &[(&str, String)]) -> Self {
        let keystone = Proxy::start().await;
        let own = [("$ROOT", root.to_str().unwrap().to_owned()), ("$URL", keystone.url.clone())];
        let fill = |text: &str| {
            let filled = values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
            own.iter().fold(filled, |text, (name, value)| text.replace(name, value))
        };
        for folder in ["here", "home/.config/openstack", "xdg/openstack"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for (path, text) in files {
            fs::write(root.join(path), fill(text)).unwrap();
        }
        let mut all = vec![("HOME".to_owned(), root.join("home").to_str().unwrap().to_owned())];
        all.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), fill(value))));
        Self { root, variables: all, keystone }
    }

    fn folder(&self) -> PathBuf {
        self.root.join("here")
    }
}

/// The values of `$NAME`, the longer names first.
async fn values(of: &str) -> Vec<(&'static str, String)> {
    let (id, name, secret) = application_credential(of).await;
    let login = "username: demo, password: $PASSWORD, user_domain_name: Default, project_name: demo, \
                 project_domain_name: Default";
    vec![
        ("$AUTH", "{auth_url: $URL/v3, $LOGIN}".to_owned()),
        (
            "$JSON",
            r#"{"auth_url": "$URL", "user_id": "$USER_ID", "password": "$PASSWORD", "project_id": "$PROJECT_ID"}"#
                .to_owned(),
        ),
        (
            "$OTHER",
            "auth_url: $URL/v3, $LOGIN".replace("$LOGIN", &login.replace("project_name: demo", "project_name: other")),
        ),
        ("$AS", login.replace("username: demo, ", "") + ", username"),
        ("$DEMO", login.replace("password: $PASSWORD, ", "")),
        ("$LOGIN", login.to_owned()),
        ("$STRICT", var("CLOUD_STRICT_ENDPOINT")),
        ("$AC_ID", id),
        ("$AC_NAME", name),
        ("$AC_SECRET", secret),
        ("$PASSWORD", var("OS_PASSWORD")),
        ("$PROJECT_ID", var("OS_PROJECT_ID")),
        ("$USER_ID", user_id().await),
        ("$TOKEN", token("demo", "demo").await),
    ]
}

/// Keystone, and the requests that sign in.
struct Proxy {
    url: String,
    /// The region in the first path, and the last body that was sent for a token.
    seen: Arc<Mutex<(Option<String>, Value)>>,
}

impl Proxy {
    async fn start() -> Self {
        let keystone: SocketAddr = keystone().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<(Option<String>, Value)>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                tokio::spawn(async move {
                    let Some((head, body)) = read_request(&mut client).await else { return };
                    let mut head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                    if let Some(region) = ["RegionOne", "RegionTwo"].into_iter().find(|name| head.contains(*name)) {
                        head = head.replacen(&format!("/{region}"), "", 1);
                        log.lock().unwrap().0 = Some(region.to_owned());
                    }
                    if head.starts_with("POST /v3/auth/tokens ") {
                        log.lock().unwrap().1 = serde_json::from_slice(&body).unwrap();
                    }
                    let mut server = TcpStream::connect(keystone).await.unwrap();
                    server.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
                    let mut response = Vec::new();
                    server.read_to_end(&mut response).await.unwrap();
                    let _ = client.write_all(&response).await;
                });
            }
        });
        Self { url, seen }
    }
}

fn keystone() -> String {
    var("OS_AUTH_URL").trim_start_matches("http://").trim_end_matches("/v3").to_owned()
}

/// Resolves this process's environment. Without the variable it does nothing.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn resolve() {
    let Some(path) = env::var_os(RESULT) else { return };
    let signed_in = match Credentials::from_env() {
        Ok(credentials) => ready(credentials).sign_in().await,
        Err(error) => Err(error),
    };
    let result = match signed_in {
        Ok(builder) => json!({"endpoint": crate::sign_in::endpoint(&builder)}),
        Err(error) => json!({"error": error.to_string()}),
    };
    fs::write(path, result.to_string()).unwrap();
}

/// This crate's result.
async fn ours(places: &[Place]) -> Vec<Value> {
    let mut results = Vec::new();
    for place in places {
        let path = place.root.join("result");
        let mut command = tokio::process::Command::new(env::current_exe().unwrap());
        command.args(["--exact", "openstacksdk::resolve", "--ignored"]).current_dir(place.folder());
        let output =
            command.env_clear().envs(place.variables.iter().cloned()).env(RESULT, &path).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        results.push(serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
    }
    results
}

/// openstacksdk's result, or with the argument `command`, the `openstack` command's.
async fn theirs(places: &[Place], argument: Option<&str>) -> Vec<Value> {
    let cases: Vec<_> = places
        .iter()
        .map(|place| {
            let environment: serde_json::Map<_, _> =
                place.variables.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            json!({"folder": place.folder(), "environment": environment})
        })
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/openstacksdk.py");
    let mut command = tokio::process::Command::from(Command::new(Path::new(&var("CLOUD_VENV")).join("bin/python")));
    command.arg(script).args(argument).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(&cases).unwrap()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Which endpoint it is.
fn known(result: &Value) -> Option<Endpoint> {
    let endpoint = result["endpoint"].as_str()?;
    let is_at = |address: String| endpoint.starts_with(&address);
    let public = var("VBS_ENDPOINT");
    let known = [
        (One, public.clone()),
        (Internal, public.replace("127.0.0.1", "localhost")),
        (Two, var("CLOUD_STRICT_ENDPOINT")),
        (Other, "http://127.0.0.1:9".to_owned()),
    ];
    let found = known.into_iter().find(|(_, address)| is_at(format!("{address}/")) || endpoint == address);
    Some(found.unwrap_or_else(|| panic!("{endpoint}")).0)
}

/// The verdicts of the cases state which of the two is followed; this is the command's result.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn the_openstack_command_differs_from_openstacksdk_as_the_table_has_it() {
    let values = values("openstack").await;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openstack-{}", std::process::id()));
    let mut places = Vec::new();
    for ((_, files, variables, _), _) in COMMAND {
        places.push(Place::new(root.join(places.len().to_string()), files, variables, &values).await);
    }
    let results = theirs(&places, Some("command")).await;
    for (((name, ..), expected), result) in COMMAND.iter().zip(results) {
        assert_eq!(known(&result), *expected, "{name}: {result}");
    }
    fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn settings_mean_what_they_mean_to_openstacksdk() {
    let values = values("openstacksdk").await;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("openstacksdk-{}", std::process::id()));
    let (mut we, mut they, mut cases) = (Vec::new(), Vec::new(), Vec::new());
    let in_files = FILES.iter().chain(COMMAND.iter().map(|(case, _)| case)).map(|case| (case, &[][..]));
    for (case, base) in ENVIRONMENT.iter().map(|case| (case, BASE)).chain(in_files) {
        let (name, files, more, verdict) = case;
        let base = base.iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
        let variables: Vec<_> = base.chain(*more).filter(|(_, value)| *value != "-").copied().collect();
        let folder = root.join(cases.len().to_string());
        we.push(Place::new(folder.join("we"), files, &variables, &values).await);
        they.push(Place::new(folder.join("they"), files, &variables, &values).await);
        cases.push((*name, *verdict));
    }
    assert!(cases.len() >= 40);
    let (our_results, their_results) = tokio::join!(ours(&we), theirs(&they, None));

    let mut wrong = Vec::new();
    for (number, (name, expected)) in cases.into_iter().enumerate() {
        let (ours, theirs) = (&our_results[number], &their_results[number]);
        let (our_request, their_request) = (&we[number].keystone.seen, &they[number].keystone.seen);
        let (our_request, their_request) = (our_request.lock().unwrap(), their_request.lock().unwrap());
        let fits = match expected {
            Same(endpoint) => {
                known(ours) == Some(endpoint) && known(theirs) == Some(endpoint) && *our_request == *their_request
            }
            Neither => known(ours).is_none() && known(theirs).is_none(),
            OnlyWe(endpoint, _) => known(ours) == Some(endpoint) && known(theirs).is_none(),
            OnlyThey(endpoint, _) => known(ours).is_none() && known(theirs) == Some(endpoint),
            Differently(one, other, _) => known(ours) == Some(one) && known(theirs) == Some(other),
        };
        if !fits {
            wrong.push(format!(
                "{name}: {expected:?}\n  ours {ours} {:?} {}\n  theirs {theirs} {:?} {}",
                our_request.0, our_request.1, their_request.0, their_request.1
            ));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    fs::remove_dir_all(root).unwrap();
}
