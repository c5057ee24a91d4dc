//! Reads the contract, and checks the operations, parameters and headers that the crate relies on. `schema.rs` reads
//! its schemas.

use heck::{ToPascalCase, ToSnakeCase};
use serde_json::{Map, Value, json};
use syn::Ident;

use crate::schema::{Field, Schemas, flag, reference, text};

/// The start of all paths.
pub const ROOT: &str = "/v3/{project_id}/";
/// Names in use by `ListBackups`, the path or generated code: a parameter needs another name.
const TAKEN: &str = "clone concurrency count header_map info items microversion new page pages parameter parameters \
    prefetch project_id request response resume_at retry send url with";
/// Methods of `Client`, or of the generated one: an operation needs another name.
const METHODS: &str = "api_version baseurl builder client clone endpoint exec from_cloud from_env inner new \
    new_with_client post pre project_id";
/// Methods of the mock's rows: a field needs another name.
const ROW: &str = "clone dated id made_up new set_links set_sort_time sort_time text_of";
/// The lists that the crate's own code uses, with the types of their rows.
const LISTS: [(&str, &str); 2] = [("list_backups", "Backup"), ("list_backups_detail", "BackupDetail")];
/// What paging needs.
const PAGING: [(&str, &str); 4] =
    [("limit", "integer"), ("offset", "integer"), ("marker", "string"), ("with_count", "boolean")];
/// The headers of a response that the crate reads.
const HEADERS: [&str; 2] = ["OpenStack-API-Version", "x-openstack-request-id"];

/// The contract, checked.
pub struct Contract<'a> {
    /// The document for progenitor.
    pub document: Value,
    pub schemas: Schemas<'a>,
    pub operations: Vec<Operation>,
    /// The ids of all operations, also of the one that signs in.
    pub ids: Vec<String>,
    /// The query parameters of every list.
    pub parameters: Vec<Parameter>,
    /// The names of the headers, with their constants.
    pub headers: Vec<(String, String)>,
}

/// An operation `get`.
pub struct Operation {
    pub id: String,
    pub path: String,
    pub doc: String,
    pub deprecated: bool,
    pub microversion: Option<(u32, u32)>,
    /// The type of its response.
    pub response: String,
    pub kind: Returns,
    /// The arguments of the generated method, in its order.
    pub arguments: Vec<String>,
}

/// What an operation returns, by the type's name.
pub enum Returns {
    List {
        row: String,
    },
    /// One object. `property` is that of the response that has the object, unless the response is the object; and the
    /// path's parameters.
    Object {
        object: String,
        property: Option<String>,
        parameters: Vec<Parameter>,
    },
}

impl Operation {
    /// The type of a list's rows.
    pub fn row(&self) -> Option<&str> {
        match &self.kind {
            Returns::List { row } => Some(row),
            Returns::Object { .. } => None,
        }
    }

    /// The type of a response with one object, and its property that has the object.
    pub fn key(&self) -> Option<(&str, &str)> {
        match &self.kind {
            Returns::Object { property: Some(key), .. } => Some((&self.response, key)),
            _ => None,
        }
    }

    pub fn path_parameters(&self) -> &[Parameter] {
        match &self.kind {
            Returns::List { .. } => &[],
            Returns::Object { parameters, .. } => parameters,
        }
    }
}

/// A parameter of the query or the path.
pub struct Parameter {
    pub in_path: bool,
    pub wire: String,
    pub rust: String,
    pub description: String,
    pub example: Value,
    pub deprecated: bool,
    pub microversion: Option<(u32, u32)>,
    pub kind: Kind,
    /// Further conditions on its value, for the docs.
    pub notes: Vec<String>,
}

/// The kind of a value. A text of an open enum has the name of that type.
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

