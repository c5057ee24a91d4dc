//! A real nginx in front of the real Cinder, by `CLOUD_GATEWAY=1 tests/cloud/cloud.sh run cargo test --test
//! cloud_gateway -- --ignored`, with and without `--features http2`. tests/cloud/gateway.sh configures it.

#[path = "support/http.rs"]
#[allow(dead_code, reason = "for the validating proxy")]
mod http;
#[path = "support/openapi.rs"]
#[allow(dead_code, reason = "for the validating proxy")]
mod openapi;
#[path = "support/cloud.rs"]
#[allow(dead_code, reason = "the validating proxy speaks no TLS")]
mod support;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use futures::TryStreamExt;
use support::{token, var};
use tokio::sync::OnceCell;
use vbs_client::keystone::Credentials;
use vbs_client::reqwest::{self, Certificate};
use vbs_client::{Client, ClientBuilder, Error, ListBackups, Microversion, RetryPolicy};

const ROWS: usize = 2500;
const PROTOCOL: &str = if cfg!(feature = "http2") { "HTTP/2.0" } else { "HTTP/1.1" };

fn file(name: &str) -> PathBuf {
    Path::new(&var("CLOUD_GATEWAY_DIR")).join(name)
}

fn ca() -> Certificate {
    Certificate::from_pem(&fs::read(file("ca.pem")).unwrap()).unwrap()
}

/// At an address of the gateway, and without any other setting.
async fn bare(address: &str) -> ClientBuilder {
    static TOKEN: OnceCell<String> = OnceCell::const_new();
    let token = TOKEN.get_or_init(|| token("demo", "demo")).await;
    Client::builder(address).project_id(var("OS_PROJECT_ID")).token(token)
}

/// At `https://host/place` on the gateway, with its CA. The log has the requests under the name of the test.
async fn gateway(test: &'static str, host: &str, place: &str) -> ClientBuilder {
    let port: u16 = var("CLOUD_GATEWAY_PORT").parse().unwrap();
    let http = |http: reqwest::ClientBuilder| {
        http.no_proxy().tls_certs_only([ca()]).user_agent(test).resolve(host, SocketAddr::from(([127, 0, 0, 1], port)))
    };
    bare(&format!("https://{host}:{port}{place}")).await.http(http)
}

/// A request that the gateway has logged.
#[derive(Debug)]
struct Logged {
    protocol: String,
    status: u16,
    connection: String,
    worker: String,
    compressed: bool,
}

