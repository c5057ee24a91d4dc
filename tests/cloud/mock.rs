//! The mock against the real Cinder: the same requests, the same rows, and the same responses.

use fastrand::Rng;
use futures::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Map, Value};
use vbs_client::Microversion;
use vbs_client::jiff::Timestamp;
use vbs_client::mock::{Cinder, Row};

use super::releases::max_microversion;
use super::support::{http_client, token, var};

/// A request, as either service gets it.
#[derive(Clone, Debug)]
struct Request {
    /// Another project than the token's.
    project_id: Option<String>,
    /// After the project id: a list, or one backup.
    path: String,
    query: String,
    microversion: Option<String>,
    with_token: bool,
}

/// The part of a response that does not depend on where the service runs.
#[derive(Debug, PartialEq)]
struct Observed {
    status: u16,
    microversion: Option<String>,
    /// The rows of a list, or the one backup; links are reduced to their `rel`.
    rows: Vec<Value>,
    rels: Vec<Vec<String>>,
    count: Value,
    /// The last segment and the decoded parameters of the next link, these sorted.
    next: Option<(String, Vec<(String, String)>)>,
    /// The body of a failed response.
    fault: Value,
}

async fn observe(http: &Client, endpoint: &str, project_id: &str, token: &str, request: &Request) -> Observed {
    let project_id = request.project_id.as_deref().unwrap_or(project_id);
    let url = format!("{endpoint}/v3/{project_id}/{}?{}", request.path, request.query);
    let mut sent = http.get(url).header("Accept", "application/json");
    if request.with_token {
        sent = sent.header("X-Auth-Token", token);
    }
    if let Some(microversion) = &request.microversion {
        sent = sent.header("OpenStack-API-Version", microversion);
    }
    let response = sent.send().await.unwrap();
    let status = response.status().as_u16();
    let microversion = response.headers().get("openstack-api-version").map(|value| value.to_str().unwrap().to_owned());
    assert!(response.headers().contains_key("x-openstack-request-id"), "{request:?}");
    let mut body: Value = response.json().await.unwrap();
    let next = body["backups_links"].as_array().map(|links| {
        assert!(matches!(&links[..], [link] if link["rel"] == "next"), "{links:?}");
        let (path, query) = links[0]["href"].as_str().unwrap().split_once('?').unwrap();
        let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        pairs.sort();
        (path.rsplit('/').next().unwrap().to_owned(), pairs)
    });
    let mut rows = body["backups"].as_array().cloned().unwrap_or_default();
    rows.extend(body.get("backup").cloned());
    let links = rows.iter_mut().map(|row| row.as_object_mut().and_then(|row| row.remove("links")).unwrap());
    let rel = |link: &Value| link["rel"].as_str().unwrap().to_owned();
    let rels = links.map(|links| links.as_array().unwrap().iter().map(rel).collect()).collect();
    let count = body["count"].take();
    let fault = if status == 200 { Value::Null } else { body };
    Observed { status, microversion, rows, rels, count, next, fault }
}

/// A row of the database as one of the mock.
fn row(row: &Value) -> Row {
    let text = |field: &str| row[field].as_str();
    let time = |field: &str| text(field).map(|time| (time.replace(' ', "T") + "Z").parse::<Timestamp>().unwrap());
    let number = |field: &str| row[field].as_u64().unwrap_or(0);
    let mut made = Row::new(text("id").unwrap())
        .status(text("status").unwrap())
        .size(number("size"))
        .object_count(number("object_count"))
        .volume_id(text("volume_id").unwrap())
        .created_at(time("created_at").unwrap())
        .is_incremental(text("parent_id").is_some())
        .has_dependent_backups(number("num_dependent_backups") > 0)
        .metadata(row["metadata"].as_object().unwrap_or(&Map::new()).iter().map(|(k, v)| (k, v.as_str().unwrap())));
    type Set = fn(Row, &str) -> Row;
    let texts: [(_, Set); 6] = [
        ("display_name", |row, text| row.name(text)),
        ("display_description", |row, text| row.description(text)),
        ("availability_zone", |row, text| row.availability_zone(text)),
        ("container", |row, text| row.container(text)),
        ("fail_reason", |row, text| row.fail_reason(text)),
        ("snapshot_id", |row, text| row.snapshot_id(text)),
    ];
    for (field, set) in texts {
        made = text(field).into_iter().fold(made, set);
    }
    made = time("updated_at").into_iter().fold(made, Row::updated_at);
    made = time("data_timestamp").into_iter().fold(made, Row::data_timestamp);
    // Cinder does not show the all-zero key of a key manager without keys.
    let key = text("encryption_key_id").filter(|key| *key != "00000000-0000-0000-0000-000000000000");
    key.into_iter().fold(made, Row::encryption_key_id)
}

