//! [`Walk`]: all pages of a request, in order.

use std::future::Future;
use std::sync::Arc;

use tokio::time::Instant;

use crate::ahead::{Ahead, Asked};
use crate::fetch::{Due, Request};
use crate::generated::parameters::{LIMIT, MARKER, OFFSET, WITH_COUNT};
use crate::microversion::Microversion;
use crate::page::Next;
use crate::parameter::{Given, Parameter, Value};
use crate::{Error, ListBackups, Page};

/// How large a page can be without being told by the service: Cinder's own maximum, unless its
/// operator has set another one.
const USUAL_MAXIMUM: u64 = 1000;

/// The most pages at a time.
const MOST_AT_A_TIME: usize = 1000;

/// A page, and whether there is a way on from it.
type Fetched = Result<(Page, Result<(), Error>), Error>;

/// A walk over all pages.
///
/// What follows the last row given out is always `request`. Pages further on are asked for by
/// offset from there (Cinder counts it from the marker on), each from the last row of the page
/// before it on. Such a page counts only if it does begin with that row: then it is what a marker
/// would have led to. Rows are listed by what never changes of them, so it does not matter which
/// page was read first.
pub(crate) struct Walk {
    /// What to ask for next.
    request: ListBackups,
    /// Chosen once: a walk in which it changed could see the list by two sets of rules.
    microversion: Option<Microversion>,
    /// The number of the next page, from 1 on.
    page: u64,
    count: Option<u64>,
    circle: Circle,
    last: Last,
    state: State,
    ahead: Ahead<Fetched>,
    /// The number of the last page that was asked for.
    asked: u64,
    /// How many rows the pages under way should add to those given out.
    rows: u64,
    /// How many rows a page has; 0 where that is not known.
    size: u64,
}

enum State {
    Start,
    Middle,
    /// The last page was given out, with what kept the walk from going on, if anything.
    End(Option<Error>),
}

/// The last page that had rows, for the case that the place to go on from disappears.
#[derive(Default)]
struct Last {
    /// A marker that leads to its first row again, if there is one.
    marker: Option<String>,
    /// The ids of its rows, one a line: as one text, because there is one for every row.
    ids: String,
}

impl Walk {
    pub(crate) fn new(request: ListBackups) -> Self {
        let mut circle = Circle::default();
        if let Some(marker) = request.given.marker_given() {
            circle.closes(&Next::Marker(marker.to_owned()));
        }
        let limit = request.given.integer_given(&LIMIT).and_then(|limit| u64::try_from(limit).ok());
        Self {
            microversion: request.microversion(),
            ahead: Ahead::new(request.concurrency),
            request,
            page: 1,
            count: None,
            circle,
            last: Last::default(),
            state: State::Start,
            asked: 0,
            rows: 0,
            size: limit.filter(|limit| *limit <= USUAL_MAXIMUM).unwrap_or(0),
        }
    }

    pub(crate) async fn step(mut self) -> Result<Option<(Page, Self)>, Error> {
        match self.state {
            State::End(Some(error)) => return Err(error),
            State::End(None) => return Ok(None),
            State::Start => self.check()?,
            State::Middle => {}
        }
        let (mut page, way_on) = self.next().await?;
        if matches!(self.state, State::Start) {
            self.count = page.count;
            // The server would count again for every page, and put an empty one at the end.
            self.request.given.remove(&WITH_COUNT);
        }
        page.count = self.count;
        self.page = self.page.saturating_add(1);
        self.state = match (way_on, &page.next) {
            (Err(error), _) => State::End(Some(error)),
            (Ok(()), None) => State::End(None),
            (Ok(()), Some(next)) if self.circle.closes(next) || self.request.given.leads_back(next) => {
                let reason = "the walk has come round to where it was before";
                State::End(Some(Error::pagination(page.request_id(), reason)))
            }
            (Ok(()), Some(next)) => {
                self.request.given.go_on(next);
                if self.request.given.fits() {
                    State::Middle
                } else {
                    let reason = "the link to it has a marker that is too long";
                    State::End(Some(Error::pagination(page.request_id(), reason)))
                }
            }
        };
        if !matches!(self.state, State::Middle) {
            self.ahead.clear();
        } else if self.request.prefetch {
            if self.ahead.is_empty() {
                let next = self.ask(true);
                self.ahead.push(next);
            }
            self.ask_further();
        }
        Ok(Some((page, self)))
    }

    fn check(&self) -> Result<(), Error> {
        self.request.given.check()?;
        if self.request.given.integer_given(&LIMIT) == Some(0) {
            return Err(LIMIT.invalid("pages of no backups lead nowhere"));
        }
        if !(1..=MOST_AT_A_TIME).contains(&self.request.concurrency) {
            let reason = format!("it has to be from 1 to {MOST_AT_A_TIME}");
            return Err(Error::InvalidRequest { parameter: "concurrency".to_owned(), reason });
        }
        Ok(())
    }

