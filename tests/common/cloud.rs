//! The real Cinder and the real Keystone, as tests/cloud/cloud.sh has started them.

use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vbs_client::{Client, ClientBuilder, Error};

use super::contract;
use super::raw::read_head;

pub fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with tests/cloud/cloud.sh run"))
}

/// A token of Keystone's.
pub async fn token(user: &str, project: &str) -> String {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": var("OS_PASSWORD")});
    let scope = json!({"project": {"name": project, "domain": {"id": "default"}}});
    let auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}});
    let answer = reqwest::Client::new().post(var("OS_AUTH_URL") + "/auth/tokens").json(&auth).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

/// The cloud, through a proxy that checks every answer.
pub struct Cloud {
    pub endpoint: String,
    /// What was wrong with answers, and how many there were.
    checked: Arc<Mutex<(Vec<String>, usize)>>,
}

impl Cloud {
    pub async fn of(endpoint: &str) -> Self {
        let cinder: SocketAddr = endpoint.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let checked: Arc<Mutex<(Vec<String>, usize)>> = Arc::default();
        let log = Arc::clone(&checked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(stream, cinder, Arc::clone(&log)));
            }
        });
        Self { endpoint, checked }
    }

    pub async fn plain() -> Self {
        Self::of(&var("VBS_ENDPOINT")).await
    }

    /// Fuzzy filters are not enabled for plain users, and links name an address where nobody is.
    pub async fn strict() -> Self {
        Self::of(&var("CLOUD_STRICT_ENDPOINT")).await
    }

    pub fn builder(&self) -> ClientBuilder {
        Client::builder(&self.endpoint).project_id(var("OS_PROJECT_ID"))
    }

    pub async fn client(&self) -> Client {
        self.builder().token(token("demo", "demo").await).build().unwrap()
    }

    pub async fn refused(&self, builder: ClientBuilder) -> Error {
        builder.build().unwrap().list_backups().send().await.unwrap_err()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let (wrong, answers) = &*self.checked.lock().unwrap();
        if !std::thread::panicking() {
            assert!(wrong.is_empty(), "{wrong:?}");
            assert!(*answers > 0, "no answer was checked");
        }
    }
}

async fn pass_on(mut client: TcpStream, cinder: SocketAddr, log: Arc<Mutex<(Vec<String>, usize)>>) {
    let Some(request) = read_head(&mut client).await else { return };
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(cinder).await.unwrap();
    server.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    let result = std::panic::catch_unwind(|| check(&String::from_utf8_lossy(&answer)));
    {
        let mut log = log.lock().unwrap();
        log.1 += 1;
        if let Err(panic) = result {
            log.0.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    let _ = client.write_all(&answer).await;
}

/// The status, the headers and the body are what the contract says.
fn check(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    contract::validate(status, &serde_json::from_str(body).unwrap());
    let head = head.to_lowercase();
    let header = |name: &str| assert!(head.contains(&format!("\r\n{}: ", name.to_lowercase())), "no {name} in {head}");
    header("x-openstack-request-id");
    if status == 200 {
        for name in contract::operation()["responses"]["200"]["headers"].as_object().unwrap().keys() {
            header(name);
        }
    }
}