const MICROVERSIONS: [&str; 28] = [
    "volume 3.0",
    "volume 3.9",
    "volume 3.17",
    "volume 3.30",
    "volume 3.31",
    "volume 3.33",
    "volume 3.34",
    "volume 3.42",
    "volume 3.43",
    "volume 3.44",
    "volume 3.45",
    "volume 3.63",
    "volume 3.64",
    "volume 3.70",
    "volume 3.71",
    "volume latest",
    "volume 3.45, compute 2.1",
    "compute 2.1, volume 3.45",
    "volume 3.45, volume 3.0",
    // None of the following exists.
    "volume 3.72",
    "volume 4.0",
    "volume 2.1",
    "volume 3",
    "volume 3.045",
    "volume 3.x",
    "3.45",
    "compute 2.1",
    "",
];

/// A request of any kind: most are those of a client, and some have one odd part.
fn any_request(rng: &mut Rng, rows: &[Value], max: Microversion) -> Request {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let field = |rng: &mut Rng, name: &str| rows[rng.usize(..rows.len())][name].as_str().unwrap_or("none").to_owned();
    // A part of a text, in which some characters may be wildcards, or of the other case.
    let part = |rng: &mut Rng, text: &str| {
        let start = rng.usize(..text.len());
        let part = &text[start..rng.usize(start..=text.len())];
        let change = |rng: &mut Rng, char: char| match rng.u8(..20) {
            0 => '_',
            1 => '%',
            2 => char.to_ascii_uppercase(),
            _ => char,
        };
        part.chars().map(|char| change(rng, char)).collect::<String>()
    };
    const ODD: [&str; 9] = ["", "%", "_", "nightly-0249_", "'", "\\", "\u{e9}", "a b&limit=1;c=d+e#f/~%?", "ERROR"];
    for (name, column) in [("name", "display_name"), ("status", "status"), ("volume_id", "volume_id")] {
        if rng.u8(..16) == 0 {
            let value = if rng.u8(..4) == 0 { (*rng.choice(&ODD).unwrap()).to_owned() } else { field(rng, column) };
            query.append_pair(name, &value);
        }
        if rng.u8(..8) == 0 {
            let value = if rng.u8(..4) == 0 { (*rng.choice(&ODD).unwrap()).to_owned() } else { field(rng, column) };
            let value = if value.is_empty() || !value.is_ascii() { value } else { part(rng, &value) };
            query.append_pair(&format!("{name}~"), &value);
        }
    }
    if rng.u8(..20) > 0 {
        let usual = rng.u32(1..60).to_string();
        let odd = ["0", "999", "1000", "1001", "2147483648", "99999999999999999999", "-1", "x", "", "1.5", " 7", "+7"];
        query.append_pair("limit", if rng.u8(..8) > 0 { &usual } else { rng.choice(odd).unwrap() });
    }
    if rng.bool() {
        // Many are near the end of the list, or of one that is filtered.
        let range = rng.choice([0..2600, 2440..2510, 0..200]).unwrap();
        let usual = rng.u32(range).to_string();
        let odd = ["0", "2499", "2500", "2501", "2147483647", "2147483648", "-1", "x", "", "1.5", " 7"];
        query.append_pair("offset", if rng.u8(..4) > 0 { &usual } else { rng.choice(odd).unwrap() });
    }
    if rng.u8(..3) == 0 {
        let usual = field(rng, "id");
        let odd = ["", "x", "00000000-0000-4000-8000-000000000000"];
        query.append_pair("marker", if rng.u8(..4) > 0 { &usual } else { rng.choice(odd).unwrap() });
    }
    if rng.bool() {
        let values = ["true", "true", "true", "true", "false", "True", "1", "0", "yes", "OFF", "", "bogus", " true"];
        query.append_pair("with_count", rng.choice(values).unwrap());
    }
    if rng.u8(..20) == 0 {
        let (name, value) = rng.choice([("colour", "red"), ("name~~", "x"), ("\u{e9}", "1"), ("Name", "x")]).unwrap();
        query.append_pair(name, value);
    }
    let mut query = query.finish();
    if rng.u8(..8) == 0 {
        // The last page, with a count.
        let limit = rng.usize(2..60);
        query = format!("limit={limit}&offset={}&with_count=true", rows.len() - rng.usize(1..limit));
    }
    let others = [var("CLOUD_OTHER_PROJECT_ID"), "0123456789abcdef".to_owned(), "no_such-id".to_owned()];
    Request {
        project_id: (rng.u8(..40) == 0).then(|| rng.choice(others).unwrap()),
        path: match rng.u8(..10) {
            0 => format!("backups/{}", field(rng, "id")),
            1 => format!(
                "backups/{}",
                rng.choice(["x", "00000000-0000-4000-8000-000000000000", "%C3%A9+b", "a/b"]).unwrap()
            ),
            2..6 => "backups".to_owned(),
            _ => "backups/detail".to_owned(),
        },
        query,
        microversion: match rng.u8(..6) {
            0 => None,
            1..4 => rng.choice(MICROVERSIONS).map(str::to_owned),
            _ => Some(format!("volume {max}")),
        },
        with_token: rng.u8(..50) > 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the cloud"]
async fn the_mock_responds_as_cinder_does() {
    compare(3000).await;
}

/// Sends this number of requests to both, with the mock set to the maximum of the release.
pub async fn compare(requests: usize) {
    let (database, max) = (super::database(), max_microversion().await);
    let mock = Cinder::start(database.iter().map(row)).await;
    mock.max_microversion(max.major(), max.minor());
    let http = http_client();
    let (cinder, project_id, token) = (var("VBS_ENDPOINT"), var("OS_PROJECT_ID"), token("demo", "demo").await);
    let mut rng = Rng::with_seed(12);
    let any: Vec<_> = (0..requests).map(|_| any_request(&mut rng, database, max)).collect();
    let compared = any.into_iter().map(|request| {
        let (http, cinder, project_id, token, mock) = (&http, &cinder, &project_id, &token, &mock);
        async move {
            let real = observe(http, cinder, project_id, token, &request).await;
            let mocked = observe(http, &mock.url(), mock.project_id(), "token", &request).await;
            (request, real, mocked)
        }
    });
    let compared: Vec<_> = stream::iter(compared).buffer_unordered(4).collect().await;
    let different: Vec<_> = compared.iter().filter(|(_, real, mocked)| real != mocked).collect();
    for (request, real, mocked) in different.iter().take(5) {
        eprintln!("{request:?}\nreal: {real:?}\nmock: {mocked:?}\n");
    }
    assert!(different.is_empty(), "{} of {requests} responses differ", different.len());

    // All kinds occur.
    let kinds = |of: &dyn Fn(&Observed) -> bool| compared.iter().filter(|(_, real, _)| of(real)).count();
    for status in [200, 400, 401, 404, 406] {
        assert!(kinds(&|real| real.status == status) >= requests / 100, "{status}");
    }
    assert!(kinds(&|real| real.next.is_some() && real.count.is_null()) >= requests / 10);
    // The last page has a link, because of the count.
    let limit = |next: &[(String, String)]| {
        let limit = next.iter().find(|(name, _)| name == "limit").and_then(|(_, limit)| limit.trim().parse().ok());
        limit.unwrap_or(1000).min(1000)
    };
    let empty_follows = kinds(&|real| real.next.as_ref().is_some_and(|(_, next)| real.rows.len() < limit(next)));
    assert!(empty_follows >= requests / 100, "{empty_follows}");
    assert!(kinds(&|real| real.status == 200 && real.rows.is_empty()) >= requests / 20);
    eprintln!("{requests} requests compared");
}
