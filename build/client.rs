//! progenitor's client, and what is changed in it.

use std::collections::BTreeMap;
use std::panic;

use heck::ToPascalCase;
use progenitor::{GenerationSettings, Generator, HooksMode, InterfaceStyle};
use quote::{ToTokens, quote};
use syn::Ident;
use syn::visit_mut::{self, VisitMut};

use crate::contract::{Contract, Operation, Parameter};
use crate::{feature, text};

pub fn generate(contract: &Contract) -> Result<syn::File, String> {
    // Those with query parameters. The others send secrets, which are neither compared nor described.
    let lists = !contract.parameters.is_empty();
    let mut settings = GenerationSettings::default();
    settings
        .with_interface(if lists { InterfaceStyle::Builder } else { InterfaceStyle::Positional })
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::transport::RequestContext))
        .with_map_type("::std::collections::BTreeMap")
        .with_replacement("Timestamp", "::jiff::Timestamp", [].into_iter())
        .with_replacement("NullableTimestamp", "::std::option::Option<::jiff::Timestamp>", [].into_iter())
        .with_replacement("Secret", "crate::keystone::Secret", [].into_iter());
    if lists {
        settings.with_derive("PartialEq").with_derive("Eq").with_derive("Hash");
    }
    for Operation { list, row, .. } in &contract.operations {
        let name = format!("crate::query::List<crate::generated::types::{}>", row.to_pascal_case());
        settings.with_replacement(list, name, [].into_iter());
    }
    for set in &contract.open_enums {
        let name = format!("crate::generated::{}", set.name.to_pascal_case());
        settings.with_replacement(&set.name, name, [].into_iter());
    }

    let document = serde_json::from_value(contract.document.clone()).map_err(text)?;
    let tokens = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&document))
        .map_err(|_| "progenitor cannot generate a client from it: its own message is above")?
        .map_err(text)?;
    let mut file = syn::parse2(tokens).map_err(text)?;
    let schemars = lists && feature("SCHEMARS");
    let mut changes = Changes { contract, schemars, decoders: 0, requests: 0, restored: Vec::new() };
    changes.visit_file_mut(&mut file);
    changes.check()?;
    Ok(file)
}

/// Restores the wire names, removes what is not used, and decodes by this crate's own function, which is faster.
struct Changes<'a> {
    contract: &'a Contract,
    /// Whether the types have JSON schemas.
    schemars: bool,
    /// How many responses are decoded.
    decoders: usize,
    /// How many requests are sent, each in an `impl` of its own.
    requests: usize,
    /// The Rust names whose wire names were restored, with the number of the request.
    restored: Vec<(usize, &'a str)>,
}

impl Changes<'_> {
    fn check(&self) -> Result<(), String> {
        let (operations, lists) = (self.contract.requests, self.contract.operations.len());
        for (what, times, expected) in
            [("decodes a response", self.decoders, operations), ("sends a query", self.requests, lists)]
        {
            if times != expected {
                return Err(format!("the generated code {what} in {times} places, where {expected} were expected"));
            }
        }
        for Parameter { wire, rust, .. } in &self.contract.parameters {
            for request in 0..lists {
                let times = self.restored.iter().filter(|restored| **restored == (request, rust.as_str())).count();
                if times != 1 {
                    let fault = "its wire name was restored in";
                    return Err(format!("parameter `{wire}`: {fault} {times} places, where 1 was expected"));
                }
            }
        }
        Ok(())
    }
}

