//! [`Row`]: a backup of the mock.

use jiff::Timestamp;

use crate::BackupDetail;

/// A backup of [`Cinder`](crate::mock::Cinder).
///
/// It has a method for each field of the contract. Without them it is `available`, of 1 GiB, and has no name.
///
/// It is converted into a [`Backup`](crate::Backup) or a [`BackupDetail`], for tests without a server.
///
/// # Examples
///
/// ```
/// use vbs_client::{Backup, BackupDetail, mock::Row};
///
/// let row = Row::new("id-1").name("nightly-1").status("error").size(40).metadata([("tier", "gold")]);
/// assert_eq!(Backup::from(row.clone()).name.as_deref(), Some("nightly-1"));
/// assert_eq!(BackupDetail::from(row).metadata["tier"], "gold");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub(crate) backup: BackupDetail,
    /// Whether [`created_at`](Row::created_at) was set.
    dated: bool,
}

impl Row {
    /// A backup with this id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        let backup = Self::defaults(id.into());
        Self { backup, dated: false }.size(1).volume_id("7d7c6fbe-d7ee-4b4d-8bae-bdd08b5604bb")
    }

    /// When the backup was created. The list is in this order, newest first, and then by id, descending.
    ///
    /// Default: as the order of the rows has it. Of those that a [`Cinder`](crate::mock::Cinder) starts with, each is
    /// an hour older than the one before it. One that is inserted later is a second newer than the newest.
    #[must_use]
    pub fn created_at(mut self, value: Timestamp) -> Self {
        self.backup.created_at = value;
        self.dated = true;
        self
    }

    /// The same row, created at this time unless it has one.
    pub(crate) fn dated(self, default: Timestamp) -> Self {
        if self.dated { self } else { self.created_at(default) }
    }

    /// The backup's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.backup.id
    }
}

/// So many made-up backups, newest first, with all kinds of names, statuses, volumes and details.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), vbs_client::Error> {
/// let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(2500)).await;
/// assert_eq!(cinder.client().list_backups().count().await?, 2500);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn rows(number: usize) -> Vec<Row> {
    (0..number).rev().map(made_up).collect()
}

const STATUSES: [&str; 4] = ["available", "error", "restoring", "deleting"];

fn made_up(number: usize) -> Row {
    let status = STATUSES.iter().cycle().nth(number % STATUSES.len()).copied().unwrap_or_default();
    let mut row = Row::new(format!("{number:08x}-0000-4000-8000-{number:012x}"))
        .status(status)
        .volume_id(format!("7d7c6fbe-d7ee-4b4d-8bae-{:012x}", number % 50))
        .is_incremental(!number.is_multiple_of(5))
        .has_dependent_backups(number % 5 != 4);
    row = match number % 7 {
        0 => row,
        odd if odd % 2 == 1 => row.name(format!("nightly-{number:05}")),
        _ => row.name(format!("weekly-{number:05}")),
    };
    let number = number as u64;
    row = row.size(1 + number % 100).object_count(number % 7).created_at(hour(number));
    row =
        if number.is_multiple_of(2) { row.updated_at(hour(number + 1)) } else { row.data_timestamp(hour(number - 1)) };
    if status == "error" {
        row = row.fail_reason("the disk is gone");
    }
    if number.is_multiple_of(3) {
        row = row
            .availability_zone(format!("az-{number}"))
            .container(format!("container-{number}"))
            .description(format!("description-{number}"))
            .snapshot_id(format!("snapshot-{number}"))
            .metadata([("key", format!("value-{number}"))])
            .encryption_key_id(format!("key-{number}"));
    }
    row
}

/// So many hours after 2026-02-01.
pub(crate) fn hour(number: u64) -> Timestamp {
    let seconds = i64::try_from(number).unwrap_or(0).saturating_mul(3600);
    Timestamp::from_second(seconds.saturating_add(1_769_904_000)).unwrap_or(Timestamp::MAX)
}
