//! Contract and code agree, and a faulty contract fails the build with a message.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};
use vbs_client::{Backup, BackupDetail, BackupStatus, Fault, Link, ListBackups};

use crate::support::openapi;

/// The query parameters of the operation, as the contract has them.
pub fn query_parameters() -> Vec<Value> {
    let operation = openapi::operation(openapi::SUMMARY);
    operation["parameters"].as_array().unwrap().iter().filter(|parameter| parameter["in"] == "query").cloned().collect()
}

#[test]
fn parameters_match_the_contract() {
    let contracts: Vec<_> = query_parameters()
        .iter()
        .map(|parameter| {
            let text = |value: &Value| value.as_str().map(|text| text.trim().to_owned());
            (
                text(&parameter["name"]).unwrap(),
                text(&parameter["description"]).unwrap(),
                text(&parameter["x-openstack"]["min-ver"]),
            )
        })
        .collect();
    let ours: Vec<_> = ListBackups::parameters()
        .iter()
        .map(|parameter| {
            (
                parameter.name().to_owned(),
                parameter.description().to_owned(),
                parameter.microversion().map(|v| v.to_string()),
            )
        })
        .collect();
    assert_eq!(ours, contracts);
}

/// Everything on the vendor's page is in the contract, with the microversion that it gives.
#[test]
fn the_contract_covers_the_vendors_documentation() {
    let parameter = |name: &str| {
        let found = query_parameters().into_iter().find(|parameter| parameter["name"] == name);
        found.unwrap_or_else(|| panic!("no parameter {name}"))
    };
    for (name, typ, version) in [
        ("name", "string", None),
        ("offset", "integer", None),
        ("limit", "integer", None),
        ("volume_id", "string", None),
        ("with_count", "boolean", Some("3.45")),
        ("name~", "string", Some("3.31")),
        ("status~", "string", Some("3.31")),
        ("volume_id~", "string", Some("3.31")),
        ("marker", "string", None),
    ] {
        let parameter = parameter(name);
        assert_eq!(parameter["schema"]["type"], typ, "{name}");
        assert_eq!(parameter["x-openstack"]["min-ver"].as_str(), version, "{name}");
    }
    assert_eq!(parameter("status")["schema"]["$ref"], "#/components/schemas/BackupStatus");
    let known = openapi::load()["components"]["schemas"]["BackupStatus"]["x-extensible-enum"].clone();
    for status in ["available", "error", "restoring", "creating", "deleting", "error_restoring"] {
        assert!(known.as_array().unwrap().contains(&json!(status)), "{status}");
        assert!(!matches!(BackupStatus::from(status), BackupStatus::Unknown(_)), "{status}");
    }
}

/// A field's type, in one form for schemars and for the contract.
fn kind(schema: &Value) -> String {
    let reference = schema["$ref"].as_str().or(schema["allOf"][0]["$ref"].as_str());
    match (reference, &schema["type"]) {
        // A time has a type of its own, and is a string on the wire.
        (Some(reference), _) if reference.ends_with("Timestamp") => "string".to_owned(),
        (Some(reference), _) => reference.rsplit('/').next().unwrap().to_owned(),
        (None, Value::Array(types)) => types.iter().find(|typ| *typ != "null").unwrap().as_str().unwrap().to_owned(),
        (None, Value::String(typ)) if typ == "array" => {
            format!("array of {}", kind(&schema["items"]))
        }
        (None, typ) => typ.as_str().unwrap_or_else(|| panic!("{schema}")).to_owned(),
    }
}

fn nullable(schema: &Value) -> bool {
    schema["nullable"] == true
        || schema["allOf"][0]["$ref"] == "#/components/schemas/NullableTimestamp"
        || schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
}

fn holds<T: JsonSchema>(name: &str) {
    let contracts = openapi::load()["components"]["schemas"][name].clone();
    let ours = schema_for!(T).to_value();
    assert_eq!(ours["description"], contracts["description"], "{name}");
    let fields = |schema: &Value| schema["properties"].as_object().cloned().unwrap_or_default();
    let names = |schema: &Value| fields(schema).keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&ours), names(&contracts), "{name}");
    let required =
        |schema: &Value, field: &str| schema["required"].as_array().is_some_and(|all| all.contains(&json!(field)));
    for (field, contracts_field) in fields(&contracts) {
        let our_field = &ours["properties"][&field];
        assert_eq!(kind(our_field), kind(&contracts_field), "{name}.{field}");
        // The types are as strict as the contract, but for what must never fail a page: a field
        // that may be null may be missing, too.
        let may_be_missing = !required(&contracts, &field) || nullable(&contracts_field);
        assert_eq!(required(&ours, &field), !may_be_missing, "{name}.{field}");
        if nullable(&contracts_field) {
            assert!(nullable(our_field), "{name}.{field}");
        }
    }
}

