// The first definition of a link wins: the README's own are for a code host.
//! [paging]: guide::paging
//! [microversions]: guide::microversions
//! [errors]: guide::errors
//! [retries]: guide::retries
//! [signing_in]: guide::signing_in
//! [recipes]: guide::recipes
//! [testing]: guide::testing
//! [contract]: guide::contract
//! [security]: guide::security
//! [signals]: guide::signals
//! [costs]: guide::costs
//! [compatibility]: guide::compatibility
//!
#![doc = include_str!("../README.md")]
//!
//! # Features
//!
//! | Feature | Default | |
//! |---|---|---|
//! | `keystone` | yes | signing in, with settings from the environment and clouds.yaml |
//! | `rustls` | yes | TLS by rustls, with the platform's certificates; for another TLS library see [the guide](guide::costs) |
//! | `http2` | no | HTTP/2 where the server offers it |
//! | `gzip` | no | compressed responses |
//! | `socks` | no | proxies of `socks5://` and `socks5h://` |
//! | `mock` | no | a Cinder in the process, for the tests of programs that use this crate |
//! | `schemars` | no | `schemars::JsonSchema` for the types of the contract |
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(clippy::pedantic, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod client;
mod error;
pub mod guide;
#[cfg(feature = "keystone")]
#[cfg_attr(docsrs, doc(cfg(feature = "keystone")))]
pub mod keystone;
mod list;
#[cfg(feature = "mock")]
#[cfg_attr(docsrs, doc(cfg(feature = "mock")))]
pub mod mock;
mod paging;
mod query;
mod show;
mod token;
mod transport;

/// The client that build.rs generates from the contract.
#[allow(
    missing_docs,
    unreachable_pub,
    unused,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    rustdoc::all
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

/// Internal functions for the fuzz targets.
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod fuzzing {
    use std::time::Duration;

    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};

    use crate::transport::secrets::Secrets;
    use crate::transport::{endpoint, fault, retry_after};
    use crate::{Backup, Cursor, Fault, Link};

    pub fn endpoint(endpoint: &str) -> Result<(String, Option<String>), String> {
        endpoint::parse(endpoint)
    }

    pub fn fault(body: &[u8]) -> (Option<Fault>, String) {
        let secrets = Secrets::default();
        let fault = serde_json::from_slice(body).ok().and_then(|json| fault::read(&json));
        let text = secrets.one_line(&String::from_utf8_lossy(body));
        (fault.map(|(fault, _)| fault::shown(&fault, &secrets)), text)
    }

    pub fn list(body: &[u8]) -> serde_json::Result<(Vec<Backup>, Result<Option<Cursor>, String>)> {
        let list: crate::query::List<Backup> = crate::query::decode::from_slice(body)?;
        Ok((list.backups, Cursor::from_links(&list.backups_links)))
    }

    pub fn next_link(links: &[Link]) -> Result<Option<Cursor>, String> {
        Cursor::from_links(links)
    }

    /// The `Debug` output of the settings in a clouds.yaml.
    #[cfg(feature = "keystone")]
    pub fn clouds(text: &str) -> Result<String, String> {
        crate::keystone::fuzzing_clouds(text)
    }

    /// The text as a client with this token shows it.
    pub fn withhold(token: &HeaderValue, text: &str) -> String {
        let secrets = Secrets::default();
        secrets.add_token(token);
        secrets.one_line(text)
    }

    pub fn retry_after(value: HeaderValue) -> Option<Duration> {
        retry_after::in_headers(&HeaderMap::from_iter([(RETRY_AFTER, value)]))
    }
}

pub use client::{Client, ClientBuilder};
pub use error::{Error, Fault};
pub use generated::exports::*;
/// The version whose [`Timestamp`](jiff::Timestamp) [`BackupDetail`] has.
pub use jiff;
pub use list::{Items, ListBackups, Pages};
pub use query::cursor::{Cursor, ParseCursorError};
pub use query::field::{Field, FieldKind};
pub use query::microversion::{Microversion, ParseMicroversionError};
pub use query::open_enum::UnknownValue;
pub use query::page::Page;
pub use query::parameter::Parameter;
/// The version whose builder [`ClientBuilder::http`] takes and whose error [`Error::Transport`] has.
pub use reqwest;
/// The version whose secrets [`Token`] has.
pub use secrecy;
pub use show::Show;
pub use token::{Token, TokenFn, TokenProvider, token_fn};
pub use transport::operation::Row;
pub use transport::retry::RetryPolicy;
