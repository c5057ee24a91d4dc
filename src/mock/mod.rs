//! A Cinder in the process, for the tests of programs that use this crate.
//!
//! [`Cinder`] is a server on loopback with backups that a test describes as [`Row`]s. It responds as the real
//! service does, traps included:
//!
//! - In a microversion that does not know a filter, it ignores the filter and responds with every backup.
//! - Its next links repeat the `offset`, and name a host that does not exist.
//! - With a count, an empty page follows the last one.
//! - It caps the `limit`, and responds 404 where the marker's backup was deleted.
//! - `%` and `_` are wildcards in a fuzzy filter.
//! - Its operator has enabled only the fuzzy filters: from 3.31 to 3.33 it refuses `name`, `status` and `volume_id`.
//!
//! [The guide](crate::guide::testing) has a complete test. A test of what a program does with one page or error needs
//! no server: [`PageBuilder`] and [`ErrorBuilder`] make them, and a [`Row`] is converted into a
//! [`Backup`](crate::Backup) or a [`BackupDetail`](crate::BackupDetail).
//!
//! The test suite of this crate sends the same requests to it and to real Cinders, of releases from 12 to 29, and
//! compares the responses: see [`Cinder::max_microversion`]. It lacks users and roles, other projects, `sort`, and
//! operations that change something.
//!
//! # Examples
//!
//! ```
//! use vbs_client::mock;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), vbs_client::Error> {
//! let cinder = mock::Cinder::start([
//!     mock::Row::new("id-2").name("nightly-2").status("error"),
//!     mock::Row::new("id-1").name("nightly-1"),
//! ])
//! .await;
//! let page = cinder.client().list_backups().name_like("night").status("error").send().await?;
//! assert_eq!(page.backups[0].id, "id-2");
//!
//! let requests = cinder.requests();
//! assert_eq!(requests[0].parameter("name~"), Some("night"));
//! assert_eq!(requests[0].microversion, Some(vbs_client::Microversion::new(3, 34)));
//! # Ok(())
//! # }
//! ```

mod builders;
mod cinder;
mod fault;
mod list;
mod row;
mod service;

pub use builders::{ErrorBuilder, PageBuilder};
pub use cinder::Cinder;
pub use fault::Fault;
#[cfg(test)]
pub(crate) use list::PROJECT_ID;
pub(crate) use list::{Returns, Route};
pub(crate) use row::hour;
pub use row::{Row, rows};
pub use service::Request;

/// For this crate's tests, whose own server uses the clock of their runtime.
#[doc(hidden)]
pub use list::{Settings, respond};