#[test]
fn types_match_the_contract() {
    holds::<Backup>("Backup");
    holds::<Link>("Link");
    holds::<BackupDetail>("BackupDetail");
    assert_eq!(schema_for!(BackupStatus).to_value()["type"], "string");
}

#[test]
fn serialized_types_validate_against_the_contract() {
    let list = json!({
        "backups": [{"id": "a", "name": null, "links": [{"href": "http://h", "rel": "self"}]}],
        "backups_links": [{"href": "http://h?marker=a", "rel": "next"}],
        "count": u64::MAX,
    });
    let backup = serde_json::from_value::<Backup>(list["backups"][0].clone()).unwrap();
    let mut written = list.clone();
    written["backups"][0] = serde_json::to_value(backup).unwrap();
    assert_eq!(written, list);
    openapi::validate(openapi::SUMMARY, 200, &written);

    let written = json!({"kind": null, "code": "404", "message": "gone"});
    let fault = serde_json::from_value::<Fault>(written.clone()).unwrap();
    assert_eq!((fault.kind.as_deref(), fault.code.as_deref(), fault.message.as_str()), (None, Some("404"), "gone"));
    assert_eq!(serde_json::to_value(fault).unwrap(), written);
}

/// The validation itself can fail.
#[test]
fn the_contracts_schemas_reject_invalid_bodies() {
    for body in [
        json!({}),
        json!({"backups": null}),
        json!({"backups": [{"id": 1, "name": null}]}),
        json!({"backups": [{"id": "a"}]}),
    ] {
        assert!(std::panic::catch_unwind(|| openapi::validate(openapi::SUMMARY, 200, &body)).is_err(), "{body}");
    }
}

/// Each row of the table that the docs of `ListBackups` include.
#[test]
fn the_docs_parameter_table_matches_the_contract() {
    let table = include_str!(concat!(env!("OUT_DIR"), "/parameters.md"));
    for parameter in ListBackups::parameters() {
        let version = parameter.microversion().map_or("any".to_owned(), |version| version.to_string());
        let (name, method) = (parameter.name(), parameter.rust_name());
        let row = format!("| `{name}` | [`{method}`](ListBackups::{method}) | {version} | ");
        assert!(table.contains(&row), "{row} in {table}");
    }
    assert_eq!(table.lines().count(), ListBackups::parameters().len() + 2);
}

/// Runs the build script on a contract: the generated code, or the error message.
fn build(contract: &str) -> Result<String, String> {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let root: PathBuf =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contract-{}-{number}", std::process::id()));
    fs::create_dir_all(root.join("openapi")).unwrap();
    fs::write(root.join("openapi/vbs.yaml"), contract).unwrap();
    let output = Command::new(env!("CONTRACT_BUILD_SCRIPT"))
        .env("CARGO_MANIFEST_DIR", &root)
        .env("OUT_DIR", &root)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let result = match output.status.success() {
        true => Ok(fs::read_to_string(root.join("generated.rs")).unwrap()),
        false => Err(said
            .lines()
            .find_map(|line| line.strip_prefix("cargo::error="))
            .unwrap_or_else(|| panic!("{output:?}"))
            .to_owned()),
    };
    fs::remove_dir_all(root).unwrap();
    result
}

const CONTRACT: &str = include_str!("../../openapi/vbs.yaml");

fn with(old: &str, new: &str) -> String {
    assert!(CONTRACT.contains(old), "{old}");
    CONTRACT.replacen(old, new, 1)
}

/// The same, in the parameter `name~`.
fn with_fuzzy(old: &str, new: &str) -> String {
    let (before, after) = CONTRACT.split_once("name: name~\n").unwrap();
    assert!(after.contains(old), "{old}");
    format!("{before}name: name~\n{}", after.replacen(old, new, 1))
}

fn with_parameter(parameter: &str) -> String {
    let next = "        - $ref: '#/components/parameters/name'\n";
    with(next, &format!("{parameter}{next}"))
}

