//! Contract to Rust: reads `openapi/vbs.yaml`, has progenitor generate the client, and adds what
//! the contract alone can say: the caller's setters, with their docs and microversions.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::{env, fs, panic, process};

use heck::{ToPascalCase, ToShoutySnakeCase, ToSnakeCase};
use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle};
use quote::{format_ident, quote};
use serde_json::{Map, Value, json};
use syn::visit_mut::VisitMut;

const CONTRACT: &str = "openapi/vbs.yaml";
const PATH: &str = "/v3/{project_id}/backups";
/// Names that are taken, by `ListBackups`, in the path or in generated code: a parameter needs
/// another one.
const TAKEN: &[&str] = &[
    "clone",
    "concurrency",
    "count",
    "header_map",
    "items",
    "microversion",
    "new",
    "page",
    "pages",
    "parameter",
    "parameters",
    "prefetch",
    "project_id",
    "resume_at",
    "send",
    "with",
];
/// What the walk over pages is made of.
const NEEDED: &[&str] = &["limit", "offset", "marker", "with_count"];

fn main() {
    println!("cargo::rerun-if-changed={CONTRACT}");
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(this) = env::current_exe() {
        // The tests run this program on faulty contracts.
        println!("cargo::rustc-env=CONTRACT_BUILD_SCRIPT={}", this.display());
    }
    if let Err(fault) = run() {
        println!("cargo::error={CONTRACT}: {fault}");
        process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);

    let mut contract = load(&fs::read_to_string(root.join(CONTRACT)).map_err(text)?)?;
    let parameters = prepare(&mut contract)?;
    let constants = headers(&contract)?;
    let statuses =
        open_enums(&contract).map(|(name, schema)| open_enum(name, schema)).collect::<Result<Vec<_>, _>>()?;
    let table = table(&parameters);
    let client = generate(contract, &parameters)?;

    let code = syn::parse2(quote!(#client #constants #(#statuses)* #table)).map_err(text)?;
    fs::write(out.join("generated.rs"), prettyplease::unparse(&code)).map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

// ------------------------------------------------------------------------------------- load --

fn load(contract: &str) -> Result<Value, String> {
    // Read twice, because only YAML's own value type refuses a key that is written twice.
    yaml_serde::from_str::<yaml_serde::Value>(contract).map_err(text)?;
    yaml_serde::from_str(contract).map_err(text)
}

// ---------------------------------------------------------------------------------- prepare --

/// A query parameter of the contract, checked.
struct Parameter {
    wire: String,
    rust: String,
    description: String,
    microversion: Option<(u32, u32)>,
    kind: Kind,
}

enum Kind {
    /// With the name of its schema, where that is an open set of known values.
    Text {
        min: Option<u64>,
        max: Option<u64>,
        one_of: Vec<String>,
        known: Option<String>,
    },
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Number {
        min: Option<f64>,
        max: Option<f64>,
    },
    Boolean {
        default: Option<bool>,
    },
}

/// Takes the query parameters out of the contract, and leaves in it what progenitor can use.
fn prepare(contract: &mut Value) -> Result<Vec<Parameter>, String> {
    let schemas = contract["components"]["schemas"].clone();
    // Looked at before it is changed: only an object can be.
    let path = &contract["paths"][PATH];
    if !path["get"].is_object() {
        return Err(format!("there is no operation `get` at {PATH}"));
    }
    if !path["parameters"].is_null() {
        return Err(format!("{PATH} has parameters of its own: they belong to its operation `get`"));
    }
    let operation = &mut contract["paths"][PATH]["get"];
    if operation["operationId"] != "list_backups" {
        return Err("the operation's operationId has to be `list_backups`".to_owned());
    }
    let echoed = operation["responses"]["200"]["headers"].clone();

    let mut parameters: Vec<Parameter> = Vec::new();
    let mut kept = Vec::new();
    for mut parameter in operation["parameters"].as_array().cloned().unwrap_or_default() {
        let name = parameter["name"].as_str().ok_or("a parameter has no name, or is a $ref")?.to_owned();
        let fault = |what: String| format!("parameter `{name}`: {what}");
        match parameter["in"].as_str() {
            Some("path") if !PATH.contains(&format!("{{{name}}}")) => {
                return Err(fault(format!("it is not in {PATH}")));
            }
            // Its bounds are the client builder's to check, once, and with a clearer message.
            Some("path") => parameter["schema"] = json!({"type": "string"}),
            // The microversion follows from the parameters in use, so the hooks set its header, which
            // the answer has too. As a parameter of the generated client it would be one more way to
            // get it wrong.
            Some("header") if !echoed[&name].is_null() => continue,
            Some("header") => return Err(fault("a header that the answer does not have can't be set".to_owned())),
            Some("query") => {
                let query = query_parameter(&name, &parameter, &schemas).map_err(fault)?;
                if parameters.iter().any(|other| other.wire == name) {
                    return Err(fault("it is there twice".to_owned()));
                }
                if let Some(other) = parameters.iter().find(|other| other.rust == query.rust) {
                    return Err(fault(format!(
                        "its Rust name `{}` is that of parameter `{}` too: give it another one as x-rust-name",
                        query.rust, other.wire
                    )));
                }
                // `name` and `name~` would become the same identifier, so progenitor sees the
                // Rust name, and the wire name is put back into its tokens. The bounds are
                // checked before: progenitor's message would not say what is wrong.
                parameter["name"] = json!(query.rust);
                parameter["schema"] = match query.kind {
                    Kind::Text { .. } => json!({"type": "string"}),
                    Kind::Integer { .. } => json!({"type": "integer", "format": "int64"}),
                    Kind::Number { .. } => json!({"type": "number", "format": "double"}),
                    Kind::Boolean { .. } => json!({"type": "boolean"}),
                };
                parameters.push(query);
            }
            _ => return Err(fault(format!("its `in` is {}, where query, header or path is needed", parameter["in"]))),
        }
        kept.push(parameter);
    }
    operation["parameters"] = Value::Array(kept);
    if let Some(missing) = NEEDED.iter().find(|name| !parameters.iter().any(|parameter| parameter.rust == **name)) {
        return Err(format!("parameter `{missing}`: it is not there, and walking over pages needs it"));
    }

    // An error's body need not be JSON, whatever the contract says, and progenitor would lose the
    // status with the body that it can't decode. Without a schema the answer arrives whole.
    if let Some(responses) = operation["responses"].as_object_mut() {
        responses.retain(|status, _| status.starts_with('2'));
    }
    if let Some(schemas) = contract["components"]["schemas"].as_object_mut() {
        schemas.remove("FaultBody");
    }
    Ok(parameters)
}

fn query_parameter(name: &str, parameter: &Value, schemas: &Value) -> Result<Parameter, String> {
    // One that is misspelt or misplaced could be the microversion, without which a filter is ignored.
    known_keys(
        parameter,
        &[
            "name",
            "in",
            "required",
            "description",
            "schema",
            "example",
            "examples",
            "deprecated",
            "style",
            "explode",
            "allowEmptyValue",
            "allowReserved",
            "x-rust-name",
            "x-openstack",
        ],
    )?;
    if ![Value::Null, Value::Bool(false)].contains(&parameter["required"]) {
        return Err("a query parameter can only be `required: false`".to_owned());
    }
    let rust = match &parameter["x-rust-name"] {
        Value::Null => name.to_snake_case(),
        Value::String(rust) => rust.clone(),
        _ => return Err("x-rust-name is not a string".to_owned()),
    };
    if rust.to_snake_case() != rust || syn::parse_str::<Ident>(&rust).is_err() {
        return Err(format!("`{rust}` is not a Rust name in snake case: give it one as x-rust-name"));
    }
    if TAKEN.contains(&rust.as_str()) {
        return Err(format!("its Rust name `{rust}` is taken: give it another one as x-rust-name"));
    }
    let description = parameter["description"].as_str().map(str::trim).filter(|text| !text.is_empty());
    Ok(Parameter {
        wire: name.to_owned(),
        rust,
        description: description.ok_or("it has no description")?.to_owned(),
        microversion: parameter.get("x-openstack").map(microversion).transpose()?,
        kind: kind(&parameter["schema"], schemas)?,
    })
}

fn known_keys(object: &Value, known: &[&str]) -> Result<(), String> {
    let mut keys = object.as_object().into_iter().flat_map(Map::keys);
    match keys.find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("`{key}` is not understood here: {} are", known.join(", "))),
        None => Ok(()),
    }
}

fn microversion(extension: &Value) -> Result<(u32, u32), String> {
    let keys: Vec<_> = extension.as_object().into_iter().flat_map(Map::keys).collect();
    if keys != ["min-ver"] {
        return Err("x-openstack has to be {min-ver: \"X.Y\"}".to_owned());
    }
    // Without quotes YAML reads a number, in which 3.30 and 3.3 are the same.
    let version = extension["min-ver"].as_str().ok_or("min-ver has to be in quotes")?;
    // As it would be printed: without signs, blanks and zeros in front.
    let number = |digits: &str| digits.parse().ok().filter(|number: &u32| number.to_string() == digits);
    let parts = version.split_once('.').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
    parts.ok_or_else(|| format!("min-ver `{version}` is not of the form X.Y"))
}

fn kind(schema: &Value, schemas: &Value) -> Result<Kind, String> {
    let (schema, name) = match schema["$ref"].as_str() {
        None => (schema, None),
        Some(reference) => {
            let name = reference.strip_prefix("#/components/schemas/").unwrap_or_default();
            (schemas.get(name).ok_or_else(|| format!("there is no schema `{reference}`"))?, Some(name))
        }
    };
    let keys = |bounds: &[&str]| {
        let about = ["type", "format", "title", "description", "default", "example", "nullable", "deprecated"];
        known_keys(schema, &[&about, bounds].concat()).map_err(|fault| format!("in its schema, {fault}"))
    };
    let text = |value: &Value| value.as_str().map(str::to_owned).ok_or("its enum has a value that is not a string");
    match schema["type"].as_str() {
        Some("string") => {
            keys(&["minLength", "maxLength", "pattern", "enum", "x-extensible-enum"])?;
            let (min, max) = bounds(schema, "minLength", "maxLength", Value::as_u64)?;
            let one_of = match &schema["enum"] {
                Value::Null => Vec::new(),
                Value::Array(values) if !values.is_empty() => values.iter().map(text).collect::<Result<_, _>>()?,
                _ => return Err("its enum is not a list of strings".to_owned()),
            };
            let known = name.filter(|_| schema["x-extensible-enum"].is_array()).map(str::to_owned);
            Ok(Kind::Text { min, max, one_of, known })
        }
        Some("integer") => {
            keys(&["minimum", "maximum"])?;
            let (min, max) = bounds(schema, "minimum", "maximum", Value::as_i64)?;
            Ok(Kind::Integer { min, max })
        }
        Some("number") => {
            keys(&["minimum", "maximum"])?;
            let (min, max) = bounds(schema, "minimum", "maximum", Value::as_f64)?;
            Ok(Kind::Number { min, max })
        }
        Some("boolean") => keys(&[]).map(|()| Kind::Boolean { default: schema["default"].as_bool() }),
        Some(other) => Err(format!("its type is `{other}`, where string, integer, number or boolean is needed")),
        None => Err("its schema has no type of its own".to_owned()),
    }
}

type Bounds<T> = (Option<T>, Option<T>);

fn bounds<T: PartialOrd>(
    schema: &Value,
    min: &str,
    max: &str,
    read: fn(&Value) -> Option<T>,
) -> Result<Bounds<T>, String> {
    let bound = |name: &str| match &schema[name] {
        Value::Null => Ok(None),
        value => read(value).map(Some).ok_or_else(|| format!("its {name} can't be {value}")),
    };
    let found = (bound(min)?, bound(max)?);
    match &found {
        (Some(low), Some(high)) if low > high => Err(format!("its {min} is above its {max}")),
        _ => Ok(found),
    }
}

// --------------------------------------------------------------------------------- generate --

fn generate(contract: Value, parameters: &[Parameter]) -> Result<TokenStream, String> {
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Builder)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::fetch::Call))
        .with_derive("PartialEq")
        .with_derive("Eq")
        .with_derive("Hash");
    if env::var_os("CARGO_FEATURE_SCHEMARS").is_some() {
        settings.with_derive("::schemars::JsonSchema");
    }
    for (name, _) in open_enums(&contract) {
        settings.with_replacement(name, format!("crate::generated::{}", name.to_pascal_case()), std::iter::empty());
    }

    let contract = serde_json::from_value(contract).map_err(text)?;
    let tokens = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&contract))
        .map_err(|_| "progenitor cannot generate a client from it: its own message is above")?
        .map_err(text)?;

    let mut restored = BTreeMap::new();
    let tokens = restore(tokens, parameters, &mut restored);
    for parameter in parameters {
        let times = restored.get(parameter.rust.as_str()).copied().unwrap_or(0);
        if times != 1 {
            return Err(format!(
                "parameter `{}`: its wire name was put back in {times} places of the generated code, where 1 was expected",
                parameter.wire
            ));
        }
    }
    let mut file = syn::parse2(tokens).map_err(text)?;
    let mut mend = Mend { decoders: 0 };
    mend.visit_file_mut(&mut file);
    match mend.decoders {
        1 => Ok(quote!(#file)),
        times => Err(format!("the generated code decodes a list in {times} places, where 1 was expected")),
    }
}

/// Puts the wire names back: the first argument of each `QueryParam::new("rust_name", ..)`.
fn restore<'a>(
    tokens: TokenStream,
    parameters: &'a [Parameter],
    restored: &mut BTreeMap<&'a str, usize>,
) -> TokenStream {
    let mut last = [const { String::new() }; 2];
    let mut out = Vec::new();
    for token in tokens {
        let token = match token {
            TokenTree::Group(group) => {
                let mut inner = restore(group.stream(), parameters, restored);
                if group.delimiter() == Delimiter::Parenthesis && last == ["QueryParam", "new"] {
                    let mut arguments: Vec<_> = inner.into_iter().collect();
                    if let Some(name) = arguments.first_mut() {
                        let found =
                            parameters.iter().find(|p| name.to_string() == Literal::string(&p.rust).to_string());
                        if let Some(parameter) = found {
                            *name = Literal::string(&parameter.wire).into();
                            *restored.entry(&parameter.rust).or_default() += 1;
                        }
                    }
                    inner = arguments.into_iter().collect();
                }
                let mut with_span = Group::new(group.delimiter(), inner);
                with_span.set_span(group.span());
                with_span.into()
            }
            other => other,
        };
        if let TokenTree::Ident(ident) = &token {
            last.rotate_left(1);
            last[1] = ident.to_string();
        }
        out.push(token);
    }
    out.into_iter().collect()
}

