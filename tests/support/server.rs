//! The server of the tests that `mock::Cinder` is not for: HTTP/1.1 in the test's own runtime, so that its clock can be
//! paused. A handler decides about each request: the response, its delay, and the end of the connection; Cinder's
//! responses are the mock's. The server records requests, when they arrived, and how many were in flight.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use vbs_client::mock::{self, Row};
use vbs_client::{Client, ClientBuilder, RetryPolicy};

use super::http;
use super::{PROJECT_ID, TOKEN};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// The request line and the headers, as sent.
    pub head: String,
    pub path: String,
    pub query: String,
    /// The query's pairs, decoded, sorted.
    pub pairs: Vec<(String, String)>,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
    pub arrived: Instant,
    /// How many requests were in flight when it arrived, itself included.
    pub in_flight: usize,
    /// The service's maximum of rows per page.
    pub maximum: usize,
}

impl Request {
    fn parse(head: String, body: Vec<u8>, in_flight: usize) -> Self {
        let mut lines = head.lines();
        let target = lines.next().unwrap().split(' ').nth(1).unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        pairs.sort();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let (path, query) = (path.to_owned(), query.to_owned());
        Self { path, query, pairs, headers, body, arrived: Instant::now(), in_flight, maximum: 1000, head }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn microversion(&self) -> Option<&str> {
        self.headers.get("openstack-api-version").map(String::as_str)
    }

    /// A JSON response in the microversion of the request.
    pub fn reply(&self, status: u16, body: impl AsRef<[u8]>) -> Reply {
        self.reply_with(status, "", body)
    }

    /// The same, with more header lines.
    pub fn reply_with(&self, status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
        let version = self.microversion().unwrap_or("volume 3.0");
        let headers = format!(
            "Content-Type: application/json\r\nOpenStack-API-Version: {version}\r\nX-OpenStack-Request-Id: req-1\r\n{headers}"
        );
        Reply::http(status, &headers, body)
    }

    pub fn page(&self, page: &Value) -> Reply {
        self.reply(200, page.to_string())
    }

    /// Cinder's response if these rows are all backups.
    pub fn model(&self, rows: &[Row]) -> Reply {
        let (status, body) = self.modelled(rows);
        self.reply(status, body.to_string())
    }

    /// Its status and its body.
    pub fn modelled(&self, rows: &[Row]) -> (u16, Value) {
        let settings = mock::Settings { max_limit: self.maximum, ..mock::Settings::default() };
        let response = mock::respond(rows, &settings, &self.path, &self.query, self.microversion());
        (response.status, response.body)
    }

    /// The request as it is to a service with this maximum of rows per page.
    pub fn with_maximum(&self, maximum: usize) -> Self {
        Self { maximum, ..self.clone() }
    }
}

/// The reply to a request.
#[derive(Clone)]
pub struct Reply {
    delay: Duration,
    content: Content,
    then: Then,
}

#[derive(Clone)]
enum Content {
    Bytes(Vec<u8>),
    /// Made once the delay is over, by the number of responses before it.
    Deferred(Arc<dyn Fn(usize) -> Reply + Send + Sync>),
}

/// What happens to the connection after the content was sent.
#[derive(Clone)]
enum Then {
    KeepAlive,
    Close,
    Reset,
    Stall,
    Drip,
    Repeat(Vec<u8>),
}

impl Reply {
    fn new(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self { delay: Duration::ZERO, content: Content::Bytes(bytes.into()), then }
    }

    /// A whole response with a status, these header lines and this body. The connection is kept.
    pub fn http(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new(response(status, headers, body), Then::KeepAlive)
    }

    /// Sends this and closes the connection.
    pub fn close(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(bytes, Then::Close)
    }

    /// Sends this and resets the connection.
    pub fn reset(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(bytes, Then::Reset)
    }

    /// Sends this, and then nothing.
    pub fn stall(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(bytes, Then::Stall)
    }

    /// Sends this, and then one byte a second.
    pub fn drip(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(bytes, Then::Drip)
    }

    /// Sends this, and then that again and again.
    pub fn endless(bytes: impl Into<Vec<u8>>, repeated: Vec<u8>) -> Self {
        Self::new(bytes, Then::Repeat(repeated))
    }

    /// Decides about the reply once its delay is over, by the number of responses before it.
    pub fn deferred(reply: impl Fn(usize) -> Self + Send + Sync + 'static) -> Self {
        Self { content: Content::Deferred(Arc::new(reply)), ..Self::new([], Then::KeepAlive) }
    }

    /// Sends half of it and closes the connection.
    pub fn cut(mut self) -> Self {
        if let Content::Bytes(bytes) = &mut self.content {
            bytes.truncate(bytes.len() / 2);
        }
        Self { then: Then::Close, ..self }
    }

