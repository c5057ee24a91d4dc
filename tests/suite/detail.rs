//! The list with details: what is sent, every field decoded, and the same requests as for the summary.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vbs_client::mock::{self, Cinder, Row, rows};
use vbs_client::{Backup, BackupDetail, BackupStatus, Cursor, Error, ListBackups, Microversion};

use crate::support::server::{Reply, Server};
use crate::support::{Listed, PROJECT_ID, list_ids, openapi, row_ids};

const LATEST: Microversion = Microversion::new(3, 71);

/// A row with all fields, as Cinder writes it for an administrator.
fn full() -> Value {
    json!({
        "id": "04673b75-7ff2-4341-810d-2e304bcb6b22",
        "status": "error_deleting",
        "size": 4096,
        "object_count": 22,
        "availability_zone": "eu-de-01",
        "container": "volumes_backup",
        "created_at": "2026-01-01T00:00:49.123456",
        "updated_at": "2026-01-02T03:04:05.000000",
        "name": "nightly-00049",
        "description": "before the upgrade\n\u{2713}",
        "fail_reason": "Swift is gone",
        "volume_id": "f320cd57-6d14-475b-b49a-ae908fb5262c",
        "links": [
            {"rel": "self", "href": "http://127.0.0.1:8776/v3/p/backups/04673b75"},
            {"rel": "bookmark", "href": "http://127.0.0.1:8776/p/backups/04673b75"},
        ],
        "is_incremental": true,
        "has_dependent_backups": true,
        "snapshot_id": "6f1d1c5c-9f5d-4dd4-9e4a-8b0b5a0f3c11",
        "data_timestamp": "2026-01-01T00:00:40.000001",
        "metadata": {"tier": "gold", "": "", "\u{e9}": "\u{1f980}"},
        "user_id": "9b7b9c2d1b1c4f2e8d5f6a7b8c9d0e1f",
        "encryption_key_id": "3f2b1c0d-0000-4000-8000-000000000001",
        "os-backup-project-attr:project_id": PROJECT_ID,
    })
}

/// The backup that is decoded from this row.
async fn sent(row: Value) -> Result<BackupDetail, Error> {
    let server = Server::start(move |request, _| request.page(&json!({"backups": [row]}))).await;
    let page = server.client().list_backups_detail().send().await?;
    assert_eq!(page.backups.len(), 1);
    Ok(page.into_iter().next().unwrap())
}

/// The error of this row.
async fn undecodable(row: Value) -> String {
    match sent(row).await {
        Err(Error::Undecodable { source, .. }) => source.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The full row with another value of a field, or without it.
fn with(field: &str, value: Option<Value>) -> Value {
    let mut row = full();
    match value {
        Some(value) => row[field] = value,
        None => drop(row.as_object_mut().unwrap().remove(field)),
    }
    row
}

#[tokio::test]
async fn details_are_requested_by_their_own_path() {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let request = server.client().list_backups_detail().name_like("night").limit(10);
    request.send().await.unwrap();
    server.client().list_backups().send().await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].path, format!("/v3/{PROJECT_ID}/backups/detail"));
    assert_eq!(requests[0].query, "limit=10&name%7E=night");
    assert_eq!(requests[0].microversion(), Some("volume 3.34"));
    assert_eq!(requests[1].path, format!("/v3/{PROJECT_ID}/backups"));
}

#[tokio::test]
async fn every_field_is_decoded() {
    openapi::validate(openapi::DETAIL, 200, &json!({"backups": [full()]}));
    let backup = sent(full()).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(backup.id, "04673b75-7ff2-4341-810d-2e304bcb6b22");
    assert_eq!(backup.name, text("nightly-00049"));
    assert_eq!(backup.status, BackupStatus::ErrorDeleting);
    assert_eq!(backup.size, 4096);
    assert_eq!(backup.object_count, Some(22));
    assert_eq!(backup.created_at, "2026-01-01T00:00:49.123456Z".parse().unwrap());
    assert_eq!(backup.updated_at, Some("2026-01-02T03:04:05Z".parse().unwrap()));
    assert_eq!(backup.data_timestamp, Some("2026-01-01T00:00:40.000001Z".parse().unwrap()));
    assert_eq!(backup.volume_id, "f320cd57-6d14-475b-b49a-ae908fb5262c");
    assert_eq!(backup.description, text("before the upgrade\n\u{2713}"));
    assert_eq!(backup.availability_zone, text("eu-de-01"));
    assert_eq!(backup.container, text("volumes_backup"));
    assert_eq!(backup.fail_reason, text("Swift is gone"));
    assert!(backup.is_incremental && backup.has_dependent_backups);
    assert_eq!(backup.snapshot_id, text("6f1d1c5c-9f5d-4dd4-9e4a-8b0b5a0f3c11"));
    let metadata: Vec<_> =
        backup.metadata.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(metadata, [("", ""), ("tier", "gold"), ("\u{e9}", "\u{1f980}")]);
    assert_eq!(backup.user_id, text("9b7b9c2d1b1c4f2e8d5f6a7b8c9d0e1f"));
    assert_eq!(backup.encryption_key_id, text("3f2b1c0d-0000-4000-8000-000000000001"));
    assert_eq!(backup.project_id, text(PROJECT_ID));
    assert_eq!(backup.links.iter().map(|link| link.rel.as_str()).collect::<Vec<_>>(), ["self", "bookmark"]);
}

