//! Whether a page can follow the one before it.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::last_pages::LastPages;
use crate::query::Query;
use crate::query::cursor::check_id;
use crate::transport::Row;

/// Checks that the rows can be what the query requested, after the last page if that is known. The error
/// states why they can't.
pub(crate) fn check<T: Row>(rows: &[T], query: &Query, last_pages: Option<&LastPages>) -> Result<(), String> {
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
    let Some(last_pages) = last_pages else { return Ok(()) };
    // A server that drops the query sends the first page again.
    if last_pages.first_of_listing.as_ref().is_some_and(|first| ids.contains(first.as_str())) {
        return Err("the page starts the listing again".to_owned());
    }
    if last_pages.ids_of_last().any(|id| ids.contains(id)) {
        return Err("the page has a backup of the page before it".to_owned());
    }
    Ok(())
}
