//! A page server in memory: every row is JSON from the start, so that a page is a slice of one text.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

pub const PROJECT_ID: &str = "b23b579f08c84228b9b4673c46f0c442";
pub const SEED: u64 = 1;
const PAGE_LIMIT: usize = 1000;
/// The fields that the list with details adds to a row.
const DETAILS: &str = r#""status": "available", "size": 40, "object_count": 22, "availability_zone": "eu-de-01", "container": "volumes_backup", "created_at": "2026-01-01T00:00:49.000000", "updated_at": "2026-01-01T00:10:22.000000", "description": null, "fail_reason": null, "volume_id": "f320cd57-6d14-475b-b49a-ae908fb5262c", "is_incremental": true, "has_dependent_backups": false, "snapshot_id": null, "data_timestamp": "2026-01-01T00:00:49.000000", "metadata": {"tier": "gold"}, "#;

struct Server {
    address: String,
    summary: Rows,
    /// Made for the first request of the list with details.
    details: OnceLock<Rows>,
    ids: Vec<String>,
    by_id: HashMap<String, usize>,
    latency: Duration,
    /// Whether one page in a hundred fails.
    faulty: bool,
    pages: AtomicU64,
    sent: AtomicU64,
}

enum Fault {
    Reset,
    Status(&'static str),
    Cut,
}

struct Rows {
    text: String,
    /// Where each row begins, and the end.
    starts: Vec<usize>,
}

impl Rows {
    /// With the blanks that Python's JSON has, as Cinder's responses do.
    fn new(address: &str, ids: &[String], details: &str) -> Self {
        let (mut text, mut starts) = (String::new(), vec![0]);
        for (row, id) in ids.iter().enumerate() {
            write!(
                text,
                r#"{{"id": "{id}", {details}"name": "nightly-{row:06}", "links": [{{"rel": "self", "href": "{address}/v3/{PROJECT_ID}/backups/{id}"}}, {{"rel": "bookmark", "href": "{address}/{PROJECT_ID}/backups/{id}"}}]}}, "#
            )
            .unwrap();
            starts.push(text.len());
        }
        Self { text, starts }
    }
}

/// An id as random as a real one, and the same every time.
pub fn id(random: &mut fastrand::Rng) -> String {
    let digits = format!("{:032x}", random.u128(..));
    format!("{}-{}-4{}-8{}-{}", &digits[..8], &digits[8..12], &digits[13..16], &digits[17..20], &digits[20..])
}

/// Serves `rows` rows, and prints the address. Responses take `latency` milliseconds; one page in a hundred may fail.
pub async fn serve(rows: usize, latency: u64, faulty: bool) {
    let socket = TcpSocket::new_v4().unwrap();
    // Written page by page, so that the server never waits for its reader.
    socket.set_send_buffer_size(1 << 20).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    println!("{address}");
    let mut random = fastrand::Rng::with_seed(SEED);
    let ids: Vec<_> = (0..rows).map(|_| id(&mut random)).collect();
    let summary = Rows::new(&address, &ids, "");
    let latency = Duration::from_millis(latency);
    let by_id = ids.iter().cloned().zip(0..).collect();
    let (details, pages, sent) = (OnceLock::new(), AtomicU64::new(0), AtomicU64::new(0));
    let server = Arc::new(Server { address, summary, details, ids, by_id, latency, faulty, pages, sent });
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(respond(stream, Arc::clone(&server)));
    }
}

async fn respond(mut stream: TcpStream, server: Arc<Server>) {
    stream.set_nodelay(true).unwrap();
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let text = String::from_utf8_lossy(&head);
        let (path, query) = text.split(' ').nth(1).and_then(|target| target.split_once('?')).unwrap_or_default();
        let mut fault = None;
        let body = if text.starts_with("GET /stats ") {
            format!("{} {}", cpu_time().as_nanos(), server.sent.load(Ordering::Relaxed))
        } else {
            // A timer takes at least a millisecond.
            if !server.latency.is_zero() {
                sleep(server.latency).await;
            }
            fault = server.fault();
            server.page(path.ends_with("/detail"), query)
        };
        match fault {
            Some(Fault::Reset) => {
                let _ = stream.set_zero_linger();
                return;
            }
            Some(Fault::Status(head)) => {
                if stream.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
            _ => {}
        }
        let (encoding, body) = match text.to_lowercase().contains("\r\naccept-encoding: gzip") {
            false => ("", body.into_bytes()),
            true => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                gzip.write_all(body.as_bytes()).unwrap();
                ("Content-Encoding: gzip\r\n", gzip.finish().unwrap())
            }
        };
        let mut response = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{encoding}Content-Length: {}\r\nOpenStack-API-Version: volume 3.0\r\nx-openstack-request-id: req-00000000-0000-4000-8000-000000000000\r\n\r\n",
            body.len()
        )
        .into_bytes();
        response.extend(body);
        server.sent.fetch_add(response.len() as u64, Ordering::Relaxed);
        if let Some(Fault::Cut) = fault {
            response.truncate(response.len() / 2);
        }
        if stream.write_all(&response).await.is_err() || fault.is_some() {
            return;
        }
    }
}

impl Server {
    /// The fault of the next page, each kind in turn.
    fn fault(&self) -> Option<Fault> {
        let page = self.pages.fetch_add(1, Ordering::Relaxed);
        (self.faulty && page % 100 == 50).then_some(match page / 100 % 4 {
            0 => Fault::Reset,
            1 => Fault::Status("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
            2 => Fault::Status("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"),
            _ => Fault::Cut,
        })
    }

    fn page(&self, details: bool, query: &str) -> String {
        let (rows, list) = match details {
            false => (&self.summary, "backups"),
            true => (self.details.get_or_init(|| Rows::new(&self.address, &self.ids, DETAILS)), "backups/detail"),
        };
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        let number = |name| value(name).and_then(|value| value.parse::<usize>().ok());
        let limit = number("limit").unwrap_or(PAGE_LIMIT).min(PAGE_LIMIT);
        let marker = value("marker").map(|id| self.by_id[id]);
        let last = rows.starts.len() - 1;
        let start = (marker.map_or(0, |row| row + 1) + number("offset").unwrap_or(0)).min(last);
        let end = (start + limit).min(last);
        let page = rows.text[rows.starts[start]..rows.starts[end]].trim_end_matches(", ");
        let link = match end - start == limit {
            false => String::new(),
            true => format!(
                r#", "backups_links": [{{"rel": "next", "href": "{}/v3/{PROJECT_ID}/{list}?limit={limit}&marker={}"}}]"#,
                self.address,
                self.ids[end - 1]
            ),
        };
        format!(r#"{{"backups": [{page}]{link}}}"#)
    }
}

/// The CPU time of this process so far.
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}
