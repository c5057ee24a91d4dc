//! All settings of signing in, in one table, and [`Settings`]: their values, in layers.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// A property of a setting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// As in openstacksdk, a value in `auth` wins over one beside it. Without this flag, the preferred name wins, and of
    /// one name the value beside `auth`.
    AuthFirst,
    /// Not shown.
    Secret,
    /// With `OS_CLOUD`, the variable is used if the cloud's entry has no value.
    Fills,
    /// Does not state who signs in: set alone, its variable applies to the only cloud of the file.
    Selects,
    /// Selects what is listed: if the variable is ignored, a warning is logged.
    Chooses,
    /// One service may have its own, with the service's name before it: `volume_region_name`.
    Service,
    /// Only one service may have it.
    ServiceOnly,
    /// Has no variable.
    FileOnly,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $setting:ident [$($name:literal),+] $($flag:ident)*;)+) => {
        /// A setting: a row of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Setting { $($(#[$doc])* $setting),+ }

        impl Setting {
            pub(super) const ALL: &[Self] = &[$(Self::$setting),+];

            /// Its general names, the preferred one first, and its flags.
            fn row(self) -> (&'static [&'static str], &'static [Flag]) {
                match self {
                    $(Self::$setting => (&[$($name),+], &[$(Flag::$flag),*])),+
                }
            }
        }
    };
}

settings! {
    // The setting, its names in a file, and its flags. A variable is `OS_` and a name in upper case.
    AuthType                 ["auth_type", "auth_plugin"];
    AuthUrl                  ["auth_url"]                         AuthFirst;
    Username                 ["username", "user_name"]            AuthFirst;
    UserId                   ["user_id"]                          AuthFirst;
    Password                 ["password"]                         AuthFirst Secret Fills;
    UserDomainName           ["user_domain_name"];
    UserDomainId             ["user_domain_id"];
    ProjectName              ["project_name", "tenant_name"]      Chooses;
    ProjectId                ["project_id", "tenant_id"]          Chooses;
    ProjectDomainName        ["project_domain_name"];
    ProjectDomainId          ["project_domain_id"];
    TrustId                  ["trust_id"];
    SystemScope              ["system_scope"];
    DomainName               ["domain_name"];
    DomainId                 ["domain_id"];
    /// The openstack command's, an id.
    DefaultDomain            ["default_domain"];
    DefaultDomainName        ["default_domain_name"];
    DefaultDomainId          ["default_domain_id"];
    ApplicationCredentialId     ["application_credential_id"]     AuthFirst;
    ApplicationCredentialName   ["application_credential_name"]   AuthFirst;
    ApplicationCredentialSecret ["application_credential_secret"] AuthFirst Secret Fills;
    Token                    ["token", "auth_token"]              Secret;
    /// AK and SK of the Open Telekom Cloud, which are not supported.
    AccessKey                ["ak", "access_key"]                 Secret;
    SecretKey                ["sk", "secret_key"]                 Secret;
    RegionName               ["region_name"]                      Service Fills Selects Chooses;
    Interface                ["interface", "endpoint_type"]       Service Fills Selects Chooses;
    ServiceType              ["service_type"]                     ServiceOnly Selects Chooses;
    ServiceName              ["service_name"]                     ServiceOnly Selects Chooses;
    /// The service's address, in place of the catalog's.
    Endpoint                 ["endpoint_override", "endpoint"]    ServiceOnly Selects Chooses;
    Cacert                   ["cacert"]                           Fills Selects;
    Cert                     ["cert"]                             Selects;
    Key                      ["key"]                              Selects;
    Insecure                 ["insecure"]                         Selects;
    Verify                   ["verify"]                           FileOnly;
    Profile                  ["profile", "cloud"]                 FileOnly;
    /// Why a profile can't be used.
    Status                   ["status"]                           FileOnly;
}

/// The names of the service in its own settings, in openstacksdk's order.
const SERVICES: &[&str] = &["vbs", "block_storage", "volumev3", "volumev2", "volume", "block_store"];

