//! [`LastPages`]: the ids of the last two pages, and where they start.

use crate::transport::Row;

/// The maximum of candidates of one page. Of more than 12 rows, they are further and further apart.
const MAX_CANDIDATES: usize = 12;

/// Where a page can be requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the first row of the list.
    List,
    /// After the row with this id.
    After(String),
}

/// The rows of the last two pages that had some, in the list's order.
pub(crate) struct LastPages {
    /// The id of the first row of the listing.
    pub(crate) first_of_listing: Option<String>,
    /// Where the first row of the two pages can be requested; none if the caller's offset leads there.
    start: Option<Start>,
    /// The ids of each page, one per line: a string for each takes more memory and time.
    previous: String,
    last: String,
}

/// A place before a deleted marker from which the listing may continue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) start: Start,
    /// How many of the rows of the last two pages come after it.
    pub(crate) later: usize,
}

/// No id has a line break: such ids are refused.
fn lines(ids: &str) -> impl DoubleEndedIterator<Item = &str> {
    ids.split_terminator('\n')
}

impl LastPages {
    /// Before the first page.
    pub(crate) fn new(start: Option<Start>) -> Self {
        Self { first_of_listing: None, start, previous: String::new(), last: String::new() }
    }

    /// Adds a page. Returns the ids of the page that it displaces.
    pub(crate) fn keep<T: Row>(&mut self, rows: &[T]) -> Option<String> {
        let first = rows.first()?;
        self.first_of_listing.get_or_insert_with(|| first.id().to_owned());
        if let Some(last) = lines(&self.previous).next_back() {
            self.start = Some(Start::After(last.to_owned()));
        }
        let mut page = String::with_capacity(self.last.len());
        for row in rows {
            page.push_str(row.id());
            page.push('\n');
        }
        let last = std::mem::replace(&mut self.last, page);
        Some(std::mem::replace(&mut self.previous, last))
    }

    /// The ids of the last page.
    pub(crate) fn ids_of_last(&self) -> impl DoubleEndedIterator<Item = &str> {
        lines(&self.last)
    }

    /// The places to try in place of a deleted marker, the latest first and the start of the two pages last.
    pub(crate) fn candidates(&self, deleted: &str) -> Vec<Candidate> {
        let (mut candidates, mut later) = (Vec::new(), 0);
        for page in [&self.last, &self.previous] {
            let ids: Vec<_> = lines(page).rev().zip(later..).filter(|(id, _)| *id != deleted).collect();
            let (skipped, last) = (ids.len().saturating_sub(MAX_CANDIDATES), MAX_CANDIDATES - 1);
            let spread = (0..MAX_CANDIDATES).map(|i| i + skipped * i.pow(3) / last.pow(3));
            let after =
                |(id, later): &(&str, usize)| Candidate { start: Start::After((*id).to_owned()), later: *later };
            candidates.extend(spread.filter_map(|i| ids.get(i)).map(after));
            later += lines(page).count();
        }
        let start = self.start.clone().filter(|start| *start != Start::After(deleted.to_owned()));
        candidates.extend(start.map(|start| Candidate { start, later }));
        candidates
    }

    /// Removes the rows after a candidate, and returns their ids, one per line.
    pub(crate) fn remove_after(&mut self, candidate: &Candidate) -> String {
        let mut ids = std::mem::take(&mut self.previous);
        let in_previous = lines(&ids).count();
        let in_last = lines(&self.last).count();
        ids += &self.last;
        let kept = (in_previous + in_last).saturating_sub(candidate.later);
        let end = |rows| ids.split_inclusive('\n').take(rows).map(str::len).sum::<usize>();
        let (end_of_previous, end) = (end(in_previous), end(kept));
        let removed = ids.split_off(end);
        if kept > in_previous {
            self.last = ids.split_off(end_of_previous);
            self.previous = ids;
        } else {
            self.last = ids;
        }
        // A removed row may come again: that is no error.
        self.first_of_listing = self.first_of_listing.take().filter(|first| !lines(&removed).any(|id| id == first));
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(numbers: std::ops::Range<usize>) -> String {
        numbers.map(|number| format!("{number}\n")).collect()
    }

    fn pages(previous: usize, last: usize) -> LastPages {
        let ids = (page(0..previous), page(previous..previous + last));
        let start = Some(Start::After("start".to_owned()));
        LastPages { first_of_listing: Some("0".to_owned()), start, previous: ids.0, last: ids.1 }
    }

    fn markers(pages: &LastPages, deleted: usize) -> Vec<usize> {
        let mut candidates = pages.candidates(&deleted.to_string());
        let start = candidates.pop().map(|candidate| candidate.start);
        assert_eq!(start, Some(Start::After("start".to_owned())), "it is the last one");
        let id = |candidate: &Candidate| match &candidate.start {
            Start::After(id) => id.parse().unwrap(),
            Start::List => unreachable!(),
        };
        candidates.iter().map(id).collect()
    }

    #[test]
    fn every_row_of_small_pages_is_a_candidate() {
        for (previous, last) in [(0_usize, 1_usize), (1, 1), (12, 13), (5, 2), (0, 0)] {
            let rows = previous + last;
            let expected: Vec<_> = (0..rows.saturating_sub(1)).rev().collect();
            assert_eq!(markers(&pages(previous, last), rows.saturating_sub(1)), expected, "{previous}, {last}");
        }
    }

    #[test]
    fn candidates_of_large_pages_reach_from_their_last_rows_to_their_first() {
        for rows in [14, 20, 100, 1000, 40_000] {
            let markers = markers(&pages(rows, rows), 2 * rows - 1);
            assert_eq!(markers.len(), 2 * MAX_CANDIDATES, "{rows}");
            assert_eq!((markers[0], markers[MAX_CANDIDATES - 1]), (2 * rows - 2, rows), "{rows}");
            assert_eq!((markers[MAX_CANDIDATES], markers[2 * MAX_CANDIDATES - 1]), (rows - 1, 0), "{rows}");
            assert!(markers.is_sorted_by(|one, next| one > next), "{markers:?}");
        }
    }

    #[test]
    fn what_comes_after_a_candidate_is_removed() {
        for (previous, last) in [(0, 3), (3, 2), (2, 3)] {
            let rows = previous + last;
            for candidate in pages(previous, last).candidates("none") {
                let mut pages = pages(previous, last);
                let kept = rows - candidate.later;
                assert_eq!(pages.remove_after(&candidate), page(kept..rows), "{candidate:?}");
                let in_previous = if kept > previous { previous } else { 0 };
                assert_eq!((pages.previous, pages.last), (page(0..in_previous), page(in_previous..kept)));
                assert_eq!(pages.first_of_listing.is_some(), kept > 0, "{candidate:?}");
            }
        }
    }
}
