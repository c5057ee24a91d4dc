//! [`ListBackups`]: one page, all pages, their rows, the count.

use std::future::Future;
use std::task::{Poll, ready};

use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};

use crate::fetch::{Answer, Due, Request};
use crate::generated::parameters::{LIMIT, MARKER, OFFSET, PARAMETERS, WITH_COUNT};
use crate::microversion::Microversion;
use crate::parameter::{Given, Parameter, Value};
use crate::walk::Walk;
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
    pub(crate) client: Client,
    pub(crate) given: Given,
    pub(crate) concurrency: usize,
    pub(crate) prefetch: bool,
}

impl ListBackups {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, given: Given::default(), concurrency: 1, prefetch: true }
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
            let (page, way_on) = Page::of(request.fetch().await?);
            way_on.map(|()| page)
        }
    }

    /// How many pages [`pages`](Self::pages) and [`items`](Self::items) ask for at a time: 1 unless
    /// set. Anything but 1 to 1,000 is refused before a request is sent.
    ///
    /// One page after the other takes the sum of their times. With more, the pages behind the one
    /// that is waited for are asked for by offset, and each begins with the last backup of the page
    /// before it: where that is not what comes, because backups were created or deleted meanwhile,
    /// the page is thrown away, and the walk goes on by marker. So the list is as right as that of a
    /// walk by marker, and no backup comes twice. [`offset`](Self::offset),
    /// [`marker`](Self::marker) and the order hold; an error comes after the backups before it.
    ///
    /// - **When it helps**: where an answer takes its time, by a long way or a service behind
    ///   several workers. One worker nearby gains nothing. Pages that follow each other share one
    ///   backup, so those behind the first are one short; with a [`limit`](Self::limit) of 1
    ///   nothing would be left, and it is walked one page at a time. Where the service's own maximum
    ///   is below the limit, or there is no limit, the first page shows how large pages are.
    /// - **What it costs the service**: the same backups, more pages of them at once; up to
    ///   `pages - 1` pages behind the end, which are empty; and as many again where one has to be
    ///   thrown away.
    /// - **What it costs here**: up to `pages` pages in memory, and as many connections.
    /// - **Rate limits**: after a transient fault such as 429, half as many are asked for at a time,
    ///   and one more again after some pages without one, more of them each time. Only the page that
    ///   the walk waits for is asked for again, the others when their turn comes.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(client: vbs_client::Client) -> Result<(), vbs_client::Error> {
    /// use futures::TryStreamExt;
    ///
    /// let request = client.list_backups().limit(1000).concurrency(4);
    /// let backups: Vec<_> = request.items().try_collect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn concurrency(mut self, pages: impl TryInto<usize>) -> Self {
        self.concurrency = pages.try_into().unwrap_or(usize::MAX);
        self
    }

    /// Whether a walk asks for the next page while the caller works on the present one. On unless
    /// set; a caller who stops early has then asked for one page too many. This is for a
    /// [`concurrency`](Self::concurrency) of 1: with more, there are pages under way in any case.
    pub fn prefetch(mut self, prefetch: bool) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// Walks all pages, in order. The next one is asked for while the caller works on the present
    /// one, unless [`prefetch`](Self::prefetch) is off; more than that with
    /// [`concurrency`](Self::concurrency).
    ///
    /// The next page is asked for at the configured endpoint, with this request's own parameters
    /// and the marker (without one, the offset) of the link to it; the rest of the link is never
    /// used. [`limit`](Self::limit) is the size of a page, and can't be 0 here. Pages are fetched in
    /// tasks on the tokio runtime that the stream is polled in. To stop early, drop the stream: that
    /// cancels what is under way.
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
        let mut pages = self.pages();
        let mut backups = Vec::new().into_iter();
        stream::poll_fn(move |context| {
            loop {
                if let Some(backup) = backups.next() {
                    return Poll::Ready(Some(Ok(backup)));
                }
                match ready!(pages.poll_next_unpin(context)) {
                    Some(Ok(page)) => backups = page.into_iter(),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => return Poll::Ready(None),
                }
            }
        })
        .boxed()
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
            let answer = request.fetch().await?;
            answer.list.count.ok_or_else(|| Error::Undecodable {
                request_id: answer.request_id,
                attempts: 1,
                text: String::new(),
                source: serde::de::Error::missing_field("count"),
            })
        }
    }

    /// One page by itself.
    async fn fetch(&self) -> Result<Answer, Error> {
        let (given, inner) = (&self.given, &self.client.0);
        let due = Due::By(inner.deadline());
        inner.fetch(Request { given, microversion: self.microversion(), page: 1, due }).await
    }

    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.given.microversion().max(self.client.0.microversion)
    }
}
