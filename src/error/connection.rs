//! The text of an error of a request without a complete response: the host, the cause, what to do.

use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;

use super::causes;

pub(super) fn describe(f: &mut fmt::Formatter<'_>, source: &reqwest::Error) -> fmt::Result {
    let host = source.url().and_then(|url| {
        let port = url.port_or_known_default().map(|port| format!(":{port}"));
        Some(format!("{}{}", url.host_str()?, port.unwrap_or_default()))
    });
    let host = host.as_deref().unwrap_or("the service");
    if source.is_timeout() {
        return write!(f, "the request to {host} timed out");
    }
    if source.is_connect() {
        write!(f, "could not connect to {host}")?;
    } else if source.is_body() || source.is_decode() {
        write!(f, "the response of {host} broke off")?;
    } else {
        write!(f, "the request to {host} failed")?;
    }
    let Some(cause) = causes(source).skip(1).last() else { return Ok(()) };
    write!(f, ": {cause}")?;
    if let Some(hint) = hint(&cause.to_string()) {
        return write!(f, "; {hint}");
    }
    match causes(source).find_map(dialled).filter(|address| !host.ends_with(&format!(":{}", address.port()))) {
        Some(address) => write!(f, "; the connection was to {address}, a proxy"),
        None => Ok(()),
    }
}

/// What to do, by the end of rustls's or hyper's message.
fn hint(cause: &str) -> Option<&'static str> {
    let hints = [
        ("UnknownIssuer", "if the service has a CA of its own, give it as OS_CACERT or with ClientBuilder::http"),
        ("InvalidContentType", "the server may expect http:// there"),
        (
            "CaUsedAsEndEntity))",
            "the server's certificate is that of a CA, as `openssl req -x509` makes it: it needs one of its own \
             (-addext basicConstraints=critical,CA:FALSE)",
        ),
    ];
    if cause.starts_with("unsupported scheme socks") {
        return Some("a SOCKS proxy needs the feature `socks` of this crate");
    }
    hints.into_iter().find(|(end, _)| cause.ends_with(end)).map(|(_, hint)| hint)
}

/// The address of a failed TCP connection: only `Debug` of hyper's error has it.
fn dialled(cause: &(dyn StdError + 'static)) -> Option<SocketAddr> {
    let text = format!("{cause:?}");
    text.strip_prefix("ConnectError(\"tcp connect error\", ")?.split(", ").next()?.parse().ok()
}
