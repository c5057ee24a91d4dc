//! Generates requests from the contract: the setters, their docs and table, how a request is sent, and the headers'
//! names.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToShoutySnakeCase;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

use crate::contract::{Contract, Kind, Operation, Parameter, Returns};
use crate::schema::{Field, reference};

/// The parameters, the setters of `ListBackups`, the methods of `Client`, and the public types.
pub fn generate(contract: &Contract<'_>) -> Result<TokenStream, String> {
    let statics: Vec<_> = contract.parameters.iter().map(static_name).collect();
    let entries = contract.parameters.iter().map(entry);
    let setters = contract.parameters.iter().map(setter);
    let methods = contract.operations.iter().map(|operation| method(operation, contract));
    let methods = methods.collect::<Result<Vec<_>, _>>()?;
    let headers = headers(contract);
    let structs = contract.schemas.structs.keys().filter(|name| !contract.is_envelope(name));
    let structs = structs.map(|name| format_ident!("{name}"));
    let enums = contract.schemas.open_enums.iter().map(|set| format_ident!("{}", set.name));
    let rows: BTreeSet<_> = contract.operations.iter().filter_map(|operation| operation.row()).collect();
    let fields = rows.iter().map(|row| {
        let fields = contract.schemas.fields(row).iter().map(|field| described(field, contract));
        quote!(#(#fields),*)
    });
    let rows = rows.iter().map(|row| format_ident!("{row}"));
    let keys: BTreeMap<_, _> = contract.operations.iter().filter_map(|operation| operation.key()).collect();
    let keys = keys.into_iter().map(|(response, key)| {
        let response = format_ident!("{response}");
        quote! {
            pub struct #response;
            impl crate::query::Key for #response {
                const KEY: &'static str = #key;
            }
        }
    });
    Ok(quote! {
        #headers

        /// The types of the contract that users see.
        pub mod exports {
            pub use super::{#(#enums,)* types::{#(#structs),*}};
        }

        /// Every query parameter, in the contract's order.
        pub(crate) mod parameters {
            pub(crate) static PARAMETERS: &[&crate::Parameter] = &[#(&#statics),*];
            #(pub(crate) static #statics: crate::Parameter = #entries;)*
        }

        impl<T> crate::ListBackups<T> {
            #(#setters)*
        }

        impl crate::Client {
            #(#methods)*
        }

        #(
            impl crate::transport::OfContract for types::#rows {}
            impl crate::Row for types::#rows {
                fn id(&self) -> &str { &self.id }

                fn fields() -> &'static [crate::Field] {
                    const FIELDS: &[crate::Field] = &[#fields];
                    FIELDS
                }
            }
        )*

        /// The property of each response that has its one object.
        pub mod keys {
            #(#keys)*
        }
    })
}

fn static_name(parameter: &Parameter) -> Ident {
    format_ident!("{}", parameter.rust.to_shouty_snake_case())
}