impl<'a> Contract<'a> {
    pub fn load(document: &'a Value) -> Result<Self, String> {
        let mut schemas = Schemas::new(document, false);
        let (mut operations, mut simple) = (Vec::new(), Map::new());
        let mut lists: Option<(String, Vec<Parameter>)> = None;
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            let (operation, parameters, kept) = operation(path, item, &mut schemas)?;
            let get = json!({"get": {"operationId": operation.id, "parameters": kept, "responses": {"200":
                json_body(&operation.response)}}});
            simple.insert(path.clone(), get);
            if let Returns::List { .. } = operation.kind {
                let own = &item["get"]["parameters"];
                match &lists {
                    None => lists = Some((path.clone(), parameters)),
                    Some((first, _)) if document["paths"][first]["get"]["parameters"] == *own => {}
                    Some((first, _)) => {
                        let id = &operation.id;
                        return Err(format!("operation `{id}`: its parameters are not those of the list at {first}"));
                    }
                }
            }
            operations.push(operation);
        }
        check_operations(&operations, &schemas)?;
        let parameters = lists.map(|(_, parameters)| parameters).unwrap_or_default();
        let token = &document["components"]["securitySchemes"]["token"];
        if token["in"] != "header" {
            return Err("security scheme `token`: only `in: header` is supported".to_owned());
        }
        let mut headers = vec![("X_AUTH_TOKEN".to_owned(), header(&token["name"], "security scheme `token`")?)];
        headers.extend(HEADERS.map(|name| (name.replace('-', "_").to_uppercase(), name.to_lowercase())));
        let document = simple_document(document, simple, &schemas);
        let ids = operations.iter().map(|operation| operation.id.clone()).collect();
        Ok(Self { document, schemas, operations, ids, parameters, headers })
    }

    /// Whether a type is a response that only wraps others: users do not see it.
    pub fn is_envelope(&self, name: &str) -> bool {
        let holds = |operation: &Operation| operation.row().is_some() || operation.key().is_some();
        self.operations.iter().any(|operation| operation.response == name && holds(operation))
    }

    /// The query parameters of an operation.
    pub fn query_of(&self, operation: &Operation) -> &[Parameter] {
        match operation.kind {
            Returns::List { .. } => &self.parameters,
            Returns::Object { .. } => &[],
        }
    }

    /// The contract of the identity service: one operation `post` without parameters.
    pub fn load_sign_in(document: &'a Value) -> Result<Self, String> {
        let mut schemas = Schemas::new(document, true);
        let mut paths = document["paths"].as_object().into_iter().flatten();
        let (Some((path, item)), None) = (paths.next(), paths.next()) else {
            return Err("it has to have exactly one path".to_owned());
        };
        let response = &item["post"]["responses"]["201"];
        let names =
            response["headers"].as_object().ok_or("there is no operation `post` whose response 201 has headers")?;
        let headers = names.keys().map(|name| Ok((name.replace('-', "_").to_uppercase(), header(&json!(name), path)?)));
        let headers = headers.collect::<Result<_, String>>()?;
        let body = |of: &Value| of["content"]["application/json"]["schema"].clone();
        let request = schemas.object(&body(&item["post"]["requestBody"]), "Request", "the request")?;
        let answer = schemas.object(&body(response), "Response", "the response 201")?;
        let mut body = json_body(&request);
        body["required"] = json!(true);
        let id = &item["post"]["operationId"];
        let post = json!({"operationId": id, "requestBody": body, "responses": {"201": json_body(&answer)}});
        let paths = Map::from_iter([(path.clone(), json!({"post": post}))]);
        let document = simple_document(document, paths, &schemas);
        let ids = vec![id.as_str().unwrap_or_default().to_owned()];
        Ok(Self { document, schemas, operations: Vec::new(), ids, parameters: Vec::new(), headers })
    }
}

