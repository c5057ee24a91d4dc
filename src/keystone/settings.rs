//! [`Settings`]: the values that signing in needs, by openstacksdk's names, in layers.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

/// Every name that is understood. All others of a file belong to other programs.
pub(super) const NAMES: &[&str] = &[
    "auth_type",
    "auth_url",
    "username",
    "user_id",
    "password",
    "user_domain_name",
    "user_domain_id",
    "project_name",
    "project_id",
    "tenant_name",
    "tenant_id",
    "project_domain_name",
    "project_domain_id",
    "trust_id",
    "system_scope",
    "domain_name",
    "domain_id",
    "default_domain",
    "default_domain_name",
    "default_domain_id",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "token",
    "auth_token",
    "region_name",
    "interface",
    "endpoint_type",
    "cacert",
    "insecure",
    "verify",
    "profile",
    "cloud",
    ENDPOINT,
    "block_storage_endpoint_override",
    "volumev3_endpoint_override",
    "volume_endpoint_override",
    "block_storage_region_name",
    "volumev3_region_name",
    "volume_region_name",
    "block_storage_interface",
    "volumev3_interface",
    "volume_interface",
    "block_storage_endpoint_type",
    "volumev3_endpoint_type",
    "volume_endpoint_type",
];

/// Of these, openstacksdk prefers the value in `auth` to the one beside it; of all others, the one beside it.
const AUTH_FIRST: &[&str] = &[
    "auth_url",
    "username",
    "user_id",
    "password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
];

/// The address of the service, in place of the catalog's: `VBS_ENDPOINT`.
pub(super) const ENDPOINT: &str = "vbs_endpoint_override";

/// Those that are not shown.
pub(super) const SECRETS: &[&str] = &["password", "application_credential_secret", "token", "auth_token"];

/// The name as one that is understood. Files may have `-` for `_`.
pub(super) fn known(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    NAMES.iter().find(|known| **known == name).copied()
}

/// Values by their names. Empty ones are not set.
pub(super) type Values = BTreeMap<&'static str, SecretString>;

/// What a cloud's entry has, by itself and in `auth`.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    /// What the caller has set. An empty value hides those of the other layers.
    pub(super) explicit: Values,
    pub(super) top: Values,
    pub(super) auth: Values,
    /// The regions that the entry names, with the settings of each.
    pub(super) regions: Vec<Region>,
}

#[derive(Clone, Debug)]
pub(super) struct Region {
    pub(super) name: String,
    pub(super) values: Settings,
}

impl Settings {
    /// The first of these names that is set.
    pub(super) fn first(&self, names: &[&str]) -> Option<&SecretString> {
        let auth_first = names.iter().any(|name| AUTH_FIRST.contains(name));
        let (first, second) = if auth_first { (&self.auth, &self.top) } else { (&self.top, &self.auth) };
        for layer in [&self.explicit, first, second] {
            if let Some(value) = names.iter().find_map(|name| layer.get::<str>(name)) {
                return Some(value).filter(|value| !value.expose_secret().is_empty());
            }
        }
        None
    }

    pub(super) fn text(&self, names: &[&str]) -> Option<&str> {
        self.first(names).map(SecretString::expose_secret)
    }

    /// These settings, and those of others where these have none.
    pub(super) fn or(mut self, other: Self) -> Self {
        for (mine, theirs) in
            [(&mut self.explicit, other.explicit), (&mut self.top, other.top), (&mut self.auth, other.auth)]
        {
            for (name, value) in theirs {
                mine.entry(name).or_insert(value);
            }
        }
        if self.regions.is_empty() {
            self.regions = other.regions;
        }
        self
    }

    /// Sets what the caller has chosen, in place of all these names.
    pub(super) fn set(&mut self, name: &'static str, value: SecretString, instead_of: &[&'static str]) {
        for other in instead_of {
            self.explicit.insert(other, SecretString::default());
        }
        self.explicit.insert(name, value);
    }

    /// The names that are set, of those that say who signs in and for what.
    pub(super) fn names(&self) -> Vec<&'static str> {
        NAMES.iter().filter(|name| self.text(&[name]).is_some()).copied().collect()
    }
}

/// A yes or no, in the words that people use for it.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}