fn entry(parameter: &Parameter) -> TokenStream {
    let Parameter { wire, rust, description, microversion, kind, in_path, .. } = parameter;
    let microversion = version(*microversion);
    let kind = match kind {
        Kind::Text { min, max, .. } => {
            let (min, max) = (min.map_or(0, i64::unsigned_abs), max.map_or(u64::MAX, i64::unsigned_abs));
            quote!(crate::query::Kind::Text { min_length: #min, max_length: #max, in_path: #in_path })
        }
        Kind::Integer { min, max } => {
            let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
            quote!(crate::query::Kind::Integer { min: #min, max: #max })
        }
        Kind::Boolean { default } => {
            let default = option(*default);
            quote!(crate::query::Kind::Boolean { default: #default })
        }
    };
    quote! {
        crate::Parameter { name: #wire, rust_name: #rust, description: #description, microversion: #microversion, kind: #kind }
    }
}

fn option(value: Option<impl ToTokens>) -> TokenStream {
    value.map_or(quote!(None), |value| quote!(Some(#value)))
}

fn setter(parameter: &Parameter) -> TokenStream {
    let (argument, value) = match &parameter.kind {
        Kind::Text { open_enum: Some(name), .. } => {
            let name = format_ident!("{name}");
            (quote!(impl Into<#name>), quote!(Text(value.into().into())))
        }
        Kind::Text { .. } => (quote!(impl Into<String>), quote!(Text(value.into()))),
        Kind::Integer { min: Some(0..), max: Some(max) } if u32::try_from(*max).is_ok() => {
            (quote!(u32), quote!(Integer(value.into())))
        }
        Kind::Integer { min: Some(0..), .. } => (quote!(u64), quote!(Integer(value.try_into().unwrap_or(i64::MAX)))),
        Kind::Integer { .. } => (quote!(i64), quote!(Integer(value))),
        Kind::Boolean { .. } => (quote!(bool), quote!(Boolean(value))),
    };
    let (doc, name, entry) = (doc(parameter), format_ident!("{}", parameter.rust), static_name(parameter));
    let deprecated = parameter.deprecated.then(|| quote!(#[deprecated = "the service may remove the parameter"]));
    quote! {
        #[doc = #doc]
        #deprecated
        pub fn #name(self, value: #argument) -> Self {
            self.with(&parameters::#entry, crate::query::Value::#value)
        }
    }
}

fn doc(parameter: &Parameter) -> String {
    let Parameter { wire, rust, description, .. } = parameter;
    let bounds = match &parameter.kind {
        Kind::Text { min, max, .. } => bounds(min.filter(|min| *min > 0), *max, " characters"),
        Kind::Integer { min, max } => bounds(*min, *max, ""),
        Kind::Boolean { .. } => String::new(),
    };
    let mut doc = format!("{description}\n\nSent as `{wire}`.{bounds}");
    for note in &parameter.notes {
        doc += &format!(" {note}");
    }
    if let Some((major, minor)) = parameter.microversion {
        doc += &format!("\n\nNeeds microversion **{major}.{minor}**, which is set automatically.");
    }
    if !parameter.example.is_null() {
        doc += &format!(
            "\n\n# Examples\n\n```\n# fn example(client: &vbs_client::Client) {{\n\
             let request = client.list_backups().{rust}({});\n# }}\n```",
            parameter.example
        );
    }
    doc
}

fn bounds(min: Option<i64>, max: Option<i64>, unit: &str) -> String {
    match (min, max) {
        (None, None) => String::new(),
        (None, Some(max)) => format!(" At most {max}{unit}."),
        (Some(min), None) => format!(" At least {min}{unit}."),
        (Some(min), Some(max)) => format!(" {min} to {max}{unit}."),
    }
}

/// The parameters as a table in Markdown, for the docs of `ListBackups`.
pub fn table(contract: &Contract<'_>) -> String {
    let mut table = String::from("| parameter | method | microversion | |\n|---|---|---|---|\n");
    for Parameter { wire, rust, description, microversion, .. } in &contract.parameters {
        let version = microversion.map_or("any".to_owned(), |(major, minor)| format!("{major}.{minor}"));
        let first = description.split_once(". ").map_or(description.as_str(), |(first, _)| first);
        let first = first.trim_end_matches('.').replace('|', "\\|");
        table += &format!("| `{wire}` | [`{rust}`](ListBackups::{rust}) | {version} | {first}. |\n");
    }
    table
}

/// The method of `Client` that makes a request of an operation.
fn method(operation: &Operation, contract: &Contract<'_>) -> Result<TokenStream, String> {
    let Operation { id, path, kind, arguments, microversion, deprecated, .. } = operation;
    let in_path = operation.path_parameters();
    let argument = |name: &String| {
        if name == "project_id" {
            return Ok(quote!(project_id));
        }
        let parameter = contract.query_of(operation).iter().chain(in_path).find(|parameter| parameter.rust == *name);
        let parameter =
            parameter.ok_or_else(|| format!("operation `{id}`: progenitor's code has an argument `{name}`"))?;
        let entry = static_name(parameter);
        let (variant, value) = match parameter.kind {
            // It was set, because the method has it as an argument.
            _ if parameter.in_path => {
                return Ok(
                    quote!(match query.get(&#entry) { Some(crate::query::Value::Text(value)) => value.as_str(), _ => "" }),
                );
            }
            Kind::Text { .. } => (quote!(Text), quote!(value.as_str())),
            Kind::Integer { .. } => (quote!(Integer), quote!(*value)),
            Kind::Boolean { .. } => (quote!(Boolean), quote!(*value)),
        };
        Ok(
            quote!(match query.get(&parameters::#entry) { Some(crate::query::Value::#variant(value)) => Some(#value), _ => None }),
        )
    };
    let arguments = arguments.iter().map(argument).collect::<Result<Vec<_>, String>>()?;
    let (method, microversion) = (format_ident!("{id}"), version(*microversion));
    let (names, values): (Vec<_>, Vec<_>) = in_path.iter().map(|of| (static_name(of), entry(of))).unzip();
    let setters: Vec<_> = in_path.iter().map(|parameter| format_ident!("{}", parameter.rust)).collect();
    let (request, with, body) = match kind {
        Returns::List { row } => {
            let row = format_ident!("{row}");
            (quote!(ListBackups<types::#row>), quote!(), quote!(response))
        }
        Returns::Object { object, property, .. } => {
            let has_id = path.ends_with('}') && contract.schemas.has_text(object, "id");
            let id = if has_id { quote!(|object| Some(&object.id)) } else { quote!(|_| None) };
            let body = match property {
                Some(_) => quote!(response.0),
                None => quote!(crate::query::One { object: response, error: None }),
            };
            let object = format_ident!("{object}");
            (quote!(Show<types::#object>), quote!(, #id), body)
        }
    };
    let mut doc = operation.doc.clone();
    for Parameter { wire, description, .. } in in_path {
        doc += &format!("\n\n`{wire}`: {description}");
    }
    if let Some((major, minor)) = operation.microversion {
        doc += &format!("\n\nNeeds microversion **{major}.{minor}**, which is set automatically.");
    }
    let deprecated = deprecated.then(|| quote!(#[deprecated = "the service may remove the operation"]));
    Ok(quote! {
        #[doc = #doc]
        #deprecated
        pub fn #method(&self #(, #setters: impl Into<String>)*) -> crate::#request {
            #(static #names: crate::Parameter = #values;)*
            <crate::#request>::new(self, crate::transport::Get {
                id: #id,
                path: #path,
                microversion: #microversion,
                send: |query, project_id, server| Box::pin(async move {
                    let response = Client::from(server).#method(#(#arguments),*).await?.into_inner();
                    Ok(#body)
                }),
            } #with) #(.with(&#names, #setters))*
        }
    })
}

fn version(microversion: Option<(u32, u32)>) -> TokenStream {
    option(microversion.map(|(major, minor)| quote!(crate::Microversion::new(#major, #minor))))
}

/// A field of a row, for programs that know no field by name.
fn described(field: &Field, contract: &Contract<'_>) -> TokenStream {
    let Field { wire, description, microversion, column, unit, schema, .. } = field;
    let microversion = version(*microversion);
    let [column, unit] = [column, unit].map(|text| option(text.as_ref()));
    let kind = match (reference(schema), schema["type"].as_str()) {
        (Some("TimestampType"), _) => "Time",
        (Some(name), _) if contract.schemas.open_enums.iter().any(|set| set.name == name) => "Enum",
        (_, Some("string")) => "Text",
        (_, Some("integer" | "number")) => "Number",
        (_, Some("boolean")) => "Boolean",
        (_, Some("array")) => "List",
        _ => "Object",
    };
    let kind = format_ident!("{kind}");
    quote! {
        crate::Field {
            name: #wire,
            description: #description,
            microversion: #microversion,
            kind: crate::FieldKind::#kind,
            column: #column,
            unit: #unit,
        }
    }
}

/// The names of the headers; other code uses these constants.
pub fn headers(contract: &Contract<'_>) -> TokenStream {
    let constants = contract.headers.iter().map(|(constant, name)| {
        let constant = format_ident!("{constant}");
        quote!(pub(crate) const #constant: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static(#name);)
    });
    quote!(#(#constants)*)
}
