//! [`ListBackups`]: one page, the walk over all pages, their rows, the count.

use std::future::Future;

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;

use crate::fetch::{Answer, Request};
use crate::generated::parameters::{LIMIT, MARKER, OFFSET, PARAMETERS, WITH_COUNT};
use crate::microversion::Microversion;
use crate::page::Next;
use crate::parameter::{Given, Parameter, Value};
use crate::{Backup, Client, Error, Page};

/// A request for a project's backups, newest first.
///
/// The setters narrow it down; filters are combined with AND. It holds what it needs, so it can be
/// cloned, kept and sent from any task. Values are checked when it is sent, before anything goes
/// out.
///
/// # Microversions
///
/// A request asks for the lowest microversion that knows all its parameters, and for none where
/// every one knows them. The answer has to say that it was applied, or there is
/// [`Error::MicroversionNotHonored`] in place of a list that may not be filtered.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: vbs_client::Client) -> Result<(), vbs_client::Error> {
/// use futures::TryStreamExt;
///
/// let request = client.list_backups().name_like("night").status("error");
/// let mut backups = request.items();
/// while let Some(backup) = backups.try_next().await? {
///     println!("{} {}", backup.id, backup.name.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListBackups {
    client: Client,
    given: Given,
}

impl ListBackups {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, given: Given::default() }
    }

    pub(crate) fn with(mut self, parameter: &'static Parameter, value: Value) -> Self {
        self.given.set(parameter, value);
        self
    }

    /// Every parameter there is, as the contract describes it.
    #[must_use]
    pub fn parameters() -> &'static [&'static Parameter] {
        PARAMETERS
    }

    /// Sets a parameter by its name on the wire, such as `name~`, from text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] where there is no such parameter, or its type can't be read from
    /// the text.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(client: vbs_client::Client) -> Result<(), vbs_client::Error> {
    /// let request = client.list_backups().parameter("name~", "night")?.parameter("limit", "100")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn parameter(self, name: &str, value: &str) -> Result<Self, Error> {
        let parameter = Parameter::named(name).ok_or_else(|| Error::InvalidRequest {
            parameter: name.to_owned(),
            reason: "there is no such parameter".to_owned(),
        })?;
        let value = parameter.parse(value)?;
        Ok(self.with(parameter, value))
    }

    /// The same request from a page's [`next_marker`](Page::next_marker) on: takes up a walk where
    /// it broke, without the rows that came before. It drops the
    /// [`offset`](Self::offset), which would skip rows once more.
    pub fn resume_at(mut self, marker: impl Into<String>) -> Self {
        self.given.remove(&OFFSET);
        self.with(&MARKER, Value::Text(marker.into()))
    }

    /// Sends the request and gives one page.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] before anything is sent; all other errors but
    /// [`Error::InvalidConfig`] after.
    pub fn send(&self) -> impl Future<Output = Result<Page, Error>> + Send + use<> {
        let request = self.clone();
        async move {
            request.given.check()?;
            let (page, next) = request.page(request.microversion(), 1, request.client.0.deadline()).await?;
            next.map(|()| page)
        }
    }

    /// Walks all pages, one after the other: each is asked for when the one before has been taken.
    ///
    /// The next page is asked for at the configured endpoint, with this request's own parameters
    /// and the marker (without one, the offset) of the link to it; the rest of the link is never
    /// used. [`limit`](Self::limit) is the size of a page, and can't be 0 here. To stop early, drop
    /// the stream.
    ///
    /// Every backup that is there throughout comes once, in order, whatever is created, deleted or
    /// changed meanwhile. A server that pages by offset only (Cinder does not) can't promise that.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). An error comes after the pages before it, and ends the stream.
    /// The walk can be taken up again at the last page's [`next_marker`](Page::next_marker):
    ///
    /// ```no_run
    /// # async fn example(client: vbs_client::Client) -> Result<(), vbs_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let mut request = client.list_backups().name_like("night").offset(20);
    /// let mut backups = Vec::new();
    /// let mut errors = 0;
    /// let mut pages = request.pages();
    /// loop {
    ///     match pages.try_next().await {
    ///         Ok(None) => break,
    ///         Ok(Some(page)) => {
    ///             if let Some(marker) = page.next_marker() {
    ///                 request = request.resume_at(marker);
    ///             } else if let Some(offset) = page.next_offset() {
    ///                 request = request.offset(offset);
    ///             }
    ///             backups.extend(page);
    ///         }
    ///         Err(error) if error.is_retryable() && errors < 3 => {
    ///             errors += 1;
    ///             pages = request.pages();
    ///         }
    ///         Err(error) => return Err(error),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "streams do nothing unless polled"]
    pub fn pages(&self) -> BoxStream<'static, Result<Page, Error>> {
        stream::try_unfold(Walk::new(self.clone()), Walk::step).boxed()
    }

    /// Walks all backups, page by page as [`pages`](Self::pages) does. To cap their number, use
    /// `StreamExt::take`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). An error comes after the rows before it, and ends the stream.
    /// The id of the last row is where [`resume_at`](Self::resume_at) goes on.
    #[must_use = "streams do nothing unless polled"]
    pub fn items(&self) -> BoxStream<'static, Result<Backup, Error>> {
        self.pages().map_ok(|page| stream::iter(page.backups.into_iter().map(Ok))).try_flatten().boxed()
    }

    /// How many backups match the filters: one small request, whatever
    /// [`limit`](Self::limit), [`offset`](Self::offset) and [`marker`](Self::marker) are.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`Error::Undecodable`] where the answer has no count.
    pub fn count(&self) -> impl Future<Output = Result<u64, Error>> + Send + use<> {
        let asked = self.clone();
        async move {
            asked.given.check()?;
            let mut request = asked.with(&WITH_COUNT, Value::Boolean(true)).with(&LIMIT, Value::Integer(0));
            request.given.remove(&OFFSET);
            request.given.remove(&MARKER);
            request.given.check()?;
            let (given, inner) = (&request.given, &request.client.0);
            let asked = Request { given, microversion: request.microversion(), page: 1, deadline: inner.deadline() };
            let answer = inner.fetch(asked).await?;
            answer.list.count.ok_or_else(|| Error::Undecodable {
                request_id: answer.request_id,
                attempts: 1,
                text: String::new(),
                source: serde::de::Error::missing_field("count"),
            })
        }
    }

    fn microversion(&self) -> Option<Microversion> {
        self.given.microversion().max(self.client.0.microversion)
    }

    /// A page, and whether there is a way on from it: a page whose next link is broken is still one.
    async fn page(
        &self,
        microversion: Option<Microversion>,
        page: u64,
        deadline: Option<Instant>,
    ) -> Result<(Page, Result<(), Error>), Error> {
        let asked = Request { given: &self.given, microversion, page, deadline };
        let Answer { list, request_id, microversion } = self.client.0.fetch(asked).await?;
        let (next, way_on) = match Next::from_links(&list.backups_links) {
            Ok(next) => (next, Ok(())),
            Err(reason) => (None, Err(broken(request_id.as_deref(), format!("the link to it is broken: {reason}")))),
        };
        let page = Page { backups: list.backups, count: list.count, next, request_id, microversion };
        Ok((page, way_on))
    }
}

