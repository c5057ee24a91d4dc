//! The contract as the tests read it, and its schemas as a JSON Schema validator takes them.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The two lists.
pub const SUMMARY: &str = "/v3/{project_id}/backups";
#[allow(dead_code, reason = "for the tests against a real cloud")]
pub const DETAIL: &str = "/v3/{project_id}/backups/detail";

/// One backup.
pub const SHOW: &str = "/v3/{project_id}/backups/{backup_id}";

pub fn load() -> Value {
    static CONTRACT: LazyLock<Value> =
        LazyLock::new(|| yaml_serde::from_str(include_str!("../../openapi/vbs.yaml")).unwrap());
    CONTRACT.clone()
}

/// The operation of a list, with its shared parameters, responses and headers in place.
pub fn operation(path: &str) -> Value {
    let contract = load();
    resolve(&contract, &contract["paths"][path]["get"])
}

fn resolve(contract: &Value, value: &Value) -> Value {
    let shared = value["$ref"].as_str().filter(|reference| !reference.contains("/schemas/"));
    match (shared, value) {
        (Some(reference), _) => resolve(contract, contract.pointer(reference.trim_start_matches('#')).unwrap()),
        (None, Value::Object(fields)) => {
            fields.iter().map(|(key, value)| (key.clone(), resolve(contract, value))).collect()
        }
        (None, Value::Array(items)) => items.iter().map(|item| resolve(contract, item)).collect(),
        (None, other) => other.clone(),
    }
}

/// Fails unless a body is what the contract says of responses with this status.
pub fn validate(path: &str, status: u16, body: &Value) {
    static KNOWN: Mutex<BTreeMap<(String, u16), Arc<Validator>>> = Mutex::new(BTreeMap::new());
    let validator = {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(known.entry((path.to_owned(), status)).or_insert_with(|| Arc::new(validator(path, status))))
    };
    let errors: Vec<_> = validator.iter_errors(body).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{status}: {errors:?} in {body}");
}

fn validator(path: &str, status: u16) -> Validator {
    let operation = operation(path);
    let response = &operation["responses"][status.to_string()];
    assert!(response.is_object(), "the contract has no response {status}");
    let schema = &response["content"]["application/json"]["schema"];
    let document = json!({"allOf": [json_schema(schema)], "components": json_schema(&load()["components"])});
    jsonschema::validator_for(&document).unwrap()
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema has the type `null`.
fn json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> =
                fields.iter().map(|(key, value)| (key.clone(), json_schema(value))).collect();
            if fields.remove("nullable") == Some(json!(true)) {
                let typ = fields["type"].clone();
                fields["type"] = json!([typ, "null"]);
            }
            // OpenAPI's, for people; their integers have formats that JSON Schema does not know.
            fields.remove("example");
            fields.remove("format");
            Value::Object(fields)
        }
        Value::Array(items) => items.iter().map(json_schema).collect(),
        other => other.clone(),
    }
}
