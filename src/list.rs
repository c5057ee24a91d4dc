//! [`ListBackups`]: one page, all pages, their rows, the count.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};

use crate::generated::parameters::{LIMIT, MARKER, OFFSET, PARAMETERS, WITH_COUNT};
use crate::paging::{Listing, Pager};
use crate::query::{Cursor, List, Microversion, Parameter, Value};
use crate::transport::{Get, RetryPolicy, Row};
use crate::{Backup, Client, Error, Page};

/// A request for a project's backups, newest first.
///
/// Filters are combined with AND. A request owns all that it needs: it can be cloned, kept, and sent from any task.
/// `send`, `pages`, `items` and `count` check the values before anything is sent.
///
/// `T` is the type of a row: [`Backup`] or [`BackupDetail`](crate::BackupDetail).
///
/// # Parameters
///
#[doc = include_str!(concat!(env!("OUT_DIR"), "/parameters.md"))]
///
/// # Microversions
///
/// A request is sent in the lowest microversion in which all its parameters work, or without one if all of them work in
/// every microversion. If the response does not state that it was applied, there is [`Error::MicroversionNotHonored`]
/// in place of a list that may be unfiltered.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), vbs_client::Error> {
/// # let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(30)).await;
/// # let client = cinder.client();
/// let mut backups = client.list_backups().name_like("night").status("error").items();
/// while let Some(backup) = backups.try_next().await? {
///     println!("{} {}", backup.id, backup.name.unwrap_or_default());
/// }
/// # Ok(())
/// # }
/// ```
///
/// Values can be parsed from text:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(30)).await;
/// # let client = cinder.client();
/// # let (limit, pages) = ("10", "2");
/// let request = client.list_backups().limit(limit.parse()?).concurrency(pages.parse()?);
/// # assert_eq!(request.items().try_collect::<Vec<_>>().await?.len(), 30);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct ListBackups<T = Backup> {
    listing: Listing<T>,
}

impl<T> ListBackups<T> {
    pub(crate) fn new(client: &Client, operation: Get<List<T>>) -> Self {
        Self { listing: Listing::new(client.0.clone(), operation) }
    }

    pub(crate) fn with(mut self, parameter: &'static Parameter, value: Value) -> Self {
        self.listing.query.set(parameter, value);
        self
    }

    /// Sets a parameter by its name on the wire, such as `name~`, from text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] if there is no such parameter, or the text is not of its type.
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
        let parameter = Parameter::named(name).ok_or_else(|| {
            let known: Vec<_> = PARAMETERS.iter().map(|parameter| parameter.name()).collect();
            let reason = format!("there is no such parameter, only {}", known.join(", "));
            Error::InvalidRequest { parameter: name.to_owned(), reason }
        })?;
        let value = parameter.parse(value)?;
        Ok(self.with(parameter, value))
    }

    /// Resumes a listing at a [`Page::cursor`] or [`Error::cursor`], after the backups before it. An
    /// [`offset`](Self::offset) is dropped, because it would skip backups once more.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(30)).await;
    /// # let client = cinder.client();
    /// # let first = client.list_backups().limit(10).send().await?;
    /// # let printed = first.cursor().unwrap().to_string();
    /// let rest: Vec<_> = client.list_backups().resume_at(printed.parse()?).items().try_collect().await?;
    /// # assert_eq!(rest.len(), 20);
    /// # Ok(())
    /// # }
    /// ```
    // By value: a cursor is mostly used once.
    #[allow(clippy::needless_pass_by_value)]
    pub fn resume_at(mut self, cursor: Cursor) -> Self {
        self.listing.query.advance(&cursor);
        self
    }

    /// Sets the number of concurrent requests of [`pages`](Self::pages) and [`items`](Self::items). Default: 1.
    /// Range: 1 to 1,000; anything else is refused before a request is sent.
    ///
    /// Pages are fetched one after another by default. With more, later pages are fetched early, by offset. Each
    /// overlaps the page before it by one backup; on a mismatch (backups were created or deleted meanwhile) it is
    /// discarded and fetched again by marker. The list is the same as with a concurrency of 1, and no backup is yielded
    /// twice. Backups before an error are yielded first.
    ///
    /// - **When it helps**: with a high latency, or a service with several workers. With one worker nearby, a
    ///   concurrency of 2 lets your program decode a page while it reads the next. With a [`limit`](Self::limit) of 1, pages are fetched one after
    ///   another, because the overlap leaves nothing to add. Without a limit, or with one above the service's maximum,
    ///   the first page shows the page size.
    /// - **What it costs the service**: up to `requests - 1` empty pages after the end, and each discarded page a
    ///   second time.
    /// - **What it costs here**: up to `requests` pages in memory, and as many connections.
    /// - **Rate limits**: after a transient fault such as 429, concurrency is halved, then raised by one after enough
    ///   successful pages; each throttling doubles how many that takes. Only the awaited page is retried, the others
    ///   when their turn comes.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), vbs_client::Error> {
    /// # let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(2500)).await;
    /// # let client = cinder.client();
    /// let backups: Vec<_> = client.list_backups().limit(1000).concurrency(4).items().try_collect().await?;
    /// # assert_eq!(backups.len(), 2500);
    /// # Ok(())
    /// # }
    /// ```
    pub fn concurrency(mut self, requests: usize) -> Self {
        self.listing.concurrency = requests;
        self
    }

    /// Sets whether the next page is fetched while the caller works on the current one. Default: true; a caller who
    /// stops early then has fetched one page too many. No effect with a [`concurrency`](Self::concurrency) above 1.
    pub fn prefetch(mut self, prefetch: bool) -> Self {
        self.listing.prefetch = prefetch;
        self
    }

    /// Sets how this request is retried. Default: the client's [`retry`](crate::ClientBuilder::retry).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.listing.retry = policy;
        self
    }

    /// Sets the minimum microversion of this request, for fields of [`BackupDetail`](crate::BackupDetail) that need
    /// one. Default: none. The client's [`microversion`](crate::ClientBuilder::microversion) and those of the
    /// parameters are minimums, too: the highest is sent, and the response has to state that it was applied.
    pub fn microversion(mut self, microversion: Microversion) -> Self {
        self.listing.microversion = Some(microversion);
        self
    }
}