impl Setting {
    /// The setting of this name. Files may have `-` for `_`.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|setting| setting.names().any(|known| known == name))
    }

    /// All its names, the preferred one first.
    fn names(self) -> impl Iterator<Item = String> {
        let services = if self.is(Flag::Service) || self.is(Flag::ServiceOnly) { SERVICES } else { &[] };
        let (general, _) = self.row();
        let of_service = |service: &&str| general.iter().map(|name| format!("{service}_{name}")).collect::<Vec<_>>();
        let general = general.iter().filter(move |_| !self.is(Flag::ServiceOnly)).map(|name| (*name).to_owned());
        services.iter().flat_map(of_service).chain(general)
    }

    /// Its variables, each with the name that it is made of.
    pub(super) fn variables(self) -> impl Iterator<Item = (String, String)> {
        self.names().filter(move |_| !self.is(Flag::FileOnly)).map(|name| (variable(&name), name))
    }

    /// Its general name.
    pub(super) fn name(self) -> &'static str {
        self.row().0.first().copied().unwrap_or_default()
    }

    pub(super) fn is(self, flag: Flag) -> bool {
        self.row().1.contains(&flag)
    }
}

/// The name of the service's address that the variable `VBS_ENDPOINT` sets.
pub(super) const VBS_ENDPOINT: &str = "vbs_endpoint_override";

/// The variable of a name.
pub(super) fn variable(name: &str) -> String {
    match name {
        VBS_ENDPOINT => "VBS_ENDPOINT".to_owned(),
        _ => format!("OS_{}", name.to_uppercase()),
    }
}

/// Values by their names, none of them empty.
pub(super) type Values = BTreeMap<String, SecretString>;

/// The settings that were found, in layers.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// What the caller has set. An empty value hides those of the other layers.
    pub(super) code: BTreeMap<Setting, SecretString>,
    /// Variables that win over a file, or stand alone.
    pub(super) variables: Values,
    /// A cloud's entry in a file, without its `auth`.
    pub(super) entry: Values,
    /// Its `auth`.
    pub(super) auth: Values,
    /// Variables that are used if the entry has no value.
    pub(super) filled: Values,
    /// The regions that the entry names, with the settings of each.
    pub(super) regions: Vec<Region>,
    /// Whether `regions` is a profile's: then it lists all regions of the cloud, not those to choose from.
    pub(super) regions_of_profile: bool,
    /// The unknown keys of the entry.
    pub(super) unknown: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) values: Settings,
}

/// Where a value was found.
pub(super) enum Origin {
    Code,
    Variable(String),
    /// Its name in the file.
    File(String),
}

impl Settings {
    pub(super) fn get(&self, setting: Setting) -> Option<&SecretString> {
        self.find(setting).map(|(_, value)| value)
    }

    pub(super) fn text(&self, setting: Setting) -> Option<&str> {
        self.get(setting).map(SecretString::expose_secret)
    }

    pub(super) fn is_set(&self, setting: Setting) -> bool {
        self.get(setting).is_some()
    }

    /// The value for all services.
    pub(super) fn general(&self, setting: Setting) -> Option<&str> {
        let names = setting.row().0.iter().map(|name| (*name).to_owned());
        self.find_as(setting, names).map(|(_, value)| value.expose_secret())
    }

    /// The value that wins, and where it was found.
    pub(super) fn find(&self, setting: Setting) -> Option<(Origin, &SecretString)> {
        self.find_as(setting, setting.names())
    }

    fn find_as(&self, setting: Setting, names: impl Iterator<Item = String>) -> Option<(Origin, &SecretString)> {
        if let Some(value) = self.code.get(&setting) {
            return Some((Origin::Code, value)).filter(|(_, value)| !value.expose_secret().is_empty());
        }
        let (first, second) = if setting.is(Flag::AuthFirst) {
            (vec![&self.auth], vec![&self.entry])
        } else {
            (vec![&self.entry, &self.auth], vec![])
        };
        let names: Vec<_> = names.collect();
        let of_variable = |name: String| Origin::Variable(variable(&name));
        [
            (vec![&self.variables], of_variable as fn(_) -> _),
            (first, Origin::File),
            (second, Origin::File),
            (vec![&self.filled], of_variable),
        ]
        .into_iter()
        .find_map(|(layers, origin)| {
            names.iter().find_map(|name| {
                let value = layers.iter().find_map(|layer| layer.get(name))?;
                Some((origin(name.clone()), value))
            })
        })
    }

    /// These settings, completed by the others.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.code = other.code.into_iter().chain(self.code).collect();
        for (mine, theirs) in [
            (&mut self.variables, other.variables),
            (&mut self.entry, other.entry),
            (&mut self.auth, other.auth),
            (&mut self.filled, other.filled),
        ] {
            for (name, value) in theirs {
                mine.entry(name).or_insert(value);
            }
        }
        if self.regions.is_empty() {
            self.regions = other.regions;
            self.regions_of_profile = other.regions_of_profile;
        }
        self.unknown.extend(other.unknown);
        self
    }
}

/// A boolean in any usual spelling.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}
