//! progenitor's client, and what is changed in it: the names on the wire, and how a body is decoded. A change that finds
//! nothing to change is an error.

use std::panic;

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypePatch};
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};

use crate::contract::{Contract, Operation, Parameter, Returns};
use crate::schema::{Field, RUST_TYPES, type_name};
use crate::{feature, text};

pub fn generate(contract: &mut Contract<'_>) -> Result<syn::File, String> {
    let document = serde_json::from_value(contract.document.clone()).map_err(text)?;
    let settings = settings(contract);
    let tokens = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&document))
        .map_err(|_| "progenitor cannot generate a client from it: its own message is above")?
        .map_err(text)?;
    let mut file = syn::parse2(tokens).map_err(text)?;
    let mut changes = Changes { contract, operation: String::new(), restored: Vec::new(), decoders: Vec::new() };
    changes.visit_file_mut(&mut file);
    changes.check()?;
    Ok(file)
}

fn settings(contract: &Contract<'_>) -> GenerationSettings {
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::transport::RequestContext))
        .with_map_type("::std::collections::BTreeMap");
    for (name, rust) in RUST_TYPES {
        settings.with_replacement(type_name(name), rust, [].into_iter());
    }
    for Operation { response, kind, .. } in &contract.operations {
        let replacement = match kind {
            Returns::List { row } => format!("crate::query::List<types::{row}>"),
            Returns::Object { object, property: Some(_), .. } => {
                format!("crate::query::Keyed<types::{object}, keys::{response}>")
            }
            Returns::Object { .. } => continue,
        };
        settings.with_replacement(response, replacement, [].into_iter());
    }
    for set in &contract.schemas.open_enums {
        settings.with_replacement(&set.name, format!("super::{}", set.name), [].into_iter());
    }
    // Requests have secrets, which are neither compared nor described.
    let lists = !contract.operations.is_empty();
    for (name, object) in contract.schemas.structs.iter().filter(|_| lists) {
        let mut patch = TypePatch::default();
        // A new field in the contract breaks nobody.
        patch.with_attr("#[non_exhaustive]".to_owned()).with_derive("PartialEq".to_owned());
        if object.number.is_none() {
            patch.with_derive("Eq".to_owned()).with_derive("Hash".to_owned());
        }
        if feature("SCHEMARS") {
            patch.with_derive("::schemars::JsonSchema".to_owned());
        }
        settings.with_patch(name, &patch);
    }
    settings
}

struct Changes<'a, 'b> {
    contract: &'a mut Contract<'b>,
    /// The method that is being changed.
    operation: String,
    /// The methods and parameters whose wire names were restored.
    restored: Vec<(String, String)>,
    /// The methods that decode a response.
    decoders: Vec<String>,
}

impl Changes<'_, '_> {
    fn check(&self) -> Result<(), String> {
        let found = |times: usize, what: String| match times {
            1 => Ok(()),
            _ => Err(format!("progenitor's code {what} in {times} places, where 1 was expected")),
        };
        for operation in &self.contract.operations {
            let id = &operation.id;
            let decoders = self.decoders.iter().filter(|decoder| *decoder == id);
            found(decoders.count(), format!("decodes the response of operation `{id}`"))?;
            for Parameter { wire, rust, .. } in self.contract.query_of(operation) {
                let times = self.restored.iter().filter(|(of, parameter)| of == id && parameter == rust).count();
                found(times, format!("has parameter `{wire}` of operation `{id}`"))?;
            }
        }
        for (name, object) in self.contract.schemas.structs.iter().filter(|(name, _)| !self.contract.is_envelope(name))
        {
            if let Some(field) = object.fields.iter().find(|field| field.rust_type.is_none()) {
                return Err(format!("progenitor's code has no field for property `{}` of schema `{name}`", field.wire));
            }
        }
        Ok(())
    }
}

impl VisitMut for Changes<'_, '_> {
    fn visit_impl_item_fn_mut(&mut self, method: &mut syn::ImplItemFn) {
        self.operation = method.sig.ident.to_string();
        if let Some(operation) = self.contract.operations.iter_mut().find(|found| found.id == self.operation) {
            operation.arguments = method.sig.inputs.iter().filter_map(argument).collect();
        }
        visit_mut::visit_impl_item_fn_mut(self, method);
    }

