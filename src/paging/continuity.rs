//! [`LastPage`], and whether a page can follow it.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use crate::query::Query;
use crate::query::cursor::check_id;
use crate::transport::Row;

/// The last page that had rows.
#[derive(Default)]
pub(crate) struct LastPage {
    /// The id of the first row of the listing.
    pub(super) first_of_listing: Option<String>,
    /// A marker that leads to its first row again, if there is one.
    pub(super) start: Option<String>,
    /// The ids of its rows, a line each: one text, because a string each takes more memory and time.
    pub(super) ids: String,
}

impl LastPage {
    pub(crate) fn keep<T: Row>(&mut self, rows: &[T], start: Option<String>) {
        let Some(first) = rows.first() else { return };
        self.first_of_listing.get_or_insert_with(|| first.id().to_owned());
        self.start = start;
        self.ids.clear();
        for row in rows {
            self.ids.push_str(row.id());
            self.ids.push('\n');
        }
    }

    pub(crate) fn first_of_listing(&self) -> Option<&str> {
        self.first_of_listing.as_deref()
    }

    /// The ids of its rows. No id has a line break: those are refused.
    pub(crate) fn ids(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.ids.split_terminator('\n')
    }

    /// The id of a row, counted from the last one.
    pub(crate) fn id_from_end(&self, rows: usize) -> Option<&str> {
        self.ids().nth_back(rows)
    }
}

/// Checks that the rows can be what the query requested, after the last page if that is known. The error
/// states why they can't.
pub(crate) fn check<T: Row>(rows: &[T], query: &Query, last_page: Option<&LastPage>) -> Result<(), String> {
    if let Some(limit) = query.limit().filter(|limit| rows.len() as u64 > limit.unsigned_abs()) {
        return Err(format!("the page has {} backups, more than the limit of {limit}", rows.len()));
    }
    let mut ids = HashSet::with_capacity_and_hasher(rows.len(), RandomState::default());
    for row in rows {
        let id = row.id();
        check_id(id).map_err(|reason| format!("the page has an invalid id: {reason}"))?;
        if !ids.insert(id) {
            return Err("the page has a backup twice".to_owned());
        }
    }
    if query.marker().is_some_and(|marker| ids.contains(marker)) {
        return Err("the page does not start after its marker".to_owned());
    }
    let Some(last_page) = last_page else { return Ok(()) };
    // A server that drops the query starts with it again.
    if last_page.first_of_listing().is_some_and(|first| ids.contains(first)) {
        return Err("the page starts the listing again".to_owned());
    }
    if last_page.ids().any(|id| ids.contains(id)) {
        return Err("the page has a backup of the page before it".to_owned());
    }
    Ok(())
}
