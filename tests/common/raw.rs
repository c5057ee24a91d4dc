//! A server that misbehaves below HTTP, in the test's own runtime, so that its clock can be paused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use vbs_client::{Client, ClientBuilder};

use super::{PROJECT_ID, TOKEN};

/// What happens after a request was read.
#[derive(Clone)]
pub enum Answer {
    /// Sends this and closes the connection.
    Close(Vec<u8>),
    /// Sends this and resets the connection.
    Reset(Vec<u8>),
    /// Sends this, and then nothing.
    Stall(Vec<u8>),
    /// Sends this, and then one byte a second.
    Drip(Vec<u8>),
    /// Sends this, and then that again and again.
    Endless(Vec<u8>, Vec<u8>),
}

/// A whole answer with a status line, these headers and this body.
pub fn http(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub fn ok(body: impl AsRef<[u8]>) -> Answer {
    Answer::Close(http(200, "", body))
}

pub struct Raw {
    pub endpoint: String,
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Raw {
    /// Answers each request by its number, from 0 on, and its head.
    pub async fn start(respond: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let log = Arc::clone(&seen);
        let respond = Arc::new(respond);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&respond)));
            }
        });
        Self { endpoint, seen }
    }

    pub async fn script(answers: Vec<Answer>) -> Self {
        Self::start(move |number, _| answers[number.min(answers.len() - 1)].clone()).await
    }

    /// A client as users have it.
    pub fn builder(&self) -> ClientBuilder {
        Client::builder(&self.endpoint).project_id(PROJECT_ID).token(TOKEN)
    }

    /// The heads of all requests.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(_, head)| head.clone()).collect()
    }

    /// The time between a request and the one before it.
    pub fn waits(&self) -> Vec<Duration> {
        let seen = self.seen.lock().unwrap();
        seen.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
    }
}

/// The head of the next request, unless the connection is closed.
pub async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8(head).unwrap())
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<(Instant, String)>>>,
    respond: Arc<impl Fn(usize, &str) -> Answer>,
) {
    let Some(head) = read_head(&mut stream).await else { return };
    let answer = {
        let mut log = log.lock().unwrap();
        log.push((Instant::now(), head.clone()));
        respond(log.len() - 1, &head)
    };
    let (Answer::Close(bytes)
    | Answer::Reset(bytes)
    | Answer::Stall(bytes)
    | Answer::Drip(bytes)
    | Answer::Endless(bytes, _)) = &answer;
    // The client may be gone before all is sent.
    let mut sent = stream.write_all(bytes).await;
    match answer {
        Answer::Close(_) => {}
        Answer::Reset(_) => stream.set_zero_linger().unwrap(),
        Answer::Stall(_) => std::future::pending().await,
        Answer::Drip(_) => {
            while sent.is_ok() {
                sleep(Duration::from_secs(1)).await;
                sent = stream.write_all(b" ").await;
            }
        }
        Answer::Endless(_, again) => {
            while sent.is_ok() {
                sent = stream.write_all(&again).await;
            }
        }
    }
}