impl ListBackups {
    /// Every parameter, as the contract describes it.
    #[must_use]
    pub fn parameters() -> &'static [&'static Parameter] {
        PARAMETERS
    }
}

impl<T: Row> ListBackups<T> {
    /// Fetches one page.
    ///
    /// With a [`limit`](Self::limit) of 0 it has no backups and no cursor; [`is_last`](Page::is_last) is then true
    /// although the list may have more.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] before anything is sent; any other but [`Error::InvalidConfig`] after.
    pub fn send(&self) -> impl Future<Output = Result<Page<T>, Error>> + Send + use<T> {
        let listing = self.listing.clone();
        async move {
            listing.check()?;
            let page = listing.fetch(1, listing.transport.deadline()).await?;
            listing.check_rows(&page, None)?;
            let reason = match &page.next {
                // A page with a broken link must not look like the last page.
                Err(reason) => format!("the next link has no usable cursor: {reason}"),
                Ok(Some(next)) if listing.query.leads_back(next) => "the next link leads back".to_owned(),
                Ok(_) => return Ok(page),
            };
            Err(Error::pagination(page.request_id(), reason))
        }
    }

    /// All pages, in order. The next page is fetched while the caller works on the current one, unless
    /// [`prefetch`](Self::prefetch) is off; with [`concurrency`](Self::concurrency), several pages are.
    ///
    /// The next page is requested from the configured endpoint, with this request's parameters and the marker (without
    /// one, the offset) of the next link. Nothing else of the link is used. [`limit`](Self::limit) is the size of a
    /// page, and can't be 0 here. To stop early, drop the stream: that cancels the requests in flight.
    ///
    /// Every backup that exists and fits the filters throughout is yielded once, in order, whatever is created, deleted
    /// or changed meanwhile. A server that pages by offset only (Cinder does not) can't promise that.
    /// [The guide](crate::guide::paging#what-if-backups-change-meanwhile) has all promises.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). Pages before an error are yielded first; it ends the stream. The listing can
    /// be resumed at the last page's [`cursor`](Page::cursor), or at the error's where it has
    /// [one](Error::cursor):
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), vbs_client::Error> {
    /// # let cinder = vbs_client::mock::Cinder::start(vbs_client::mock::rows(100)).await;
    /// # let client = cinder.builder().retry(vbs_client::RetryPolicy::none()).build()?;
    /// # cinder.fail_next(2, vbs_client::mock::Fault::status(503));
    /// let mut request = client.list_backups().name_like("night").offset(20);
    /// let (mut backups, mut errors) = (Vec::new(), 0);
    /// let mut pages = request.pages();
    /// loop {
    ///     match pages.try_next().await {
    ///         Ok(None) => break,
    ///         Ok(Some(page)) => {
    ///             if let Some(cursor) = page.cursor() {
    ///                 request = request.resume_at(cursor.clone());
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
    /// # assert_eq!((backups.len(), errors), (23, 2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The stream panics if it is polled outside of a tokio runtime with time and I/O enabled. Without async, use
    /// `runtime.block_on(pages.try_next())`: see [the guide](crate::guide::paging#without-async).
    pub fn pages(&self) -> Pages<T> {
        let stream = stream::try_unfold(Pager::new(self.listing.clone()), |mut pager| async {
            let page = pager.next_page().await?;
            Ok(page.map(|page| (page, pager)))
        });
        Pages(stream.boxed())
    }

    /// All backups, page by page as [`pages`](Self::pages) fetches them. To limit their number, use
    /// `StreamExt::take`.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). Backups before an error are yielded first; it ends the stream. The listing can
    /// be resumed at [`Cursor::after`] the last backup.
    ///
    /// # Panics
    ///
    /// The stream panics if it is polled outside of a tokio runtime with time and I/O enabled.
    pub fn items(&self) -> Items<T> {
        Items { pages: self.pages(), rows: Vec::new().into_iter() }
    }

    /// How many backups match the filters: one small request, whatever [`limit`](Self::limit),
    /// [`offset`](Self::offset) and [`marker`](Self::marker) are.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send), and [`Error::Undecodable`] where the response has no count.
    pub fn count(&self) -> impl Future<Output = Result<u64, Error>> + Send + use<T> {
        let mut listing = self.listing.clone();
        async move {
            listing.check()?;
            listing.query.set(&WITH_COUNT, Value::Boolean(true));
            listing.query.set(&LIMIT, Value::Integer(0));
            listing.query.remove(&OFFSET);
            listing.query.remove(&MARKER);
            listing.query.check()?;
            let response = listing.fetch(1, listing.transport.deadline()).await?;
            listing.check_rows(&response, None)?;
            let missing = || Error::undecodable(response.request_id, "the response has no count");
            response.count.ok_or_else(missing)
        }
    }
}

