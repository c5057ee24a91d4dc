//! The set-up of reqwest, for listing and for signing in.

use std::env;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

use crate::Error;

/// What a caller's settings may change.
pub(crate) fn defaults() -> ClientBuilder {
    let http = Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(60));
    #[cfg(feature = "http2")]
    let http = http
        // A connection that has gone silent is closed after 25 s. Otherwise all requests go on using it.
        .http2_keep_alive_interval(Duration::from_secs(15))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .http2_keep_alive_while_idle(true)
        // An unread response holds its own window of 2 MiB, and never blocks the connection, whose window is the
        // maximum.
        .http2_initial_stream_window_size(2 * 1024 * 1024)
        .http2_initial_connection_window_size(i32::MAX.unsigned_abs());
    if is_no_proxy_for_all() { http.no_proxy() } else { http }
}

/// Builds a client, with the options that no setting changes.
pub(crate) fn build(
    http: ClientBuilder,
    timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
) -> Result<Client, Error> {
    let mut http = http.redirect(redirect::Policy::none()).connection_verbose(false);
    if let Some(timeout) = timeout {
        http = http.timeout(timeout);
    }
    if let Some(timeout) = connect_timeout {
        http = http.connect_timeout(timeout);
    }
    http.build().map_err(|source| Error::Transport { request_id: None, attempts: 0, source: source.into() })
}

/// Whether `*` is in `NO_PROXY` or, without that, in `no_proxy`. reqwest ignores it for IP addresses.
fn is_no_proxy_for_all() -> bool {
    let hosts = env::var("NO_PROXY").or_else(|_| env::var("no_proxy"));
    hosts.is_ok_and(|hosts| hosts.split(',').any(|host| host.trim() == "*"))
}
