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

#[tokio::test]
async fn missing_and_unknown_fields_are_accepted() {
    for (body, expected) in [
        (r#"{"backups":[]}"#, &[][..]),
        (r#"{"backups":[{"id":"a","name":"x"}]}"#, &["a"]),
        (
            r#"{"backups":[{"id":"a"},{"name":null,"id":"b","links":[],"size":{"gb":1}}],"backups_links":[],"more":[1]}"#,
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