impl VisitMut for Changes<'_> {
    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        visit_mut::visit_item_impl_mut(self, item);
        self.requests = self.restored.last().map_or(0, |(request, _)| request + 1);
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
                self.restored.push((self.requests, &parameter.rust));
            }
        }
    }

    fn visit_expr_path_mut(&mut self, path: &mut syn::ExprPath) {
        if code(path) == "ResponseValue :: from_response" {
            *path = syn::parse_quote!(crate::transport::decode);
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
            let structs = items.iter().filter_map(|item| match item {
                syn::Item::Struct(item) => Some(item.ident.clone()),
                _ => None,
            });
            let structs: Vec<_> = structs.collect();
            let mut added = Vec::new();
            for item in items.iter_mut() {
                if let syn::Item::Struct(item) = item {
                    change_struct(item, &structs, &self.contract.renamed, self.schemars);
                    added.extend(self.schemars.then(|| json_schema(item)));
                }
            }
            items.extend(added);
        }
        visit_mut::visit_item_mod_mut(self, module);
    }
}

fn code(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string()
}

/// A new field in the contract must break nobody; times are written as the service writes them; lists of structs have
/// objects only, and no spare capacity.
fn change_struct(item: &mut syn::ItemStruct, structs: &[Ident], renamed: &BTreeMap<String, String>, schemars: bool) {
    item.attrs.push(syn::parse_quote!(#[non_exhaustive]));
    for field in &mut item.fields {
        // Lets a nullable field be missing, too; it is still written as null.
        field.attrs.retain(|attribute| !code(attribute).contains("deserialize_with"));
        let attributes: String = field.attrs.iter().map(code).collect();
        let name = renamed.iter().find(|(wire, _)| attributes.contains(&format!("rename = {wire:?}")));
        if let Some((_, rust)) = name {
            field.ident = Some(quote::format_ident!("{rust}"));
        }
        let ty = code(&field.ty);
        let item = ty.strip_prefix(":: std :: vec :: Vec < ").and_then(|ty| ty.strip_suffix(" >"));
        if item.is_some_and(|item| structs.iter().any(|name| name == item)) {
            field.attrs.push(syn::parse_quote!(#[serde(deserialize_with = "crate::query::decode::objects")]));
        }
        let (functions, written, missing) = match ty.as_str() {
            ":: jiff :: Timestamp" => ("crate::query::timestamp", "crate::query::timestamp::Written", None),
            ":: std :: option :: Option < :: jiff :: Timestamp >" => (
                "crate::query::timestamp::nullable",
                "Option<crate::query::timestamp::Written>",
                Some(quote!(default,)),
            ),
            _ => continue,
        };
        field.attrs.push(syn::parse_quote!(#[serde(#missing with = #functions)]));
        if schemars {
            field.attrs.push(syn::parse_quote!(#[schemars(with = #written)]));
        }
    }
}

/// The JSON schema of a struct. It is not derived, because a derive has no place for the feature's tag in the docs.
fn json_schema(item: &mut syn::ItemStruct) -> syn::Item {
    let name = item.ident.clone();
    let text = name.to_string();
    let attributes = |attrs: &[syn::Attribute], kept: &[&str]| -> Vec<_> {
        attrs.iter().filter(|attribute| kept.iter().any(|kept| attribute.path().is_ident(kept))).cloned().collect()
    };
    let docs = attributes(&item.attrs, &["doc"]);
    let fields = item.fields.iter_mut().map(|field| {
        let kept = attributes(&field.attrs, &["doc", "serde", "schemars"]);
        // Only a derive knows these.
        field.attrs.retain(|attribute| !attribute.path().is_ident("schemars"));
        let syn::Field { ident, ty, .. } = field;
        quote!(#(#kept)* #ident: #ty)
    });
    let fields: Vec<_> = fields.collect();
    syn::parse_quote! {
        #[cfg_attr(docsrs, doc(cfg(feature = "schemars")))]
        impl ::schemars::JsonSchema for #name {
            fn schema_name() -> ::std::borrow::Cow<'static, str> { #text.into() }

            fn json_schema(generator: &mut ::schemars::SchemaGenerator) -> ::schemars::Schema {
                #[derive(::schemars::JsonSchema)]
                #(#docs)*
                struct Fields { #(#fields),* }
                Fields::json_schema(generator)
            }
        }
    }
}