/// All pages of a listing: see [`ListBackups::pages`].
#[must_use = "streams do nothing unless polled"]
pub struct Pages<T = Backup>(BoxStream<'static, Result<Page<T>, Error>>);

/// All backups of a listing: see [`ListBackups::items`].
#[must_use = "streams do nothing unless polled"]
pub struct Items<T = Backup> {
    pages: Pages<T>,
    rows: std::vec::IntoIter<T>,
}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T: Unpin> Stream for Items<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(row) = self.rows.next() {
                return Poll::Ready(Some(Ok(row)));
            }
            match ready!(self.pages.poll_next_unpin(context)) {
                Some(Ok(page)) => self.rows = page.into_iter(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

/// Methods for callers who do not depend on a crate for streams.
macro_rules! stream_methods {
    ($stream:ident, $item:ty) => {
        impl<T: Row> $stream<T> {
            /// Returns the next one, or `None` at the end and after an error.
            ///
            /// # Errors
            ///
            /// Those of [`ListBackups::pages`].
            ///
            /// # Panics
            ///
            /// Outside of a tokio runtime with time and I/O enabled.
            pub async fn try_next(&mut self) -> Result<Option<$item>, Error> {
                poll_fn(|context| self.poll_next_unpin(context)).await.transpose()
            }

            /// Collects all of them.
            ///
            /// # Errors
            ///
            /// Those of [`ListBackups::pages`]. What came before the error is lost; with [`try_next`](Self::try_next)
            /// it is not.
            ///
            /// # Panics
            ///
            /// Outside of a tokio runtime with time and I/O enabled.
            pub async fn try_collect<C: Default + Extend<$item>>(mut self) -> Result<C, Error> {
                let mut collection = C::default();
                while let Some(item) = self.try_next().await? {
                    collection.extend([item]);
                }
                Ok(collection)
            }
        }

        impl<T> fmt::Debug for $stream<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($stream)).finish_non_exhaustive()
            }
        }
    };
}

stream_methods!(Pages, Page<T>);
stream_methods!(Items, T);