    /// The page that follows the last row given out.
    async fn next(&mut self) -> Fetched {
        // For the page as a whole, also where it takes more than one request.
        let deadline = self.request.client.0.deadline();
        self.ahead.pace.waits_for(self.page, deadline);
        // Pages that are fetched at the same time start in their order.
        let mut in_advance = self.request.concurrency > 1;
        loop {
            let mut asked = match self.ahead.pop() {
                Some(asked) => asked,
                None => self.ask(in_advance),
            };
            self.ask_further();
            match asked.page().await {
                Some(Ok((page, way_on))) if !asked.overlaps => {
                    // A marker leads to the same row again, but not with an offset from there.
                    let given = &self.request.given;
                    let marker = given.marker_given().filter(|_| given.integer_given(&OFFSET).unwrap_or(0) == 0);
                    self.last.keep(&page, marker.map(str::to_owned));
                    self.goes_on_behind(&asked, page.backups.len());
                    return Ok((page, way_on));
                }
                Some(Ok((mut page, way_on))) => {
                    let first = page.backups.first().map(|backup| backup.id.as_str());
                    if first.is_some() && first == self.last.row(0) {
                        // With the row that the two have in common, which may be all that stays.
                        self.last.keep(&page, self.last.row(1).map(str::to_owned));
                        self.goes_on_behind(&asked, page.backups.len());
                        page.backups.remove(0);
                        return Ok((page, way_on));
                    }
                    tracing::debug!(page = self.page, "what was read ahead does not follow, asking by marker");
                    self.ahead.slow_down();
                }
                // The marker that its offset counts from may be gone.
                Some(Err(error)) if asked.overlaps && error.is_not_found() => self.ahead.slow_down(),
                Some(Err(error)) if self.lost_its_place(&error) => {
                    self.ahead.clear();
                    return self.find_its_place(&error, deadline).await;
                }
                Some(Err(error)) => return Err(error),
                // It went with the runtime of an earlier poll.
                None => in_advance = false,
            }
            self.ahead.clear();
        }
    }

    /// Asks for what follows the last row given out. Nothing else is under way.
    fn ask(&mut self, in_advance: bool) -> Asked<Fetched> {
        self.asked = self.page;
        self.rows = self.size;
        let page = self.fetch(self.request.given.clone());
        if in_advance { Asked::in_advance(page, false, self.rows) } else { Asked::now(page, self.rows) }
    }

    /// Asks for pages behind those that are under way, as many as may be.
    fn ask_further(&mut self) {
        // A page of one row, which it shares with the one before it, leads nowhere.
        while self.size > 1 && self.ahead.has_room() {
            let mut given = self.request.given.clone();
            let offset = given.integer_given(&OFFSET).unwrap_or(0) + i128::from(self.rows) - 1;
            given.set(&OFFSET, Value::Integer(offset));
            given.remove(&WITH_COUNT);
            if given.check().is_err() {
                return;
            }
            self.asked = self.asked.saturating_add(1);
            let rows = self.size - 1;
            self.rows = self.rows.saturating_add(rows);
            let asked = Asked::in_advance(self.fetch(given), true, rows);
            self.ahead.push(asked);
        }
    }

    fn fetch(&self, given: Given) -> impl Future<Output = Fetched> + Send + use<> {
        let (inner, pace) = (Arc::clone(&self.request.client.0), Arc::clone(&self.ahead.pace));
        let (microversion, number) = (self.microversion, self.asked);
        async move {
            let asked = Request { given: &given, microversion, page: number, due: Due::InTurn(&pace) };
            inner.fetch(asked).await.map(Page::of)
        }
    }

    /// The page that was asked for is given out, and has this size.
    fn goes_on_behind(&mut self, asked: &Asked<Fetched>, size: usize) {
        self.size = size as u64;
        let rows = self.size.saturating_sub(u64::from(asked.overlaps));
        self.rows = self.rows.saturating_sub(rows);
        if rows == asked.rows {
            self.ahead.went_well();
            return;
        }
        // Nothing can follow it that was asked for.
        self.ahead.clear();
        if !matches!(self.state, State::Start) {
            self.ahead.slow_down();
        }
    }

    /// Whether the place to go on from was deleted since the page that ends there. A marker of the
    /// caller's is his own to mend; that is one, too, where links have offsets only.
    fn lost_its_place(&self, error: &Error) -> bool {
        let given = &self.request.given;
        matches!(self.state, State::Middle)
            && given.get(&OFFSET).is_none()
            && given.marker_given().is_some_and(|marker| is_about(error, marker))
    }