/// The requests of a test, once there are as many as a condition needs: nginx logs them after their responses.
fn logged(test: &str, enough: impl Fn(&[Logged]) -> bool) -> Vec<Logged> {
    let read = |line: &str| {
        let fields: Vec<_> = line.split('|').collect();
        (fields[0] == test).then(|| Logged {
            protocol: fields[1].to_owned(),
            status: fields[2].parse().unwrap(),
            connection: fields[3].to_owned(),
            worker: fields[4].to_owned(),
            compressed: fields[5] != "-",
        })
    };
    let begun = Instant::now();
    loop {
        let log = fs::read_to_string(file("access.log")).unwrap();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let requests: Vec<_> = whole.lines().filter_map(read).collect();
        if enough(&requests) {
            return requests;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{requests:#?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn distinct<'a>(requests: &'a [Logged], of: impl Fn(&'a Logged) -> &'a str) -> usize {
    requests.iter().map(of).collect::<BTreeSet<_>>().len()
}

/// The ids of all backups, from Cinder itself.
async fn all() -> &'static [String] {
    static ALL: OnceCell<Vec<String>> = OnceCell::const_new();
    ALL.get_or_init(|| async {
        let client = bare(&var("VBS_ENDPOINT")).await.http(|http| http.no_proxy().tls_certs_only([])).build().unwrap();
        let ids = ids(&client.list_backups()).await.unwrap();
        assert_eq!(ids.len(), ROWS);
        ids
    })
    .await
}

async fn ids(request: &ListBackups) -> Result<Vec<String>, Error> {
    request.items().map_ok(|backup| backup.id).try_collect().await
}

async fn refused(builder: ClientBuilder) -> Error {
    builder.build().unwrap().list_backups().send().await.unwrap_err()
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn a_certificate_of_a_private_ca_is_trusted_where_the_ca_is_given() {
    let address = format!("https://localhost:{}/volume", var("CLOUD_GATEWAY_PORT"));
    let client = bare(&address).await.http(|http| http.no_proxy().add_root_certificate(ca())).build().unwrap();
    assert_eq!(ids(&client.list_backups()).await.unwrap(), all().await);

    let error = refused(bare(&address).await.http(reqwest::ClientBuilder::no_proxy)).await;
    let expected = "invalid peer certificate: UnknownIssuer; if the service has a CA of its own, give it as OS_CACERT or \
                    with ClientBuilder::http";
    assert!(error.to_string().ends_with(expected), "{error}");
    assert_eq!((error.attempts(), error.is_retryable()), (1, false));
}

/// Set in the process that signs in by its environment alone.
const SIGN_IN: &str = "CLOUD_GATEWAY_SIGN_IN";

#[test]
#[ignore = "needs the cloud and its gateway"]
fn os_cacert_is_trusted_for_signing_in_and_for_the_list() {
    let address = format!("https://localhost:{}", var("CLOUD_GATEWAY_PORT"));
    if env::var_os(SIGN_IN).is_some() {
        return tokio::runtime::Runtime::new().unwrap().block_on(async {
            let credentials = Credentials::from_env().unwrap().endpoint(address + "/volume");
            let credentials = credentials.http(reqwest::ClientBuilder::no_proxy);
            match credentials.sign_in().await {
                Ok(client) => println!("{} backups", client.build().unwrap().list_backups().count().await.unwrap()),
                Err(error) => println!("{error}"),
            }
        });
    }
    let run = |ca: Option<&str>| {
        let name = "os_cacert_is_trusted_for_signing_in_and_for_the_list";
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", name, "--ignored", "--nocapture"]).env(SIGN_IN, "").env_remove("OS_CACERT");
        command.env("OS_AUTH_URL", format!("{address}/identity/v3"));
        let output = command.envs(ca.map(|ca| ("OS_CACERT", file(ca)))).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let output = run(Some("ca.pem"));
    assert!(output.contains(&format!("{ROWS} backups")), "{output}");
    // A trusted CA that has not issued the gateway's certificate.
    for ca in [None, Some("other-ca.pem")] {
        let output = run(ca);
        assert!(output.contains("/identity: could not connect to localhost:"), "{output}");
        assert!(output.contains("give it as OS_CACERT"), "{output}");
    }
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn certificates_that_are_expired_or_of_another_host_are_refused() {
    for (host, cause) in [
        ("expired.test", "invalid peer certificate: certificate expired: "),
        ("wrong-host.test", "invalid peer certificate: certificate not valid for name \"wrong-host.test\"; "),
    ] {
        let error = refused(gateway("refused", host, "").await).await;
        assert!(error.to_string().contains(cause), "{error}");
        assert_eq!((error.attempts(), error.is_retryable()), (1, false));
    }
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn http_and_https_mixed_up_are_errors_that_say_so() {
    let (tls, plain) = (var("CLOUD_GATEWAY_PORT"), var("CLOUD_GATEWAY_HTTP_PORT"));
    let bare = async |address: String| bare(&address).await.http(|http| http.no_proxy().tls_certs_only([ca()]));
    let error = refused(bare(format!("http://localhost:{plain}")).await).await;
    let target = format!("https://localhost:{tls}/v3/{}/backups", var("OS_PROJECT_ID"));
    assert!(matches!(&error, Error::Redirect { location: Some(location), .. } if *location == target), "{error:?}");
    assert!(error.to_string().ends_with(&format!("a redirect to {target}, which is not followed")), "{error}");

    let error = refused(bare(format!("http://localhost:{tls}")).await).await;
    assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (400, 1), "{error:?}");
    assert!(error.to_string().contains("The plain HTTP request was sent to HTTPS port"), "{error}");
    let error = refused(bare(format!("https://localhost:{plain}")).await).await;
    assert!(error.to_string().ends_with("InvalidContentType; the server may expect http:// there"), "{error}");
    assert_eq!((error.attempts(), error.is_retryable()), (1, false));
}

/// At a path, with links that have it, and by the protocol that both sides prefer.
#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn the_list_is_right_by_each_protocol_compressed_and_at_a_path() {
    const TEST: &str = "at-a-path";
    let client = gateway(TEST, "localhost", "/volume").await.build().unwrap();
    let page = client.list_backups().limit(10).send().await.unwrap();
    let prefix = format!("https://localhost:{}/volume/v3/", var("CLOUD_GATEWAY_PORT"));
    assert!(page.backups[0].links[0].href.starts_with(&prefix), "{:?}", page.backups[0].links);
    for concurrency in [1, 8] {
        let request = client.list_backups().limit(100).concurrency(concurrency);
        assert_eq!(ids(&request).await.unwrap(), all().await, "concurrency {concurrency}");
    }
    assert_eq!(client.list_backups_detail().name_like("night").count().await.unwrap(), 1071);
    let requests = logged(TEST, |requests| requests.len() >= 52);
    assert!(requests.iter().all(|request| request.protocol == PROTOCOL), "{requests:?}");
    assert!(requests.iter().filter(|request| request.compressed).count() >= 50, "{requests:?}");
    let connections = distinct(&requests, |request| &request.connection);
    // All on one, by HTTP/2.
    assert!(if cfg!(feature = "http2") { connections == 1 } else { connections > 1 }, "{connections}");
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn links_that_lose_the_path_or_name_another_host_do_not_matter() {
    for (place, prefix) in [
        ("/lost-prefix", format!("https://localhost:{}/v3/", var("CLOUD_GATEWAY_PORT"))),
        ("/foreign-links", "http://foreign.test/elsewhere/v3/".to_owned()),
    ] {
        let client = gateway("links", "localhost", place).await.build().unwrap();
        let page = client.list_backups().limit(1).send().await.unwrap();
        assert!(page.backups[0].links[0].href.starts_with(&prefix), "{:?}", page.backups[0].links);
        assert_eq!(ids(&client.list_backups().limit(300)).await.unwrap(), all().await, "{place}");
    }
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn a_rate_limit_slows_a_listing_down_and_it_is_right() {
    const TEST: &str = "limited";
    let mut took = Vec::new();
    for place in ["/lost-prefix", "/limited"] {
        let client = gateway(TEST, "localhost", place).await.build().unwrap();
        let begun = Instant::now();
        assert_eq!(ids(&client.list_backups().limit(50).concurrency(8)).await.unwrap(), all().await, "{place}");
        took.push(begun.elapsed());
    }
    let requests = logged(TEST, |requests| requests.iter().filter(|request| request.status == 200).count() >= 100);
    let limited = requests.iter().filter(|request| request.status == 429).count();
    eprintln!(
        "50 pages at concurrency 8: {:?}, at 10 requests per second {:?}, with {limited} refused",
        took[0], took[1]
    );
    assert!((1..50).contains(&limited), "{limited} requests were refused");
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn a_microversion_that_a_gateway_strips_is_an_error_where_it_matters() {
    let all_with = async |place: &str, trust: bool| {
        let client = gateway("stripped", "localhost", place).await.trust_microversion(trust).build().unwrap();
        (ids(&client.list_backups()).await, ids(&client.list_backups().name_like("no-such-name")).await)
    };
    let required = Microversion::new(3, 34);
    let (plain, fuzzy) = all_with("/response-header-stripped", false).await;
    assert_eq!(plain.unwrap(), all().await);
    let Err(Error::MicroversionNotHonored { required: needed, answered: None, .. }) = fuzzy else {
        panic!("{fuzzy:?}")
    };
    assert_eq!(needed, required);
    let (plain, fuzzy) = all_with("/response-header-stripped", true).await;
    assert_eq!((plain.unwrap().as_slice(), fuzzy.unwrap().len()), (all().await, 0));

    // Then Cinder ignores the filter.
    for trust in [false, true] {
        let (plain, fuzzy) = all_with("/request-header-stripped", trust).await;
        assert_eq!(plain.unwrap(), all().await);
        let Err(Error::MicroversionNotHonored { answered: Some(applied), .. }) = fuzzy else { panic!("{fuzzy:?}") };
        assert_eq!(applied, Microversion::new(3, 0));
    }
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn html_of_the_gateway_is_an_error_with_its_status() {
    let quick = RetryPolicy::default().max_delay(Duration::from_millis(10));
    for (place, status, attempts, text) in [
        ("/413", 413, 1, "413 Request Entity Too Large"),
        ("/414", 414, 1, "414 Request-URI Too Large"),
        ("/431", 431, 1, "431 Request Header Fields Too Large"),
        ("/down", 502, 4, "502 Bad Gateway"),
        ("/slow", 504, 4, "504 Gateway Time-out"),
        ("/nowhere", 404, 1, "404 Not Found"),
    ] {
        let error = refused(gateway("html", "localhost", place).await.retry(quick.clone())).await;
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (status, attempts), "{error:?}");
        assert!(error.to_string().contains(text) && !error.to_string().contains('<'), "{error}");
    }
    // nginx sends this instead of 431.
    let error = refused(gateway("html", "localhost", "/volume").await.token("x".repeat(20_000))).await;
    if cfg!(feature = "http2") {
        // It resets the connection.
        assert!(matches!(error, Error::Transport { .. }), "{error:?}");
    } else {
        assert_eq!((error.status().unwrap().as_u16(), error.attempts()), (400, 1), "{error:?}");
        assert!(error.to_string().contains("Request Header Or Cookie Too Large"), "{error}");
    }
    eprintln!("{error}");
}

/// The workers that have begun since the last reload.
fn workers() -> String {
    let master = fs::read_to_string(file("pid")).unwrap();
    let master = master.trim();
    fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap()
}

fn reload() {
    let before = workers();
    let before: BTreeSet<_> = before.split(' ').filter(|worker| !worker.is_empty()).collect();
    let master = fs::read_to_string(file("pid")).unwrap();
    assert!(Command::new("kill").args(["-HUP", master.trim()]).status().unwrap().success());
    let begun = Instant::now();
    while workers().split(' ').filter(|worker| !worker.is_empty() && !before.contains(worker)).count() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "nginx has no new workers");
        thread::sleep(Duration::from_millis(10));
    }
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn a_gateway_that_reloads_in_the_middle_of_a_listing_does_not_matter() {
    const TEST: &str = "reload";
    for concurrency in [1, 4] {
        let client = gateway(TEST, "localhost", "/volume").await.build().unwrap();
        let mut pages = client.list_backups().limit(250).concurrency(concurrency).pages();
        let mut got = Vec::new();
        let mut number = 0;
        while let Some(page) = pages.try_next().await.unwrap() {
            got.extend(page.into_iter().map(|backup| backup.id));
            number += 1;
            if number % 2 == 0 {
                reload();
            }
        }
        assert_eq!(got, all().await, "concurrency {concurrency}");
    }
    let requests = logged(TEST, |requests| requests.len() >= 20);
    assert!(distinct(&requests, |request| &request.worker) >= 4, "{requests:?}");
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn a_service_that_restarts_in_the_middle_of_a_listing_does_not_matter() {
    const TEST: &str = "restart";
    let cloud_sh = |command: &str| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cloud/cloud.sh");
        Command::new(script).args(["strict", command]).spawn().unwrap()
    };
    for concurrency in [1, 4] {
        let patient = RetryPolicy::default().max_attempts(200).max_delay(Duration::from_millis(400));
        let client = gateway(TEST, "localhost", "/strict").await.retry(patient).build().unwrap();
        let request = client.list_backups().limit(100).concurrency(concurrency).prefetch(false);
        let mut pages = request.pages();
        let mut got = Vec::new();
        let mut start = None;
        while let Some(page) = pages.try_next().await.unwrap() {
            got.extend(page.into_iter().map(|backup| backup.id));
            if start.is_none() && got.len() > 500 {
                assert!(cloud_sh("stop").wait().unwrap().success());
                let error = refused(gateway(TEST, "localhost", "/strict").await.retry(RetryPolicy::none())).await;
                assert_eq!(error.status().unwrap(), 502, "{error:?}");
                start = Some(cloud_sh("start"));
            }
        }
        assert!(start.unwrap().wait().unwrap().success());
        assert_eq!(got, all().await, "concurrency {concurrency}");
    }
    logged(TEST, |requests| requests.iter().filter(|request| request.status == 502).count() >= 3);
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn connections_that_are_closed_between_pages_do_not_matter() {
    const TEST: &str = "idle";
    let client = gateway(TEST, "idle.test", "").await.retry(RetryPolicy::none()).build().unwrap();
    let mut pages = client.list_backups().limit(700).prefetch(false).pages();
    let mut got = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        got.extend(page.into_iter().map(|backup| backup.id));
        // The gateway closes a connection that is idle for a second.
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(got, all().await);
    let requests = logged(TEST, |requests| requests.len() >= 4);
    assert_eq!(distinct(&requests, |request| &request.connection), 4, "{requests:?}");
}

#[tokio::test]
#[ignore = "needs the cloud and its gateway"]
async fn connections_that_serve_few_requests_do_not_matter() {
    const TEST: &str = "brief";
    for concurrency in [1, 4] {
        let client = gateway(TEST, "brief.test", "").await.build().unwrap();
        let request = client.list_backups().limit(100).concurrency(concurrency);
        assert_eq!(ids(&request).await.unwrap(), all().await, "concurrency {concurrency}");
    }
    let requests = logged(TEST, |requests| requests.len() >= 50);
    let connections = distinct(&requests, |request| &request.connection);
    assert!(connections >= 50 / 3, "{connections}: {requests:?}");
}
