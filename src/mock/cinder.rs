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

/// How long `start` waits until another mock is dropped.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A Cinder in the process, on loopback: see [the module](crate::mock).
///
/// Its backups can be changed at any time, also between two pages of a listing. Clones are the same service; when the
/// last one is dropped, its port is used by the next service that starts. At most 25 run in a process, or as many as the
/// environment's `HTTPMOCK_MAX_SERVERS`.
///
/// Its clock is the machine's: in a tokio runtime with a paused clock, requests to it may time out at once.
#[derive(Clone)]
pub struct Cinder {
    server: Arc<MockServer>,
    service: Arc<Mutex<Service>>,
}

impl Cinder {
    /// Starts a service with these backups, newest first. If their time of creation is set, they are sorted by it. If
    /// the maximum number of mocks is running, this waits for up to 30 s until one is dropped.
    ///
    /// # Panics
    ///
    /// If none was dropped in that time, if no port can be opened, and outside of a tokio runtime with time enabled.
    #[allow(clippy::expect_used)]
    pub async fn start(rows: impl IntoIterator<Item = Row>) -> Self {
        let service = Arc::new(Mutex::new(Service::new(rows)));
        let handler = Arc::clone(&service);
        // The future of httpmock's start is not `Send`.
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

    /// A client of this service, with the defaults of [`Client::builder`]; it uses no proxy.
    ///
    /// Its token is valid until [`expire_token`](Self::expire_token) and is not renewed.
    ///
    /// # Panics
    ///
    /// If reqwest can't be set up.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn client(&self) -> Client {
        self.builder().build().expect("a client of the mock")
    }

    /// The builder of such a client, for other settings.
    pub fn builder(&self) -> ClientBuilder {
        let builder = Client::builder(self.url()).project_id(self.project_id()).token(self.service().token());
        // Certificates are not needed here, and a debug build loads them slowly.
        #[cfg(feature = "rustls")]
        let builder = builder.http(|http| http.tls_certs_only([]));
        builder.http(reqwest::ClientBuilder::no_proxy)
    }

    /// The address of the service, such as `http://127.0.0.1:40123`.
    ///
    /// A client that is built with it uses the environment's proxy, unless `no_proxy` is set.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.base_url()
    }

    /// The id of the project that has the backups.
    #[must_use]
    pub fn project_id(&self) -> &'static str {
        PROJECT_ID
    }

    /// Inserts a backup as the newest, or replaces the one with the same id, in its place in the list.
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

    /// Responds with a fault to this number of the next requests, after the faults that were set before.
    #[allow(clippy::needless_pass_by_value)] // A fault is mostly used once.
    pub fn fail_next(&self, requests: usize, fault: Fault) {
        self.service().fail_next(requests, &fault);
    }

    /// Expires all tokens used so far, and that of [`client`](Self::client): requests with them are refused with status
    /// 401. Any other token is valid, also that of a new client.
    pub fn expire_token(&self) {
        self.service().expire_tokens();
    }

    /// Sets the maximum number of backups in a page, whatever the request's limit. Default: 1,000.
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
