//! Reads the contract, and checks what the crate relies on.

use std::collections::BTreeMap;

use heck::ToSnakeCase;
use serde_json::{Map, Value, json};
use syn::Ident;

use crate::text;

/// Where the paths of all operations begin.
pub const ROOT: &str = "/v3/{project_id}/";
/// Names that are used by `ListBackups`, in the path or in generated code: a parameter needs
/// another one.
const TAKEN: &str = "clone concurrency count header_map items microversion new page pages parameter parameters \
    prefetch project_id resume_at retry send with";
/// What paging needs.
const NEEDED: &[&str] = &["limit", "offset", "marker", "with_count"];

/// The contract, checked.
pub struct Contract {
    /// What progenitor generates a client from.
    pub document: Value,
    /// How many operations there are.
    pub requests: usize,
    /// Those that list.
    pub operations: Vec<Operation>,
    /// Those of every operation.
    pub parameters: Vec<Parameter>,
    pub open_enums: Vec<OpenEnum>,
    /// The names of the token's header and of the headers of a response.
    pub headers: Vec<String>,
    /// The Rust names of properties, by their names on the wire.
    pub renamed: BTreeMap<String, String>,
}

/// An operation that lists backups.
pub struct Operation {
    pub id: String,
    pub path: String,
    /// The schema of its response.
    pub list: String,
    /// The schema of a backup in it.
    pub row: String,
}

/// A query parameter.
pub struct Parameter {
    pub wire: String,
    pub rust: String,
    pub description: String,
    pub example: Value,
    pub microversion: Option<(u32, u32)>,
    pub kind: Kind,
}

/// A text may have the name of its schema, if that is an open enum.
pub enum Kind {
    Text { min: Option<i64>, max: Option<i64>, open_enum: Option<String> },
    Integer { min: Option<i64>, max: Option<i64> },
    Boolean { default: Option<bool> },
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Text { .. } => "string",
            Self::Integer { .. } => "integer",
            Self::Boolean { .. } => "boolean",
        }
    }
}

/// An open set of known values.
pub struct OpenEnum {
    pub name: String,
    pub description: String,
    pub values: Vec<String>,
}

impl Contract {
    pub fn load(contract: &str) -> Result<Self, String> {
        let document = document(contract)?;
        let paths = document["paths"].as_object().into_iter().flatten();
        let operations: Vec<_> =
            paths.map(|(path, item)| operation(path, item, &document)).collect::<Result<_, _>>()?;
        let first = operations.first().ok_or("there is no operation `get` under its paths")?;
        let get = |operation: &Operation| &document["paths"][&operation.path]["get"];
        let list = get(first);
        if let Some(other) = operations.iter().find(|other| get(other)["parameters"] != list["parameters"]) {
            return Err(format!("operation `{}`: its parameters are not those of `{}`", other.id, first.id));
        }
        let response = &list["responses"]["200"]["headers"];
        let (kept, parameters) = parameters(&list["parameters"], response, &document)?;

        let token = document["components"]["securitySchemes"]["token"]["name"]
            .as_str()
            .ok_or("there is no security scheme `token` with the name of a header")?;
        let response = response.as_object().into_iter().flat_map(Map::keys);
        let headers = [token].into_iter().chain(response.map(String::as_str)).map(str::to_owned).collect();
        let open_enums = open_enums(&document)?;
        let (document, renamed) = prepare(document, &kept)?;
        Ok(Self { document, requests: operations.len(), operations, parameters, open_enums, headers, renamed })
    }

    /// The contract of the identity service: one operation `post` without parameters.
    pub fn load_sign_in(contract: &str) -> Result<Self, String> {
        let document = document(contract)?;
        let mut paths = document["paths"].as_object().into_iter().flat_map(Map::values);
        let (Some(item), None) = (paths.next(), paths.next()) else { return Err("it has not one path".to_owned()) };
        let response = item["post"]["responses"]["201"]["headers"].as_object();
        let headers = response.ok_or("there is no operation `post` whose response 201 has headers")?;
        let headers = headers.keys().cloned().collect();
        let (document, renamed) = prepare(document, &[])?;
        let (operations, parameters, open_enums) = Default::default();
        Ok(Self { document, requests: 1, operations, parameters, open_enums, headers, renamed })
    }
}