#[tokio::test]
async fn a_backup_serializes_to_what_it_was_decoded_from() {
    let mut row = full();
    for _ in 0..2 {
        let backup = sent(row.clone()).await.unwrap();
        let mut written = row.clone();
        for field in ["created_at", "updated_at", "data_timestamp"] {
            written[field] = written[field].as_str().map(|time| format!("{time}Z")).into();
        }
        assert_eq!(serde_json::to_value(&backup).unwrap(), written);
        assert_eq!(serde_json::from_value::<BackupDetail>(row.clone()).unwrap(), backup);
        // The same row in the lowest microversion.
        for field in ["metadata", "user_id", "encryption_key_id", "os-backup-project-attr:project_id", "links"] {
            row.as_object_mut().unwrap().remove(field);
        }
        row["container"] = Value::Null;
    }
}

#[tokio::test]
async fn a_nullable_field_may_be_missing_unless_it_is_required() {
    for field in [
        "name",
        "updated_at",
        "description",
        "availability_zone",
        "container",
        "object_count",
        "fail_reason",
        "snapshot_id",
        "data_timestamp",
    ] {
        let null = sent(with(field, Some(Value::Null))).await.unwrap_or_else(|error| panic!("{field}: {error:?}"));
        assert_ne!(null, sent(full()).await.unwrap(), "{field}");
        assert_eq!(serde_json::to_value(&null).unwrap().get(field), Some(&Value::Null), "{field}");
        let error = undecodable(with(field, None)).await;
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
    }
    for field in ["user_id", "encryption_key_id", "os-backup-project-attr:project_id"] {
        let null = sent(with(field, Some(Value::Null))).await.unwrap_or_else(|error| panic!("{field}: {error:?}"));
        let missing = sent(with(field, None)).await.unwrap_or_else(|error| panic!("{field}: {error:?}"));
        assert_eq!(null, missing, "{field}");
        assert_ne!(null, sent(full()).await.unwrap(), "{field}");
    }
    for field in ["metadata", "links"] {
        let missing = sent(with(field, None)).await.unwrap();
        assert_eq!(serde_json::to_value(&missing).unwrap().get(field), None);
        assert_ne!(sent(with(field, None)).await.unwrap(), sent(full()).await.unwrap(), "{field}");
    }
}

#[tokio::test]
async fn empty_metadata_is_not_the_same_as_none() {
    let empty = sent(with("metadata", Some(json!({})))).await.unwrap();
    assert_eq!(empty.metadata.as_ref().map(BTreeMap::len), Some(0));
    assert_eq!(serde_json::to_value(&empty).unwrap()["metadata"], json!({}));
    let missing = sent(with("metadata", None)).await.unwrap();
    assert_eq!((missing.metadata.as_ref(), serde_json::to_value(&missing).unwrap().get("metadata")), (None, None));
    assert_eq!(serde_json::from_value::<BackupDetail>(serde_json::to_value(&empty).unwrap()).unwrap(), empty);
}

#[tokio::test]
async fn an_error_names_a_missing_required_field() {
    let required = ["id", "status", "size", "created_at", "volume_id", "is_incremental", "has_dependent_backups"];
    for field in required {
        let error = undecodable(with(field, None)).await;
        assert!(error.contains(&format!("missing field `{field}`")), "{error}");
        undecodable(with(field, Some(Value::Null))).await;
    }
}

