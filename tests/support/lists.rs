//! Both lists, so that each test runs with both.

use serde_json::{Value, json};
use vbs_client::{Backup, BackupDetail, Client, ListBackups, Row};

/// The row of a list.
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
    ($($(#[$attribute:meta])* $name:ident),+ $(,)?) => {
        mod summary {
            $($(#[$attribute])*
            #[tokio::test]
            async fn $name() {
                super::$name::<vbs_client::Backup>().await;
            })+
        }

        mod details {
            $($(#[$attribute])*
            #[tokio::test]
            async fn $name() {
                super::$name::<vbs_client::BackupDetail>().await;
            })+
        }
    };
}

pub(crate) use {for_each_list, test_both_lists};
