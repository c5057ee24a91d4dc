//! Generates the client with progenitor, and changes the names on the wire and the decoding of a body in its code. It
//! is an error if the code to change is missing.

use std::{env, panic};

use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypePatch};
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};

use crate::contract::{Contract, Operation, Returns};
use crate::schema::{Field, RUST_TYPES, type_name};
use crate::{feature, text};

pub fn generate(contract: &mut Contract<'_>) -> Result<syn::File, String> {
    let document = serde_json::from_value(contract.document.clone()).map_err(text)?;
    let settings = settings(contract);
    let tokens = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&document))
        .map_err(|_| "progenitor cannot generate a client from it: its own message is above")?
        .map_err(text)?;
    let tokens = match &env::args().skip(1).collect::<Vec<_>>()[..] {
        // Cargo passes no arguments. The tests do, to simulate another version of progenitor.
        [old, new] => tokens.to_string().replace(old, new).parse().map_err(text)?,
        _ => tokens,
    };
    let mut file = syn::parse2(tokens).map_err(text)?;
    let mut changes = Changes { contract, operation: String::new(), found: Vec::new() };
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
    // Requests of signing in have secrets, which are neither compared nor described.
    let lists = !contract.operations.is_empty();
    for (name, object) in contract.schemas.structs.iter().filter(|_| lists) {
        let mut patch = TypePatch::default();
        // A new field in the contract is no breaking change.
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
    /// The current method.
    operation: String,
    /// The code that was found to be changed, or is relied on.
    found: Vec<String>,
}

impl Changes<'_, '_> {
    fn check(&self) -> Result<(), String> {
        for what in self.expected() {
            match self.found.iter().filter(|found| **found == what).count() {
                1 => {}
                times => return Err(format!("progenitor's code {what} in {times} places, where 1 was expected")),
            }
        }
        match self.replaced().map(|name| has_type(&name)).find(|what| self.found.contains(what)) {
            Some(what) => Err(format!("progenitor's code {what}, which was to be replaced")),
            None => Ok(()),
        }
    }

    fn expected(&self) -> Vec<String> {
        let Contract { operations, ids, schemas, .. } = &*self.contract;
        let each = |id: &String| ["decodes the response", "calls `pre`", "calls `exec`"].map(|what| of(what, id));
        let mut expected: Vec<_> = ids.iter().flat_map(each).collect();
        for operation in operations {
            let names = self.contract.query_of(operation).iter().map(|parameter| sends(&parameter.rust));
            let path = operation.path_parameters().iter().map(|parameter| takes(&parameter.rust));
            expected.extend(names.chain(path).chain([takes("project_id")]).map(|what| of(&what, &operation.id)));
        }
        for (name, object) in schemas.structs.iter().filter(|(name, _)| !self.contract.is_envelope(name)) {
            expected.push(has_type(name));
            expected.extend((!operations.is_empty()).then(|| has_derives(name)));
            expected.extend(object.fields.iter().map(|field| has_field(name, &field.rust)));
        }
        expected
    }

    /// The types of this crate that replace generated ones.
    fn replaced(&self) -> impl Iterator<Item = String> {
        let Contract { operations, schemas, .. } = &*self.contract;
        let responses = operations.iter().map(|operation| &operation.response);
        let responses = responses.filter(|name| self.contract.is_envelope(name)).cloned();
        let enums = schemas.open_enums.iter().map(|set| set.name.clone());
        RUST_TYPES.iter().map(|(name, _)| type_name(name)).chain(responses).chain(enums)
    }
}

// The code to find in progenitor's output.

fn of(what: &str, operation: &str) -> String {
    format!("{what} of operation `{operation}`")
}

fn takes(argument: &str) -> String {
    format!("takes an argument `{argument}`")
}

fn sends(parameter: &str) -> String {
    format!("sends parameter `{parameter}`")
}

fn has_type(name: &str) -> String {
    format!("has a type `{name}`")
}

fn has_derives(name: &str) -> String {
    format!("has `non_exhaustive` and `PartialEq` on type `{name}`")
}

fn has_field(name: &str, field: &str) -> String {
    format!("has a field `{field}` in type `{name}`")
}

