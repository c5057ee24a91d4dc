//! [`AlreadyYielded`]: rows that may come again, because the listing continued before them.

use std::collections::HashMap;

use crate::transport::Row;

/// The maximum number of rows kept.
const MAX_ROWS: usize = 100_000;

/// Yielded rows after the place where a listing continued when its marker was deleted. They are kept until a later page
/// shows that the listing is past them.
#[derive(Default)]
pub(crate) struct AlreadyYielded {
    rows: HashMap<String, Place>,
    recoveries: usize,
}

/// Where a row is in the list. Only the rows of one recovery can be compared.
#[derive(Clone, Copy)]
struct Place {
    recovery: usize,
    row: usize,
}

impl AlreadyYielded {
    /// Adds the rows of a recovery: their ids in the list's order, one per line. The error states why it can't.
    pub(crate) fn add(&mut self, ids: &str) -> Result<(), String> {
        self.recoveries += 1;
        let recovery = self.recoveries;
        self.rows.extend(ids.lines().enumerate().map(|(row, id)| (id.to_owned(), Place { recovery, row })));
        if self.rows.len() > MAX_ROWS {
            return Err(format!("too many markers were deleted: {MAX_ROWS} listed backups may come again"));
        }
        Ok(())
    }

    /// How many of a page's rows to drop: all up to the last one that was yielded. A row that has been in the list
    /// throughout and comes before that one was yielded, too.
    pub(crate) fn rows_to_drop<T: Row>(&self, rows: &[T]) -> usize {
        if self.rows.is_empty() {
            return 0;
        }
        rows.iter().rposition(|row| self.rows.contains_key(row.id())).map_or(0, |at| at + 1)
    }

    /// Forgets the rows up to those of a page that the listing can't return to.
    pub(crate) fn forget(&mut self, page: &str) {
        if self.rows.is_empty() {
            return;
        }
        if let Some(passed) = page.lines().rev().find_map(|id| self.rows.get(id).copied()) {
            self.rows.retain(|_, place| place.recovery != passed.recovery || place.row > passed.row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Backup;

    fn rows_to_drop(yielded: &AlreadyYielded, ids: &[&str]) -> usize {
        let row = |id: &&str| serde_json::from_value(serde_json::json!({"id": id, "name": null})).unwrap();
        let rows: Vec<Backup> = ids.iter().map(row).collect();
        yielded.rows_to_drop(&rows)
    }

    #[test]
    fn only_rows_that_the_listing_is_past_are_forgotten() {
        let mut yielded = AlreadyYielded::default();
        yielded.add("a\nb\nc\n").unwrap();
        yielded.add("d\ne\n").unwrap();
        assert_eq!(rows_to_drop(&yielded, &["new", "b", "newer"]), 2);
        yielded.forget("other\nb\nnew\n");
        for (id, dropped) in [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 1)] {
            assert_eq!(rows_to_drop(&yielded, &[id]), dropped, "{id}");
        }
        // Rows of two recoveries can't be compared.
        yielded.forget("e\n");
        for (id, dropped) in [("c", 1), ("d", 0), ("e", 0)] {
            assert_eq!(rows_to_drop(&yielded, &[id]), dropped, "{id}");
        }
    }
}
