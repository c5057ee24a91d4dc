//! Against the real Cinder and the real Keystone: `tests/cloud/cloud.sh run cargo test --test cloud -- --ignored`.
//!
//! Every answer passes a proxy that holds it against the contract's schemas.

mod common;

use std::env;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::contract;
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use vbs_client::{Client, ClientBuilder, Error, ListBackups, Microversion};

const ROWS: usize = 2500;

fn var(name: &str) -> String {
    env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this with tests/cloud/cloud.sh run"))
}

/// A token of Keystone's.
async fn token(user: &str, project: &str) -> String {
    let user = json!({"name": user, "domain": {"id": "default"}, "password": var("OS_PASSWORD")});
    let scope = json!({"project": {"name": project, "domain": {"id": "default"}}});
    let auth = json!({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}});
    let answer = reqwest::Client::new()
        .post(var("OS_AUTH_URL") + "/auth/tokens")
        .json(&auth)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["x-subject-token"]
        .to_str()
        .unwrap()
        .to_owned()
}

/// The cloud, through a proxy that checks every answer.
struct Cloud {
    endpoint: String,
    /// What was wrong with answers, and how many there were.
    checked: Arc<Mutex<(Vec<String>, usize)>>,
}

impl Cloud {
    async fn of(endpoint: &str) -> Self {
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

    async fn plain() -> Self {
        Self::of(&var("VBS_ENDPOINT")).await
    }

    /// Fuzzy filters are not enabled for plain users, and links name an address where nobody is.
    async fn strict() -> Self {
        Self::of(&var("CLOUD_STRICT_ENDPOINT")).await
    }

    fn builder(&self) -> ClientBuilder {
        Client::builder(&self.endpoint).project_id(var("OS_PROJECT_ID"))
    }

    async fn client(&self) -> Client {
        self.builder()
            .token(token("demo", "demo").await)
            .build()
            .unwrap()
    }

    async fn refused(&self, builder: ClientBuilder) -> Error {
        builder
            .build()
            .unwrap()
            .list_backups()
            .send()
            .await
            .unwrap_err()
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
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if client.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let request =
        String::from_utf8(request)
            .unwrap()
            .replacen("\r\n", "\r\nConnection: close\r\n", 1);
    let mut server = TcpStream::connect(cinder).await.unwrap();
    server.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await.unwrap();
    let result = std::panic::catch_unwind(|| check(&String::from_utf8_lossy(&answer)));
    {
        let mut log = log.lock().unwrap();
        log.1 += 1;
        if let Err(panic) = result {
            log.0
                .push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
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
    let header = |name: &str| {
        assert!(
            head.contains(&format!("\r\n{}: ", name.to_lowercase())),
            "no {name} in {head}"
        )
    };
    header("x-openstack-request-id");
    if status == 200 {
        for name in contract::operation()["responses"]["200"]["headers"]
            .as_object()
            .unwrap()
            .keys()
        {
            header(name);
        }
    }
}

/// How the cloud was seeded: the name of row `i`, of which the newest is listed first.
fn seeded_name(i: usize) -> Option<String> {
    match i % 7 {
        0 => None,
        _ if i % 2 == 1 => Some(format!("nightly-{i:05}")),
        _ => Some(format!("weekly-{i:05}")),
    }
}

fn seeded_status(i: usize) -> &'static str {
    match i % 3 {
        0 => [
            "available",
            "error",
            "restoring",
            "creating",
            "deleting",
            "error_deleting",
        ][i / 3 % 6],
        _ => "available",
    }
}

struct Row {
    id: String,
    name: Option<String>,
    status: String,
    volume_id: String,
}

/// All rows with all their fields, asked of Cinder by hand and without a filter.
async fn truth() -> Vec<Row> {
    let token = token("demo", "demo").await;
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let marker = rows
            .last()
            .map(|row| format!("&marker={}", row.id))
            .unwrap_or_default();
        let url = format!(
            "{}/v3/{}/backups/detail?limit=1000{marker}",
            var("VBS_ENDPOINT"),
            var("OS_PROJECT_ID")
        );
        let answer = reqwest::Client::new()
            .get(url)
            .header("X-Auth-Token", &token)
            .send()
            .await
            .unwrap();
        let page: Value = answer.json().await.unwrap();
        let page = page["backups"].as_array().unwrap().clone();
        if page.is_empty() {
            break;
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        rows.extend(page.iter().map(|row| Row {
            id: text(&row["id"]).unwrap(),
            name: text(&row["name"]),
            status: text(&row["status"]).unwrap(),
            volume_id: text(&row["volume_id"]).unwrap(),
        }));
    }
    assert_eq!(rows.len(), ROWS);
    for (row, i) in rows.iter().zip((0..ROWS).rev()) {
        assert_eq!(
            (row.name.clone(), row.status.as_str()),
            (seeded_name(i), seeded_status(i))
        );
    }
    rows
}

async fn ids(request: &ListBackups) -> Vec<String> {
    request
        .items()
        .map_ok(|backup| backup.id)
        .try_collect()
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn every_row_once_and_in_order_at_any_page_size() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let expected: Vec<_> = truth().await.into_iter().map(|row| row.id).collect();
    for limit in [37, 100, 999, 1000, 1250, 2500, 100_000] {
        assert_eq!(
            ids(&client.list_backups().limit(limit)).await,
            expected,
            "limit {limit}"
        );
    }
    let rows: Vec<_> = client.list_backups().items().try_collect().await.unwrap();
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    assert_eq!(names, (0..ROWS).rev().map(seeded_name).collect::<Vec<_>>());
    assert!(
        rows.iter()
            .all(|row| row.links.len() == 2 && row.links[0].rel == "self")
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn an_offset_skips_rows_once() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let all = ids(&client.list_backups()).await;
    for (limit, offset, left) in [
        (100, 30, 2470),
        (100, 0, 2500),
        (1000, 999, 1501),
        (1000, 2499, 1),
        (1000, 2500, 0),
        (1000, 2_147_483_647, 0),
    ] {
        let got = ids(&client.list_backups().limit(limit).offset(offset)).await;
        assert_eq!(got.len(), left, "limit {limit}, offset {offset}");
        assert_eq!(got, all[ROWS - left..]);
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_walk_from_a_marker() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let all = ids(&client.list_backups()).await;
    assert_eq!(
        ids(&client.list_backups().limit(300).marker(&all[999])).await,
        all[1000..]
    );
    assert_eq!(
        ids(&client.list_backups().limit(300).marker(&all[999]).offset(7)).await,
        all[1007..]
    );
    assert!(
        ids(&client.list_backups().marker(&all[ROWS - 1]))
            .await
            .is_empty()
    );

    // A walk that is taken up where one page of it ended.
    let request = client.list_backups().limit(100).offset(30);
    let page = request.send().await.unwrap();
    assert_eq!(page.next_marker(), Some(all[129].as_str()));
    assert_eq!(
        ids(&request.resume_at(page.next_marker().unwrap())).await,
        all[130..]
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn every_filter_and_its_twin() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    let truth = truth().await;
    let volume = truth[7].volume_id.clone();
    let part = &volume[3..11];
    let contains =
        |name: &Option<String>, part: &str| name.as_ref().is_some_and(|name| name.contains(part));
    type Fits<'a> = Box<dyn Fn(&Row) -> bool + 'a>;
    let all = client.list_backups();
    let cases: Vec<(ListBackups, Fits)> = vec![
        (
            all.clone().name("nightly-02499"),
            Box::new(|row| row.name.as_deref() == Some("nightly-02499")),
        ),
        (all.clone().name("nightly"), Box::new(|_| false)),
        (
            all.clone().name_like("nightly"),
            Box::new(|row| contains(&row.name, "nightly")),
        ),
        (
            all.clone().name_like("NIGHTLY"),
            Box::new(|row| contains(&row.name, "nightly")),
        ),
        (
            all.clone().name_like("t%-01"),
            Box::new(|row| contains(&row.name, "nightly-01")),
        ),
        (
            all.clone().name_like("-0_499"),
            Box::new(|row| row.name.as_ref().is_some_and(|name| name.ends_with("499"))),
        ),
        (
            all.clone().name_like(""),
            Box::new(|row| row.name.is_some()),
        ),
        (
            all.clone().name("weekly-00010").name_like("week"),
            Box::new(|row| row.name.as_deref() == Some("weekly-00010")),
        ),
        (
            all.clone().name("weekly-00010").name_like("night"),
            Box::new(|_| false),
        ),
        (
            all.clone().status("available"),
            Box::new(|row| row.status == "available"),
        ),
        (
            all.clone().status("error"),
            Box::new(|row| row.status == "error"),
        ),
        (
            all.clone().status("restoring"),
            Box::new(|row| row.status == "restoring"),
        ),
        (
            all.clone().status("creating"),
            Box::new(|row| row.status == "creating"),
        ),
        (
            all.clone().status("deleting"),
            Box::new(|row| row.status == "deleting"),
        ),
        (
            all.clone().status("error_deleting"),
            Box::new(|row| row.status == "error_deleting"),
        ),
        (all.clone().status("error_restoring"), Box::new(|_| false)),
        (
            all.clone().status_like("err"),
            Box::new(|row| row.status.starts_with("error")),
        ),
        (
            all.clone().status_like("deleting"),
            Box::new(|row| row.status.ends_with("deleting")),
        ),
        (
            all.clone().volume_id(&volume),
            Box::new(|row| row.volume_id == volume),
        ),
        (all.clone().volume_id(part), Box::new(|_| false)),
        (
            all.clone().volume_id_like(part),
            Box::new(|row| row.volume_id.contains(part)),
        ),
        (
            all.clone()
                .name_like("night")
                .status_like("err")
                .volume_id_like("-4"),
            Box::new(|row| {
                contains(&row.name, "night")
                    && row.status.starts_with("error")
                    && row.volume_id.contains("-4")
            }),
        ),
        // Nothing of a value is lost or taken for more than a value.
        (
            all.clone().name("a b&limit=1;c=d+e#f/\u{e9}~%?"),
            Box::new(|_| false),
        ),
        (all.clone().name_like("&status=error"), Box::new(|_| false)),
    ];
    for (request, fits) in cases {
        let expected: Vec<_> = truth
            .iter()
            .filter(|row| fits(row))
            .map(|row| row.id.clone())
            .collect();
        assert_eq!(
            ids(&request.clone().limit(100)).await,
            expected,
            "{request:?}"
        );
        assert_eq!(
            request.count().await.unwrap(),
            expected.len() as u64,
            "{request:?}"
        );
    }
}

/// What this client protects from: the same request by hand, without the header.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn without_the_microversion_a_fuzzy_filter_is_ignored() {
    let url = format!(
        "{}/v3/{}/backups?limit=1000&name~=no-such-name",
        var("VBS_ENDPOINT"),
        var("OS_PROJECT_ID")
    );
    let token = token("demo", "demo").await;
    for (version, rows) in [
        (None, 1000),
        (Some("volume 3.30"), 1000),
        (Some("volume 3.31"), 0),
    ] {
        let mut request = reqwest::Client::new()
            .get(&url)
            .header("X-Auth-Token", &token);
        if let Some(version) = version {
            request = request.header("OpenStack-API-Version", version);
        }
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            page["backups"].as_array().unwrap().len(),
            rows,
            "{version:?}"
        );
    }
    assert!(
        ids(&Cloud::plain()
            .await
            .client()
            .await
            .list_backups()
            .name_like("no-such-name"))
        .await
        .is_empty()
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn counts() {
    let cloud = Cloud::plain().await;
    let client = cloud.client().await;
    assert_eq!(client.list_backups().count().await.unwrap(), 2500);
    assert_eq!(
        client
            .list_backups()
            .limit(7)
            .offset(100)
            .count()
            .await
            .unwrap(),
        2500
    );

    let page = client
        .list_backups()
        .with_count(true)
        .limit(10)
        .offset(5)
        .name_like("night")
        .send()
        .await
        .unwrap();
    assert_eq!((page.count, page.backups.len()), (Some(1071), 10));
    assert_eq!(page.microversion(), Some(Microversion::new(3, 45)));
    let page = client
        .list_backups()
        .with_count(true)
        .limit(0)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (page.count, page.backups.len(), page.is_last()),
        (Some(2500), 0, true)
    );

    let pages: Vec<_> = client
        .list_backups()
        .with_count(true)
        .limit(1000)
        .pages()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        pages
            .iter()
            .map(|page| page.backups.len())
            .collect::<Vec<_>>(),
        [1000, 1000, 500]
    );
    assert!(pages.iter().all(|page| page.count == Some(2500)));
    // The first page has a link although it holds all rows.
    let pages: Vec<_> = client
        .list_backups()
        .with_count(true)
        .status("error")
        .limit(139)
        .pages()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        pages.iter().map(|page| page.backups.len()).sum::<usize>(),
        139
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn microversions() {
    let cloud = Cloud::plain().await;
    let page = cloud
        .client()
        .await
        .list_backups()
        .limit(1)
        .send()
        .await
        .unwrap();
    assert_eq!(page.microversion(), Some(Microversion::new(3, 0)));
    let token = token("demo", "demo").await;
    let floor = |minor| {
        cloud
            .builder()
            .token(&token)
            .microversion(Microversion::new(3, minor))
            .build()
            .unwrap()
            .list_backups()
    };
    let page = floor(71).limit(1).name_like("night").send().await.unwrap();
    assert_eq!(page.microversion(), Some(Microversion::new(3, 71)));
    let error = floor(72).send().await.unwrap_err();
    assert_eq!(error.status().unwrap(), 406);
    let fault = error.fault().unwrap();
    assert_eq!(
        (fault.kind.as_deref(), fault.code.as_deref()),
        (Some("computeFault"), Some("406"))
    );
    assert!(
        error.to_string().contains(
            "Version 3.72 is not supported by the API. Minimum is 3.0 and maximum is 3.71."
        ),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn what_the_services_refuse() {
    let cloud = Cloud::plain().await;
    let demo = token("demo", "demo").await;

    for bad in ["not-a-token", &demo[..demo.len() - 8]] {
        let error = cloud.refused(cloud.builder().token(bad)).await;
        assert!(error.is_unauthorized(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
        assert!(error.request_id().unwrap().starts_with("req-"));
    }
    assert!(cloud.refused(cloud.builder()).await.is_unauthorized());

    let error = cloud
        .refused(cloud.builder().token(token("roleless", "demo").await))
        .await;
    assert!(error.is_forbidden(), "{error:?}");
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("forbidden"));

    let error = cloud
        .refused(
            Client::builder(&cloud.endpoint)
                .project_id(var("CLOUD_OTHER_PROJECT_ID"))
                .token(&demo),
        )
        .await;
    assert_eq!(error.status().unwrap(), 400);
    assert_eq!(error.fault().unwrap().message, "Malformed request url");

    let error = cloud
        .refused(
            Client::builder(cloud.endpoint.clone() + "/v3")
                .project_id("no_such-id")
                .token(&demo),
        )
        .await;
    assert!(error.is_not_found(), "{error:?}");
    let fault = error.fault().unwrap();
    assert_eq!(
        (fault.code.as_deref(), fault.message.as_str()),
        (Some("404"), "The resource could not be found.")
    );

    let other = Client::builder(&cloud.endpoint)
        .project_id(var("CLOUD_OTHER_PROJECT_ID"))
        .token(token("outsider", "other").await);
    let others = ids(&other.build().unwrap().list_backups()).await;
    assert_eq!(others.len(), 10);
    let client = cloud.client().await;
    for marker in ["00000000-0000-4000-8000-000000000000", "x", &others[0]] {
        let error = client
            .list_backups()
            .marker(marker)
            .send()
            .await
            .unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("itemNotFound"));
        assert!(
            error
                .to_string()
                .contains(&format!("Backup {marker} could not be found.")),
            "{error}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn who_may_list() {
    let cloud = Cloud::plain().await;
    let reader = cloud
        .builder()
        .token(token("reader", "demo").await)
        .build()
        .unwrap();
    assert_eq!(reader.list_backups().count().await.unwrap(), 2500);
    // As a catalog has the endpoint.
    let endpoint = format!("{}/v3/{}", cloud.endpoint, var("OS_PROJECT_ID"));
    let client = Client::builder(endpoint)
        .token(token("demo", "demo").await)
        .build()
        .unwrap();
    assert_eq!(
        client
            .list_backups()
            .limit(3)
            .send()
            .await
            .unwrap()
            .backups
            .len(),
        3
    );
}

/// The operator has not listed `name~`: that has to reach the user.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn fuzzy_filters_that_the_operator_has_not_enabled() {
    let cloud = Cloud::strict().await;
    let all = cloud.client().await.list_backups();
    for (request, name) in [
        (all.clone().name_like("x"), "name~"),
        (all.clone().status_like("x"), "status~"),
        (all.clone().volume_id_like("x"), "volume_id~"),
    ] {
        let error = request.send().await.unwrap_err();
        assert_eq!(error.status().unwrap(), 400);
        assert_eq!(error.fault().unwrap().kind.as_deref(), Some("badRequest"));
        assert!(
            error.to_string().contains(&format!(
                "Invalid filters {name} are found in query options."
            )),
            "{error}"
        );
    }
    assert_eq!(all.status("error").count().await.unwrap(), 139);
}

/// Links that name an address where nobody answers do not matter.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn links_to_an_address_that_does_not_answer() {
    let cloud = Cloud::strict().await;
    let client = cloud.client().await;
    let rows: Vec<_> = client
        .list_backups()
        .limit(300)
        .items()
        .try_collect()
        .await
        .unwrap();
    assert!(
        rows[0].links[0].href.starts_with("http://127.0.0.1:1/"),
        "{:?}",
        rows[0].links
    );
    let got: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    let plain = Cloud::plain().await;
    assert_eq!(got, ids(&plain.client().await.list_backups()).await);
    assert_eq!(
        ids(&client.list_backups().limit(100).offset(30))
            .await
            .len(),
        2470
    );
}