impl VisitMut for Changes<'_, '_> {
    fn visit_impl_item_fn_mut(&mut self, method: &mut syn::ImplItemFn) {
        self.operation = method.sig.ident.to_string();
        if let Some(operation) = self.contract.operations.iter_mut().find(|found| found.id == self.operation) {
            operation.arguments = method.sig.inputs.iter().filter_map(argument).collect();
            self.found.extend(operation.arguments.iter().map(|name| of(&takes(name), &operation.id)));
        }
        visit_mut::visit_impl_item_fn_mut(self, method);
    }

    fn visit_expr_method_call_mut(&mut self, call: &mut syn::ExprMethodCall) {
        visit_mut::visit_expr_method_call_mut(self, call);
        if code(&call.receiver) == "self" {
            self.found.push(of(&format!("calls `{}`", call.method), &self.operation));
        }
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
                self.found.push(of(&sends(&rust), &self.operation));
            }
        }
    }

    /// This crate's decoder is faster, and keeps the body of a response that can't be decoded.
    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if code(path) == "ResponseValue :: from_response" {
            *path = syn::parse_quote!(crate::transport::decode);
            self.found.push(of("decodes the response", &self.operation));
        }
    }

    fn visit_item_enum_mut(&mut self, item: &mut syn::ItemEnum) {
        self.found.push(has_type(&item.ident.to_string()));
    }

    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        let name = item.ident.to_string();
        self.found.push(has_type(&name));
        let attributes: String = item.attrs.iter().map(code).collect();
        if ["non_exhaustive", "PartialEq"].iter().all(|part| attributes.contains(part)) {
            self.found.push(has_derives(&name));
        }
        let described = feature("SCHEMARS") && !self.contract.operations.is_empty();
        let Some(object) = self.contract.schemas.structs.get_mut(&name) else { return };
        let required: Vec<_> = object.fields.iter().filter(|field| field.required).map(|field| &field.wire).collect();
        if described && !required.is_empty() {
            // schemars takes each `Option` for a field that may be missing.
            item.attrs.push(syn::parse_quote!(#[schemars(extend("required" = [#(#required),*]))]));
        }
        for field in &mut object.fields {
            let named = |item: &&mut syn::Field| item.ident.as_ref().is_some_and(|name| *name == field.rust);
            if let Some(item) = item.fields.iter_mut().find(named) {
                item.attrs = self::attributes(field, &item.ty, described);
                field.rust_type = Some(item.ty.clone());
                self.found.push(has_field(&name, &field.rust));
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

/// The attributes for reading and writing a field. A nullable field may be missing unless it is required; it is written
/// as null.
fn attributes(field: &Field, rust_type: &syn::Type, described: bool) -> Vec<syn::Attribute> {
    let (doc, wire, rust_type) = (&field.doc, &field.wire, code(rust_type));
    let mut attributes: Vec<syn::Attribute> = vec![syn::parse_quote!(#[doc = #doc])];
    if *wire != field.rust {
        attributes.push(syn::parse_quote!(#[serde(rename = #wire)]));
    }
    // serde sets a missing `Option` to `None` unless the field has functions of its own. With a default on every field,
    // `[]` would be read as an object.
    if !field.required && (!rust_type.starts_with(":: std :: option") || rust_type.contains("jiff")) {
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
    // Lists of structs, whose names have no path.
    if rust_type
        .strip_prefix(":: std :: vec :: Vec <")
        .is_some_and(|item| !item.contains("::") && item.contains(char::is_uppercase))
    {
        attributes.push(syn::parse_quote!(#[serde(deserialize_with = "crate::query::decode::objects")]));
    }
    if !field.required && !field.nullable && field.schema["type"] == "object" {
        attributes.push(syn::parse_quote!(#[serde(default, deserialize_with = "crate::query::decode::present")]));
    }
    let (functions, written) = match rust_type.as_str() {
        ":: jiff :: Timestamp" => ("crate::query::timestamp", "crate::query::timestamp::Written"),
        ":: std :: option :: Option < :: jiff :: Timestamp >" => {
            ("crate::query::timestamp::nullable", "Option<crate::query::timestamp::Written>")
        }
        _ => {
            if field.required && field.nullable {
                attributes.push(syn::parse_quote!(#[serde(deserialize_with = "crate::query::decode::nullable")]));
            }
            return attributes;
        }
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