#[tokio::test]
async fn a_value_of_another_type_is_undecodable() {
    for (field, value) in [
        ("size", json!(-1)),
        ("size", json!("1")),
        ("size", json!(1.5)),
        ("object_count", json!(18_446_744_073_709_551_615_u64 as f64)),
        ("is_incremental", json!(0)),
        ("metadata", json!([])),
        ("metadata", json!({"key": null})),
        ("metadata", json!(null)),
        ("status", json!(7)),
        ("created_at", json!(1_767_225_649)),
        ("links", json!({})),
    ] {
        undecodable(with(field, Some(value))).await;
    }
    assert_eq!(sent(with("size", Some(json!(u64::MAX)))).await.unwrap().size, u64::MAX);
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let mut row = full();
    row["parent_id"] = json!({"a": [1, null]});
    row["replication_status"] = json!(null);
    assert_eq!(sent(row).await.unwrap(), sent(full()).await.unwrap());
}

#[tokio::test]
async fn a_time_may_have_a_fraction() {
    for (written, expected) in [
        ("2026-01-01T00:00:49", "2026-01-01T00:00:49Z"),
        ("2026-01-01T00:00:49.5", "2026-01-01T00:00:49.5Z"),
        ("2026-01-01T00:00:49.000000", "2026-01-01T00:00:49Z"),
        ("2026-01-01T00:00:49.999999", "2026-01-01T00:00:49.999999Z"),
        ("0001-01-01T00:00:00", "0001-01-01T00:00:00Z"),
    ] {
        for field in ["created_at", "updated_at", "data_timestamp"] {
            let backup = sent(with(field, Some(json!(written)))).await.unwrap();
            let time = match field {
                "created_at" => Some(backup.created_at),
                "updated_at" => backup.updated_at,
                _ => backup.data_timestamp,
            };
            assert_eq!(time, Some(expected.parse().unwrap()), "{field}");
        }
    }
}

#[tokio::test]
async fn times_are_written_with_their_zone_and_read_again() {
    let mut row = full();
    row["created_at"] = json!("2026-01-01T00:00:49.000000");
    row["updated_at"] = json!(null);
    let backup = sent(row).await.unwrap();
    let written = serde_json::to_value(&backup).unwrap();
    assert_eq!(written["created_at"], "2026-01-01T00:00:49.000000Z");
    assert_eq!(written["updated_at"], json!(null));
    assert_eq!(serde_json::from_value::<BackupDetail>(written).unwrap(), backup);

    let schema = schemars::schema_for!(BackupDetail).to_value();
    assert_eq!(schema["properties"]["created_at"]["format"], "date-time");
    assert_eq!(schema["properties"]["updated_at"]["format"], "date-time");
    assert_eq!(schema["properties"]["updated_at"]["type"], json!(["string", "null"]));
}

/// A real Cinder does the same: tests/cloud.rs compares them.
#[test]
fn the_mock_writes_times_without_a_zone() {
    let row = Row::new("a").created_at("2026-01-01T00:00:49Z".parse().unwrap());
    let path = format!("/v3/{PROJECT_ID}/backups/detail");
    let body = mock::respond(&[row], &mock::Settings::default(), &path, "", None).body;
    assert_eq!(body["backups"][0]["created_at"], "2026-01-01T00:00:49.000000");
}