fn document(contract: &str) -> Result<Value, String> {
    // Read twice, because only YAML's own value type refuses a key that is written twice.
    yaml_serde::from_str::<yaml_serde::Value>(contract).map_err(text)?;
    yaml_serde::from_str(contract).map_err(text)
}

// ------------------------------------------------------------------------------- operations --

fn operation(path: &str, item: &Value, document: &Value) -> Result<Operation, String> {
    if !path.starts_with(ROOT) {
        return Err(format!("path `{path}`: it does not begin with {ROOT}"));
    }
    if !item["get"].is_object() {
        return Err(format!("there is no operation `get` at {path}"));
    }
    if !item["parameters"].is_null() {
        return Err(format!("{path} has parameters of its own: they belong to its operation `get`"));
    }
    let id = item["get"]["operationId"].as_str().filter(|id| is_rust_name(id));
    let id = id.ok_or_else(|| format!("the operationId at {path} is not a Rust name in snake case"))?;
    let fault = |what: String| format!("operation `{id}`: {what}");
    let response = &item["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    let (list, name) = component(response, "schema", document).map_err(fault)?;
    let (_, row) = component(&list["properties"]["backups"]["items"], "schema", document).map_err(fault)?;
    known_keys(&list["properties"], "backups backups_links count").map_err(fault)?;
    let (Some(name), Some(row)) = (name, row) else {
        return Err(fault("its response has no schema with a list of `backups`".to_owned()));
    };
    Ok(Operation { id: id.to_owned(), path: path.to_owned(), list: name.to_owned(), row: row.to_owned() })
}

/// What a value or its `$ref` stands for, with the name of the component that it refers to.
fn component<'a>(value: &'a Value, what: &str, document: &'a Value) -> Result<(&'a Value, Option<&'a str>), String> {
    let Some(reference) = value["$ref"].as_str() else { return Ok((value, None)) };
    let name = reference.strip_prefix(&format!("#/components/{what}s/")).unwrap_or_default();
    let found = document["components"][format!("{what}s")].get(name);
    Ok((found.ok_or_else(|| format!("there is no {what} `{reference}`"))?, Some(name)))
}

fn is_rust_name(name: &str) -> bool {
    name.to_snake_case() == name && syn::parse_str::<Ident>(name).is_ok()
}

// ------------------------------------------------------------------------------- parameters --

/// The parameters that progenitor is to know, and the query parameters among them.
fn parameters(list: &Value, response: &Value, document: &Value) -> Result<(Vec<Value>, Vec<Parameter>), String> {
    let mut kept = Vec::new();
    let mut parameters: Vec<Parameter> = Vec::new();
    for parameter in list.as_array().into_iter().flatten() {
        let mut parameter = component(parameter, "parameter", document)?.0.clone();
        let name = parameter["name"].as_str().ok_or("a parameter has no name")?.to_owned();
        let fault = |what: String| format!("parameter `{name}`: {what}");
        match parameter["in"].as_str() {
            // Its bounds are the client builder's to check, once, and with a clearer message.
            Some("path") if ROOT.contains(&format!("{{{name}}}")) => {
                set(&mut parameter, "schema", json!({"type": "string"}))
            }
            Some("path") => return Err(fault(format!("it is not in {ROOT}"))),
            // The microversion follows from the parameters in use, so the hooks set its header, which
            // the response has, too. As a parameter of the generated client it could be set wrong.
            Some("header") if !response[&name].is_null() => continue,
            Some("header") => return Err(fault("a header that the response does not have can't be set".to_owned())),
            Some("query") => {
                let query = query_parameter(&name, &parameter, document).map_err(fault)?;
                if parameters.iter().any(|other| other.wire == name) {
                    return Err(fault("it is there twice".to_owned()));
                }
                if let Some(other) = parameters.iter().find(|other| other.rust == query.rust) {
                    return Err(fault(format!(
                        "its Rust name `{}` is that of parameter `{}` too: give it another one as x-rust-name",
                        query.rust, other.wire
                    )));
                }
                // `name` and `name~` would become the same identifier, so progenitor sees the Rust name,
                // and the wire name is restored in its output. The bounds are checked before:
                // progenitor's message would not say what is wrong.
                set(&mut parameter, "name", json!(query.rust));
                set(&mut parameter, "schema", json!({"type": query.kind.name()}));
                parameters.push(query);
            }
            _ => return Err(fault(format!("its `in` is {}, where query, header or path is needed", parameter["in"]))),
        }
        kept.push(parameter);
    }
    match NEEDED.iter().find(|name| !parameters.iter().any(|parameter| parameter.rust == **name)) {
        Some(missing) => Err(format!("parameter `{missing}`: it is not there, and paging needs it")),
        None => Ok((kept, parameters)),
    }
}

