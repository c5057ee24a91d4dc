//! A model of the service, in this process: it responds as Cinder does, from made-up backups.

use std::sync::Arc;

use httpmock::{HttpMockRequest, HttpMockResponse, MockServer};
use serde_json::{Value, json};
use vbs_client::Microversion;
use vbs_client::jiff::Timestamp;

pub const PROJECT_ID: &str = "b23b579f08c84228b9b4673c46f0c442";
/// Where the model's links point, as in the vendor's example: nowhere that a client could reach.
const INTERNAL: &str = "http://192.168.82.222:8776";
const PAGE_LIMIT: usize = 1000;
const STATUSES: [&str; 4] = ["available", "error", "restoring", "deleting"];

#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    pub name: Option<String>,
    pub status: String,
    pub volume_id: String,
    /// How many backups are newer.
    pub age: usize,
}

impl Row {
    fn new(id: String, name: Option<String>, number: usize) -> Self {
        Self {
            id,
            name,
            status: STATUSES[number % STATUSES.len()].to_owned(),
            volume_id: format!("7d7c6fbe-d7ee-4b4d-8bae-{:012x}", number % 50),
            age: 0,
        }
    }

    /// Whether the row fits a filter; none where there is no such filter.
    fn fits(&self, filter: &str, wanted: &str) -> Option<bool> {
        let field = match filter.trim_end_matches('~') {
            "name" => self.name.as_deref(),
            "status" => Some(self.status.as_str()),
            "volume_id" => Some(self.volume_id.as_str()),
            _ => return None,
        };
        Some(field.is_some_and(|field| match filter.ends_with('~') {
            true => field.to_lowercase().contains(&wanted.to_lowercase()),
            false => field == wanted,
        }))
    }

    fn json(&self) -> Value {
        let link =
            |rel, path| json!({"rel": rel, "href": format!("{INTERNAL}{path}/{PROJECT_ID}/backups/{}", self.id)});
        json!({"id": self.id, "name": self.name, "links": [link("self", "/v2"), link("bookmark", "")]})
    }

    /// The row with details, as a user without an administrator's rights sees it.
    fn detail(&self, version: Microversion) -> Value {
        let (age, failed) = (self.age, self.status == "error");
        let some = |text: &str| (age % 3 == 0).then(|| format!("{text}-{age}"));
        let time = |hours: usize| {
            let time = Timestamp::from_second(1_769_904_000 - 3600 * hours as i64).unwrap_or_default();
            time.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()
        };
        let mut row = self.json();
        row["status"] = json!(self.status);
        row["size"] = json!(1 + age % 100);
        row["object_count"] = json!(age % 7);
        row["availability_zone"] = json!(some("az"));
        row["container"] = json!(some("container"));
        row["created_at"] = json!(time(age + 1));
        row["updated_at"] = json!((age % 2 == 0).then(|| time(age)));
        row["description"] = json!(some("description"));
        row["fail_reason"] = json!(failed.then_some("the disk is gone"));
        row["volume_id"] = json!(self.volume_id);
        row["is_incremental"] = json!(age % 5 != 0);
        row["has_dependent_backups"] = json!(age % 5 != 4);
        row["snapshot_id"] = json!(some("snapshot"));
        row["data_timestamp"] = json!((age % 2 == 1).then(|| time(age + 2)));
        if version >= Microversion::new(3, 43) {
            row["metadata"] = some("value").map_or_else(|| json!({}), |value| json!({"key": value}));
        }
        if let (Some(key), true) = (some("key"), version >= Microversion::new(3, 64)) {
            row["encryption_key_id"] = json!(key);
        }
        row
    }
}

/// The two backups of the vendor's example, and `more` made-up ones.
pub fn rows(more: usize) -> Vec<Row> {
    let vendors = ["1d1139d8-8989-49d3-8aa1-83eb691e6db2", "b3cf7a16-decc-4beb-8077-682737d94a58"];
    let vendors = vendors.iter().enumerate().map(|(number, id)| Row::new((*id).to_owned(), None, number));
    let made_up = (0..more).rev().map(|number| {
        let id = format!("{number:08x}-0000-4000-8000-{number:012x}");
        let name = match number % 7 {
            0 => None,
            odd if odd % 2 == 1 => Some(format!("nightly-{number:05}")),
            _ => Some(format!("weekly-{number:05}")),
        };
        Row::new(id, name, number)
    });
    vendors.chain(made_up).enumerate().map(|(age, row)| Row { age, ..row }).collect()
}

