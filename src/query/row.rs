//! [`Row`]: what a list has, by operation of the contract.

use std::fmt;
use std::future::Future;

use super::Query;
use super::decode::ReportedError;
use crate::{Link, generated};

/// A row of a list of backups: [`Backup`](crate::Backup) or [`BackupDetail`](crate::BackupDetail).
///
/// Only this crate's types implement it.
pub trait Row: Operation + Clone + fmt::Debug + Send + Sync + Unpin + 'static {}

impl<T: Operation + Clone + fmt::Debug + Send + Sync + Unpin + 'static> Row for T {}

/// One page of a list, as it was decoded.
pub struct List<T> {
    pub(crate) backups: Vec<T>,
    pub(crate) backups_links: Vec<Link>,
    pub(crate) count: Option<u64>,
    pub(crate) error: Option<ReportedError>,
}

/// The operation that lists such rows. `build.rs` implements it for each operation of the contract.
pub trait Operation: Sized {
    /// Its `operationId`.
    const OPERATION: &'static str;

    /// Its path, with the parameters in braces.
    const PATH: &'static str;

    /// The id of the backup.
    fn id(&self) -> &str;

    /// Sends one request with these parameters.
    fn send(
        query: &Query,
        client: &generated::Client,
        project_id: &str,
    ) -> impl Future<Output = Result<List<Self>, progenitor_client::Error>> + Send;
}
