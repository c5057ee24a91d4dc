#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(clippy::pedantic, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod ahead;
mod client;
mod endpoint;
mod error;
mod fetch;
mod list;
mod microversion;
mod object;
mod page;
mod parameter;
mod retry;
mod token;
mod walk;

/// The client that build.rs makes from the contract.
#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    rustdoc::all
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

/// What the fuzz targets reach, and nobody else.
#[cfg(fuzzing)]
#[allow(missing_docs)]
pub mod fuzzing {
    use crate::page::Next;
    use crate::{Error, Fault, Link};

    pub fn endpoint(endpoint: &str) -> Result<(String, Option<String>), Error> {
        crate::endpoint::parse(endpoint)
    }

    pub fn fault(body: &[u8]) -> (Option<Fault>, String) {
        let text = crate::error::plain_text(&String::from_utf8_lossy(body));
        (crate::error::read_fault(body, crate::error::plain_text).map(|(fault, _)| fault), text)
    }

    pub fn next_link(links: &[Link]) -> Result<(Option<String>, Option<u64>), String> {
        Next::from_links(links).map(|next| match next {
            None => (None, None),
            Some(Next::Marker(marker)) => (Some(marker), None),
            Some(Next::Offset(offset)) => (None, Some(offset)),
        })
    }
}

pub use client::{Client, ClientBuilder};
pub use error::Error;
pub use generated::BackupStatus;
pub use generated::types::{Backup, BackupList, Fault, Link};
pub use list::ListBackups;
pub use microversion::{Microversion, ParseMicroversionError};
pub use page::Page;
pub use parameter::Parameter;
pub use retry::RetryPolicy;
pub use token::TokenProvider;