fn broken(request_id: Option<&str>, reason: impl Into<String>) -> Error {
    Error::Pagination { request_id: request_id.map(str::to_owned), reason: reason.into(), resume_marker: None }
}

/// A walk over all pages.
struct Walk {
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
    /// The marker that it was asked for with.
    marker: Option<String>,
    /// The ids of its rows, one a line: as one text, because there is one for every row.
    ids: String,
}

impl Walk {
    fn new(request: ListBackups) -> Self {
        let mut circle = Circle::default();
        if let Some(marker) = request.given.marker_given() {
            circle.closes(&Next::Marker(marker.to_owned()));
        }
        Self {
            microversion: request.microversion(),
            request,
            page: 1,
            count: None,
            circle,
            last: Last::default(),
            state: State::Start,
        }
    }

    async fn step(mut self) -> Result<Option<(Page, Self)>, Error> {
        match self.state {
            State::End(Some(error)) => return Err(error),
            State::End(None) => return Ok(None),
            State::Start => {
                self.request.given.check()?;
                if matches!(self.request.given.get(&LIMIT), Some(Value::Integer(0))) {
                    return Err(LIMIT.invalid("pages of no backups lead nowhere"));
                }
            }
            State::Middle => {}
        }
        let deadline = self.request.client.0.deadline();
        let (mut page, way_on) = match self.request.page(self.microversion, self.page, deadline).await {
            Err(error) if self.lost_its_place(&error) => self.find_its_place(&error, deadline).await?,
            other => other?,
        };
        if matches!(self.state, State::Start) {
            self.count = page.count;
            // The server would count again for every page, and put an empty one at the end.
            self.request.given.remove(&WITH_COUNT);
        }
        page.count = self.count;
        self.page = self.page.saturating_add(1);
        self.last.keep(&page, self.request.given.marker_given());

        self.state = match (way_on, &page.next) {
            (Err(error), _) => State::End(Some(error)),
            (Ok(()), None) => State::End(None),
            (Ok(()), Some(next)) if self.circle.closes(next) || self.request.given.leads_back(next) => {
                State::End(Some(broken(page.request_id(), "the walk has come round to where it was before")))
            }
            (Ok(()), Some(next)) => {
                self.request.given.go_on(next);
                if self.request.given.fits() {
                    State::Middle
                } else {
                    State::End(Some(broken(page.request_id(), "the link to it has a marker that is too long")))
                }
            }
        };
        Ok(Some((page, self)))
    }

