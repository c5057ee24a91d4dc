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

/// Everything on the vendor's page is in the contract, with the microversion that it gives, or the reason for another.
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
        ("name~", "string", Some("3.34")),
        ("status~", "string", Some("3.34")),
        ("volume_id~", "string", Some("3.34")),
        ("marker", "string", None),
    ] {
        let parameter = parameter(name);
        assert_eq!(parameter["schema"]["type"], typ, "{name}");
        assert_eq!(parameter["x-openstack"]["min-ver"].as_str(), version, "{name}");
        let says_3_31 = parameter["description"].as_str().unwrap().contains("the vendor's page states 3.31");
        assert_eq!(says_3_31, name.ends_with('~'), "{name}");
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
        assert_eq!(required(&ours, &field), required(&contracts, &field), "{name}.{field}");
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

/// The table in the docs of `ListBackups` has a row for each parameter.
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
    build_with(contract, &[]).0
}

/// The same with arguments, and with the complete output of the build script.
fn build_with(contract: &str, arguments: &[&str]) -> (Result<String, String>, String) {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let root: PathBuf =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("contract-{}-{number}", std::process::id()));
    fs::create_dir_all(root.join("openapi")).unwrap();
    fs::write(root.join("openapi/vbs.yaml"), contract).unwrap();
    fs::write(root.join("openapi/keystone.yaml"), include_str!("../../openapi/keystone.yaml")).unwrap();
    let output = Command::new(env!("CONTRACT_BUILD_SCRIPT"))
        .args(arguments)
        .env("CARGO_MANIFEST_DIR", &root)
        .env("CARGO_FEATURE_MOCK", "1")
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
    (result, said)
}

