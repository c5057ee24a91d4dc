//! The vendor's example response, byte for byte, and what may differ from it.

use serde_json::{Value, json};
use vbs_client::Backup;

use crate::support::ids;
use crate::support::openapi;
use crate::support::server::Server;

const REFERENCE: &str = include_str!("../data/reference.json");

#[tokio::test]
async fn the_vendors_example_is_decoded_unchanged() {
    let server = Server::fixed(200, REFERENCE).await;
    let page = server.client().list_backups().send().await.unwrap();

    let link = |rel: &str, path: &str, id: &str| json!({"rel": rel, "href": format!("http://192.168.82.222:8776{path}/b23b579f08c84228b9b4673c46f0c442/backups/{id}")});
    let backup = |id: &str| {
        let links = [link("self", "/v2", id), link("bookmark", "", id)];
        serde_json::from_value::<Backup>(json!({"id": id, "name": null, "links": links})).unwrap()
    };
    let expected = [backup("1d1139d8-8989-49d3-8aa1-83eb691e6db2"), backup("b3cf7a16-decc-4beb-8077-682737d94a58")];
    assert_eq!(page.backups, expected);
    assert_eq!(page.count, None);
    assert_eq!(page.next_marker(), Some("b3cf7a16-decc-4beb-8077-682737d94a58"));
    assert!(!page.is_last());
    assert_eq!(page.request_id(), Some("req-1"));
    assert_eq!(page.microversion(), Some(vbs_client::Microversion::new(3, 0)));
    assert_eq!(page.into_iter().map(|backup| backup.id).collect::<Vec<_>>(), ids(&expected));
}

#[test]
fn types_serialize_to_what_they_were_decoded_from() {
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    for backup in reference["backups"].as_array().unwrap() {
        let decoded: Backup = serde_json::from_value(backup.clone()).unwrap();
        assert_eq!(serde_json::to_value(decoded).unwrap(), *backup);
    }
}

#[test]
fn the_contract_contains_the_vendors_example() {
    let operation = openapi::operation(openapi::SUMMARY);
    let example = &operation["responses"]["200"]["content"]["application/json"]["example"];
    let reference: Value = serde_json::from_str(REFERENCE).unwrap();
    assert_eq!(*example, reference);
    openapi::validate(openapi::SUMMARY, 200, &reference);
}

/// The first row of the vendor's page "Querying Details About VBS Backups (Native OpenStack V3 API)", and the
/// same with the last row's id and without the project, which that one lacks.
#[tokio::test]
async fn a_row_of_the_vendors_details_is_decoded() {
    let row = json!({
        "status": "error",
        "description": null,
        "links": [
            {
                "href": "http://192.168.82.222:8776/v2/b23b579f08c84228b9b4673c46f0c442/backups/1d1139d8-8989-49d3-8aa1-83eb691e6db2",
                "rel": "self"
            },
            {
                "href": "http://192.168.82.222:8776/b23b579f08c84228b9b4673c46f0c442/backups/1d1139d8-8989-49d3-8aa1-83eb691e6db2",
                "rel": "bookmark"
            }
        ],
        "availability_zone": null,
        "volume_id": "2748f2f2-4394-4e6e-af8d-8dd34496c024",
        "fail_reason": "Connection to swift failed: [Errno 111] ECONNREFUSED",
        "id": "1d1139d8-8989-49d3-8aa1-83eb691e6db2",
        "size": 1,
        "object_count": null,
        "container": "volumebackups",
        "name": null,
        "created_at": "2013-06-27T08:48:03.000000",
        "os-backup-project-attr:project_id": "b23b579f08c84228b9b4673c46f0c442",
        "snapshot_id": "66a574c0-4415-499e-b0b1-3f340d7f7932",
        "updated_at": "2019-03-27T12:36:17.596602",
        "data_timestamp": "2019-03-16T11:56:00.917245",
        "has_dependent_backups": false,
        "is_incremental": false
    });
    let mut later = row.clone();
    later["id"] = json!("b3cf7a16-decc-4beb-8077-682737d94a58");
    later.as_object_mut().unwrap().remove("os-backup-project-attr:project_id");
    let body = json!({"backups": [row, later]});
    openapi::validate(openapi::DETAIL, 200, &body);
    let server = Server::start(move |request, _| request.page(&body)).await;
    let page = server.client().list_backups_detail().send().await.unwrap();
    let [first, second] = &page.backups[..] else { panic!("{page:?}") };
    assert_eq!((first.object_count, first.is_incremental, first.description.as_deref()), (None, false, None));
    let project_id = Some("b23b579f08c84228b9b4673c46f0c442");
    assert_eq!((first.project_id.as_deref(), second.project_id.as_deref()), (project_id, None));
    assert_eq!(first.created_at, "2013-06-27T08:48:03Z".parse().unwrap());
}

/// Viewers and other generators do not show extensions.
#[test]
fn descriptions_state_what_extensions_do() {
    let contract = openapi::load();
    let components = &contract["components"];
    let parameters = components["parameters"].as_object().unwrap();
    let schemas = components["schemas"].as_object().unwrap().values();
    let fields = schemas.filter_map(|schema| schema["properties"].as_object());
    let known = components["schemas"]["BackupStatus"]["x-extensible-enum"].as_array().unwrap();
    let (mut versions, mut statuses, mut fuzzy) = (0, 0, 0);
    // What a reference names describes itself.
    let described = parameters.iter().chain(fields.flatten()).filter(|(_, described)| described["$ref"].is_null());
    for (name, described) in described {
        let description = described["description"].as_str().unwrap();
        if let Some(version) = described["x-openstack"]["min-ver"].as_str() {
            let since = format!("Since microversion {version}");
            assert!(description.contains(&since), "{name}: its description does not state `{since}`: {description}");
            versions += 1;
        }
        if described.to_string().contains("/BackupStatus\"") {
            for status in known {
                assert!(description.contains(&format!("`{}`", status.as_str().unwrap())), "{name}: {description}");
            }
            statuses += 1;
        }
        if described["name"].as_str().is_some_and(|name| name.ends_with('~')) {
            assert!(description.contains("Cinder enables no `~` filter by default"), "{name}: {description}");
            fuzzy += 1;
        }
    }
    assert!(versions >= 8 && statuses >= 2 && fuzzy >= 3, "{versions} {statuses} {fuzzy}");
}

#[tokio::test]
async fn missing_optional_and_unknown_fields_are_accepted() {
    for (body, expected) in [
        (r#"{"backups":[]}"#, &[][..]),
        (r#"{"backups":[{"id":"a","name":"x"}]}"#, &["a"]),
        (
            r#"{"backups":[{"id":"a","name":"x"},{"name":null,"id":"b","links":[],"size":{"gb":1}}],"backups_links":[],"more":[1]}"#,
            &["a", "b"],
        ),
    ] {
        let server = Server::fixed(200, body).await;
        let page = server.client().list_backups().send().await.unwrap();
        assert_eq!(ids(&page), expected);
        assert_eq!(page.count, None);
        assert!(page.is_last());
    }
}
