//! What the contract alone can say: the setters of a request, their docs and table, how a request is
//! sent, the headers' names, and the open enums.

use heck::{ToPascalCase, ToShoutySnakeCase};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};

use crate::contract::{Contract, Kind, OpenEnum, Operation, Parameter};
use crate::feature;

/// The parameters, the setters of `ListBackups`, and how each operation is sent.
pub fn setters(contract: &Contract) -> TokenStream {
    let statics: Vec<_> = contract.parameters.iter().map(static_name).collect();
    let entries = contract.parameters.iter().map(entry);
    let setters = contract.parameters.iter().map(setter);
    let operations = contract.operations.iter().map(|operation| implementation(operation, &contract.parameters));
    quote! {
        use crate::query::{List, Query, Value};
        use crate::transport::{Listed, Server};

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
    }
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
            let name = format_ident!("{}", name.to_pascal_case());
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
    quote! {
        #[doc = #doc]
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
pub fn table(contract: &Contract) -> String {
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
fn implementation(operation: &Operation, parameters: &[Parameter]) -> TokenStream {
    let Operation { id, path, row, .. } = operation;
    let [builder, row] = [id.clone(), row.to_pascal_case()].map(|name| format_ident!("{name}"));
    let statics = parameters.iter().map(static_name);
    let names = parameters.iter().map(|parameter| format_ident!("{}", parameter.rust));
    let variants = parameters.iter().map(|parameter| match parameter.kind {
        Kind::Text { .. } => quote!(Text),
        Kind::Integer { .. } => quote!(Integer),
        Kind::Boolean { .. } => quote!(Boolean),
    });
    quote! {
        impl crate::Row for types::#row {
            fn id(&self) -> &str { &self.id }
        }

        impl Listed for types::#row {
            const ID: &'static str = #id;
            const PATH: &'static str = #path;

            async fn send(query: &Query, project_id: &str, server: Server) -> Result<List<Self>, Error<()>> {
                let client = Client::from(server);
                let mut request = client.#builder().project_id(project_id);
                #(
                    if let Some(Value::#variants(value)) = query.get(&parameters::#statics) {
                        request = request.#names(value.clone());
                    }
                )*
                Ok(request.send().await?.into_inner())
            }
        }
    }
}

/// The names of the headers, which nothing else may know.
pub fn headers(contract: &Contract) -> TokenStream {
    let constants = contract.headers.iter().map(|name| {
        let name = name.to_lowercase();
        let constant = format_ident!("{}", name.to_shouty_snake_case());
        quote!(pub(crate) const #constant: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static(#name);)
    });
    quote!(#(#constants)*)
}

pub fn open_enums(contract: &Contract) -> TokenStream {
    let enums = contract.open_enums.iter().map(open_enum);
    quote! {
        /// A value that this version of the crate has no name for.
        ///
        /// Nothing but its text can be read, so that a later version can name the value.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct UnknownValue(String);

        impl ::std::fmt::Display for UnknownValue {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(&self.0) }
        }

        #(#enums)*
    }
}

/// An enum of the known values that keeps any other one as it is.
fn open_enum(set: &OpenEnum) -> TokenStream {
    let OpenEnum { name, description, values } = set;
    let variants: Vec<_> = values.iter().map(|value| format_ident!("{}", value.to_pascal_case())).collect();
    let docs = values.iter().map(|value| format!("`{value}`"));
    let name = format_ident!("{}", name.to_pascal_case());
    let schemars = feature("SCHEMARS").then(|| {
        quote! {
            #[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
            impl ::schemars::JsonSchema for #name {
                fn schema_name() -> ::std::borrow::Cow<'static, str> { stringify!(#name).into() }

                fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                    #[doc = #description]
                    #[derive(::schemars::JsonSchema)]
                    #[schemars(with = "String")]
                    struct Text;
                    Text::json_schema(generator)
                }
            }
        }
    });
    quote! {
        #[doc = #description]
        #[derive(Clone, Debug, PartialEq, Eq, Hash, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        #[non_exhaustive]
        pub enum #name {
            #(#[doc = #docs] #variants,)*
            /// Any other value, as it is. `as_str` returns its text.
            Unknown(UnknownValue),
        }

        impl #name {
            /// The value as the service writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    #(Self::#variants => #values,)*
                    Self::Unknown(value) => &value.0,
                }
            }
        }

        #schemars

        impl AsRef<str> for #name {
            fn as_ref(&self) -> &str { self.as_str() }
        }

        impl From<&str> for #name {
            fn from(value: &str) -> Self {
                match value {
                    #(#values => Self::#variants,)*
                    other => Self::Unknown(UnknownValue(other.to_owned())),
                }
            }
        }

        impl From<String> for #name {
            fn from(value: String) -> Self { Self::from(value.as_str()) }
        }

        impl From<&String> for #name {
            fn from(value: &String) -> Self { Self::from(value.as_str()) }
        }

        impl ::std::str::FromStr for #name {
            type Err = ::std::convert::Infallible;

            fn from_str(value: &str) -> Result<Self, Self::Err> { Ok(Self::from(value)) }
        }

        impl From<#name> for String {
            fn from(value: #name) -> Self { value.as_str().to_owned() }
        }

        impl ::std::fmt::Display for #name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result { f.pad(self.as_str()) }
        }
    }
}