/// Reads a document, and refuses duplicate keys, which a JSON value would lose.
pub fn document(contract: &str) -> Result<Value, String> {
    // Read twice, because only YAML's own value type refuses such a key.
    yaml_serde::from_str::<yaml_serde::Value>(contract).map_err(|error| error.to_string())?;
    let document: Value = yaml_serde::from_str(contract).map_err(|error| error.to_string())?;
    match document["openapi"].as_str() {
        Some(version) if version.starts_with("3.0.") => Ok(document),
        _ => Err(format!("openapi: {} is not supported, only 3.0.x", document["openapi"])),
    }
}

/// The document for progenitor, reduced to what is needed. Only the successful response is left: progenitor loses the
/// status of an error whose body it can't decode, and that body need not be JSON.
fn simple_document(document: &Value, paths: Map<String, Value>, schemas: &Schemas<'_>) -> Value {
    let info = json!({"title": document["info"]["title"], "version": "1"});
    json!({"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": schemas.simple}})
}

fn json_body(object: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{object}")});
    json!({"description": "", "content": {"application/json": {"schema": schema}}})
}

/// The name of a header, in lower case.
fn header(name: &Value, place: &str) -> Result<String, String> {
    let name = name.as_str().ok_or_else(|| format!("{place}: it has no header name"))?.to_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    match !name.is_empty() && name.bytes().all(is_token) {
        true => Ok(name),
        false => Err(format!("{place}: `{name}` can't be the name of a header")),
    }
}

// ------------------------------------------------------------------------------- operations --

