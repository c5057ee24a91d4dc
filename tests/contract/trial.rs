//! Uses the trial's additions to the contract, like a user of the crate.

use serde_json::{Value, json};
use vbs_client::mock::{self, Cinder, Row, rows};
use vbs_client::{Backup, BackupDetail, Colour, Error, Limits, Microversion, Part, Point};

/// Of the examples.
const MINIMUM: Microversion = Microversion::new(3, 99);

/// A service that has it.
async fn start(rows: impl IntoIterator<Item = Row>) -> Cinder {
    let cinder = Cinder::start(rows).await;
    cinder.max_microversion(3, 99);
    cinder
}

#[tokio::test]
async fn a_new_parameter_is_sent_and_checked() {
    let cinder = start(rows(3)).await;
    let request = cinder.client().list_backups().created_at_like("2026-11").with_count(true);
    request.send().await.unwrap();
    cinder.client().list_backups_detail().created_at_like("2026-11").send().await.unwrap();
    for sent in cinder.requests() {
        assert_eq!((sent.parameter("created_at~"), sent.microversion), (Some("2026-11"), Some(MINIMUM)));
    }
    let error = request.created_at_like("x".repeat(256)).send().await.unwrap_err();
    assert!(error.to_string().starts_with("invalid parameter created_at~: "), "{error}");
}

/// Each scalar one has a setter; what is not set is missing.
#[tokio::test]
async fn the_rows_of_the_mock_have_every_new_field() {
    let row = Row::new("id-1")
        .zz_text("text")
        .zz_bounded("abc")
        .zz_uri("https://host")
        .zz_uuid("1d1139d8-8989-49d3-8aa1-83eb691e6db2")
        .zz_date_time("2026-02-01T00:00:00+01:00")
        .zz_flag(true)
        .zz_integer(-7)
        .zz_small(5)
        .zz_int32(-8)
        .zz_int64(i64::MIN)
        .zz_uint64(u64::MAX)
        .zz_negative(-5)
        .zz_number(0.5)
        .zz_enum("two-three")
        .zz_open_enum("another")
        .zz_texts_by_name([("a", "b")])
        .zz_ref_text("text")
        .zz_ref_enum(Colour::LightGreen)
        .zz_ref_time("2026-02-01T00:00:00Z".parse().unwrap())
        .zz_ref_null_time("2026-02-02T00:00:00Z".parse().unwrap())
        .zz_text_or_null("text")
        .zz_number_or_null(1.0)
        .zz_ref_enum_or_null("red")
        .os_x("os")
        .kind("kind")
        .camel_case("camel")
        .first("first")
        .retention_days(30);
    let cinder = start([row, Row::new("id-0")]).await;
    let page = cinder.client().list_backups_detail().send().await.unwrap();
    let [full, empty] = &page.backups[..] else { panic!("{page:?}") };
    assert_eq!((full.zz_text.as_deref(), full.zz_flag, full.zz_small), (Some("text"), Some(true), Some(5)));
    assert_eq!((full.zz_integer, full.zz_int64, full.zz_uint64), (Some(-7), Some(i64::MIN), Some(u64::MAX)));
    assert_eq!((full.zz_number, full.zz_number_or_null, full.zz_negative), (Some(0.5), Some(1.0), Some(-5)));
    assert_eq!(full.zz_enum.as_ref().map(AsRef::as_ref), Some("two-three"));
    assert_eq!(full.zz_open_enum.as_ref().map(AsRef::as_ref), Some("another"));
    assert_eq!(
        (full.zz_ref_enum.clone(), full.zz_ref_enum_or_null.clone()),
        (Some(Colour::LightGreen), Some(Colour::Red))
    );
    assert_eq!(
        (full.os_x.as_deref(), full.kind.as_deref(), full.first.as_deref()),
        (Some("os"), Some("kind"), Some("first"))
    );
    assert_eq!(full.zz_ref_time.map(|time| time.to_string()).as_deref(), Some("2026-02-01T00:00:00Z"));
    assert_eq!(full.zz_texts_by_name.as_ref().unwrap()["a"], "b");
    assert_eq!(empty.zz_texts_by_name, None);
    assert!(
        empty.zz_text.is_none() && empty.zz_flag.is_none() && empty.zz_number.is_none() && empty.zz_texts.is_empty()
    );
    assert!(empty.zz_ref_object.is_none() && empty.zz_ref_enum.is_none() && empty.os_x.is_none());

    let shown = cinder.client().show_backup("id-1").send().await.unwrap();
    assert_eq!(shown, *full);
    let newer = cinder.client().show_backup("id-1").microversion(MINIMUM).send().await.unwrap();
    assert_eq!((shown.retention_days, newer.retention_days), (None, Some(30)));
    let written = serde_json::to_value(full).unwrap();
    for name in ["os-x:y z", "type", "camelCase", "1st"] {
        assert!(written[name].is_string(), "{name}");
    }
    assert_eq!(serde_json::from_value::<BackupDetail>(written).unwrap(), *full);
    // Made-up rows have each of them in some rows.
    let made_up: Vec<_> = rows(30).into_iter().map(BackupDetail::from).collect();
    assert!(
        made_up.iter().any(|backup| backup.zz_uuid.is_some()) && made_up.iter().any(|backup| backup.zz_uuid.is_none())
    );
}