fn set(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn query_parameter(name: &str, parameter: &Value, document: &Value) -> Result<Parameter, String> {
    // One that is misspelt or misplaced could be the microversion, without which a filter is ignored.
    known_keys(
        parameter,
        "name in required description schema example examples deprecated style explode allowEmptyValue allowReserved \
         x-rust-name x-openstack",
    )?;
    if ![Value::Null, Value::Bool(false)].contains(&parameter["required"]) {
        return Err("a query parameter can only be `required: false`".to_owned());
    }
    let rust = match &parameter["x-rust-name"] {
        Value::Null => name.to_snake_case(),
        Value::String(rust) => rust.clone(),
        _ => return Err("x-rust-name is not a string".to_owned()),
    };
    if !is_rust_name(&rust) {
        return Err(format!("`{rust}` is not a Rust name in snake case: give it one as x-rust-name"));
    }
    if TAKEN.split(' ').any(|taken| taken == rust) {
        return Err(format!("its Rust name `{rust}` is taken: give it another one as x-rust-name"));
    }
    let description = parameter["description"].as_str().map(str::trim).filter(|text| !text.is_empty());
    Ok(Parameter {
        wire: name.to_owned(),
        rust,
        description: description.ok_or("it has no description")?.to_owned(),
        example: parameter["example"].clone(),
        microversion: parameter.get("x-openstack").map(microversion).transpose()?,
        kind: kind(&parameter["schema"], document)?,
    })
}

fn known_keys(object: &Value, known: &str) -> Result<(), String> {
    let mut keys = object.as_object().into_iter().flat_map(Map::keys);
    match keys.find(|key| !known.split(' ').any(|known| known == *key)) {
        Some(key) => Err(format!("`{key}` is not understood here: {} are", known.replace(' ', ", "))),
        None => Ok(()),
    }
}

pub fn microversion(extension: &Value) -> Result<(u32, u32), String> {
    let keys: Vec<_> = extension.as_object().into_iter().flat_map(Map::keys).collect();
    if keys != ["min-ver"] {
        return Err("x-openstack has to be {min-ver: \"X.Y\"}".to_owned());
    }
    // Without quotes YAML reads a number, in which 3.30 and 3.3 are the same.
    let version = extension["min-ver"].as_str().ok_or("min-ver has to be in quotes")?;
    // As it would be printed: without signs, blanks and leading zeros.
    let number = |digits: &str| digits.parse().ok().filter(|number: &u32| number.to_string() == digits);
    let parts = version.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    parts.ok_or_else(|| format!("min-ver `{version}` is not of the form X.Y"))
}

fn kind(schema: &Value, document: &Value) -> Result<Kind, String> {
    let (schema, name) = component(schema, "schema", document)?;
    let keys = |bounds: &str| {
        let known = format!("type format title description default example nullable deprecated{bounds}");
        known_keys(schema, &known).map_err(|fault| format!("in its schema, {fault}"))
    };
    match schema["type"].as_str() {
        Some("string") => {
            keys(" minLength maxLength pattern x-extensible-enum")?;
            let (min, max) = bounds(schema, "minLength", "maxLength", 0)?;
            let open_enum = name.filter(|_| schema["x-extensible-enum"].is_array()).map(str::to_owned);
            Ok(Kind::Text { min, max, open_enum })
        }
        Some("integer") => {
            keys(" minimum maximum")?;
            let (min, max) = bounds(schema, "minimum", "maximum", i64::MIN)?;
            Ok(Kind::Integer { min, max })
        }
        Some("boolean") => keys("").map(|()| Kind::Boolean { default: schema["default"].as_bool() }),
        Some(other) => Err(format!("its type is `{other}`, where string, integer or boolean is needed")),
        None => Err("its schema has no type of its own".to_owned()),
    }
}

fn bounds(schema: &Value, min: &str, max: &str, lowest: i64) -> Result<(Option<i64>, Option<i64>), String> {
    let bound = |name: &str| match (&schema[name], schema[name].as_i64()) {
        (Value::Null, _) => Ok(None),
        (_, Some(bound)) if bound >= lowest => Ok(Some(bound)),
        (other, _) => Err(format!("its {name} can't be {other}")),
    };
    match (bound(min)?, bound(max)?) {
        (Some(low), Some(high)) if low > high => Err(format!("its {min} is above its {max}")),
        found => Ok(found),
    }
}

// ---------------------------------------------------------------------------------- schemas --

fn open_enums(document: &Value) -> Result<Vec<OpenEnum>, String> {
    let mut enums = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let Some(values) = schema["x-extensible-enum"].as_array() else { continue };
        let values = values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<_>>();
        let values =
            values.ok_or_else(|| format!("schema `{name}`: its x-extensible-enum has a value that is not a string"))?;
        let description = schema["description"].as_str().unwrap_or_default().to_owned();
        enums.push(OpenEnum { name: name.clone(), description, values });
    }
    Ok(enums)
}

