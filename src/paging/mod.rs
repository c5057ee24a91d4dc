//! Which page comes next: the pager, the pages in flight, cursors, deleted markers.

pub(crate) mod already_yielded;
pub(crate) mod continuity;
pub(crate) mod followed;
pub(crate) mod last_pages;
pub(crate) mod listing;
pub(crate) mod pager;
pub(crate) mod read_ahead;
pub(crate) mod recovery;
#[cfg(all(test, feature = "mock"))]
mod schedules;

pub(crate) use listing::Listing;
pub(crate) use pager::Pager;