#[tokio::test]
async fn a_broken_time_is_an_error_that_names_it() {
    for field in ["created_at", "updated_at", "data_timestamp"] {
        for broken in ["", "soon", "2026-02-30T00:00:00", "2026-01-01T25:00:00", "2026-01-01", "0000-00-00 00:00:00"] {
            let error = undecodable(with(field, Some(json!(broken)))).await;
            assert!(error.contains(&format!("{broken:?}")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_status_is_known_or_unknown() {
    for status in
        ["available", "creating", "deleted", "deleting", "error", "error_deleting", "error_restoring", "restoring"]
    {
        let backup = sent(with("status", Some(json!(status)))).await.unwrap();
        assert!(!matches!(backup.status, BackupStatus::Unknown(_)), "{status}");
        assert_eq!(backup.status, status.into());
    }
    let backup = sent(with("status", Some(json!("half_done")))).await.unwrap();
    assert!(matches!(backup.status, BackupStatus::Unknown(_)));
    assert_eq!((backup.status.as_str(), &backup.status), ("half_done", &"half_done".parse().unwrap()));
    assert_eq!(serde_json::to_value(backup).unwrap()["status"], "half_done");
}

#[tokio::test]
async fn a_requests_microversion_is_sent_and_checked() {
    let cinder = Cinder::start(rows(12)).await;
    let request = cinder.client().list_backups_detail();
    let page = request.send().await.unwrap();
    assert!(page.backups.iter().all(|backup| backup.metadata.is_none() && backup.encryption_key_id.is_none()));
    let page = request.clone().microversion(LATEST).send().await.unwrap();
    assert_eq!(page.microversion(), Some(LATEST));
    assert_eq!(page.backups[2].metadata.as_ref().unwrap()["key"], "value-9");
    assert_eq!(page.backups[2].encryption_key_id.as_deref(), Some("encryption-key-id-9"));
    // It lowers neither a parameter's minimum nor the client's, and applies to this request only.
    request.clone().microversion(Microversion::new(3, 18)).name_like("night").send().await.unwrap();
    let client = cinder.builder().microversion(Microversion::new(3, 64)).build().unwrap();
    client.list_backups_detail().microversion(Microversion::new(3, 43)).send().await.unwrap();
    request.count().await.unwrap();
    let versions: Vec<_> = cinder.requests().iter().map(|request| request.microversion).collect();
    let sent = |minor| Some(Microversion::new(3, minor));
    assert_eq!(versions, [None, sent(71), sent(34), sent(64), sent(45)]);

    let old =
        Server::start(|_, _| Reply::http(200, "OpenStack-API-Version: volume 3.42\r\n", r#"{"backups":[]}"#)).await;
    let request = old.client().list_backups_detail().microversion(Microversion::new(3, 43));
    for error in [request.send().await.unwrap_err(), request.items().try_next().await.unwrap_err()] {
        let Error::MicroversionNotHonored { required, answered, .. } = error else { panic!("{error:?}") };
        assert_eq!((required, answered), (Microversion::new(3, 43), Some(Microversion::new(3, 42))));
    }
}

#[tokio::test]
async fn every_way_to_list_yields_the_same_rows() {
    let rows = rows(42);
    let expected = row_ids(&rows);
    let cinder = Cinder::start(rows).await;
    let request = cinder.client().list_backups_detail().limit(10).microversion(LATEST);
    for concurrency in [1, 4] {
        let request = request.clone().concurrency(concurrency);
        assert_eq!(list_ids(&request).await, expected);
        let pages: Vec<vbs_client::Page<BackupDetail>> = request.pages().try_collect().await.unwrap();
        assert_eq!(pages.iter().flatten().map(|backup| backup.id.clone()).collect::<Vec<_>>(), expected);
        assert!(pages.iter().all(|page| page.microversion() == Some(LATEST)));
    }
    let path = format!("/v3/{PROJECT_ID}/backups/detail");
    assert!(cinder.requests().iter().all(|request| request.path == path));
    assert!(cinder.requests().iter().all(|request| request.microversion == Some(LATEST)));

    assert_eq!(request.count().await.unwrap(), 42);
    assert_eq!(request.clone().status("error").count().await.unwrap(), 11);
    let last = cinder.requests().pop().unwrap();
    assert_eq!((last.path.as_str(), last.parameter("limit")), (path.as_str(), Some("0")));
}

/// Starts with a page of one list, and continues in the other.
async fn rest<A: Listed, B: Listed>(cinder: &Cinder) -> Vec<String> {
    let narrow = |request: ListBackups<A>| request.limit(10).name_like("ly-");
    let page = narrow(A::request(&cinder.client())).send().await.unwrap();
    let cursor: Cursor = page.cursor().unwrap().to_string().parse().unwrap();
    assert_eq!(Some(&cursor), page.cursor());
    let request = B::request(&cinder.client()).limit(10).name_like("ly-").resume_at(cursor);
    let mut ids: Vec<_> = page.into_iter().map(Listed::id).collect();
    ids.extend(list_ids(&request).await);
    ids
}

#[tokio::test]
async fn a_cursor_of_one_list_works_in_the_other() {
    let named = rows(42).into_iter().map(Backup::from).filter(|backup| backup.name.is_some());
    let expected: Vec<_> = named.map(|backup| backup.id).collect();
    let cinder = Cinder::start(rows(42)).await;
    assert_eq!(rest::<Backup, BackupDetail>(&cinder).await, expected);
    assert_eq!(rest::<BackupDetail, Backup>(&cinder).await, expected);
}
