//! The fields of a backup, as the contract has them.

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;
use vbs_client::Row;

/// A backup of any list.
pub trait Listed: Row + Serialize + JsonSchema {}

impl<T: Row + Serialize + JsonSchema> Listed for T {}

/// The names of the fields on the wire.
pub fn fields<T: Listed>() -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
}
