//! Whether a page can follow the one before it.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::recovery::LastPage;
use crate::query::cursor::check_id;
use crate::query::{Query, Row};

/// What came before a page that was requested by a marker.
pub(crate) struct Before<'a> {
    pub(crate) last_page: &'a LastPage,
    /// The first backup of the listing, which a server that drops the query would begin with again.
    pub(crate) first: Option<&'a str>,
    /// The row that the page shares with the one before it, where it was requested so.
    pub(crate) shared: Option<&'a str>,
}

/// Checks that the rows can be what the query requested. The error says why they can't.
pub(crate) fn check<T: Row>(rows: &[T], query: &Query, before: Option<Before<'_>>) -> Result<(), String> {
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
    let Some(before) = before else { return Ok(()) };
    let repeats = |id: &str| before.shared != Some(id) && ids.contains(id);
    if before.first.is_some_and(repeats) {
        return Err("the page starts the listing again".to_owned());
    }
    if before.last_page.ids().any(repeats) {
        return Err("the page has a backup of the page before it".to_owned());
    }
    Ok(())
}