/// What has no setter, too.
#[test]
fn every_new_field_is_read_and_written() {
    let of = |field: &str, value: &Value| {
        let mut row = serde_json::to_value(BackupDetail::from(Row::new("id-1"))).unwrap();
        row[field] = value.clone();
        serde_json::from_value::<BackupDetail>(row)
    };
    let point = json!({"x": 1, "y": -2});
    for (field, good, bad) in [
        ("zz_object", json!({"a": "text", "b": 7}), json!({"b": 7})),
        ("zz_map", json!({"a": [1, null]}), json!("text")),
        ("zz_integers_by_name", json!({"a": -1}), json!({"a": "1"})),
        ("zz_texts", json!(["a", ""]), json!([1])),
        ("zz_objects", json!([{"a": "text"}]), json!([["text"]])),
        ("zz_any", json!([1, {"a": null}]), Value::Null),
        ("zz_ref_object", point.clone(), json!({"y": 1})),
        ("zz_ref_array", json!([point]), json!([[1, 2]])),
        ("zz_ref_map", json!({"a": point}), json!([point])),
        ("zz_number", json!(1.25), json!("1.25")),
        ("zz_uint64", json!(u64::MAX), json!(-1)),
        ("zz_flag", json!(false), json!(0)),
    ] {
        let read = of(field, &good).unwrap_or_else(|error| panic!("{field}: {error}"));
        assert_eq!(serde_json::to_value(&read).unwrap()[field], good, "{field}");
        assert!(bad.is_null() || of(field, &bad).is_err(), "{field}: {bad}");
        let or_null = format!("{field}_or_null");
        assert!(of(&or_null, &good).is_ok() && of(&or_null, &Value::Null).is_ok(), "{or_null}");
    }
    assert_eq!(of("zz_ref_array", &json!([point])).unwrap().zz_ref_array[0].y, Some(-2));
    assert_eq!(of("zz_texts_or_null", &Value::Null).unwrap().zz_texts_or_null, None);
    assert_eq!(of("zz_texts_or_null", &json!([])).unwrap().zz_texts_or_null, Some(vec![]));
}

/// The same type of row, at another path.
#[tokio::test]
async fn a_new_list_is_listed() {
    let cinder = start(rows(25)).await;
    let request = cinder.client().list_backups_trash().name_like("night").limit(4);
    let all: Vec<Backup> = request.items().try_collect().await.unwrap();
    let expected: Vec<Backup> = cinder.client().list_backups().name_like("night").items().try_collect().await.unwrap();
    assert_eq!(all, expected);
    let pages: Vec<_> = request.clone().concurrency(3).pages().try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.backups.len()).sum::<usize>(), all.len());
    assert_eq!(request.send().await.unwrap().backups, all[..4]);
    assert_eq!(request.count().await.unwrap(), all.len() as u64);
    let (trash, others): (Vec<_>, Vec<_>) =
        cinder.requests().into_iter().partition(|request| request.path.ends_with("/backups/trash"));
    // The minimum is that of the operation, whatever its parameters need.
    assert!(trash.len() > 4 && trash.iter().all(|request| request.microversion == Some(MINIMUM)), "{trash:?}");
    assert!(!others.is_empty() && others.iter().all(|request| request.microversion < Some(MINIMUM)), "{others:?}");

    cinder.max_microversion(3, 98);
    let error = cinder.client().list_backups_trash().send().await.unwrap_err();
    assert_eq!(error.status().unwrap().as_u16(), 406, "{error:?}");
    let path = &trash[0].path;
    let response = mock::respond(&[], &mock::Settings::default(), path, "", Some("volume 3.60"));
    assert_eq!(response.body["itemNotFound"]["message"], "API version 3.60 is not supported on this method.");
}

#[tokio::test]
async fn a_new_object_is_shown() {
    let cinder = Cinder::start([]).await;
    let client = cinder.client();
    let part: Part = client.show_backup_part("id-1", "a b").send().await.unwrap();
    assert_eq!((part.id.as_str(), part.zz_text.as_str(), part.zz_small, part.zz_negative), ("a b", "a text", 3, -2));
    assert_eq!((part.zz_text_or_null.as_deref(), part.zz_number, part.zz_flag), (None, 1.5, false));
    assert_eq!((part.zz_ref_object.x, part.zz_texts.len(), part.kind.as_str()), (0, 0, ""));
    assert_eq!(part.zz_ref_object, serde_json::from_value::<Point>(json!({"x": 0})).unwrap());
    let sent = &cinder.requests()[0];
    assert_eq!(sent.path, format!("/v3/{}/backups/id-1/parts/a%20b", cinder.project_id()));
    assert_eq!(sent.microversion, None);

    let (left, right) = (client.show_backup_part("..", "a"), client.show_backup_part("a", "x".repeat(21)));
    for (request, name) in [(left, "backup_id"), (right, "part_id")] {
        match request.send().await {
            Err(Error::InvalidRequest { parameter, .. }) => assert_eq!(parameter, name),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(cinder.requests().len(), 1);

    // The object is the whole response, and the operation has a minimum.
    let limits: Limits = client.show_limits().send().await.unwrap();
    assert_eq!(limits.total, 0);
    assert_eq!(cinder.requests()[1].microversion, Some(Microversion::new(3, 61)));
}
