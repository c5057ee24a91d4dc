//! What the mock of the service takes from the contract: the setters of a row, with their docs, its fields as
//! text, which is what filters compare, and how each list writes a row.

use heck::{ToPascalCase, ToSnakeCase};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use serde_json::{Map, Value};

use crate::contract::{self, Contract, Operation};

/// Those that the mock itself gives a value.
const OWN: [&str; 3] = ["id", "created_at", "links"];

struct Field {
    wire: String,
    rust: Ident,
    description: String,
    microversion: Option<(u32, u32)>,
    nullable: bool,
    kind: Kind,
}

enum Kind {
    Text,
    OpenEnum { name: Ident, first: String },
    Time,
    Integer,
    Boolean,
    Map,
    List,
}

pub fn generate(contract: &Contract) -> Result<TokenStream, String> {
    let rows: Vec<_> = contract
        .operations
        .iter()
        .map(|operation| Ok((operation, fields(contract, operation)?)))
        .collect::<Result<_, String>>()?;
    // The row that has the fields of all others.
    let full = rows.iter().max_by_key(|(_, fields)| fields.len());
    let (operation, fields) = full.ok_or("there is no operation")?;
    let row = format_ident!("{}", operation.row.to_pascal_case());
    let defaults = fields.iter().filter(|field| field.wire != "id").map(default);
    let setters = fields.iter().filter(|field| !OWN.contains(&field.wire.as_str())).map(setter);
    let texts = fields.iter().filter_map(text);
    let lists = rows.iter().map(|(operation, fields)| list(operation, fields));
    let conversions = rows.iter().map(|(operation, fields)| conversion(operation, fields));
    Ok(quote! {
        impl crate::mock::Row {
            /// All fields with their defaults.
            pub(crate) fn defaults(id: String) -> types::#row {
                types::#row { id, #(#defaults),* }
            }

            #(#setters)*

            /// A field by its name on the wire, if it is a text.
            pub(crate) fn text(&self, field: &str) -> Option<&str> {
                match field {
                    #(#texts)*
                    _ => None,
                }
            }
        }

        #(#conversions)*

        /// How the mock responds to each operation.
        pub(crate) static LISTS: &[crate::mock::List] = &[#(#lists),*];
    })
}

fn fields(contract: &Contract, operation: &Operation) -> Result<Vec<Field>, String> {
    let schemas = &contract.document["components"]["schemas"];
    let properties = schemas[&operation.row]["properties"].as_object();
    let field = |(wire, property): (&String, &Value)| {
        let fault = |what: String| format!("schema `{}`: property `{wire}`: {what}", operation.row);
        let referred = property["allOf"][0]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let schema = referred.map_or(property, |name| &schemas[name]);
        let kind = match (schema["type"].as_str(), &schema["x-extensible-enum"][0]) {
            (Some("string"), Value::String(first)) => {
                let name = format_ident!("{}", referred.unwrap_or_default().to_pascal_case());
                Kind::OpenEnum { name, first: first.clone() }
            }
            (Some("string"), _) if referred.is_some_and(|name| name.ends_with("Timestamp")) => Kind::Time,
            (Some("string"), _) => Kind::Text,
            (Some("integer"), _) => Kind::Integer,
            (Some("boolean"), _) => Kind::Boolean,
            (Some("object"), _) => Kind::Map,
            (Some("array"), _) => Kind::List,
            _ => return Err(fault("the mock has no setter for its type".to_owned())),
        };
        Ok(Field {
            wire: wire.clone(),
            rust: format_ident!("{}", contract.renamed.get(wire).cloned().unwrap_or_else(|| wire.to_snake_case())),
            description: property["description"].as_str().unwrap_or_default().to_owned(),
            microversion: property.get("x-openstack").map(contract::microversion).transpose().map_err(fault)?,
            nullable: schema["nullable"] == true,
            kind,
        })
    };
    properties.into_iter().flat_map(Map::iter).map(field).collect()
}

fn default(Field { rust, kind, .. }: &Field) -> TokenStream {
    match kind {
        Kind::OpenEnum { name, first } => quote!(#rust: #name::from(#first)),
        _ => quote!(#rust: ::std::default::Default::default()),
    }
}

fn setter(Field { rust, description, nullable, kind, .. }: &Field) -> TokenStream {
    let (argument, mut value) = match kind {
        Kind::Text => (quote!(impl Into<String>), quote!(value.into())),
        Kind::OpenEnum { name, .. } => (quote!(impl Into<#name>), quote!(value.into())),
        Kind::Time => (quote!(::jiff::Timestamp), quote!(value)),
        Kind::Integer => (quote!(u64), quote!(value)),
        Kind::Boolean => (quote!(bool), quote!(value)),
        Kind::Map => (
            quote!(impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>),
            quote!(value.into_iter().map(|(key, value)| (key.into(), value.into())).collect()),
        ),
        Kind::List => return TokenStream::new(),
    };
    if *nullable {
        value = quote!(Some(#value));
    }
    quote! {
        #[doc = #description]
        #[must_use]
        pub fn #rust(mut self, value: #argument) -> Self {
            self.backup.#rust = #value;
            self
        }
    }
}

fn text(Field { wire, rust, nullable, kind, .. }: &Field) -> Option<TokenStream> {
    match (kind, nullable) {
        (Kind::Text, true) => Some(quote!(#wire => self.backup.#rust.as_deref(),)),
        (Kind::Text, false) => Some(quote!(#wire => Some(&self.backup.#rust),)),
        (Kind::OpenEnum { .. }, _) => Some(quote!(#wire => Some(self.backup.#rust.as_str()),)),
        _ => None,
    }
}

fn conversion(operation: &Operation, fields: &[Field]) -> TokenStream {
    let row = format_ident!("{}", operation.row.to_pascal_case());
    let fields = fields.iter().map(|field| &field.rust);
    quote! {
        impl From<crate::mock::Row> for types::#row {
            fn from(row: crate::mock::Row) -> Self { Self { #(#fields: row.backup.#fields),* } }
        }
    }
}

fn list(operation: &Operation, fields: &[Field]) -> TokenStream {
    let row = format_ident!("{}", operation.row.to_pascal_case());
    let path = operation.path.trim_start_matches(contract::ROOT);
    let newer = fields.iter().filter_map(|Field { wire, microversion, kind, .. }| {
        let (major, minor) = (*microversion)?;
        let is_map = matches!(kind, Kind::Map);
        Some(quote!((#wire, crate::Microversion::new(#major, #minor), #is_map)))
    });
    quote! {
        crate::mock::List {
            path: #path,
            write: |row| ::serde_json::to_value(types::#row::from(row)).unwrap_or_default(),
            newer: &[#(#newer),*],
        }
    }
}
