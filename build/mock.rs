//! Generates the mock's part of the contract: the fields of a row, their setters with docs, their values, and how each
//! list writes a row.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;

use crate::client::code;
use crate::contract::{self, Contract, Operation, Returns};
use crate::schema::Field;

pub fn generate(contract: &Contract<'_>) -> Result<TokenStream, String> {
    let rows: BTreeSet<_> = contract.operations.iter().filter_map(Operation::row).collect();
    // The fields of all lists.
    let fields = rows.iter().flat_map(|row| contract.schemas.fields(row));
    let all: BTreeMap<_, _> = fields.map(|field| (&field.rust, field)).collect();
    let all: Vec<_> = all.into_values().map(|field| Typed::new(field, contract)).collect::<Result<_, _>>()?;
    let (names, types): (Vec<_>, Vec<_>) = all.iter().map(|typed| (&typed.name, typed.whole)).unzip();
    let defaults = all.iter().map(|typed| if typed.field.wire == "id" { quote!(id) } else { typed.default() });
    let setters = all.iter().filter(|typed| typed.kind != Kind::Links && typed.field.wire != "id").map(Typed::setter);
    let texts = all.iter().filter_map(Typed::text);
    let made_up = all.iter().filter_map(Typed::made_up);
    let states = all.iter().filter(|typed| typed.kind == Kind::Enum).map(Typed::state);
    let links = all.iter().filter(|typed| typed.kind == Kind::Links).map(|typed| &typed.name);
    let sort_key: Vec<_> = all.iter().filter(|typed| typed.field.sort_key).map(|typed| &typed.name).collect();
    let eq = rows.iter().all(|row| contract.schemas.structs[*row].number.is_none());
    let eq = eq.then(|| quote!(impl Eq for crate::mock::Row {}));
    let conversions = rows.iter().map(|row| conversion(row, contract.schemas.fields(row)));
    let routes = contract.operations.iter().map(|operation| route(operation, contract, &rows));
    Ok(quote! {
        pub(crate) mod rows {
            use super::types::*;

            #[derive(Clone, Debug, PartialEq)]
            pub struct Fields { #(pub(crate) #names: #types),* }

            #eq

            impl crate::mock::Row {
                /// All fields with their defaults.
                pub(crate) fn defaults(id: String) -> Fields {
                    Fields { #(#names: #defaults),* }
                }

                #(#setters)*

                /// A field by its name on the wire, if it is a text.
                pub(crate) fn text_of(&self, field: &str) -> Option<&str> {
                    match field {
                        #(#texts)*
                        _ => None,
                    }
                }

                /// Lists are in the order of this time, newest first.
                pub(crate) fn sort_time(&self) -> Option<::jiff::Timestamp> {
                    None #(.or(Some(self.fields.#sort_key)))*
                }

                pub(crate) fn set_sort_time(&mut self, time: ::jiff::Timestamp) {
                    #(self.fields.#sort_key = time;)*
                }

                pub(crate) fn set_links(&mut self, new: Vec<Link>) {
                    #(self.fields.#links = new.clone().into();)*
                }

                /// Gives a value to each field that only the contract knows.
                pub(crate) fn made_up(mut self, number: u64) -> Self {
                    #(#made_up)*
                    self
                }
            }

            impl crate::mock::Cinder {
                #(#states)*
            }

            #(#conversions)*

            /// How the mock responds to each operation.
            pub(crate) static ROUTES: &[crate::mock::Route] = &[#(#routes),*];
        }
    })
}

#[derive(PartialEq)]
enum Kind {
    Text,
    Enum,
    Time,
    Integer,
    Number,
    Boolean,
    /// Of texts.
    Map,
    Links,
    Other,
}

/// A field in the type that was generated for it.
struct Typed<'a> {
    field: &'a Field,
    name: syn::Ident,
    whole: &'a syn::Type,
    /// The type in its `Option`, if it is one.
    inner: &'a syn::Type,
    optional: bool,
    kind: Kind,
    contract: &'a Contract<'a>,
}

impl<'a> Typed<'a> {
    fn new(field: &'a Field, contract: &'a Contract<'_>) -> Result<Self, String> {
        let whole = field.rust_type.as_ref().ok_or_else(|| format!("property `{}` has no type", field.wire))?;
        let inner = in_option(whole);
        let optional = inner.is_some();
        let inner = inner.unwrap_or(whole);
        let text = code(inner).replace(' ', "");
        let is_enum = |name: &str| contract.schemas.open_enums.iter().any(|set| set.name == name);
        let kind = match text.as_str() {
            "::std::string::String" => Kind::Text,
            "::jiff::Timestamp" => Kind::Time,
            "u64" | "i64" => Kind::Integer,
            "f64" => Kind::Number,
            "bool" => Kind::Boolean,
            "::std::collections::BTreeMap<::std::string::String,::std::string::String>" => Kind::Map,
            "::std::vec::Vec<Link>" => Kind::Links,
            other if other.strip_prefix("super::").is_some_and(is_enum) => Kind::Enum,
            _ => Kind::Other,
        };
        Ok(Self { field, name: format_ident!("{}", field.rust), whole, inner, optional, kind, contract })
    }

    fn some(&self, value: TokenStream) -> TokenStream {
        if self.optional { quote!(Some(#value)) } else { value }
    }

    /// A value in its type, without an `Option`.
    fn value(&self, value: &Value) -> TokenStream {
        let inner = self.inner;
        match (&self.kind, value) {
            (Kind::Text, Value::String(text)) => quote!(#text.to_owned()),
            (Kind::Enum, Value::String(text)) => quote!(#inner::from(#text)),
            (Kind::Boolean, Value::Bool(flag)) => quote!(#flag),
            (Kind::Integer | Kind::Number, Value::Number(number)) => {
                let number: TokenStream = number.to_string().parse().unwrap_or_default();
                quote!(#number as #inner)
            }
            _ => quote!(::std::default::Default::default()),
        }
    }

    fn default(&self) -> TokenStream {
        let first = self.known().first().map(|value| Value::from(value.as_str()));
        match (&self.field.example, first) {
            _ if self.optional => quote!(None),
            (Value::Null, Some(first)) => self.value(&first),
            (Value::Null, None) => self.object(),
            (example, _) => self.value(example),
        }
    }

    /// The values of its enum, if it is one.
    fn known(&self) -> &[String] {
        let name = code(self.inner);
        let set = self.contract.schemas.open_enums.iter().find(|set| name == format!("super :: {}", set.name));
        set.map(|set| set.values.as_slice()).unwrap_or_default()
    }

    /// The default of a type; of an object, one with all defaults.
    fn object(&self) -> TokenStream {
        let name = code(self.inner);
        match self.contract.schemas.structs.contains_key(&name) {
            true => object(&name, self.contract, |typed| typed.default()),
            false => quote!(::std::default::Default::default()),
        }
    }

    fn setter(&self) -> TokenStream {
        let Self { field, name, inner, .. } = self;
        let (argument, value) = match self.kind {
            Kind::Text => (quote!(impl Into<String>), quote!(value.into())),
            Kind::Enum => (quote!(impl Into<#inner>), quote!(value.into())),
            Kind::Map => (
                quote!(impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>),
                quote!(value.into_iter().map(|(key, value)| (key.into(), value.into())).collect()),
            ),
            _ => (quote!(#inner), quote!(value)),
        };
        let (mut doc, value) = (field.doc.clone(), self.some(value));
        let dated = field.sort_key.then(|| {
            doc += "\n\nThe list is in this order, newest first, and then by id, descending. Default: as the order of the \
                rows has it. Of those that a [`Cinder`](crate::mock::Cinder) starts with, each is an hour older than the \
                one before it. One that is inserted later is a second newer than the newest.";
            quote!(self.dated = true;)
        });
        quote! {
            #[doc = #doc]
            #[must_use]
            pub fn #name(mut self, value: #argument) -> Self {
                self.fields.#name = #value;
                #dated
                self
            }
        }
    }

    fn text(&self) -> Option<TokenStream> {
        let Self { field: Field { wire, .. }, name, .. } = self;
        let value = match (&self.kind, self.optional) {
            (Kind::Text, true) => quote!(self.fields.#name.as_deref()),
            (Kind::Text, false) => quote!(Some(&self.fields.#name)),
            (Kind::Enum, true) => quote!(self.fields.#name.as_ref().map(AsRef::as_ref)),
            (Kind::Enum, false) => quote!(Some(self.fields.#name.as_str())),
            _ => return None,
        };
        Some(quote!(#wire => #value,))
    }

    fn made_up(&self) -> Option<TokenStream> {
        let Self { field: Field { wire, mock, .. }, name, inner, .. } = self;
        if ["id", "name"].contains(&wire.as_str()) || self.field.sort_key {
            return None;
        }
        let known: Vec<_> = self.known().iter().map(|value| Value::from(value.as_str())).collect();
        let mock = if mock.is_empty() { &known } else { mock };
        if let Some((last, values)) = mock.split_last() {
            let value = |value: &Value| if value.is_null() { quote!(None) } else { self.some(self.value(value)) };
            let (numbers, values) = (0_u64.., values.iter().map(value));
            let (arms, length, last) =
                (numbers.zip(values).map(|(number, value)| quote!(#number => #value,)), mock.len() as u64, value(last));
            return Some(quote!(self.fields.#name = match number % #length { #(#arms)* _ => #last };));
        }
        let text = format!("{}-{{number}}", name.to_string().replace('_', "-"));
        let value = match self.kind {
            Kind::Text => quote!(format!(#text)),
            Kind::Time => quote!(crate::mock::hour(number + 1)),
            Kind::Integer => quote!((1 + number % 100) as #inner),
            Kind::Number => quote!((number % 100) as #inner / 4.0),
            Kind::Boolean => quote!(number % 5 != 0),
            Kind::Map => quote!([("key".to_owned(), format!("value-{number}"))].into()),
            _ => return None,
        };
        let value = self.some(value);
        let always = matches!(self.kind, Kind::Integer | Kind::Number | Kind::Boolean);
        Some(if always || (self.field.required && !self.field.nullable) {
            quote!(self.fields.#name = #value;)
        } else {
            quote!(if number % 3 == 0 { self.fields.#name = #value; })
        })
    }

    /// The setter of a state of an existing backup.
    fn state(&self) -> TokenStream {
        let (Self { inner, name, .. }, wire) = (self, &self.field.wire);
        let (doc, setter) = (
            format!("Sets the {wire} of a backup, and returns whether there is one with this id."),
            format_ident!("set_{}", self.field.rust),
        );
        quote! {
            #[doc = #doc]
            #[allow(clippy::must_use_candidate)]
            pub fn #setter(&self, id: impl AsRef<str>, #name: impl Into<#inner>) -> bool {
                self.update(id.as_ref(), |row| row.#name(#name))
            }
        }
    }
}

/// The type in an `Option`.
fn in_option(whole: &syn::Type) -> Option<&syn::Type> {
    let syn::Type::Path(path) = whole else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let syn::PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(syn::GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

/// An object of the contract's with these values.
fn object(name: &str, contract: &Contract<'_>, value: impl Fn(&Typed<'_>) -> TokenStream) -> TokenStream {
    let fields = contract.schemas.fields(name).iter().filter_map(|field| Typed::new(field, contract).ok());
    let (names, values): (Vec<_>, Vec<_>) = fields.map(|typed| (typed.name.clone(), value(&typed))).unzip();
    let name = format_ident!("{name}");
    quote!(#name { #(#names: #values),* })
}

fn conversion(row: &str, fields: &[Field]) -> TokenStream {
    let row = format_ident!("{row}");
    let fields = fields.iter().map(|field| format_ident!("{}", field.rust));
    quote! {
        impl From<crate::mock::Row> for #row {
            fn from(row: crate::mock::Row) -> Self { Self { #(#fields: row.fields.#fields),* } }
        }
    }
}

fn route(operation: &Operation, contract: &Contract<'_>, rows: &BTreeSet<&str>) -> TokenStream {
    let path = operation.path.trim_start_matches(contract::ROOT);
    let (of, returns) = match &operation.kind {
        Returns::List { row } => (row, quote!(List)),
        Returns::Object { object, property: Some(key), .. } => (object, quote!(Object { key: Some(#key) })),
        Returns::Object { object, property: None, .. } => (object, quote!(Object { key: None })),
    };
    let version = |version: Option<(u32, u32)>| match version {
        Some((major, minor)) => quote!(Some(crate::Microversion::new(#major, #minor))),
        None => quote!(None),
    };
    let newer = contract.schemas.fields(of).iter().filter_map(|Field { wire, microversion, rust_type, .. }| {
        let (major, minor) = (*microversion)?;
        let inner = rust_type.as_ref().map(|whole| in_option(whole).unwrap_or(whole));
        let is_map = inner.is_some_and(|inner| code(inner).starts_with(":: std :: collections"));
        Some(quote!((#wire, crate::Microversion::new(#major, #minor), #is_map)))
    });
    let (is_row, microversion) = (rows.contains(of.as_str()), version(operation.microversion));
    // An object that is in no list always exists.
    let value = if is_row {
        let row = format_ident!("{of}");
        quote!(#row::from(row))
    } else {
        object(of, contract, |typed| {
            if typed.field.wire == "id" && typed.kind == Kind::Text {
                typed.some(quote!(row.fields.id))
            } else {
                typed.default()
            }
        })
    };
    quote! {
        crate::mock::Route {
            path: #path,
            microversion: #microversion,
            returns: crate::mock::Returns::#returns,
            is_row: #is_row,
            write: |row| ::serde_json::to_value(#value).unwrap_or_default(),
            newer: &[#(#newer),*],
        }
    }
}
