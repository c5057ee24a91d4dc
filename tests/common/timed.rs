//! The model of the service in the test's own runtime, where answers take the time that they are told
//! to: with a paused clock, in an order that is the same every time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use vbs_client::{Client, ClientBuilder, RetryPolicy};

use super::model::{self, Row};
use super::raw::read_head;
use super::{PROJECT_ID, TOKEN};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Asked {
    pub query: String,
    /// How many were under way with it.
    pub under_way: usize,
}

impl Asked {
    pub fn get(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// What one request gets.
pub struct Turn {
    /// How long it is until the rows are read.
    pub after: Duration,
    /// Another answer than the model's: a status, and headers.
    pub instead: Option<(u16, &'static str)>,
    /// Another page than the model's.
    pub page: Option<String>,
    /// The service's own maximum of rows to a page, where it is not the model's.
    pub maximum: Option<usize>,
}

pub fn after(milliseconds: u64) -> Turn {
    Turn { after: Duration::from_millis(milliseconds), instead: None, page: None, maximum: None }
}

#[derive(Default)]
struct Log {
    asked: Vec<Asked>,
    under_way: usize,
    answered: usize,
}

pub struct Timed {
    pub endpoint: String,
    log: Arc<Mutex<Log>>,
    arrived: watch::Receiver<usize>,
}

impl Timed {
    /// Asks for a `turn` when a request arrives, by its number from 0 on; and for the `rows` when
    /// its time has come, by the number of the answer.
    pub async fn start(
        turn: impl Fn(usize, &Asked) -> Turn + Send + Sync + 'static,
        rows: impl Fn(usize, &Asked) -> Vec<Row> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let log: Arc<Mutex<Log>> = Arc::default();
        let (arrivals, arrived) = watch::channel(0);
        let service = Arc::new((turn, rows, Arc::clone(&log), arrivals));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    let (turn, rows, log, arrivals) = &*service;
                    serve(stream, turn, rows, log, arrivals).await
                });
            }
        });
        Self { endpoint, log, arrived }
    }

    /// All answers take this long.
    pub async fn with(rows: Vec<Row>, milliseconds: u64) -> Self {
        Self::start(move |_, _| after(milliseconds), move |_, _| rows.clone()).await
    }

    /// A client that asks once.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder(&self.endpoint).project_id(PROJECT_ID).token(TOKEN).retry(RetryPolicy::none())
    }

    pub fn client(&self) -> Client {
        self.builder().build().unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().asked.clone()
    }

    /// How many are under way now.
    pub fn under_way(&self) -> usize {
        self.log.lock().unwrap().under_way
    }

    /// The most that were under way at a time.
    pub fn most(&self) -> usize {
        self.asked().iter().map(|asked| asked.under_way).max().unwrap_or(0)
    }

    /// Waits until so many requests have arrived.
    pub async fn arrived(&self, number: usize) {
        self.arrived.clone().wait_for(|arrived| *arrived >= number).await.unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    turn: &impl Fn(usize, &Asked) -> Turn,
    rows: &impl Fn(usize, &Asked) -> Vec<Row>,
    log: &Mutex<Log>,
    arrivals: &watch::Sender<usize>,
) {
    while let Some(head) = read_head(&mut stream).await {
        let text = head.to_lowercase();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": volume "));
        let version = header("openstack-api-version").unwrap_or("3.0").to_owned();
        let path = head.split(' ').nth(1).unwrap();
        let query = path.split_once('?').map_or("", |(_, query)| query).to_owned();
        let (asked, turn) = {
            let mut log = log.lock().unwrap();
            log.under_way += 1;
            let asked = Asked { query, under_way: log.under_way };
            log.asked.push(asked.clone());
            let turn = turn(log.asked.len() - 1, &asked);
            arrivals.send_replace(log.asked.len());
            (asked, turn)
        };
        let mut gone = [0];
        let is_gone = tokio::select! {
            () = sleep(turn.after) => false,
            _ = stream.read(&mut gone) => true,
        };
        let (status, headers, body) = {
            let mut log = log.lock().unwrap();
            log.under_way -= 1;
            if is_gone {
                return;
            }
            log.answered += 1;
            match (turn.instead, turn.page) {
                (Some((status, headers)), _) => (status, headers, String::new()),
                (None, Some(page)) => (200, "", page),
                (None, None) => {
                    let rows = rows(log.answered - 1, &asked);
                    let query = match (turn.maximum, asked.get("limit").and_then(|limit| limit.parse().ok())) {
                        (Some(maximum), limit) if limit.is_none_or(|limit: usize| limit > maximum) => {
                            // The last one counts where a name is there twice.
                            format!("{}&limit={maximum}", asked.query)
                        }
                        _ => asked.query.clone(),
                    };
                    let (status, body) = model::answer(&rows, &query, version.parse().unwrap());
                    (status, "", body.to_string())
                }
            }
        };
        let answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nX-OpenStack-Request-Id: req-1\r\nOpenStack-API-Version: volume {version}\r\n{headers}\r\n{body}",
            body.len(),
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