/// An operation, its query parameters, and the parameters that progenitor is to know.
fn operation(
    path: &str,
    item: &Value,
    schemas: &mut Schemas<'_>,
) -> Result<(Operation, Vec<Parameter>, Vec<Value>), String> {
    if !path.starts_with(ROOT) {
        return Err(format!("path `{path}`: it does not begin with {ROOT}"));
    }
    let is_segment = |segment: &str| {
        let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(segment);
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if let Some(other) = path.split('/').skip(1).find(|segment| !is_segment(segment)) {
        return Err(format!("path `{path}`: `{other}` is neither a word nor a parameter in braces"));
    }
    let methods = item.as_object().into_iter().flat_map(Map::keys);
    if let Some(key) = methods.clone().find(|key| *key != "get") {
        return Err(match key.as_str() {
            "parameters" => format!("path `{path}`: it has parameters of its own: they belong to its operation `get`"),
            "post" | "put" | "patch" | "delete" => {
                format!("path `{path}`: it has an operation `{key}`, which changes something: this crate only reads")
            }
            _ => format!("path `{path}`: `{key}` is not supported, only `get` is"),
        });
    }
    let get = &item["get"];
    let id = get["operationId"]
        .as_str()
        .filter(|id| is_rust_name(id) && !METHODS.split_whitespace().any(|taken| taken == *id));
    let id = id.ok_or_else(|| format!("path `{path}`: its operationId is not a Rust name in snake case, or taken"))?;
    let place = format!("operation `{id}`");
    let fault = |what: String| format!("{place}: {what}");
    known_keys(get, "operationId tags summary description externalDocs deprecated parameters responses x-openstack")
        .map_err(fault)?;
    let responses = get["responses"].as_object().into_iter().flatten();
    if let Some((other, _)) =
        responses.clone().find(|(status, _)| !status.starts_with(['3', '4', '5']) && *status != "200")
    {
        return Err(fault(format!("its response `{other}` is not supported, only 200, and those of errors")));
    }
    let response = &get["responses"]["200"];
    for name in HEADERS {
        let mut names = response["headers"].as_object().into_iter().flat_map(Map::keys);
        if !names.any(|header| header.eq_ignore_ascii_case(name)) {
            return Err(fault(format!("its response 200 has no header {name}, which is read")));
        }
    }
    let body = &response["content"]["application/json"]["schema"];
    let response = schemas.object(body, &(id.to_pascal_case() + "Response"), &format!("{place}: its response 200"))?;
    let (mut query, mut in_path, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for parameter in get["parameters"].as_array().into_iter().flatten() {
        let parameter = shared(parameter, schemas.document(), &place)?;
        let Some((at, read, simple)) = read_parameter(parameter, path, schemas, &place)? else { continue };
        let all = if at == "path" { &mut in_path } else { &mut query };
        kept.push(simple);
        all.extend(read);
    }
    check_names(&in_path)?;
    check_names(&query)?;
    let known = |name: &str| name == "project_id" || in_path.iter().any(|known: &Parameter| known.wire == name);
    let mut names = path.split(['{', '}']).skip(1).step_by(2);
    if let Some(missing) = names.find(|name| !known(name)) {
        return Err(fault(format!("there is no parameter for `{{{missing}}}` in its path")));
    }
    if path.matches('{').count() != 1 + in_path.len() {
        return Err(fault("its path has a parameter twice".to_owned()));
    }
    if !kept.iter().any(|kept| kept["name"] == "project_id") {
        return Err(fault("it has no parameter `project_id`".to_owned()));
    }
    let kind = returns(&response, schemas, in_path, &place)?;
    match (&kind, query.first()) {
        (Returns::Object { .. }, Some(Parameter { wire, .. })) => {
            return Err(fault(format!(
                "parameter `{wire}`: an operation that returns one object can't have query parameters"
            )));
        }
        (Returns::Object { .. }, None) => {}
        (Returns::List { .. }, _) => check_paging(&query)?,
    }
    let [summary, description] = ["summary", "description"].map(|key| text(get, key).map_err(fault));
    let operation = Operation {
        id: id.to_owned(),
        path: path.to_owned(),
        doc: format!("{}.\n\n{}", summary?.trim_end_matches('.'), description?),
        deprecated: flag(get, "deprecated").map_err(fault)?,
        microversion: get.get("x-openstack").map(microversion).transpose().map_err(fault)?,
        response,
        kind,
        arguments: Vec::new(),
    };
    Ok((operation, query, kept))
}

/// What a response has: a list if it has `backups`; one object as its only property; or it is the object itself.
fn returns(response: &str, schemas: &Schemas<'_>, parameters: Vec<Parameter>, place: &str) -> Result<Returns, String> {
    let fields = |name: &str| schemas.fields(name);
    let object = |field: &Field| reference(&field.schema).filter(|name| !fields(name).is_empty()).map(str::to_owned);
    let rest = fields(response);
    let fault = |what: &str| Err(format!("{place}: schema `{response}`: {what}"));
    if !fields(response).iter().any(|field| field.wire == "backups") {
        return match rest {
            [one] if object(one).is_some() && (!one.required || one.nullable) => {
                fault(&format!("property `{}`: it is the object, so it has to be required", one.wire))
            }
            [one] if object(one).is_some() => {
                let property = Some(one.wire.clone());
                Ok(Returns::Object { object: object(one).unwrap_or_default(), property, parameters })
            }
            _ => Ok(Returns::Object { object: response.to_owned(), property: None, parameters }),
        };
    }
    if let Some(Parameter { wire, .. }) = parameters.first() {
        return Err(format!("{place}: parameter `{wire}`: the path of a list has no parameter but project_id"));
    }
    let items = |wire: &str| {
        let field = rest.iter().find(|field| field.wire == wire && !field.nullable)?;
        Some((field.required, reference(&field.schema["items"]).filter(|name| !fields(name).is_empty())?))
    };
    let Some((true, row)) = items("backups") else {
        return fault("its `backups` is not a required list of objects");
    };
    if !schemas.has_text(row, "id") {
        return Err(format!("schema `{row}`: its `id` is not a required string: paging needs it"));
    }
    if !matches!(items("backups_links"), Some((false, "Link"))) {
        return fault("its `backups_links` is not an optional list of `Link`: paging needs it");
    }
    if fields("Link").len() != 2 || !schemas.has_text("Link", "href") || !schemas.has_text("Link", "rel") {
        return Err(
            "schema `Link`: it has to have `href` and `rel`, both required strings, and nothing else".to_owned()
        );
    }
    let count = rest.iter().find(|field| field.wire == "count");
    if !count.is_some_and(|field| !field.required && !field.nullable && field.schema["format"] == "uint64") {
        return fault("its `count` is not an optional integer with a minimum of 0");
    }
    if let Some(other) = rest.iter().find(|field| !["backups", "backups_links", "count"].contains(&field.wire.as_str()))
    {
        return fault(&format!("property `{}`: `Page` has no field for it", other.wire));
    }
    let taken = |field: &&Field| field.wire != "id" && ROW.split(' ').any(|taken| taken == field.rust);
    if let Some(field) = fields(row).iter().find(taken) {
        let what = format!("its Rust name `{}` is taken: give it another one as x-rust-name", field.rust);
        return Err(format!("schema `{row}`: property `{}`: {what}", field.wire));
    }
    Ok(Returns::List { row: row.to_owned() })
}

fn check_operations(operations: &[Operation], schemas: &Schemas<'_>) -> Result<(), String> {
    let rows = || {
        operations.iter().filter_map(|operation| match &operation.kind {
            Returns::List { row } => Some((operation.id.as_str(), row.as_str())),
            Returns::Object { .. } => None,
        })
    };
    for (id, row) in LISTS {
        if !rows().any(|found| found == (id, row)) {
            return Err(format!("operation `{id}`: it is missing, or its rows are not the schema `{row}`"));
        }
    }
    let shape = |operation: &Operation| operation.path.split(['{', '}']).step_by(2).collect::<String>();
    for (at, operation) in operations.iter().enumerate() {
        if operations.iter().take(at).any(|other| other.id == operation.id) {
            return Err(format!("operation `{}`: it occurs twice", operation.id));
        }
        if let Some(other) = operations.iter().take(at).find(|other| shape(other) == shape(operation)) {
            return Err(format!("operation `{}`: its path is that of `{}`, too", operation.id, other.id));
        }
    }
    // The mock's rows have the fields of all lists, and the mock keeps them in one order.
    let all = || rows().flat_map(|(_, row)| schemas.fields(row).iter().map(move |field| (row, field)));
    for (row, field) in all() {
        let differs = |other: &Field| {
            other.rust == field.rust
                && (&other.wire, &other.schema, other.required, other.nullable)
                    != (&field.wire, &field.schema, field.required, field.nullable)
        };
        if let Some((other, _)) = all().find(|(_, other)| differs(other)) {
            return Err(format!("schema `{row}`: property `{}`: it differs from that in `{other}`", field.wire));
        }
        if let Some((_, other)) = all().find(|(_, other)| other.sort_key && field.sort_key && other.wire != field.wire)
        {
            return Err(format!("schema `{row}`: property `{}`: `{}` is the x-sort-key", field.wire, other.wire));
        }
    }
    Ok(())
}

pub fn is_rust_name(name: &str) -> bool {
    // A keyword that syn does not know yet.
    name.to_snake_case() == name && syn::parse_str::<Ident>(name).is_ok() && name != "gen"
}

// ------------------------------------------------------------------------------- parameters --

/// The parameter, or the one that its `$ref` names.
fn shared<'a>(parameter: &'a Value, document: &'a Value, place: &str) -> Result<&'a Value, String> {
    let Some(reference) = parameter["$ref"].as_str() else { return Ok(parameter) };
    let name = reference.strip_prefix("#/components/parameters/").unwrap_or_default();
    let found = document["components"]["parameters"].get(name);
    found.ok_or_else(|| format!("{place}: there is no parameter `{reference}`"))
}

/// Where a parameter is, what a caller sets, and what progenitor gets. None for a header, which the hooks set.
#[allow(clippy::type_complexity)]
fn read_parameter(
    parameter: &Value,
    path: &str,
    schemas: &mut Schemas<'_>,
    place: &str,
) -> Result<Option<(&'static str, Option<Parameter>, Value)>, String> {
    let name = parameter["name"].as_str().ok_or_else(|| format!("{place}: a parameter has no name"))?;
    let fault = |what: String| format!("parameter `{name}`: {what}");
    let simple = |at: &str, name: &str, kind: &str| json!({"name": name, "in": at, "required": at == "path", "schema": {"type": kind}});
    match parameter["in"].as_str() {
        // The client's builder checks its bounds, once and with a clearer message.
        Some("path") if name == "project_id" => Ok(Some(("path", None, simple("path", name, "string")))),
        Some("path") if path.contains(&format!("{{{name}}}")) => {
            let read = parse(name, parameter, true, schemas).map_err(fault)?;
            match read.kind {
                Kind::Text { open_enum: None, .. } if read.rust == name && read.microversion.is_none() => {
                    Ok(Some(("path", Some(read), simple("path", name, "string"))))
                }
                _ => Err(fault("in a path, only a plain string with a Rust name is supported".to_owned())),
            }
        }
        Some("path") => Err(fault(format!("it is not in {path}"))),
        // The microversion follows from the parameters in use, so the hooks set its header.
        Some("header") if name.eq_ignore_ascii_case(HEADERS[0]) => Ok(None),
        Some("header") => Err(fault("a header that the response does not have can't be set".to_owned())),
        Some("query") => {
            let read = parse(name, parameter, false, schemas).map_err(fault)?;
            // `name` and `name~` would become the same identifier, so progenitor sees the Rust name, and the wire
            // name is restored in its output. The bounds are checked before: progenitor's message would not say what
            // is wrong.
            let simple = simple("query", &read.rust, read.kind.name());
            Ok(Some(("query", Some(read), simple)))
        }
        _ => Err(fault(format!("its `in` is {}, where query, header or path is needed", parameter["in"]))),
    }
}

/// Checks that no two parameters have the same name.
fn check_names(parameters: &[Parameter]) -> Result<(), String> {
    for (at, parameter) in parameters.iter().enumerate() {
        let Parameter { wire, rust, .. } = parameter;
        let before = parameters.iter().take(at);
        if before.clone().any(|other| other.wire == *wire) {
            return Err(format!("parameter `{wire}`: it occurs twice"));
        }
        if let Some(other) = before.clone().find(|other| other.rust == *rust) {
            let other = &other.wire;
            let what = format!("its Rust name `{rust}` is that of parameter `{other}` too");
            return Err(format!("parameter `{wire}`: {what}: give it another one as x-rust-name"));
        }
    }
    Ok(())
}

/// Checks that paging has what it needs.
fn check_paging(parameters: &[Parameter]) -> Result<(), String> {
    for (name, kind) in PAGING {
        let found = parameters.iter().find(|parameter| parameter.rust == name);
        let found = found.ok_or_else(|| format!("parameter `{name}`: it is missing, and paging needs it"))?;
        match found.kind {
            Kind::Integer { min: Some(1..), .. } => {
                return Err(format!("parameter `{name}`: its minimum is not 0, which paging needs"));
            }
            _ if found.kind.name() == kind => {}
            _ => return Err(format!("parameter `{name}`: its type has to be {kind}: paging needs it")),
        }
    }
    Ok(())
}

fn parse(name: &str, parameter: &Value, required: bool, schemas: &mut Schemas<'_>) -> Result<Parameter, String> {
    // A misspelt or misplaced key could be the microversion, without which a filter is ignored.
    known_keys(parameter, "name in required description schema example deprecated x-rust-name x-openstack")?;
    if flag(parameter, "required")? != required {
        return Err(format!("a parameter in its place can only be `required: {required}`"));
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
    let description = text(parameter, "description")?;
    if description.is_empty() {
        return Err("it has no description".to_owned());
    }
    let (kind, notes, example) = kind(&parameter["schema"], schemas)?;
    let example = if parameter["example"].is_null() { &example } else { &parameter["example"] };
    if !example.is_null() && !fits(&kind, example) {
        return Err(format!("its example {example} does not fit its schema"));
    }
    Ok(Parameter {
        in_path: required,
        wire: name.to_owned(),
        rust,
        description,
        example: example.clone(),
        deprecated: flag(parameter, "deprecated")?,
        microversion: parameter.get("x-openstack").map(microversion).transpose()?,
        kind,
        notes,
    })
}

pub fn known_keys(object: &Value, known: &str) -> Result<(), String> {
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
    // In canonical form: without signs, blanks and leading zeros.
    let number = |digits: &str| digits.parse().ok().filter(|number: &u32| number.to_string() == digits);
    let parts = version.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    parts.ok_or_else(|| format!("min-ver `{version}` is not of the form X.Y"))
}

/// The kind of a parameter's value, the notes for its docs, and the example of its schema.
fn kind(schema: &Value, schemas: &mut Schemas<'_>) -> Result<(Kind, Vec<String>, Value), String> {
    let (plain, set) = match schema["$ref"].as_str() {
        None => (schema.clone(), None),
        // An open enum has a type of its own. Any other component is read in place.
        Some(_) => schemas.parameter(schema)?,
    };
    let keys = |bounds: &str| {
        let known = format!("type format title description default example deprecated{bounds}");
        known_keys(&plain, &known).map_err(|fault| format!("in its schema, {fault}"))
    };
    let mut notes = Vec::new();
    let format = text(&plain, "format")?;
    let kind = match plain["type"].as_str() {
        Some("string") => {
            keys(" minLength maxLength pattern x-extensible-enum")?;
            let (min, max) = bounds(&plain, "minLength", "maxLength", 0)?;
            for (name, value) in [("Format", &format), ("Pattern", &text(&plain, "pattern")?)] {
                notes.extend((!value.is_empty()).then(|| format!("{name}: `{value}`, checked by the service.")));
            }
            Kind::Text { min, max, open_enum: set }
        }
        Some("integer") => {
            keys(" minimum maximum")?;
            let (min, max) = bounds(&plain, "minimum", "maximum", i64::MIN)?;
            match format.as_str() {
                "" | "int64" => Kind::Integer { min, max },
                "int32" => Kind::Integer { min: min.or(Some(i32::MIN.into())), max: max.or(Some(i32::MAX.into())) },
                _ => return Err(format!("its format `{format}` is not supported, only int32 and int64")),
            }
        }
        Some("boolean") if format.is_empty() => {
            keys("").map(|()| Kind::Boolean { default: plain["default"].as_bool() })?
        }
        Some("boolean") => return Err(format!("its format `{format}` is not supported")),
        Some(other) => return Err(format!("its type is `{other}`, where string, integer or boolean is needed")),
        None => return Err("its schema has no type of its own".to_owned()),
    };
    match (&plain["default"], &kind) {
        (Value::Null, _) => {}
        (default, kind) if !fits(kind, default) => {
            return Err(format!("its default {default} does not fit its schema"));
        }
        (_, Kind::Boolean { .. }) => {}
        (default, _) => notes.push(format!("Default: `{default}`, which the service applies.")),
    }
    Ok((kind, notes, plain["example"].clone()))
}

/// Whether a parameter can be set to a default or an example.
fn fits(kind: &Kind, value: &Value) -> bool {
    match (kind, value) {
        (Kind::Text { min, max, .. }, Value::String(text)) => {
            let length = text.chars().count() as i64;
            min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max)
        }
        (Kind::Integer { min, max }, Value::Number(number)) => number
            .as_i64()
            .is_some_and(|number| min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max)),
        (Kind::Boolean { .. }, Value::Bool(_)) => true,
        _ => false,
    }
}

pub fn bounds(schema: &Value, min: &str, max: &str, lowest: i64) -> Result<(Option<i64>, Option<i64>), String> {
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