/// Leaves in the contract what progenitor can use. Returns the Rust names of properties, too.
fn prepare(mut document: Value, parameters: &[Value]) -> Result<(Value, BTreeMap<String, String>), String> {
    for item in children(&mut document, "/paths").into_iter().flat_map(Map::values_mut) {
        let methods = item.as_object_mut().into_iter().flat_map(Map::iter_mut);
        for (_, operation) in methods.filter(|(method, _)| ["get", "post"].contains(&method.as_str())) {
            set(operation, "parameters", json!(parameters));
            // An error's body need not be JSON, whatever the contract says, and progenitor would lose
            // the status with a body that it can't decode. Without a schema the response arrives whole.
            if let Some(responses) = children(operation, "/responses") {
                responses.retain(|status, _| status.starts_with('2'));
            }
        }
    }
    let mut renamed = BTreeMap::new();
    let Some(schemas) = children(&mut document, "/components/schemas") else { return Ok((document, renamed)) };
    schemas.remove("FaultBody");
    for (schema, of) in schemas {
        for (name, property) in children(of, "/properties").into_iter().flatten() {
            let fault = |what: String| format!("schema `{schema}`: property `{name}`: {what}");
            match &property["x-rust-name"] {
                Value::Null => {}
                Value::String(rust) if is_rust_name(rust) => drop(renamed.insert(name.clone(), rust.clone())),
                other => return Err(fault(format!("{other} is not a Rust name in snake case"))),
            }
            if let Some(extension) = property.get("x-openstack") {
                let (major, minor) = microversion(extension).map_err(fault)?;
                let description = property["description"].as_str().unwrap_or_default();
                let description = format!(
                    "{description}\n\nNeeds microversion **{major}.{minor}**: see [`ListBackups::microversion`](crate::ListBackups::microversion)."
                );
                set(property, "description", json!(description));
            }
        }
    }
    Ok((document, renamed))
}

fn children<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut)
}