    /// Whether the place to go on from was deleted since the page that ends there. A marker of the
    /// caller's is his own to mend.
    fn lost_its_place(&self, error: &Error) -> bool {
        matches!(self.state, State::Middle)
            && self.request.given.marker_given().is_some_and(|marker| is_about(error, marker))
    }

    /// Goes on from the last row before that place that still exists. All rows between the two are
    /// gone, so that none comes twice.
    async fn find_its_place(
        &mut self,
        error: &Error,
        deadline: Option<Instant>,
    ) -> Result<(Page, Result<(), Error>), Error> {
        let lost = self.request.given.marker_given().unwrap_or_default().to_owned();
        for id in self.last.ids.lines().rev().filter(|id| *id != lost) {
            self.request.given.set(&MARKER, Value::Text(id.to_owned()));
            let found = match self.request.page(self.microversion, self.page, deadline).await {
                Err(error) if is_about(&error, id) => continue,
                found => found?,
            };
            tracing::info!(page = self.page, marker = id, "the marker's backup is gone, going on from one before it");
            // A service whose parts see different lists could say so of a row that exists.
            if found.0.backups.iter().any(|backup| self.last.ids.lines().any(|id| id == backup.id)) {
                let reason = "the place to go on from was said to be gone, but its backup is there";
                return Err(broken(found.0.request_id(), reason));
            }
            return Ok(found);
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
    fn keep(&mut self, page: &Page, marker: Option<&str>) {
        if page.backups.is_empty() {
            return;
        }
        self.marker = marker.map(str::to_owned);
        self.ids.clear();
        for backup in page {
            self.ids.push_str(&backup.id);
            self.ids.push('\n');
        }
    }
}

impl Given {
    fn marker_given(&self) -> Option<&str> {
        match self.get(&MARKER) {
            Some(Value::Text(marker)) => Some(marker),
            _ => None,
        }
    }

    /// Whether an offset is not further on than this request's own.
    fn leads_back(&self, next: &Next) -> bool {
        let here = match self.get(&OFFSET) {
            Some(Value::Integer(offset)) => *offset,
            _ => 0,
        };
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
