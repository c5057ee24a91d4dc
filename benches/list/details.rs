//! The floor's row with details: the fields and types of `BackupDetail`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use vbs_client::BackupStatus;
use vbs_client::jiff::Timestamp;

use crate::floor::Link;

#[derive(Deserialize)]
#[allow(dead_code, reason = "most fields are decoded, and not read")]
pub struct Backup {
    pub id: String,
    pub name: Option<String>,
    pub status: BackupStatus,
    pub size: u64,
    #[serde(deserialize_with = "time")]
    pub created_at: Timestamp,
    #[serde(deserialize_with = "nullable_time")]
    pub updated_at: Option<Timestamp>,
    pub volume_id: String,
    pub description: Option<String>,
    pub availability_zone: Option<String>,
    pub container: Option<String>,
    pub object_count: u64,
    pub fail_reason: Option<String>,
    pub is_incremental: bool,
    pub has_dependent_backups: bool,
    pub snapshot_id: Option<String>,
    #[serde(deserialize_with = "nullable_time")]
    pub data_timestamp: Option<Timestamp>,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, String>>,
    pub user_id: Option<String>,
    pub encryption_key_id: Option<String>,
    #[serde(rename = "os-backup-project-attr:project_id")]
    pub project_id: Option<String>,
    pub links: Vec<Link>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    (text + "Z").parse().map_err(serde::de::Error::custom)
}

fn nullable_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| (text + "Z").parse().map_err(serde::de::Error::custom)).transpose()
}
