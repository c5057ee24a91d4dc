//! An error as one line, with what to do about it.

use std::error::Error as StdError;

use vbs_client::Error;

pub fn describe(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let known = error.downcast_ref::<Error>();
    // It states its last cause itself.
    let mut source = error.source().filter(|_| !known.is_some_and(is_transport));
    while let Some(cause) = source {
        line += &format!(": {cause}");
        source = cause.source();
    }
    match known.and_then(hint) {
        Some(hint) => line + "; hint: " + hint,
        None => line,
    }
}

fn is_transport(error: &Error) -> bool {
    match error {
        Error::SignIn { source, .. } => is_transport(source),
        _ => matches!(error, Error::Transport { .. }),
    }
}

fn hint(error: &Error) -> Option<&'static str> {
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
        _ if error.is_not_found() => "check VBS_ENDPOINT, or the region (OS_REGION_NAME)",
        Error::MicroversionNotHonored { .. } => NOT_ACCEPTABLE,
        _ if error.status().is_some_and(|status| status.as_u16() == 406) => NOT_ACCEPTABLE,
        Error::Transport { .. } if !cause.is_retryable() => {
            "where the CA is a private one, set OS_CACERT (in clouds.yaml cacert) to its PEM file; otherwise check https and the port"
        }
        Error::Transport { .. } => "check the address, and the proxy (https_proxy, NO_PROXY)",
        Error::Redirect { .. } => "set VBS_ENDPOINT (or OS_AUTH_URL) to where the service is",
        _ => return None,
    };
    Some(hint)
}

const NOT_ACCEPTABLE: &str =
    "the service is too old for one of the options: --help has the microversion that each needs";