    /// The same, so much later; not at all where the client has closed the connection by then.
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

fn response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = if matches!(status, 204 | 304) { &[] } else { body.as_ref() };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// The bytes of a whole response that announces the end of the connection.
pub fn last_response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    response(status, &format!("Connection: close\r\n{headers}"), body)
}

/// A response, after which the connection is closed.
pub fn closing(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Reply {
    Reply::close(last_response(status, headers, body))
}

#[derive(Default)]
struct Log {
    requests: Vec<Arc<Request>>,
    in_flight: usize,
    responses: usize,
}

pub struct Server {
    pub address: SocketAddr,
    log: Arc<Mutex<Log>>,
    received: watch::Receiver<usize>,
}

impl Server {
    /// Replies to each request, the first one numbered 0.
    pub async fn start(handler: impl Fn(&Arc<Request>, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<Mutex<Log>> = Arc::default();
        let (arrivals, received) = watch::channel(0);
        let shared = Arc::new((handler, Arc::clone(&log), arrivals));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &shared.0, &shared.1, &shared.2).await });
            }
        });
        Self { address, log, received }
    }

    /// Replies in this order; the last reply is repeated.
    pub async fn script(replies: Vec<Reply>) -> Self {
        Self::start(move |_, number| replies[number.min(replies.len() - 1)].clone()).await
    }

    /// Sends the same JSON to every request.
    pub async fn fixed(status: u16, body: &'static str) -> Self {
        Self::start(move |request, _| request.reply(status, body)).await
    }

    /// Responds like Cinder with these rows, where every response takes this long.
    pub async fn slow_model(rows: Vec<Row>, delay: Duration) -> Self {
        Self::start(move |request, _| request.model(&rows).after(delay)).await
    }

    /// Responds like Cinder with the rows that there are when the delay is over: by the number of
    /// the request, and of the response.
    pub async fn changing_model(
        delay: impl Fn(usize) -> Duration + Send + Sync + 'static,
        rows: impl Fn(&Request, usize) -> Vec<Row> + Send + Sync + 'static,
    ) -> Self {
        let rows = Arc::new(rows);
        Self::start(move |request, number| {
            let (rows, request) = (Arc::clone(&rows), Arc::clone(request));
            Reply::deferred(move |response| request.model(&rows(&request, response))).after(delay(number))
        })
        .await
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A client as users have it.
    pub fn retrying_builder(&self) -> ClientBuilder {
        http::builder(self.endpoint()).project_id(PROJECT_ID).token(TOKEN)
    }

    /// A client that makes one attempt.
    pub fn builder(&self) -> ClientBuilder {
        self.retrying_builder().retry(RetryPolicy::none())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn retrying_client(&self) -> Client {
        self.retrying_builder().build().unwrap()
    }

    pub fn requests(&self) -> Vec<Arc<Request>> {
        self.log.lock().unwrap().requests.clone()
    }

    /// How long each request came after the one before it.
    pub fn intervals(&self) -> Vec<Duration> {
        self.log.lock().unwrap().requests.windows(2).map(|pair| pair[1].arrived - pair[0].arrived).collect()
    }

    /// How many requests are in flight now.
    pub fn in_flight(&self) -> usize {
        self.log.lock().unwrap().in_flight
    }

    /// The most requests that were in flight at once.
    pub fn max_in_flight(&self) -> usize {
        self.requests().iter().map(|request| request.in_flight).max().unwrap_or(0)
    }

    /// Waits until this number of requests has arrived.
    pub async fn received(&self, number: usize) {
        self.received.clone().wait_for(|received| *received >= number).await.unwrap();
    }
}

/// Counts a request as in flight as long as it exists.
struct InFlight<'a>(&'a Mutex<Log>);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().unwrap().in_flight -= 1;
    }
}

async fn serve(
    mut stream: TcpStream,
    handler: &impl Fn(&Arc<Request>, usize) -> Reply,
    log: &Mutex<Log>,
    arrivals: &watch::Sender<usize>,
) {
    while let Some((head, body)) = http::read_request(&mut stream).await {
        let mut reply = {
            let mut log = log.lock().unwrap();
            log.in_flight += 1;
            let request = Arc::new(Request::parse(head, body, log.in_flight));
            log.requests.push(Arc::clone(&request));
            arrivals.send_replace(log.requests.len());
            handler(&request, log.requests.len() - 1)
        };
        let in_flight = InFlight(log);
        if !reply.delay.is_zero() {
            let mut byte = [0];
            tokio::select! {
                biased;
                _ = stream.read(&mut byte) => return,
                () = sleep(reply.delay) => {}
            }
        }
        let bytes = {
            let mut log = log.lock().unwrap();
            log.responses += 1;
            loop {
                match reply.content {
                    Content::Bytes(bytes) => break bytes,
                    Content::Deferred(deferred) => reply = deferred(log.responses - 1),
                }
            }
        };
        // A whole response ends it, before the client can have seen the response.
        let _unfinished = match reply.then {
            Then::KeepAlive | Then::Close | Then::Reset => {
                drop(in_flight);
                None
            }
            Then::Stall | Then::Drip | Then::Repeat(_) => Some(in_flight),
        };
        // The client may be gone before all is sent.
        let mut sent = stream.write_all(&bytes).await;
        match reply.then {
            Then::KeepAlive if sent.is_ok() => continue,
            Then::KeepAlive | Then::Close => {}
            Then::Reset => stream.set_zero_linger().unwrap(),
            Then::Stall => drop(stream.read(&mut [0]).await),
            Then::Drip => {
                while sent.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                    sent = stream.write_all(b" ").await;
                }
            }
            Then::Repeat(repeated) => {
                while sent.is_ok() {
                    sent = stream.write_all(&repeated).await;
                }
            }
        }
        return;
    }
}
