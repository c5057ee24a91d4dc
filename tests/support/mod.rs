//! What the modules of the suite share.

pub mod http;
pub mod lists;
pub mod openapi;
pub mod process;
pub mod server;
pub mod tls;
pub mod trace;

use futures::TryStreamExt;
use serde_json::{Value, json};
use vbs_client::{Backup, ListBackups, mock};

pub use lists::Listed;
pub(crate) use lists::{for_each_list, test_both_lists};

pub const TOKEN: &str = "gAAAAABl-not-a-real-token-but-as-secret";
pub const PROJECT_ID: &str = "b23b579f08c84228b9b4673c46f0c442";

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

pub fn row_ids(rows: &[mock::Row]) -> Vec<String> {
    rows.iter().map(|row| row.id().to_owned()).collect()
}

/// The ids of all backups that a request lists.
pub async fn list_ids<T: Listed>(request: &ListBackups<T>) -> Vec<String> {
    request.items().map_ok(Listed::id).try_collect().await.unwrap()
}
