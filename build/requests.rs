//! What the contract alone can say of requests: the setters, their docs and table, how a request is sent, and the
//! headers' names.

use heck::ToShoutySnakeCase;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

use crate::contract::{Contract, Kind, Operation, Parameter, Returns};

/// The parameters, the setters of `ListBackups`, how each operation is sent, and the public types.
pub fn generate(contract: &Contract<'_>) -> Result<TokenStream, String> {
    let statics: Vec<_> = contract.parameters.iter().map(static_name).collect();
    let entries = contract.parameters.iter().map(entry);
    let setters = contract.parameters.iter().map(setter);
    let operations = contract.operations.iter().map(|operation| implementation(operation, contract));
    let operations = operations.collect::<Result<Vec<_>, _>>()?;
    let headers = headers(contract);
    let is_response = |name: &str| contract.operations.iter().any(|operation| operation.response == name);
    let structs = contract.schemas.structs.keys().filter(|name| !is_response(name)).map(|name| format_ident!("{name}"));
    let enums = contract.schemas.open_enums.iter().map(|set| format_ident!("{}", set.name));
    Ok(quote! {
        use crate::query::{List, Query, Value};
        use crate::transport::{Listed, Server};

        #headers

        /// The types of the contract that users see.
        pub mod exports {
            pub use super::{#(#enums,)* types::{#(#structs),*}};
        }

        /// Every query parameter, in the contract's order.
        pub(crate) mod parameters {
            use crate::query::{Kind, Microversion, Parameter};

            pub(crate) static PARAMETERS: &[&Parameter] = &[#(&#statics),*];
            #(pub(crate) static #statics: Parameter = #entries;)*
        }

        impl<T> crate::ListBackups<T> {
            #(#setters)*
        }

        #(#operations)*
    })
}

fn static_name(parameter: &Parameter) -> Ident {
    format_ident!("{}", parameter.rust.to_shouty_snake_case())
}

fn entry(parameter: &Parameter) -> TokenStream {
    let Parameter { wire, rust, description, microversion, kind, .. } = parameter;
    let microversion = option(microversion.map(|(major, minor)| quote!(Microversion::new(#major, #minor))));
    let kind = match kind {
        Kind::Text { min, max, .. } => {
            let (min, max) = (min.map_or(0, i64::unsigned_abs), max.map_or(u64::MAX, i64::unsigned_abs));
            quote!(Kind::Text { min_length: #min, max_length: #max })
        }
        Kind::Integer { min, max } => {
            let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
            quote!(Kind::Integer { min: #min, max: #max })
        }
        Kind::Boolean { default } => {
            let default = option(*default);
            quote!(Kind::Boolean { default: #default })
        }
    };
    quote! {
        Parameter { name: #wire, rust_name: #rust, description: #description, microversion: #microversion, kind: #kind }
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
            self.with(&parameters::#entry, Value::#value)
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

/// How the operation is sent, and what its response has.
fn implementation(operation: &Operation, contract: &Contract<'_>) -> Result<TokenStream, String> {
    let Operation { id, path, kind, arguments, .. } = operation;
    let Returns::List { row } = kind else { return Err(format!("operation `{id}`: it is not a list")) };
    let argument = |name: &String| {
        if name == "project_id" {
            return Ok(quote!(project_id));
        }
        let parameter = contract.parameters.iter().find(|parameter| parameter.rust == *name);
        let parameter =
            parameter.ok_or_else(|| format!("operation `{id}`: progenitor's code has an argument `{name}`"))?;
        let entry = static_name(parameter);
        let (variant, value) = match parameter.kind {
            Kind::Text { .. } => (quote!(Text), quote!(value.as_str())),
            Kind::Integer { .. } => (quote!(Integer), quote!(*value)),
            Kind::Boolean { .. } => (quote!(Boolean), quote!(*value)),
        };
        Ok(quote!(match query.get(&parameters::#entry) { Some(Value::#variant(value)) => Some(#value), _ => None }))
    };
    let arguments = arguments.iter().map(argument).collect::<Result<Vec<_>, String>>()?;
    let [method, row] = [id, row].map(|name| format_ident!("{name}"));
    Ok(quote! {
        impl crate::Row for types::#row {
            fn id(&self) -> &str { &self.id }
        }

        impl Listed for types::#row {
            const ID: &'static str = #id;
            const PATH: &'static str = #path;

            async fn send(query: &Query, project_id: &str, server: Server) -> Result<List<Self>, Error<()>> {
                let client = Client::from(server);
                Ok(client.#method(#(#arguments),*).await?.into_inner())
            }
        }
    })
}

/// The names of the headers, which nothing else may know.
pub fn headers(contract: &Contract<'_>) -> TokenStream {
    let constants = contract.headers.iter().map(|(constant, name)| {
        let constant = format_ident!("{constant}");
        quote!(pub(crate) const #constant: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static(#name);)
    });
    quote!(#(#constants)*)
}
