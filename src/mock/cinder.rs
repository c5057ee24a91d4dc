//! [`Cinder`]: the mock as a server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use httpmock::MockServer;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::list::PROJECT_ID;
use super::service::Service;
use super::{Fault, Request, Row};
use crate::{Client, ClientBuilder, Microversion};

/// How long a service waits for another one to be dropped.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A Cinder in the process, on loopback: see [the module](crate::mock).
///
/// Its backups can be changed at any time, also between two pages of a listing. Clones are the same service; when the
/// last one is dropped, its port is used by the next service that starts. At most 25 run in a process, or as many as the
/// environment's `HTTPMOCK_MAX_SERVERS`.
///
/// Its clock is that of the machine: in a tokio runtime whose clock is paused, requests to it may time out at once.
#[derive(Clone)]
pub struct Cinder {
    server: Arc<MockServer>,
    service: Arc<Mutex<Service>>,
}

impl Cinder {
    /// Starts a service with these backups, newest first. Where their time of creation is set, they are sorted by it.
    /// Where as many run as may, this waits for up to 30 s until one of them is dropped.
    ///
    /// # Panics
    ///
    /// Where none of them was dropped, where no port can be opened, and outside of a tokio runtime with time enabled.
    #[allow(clippy::expect_used)]
    pub async fn start(rows: impl IntoIterator<Item = Row>) -> Self {
        let service = Arc::new(Mutex::new(Service::new(rows)));
        let handler = Arc::clone(&service);
        // The future that httpmock starts it with is not `Send`.
        let runtime = Handle::current();
        let server = tokio::task::spawn_blocking(move || {
            let server = runtime.block_on(async { timeout(MAX_WAIT, MockServer::start_async()).await }).ok()?;
            server.mock(|when, then| {
                when.any_request();
                then.respond_with(move |request| lock(&handler).respond(request));
            });
            Some(server)
        });
        let server = server.await.expect("a server").expect(
            "no mock::Cinder could start within 30 s, because too many run in this process: drop those that are not \
             used any more, share one, or set HTTPMOCK_MAX_SERVERS (default: 25) for the process",
        );
        Self { server: Arc::new(server), service }
    }

    /// A client of this service, with the defaults of [`Client::builder`] but for proxies, which it ignores.
    ///
    /// Its token is valid until [`expire_token`](Self::expire_token); it has no provider of others.
    ///
    /// # Panics
    ///
    /// Where reqwest can't be set up.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn client(&self) -> Client {
        self.builder().build().expect("a client of the mock")
    }

    /// The builder of such a client, for other settings.
    pub fn builder(&self) -> ClientBuilder {
        let builder = Client::builder(self.url()).project_id(self.project_id()).token(self.service().token());
        // A debug build takes a while to load certificates, of which there is no need here.
        #[cfg(feature = "rustls")]
        let builder = builder.http(|http| http.tls_certs_only([]));
        builder.http(reqwest::ClientBuilder::no_proxy)
    }

    /// The address of the service, such as `http://127.0.0.1:40123`.
    ///
    /// A client that is built with it ignores no proxy that the environment has, unless it is told to.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.base_url()
    }

    /// The id of the project that has the backups.
    #[must_use]
    pub fn project_id(&self) -> &'static str {
        PROJECT_ID
    }

    /// Inserts a backup, as the newest; or replaces the one with the same id, at its place in the list.
    pub fn insert(&self, row: Row) {
        self.service().insert(row);
    }

    /// Deletes a backup, and returns whether there was one with this id.
    #[allow(clippy::must_use_candidate)]
    pub fn delete(&self, id: impl AsRef<str>) -> bool {
        self.service().delete(id.as_ref())
    }

    /// Changes the backup with this id, if there is one.
    pub(crate) fn update(&self, id: &str, change: impl FnOnce(Row) -> Row) -> bool {
        self.service().update(id, change)
    }

    /// Responds to this number of the next requests with a fault, after those that were set before.
    #[allow(clippy::needless_pass_by_value)] // A fault is mostly made for this.
    pub fn fail_next(&self, requests: usize, fault: Fault) {
        self.service().fail_next(requests, &fault);
    }

    /// Expires all tokens that were used so far, and those of [`client`](Self::client): requests with one of them are
    /// refused with status 401. Any other token is valid, also that of a new client.
    pub fn expire_token(&self) {
        self.service().expire_tokens();
    }

    /// Sets how many backups a page has at most, whatever the request's limit. Default: 1,000.
    pub fn max_limit(&self, rows: usize) {
        self.service().settings.max_limit = rows;
    }

    /// Sets the highest microversion, and responds as the release of Cinder that has it: see
    /// [the table of releases](crate::guide::compatibility). Requests in a higher one are refused with status 406.
    ///
    /// Default: 3.71, of Cinder 24 to 29.
    pub fn max_microversion(&self, major: u32, minor: u32) {
        self.service().settings.max_microversion = Microversion::new(major, minor);
    }

    /// All requests so far, in the order in which they arrived.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.service().requests()
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        lock(&self.service)
    }
}

fn lock(service: &Mutex<Service>) -> MutexGuard<'_, Service> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Cinder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cinder").field("url", &self.url()).finish_non_exhaustive()
    }
}
