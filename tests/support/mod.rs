//! What the modules of the suite share.

pub mod http;
#[path = "../../examples/list_backups/demo.rs"]
#[expect(dead_code, reason = "the example's server; here, `server` uses its model")]
pub mod model;
pub mod openapi;
pub mod process;
pub mod server;

use futures::TryStreamExt;
use serde_json::{Value, json};
use vbs_client::{Backup, BackupDetail, Client, ListBackups, Row};

pub const TOKEN: &str = "gAAAAABl-not-a-real-token-but-as-secret";
pub const PROJECT_ID: &str = model::PROJECT_ID;

/// Both lists, so that what holds for one is tested with the other, too.
pub trait Listed: Row {
    fn request(client: &Client) -> ListBackups<Self>;
    fn id(self) -> String;
    /// A row with this id, as the service writes it.
    fn json(id: &str) -> Value;
}

impl Listed for Backup {
    fn request(client: &Client) -> ListBackups {
        client.list_backups()
    }

    fn id(self) -> String {
        self.id
    }

    fn json(id: &str) -> Value {
        json!({"id": id, "name": null, "links": []})
    }
}

impl Listed for BackupDetail {
    fn request(client: &Client) -> ListBackups<Self> {
        client.list_backups_detail()
    }

    fn id(self) -> String {
        self.id
    }

    fn json(id: &str) -> Value {
        json!({
            "id": id, "name": null, "links": [], "status": "available", "size": 1, "object_count": 0,
            "availability_zone": null, "container": null, "created_at": "2026-02-01T00:00:00.000000",
            "updated_at": null, "description": null, "fail_reason": null, "volume_id": "v", "is_incremental": false,
            "has_dependent_backups": false, "snapshot_id": null, "data_timestamp": null,
        })
    }
}

/// Runs a block once for each list, where `T` is its type of row.
macro_rules! for_each_list {
    ($block:block) => {
        for_each_list!(vbs_client::Backup: $block);
        for_each_list!(vbs_client::BackupDetail: $block);
    };
    ($row:ty: $block:block) => {{
        type T = $row;
        $block
    }};
}

/// Makes tests of async functions that are generic over [`Listed`]: one for each list.
macro_rules! test_both_lists {
    ($($name:ident),+ $(,)?) => {
        mod summary {
            $(#[tokio::test]
            async fn $name() {
                super::$name::<vbs_client::Backup>().await;
            })+
        }

        mod details {
            $(#[tokio::test]
            async fn $name() {
                super::$name::<vbs_client::BackupDetail>().await;
            })+
        }
    };
}

pub(crate) use {for_each_list, test_both_lists};

/// A page with these ids and a next link with this query.
pub fn page(ids: &[&str], next: Option<&str>) -> Value {
    page_of::<Backup>(ids, next)
}

/// The same, of either list.
pub fn page_of<T: Listed>(ids: &[&str], next: Option<&str>) -> Value {
    let backups: Vec<_> = ids.iter().map(|id| T::json(id)).collect();
    match next {
        None => json!({"backups": backups}),
        Some(query) => {
            json!({"backups": backups, "backups_links": [{"rel": "next", "href": format!("http://192.0.2.1/x?{query}")}]})
        }
    }
}

pub fn ids<'a>(backups: impl IntoIterator<Item = &'a Backup>) -> Vec<&'a str> {
    backups.into_iter().map(|backup| backup.id.as_str()).collect()
}

/// The ids of all backups that a request lists.
pub async fn list_ids<T: Listed>(request: &ListBackups<T>) -> Vec<String> {
    request.items().map_ok(Listed::id).try_collect().await.unwrap()
}
