//! [`Operation`]: how one request is sent, by the contract. [`Get`]: an operation that reads. [`Row`]: a row of a list.

use std::fmt;
use std::future::Future;

use futures_core::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderValue};

use super::hooks::Server;
use crate::query::{Field, Microversion, Query};

/// An operation of a contract, with the values of its parameters.
pub(crate) trait Operation: Sync {
    /// The body of a successful response, decoded.
    type Body: Send;

    fn route(&self) -> Route;

    /// Sends one request.
    fn send(&self, server: Server) -> impl Future<Output = Result<Self::Body, progenitor_client::Error>> + Send;

    /// Its query, if it has one.
    fn query(&self) -> Option<&Query> {
        None
    }

    /// The number of its page, from 1, if it is a list.
    fn page(&self) -> Option<u64> {
        None
    }

    /// The token in a response, if the operation signs in.
    fn issued_token(_: &HeaderMap) -> Option<&HeaderValue> {
        None
    }
}

/// The names of an operation.
#[derive(Clone, Copy)]
pub(crate) struct Route {
    /// Its `operationId`.
    pub(crate) id: &'static str,
    pub(crate) method: &'static str,
    /// Its path, with the parameters in braces.
    pub(crate) path: &'static str,
}

/// An operation `get` of the contract, whose response is decoded as `B`. `build.rs` makes one for each.
pub(crate) struct Get<B> {
    pub(crate) id: &'static str,
    pub(crate) path: &'static str,
    /// The minimum of every request.
    pub(crate) microversion: Option<Microversion>,
    /// Sends one request with these parameters, in this project.
    pub(crate) send: for<'a> fn(&'a Query, &'a str, Server) -> Sent<'a, B>,
}

pub(crate) type Sent<'a, B> = BoxFuture<'a, Result<B, progenitor_client::Error>>;

impl<B> Clone for Get<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B> Copy for Get<B> {}

impl<B> fmt::Debug for Get<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// A row of a list of backups: [`Backup`](crate::Backup) or [`BackupDetail`](crate::BackupDetail).
///
/// Only this crate's types implement it.
pub trait Row: OfContract + Clone + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The id of the backup.
    fn id(&self) -> &str;

    /// Every field that such a backup can have, in the contract's order.
    ///
    /// For programs that print fields they do not know by name:
    ///
    /// ```
    /// use vbs_client::{Backup, Row};
    ///
    /// let names: Vec<_> = Backup::fields().iter().map(|field| field.name()).collect();
    /// assert_eq!(names[..2], ["id", "name"]);
    /// ```
    fn fields() -> &'static [Field];
}

/// Implemented for the contract's types only.
pub trait OfContract {}