/// Takes out what nobody uses, has objects read from objects only, and decodes by this crate's own
/// function, which is faster.
struct Mend {
    decoders: usize,
}

impl VisitMut for Mend {
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if quote!(#path).to_string() == "ResponseValue :: from_response" {
            *path = syn::parse_quote!(crate::fetch::decode);
            self.decoders += 1;
        }
    }

    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        if let (true, Some((_, items))) = (module.ident == "types", &mut module.content) {
            // Builders of the response types: nobody but the server makes those.
            items.retain(|item| match item {
                syn::Item::Mod(inner) => inner.ident != "builder",
                syn::Item::Impl(inner) => {
                    !inner.items.iter().any(|item| matches!(item, syn::ImplItem::Fn(f) if f.sig.ident == "builder"))
                }
                _ => true,
            });
            let mut readers = Vec::new();
            for item in items.iter_mut() {
                if let syn::Item::Struct(item) = item {
                    readers.extend(reader(item));
                }
            }
            items.extend(readers);
        }
        syn::visit_mut::visit_item_mod_mut(self, module);
    }
}

/// serde reads a struct from an array, too, so that `[[],[],null]` would be an empty list. This takes
/// the derive away, and gives an implementation in its place that asks for an object, and reads its
/// lists without room to spare.
fn reader(item: &mut syn::ItemStruct) -> Option<syn::Item> {
    let derive = item.attrs.iter_mut().find(|attribute| attribute.path().is_ident("derive"))?;
    let syn::Meta::List(derives) = &mut derive.meta else { return None };
    let kept = derives.tokens.to_string().replace(":: serde :: Deserialize ,", "");
    derives.tokens = kept.parse().ok()?;
    for field in &mut item.fields {
        // Lets a nullable field be left out, too; it is still written as null.
        field.attrs.retain(|attribute| !quote!(#attribute).to_string().contains("deserialize_with"));
    }
    let name = &item.ident;
    let remote = name.to_string();
    let fields = item.fields.iter().map(|field| {
        let syn::Field { attrs, ident, ty, .. } = field;
        let attrs = attrs.iter().filter(|attribute| attribute.path().is_ident("serde"));
        let list = quote!(#ty).to_string().starts_with(":: std :: vec :: Vec");
        let list = list.then(|| quote!(#[serde(deserialize_with = "crate::object::list")]));
        quote!(#(#attrs)* #list #ident: #ty)
    });
    Some(syn::parse_quote! {
        impl<'de> ::serde::Deserialize<'de> for #name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> ::std::result::Result<Self, D::Error> {
                #[derive(::serde::Deserialize)]
                #[serde(remote = #remote)]
                struct Fields { #(#fields),* }
                Fields::deserialize(crate::object::Object(deserializer))
            }
        }
    })
}

/// The names of the headers, which nothing else may know.
fn headers(contract: &Value) -> Result<TokenStream, String> {
    let token = contract["components"]["securitySchemes"]["token"]["name"]
        .as_str()
        .ok_or("there is no security scheme `token` with the name of a header")?;
    let responses = &contract["paths"][PATH]["get"]["responses"]["200"]["headers"];
    let answers = responses.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let constants = [token].into_iter().chain(answers).map(|name| {
        let constant = format_ident!("{}", name.to_lowercase().to_shouty_snake_case());
        let name = name.to_lowercase();
        quote!(pub(crate) const #constant: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static(#name);)
    });
    Ok(quote!(#(#constants)*))
}

// ------------------------------------------------------------------- what the contract alone says --

fn open_enums(contract: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let schemas = contract["components"]["schemas"].as_object().into_iter().flatten();
    schemas.filter(|(_, schema)| schema["x-extensible-enum"].is_array()).map(|(name, schema)| (name.as_str(), schema))
}

/// An enum of the known values that passes any other through.
fn open_enum(name: &str, schema: &Value) -> Result<TokenStream, String> {
    let values = schema["x-extensible-enum"].as_array().into_iter().flatten();
    let values: Vec<&str> = values
        .map(Value::as_str)
        .collect::<Option<_>>()
        .ok_or_else(|| format!("schema `{name}`: its x-extensible-enum has a value that is not a string"))?;
    let variants: Vec<_> = values.iter().map(|value| format_ident!("{}", value.to_pascal_case())).collect();
    let docs = values.iter().map(|value| format!("`{value}`"));
    let doc = schema["description"].as_str().unwrap_or_default();
    let name = format_ident!("{}", name.to_pascal_case());
    let schemars = env::var_os("CARGO_FEATURE_SCHEMARS")
        .map(|_| quote!(#[derive(::schemars::JsonSchema)] #[schemars(with = "String")]));
    Ok(quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #schemars
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum #name {
            #(#[doc = #docs] #variants,)*
            /// Any other value, as it is.
            Other(String),
        }

        impl #name {
            /// The value as the service writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#variants => #values,)*
                    Self::Other(value) => value,
                }
            }
        }

        impl From<&str> for #name {
            fn from(value: &str) -> Self {
                match value {
                    #(#values => Self::#variants,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for #name {
            fn from(value: String) -> Self {
                Self::from(value.as_str())
            }
        }

        impl From<&String> for #name {
            fn from(value: &String) -> Self {
                Self::from(value.as_str())
            }
        }

        impl From<#name> for String {
            fn from(value: #name) -> Self {
                match value {
                    #name::Other(value) => value,
                    known => known.as_str().to_owned(),
                }
            }
        }

        impl ::std::fmt::Display for #name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    })
}

/// The table of parameters, the setters of `ListBackups`, and how both reach progenitor's builder.
fn table(parameters: &[Parameter]) -> TokenStream {
    let names: Vec<_> = parameters.iter().map(|p| format_ident!("{}", p.rust)).collect();
    let statics: Vec<_> =
        parameters.iter().map(|p| Ident::new(&p.rust.to_shouty_snake_case(), Span::call_site())).collect();
    let entries = parameters.iter().map(entry);
    let setters = parameters.iter().zip(&names).zip(&statics).map(|((p, name), entry)| setter(p, name, entry));
    let variants = parameters.iter().map(|p| match p.kind {
        Kind::Text { .. } => quote!(Text),
        Kind::Integer { .. } => quote!(Integer),
        Kind::Number { .. } => quote!(Number),
        Kind::Boolean { .. } => quote!(Boolean),
    });
    quote! {
        /// Every query parameter, in the contract's order.
        pub(crate) mod parameters {
            use crate::microversion::Microversion;
            use crate::parameter::{Kind, Parameter};

            pub(crate) static PARAMETERS: &[&Parameter] = &[#(&#statics),*];
            #(pub(crate) static #statics: Parameter = #entries;)*
        }

        impl crate::ListBackups {
            #(#setters)*
        }

        impl crate::parameter::Given {
            /// The generated request with these parameters.
            pub(crate) fn request<'a>(&self, client: &'a Client) -> builder::ListBackups<'a> {
                let mut request = client.list_backups();
                #(
                    if let Some(crate::parameter::Value::#variants(value)) = self.get(&parameters::#statics) {
                        request = request.#names(value.clone());
                    }
                )*
                request
            }
        }
    }
}

fn entry(parameter: &Parameter) -> TokenStream {
    fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
        value.map_or(quote!(None), |value| quote!(Some(#value)))
    }
    let Parameter { wire, rust, description, microversion, kind } = parameter;
    let microversion = option(microversion.map(|(major, minor)| quote!(Microversion::new(#major, #minor))));
    let kind = match kind {
        Kind::Text { min, max, one_of, .. } => {
            let (min, max) = (min.unwrap_or(0), max.unwrap_or(u64::MAX));
            quote!(Kind::Text { min_length: #min, max_length: #max, one_of: &[#(#one_of),*] })
        }
        Kind::Integer { min, max } => {
            let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
            quote!(Kind::Integer { min: #min, max: #max })
        }
        Kind::Number { min, max } => {
            let (min, max) = (min.unwrap_or(f64::MIN), max.unwrap_or(f64::MAX));
            quote!(Kind::Number { min: #min, max: #max })
        }
        Kind::Boolean { default } => {
            let default = option(*default);
            quote!(Kind::Boolean { default: #default })
        }
    };
    quote! {
        Parameter {
            name: #wire,
            rust_name: #rust,
            description: #description,
            microversion: #microversion,
            kind: #kind,
        }
    }
}

fn setter(parameter: &Parameter, name: &Ident, entry: &Ident) -> TokenStream {
    let (argument, value, range) = match &parameter.kind {
        Kind::Text { known: Some(known), max, .. } => {
            let known = format_ident!("{}", known.to_pascal_case());
            (quote!(impl Into<#known>), quote!(Text(value.into().into())), length(None, *max))
        }
        Kind::Text { min, max, one_of, .. } if one_of.is_empty() => {
            (quote!(impl Into<String>), quote!(Text(value.into())), length(*min, *max))
        }
        Kind::Text { one_of, .. } => {
            (quote!(impl Into<String>), quote!(Text(value.into())), format!("One of `{}`.", one_of.join("`, `")))
        }
        // i128 holds whatever integer a caller has; the bounds are checked with the others.
        Kind::Integer { min, max } => {
            (quote!(impl TryInto<i128>), quote!(Integer(value.try_into().unwrap_or(i128::MAX))), range(*min, *max))
        }
        Kind::Number { min, max } => (quote!(impl Into<f64>), quote!(Number(value.into())), range(*min, *max)),
        Kind::Boolean { .. } => (quote!(bool), quote!(Boolean(value)), String::new()),
    };
    let mut doc = format!("{}\n\nSent as `{}`. {range}", parameter.description, parameter.wire).trim_end().to_owned();
    if let Some((major, minor)) = parameter.microversion {
        doc += &format!("\n\nNeeds microversion **{major}.{minor}**; the request asks for it by itself.");
    }
    quote! {
        #[doc = #doc]
        pub fn #name(self, value: #argument) -> Self {
            self.with(&parameters::#entry, crate::parameter::Value::#value)
        }
    }
}

fn length(min: Option<u64>, max: Option<u64>) -> String {
    match (min, max) {
        (None | Some(0), None) => String::new(),
        (None | Some(0), Some(max)) => format!("At most {max} characters."),
        (Some(min), None) => format!("At least {min} characters."),
        (Some(min), Some(max)) => format!("{min} to {max} characters."),
    }
}

fn range(min: Option<impl Display>, max: Option<impl Display>) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (None, Some(max)) => format!("At most {max}."),
        (Some(min), None) => format!("At least {min}."),
        (Some(min), Some(max)) => format!("{min} to {max}."),
    }
}