#[test]
fn a_new_parameter_in_the_contract_generates_its_setter() {
    let contract = with_parameter(
        "        - name: zz-created~\n          in: query\n          description: Backups of about that time.\n          \
         x-rust-name: zz_created_like\n          x-openstack: {min-ver: \"3.60\"}\n          schema: {type: string, maxLength: 30}\n",
    );
    let generated = build(&contract).unwrap();
    assert!(generated.contains("QueryParam::new(\"zz-created~\", &zz_created_like)"), "the wire name is back");
    assert!(generated.contains("pub fn zz_created_like(self, value: impl Into<String>) -> Self"));
    assert!(generated.contains(
        "Backups of about that time.\n\nSent as `zz-created~`. At most 30 characters.\n\nNeeds microversion **3.60**"
    ));
    assert!(generated.contains("microversion: Some(Microversion::new(3u32, 60u32))"));
}

#[test]
fn every_parameter_type_generates_its_setter() {
    for (schema, setter) in [
        ("{type: string}", "impl Into<String>"),
        ("{$ref: '#/components/schemas/BackupStatus'}", "impl Into<BackupStatus>"),
        ("{type: integer, minimum: 0, maximum: 10}", "u32"),
        ("{type: integer, minimum: 1}", "u64"),
        ("{type: integer, minimum: -1, maximum: 10}", "i64"),
        ("{type: integer}", "i64"),
        ("{type: boolean}", "bool"),
    ] {
        let contract = with_parameter(&format!(
            "        - name: zzNewOne\n          in: query\n          description: New.\n          schema: {schema}\n"
        ));
        let generated = build(&contract).unwrap_or_else(|fault| panic!("{schema}: {fault}"));
        assert!(generated.contains(&format!("pub fn zz_new_one(self, value: {setter}) -> Self")), "{schema}");
        assert!(generated.contains("QueryParam::new(\"zzNewOne\", &zz_new_one)"), "{schema}");
    }
}

