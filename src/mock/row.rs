//! [`Row`]: a backup of the mock.

use jiff::Timestamp;

use crate::generated::rows::Fields;

/// A backup of [`Cinder`](crate::mock::Cinder).
///
/// It has a method for each field of the contract. An optional field that is not set is missing; a required one has the
/// example of the contract or, without one, is 0, false or empty.
///
/// It is converted into a [`Backup`](crate::Backup) or a [`BackupDetail`](crate::BackupDetail), for tests without a server.
///
/// # Examples
///
/// ```
/// use vbs_client::{Backup, BackupDetail, mock::Row};
///
/// let row = Row::new("id-1").name("nightly-1").status("error").size(40).metadata([("tier", "gold")]);
/// assert_eq!(Backup::from(row.clone()).name.as_deref(), Some("nightly-1"));
/// assert_eq!(BackupDetail::from(row).metadata.unwrap()["tier"], "gold");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub(crate) fields: Fields,
    /// Whether its time of creation was set.
    pub(crate) dated: bool,
}

impl Row {
    /// A backup with this id.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { fields: Self::defaults(id.into()), dated: false }
    }

    /// The row, with this time unless its own was set.
    pub(crate) fn dated(mut self, default: Timestamp) -> Self {
        if !self.dated {
            self.set_sort_time(default);
        }
        self
    }

    /// The backup's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.fields.id
    }
}

/// `number` made-up backups, newest first, with all kinds of names, statuses, volumes and details.
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

fn made_up(number: usize) -> Row {
    let row = Row::new(format!("{number:08x}-0000-4000-8000-{number:012x}")).made_up(number as u64);
    let mut row = row.dated(hour(number as u64));
    row.dated = true;
    match number % 7 {
        0 => row,
        odd if odd % 2 == 1 => row.name(format!("nightly-{number:05}")),
        _ => row.name(format!("weekly-{number:05}")),
    }
}

/// The time this number of hours after 2026-02-01.
pub(crate) fn hour(number: u64) -> Timestamp {
    let seconds = i64::try_from(number).unwrap_or(0).saturating_mul(3600);
    Timestamp::from_second(seconds.saturating_add(1_769_904_000)).unwrap_or(Timestamp::MAX)
}