    /// Goes on from the last row before that place that still exists. All rows between the two are
    /// gone, so that none comes twice.
    async fn find_its_place(&mut self, error: &Error, deadline: Option<Instant>) -> Fetched {
        let lost = self.request.given.marker_given().unwrap_or_default().to_owned();
        for id in self.last.ids.lines().rev().filter(|id| *id != lost) {
            self.request.given.set(&MARKER, Value::Text(id.to_owned()));
            let given = &self.request.given;
            let due = Due::By(deadline);
            let asked = Request { given, microversion: self.microversion, page: self.page, due };
            let (page, way_on) = match self.request.client.0.fetch(asked).await {
                Err(error) if is_about(&error, id) => continue,
                answer => Page::of(answer?),
            };
            tracing::info!(page = self.page, marker = id, "the marker's backup is gone, going on from one before it");
            // A service whose parts see different lists could say so of a row that exists.
            if page.backups.iter().any(|backup| self.last.ids.lines().any(|id| id == backup.id)) {
                let reason = "the place to go on from was said to be gone, but its backup is there";
                return Err(Error::pagination(page.request_id(), reason));
            }
            self.last.keep(&page, Some(id.to_owned()));
            return Ok((page, way_on));
        }
        Err(Error::Pagination {
            request_id: error.request_id().map(str::to_owned),
            reason: "every backup of the page before it was deleted".to_owned(),
            resume_marker: self.last.marker.take(),
        })
    }
}

/// Whether a 404 is about this marker. Cinder names it ("Backup .. could not be found."); an address
/// that is not there, or a project, has the same status.
fn is_about(error: &Error, marker: &str) -> bool {
    let says =
        |message: &str| message.split(|c: char| !c.is_alphanumeric() && !"-_".contains(c)).any(|word| word == marker);
    error.is_not_found() && error.fault().is_some_and(|fault| says(&fault.message))
}

impl Last {
    fn keep(&mut self, page: &Page, marker: Option<String>) {
        if page.backups.is_empty() {
            return;
        }
        self.marker = marker;
        self.ids.clear();
        for backup in page {
            self.ids.push_str(&backup.id);
            self.ids.push('\n');
        }
    }

    /// A row, counted from the last one.
    fn row(&self, before: usize) -> Option<&str> {
        self.ids.lines().nth_back(before)
    }
}

impl Given {
    fn marker_given(&self) -> Option<&str> {
        match self.get(&MARKER) {
            Some(Value::Text(marker)) => Some(marker),
            _ => None,
        }
    }

    fn integer_given(&self, parameter: &'static Parameter) -> Option<i128> {
        match self.get(parameter) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether an offset is not further on than this request's own.
    fn leads_back(&self, next: &Next) -> bool {
        let here = self.integer_given(&OFFSET).unwrap_or(0);
        matches!(next, Next::Offset(offset) if i128::from(*offset) <= here)
    }

    fn go_on(&mut self, next: &Next) {
        match next {
            Next::Marker(marker) => {
                self.set(&MARKER, Value::Text(marker.clone()));
                // The server would apply it again after the marker, on every page.
                self.remove(&OFFSET);
            }
            Next::Offset(offset) => self.set(&OFFSET, Value::Integer((*offset).into())),
        }
    }
}

/// Notices when a walk goes round in a circle, of any length and in constant memory: Brent's
/// algorithm. It keeps one place, and a later one each time the walk has doubled its length.
#[derive(Default)]
struct Circle {
    kept: Option<Next>,
    steps: u64,
    keep_after: u64,
}

impl Circle {
    fn closes(&mut self, next: &Next) -> bool {
        if self.kept.as_ref() == Some(next) {
            return true;
        }
        if self.steps == self.keep_after {
            self.kept = Some(next.clone());
            self.keep_after = self.keep_after.saturating_mul(2).max(1);
            self.steps = 0;
        }
        self.steps = self.steps.saturating_add(1);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many steps a walk that first goes `lead` steps straight on, and then round in
    /// circles of `period`, is found out.
    fn found_after(lead: u64, period: u64) -> Option<u64> {
        let mut circle = Circle::default();
        (0..10_000).find(|step| {
            let place = if *step < lead { *step } else { lead + (step - lead) % period };
            circle.closes(&Next::Offset(place))
        })
    }

    #[test]
    fn every_circle_is_found() {
        for lead in [0, 1, 2, 5, 30] {
            for period in [1, 2, 3, 7, 64, 100] {
                let after = found_after(lead, period).expect("a circle");
                assert!(after <= 3 * (lead + period), "lead {lead}, period {period}: {after}");
            }
        }
    }

    #[test]
    fn a_link_to_itself_is_found_at_once() {
        assert_eq!(found_after(0, 1), Some(1));
    }

    #[test]
    fn a_straight_walk_is_no_circle() {
        assert_eq!(found_after(10_000, 1), None);
    }
}