/// The edits whose message lacks the expected start or the expected part.
fn check_messages<'a>(edits: impl IntoIterator<Item = (String, String, &'a str)>, arguments: &[&str]) {
    let wrong = edits.into_iter().filter_map(|(contract, start, part)| {
        let said = build_with(&contract, arguments).0.map_or_else(|said| said, |code| format!("{} bytes", code.len()));
        (!said.starts_with(&start) || !said.contains(part)).then(|| format!("{start}.. {part}\n    {said}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    assert!(generated.contains("microversion: Some(crate::Microversion::new(3u32, 60u32))"));
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
            with_fuzzy("x-openstack: {min-ver: \"3.34\"}", "x-openstack: {min-ver: 3.30}"),
            "name~",
            "min-ver has to be in quotes",
        ),
        (with_fuzzy("min-ver: \"3.34\"", "min-ver: \"3\""), "name~", "min-ver `3` is not of the form X.Y"),
        (
            with_fuzzy("x-openstack: {min-ver: \"3.34\"}", "x-openstack: {minver: \"3.34\"}"),
            "name~",
            "x-openstack has to be",
        ),
        (
            with_fuzzy("x-openstack: {min-ver: \"3.34\"}", "x-openstac: {min-ver: \"3.34\"}"),
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
        (with("      name: name~\n", "      name: name\n"), "name", "it occurs twice"),
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
        (with("      name: marker\n", "      name: mark\n"), "marker", "it is missing"),
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
}

const LIST: &str = "  /v3/{project_id}/backups:\n    get:\n";
const LINK: &str = "    Link:\n      description: An address and its relation to the resource that has the link.\n      type: object\n";
/// Where the properties of a row with details begin, and where the schemas do.
const DETAILS: &str = "        id: *id\n        name: *name\n        status:\n";
const SCHEMAS: &str = "  schemas:\n    Backup:\n";

/// The contract with another property of the rows with details.
fn with_field(property: &str) -> String {
    with(DETAILS, &format!("        zz_extra: {property}\n{DETAILS}"))
}

/// With another component, and a property that refers to it.
fn with_component(name: &str, schema: &str) -> String {
    with(SCHEMAS, &format!("  schemas:\n    {name}: {schema}\n    Backup:\n")).replacen(
        DETAILS,
        &format!("        zz_extra: {{$ref: '#/components/schemas/{name}'}}\n{DETAILS}"),
        1,
    )
}

/// With another path.
fn with_path(path: &str, operation: &str) -> String {
    with(LIST, &format!("  {path}:\n    {operation}\n{LIST}"))
}

/// Each is one edit, with the place and the fault in its message.
#[test]
fn a_wrong_edit_is_named_with_its_place() {
    let detail = "schema `BackupDetail`: property `zz_extra`: ";
    let list = "operation `list_backups`: ";
    let get = "{get: {operationId: show_it, responses: {}}}";
    let edits = [
        // The document.
        (with("openapi: 3.0.3", "openapi: [3.0.3"), "", "at line"),
        (with("openapi: 3.0.3", "openapi: 3.1.0"), "openapi: ", "\"3.1.0\" is not supported, only 3.0.x"),
        (with("openapi: 3.0.3", "openapi: 3.0.3\nopenapi: 3.0.3"), "", "duplicate"),
        ("just text".to_owned(), "openapi: ", "is not supported"),
        ("openapi: 3.0.3\npaths: []".to_owned(), list, "it is missing"),
        (with("    Link:\n", "    Link:\n\ttype: object\n"), "", "at line"),
        // Operations.
        (with("/v3/{project_id}/backups:", "/v2/{project_id}/backups:"), "path `/v2/{project_id}/backups`: ", "it does not begin with /v3/{project_id}/"),
        (with("    get:\n", "    parameters: []\n    get:\n"), "path `/v3/{project_id}/backups`: ", "has parameters of its own"),
        (with("    get:\n", "    post: {}\n    get:\n"), "path `/v3/{project_id}/backups`: ", "an operation `post`, which changes something"),
        (with("    get:\n", "    put: {}\n    get:\n"), "path `/v3/{project_id}/backups`: ", "an operation `put`, which changes something"),
        (with("    get:\n", "    delete: {}\n    get:\n"), "path `/v3/{project_id}/backups`: ", "an operation `delete`, which changes something"),
        (with("    get:\n", "    head: {}\n    get:\n"), "path `/v3/{project_id}/backups`: ", "`head` is not supported"),
        (with("operationId: list_backups\n", "operationId: List\n"), "path `/v3/{project_id}/backups`: ", "its operationId is not a Rust name"),
        (with("operationId: list_backups\n", "operationId: builder\n"), "path `/v3/{project_id}/backups`: ", "its operationId is not a Rust name in snake case, or taken"),
        (with("operationId: list_backups\n", "operationId: list_all\n"), list, "it is missing"),
        (with("operationId: list_backups_detail\n", "operationId: list_backups\n"), "operation `list_backups", "it is"),
        (with("      operationId: list_backups\n", "      operationId: list_backups\n      x-openstac: {}\n"), list, "`x-openstac` is not understood here"),
        (with("      operationId: list_backups\n", "      operationId: list_backups\n      requestBody: {}\n"), list, "`requestBody` is not understood here"),
        (with("      operationId: list_backups\n", "      operationId: list_backups\n      x-openstack: {min-ver: 3.50}\n"), list, "min-ver has to be in quotes"),
        (with("      operationId: list_backups\n", "      operationId: list_backups\n      deprecated: 1\n"), list, "its deprecated 1 is neither true nor false"),
        (with("        '200':\n", "        '201': {}\n        '200':\n"), list, "its response `201` is not supported"),
        (with("        '200':\n", "        default: {}\n        '200':\n"), list, "its response `default` is not supported"),
        (with("        '200':\n", "        '204':\n"), list, "its response `204` is not supported"),
        (with("            OpenStack-API-Version:\n", "            X-Other:\n"), list, "its response 200 has no header OpenStack-API-Version"),
        (with("            x-openstack-request-id:\n", "            X-Other:\n"), list, "its response 200 has no header x-openstack-request-id"),
        (with("            application/json:\n", "            text/html:\n"), list, "its response 200: it is not a schema"),
        (with("$ref: '#/components/schemas/BackupList'", "type: string"), list, "its response 200: it is not an object"),
        (with("$ref: '#/components/schemas/BackupList'", "$ref: '#/components/schemas/Gone'"), list, "there is no schema `#/components/schemas/Gone`"),
        (with("        - $ref: '#/components/parameters/project_id'\n", ""), list, "it has no parameter `project_id`"),
        (with_parameter("        - $ref: '#/components/parameters/P'\n"), list, "there is no parameter `#/components/parameters/P`"),
        (with("      parameters: *parameters\n", "      parameters: [{$ref: '#/components/parameters/project_id'}]\n"), "parameter `limit`: ", "it is missing"),
        (with_path("/v3/{project_id}/zz", get), "operation `show_it`: ", "no header"),
        (with("      name: X-Auth-Token\n", ""), "security scheme `token`: ", "it has no header name"),
        (with("      in: header\n      name: X-Auth-Token\n", "      in: query\n      name: X-Auth-Token\n"), "security scheme `token`: ", "only `in: header` is supported"),
        (with("      name: X-Auth-Token\n", "      name: X Auth\n"), "security scheme `token`: ", "`x auth` can't be the name of a header"),
        // What paging needs.
        (with("        backups_links: &backups_links\n", "        links: &backups_links\n"), "", "`backups_links`"),
        (with("        count: &count\n", "        total: &count\n"), "", "`count`"),
        (with("      required: [backups]\n", ""), "operation `list_backups`: schema `BackupList`: ", "its `backups` is not a required list of objects"),
        (with("        count: &count\n", "        zz_extra: {type: string}\n        count: &count\n"), "operation `list_backups`: schema `BackupList`: property `zz_extra`: ", "`Page` has no field for it"),
        (with("      required: [id, name]\n", "      required: [name]\n"), "schema `Backup`: ", "its `id` is not a required string"),
        (with("        id: &id\n", "        uid: &id\n"), "schema `Backup`: ", "its `required` names `id`, which is not among its properties"),
        (with("          description: The backup's id.\n          type: string\n", "          description: The backup's id.\n          type: integer\n"), "schema `Backup", "its `id` is not a required string"),
        (with(LINK, &format!("{LINK}      minProperties: 2\n")).replacen("required: [href, rel]", "required: [href]", 1), "schema `Link`: ", "it has to have `href` and `rel`"),
        (with("        rel:\n", "        zz: {type: string}\n        rel:\n"), "schema `Link`: ", "nothing else"),
        (with("        minimum: 0\n        maximum: 2147483647\n      example: 10\n", "        minimum: 1\n      example: 10\n"), "parameter `limit`: ", "its minimum is not 0"),
        (with("        type: integer\n        format: int64\n        minimum: 0\n        maximum: 2147483647\n      example: 10\n", "        type: string\n"), "parameter `limit`: ", "its type has to be integer"),
        (with("        type: boolean\n        default: false\n      example: true\n", "        type: string\n"), "parameter `with_count`: ", "its type has to be boolean"),
        // Parameters.
        (with("        type: boolean\n        default: false\n", "        type: boolean\n        default: no way\n"), "parameter `with_count`: ", "its default \"no way\" does not fit"),
        (with("      example: 20\n", "      example: twenty\n"), "parameter `offset`: ", "its example \"twenty\" does not fit"),
        (with("      example: 20\n", "      example: -1\n"), "parameter `offset`: ", "its example -1 does not fit"),
        (with("      example: 20\n", "      example: 20\n      style: form\n"), "parameter `offset`: ", "`style` is not understood here"),
        (with("        type: integer\n        format: int64\n", "        type: integer\n        format: bigint\n"), "parameter `limit`: ", "its format `bigint` is not supported"),
        (with("        type: boolean\n        default", "        type: boolean\n        format: bit\n        default"), "parameter `with_count`: ", "its format `bit` is not supported"),
        (with("      name: offset\n", "      name: gen\n"), "parameter `gen`: ", "`gen` is not a Rust name"),
        (with("      name: offset\n", "      name: offset\n      deprecated: soon\n"), "parameter `offset`: ", "its deprecated \"soon\" is neither true nor false"),
        // Properties.
        (with_field("{type: string, x-openstac: {min-ver: \"3.60\"}}"), detail, "`x-openstac` is not understood here"),
        (with_field("{type: string, x-openstack: {min-ver: 3.60}}"), detail, "min-ver has to be in quotes"),
        (with_field("{type: string, default: x}"), detail, "`default` is not understood here"),
        (with_field("{type: string, minLength: 2, maxLength: 1}"), detail, "its minLength is above its maxLength"),
        (with_field("{type: string, minLength: long}"), detail, "its minLength can't be \"long\""),
        (with_field("{type: string, example: 7}"), detail, "its example 7 does not fit its type"),
        (with_field("{type: integer, example: seven}"), detail, "its example \"seven\" does not fit its type"),
        (with_field("{type: integer, minimum: 0, example: -7}"), detail, "its example -7 does not fit its type"),
        (with_field("{type: text}"), detail, "the type \"text\" is not supported"),
        (with_field("{type: [string, 'null']}"), detail, "is not supported"),
        (with_field("string"), detail, "it is not a schema"),
        (with_field("{oneOf: [{type: string}]}"), detail, "`oneOf` is not understood here"),
        (with_field("{allOf: []}"), detail, "its allOf has to have exactly one schema"),
        (with_field("{allOf: [{type: string}, {type: string}]}"), detail, "its allOf has to have exactly one schema"),
        (with_field("{$ref: '#/components/schemas/Gone'}"), detail, "there is no schema `#/components/schemas/Gone`"),
        (with_field("{$ref: '#/components/schemas/Link', description: x}"), detail, "`description` is not understood here"),
        (with_field("{type: string, nullable: maybe}"), detail, "its nullable \"maybe\" is neither true nor false"),
        (with_field("{type: string, x-rust-name: Type}"), detail, "`Type` is not a Rust name"),
        (with_field("{type: string, x-rust-name: 7}"), detail, "its x-rust-name 7 is not a string"),
        (with_field("{type: string, x-rust-name: name}"), "schema `BackupDetail`: property `zz_extra`: ", "its Rust name `name` is that of `name`, too"),
        (with_field("{type: string, x-rust-name: made_up}"), detail, "its Rust name `made_up` is taken"),
        (with_field("{type: string, x-rust-type: date}"), detail, "its x-rust-type \"date\" is not one of timestamp"),
        (with_field("{type: string, x-sort-key: true}"), detail, "an x-sort-key is a timestamp"),
        (with_field("{type: string, x-column: 7}"), detail, "its x-column 7 is not a string"),
        (with_field("{type: integer, x-unit: true}"), detail, "its x-unit true is not a string"),
        (with_field("{type: string, x-mock: [1]}"), detail, "its x-mock has 1, which does not fit"),
        (with_field("{type: array}"), "schema `BackupDetail`: property `zz_extra`: its items: ", "it is not a schema"),
        (with_field("{type: array, items: {type: string, nullable: true}}"), "schema `BackupDetail`: property `zz_extra`: its items: ", "may be null"),
        (with_field("{type: object, properties: {a: {type: text}}}"), "schema `BackupDetail`: property `zz_extra`: property `a`: ", "the type \"text\" is not supported"),
        (with_field("{type: object, properties: {a: {type: string}}, additionalProperties: {type: string}}"), detail, "an object has properties or additionalProperties"),
        (with_field("{type: object, properties: {a: {type: string}}, required: [b]}"), detail, "names `b`, which is not among"),
        (with_field("{type: string, enum: []}"), detail, "it has no values"),
        (with_field("{type: string, x-extensible-enum: [1st]}"), detail, "its value `1st` has no Rust name"),
        (with_field("{type: string, x-extensible-enum: ['']}"), detail, "its value `` has no Rust name"),
        (with_field("{type: string, x-extensible-enum: [a-b, a_b]}"), detail, "its value `a_b` has no Rust name, or another value's"),
        (with_field("{type: string, x-extensible-enum: [unknown]}"), detail, "its value `unknown` has no Rust name, or another value's"),
        (with("- available", "- 1"), "parameter `status`: schema `BackupStatus`: ", "its value 1 is not a string"),
        (with(DETAILS, &format!("        type: {{type: string}}\n{DETAILS}")), "schema `BackupDetail`: property `type`: ", "`type` is not a Rust name"),
        (with(DETAILS, &format!("        '1st': {{type: string}}\n{DETAILS}")), "schema `BackupDetail`: property `1st`: ", "is not a Rust name"),
        (with(DETAILS, &format!("        zzA: {{type: string}}\n        zz_a: {{type: string}}\n{DETAILS}")), "schema `BackupDetail`: property `zz_a`: ", "its Rust name `zz_a` is that of `zzA`, too"),
        (with(DETAILS, &format!("        zz: {{type: object, properties: {{a: {{type: string}}}}}}\n{DETAILS}")).replacen(SCHEMAS, "  schemas:\n    BackupDetailZz: {type: object, properties: {a: {type: string}}}\n    Backup:\n", 1).replacen(DETAILS, &format!("        zz_other: {{$ref: '#/components/schemas/BackupDetailZz'}}\n{DETAILS}"), 1), "schema `BackupDetail", "its Rust name `BackupDetailZz` is that of"),
        (with_component("Client", "{type: object, properties: {a: {type: string}}}"), "schema `Client`: ", "its Rust name would be `Client`, which is taken"),
        (with_component("Tree", "{type: object, properties: {child: {$ref: '#/components/schemas/Tree'}}}"), "schema `Tree`: ", "it refers to itself"),
        (with_component("Loop", "{$ref: '#/components/schemas/Loop'}"), "schema `Loop`: ", "it refers to itself"),
        (with("        name: &name\n          description: The backup's name, if it has one.\n          type: string\n          nullable: true\n", "        name: &name\n          type: string\n").replacen("        name: *name\n", "        name: {type: string, nullable: true}\n", 1), "schema `Backup`: property `name`: ", "it differs from that in `BackupDetail`"),
    ];
    assert!(edits.len() >= 80, "{}", edits.len());
    check_messages(
        edits.into_iter().map(|(contract, place, part)| (contract, format!("openapi/vbs.yaml: {place}"), part)),
        &[],
    );
}

/// The names that Rust code has without importing them, and those that generated code imports, or has from a type of
/// this crate: a type of the contract would hide them.
#[test]
fn a_name_that_generated_code_uses_is_taken() {
    let prelude = "AsMut AsRef Box Clone Copy Debug Default DoubleEndedIterator Drop Eq Err ExactSizeIterator Extend Fn \
        FnMut FnOnce From FromIterator Future Hash Into IntoFuture IntoIterator Iterator None Ok Option Ord PartialEq \
        PartialOrd Result Send Sized Some String Sync ToOwned ToString TryFrom TryInto Unpin Vec";
    let generated = build(CONTRACT).unwrap();
    let imports =
        generated.lines().filter(|line| line.trim_start_matches("pub ").starts_with("use progenitor_client::"));
    let imports: Vec<_> = imports.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_')).collect();
    let imports = imports.into_iter().filter(|word| word.starts_with(char::is_uppercase));
    let names = prelude.split_whitespace().chain(imports).chain(["TimestampType"]);
    let kinds = ["{type: object, properties: {a: {type: string}}}", "{type: string, enum: [a]}"];
    let edits: Vec<_> = names.flat_map(|name| kinds.map(|kind| (name, kind))).collect();
    assert!(edits.len() > 80, "{edits:?}");
    check_messages(
        edits.into_iter().map(|(name, kind)| {
            (with_component(name, kind), format!("openapi/vbs.yaml: schema `{name}`: its Rust name"), "is taken")
        }),
        &[],
    );
}

const RESPONSES: &str = "{'200': {headers: {OpenStack-API-Version: {}, x-openstack-request-id: {}}, content: {application/json: {schema: SCHEMA}}}}";
const SHOW_ZZ: &str = "  /v3/{project_id}/zz/{zz_id}/parts/{part_id}:
    get:
      operationId: show_zz
      summary: Show a part
      x-openstack: {min-ver: '3.60'}
      parameters:
        - $ref: '#/components/parameters/project_id'
        - {name: zz_id, in: path, required: true, description: Its id., schema: {type: string}}
        - {name: part_id, in: path, required: true, description: Its part., schema: {type: string, minLength: 1}}
      responses: RESPONSES
";
const LIST_ZZ: &str = "  /v3/{project_id}/backups/trash:
    get:
      operationId: list_zz
      summary: List what was deleted
      x-openstack: {min-ver: '3.60'}
      parameters: *parameters
      responses: RESPONSES
";

/// The contract with another operation, whose response is of this schema.
fn with_operation(operation: &str, schema: &str) -> String {
    let operation = operation.replace("RESPONSES", RESPONSES).replace("SCHEMA", schema);
    with("\ncomponents:\n", &format!("\n{operation}\ncomponents:\n"))
}

const PART: &str = "{type: object, required: [part], properties: {part: {type: object, required: [id], properties: {id: {type: string}}}}}";
const BACKUPS: &str = "{$ref: '#/components/schemas/BackupList'}";

#[test]
fn a_new_operation_in_the_contract_is_a_method() {
    let minimum = "microversion: Some(crate::Microversion::new(3u32, 60u32)),";
    let show = build(&with_operation(SHOW_ZZ, PART)).unwrap();
    for part in [
        "/**Show a part.",
        "`zz_id`: Its id.\n\n`part_id`: Its part.\n\nNeeds microversion **3.60**",
        "pub fn show_zz(\n        &self,\n        zz_id: impl Into<String>,\n        part_id: impl Into<String>,\n    ) -> crate::Show<types::ShowZzResponsePart>",
        "const KEY: &'static str = \"part\";",
        "path: \"zz/{zz_id}/parts/{part_id}\",",
        minimum,
    ] {
        assert!(show.contains(part), "{part}");
    }
    // Its row is that of another list, too.
    let list = build(&with_operation(LIST_ZZ, BACKUPS)).unwrap();
    for part in [
        "/**List what was deleted.",
        "pub fn list_zz(&self) -> crate::ListBackups<types::Backup>",
        "path: \"backups/trash\",",
        minimum,
    ] {
        assert!(list.contains(part), "{part}");
    }
    assert_eq!(list.matches("impl crate::Row for types::Backup ").count(), 1);
    assert!(!build(CONTRACT).unwrap().contains(minimum));
}

/// Each is an edit of an operation that is right without it.
#[test]
fn a_wrong_operation_is_named_with_its_place() {
    let (show, path) = ("operation `show_zz`: ", "path `/v3/{project_id}/zz/{zz_id}/parts/{part_id}`: ");
    let id = "        - {name: zz_id, in: path, required: true, description: Its id., schema: {type: string}}\n";
    let of_show = |old: &'static str, new: &'static str, place: &'static str, part: &'static str| {
        assert!(SHOW_ZZ.contains(old), "{old}");
        (with_operation(&SHOW_ZZ.replacen(old, new, 1), PART), place, part)
    };
    let of_list = |old: &'static str, new: &'static str, place: &'static str, part: &'static str| {
        assert!(LIST_ZZ.contains(old), "{old}");
        (with_operation(&LIST_ZZ.replacen(old, new, 1), BACKUPS), place, part)
    };
    let of_schema =
        |schema: &'static str, place: &'static str, part: &'static str| (with_operation(SHOW_ZZ, schema), place, part);
    let named =
        |name: &str, part: &'static str| (with_operation(&SHOW_ZZ.replacen("show_zz", name, 1), PART), path, part);
    let taken = "its operationId is not a Rust name in snake case, or taken";
    let edits = vec![
        of_show("    get:", "    post:", path, "an operation `post`, which changes something: this crate only reads"),
        of_show("    get:", "    put:", path, "an operation `put`, which changes something"),
        of_show("    get:", "    patch:", path, "an operation `patch`, which changes something"),
        of_show("    get:", "    delete:", path, "an operation `delete`, which changes something"),
        of_show("    get:", "    trace: {}\n    get:", path, "`trace` is not supported, only `get` is"),
        of_show("    get:", "    servers: []\n    get:", path, "`servers` is not supported"),
        of_show("      operationId: show_zz\n", "", path, taken),
        named("7", taken),
        named("Show", taken),
        named("showZz", taken),
        named("'show zz'", taken),
        named("type", taken),
        named("gen", taken),
        named("endpoint", taken),
        named("from_env", taken),
        // The generated client's.
        named("exec", taken),
        named("pre", taken),
        named("api_version", taken),
        (with_operation(&SHOW_ZZ.replacen("show_zz", "show_backup", 1), PART), "operation `show_backup`: ", "it occurs twice"),
        of_show("      operationId", "      x-openstac: {min-ver: '3.60'}\n      operationId", show, "`x-openstac` is not understood here"),
        of_show("      operationId", "      security: []\n      operationId", show, "`security` is not understood here"),
        of_show("{min-ver: '3.60'}", "{min-ver: 3.60}", show, "min-ver has to be in quotes"),
        of_show("{min-ver: '3.60'}", "{max-ver: '3.60'}", show, "x-openstack has to be"),
        of_show("{min-ver: '3.60'}", "", show, "x-openstack has to be"),
        of_show("summary: Show a part", "summary: [Show]", show, "its summary [\"Show\"] is not a string"),
        of_show("      operationId", "      deprecated: soon\n      operationId", show, "its deprecated \"soon\" is neither true nor false"),
        // Paths and their parameters.
        of_show(id, "", show, "there is no parameter for `{zz_id}` in its path"),
        of_show("        - $ref: '#/components/parameters/project_id'\n", "", show, "it has no parameter `project_id`"),
        of_show("{name: zz_id, in: path", "{name: other, in: path", "parameter `other`: ", "it is not in /v3/{project_id}/zz/"),
        of_show("{name: part_id", "{name: zz_id", "parameter `zz_id`: ", "it occurs twice"),
        of_show("parts/{part_id}", "parts/{zz_id}", "", "parameter `part_id`: it is not in"),
        of_show("zz/{zz_id}/parts", "zz/{zz_id}/{zz_id}", show, "its path has a parameter twice"),
        of_show("required: true, description: Its id.", "description: Its id.", "parameter `zz_id`: ", "can only be `required: true`"),
        of_show("description: Its id., ", "", "parameter `zz_id`: ", "it has no description"),
        of_show("Its id., schema: {type: string}", "Its id., schema: {type: integer}", "parameter `zz_id`: ", "only a plain string with a Rust name is supported"),
        of_show("Its id., schema", "Its id., x-rust-name: zz, schema", "parameter `zz_id`: ", "only a plain string with a Rust name is supported"),
        of_show("Its id., schema", "Its id., x-openstack: {min-ver: '3.60'}, schema", "parameter `zz_id`: ", "only a plain string with a Rust name is supported"),
        of_show("Its id., schema", "Its id., style: matrix, schema", "parameter `zz_id`: ", "`style` is not understood here"),
        of_show("in: path, required: true, description: Its id.", "in: cookie, required: true, description: Its id.", "parameter `zz_id`: ", "its `in` is \"cookie\""),
        of_show(id, "        - {name: zz_id, in: path, required: true, description: Its id., schema: {type: string}}\n        - $ref: '#/components/parameters/limit'\n", show, "parameter `limit`: an operation that returns one object can't have query parameters"),
        of_show("zz/{zz_id}", "zz?/{zz_id}", "path `/v3/{project_id}/zz?/{zz_id}/parts/{part_id}`: ", "`zz?` is neither a word nor a parameter in braces"),
        of_show("zz/{zz_id}", "zz-{zz_id}", "path `", "`zz-{zz_id}` is neither a word nor a parameter"),
        of_show("zz/{zz_id}", "zz/{zz_id", "path `", "`{zz_id` is neither a word nor a parameter"),
        of_show("zz/{zz_id}", "zz//{zz_id}", "path `", "`` is neither a word nor a parameter"),
        of_show("zz/{zz_id}", "../{zz_id}", "path `", "`..` is neither a word nor a parameter"),
        of_show("/v3/{project_id}/zz", "/v3/zz", "path `/v3/zz/{zz_id}/parts/{part_id}`: ", "it does not begin with /v3/{project_id}/"),
        (with_operation(&SHOW_ZZ.replace("zz/{zz_id}/parts/{part_id}", "backups/{zz_id}").replace("        - {name: part_id, in: path, required: true, description: Its part., schema: {type: string, minLength: 1}}\n", ""), PART), show, "its path is that of `show_backup`, too"),
        // Responses.
        of_show("RESPONSES", "{}", show, "its response 200 has no header OpenStack-API-Version"),
        of_show("RESPONSES", "{'202': {}}", show, "its response `202` is not supported, only 200"),
        of_show("RESPONSES", "{'2XX': {}}", show, "its response `2XX` is not supported, only 200"),
        of_schema("{type: string}", show, "its response 200: it is not an object with properties"),
        of_schema("{type: array, items: {type: string}}", show, "its response 200: it is not an object with properties"),
        of_schema("{type: object}", show, "its response 200: it is not an object with properties"),
        of_schema("{$ref: '#/components/schemas/Gone'}", show, "there is no schema `#/components/schemas/Gone`"),
        of_schema("{type: object, properties: {part: {type: object, properties: {id: {type: string}}}}}", show, "property `part`: it is the object, so it has to be required"),
        of_schema("{type: object, required: [part], properties: {part: {nullable: true, type: object, properties: {id: {type: string}}}}}", show, "it is the object, so it has to be required"),
        of_schema("{type: object, required: [part], properties: {part: {type: object, properties: {id: {type: text}}}}}", show, "the type \"text\" is not supported"),
        of_schema(BACKUPS, show, "parameter `zz_id`: the path of a list has no parameter but project_id"),
        // Lists.
        of_list("*parameters", "[{$ref: '#/components/parameters/project_id'}]", "parameter `limit`: ", "it is missing, and paging needs it"),
        (with_operation(LIST_ZZ, BACKUPS).replacen("parameters: *parameters\n      responses: {'200': {headers: {O", "parameters: [{$ref: '#/components/parameters/project_id'}, {$ref: '#/components/parameters/limit'}, {$ref: '#/components/parameters/offset'}, {$ref: '#/components/parameters/marker'}, {$ref: '#/components/parameters/with_count'}]\n      responses: {'200': {headers: {O", 1), "operation `list_zz`: ", "its parameters are not those of the list at /v3/{project_id}/backups"),
        of_list("backups/trash", "backups", "", "duplicate"),
        (with_operation(LIST_ZZ, "{type: object, required: [backups], properties: {backups: {type: array, items: {type: object, required: [id, name], properties: {id: {type: string}, name: {type: string}}}}, backups_links: {type: array, items: {$ref: '#/components/schemas/Link'}}, count: {type: integer, minimum: 0}}}"), "schema `", "property `name`: it differs from that in"),
        (with_operation(LIST_ZZ, "{type: object, required: [backups], properties: {backups: {type: array, items: {type: string}}}}"), "operation `list_zz`: schema `ListZzResponse`: ", "its `backups` is not a required list of objects"),
    ];
    build(&with_operation(SHOW_ZZ, PART)).expect("what the others are variations of");
    build(&with_operation(LIST_ZZ, BACKUPS)).expect("what the others are variations of");
    check_messages(
        edits.into_iter().map(|(contract, place, part)| (contract, format!("openapi/vbs.yaml: {place}"), part)),
        &[],
    );
}

/// Each simulates the output of another version of progenitor.
#[test]
fn a_change_of_generated_code_that_finds_nothing_to_change_is_named() {
    for (old, new, said) in [
        (
            "ResponseValue :: from_response",
            "ResponseValue :: of_response",
            "decodes the response of operation `list_backups` in 0 places",
        ),
        ("self . pre (", "this . pre (", "calls `pre` of operation `list_backups` in 0 places"),
        ("self . exec (", "exec (self ,", "calls `exec` of operation `list_backups` in 0 places"),
        (
            "QueryParam :: new (\"limit\"",
            "QueryParam :: named (\"limit\"",
            "sends parameter `limit` of operation `list_backups` in 0 places",
        ),
        (
            "QueryParam :: new (\"name_like\"",
            "QueryParam :: new (\"nameLike\"",
            "sends parameter `name_like` of operation `list_backups` in 0 places",
        ),
        ("self . pre (", "self . pre () ; self . pre (", "calls `pre` of operation `list_backups` in 2 places"),
        ("fn show_backup", "fn showBackup", "decodes the response of operation `show_backup` in 0 places"),
        (
            "backup_id : & 'a str",
            "id : & 'a str",
            "takes an argument `backup_id` of operation `show_backup` in 0 places",
        ),
        (
            "project_id : & 'a str",
            "project : & 'a str",
            "takes an argument `project_id` of operation `list_backups` in 0 places",
        ),
        ("# [non_exhaustive]", "", "has `non_exhaustive` and `PartialEq` on type `Backup` in 0 places"),
        (", PartialEq", "", "has `non_exhaustive` and `PartialEq` on type `Backup` in 0 places"),
        ("pub struct Link ", "pub struct Address ", "has a type `Link` in 0 places"),
        ("pub object_count :", "pub objectCount :", "has a field `object_count` in type `BackupDetail` in 0 places"),
        (
            "pub mod types {",
            "pub mod types { pub struct BackupStatus (pub String) ;",
            "has a type `BackupStatus`, which was to be replaced",
        ),
        (
            "pub mod types {",
            "pub mod types { pub struct BackupList { }",
            "has a type `BackupList`, which was to be replaced",
        ),
        (
            "pub mod types {",
            "pub mod types { pub struct TimestampType (pub String) ;",
            "has a type `TimestampType`, which was to be replaced",
        ),
    ] {
        check_messages([(CONTRACT.to_owned(), "openapi/vbs.yaml: progenitor's code ".to_owned(), said)], &[old, new]);
    }
    assert_eq!(build_with(CONTRACT, &["no such code", ""]).0, build(CONTRACT));
}

/// Then it can be compared, and is no key of a map.
#[test]
fn a_number_takes_eq_and_hash_from_its_row_with_a_warning() {
    let derives = |code: &str, name: &str| {
        let (before, _) = code.split_once(&format!("pub struct {name} ")).unwrap();
        before.rsplit("#[derive(").next().unwrap().split_once(')').unwrap().0.replace([' ', '\n'], "")
    };
    let warnings = |said: &str| {
        said.lines().filter(|line| line.starts_with("cargo::warning=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (plain, said) = build_with(CONTRACT, &[]);
    assert_eq!(warnings(&said), [""; 0]);
    assert!(plain.as_ref().unwrap().contains("impl Eq for crate::mock::Row"));
    for name in ["Backup", "BackupDetail", "Link"] {
        assert!(derives(plain.as_ref().unwrap(), name).contains("Eq,Hash,PartialEq"), "{name}");
    }
    for property in [
        "{type: number}",
        "{type: array, items: {type: number}}",
        "{type: object, additionalProperties: {type: number}}",
        "{type: object, properties: {zz_extra: {type: number}}}",
    ] {
        let (generated, said) = build_with(&with_field(property), &[]);
        let generated = generated.unwrap();
        let start = "cargo::warning=openapi/vbs.yaml: schema `BackupDetail";
        let end = "property `zz_extra` is a number, so its type has neither `Eq` nor `Hash`";
        let warned = warnings(&said);
        assert!(warned.iter().all(|line| line.starts_with(start) && line.ends_with(end)), "{property}: {warned:?}");
        assert_eq!(warned.len(), 1 + usize::from(property.contains("properties:")), "{property}: {warned:?}");
        let derived = derives(&generated, "BackupDetail");
        assert!(
            derived.contains("PartialEq") && !derived.contains("Hash") && !derived.contains("Eq,Hash"),
            "{derived}"
        );
        assert!(derives(&generated, "Backup").contains("Eq,Hash,PartialEq"), "{property}");
        assert!(!generated.contains("impl Eq for crate::mock::Row"), "{property}");
    }
}

/// Each kind of field is in the types, and is decoded.
#[test]
fn every_kind_of_field_generates_its_type() {
    for (property, expected) in [
        ("{type: string}", "Option<::std::string::String>"),
        ("{type: string, minLength: 1, maxLength: 9, pattern: ^a}", "Option<::std::string::String>"),
        ("{type: string, format: uuid}", "Option<::std::string::String>"),
        ("{type: string, format: uri, nullable: true}", "Option<::std::string::String>"),
        ("{type: string, format: date-time}", "Option<::std::string::String>"),
        ("{type: boolean}", "Option<bool>"),
        ("{type: integer}", "Option<i64>"),
        ("{type: integer, minimum: 1, maximum: 5}", "Option<u64>"),
        ("{type: integer, format: uint64}", "Option<u64>"),
        ("{type: integer, minimum: -5}", "Option<i64>"),
        ("{type: number}", "Option<f64>"),
        ("{type: string, enum: [a, b]}", "Option<super::BackupDetailZzExtra>"),
        ("{type: string, x-extensible-enum: [a, b]}", "Option<super::BackupDetailZzExtra>"),
        ("{$ref: '#/components/schemas/BackupStatus'}", "Option<super::BackupStatus>"),
        ("{$ref: '#/components/schemas/Timestamp'}", "Option<::jiff::Timestamp>"),
        ("{$ref: '#/components/schemas/Link'}", "Option<Link>"),
        ("{type: object, properties: {a: {type: string}}}", "Option<BackupDetailZzExtra>"),
        ("{type: object}", "Option<::serde_json::Map<::std::string::String,::serde_json::Value>>"),
        (
            "{type: object, additionalProperties: {type: integer}}",
            "Option<::std::collections::BTreeMap<::std::string::String,i64>>",
        ),
        ("{type: array, items: {type: string}}", "Vec<::std::string::String>"),
        ("{type: array, nullable: true, items: {$ref: '#/components/schemas/Link'}}", "Option<::std::vec::Vec<Link>>"),
        ("{}", "Option<::serde_json::Value>"),
    ] {
        let generated = build(&with_field(property)).unwrap_or_else(|fault| panic!("{property}: {fault}"));
        let generated = generated.replace([' ', '\n'], "").replace(",>", ">");
        let field = generated.split_once("pubzz_extra:").unwrap().1;
        let (path, _) = field.split_once(",}").unwrap();
        assert!(path.starts_with("::") && path.ends_with(expected), "{property}: {path}");
    }
}