/// Starts a server with these rows.
pub async fn start(rows: Vec<Row>) -> MockServer {
    let server = MockServer::start_async().await;
    let rows = Arc::new(rows);
    for list in ["backups", "backups/detail"] {
        let rows = Arc::clone(&rows);
        server
            .mock_async(|when, then| {
                when.method("GET").path(format!("/v3/{PROJECT_ID}/{list}"));
                then.respond_with(move |request| respond(&rows, request));
            })
            .await;
    }
    server
}

fn respond(rows: &[Row], request: &HttpMockRequest) -> HttpMockResponse {
    let headers = request.headers();
    let version = headers.get("openstack-api-version").and_then(|value| value.to_str().ok());
    let version = version.map_or("3.0", |version| version.trim_start_matches("volume "));
    let (status, body) = match version.parse() {
        Ok(version) => response(rows, request.uri().path(), request.uri().query().unwrap_or_default(), version),
        Err(_) => fault(400, "badRequest", "malformed microversion"),
    };
    HttpMockResponse::builder()
        .status(status)
        .header("content-type", "application/json")
        .header("openstack-api-version", format!("volume {version}"))
        .header("x-openstack-request-id", "req-00000000-0000-4000-8000-000000000000")
        .body(body.to_string())
        .build()
}

fn fault(code: u16, kind: &str, message: &str) -> (u16, Value) {
    (code, json!({kind: {"code": code, "message": message}}))
}

/// Cinder's response to a query of either list: filters combined with AND, then marker, then offset, then
/// limit.
pub fn response(rows: &[Row], path: &str, query: &str, version: Microversion) -> (u16, Value) {
    let detailed = path.ends_with("/detail");
    let fuzzy = version >= Microversion::new(3, 31);
    let counted = version >= Microversion::new(3, 45);
    let mut rows: Vec<&Row> = rows.iter().collect();
    let (mut limit, mut offset, mut marker, mut with_count) = (PAGE_LIMIT, 0, None, false);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let number = value.parse::<usize>();
        match (&*name, number) {
            ("limit", Ok(number)) => limit = number.min(PAGE_LIMIT),
            ("offset", Ok(number)) => offset = number,
            ("limit" | "offset", Err(_)) => {
                return fault(400, "badRequest", &format!("{name} param must be an integer"));
            }
            ("marker", _) => marker = Some(value.into_owned()),
            ("with_count", _) if counted => with_count = value == "true",
            // An older service ignores these.
            (name, _) if !fuzzy && (name.ends_with('~') || name == "with_count") => {}
            (name, _) => match rows.first().map(|row| row.fits(name, &value)) {
                Some(None) => {
                    return fault(400, "badRequest", &format!("Invalid filters {name} are found in query options."));
                }
                _ => rows.retain(|row| row.fits(name, &value) == Some(true)),
            },
        }
    }
    let count = rows.len();
    let start = match &marker {
        None => 0,
        Some(marker) => match rows.iter().position(|row| row.id == *marker) {
            Some(at) => at + 1,
            None => {
                return fault(404, "itemNotFound", &format!("Backup {marker} could not be found."));
            }
        },
    };
    let page: Vec<_> = rows.iter().skip(start + offset).take(limit).collect();
    let json = |row: &&&Row| if detailed { row.detail(version) } else { row.json() };
    let mut body = json!({"backups": page.iter().map(json).collect::<Vec<_>>()});
    if with_count {
        body["count"] = json!(count);
    }
    if let (Some(last), true) = (page.last(), page.len() == limit) {
        let kept = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "marker");
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair("marker", &last.id).finish();
        let list = if detailed { "backups/detail" } else { "backups" };
        body["backups_links"] = json!([{"rel": "next", "href": format!("{INTERNAL}/{PROJECT_ID}/{list}?{query}")}]);
    }
    (200, body)
}