    /// The first argument of `QueryParam::new("rust_name", ..)` becomes the wire name.
    fn visit_expr_call_mut(&mut self, call: &mut syn::ExprCall) {
        visit_mut::visit_expr_call_mut(self, call);
        if !code(&call.func).ends_with("QueryParam :: new") {
            return;
        }
        if let Some(syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(name), .. })) = call.args.first_mut() {
            let rust = name.value();
            if let Some(parameter) = self.contract.parameters.iter().find(|parameter| parameter.rust == rust) {
                *name = syn::LitStr::new(&parameter.wire, name.span());
                self.restored.push((self.operation.clone(), rust));
            }
        }
    }

    /// This crate's own decoder is faster, and keeps the body of a response that is not what the contract says.
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if code(path) == "ResponseValue :: from_response" {
            *path = syn::parse_quote!(crate::transport::decode);
            self.decoders.push(self.operation.clone());
        }
    }

    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        let described = feature("SCHEMARS") && !self.contract.operations.is_empty();
        let object = self.contract.schemas.structs.get_mut(&item.ident.to_string());
        for field in object.into_iter().flat_map(|object| &mut object.fields) {
            let named = |item: &&mut syn::Field| item.ident.as_ref().is_some_and(|name| *name == field.rust);
            if let Some(item) = item.fields.iter_mut().find(named) {
                item.attrs = attributes(field, &item.ty, described);
                field.rust_type = Some(item.ty.clone());
            }
        }
    }
}

fn argument(argument: &syn::FnArg) -> Option<String> {
    match argument {
        syn::FnArg::Typed(argument) => Some(code(&argument.pat)),
        syn::FnArg::Receiver(_) => None,
    }
}

/// How a field is read and written. A nullable one may be missing, too; it is written as null.
fn attributes(field: &Field, rust_type: &syn::Type, described: bool) -> Vec<syn::Attribute> {
    let (doc, wire, rust_type) = (&field.doc, &field.wire, code(rust_type));
    let mut attributes: Vec<syn::Attribute> = vec![syn::parse_quote!(#[doc = #doc])];
    if *wire != field.rust {
        attributes.push(syn::parse_quote!(#[serde(rename = #wire)]));
    }
    // serde has one for a missing `Option` without functions of its own; where all had one, `[]` would be an object.
    if (!field.required || field.nullable) && (!rust_type.starts_with(":: std :: option") || rust_type.contains("jiff"))
    {
        attributes.push(syn::parse_quote!(#[serde(default)]));
    }
    let is_empty = [
        "::std::option::Option::is_none",
        "::std::vec::Vec::is_empty",
        "::std::collections::BTreeMap::is_empty",
        "::serde_json::Map::is_empty",
    ];
    let kind = is_empty.into_iter().find(|name| {
        let (path, _) = name.rsplit_once("::").unwrap_or_default();
        rust_type.replace(' ', "").starts_with(&format!("{path}<"))
    });
    if let (false, Some(is_empty)) = (field.required, kind) {
        attributes.push(syn::parse_quote!(#[serde(skip_serializing_if = #is_empty)]));
    }
    // Of structs, whose names have no path.
    if rust_type
        .strip_prefix(":: std :: vec :: Vec <")
        .is_some_and(|item| !item.contains("::") && item.contains(char::is_uppercase))
    {
        attributes.push(syn::parse_quote!(#[serde(deserialize_with = "crate::query::decode::objects")]));
    }
    let (functions, written) = match rust_type.as_str() {
        ":: jiff :: Timestamp" => ("crate::query::timestamp", "crate::query::timestamp::Written"),
        ":: std :: option :: Option < :: jiff :: Timestamp >" => {
            ("crate::query::timestamp::nullable", "Option<crate::query::timestamp::Written>")
        }
        _ => return attributes,
    };
    attributes.push(syn::parse_quote!(#[serde(with = #functions)]));
    if described {
        attributes.push(syn::parse_quote!(#[schemars(with = #written)]));
    }
    attributes
}

pub fn code(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}
