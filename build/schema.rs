//! Reads the contract's schemas, and passes them on in the plainest form that becomes the same Rust type. A schema that
//! can't become one is an error that names the schema and the property.
//!
//! Bounds, formats and patterns of a field are checked, and not passed on: no response is refused for them.

use std::collections::{BTreeMap, HashSet};

use heck::{ToPascalCase, ToSnakeCase};
use serde_json::{Map, Value, json};
use syn::Ident;

use crate::contract::{bounds, is_rust_name, known_keys, microversion};

/// Types of this crate: their `x-rust-type`, and their Rust types.
pub const RUST_TYPES: [(&str, &str); 2] = [("timestamp", "::jiff::Timestamp"), ("secret", "crate::keystone::Secret")];
/// Public names of this crate, names in generated code, and the names that every Rust module has: a schema needs another
/// name.
const TAKEN: &str = "Client ClientBuilder Cursor Error Fault Field FieldKind Items ListBackups Microversion Page Pages Parameter \
    ParseCursorError ParseMicroversionError RetryPolicy Row Show Token TokenFn TokenProvider UnknownValue \
    ByteStream ClientHooks ClientInfo ConversionError Fields OperationInfo RequestBuilderExt ResponseValue T \
    AsMut AsRef Box Clone Copy Debug Default DoubleEndedIterator Drop Eq Err ExactSizeIterator Extend Fn FnMut FnOnce \
    From FromIterator Future Hash Into IntoFuture IntoIterator Iterator None Ok Option Ord PartialEq PartialOrd Result \
    Send Sized Some String Sync ToOwned ToString TryFrom TryInto Unpin Vec";
/// The keys of any schema.
const KEYS: &str = "title description nullable example deprecated readOnly";
/// The additional keys of a property.
const PROPERTY: &str = " x-rust-name x-openstack x-sort-key x-mock x-column x-unit";

/// The schemas that were read.
pub struct Schemas<'a> {
    document: &'a Value,
    /// Whether enums are closed, because they are only sent.
    closed: bool,
    /// The schemas for progenitor, by their Rust names.
    pub simple: Map<String, Value>,
    pub structs: BTreeMap<String, Struct>,
    pub open_enums: Vec<OpenEnum>,
    /// The schema of each Rust name.
    names: BTreeMap<String, String>,
    /// The components that are being read.
    reading: Vec<String>,
}

/// An object.
pub struct Struct {
    pub fields: Vec<Field>,
    /// A property that is a number, of it or of an object in it: then the type has neither `Eq` nor `Hash`.
    pub number: Option<String>,
}

/// A property of an object.
pub struct Field {
    pub wire: String,
    pub rust: String,
    /// The name of its method or field in Rust.
    pub doc: String,
    pub microversion: Option<(u32, u32)>,
    pub required: bool,
    pub nullable: bool,
    /// The schema for progenitor.
    pub schema: Value,
    pub example: Value,
    /// Whether lists are sorted by it, newest first.
    pub sort_key: bool,
    /// The contract's description.
    pub description: String,
    /// The title of its column in a short table, and the unit of its value.
    pub column: Option<String>,
    pub unit: Option<String>,
    /// The values that the mock's made-up rows have in turn.
    pub mock: Vec<Value>,
    /// The generated type.
    pub rust_type: Option<syn::Type>,
}

/// An open set of known values.
pub struct OpenEnum {
    pub name: String,
    pub description: String,
    pub values: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub fn new(document: &'a Value, closed: bool) -> Self {
        let simple = RUST_TYPES.iter().map(|(name, _)| (type_name(name), json!({"type": "string"})));
        let (structs, open_enums, names, reading) = Default::default();
        Self { document, closed, simple: simple.collect(), structs, open_enums, names, reading }
    }

