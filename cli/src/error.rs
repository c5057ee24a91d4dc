//! An error as one line, with a hint about what to do.

use std::error::Error as StdError;

use vbs_client::Error;
use vbs_client::reqwest::{self, Url};

use crate::printable::printable;

/// One backup was to be shown, or a list.
pub fn describe(error: &Error, one: bool) -> String {
    let mut line = error.to_string();
    // It states its last cause itself.
    let mut source = error.source().filter(|_| transport(error).is_none());
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line += &format!(": {text}");
        }
        source = cause.source();
    }
    if let Some(hint) = hint(error, &line, one) {
        line += &format!("; hint: {hint}");
    }
    printable(&line)
}

/// The error of a connection.
fn transport(error: &Error) -> Option<&Error> {
    match error {
        Error::SignIn { source, .. } => transport(source),
        Error::Transport { .. } => Some(error),
        _ => None,
    }
}

fn hint(error: &Error, line: &str, one: bool) -> Option<String> {
    if let Some(error) = transport(error) {
        return transport_hint(error, line);
    }
    let (cause, signs_in) = if let Error::SignIn { source, .. } = error { (&**source, true) } else { (error, false) };
    let hint = match cause {
        Error::Token { .. } => "sign in with a password or an application credential, or with a new token",
        _ if signs_in && error.is_unauthorized() => {
            "check the user, the password and the domains, or the application credential"
        }
        _ if signs_in && (error.is_forbidden() || error.is_not_found()) => {
            "check OS_AUTH_URL (in clouds.yaml auth_url), and that the user has a role in the project"
        }
        _ if error.is_unauthorized() => {
            "the token is missing, expired or revoked: set a new one as OS_TOKEN, or OS_AUTH_URL, OS_USERNAME and OS_PASSWORD"
        }
        _ if error.is_forbidden() => "the user needs a role in the project that may list backups",
        _ if error.is_wrong_project() => "set OS_PROJECT_ID to the project of the token",
        _ if error.is_marker_gone() => "this backup does not exist any more: list from another one, or from the start",
        _ if error.is_not_found() && one && error.fault().is_some() => {
            "the backup was deleted, or never was in this project"
        }
        _ if error.is_not_found() => "check VBS_ENDPOINT, or the region (OS_REGION_NAME)",
        Error::MicroversionNotHonored { .. } => NOT_ACCEPTABLE,
        _ if error.status().is_some_and(|status| status.as_u16() == 406) => NOT_ACCEPTABLE,
        Error::Redirect { .. } => "set VBS_ENDPOINT (or OS_AUTH_URL) to where the service is",
        _ => return None,
    };
    Some(hint.to_owned())
}

const NOT_ACCEPTABLE: &str =
    "the service is too old for one of the options: --help has the microversion that each needs";

/// None if the error's text says what to do.
fn transport_hint(error: &Error, line: &str) -> Option<String> {
    let refused = |what: &str| line.contains("invalid peer certificate: ") && line.contains(what);
    let hint = match () {
        () if refused("not valid for name") => {
            "the certificate is that of another host: check the host in the address, not the CA"
        }
        () if refused("expired") => "the operator has to renew the certificate, unless this machine's clock is wrong",
        () if !error.is_retryable() => return None,
        () => {
            let proxy = proxy(error).map(|proxy| format!(", and the proxy {proxy}, or set NO_PROXY"));
            return Some(format!("check the address{}", proxy.unwrap_or_default()));
        }
    };
    Some(hint.to_owned())
}

/// The environment's proxy for this request, and its variable.
fn proxy(error: &Error) -> Option<String> {
    let url = error.source()?.downcast_ref::<reqwest::Error>()?.url()?;
    let (none, _) = variable("no_proxy").unwrap_or_default();
    let target = url.host_str()?;
    let without = |host: &str| host == "*" || target == host || target.ends_with(&format!(".{host}"));
    if none.split(',').map(|host| host.trim().trim_start_matches('.')).any(without) {
        return None;
    }
    let (value, name) = variable(&format!("{}_proxy", url.scheme())).or_else(|| variable("all_proxy"))?;
    // Without a user and a password.
    let host = Url::parse(&value).ok().and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default())));
    Some(match host {
        Some((host, Some(port))) => format!("{host}:{port} ({name})"),
        Some((host, None)) => format!("{host} ({name})"),
        None => name,
    })
}

/// The value of a variable, in lower or upper case, and its name.
fn variable(name: &str) -> Option<(String, String)> {
    let mut names = [name.to_owned(), name.to_uppercase()].into_iter();
    names.find_map(|name| Some((std::env::var(&name).ok().filter(|value| !value.is_empty())?, name)))
}
