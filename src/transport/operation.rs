//! [`Operation`]: how one request is sent, as the contract has it. [`Row`]: what a list has.

use std::fmt;
use std::future::Future;

use reqwest::header::{HeaderMap, HeaderValue};

use super::hooks::Server;
use crate::query::{List, Query};

/// An operation of a contract, with the values of its parameters. `build.rs` implements it for those that return
/// one object.
pub(crate) trait Operation: Sync {
    /// Its `operationId`.
    const ID: &'static str;
    const METHOD: &'static str;
    /// Its path, with the parameters in braces.
    const PATH: &'static str;
    /// The body of a successful response, decoded.
    type Body: Send;

    /// Sends one request.
    fn send(&self, server: Server) -> impl Future<Output = Result<Self::Body, progenitor_client::Error>> + Send;

    /// Its query, if it has one.
    fn query(&self) -> Option<&Query> {
        None
    }

    /// The number of the page that it fetches, from 1, if it is a list.
    fn page(&self) -> Option<u64> {
        None
    }

    /// The token that a response brings, where the operation signs in.
    fn issued_token(_: &HeaderMap) -> Option<&HeaderValue> {
        None
    }
}

/// A row of a list of backups: [`Backup`](crate::Backup) or [`BackupDetail`](crate::BackupDetail).
///
/// Only this crate's types implement it.
pub trait Row: Listed + Clone + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The id of the backup.
    fn id(&self) -> &str;
}

/// The operation that lists such rows. `build.rs` implements it for each list of the contract.
pub trait Listed: Sized {
    /// Its `operationId`.
    const ID: &'static str;
    /// Its path, with the parameters in braces.
    const PATH: &'static str;

    /// Sends one request with these parameters.
    fn send(
        query: &Query,
        project_id: &str,
        server: Server,
    ) -> impl Future<Output = Result<List<Self>, progenitor_client::Error>> + Send;
}