    /// The name of the object that a schema is.
    pub fn object(&mut self, schema: &Value, name: &str, place: &str) -> Result<String, String> {
        let (read, _) = self.read(schema, name, place, "")?;
        let object = reference(&read).filter(|name| self.structs.contains_key(*name));
        object.map(str::to_owned).ok_or_else(|| format!("{place}: it is not an object with properties"))
    }

    pub fn document(&self) -> &'a Value {
        self.document
    }

    /// The properties of an object.
    pub fn fields(&self, name: &str) -> &[Field] {
        self.structs.get(name).map(|object| object.fields.as_slice()).unwrap_or_default()
    }

    /// Whether every such object has this property, a string, under the same name in Rust.
    pub fn has_text(&self, object: &str, name: &str) -> bool {
        self.fields(object).iter().any(|field| {
            let is_named = field.wire == name && field.rust == name;
            is_named && field.required && !field.nullable && field.schema["type"] == "string"
        })
    }

    /// The component that a parameter's schema refers to, and the name of its type if it is an open enum.
    pub fn parameter(&mut self, schema: &Value) -> Result<(Value, Option<String>), String> {
        let (read, _) = self.read(schema, "", "its schema", "")?;
        let component = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
        let set = reference(&read).filter(|name| self.open_enums.iter().any(|set| set.name == *name));
        Ok((self.document["components"]["schemas"][component].clone(), set.map(str::to_owned)))
    }

    /// The plain form of a schema, and whether its value can be null. Names an object or an enum, unless it is a
    /// component.
    fn read(&mut self, schema: &Value, name: &str, place: &str, more: &str) -> Result<(Value, bool), String> {
        let fault = |what: String| format!("{place}: {what}");
        let keys = |keys: &str| known_keys(schema, &format!("{keys} {KEYS}{more}")).map_err(fault);
        if !schema.is_object() {
            return Err(fault("it is not a schema".to_owned()));
        }
        if let Some(reference) = schema["$ref"].as_str() {
            known_keys(schema, "$ref")
                .map_err(|what| fault(format!("{what}; `allOf: [{{$ref: ..}}]` can have more keys")))?;
            return self.component(reference, place);
        }
        let (read, nullable) = match (&schema["allOf"], schema["type"].as_str()) {
            (Value::Array(all), None) => {
                keys("allOf")?;
                let [one] = all.as_slice() else {
                    return Err(fault("its allOf has to have exactly one schema".to_owned()));
                };
                self.read(one, name, place, "")?
            }
            (Value::Null, Some("string")) => {
                keys("type format minLength maxLength pattern enum x-extensible-enum x-rust-type")?;
                bounds(schema, "minLength", "maxLength", 0).map_err(fault)?;
                let set = if schema["enum"].is_null() { &schema["x-extensible-enum"] } else { &schema["enum"] };
                match (rust_type(schema).map_err(fault)?, set) {
                    (Some(read), Value::Null) => (read, false),
                    (None, Value::Null) => (json!({"type": "string"}), false),
                    (None, set) => (self.open_enum(schema, set, name, place)?, false),
                    _ => return Err(fault("an enum has no x-rust-type".to_owned())),
                }
            }
            (Value::Null, Some("integer")) => {
                keys("type format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf")?;
                let (min, _) = bounds(schema, "minimum", "maximum", i64::MIN).map_err(fault)?;
                let unsigned =
                    min >= Some(0) || schema["format"].as_str().is_some_and(|format| format.starts_with('u'));
                (json!({"type": "integer", "format": if unsigned { "uint64" } else { "int64" }}), false)
            }
            (Value::Null, Some("number")) => {
                keys("type format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf")?;
                (json!({"type": "number", "format": "double"}), false)
            }
            (Value::Null, Some("boolean")) => keys("type").map(|()| (json!({"type": "boolean"}), false))?,
            (Value::Null, Some("array")) => {
                keys("type items minItems maxItems uniqueItems")?;
                let place = format!("{place}: its items");
                (json!({"type": "array", "items": self.element(&schema["items"], name, &place)?}), false)
            }
            (Value::Null, Some("object")) => {
                keys("type properties required additionalProperties minProperties maxProperties")?;
                match (&schema["properties"], &schema["additionalProperties"]) {
                    (Value::Object(properties), Value::Null | Value::Bool(_)) if !properties.is_empty() => {
                        (self.structure(schema, properties, name, place)?, false)
                    }
                    (Value::Null | Value::Object(_), Value::Null | Value::Bool(true)) => {
                        (json!({"type": "object", "additionalProperties": {}}), false)
                    }
                    (Value::Null, values @ Value::Object(_)) => {
                        let place = format!("{place}: its additionalProperties");
                        (json!({"type": "object", "additionalProperties": self.element(values, name, &place)?}), false)
                    }
                    _ => return Err(fault("an object has properties or additionalProperties".to_owned())),
                }
            }
            (Value::Null, None) if schema["type"].is_null() => {
                keys("x-rust-type")?;
                (rust_type(schema).map_err(fault)?.unwrap_or(json!({})), false)
            }
            _ => return Err(fault(format!("the type {} is not supported", schema["type"]))),
        };
        let nullable = nullable || flag(schema, "nullable").map_err(fault)?;
        match &schema["example"] {
            Value::Null => {}
            example if self.fits(&read, nullable, example) => {}
            example => return Err(fault(format!("its example {example} does not fit its type"))),
        }
        Ok((read, nullable))
    }

    /// The schema of each value in a list or a map.
    fn element(&mut self, schema: &Value, name: &str, place: &str) -> Result<Value, String> {
        match self.read(schema, name, place, "")? {
            (_, true) => Err(format!("{place}: values that may be null are not supported")),
            // A time is kept as text: jiff's own form has a time zone.
            (read, _) if reference(&read) == Some("TimestampType") => Ok(json!({"type": "string"})),
            (read, _) => Ok(read),
        }
    }

    /// The schema that a reference names.
    fn component(&mut self, reference: &str, place: &str) -> Result<(Value, bool), String> {
        let document = self.document;
        let name = reference.strip_prefix("#/components/schemas/").unwrap_or_default();
        let Some(schema) = document["components"]["schemas"].get(name) else {
            return Err(format!("{place}: there is no schema `{reference}`"));
        };
        if self.reading.iter().any(|other| other == name) {
            return Err(format!("schema `{name}`: it refers to itself"));
        }
        self.reading.push(name.to_owned());
        let read = self.read(schema, &name.to_pascal_case(), &format!("schema `{name}`"), "");
        self.reading.pop();
        read
    }

    /// Takes a Rust name, and returns whether the same schema has taken it before. Another schema's name is an error.
    fn take_name(&mut self, name: &str, place: &str) -> Result<bool, String> {
        let is_taken = TAKEN.split_whitespace().any(|taken| taken == name)
            || RUST_TYPES.iter().any(|(taken, _)| type_name(taken) == name);
        if is_taken || syn::parse_str::<Ident>(name).is_err() {
            return Err(format!("{place}: its Rust name would be `{name}`, which is taken or invalid"));
        }
        match self.names.insert(name.to_owned(), place.to_owned()) {
            Some(other) if other != place => Err(format!("{place}: its Rust name `{name}` is that of {other}, too")),
            other => Ok(other.is_some()),
        }
    }

    fn open_enum(&mut self, schema: &Value, set: &Value, name: &str, place: &str) -> Result<Value, String> {
        let read = json!({"$ref": format!("#/components/schemas/{name}")});
        if self.take_name(name, place)? {
            return Ok(read);
        }
        let fault = |what: String| format!("{place}: {what}");
        let mut variants = HashSet::from(["Unknown".to_owned()]);
        let mut values = Vec::new();
        for value in set.as_array().filter(|values| !values.is_empty()).ok_or(fault("it has no values".to_owned()))? {
            let value = value.as_str().ok_or_else(|| fault(format!("its value {value} is not a string")))?;
            let variant = value.to_pascal_case();
            if syn::parse_str::<Ident>(&variant).is_err() || !variants.insert(variant) {
                let what = "has no Rust name, or another value's: leave it out, and it is read as unknown";
                return Err(fault(format!("its value `{value}` {what}")));
            }
            values.push(value.to_owned());
        }
        if self.closed {
            self.simple.insert(name.to_owned(), json!({"type": "string", "enum": values}));
            return Ok(read);
        }
        self.simple.insert(name.to_owned(), json!({"type": "string"}));
        let description = text(schema, "description").map_err(fault)?;
        self.open_enums.push(OpenEnum { name: name.to_owned(), description, values });
        Ok(read)
    }

    fn structure(
        &mut self,
        schema: &Value,
        properties: &Map<String, Value>,
        name: &str,
        place: &str,
    ) -> Result<Value, String> {
        let read = json!({"$ref": format!("#/components/schemas/{name}")});
        if self.take_name(name, place)? {
            return Ok(read);
        }
        let required = match &schema["required"] {
            Value::Null => Vec::new(),
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap_or_default()).collect(),
            _ => return Err(format!("{place}: its `required` is not a list")),
        };
        if let Some(missing) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(format!("{place}: its `required` names `{missing}`, which is not among its properties"));
        }
        let mut fields: Vec<Field> = Vec::new();
        for (wire, property) in properties {
            let field = self.field(wire, property, name, required.contains(&wire.as_str()), place)?;
            if let Some(other) = fields.iter().find(|other| other.rust == field.rust) {
                let rust = &field.rust;
                // The error asks to change the name that was chosen.
                let is_other = property["x-rust-name"].is_null() && properties[&other.wire]["x-rust-name"].is_string();
                let (wire, other) = if is_other { (&other.wire, wire) } else { (wire, &other.wire) };
                let what = format!("its Rust name `{rust}` is that of `{other}`, too: give it another as x-rust-name");
                return Err(format!("{place}: property `{wire}`: {what}"));
            }
            fields.push(field);
        }
        let always: Vec<_> = fields.iter().filter(|field| field.required && !field.nullable).collect();
        let always: Vec<_> = always.into_iter().map(|field| &field.rust).collect();
        let properties: Map<_, _> = fields.iter().map(|field| (field.rust.clone(), field.schema.clone())).collect();
        let description = text(schema, "description").map_err(|what| format!("{place}: {what}"))?;
        let simple =
            json!({"type": "object", "description": description, "properties": properties, "required": always});
        self.simple.insert(name.to_owned(), simple);
        let number = fields.iter().find_map(|field| self.number(&field.schema, &field.wire));
        self.structs.insert(name.to_owned(), Struct { fields, number });
        Ok(read)
    }

    fn field(&mut self, wire: &str, property: &Value, of: &str, required: bool, place: &str) -> Result<Field, String> {
        let place = format!("{place}: property `{wire}`");
        let fault = |what: String| format!("{place}: {what}");
        let rust = match &property["x-rust-name"] {
            Value::Null => wire.to_snake_case(),
            Value::String(rust) => rust.clone(),
            other => return Err(fault(format!("its x-rust-name {other} is not a string"))),
        };
        if !is_rust_name(&rust) {
            return Err(fault(format!("`{rust}` is not a Rust name in snake case: give it one as x-rust-name")));
        }
        let (mut schema, nullable) =
            self.read(property, &(of.to_owned() + &wire.to_pascal_case()), &place, PROPERTY)?;
        if nullable && matches!(schema["type"].as_str(), Some("array" | "object")) {
            // Otherwise null would be read as an empty value.
            schema["nullable"] = json!(true);
        }
        if !required && schema["type"] == "object" {
            // It may not be null, but a missing object differs from an empty one.
            schema["nullable"] = json!(true);
        }
        let description = text(property, "description").map_err(fault)?;
        let mut doc = description.clone();
        if flag(property, "deprecated").map_err(fault)? {
            doc += "\n\nDeprecated.";
        }
        let microversion = property.get("x-openstack").map(microversion).transpose().map_err(fault)?;
        if let Some((major, minor)) = microversion {
            let how = "see [`ListBackups::microversion`](crate::ListBackups::microversion)";
            doc += &format!("\n\nNeeds microversion **{major}.{minor}**: {how}.");
        }
        let mock = match &property["x-mock"] {
            Value::Null => Vec::new(),
            Value::Array(values) => values.clone(),
            _ => return Err(fault("its x-mock is not a list".to_owned())),
        };
        if let Some(value) = mock.iter().find(|value| !self.fits(&schema, nullable, value)) {
            return Err(fault(format!("its x-mock has {value}, which does not fit its type")));
        }
        let sort_key = flag(property, "x-sort-key").map_err(fault)?;
        if sort_key && (reference(&schema) != Some("TimestampType") || !required || nullable) {
            return Err(fault("an x-sort-key is a timestamp that every row has".to_owned()));
        }
        let [column, unit] = ["x-column", "x-unit"].map(|key| text(property, key).map_err(fault));
        let [column, unit] = [column?, unit?].map(|text| Some(text).filter(|text| !text.is_empty()));
        let (wire, example) = (wire.to_owned(), property["example"].clone());
        Ok(Field {
            wire,
            rust,
            doc,
            microversion,
            required,
            nullable,
            schema,
            example,
            sort_key,
            description,
            column,
            unit,
            mock,
            rust_type: None,
        })
    }

    fn fits(&self, schema: &Value, nullable: bool, value: &Value) -> bool {
        if value.is_null() && nullable {
            return true;
        }
        match (reference(schema), schema["type"].as_str()) {
            (Some(name), _) if self.structs.contains_key(name) => value.is_object(),
            (Some(_), _) | (_, Some("string")) => value.is_string(),
            (_, Some("integer")) => value.is_u64() || (schema["format"] == "int64" && value.is_i64()),
            (_, Some("number")) => value.is_number(),
            (_, Some("boolean")) => value.is_boolean(),
            (_, Some("array")) => value.is_array(),
            (_, Some("object")) => value.is_object(),
            _ => true,
        }
    }

    fn number(&self, schema: &Value, wire: &str) -> Option<String> {
        match (reference(schema), schema["type"].as_str()) {
            (Some(name), _) => self.structs.get(name)?.number.clone(),
            (_, Some("number")) => Some(wire.to_owned()),
            (_, Some("array")) => self.number(&schema["items"], wire),
            (_, Some("object")) => self.number(&schema["additionalProperties"], wire),
            _ => None,
        }
    }
}

/// The name of the type that a plain schema refers to.
pub fn reference(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit('/').next()
}

fn rust_type(schema: &Value) -> Result<Option<Value>, String> {
    let Some(marked) = schema.get("x-rust-type") else { return Ok(None) };
    let known = RUST_TYPES.iter().find(|(name, _)| marked == name);
    let (name, _) = known.ok_or_else(|| format!("its x-rust-type {marked} is not one of {}", list(&RUST_TYPES)))?;
    Ok(Some(json!({"$ref": format!("#/components/schemas/{}", type_name(name))})))
}

/// The name of the component that a type of this crate replaces.
pub fn type_name(name: &str) -> String {
    name.to_pascal_case() + "Type"
}

fn list(types: &[(&str, &str)]) -> String {
    types.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// A text, empty if it is missing.
pub fn text(object: &Value, key: &str) -> Result<String, String> {
    match &object[key] {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        other => Err(format!("its {key} {other} is not a string")),
    }
}

/// A flag, false if it is missing.
pub fn flag(object: &Value, key: &str) -> Result<bool, String> {
    match &object[key] {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        other => Err(format!("its {key} {other} is neither true nor false")),
    }
}
