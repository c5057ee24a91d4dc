//! Whether there are settings of a cloud: an error in them must not end in demo data.

use vbs_client::Error;
use vbs_client::keystone::Credentials;

pub const NONE: &str = "demo data: no OS_* or VBS_* variable is set, and there is no clouds.yaml";

/// Whether anything is set, even if it is incomplete.
pub fn any() -> bool {
    let is_ours = |name: &str| name.starts_with("OS_") || name.starts_with("VBS_");
    if std::env::vars_os().any(|(name, value)| is_ours(&name.to_string_lossy()) && !value.is_empty()) {
        return true;
    }
    match Credentials::from_env() {
        // The same setting is invalid where a clouds.yaml has no clouds, or several.
        Err(Error::InvalidConfig { setting: "cloud", reason, .. }) => !reason.contains("there is none of the files"),
        _ => true,
    }
}
