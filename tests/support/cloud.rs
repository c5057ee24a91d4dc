//! The real Cinder and the real Keystone, as tests/cloud/cloud.sh has started them.

use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vbs_client::keystone::Credentials;
use vbs_client::{Client, ClientBuilder};

use super::{http, openapi};

pub fn var(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with tests/cloud/cloud.sh run"))
}

/// A plain HTTP client, which ignores proxies set in the environment.
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// As [`http::builder`] has it: without proxies and certificates.
pub fn ready(credentials: Credentials) -> Credentials {
    credentials.http(|http| http.no_proxy().tls_certs_only([]))
}

/// A token issued by Keystone, requested by hand.
pub async fn token(user: &str, project: &str) -> String {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": var("OS_PASSWORD")});
    let scope = json!({"project": {"name": project, "domain": {"id": "default"}}});
    let auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}});
    let response = http_client().post(var("OS_AUTH_URL") + "/auth/tokens").json(&auth).send().await.unwrap();
    assert_eq!(response.status(), 201);
    response.headers()["x-subject-token"].to_str().unwrap().to_owned()
}

/// A proxy to Keystone that counts the connections that Keystone does not take.
#[allow(dead_code, reason = "not every test binary stops Keystone")]
pub struct Outage {
    pub auth_url: String,
    refused: watch::Receiver<usize>,
}

#[allow(dead_code, reason = "not every test binary stops Keystone")]
impl Outage {
    /// Closes this number of connections itself, and takes all later ones to Keystone.
    pub async fn of(closed: usize) -> Self {
        let auth_url = var("OS_AUTH_URL");
        let keystone = auth_url.trim_start_matches("http://").trim_end_matches("/v3").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let auth_url = format!("http://{}/v3", listener.local_addr().unwrap());
        let (count, refused) = watch::channel(0);
        tokio::spawn(async move {
            for number in 0.. {
                let (mut client, _) = listener.accept().await.unwrap();
                if number < closed {
                    continue;
                }
                match TcpStream::connect(&keystone).await {
                    Ok(mut server) => {
                        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
                    }
                    Err(_) => count.send_modify(|count| *count += 1),
                }
            }
        });
        Self { auth_url, refused }
    }

    /// Waits until Keystone has not taken this number of connections.
    pub async fn refused(&self, number: usize) {
        self.refused.clone().wait_for(|refused| *refused >= number).await.unwrap();
    }
}

/// The cloud, through a proxy that checks every response.
pub struct Cloud {
    pub endpoint: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// What was wrong with responses.
    wrong: Vec<String>,
    /// The token of each request, and the status of its response.
    exchanges: Vec<(String, u16)>,
}

impl Cloud {
    pub async fn of(endpoint: &str) -> Self {
        let cinder: SocketAddr = endpoint.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, cinder, Arc::clone(&log)));
            }
        });
        Self { endpoint, seen }
    }

    /// The token of each request, and the status of its response.
    #[allow(dead_code, reason = "not every test binary looks at them")]
    pub fn exchanges(&self) -> Vec<(String, u16)> {
        self.seen.lock().unwrap().exchanges.clone()
    }

    pub async fn plain() -> Self {
        Self::of(&var("VBS_ENDPOINT")).await
    }

    pub fn builder(&self) -> ClientBuilder {
        http::builder(&self.endpoint).project_id(var("OS_PROJECT_ID"))
    }

    /// The credentials of the environment, for this endpoint.
    pub fn credentials(&self) -> Credentials {
        ready(Credentials::from_env().unwrap()).endpoint(&self.endpoint)
    }

    /// Those of another user, for one of its projects.
    #[allow(dead_code, reason = "not every test binary has other users")]
    pub fn credentials_of(&self, user: &str, project: &str) -> Credentials {
        let credentials = ready(Credentials::password(var("OS_AUTH_URL"), user, var("OS_PASSWORD")));
        let credentials = credentials.user_domain_name("Default").project_name(project).project_domain_name("Default");
        credentials.endpoint(&self.endpoint)
    }

    pub async fn signed_in(&self) -> ClientBuilder {
        self.credentials().sign_in().await.unwrap()
    }

    pub async fn client(&self) -> Client {
        self.signed_in().await.build().unwrap()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let seen = self.seen.lock().unwrap();
            assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
            assert!(!seen.exchanges.is_empty(), "no response was checked");
        }
    }
}

async fn forward(mut client: TcpStream, cinder: SocketAddr, log: Arc<Mutex<Seen>>) {
    let Some((request, _)) = http::read_request(&mut client).await else { return };
    let request = request.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(cinder).await.unwrap();
    server.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    server.read_to_end(&mut response).await.unwrap();
    let path = match request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default() {
        path if path.ends_with("/backups") => openapi::SUMMARY,
        path if path.ends_with("/backups/detail") => openapi::DETAIL,
        _ => openapi::SHOW,
    };
    let token = request.lines().find_map(|line| line.strip_prefix("x-auth-token: ")).unwrap_or_default();
    let result = std::panic::catch_unwind(|| check(path, &String::from_utf8_lossy(&response)));
    {
        let mut log = log.lock().unwrap();
        log.exchanges.push((token.to_owned(), *result.as_ref().unwrap_or(&0)));
        if let Err(panic) = result {
            log.wrong.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
        }
    }
    let _ = client.write_all(&response).await;
}

/// The status, the headers and the body are what the contract says.
fn check(path: &str, response: &str) -> u16 {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    openapi::validate(path, status, &serde_json::from_str(body).unwrap());
    let head = head.to_lowercase();
    let header = |name: &str| assert!(head.contains(&format!("\r\n{}: ", name.to_lowercase())), "no {name} in {head}");
    header("x-openstack-request-id");
    if status == 200 {
        for name in openapi::operation(path)["responses"]["200"]["headers"].as_object().unwrap().keys() {
            header(name);
        }
    }
    status
}