#[test]
fn a_faulty_contract_fails_the_build_with_a_message() {
    let parameter = |lines: &str| with_parameter(&format!("        - name: zz_extra\n          in: query\n{lines}"));
    let good = "          description: Extra.\n          schema: {type: string}\n";
    build(&parameter(good)).expect("what the others are variations of");
    let fuzzy = "      x-rust-name: name_like\n";
    for (contract, parameter, fault) in [
        (
            with_fuzzy("x-openstack: {min-ver: \"3.31\"}", "x-openstack: {min-ver: 3.30}"),
            "name~",
            "min-ver has to be in quotes",
        ),
        (with_fuzzy("min-ver: \"3.31\"", "min-ver: \"3\""), "name~", "min-ver `3` is not of the form X.Y"),
        (
            with_fuzzy("x-openstack: {min-ver: \"3.31\"}", "x-openstack: {minver: \"3.31\"}"),
            "name~",
            "x-openstack has to be",
        ),
        (
            with_fuzzy("x-openstack: {min-ver: \"3.31\"}", "x-openstac: {min-ver: \"3.31\"}"),
            "name~",
            "`x-openstac` is not understood here",
        ),
        (with_fuzzy(fuzzy, ""), "name~", "its Rust name `name` is that of parameter `name` too"),
        (
            with_fuzzy(fuzzy, "      x-rust-name: name\n"),
            "name~",
            "its Rust name `name` is that of parameter `name` too",
        ),
        (with_fuzzy(fuzzy, "      x-rust-name: Name Like\n"), "name~", "`Name Like` is not a Rust name"),
        (with_fuzzy(fuzzy, "      x-rust-name: type\n"), "name~", "`type` is not a Rust name"),
        (with_fuzzy(fuzzy, "      x-rust-name: count\n"), "name~", "`count` is taken"),
        (with_fuzzy(fuzzy, "      x-rust-name: [a]\n"), "name~", "x-rust-name is not a string"),
        (with("      name: name~\n", "      name: name\n"), "name", "it is there twice"),
        (parameter("          schema: {type: string}\n"), "zz_extra", "it has no description"),
        (parameter("          description: Extra.\n"), "zz_extra", "its schema has no type of its own"),
        (
            parameter("          description: Extra.\n          schema: {type: array}\n"),
            "zz_extra",
            "its type is `array`",
        ),
        (
            parameter("          description: Extra.\n          schema: {$ref: '#/components/schemas/No'}\n"),
            "zz_extra",
            "there is no schema",
        ),
        (
            parameter("          description: Extra.\n          schema: {type: string, maxLength: long}\n"),
            "zz_extra",
            "its maxLength can't be \"long\"",
        ),
        (
            parameter("          description: Extra.\n          schema: {type: string, enum: [1]}\n"),
            "zz_extra",
            "in its schema, `enum` is not understood here",
        ),
        (parameter(&format!("          min-ver: \"3.60\"\n{good}")), "zz_extra", "`min-ver` is not understood here"),
        (
            parameter(
                "          description: Extra.\n          schema: {type: string, x-openstack: {min-ver: \"3.60\"}}\n",
            ),
            "zz_extra",
            "in its schema, `x-openstack` is not understood here",
        ),
        (parameter(&format!("          x-openstack:\n{good}")), "zz_extra", "x-openstack has to be"),
        (
            parameter(&format!("          x-openstack: {{min-ver: \"3.046\"}}\n{good}")),
            "zz_extra",
            "is not of the form X.Y",
        ),
        (
            parameter("          description: ' '\n          schema: {type: string}\n"),
            "zz_extra",
            "it has no description",
        ),
        (
            parameter("          description: Extra.\n          schema: {type: integer, minimum: 10, maximum: 5}\n"),
            "zz_extra",
            "its minimum is above its maximum",
        ),
        (
            parameter("          description: Extra.\n          schema: {type: integer, enum: [1]}\n"),
            "zz_extra",
            "in its schema, `enum` is not understood here",
        ),
        (
            parameter("          description: Extra.\n          schema: {type: number}\n"),
            "zz_extra",
            "its type is `number`, where string, integer or boolean is needed",
        ),
        (
            with_parameter(&format!("        - name: project_id\n          in: query\n{good}")),
            "project_id",
            "`project_id` is taken",
        ),
        (with_parameter(&format!("        - name: page\n          in: query\n{good}")), "page", "`page` is taken"),
        (
            with_parameter(&format!("        - name: zz\n          in: path\n{good}")),
            "zz",
            "it is not in /v3/{project_id}/",
        ),
        (
            with_parameter(&format!("        - name: X-Zz\n          in: header\n{good}")),
            "X-Zz",
            "a header that the response does not have",
        ),
        (with("      name: marker\n", "      name: mark\n"), "marker", "it is not there"),
        (parameter(&format!("          required: true\n{good}")), "zz_extra", "can only be `required: false`"),
        (
            with_parameter(&format!("        - name: zz_extra\n          in: body\n{good}")),
            "zz_extra",
            "its `in` is \"body\"",
        ),
    ] {
        let said = build(&contract).map(|code| code.len()).expect_err(fault);
        assert!(
            said.starts_with(&format!("openapi/vbs.yaml: parameter `{parameter}`: ")) && said.contains(fault),
            "{fault}: {said}"
        );
    }
    for (contract, fault) in [
        (with("openapi: 3.0.3", "openapi: [3.0.3"), "at line"),
        (with("openapi: 3.0.3", "openapi: 3.1.0"), "3.1.0"),
        (with("openapi: 3.0.3", "openapi: 3.0.3\nopenapi: 3.0.3"), "duplicate"),
        (
            with("/v3/{project_id}/backups:", "/v2/{project_id}/backups:"),
            "path `/v2/{project_id}/backups`: it does not begin with /v3/{project_id}/",
        ),
        (with("    get:\n", "    parameters: []\n    get:\n"), "has parameters of its own"),
        ("just text".to_owned(), "there is no operation `get`"),
        ("paths: []".to_owned(), "there is no operation `get`"),
        (with("operationId: list_backups", "operationId: List"), "is not a Rust name in snake case"),
        (with("      name: X-Auth-Token\n", ""), "there is no security scheme `token`"),
        (with("- available", "- 1"), "schema `BackupStatus`: its x-extensible-enum"),
        (
            with_parameter("        - $ref: '#/components/parameters/P'\n"),
            "there is no parameter `#/components/parameters/P`",
        ),
        (
            with("$ref: '#/components/schemas/Backup'\n", "$ref: '#/components/schemas/Gone'\n"),
            "there is no schema `#/components/schemas/Gone`",
        ),
        (with("parameters: *parameters", "parameters: []"), "its parameters are not those of `list_backups`"),
    ] {
        let said = build(&contract).map(|code| code.len()).expect_err(fault);
        assert!(said.starts_with("openapi/vbs.yaml: ") && said.contains(fault), "{fault}: {said}");
    }
}
