//! The open enums of the contract, by the macro of `src/query/open_enum.rs`.

use heck::ToPascalCase;
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::contract::Contract;
use crate::schema::OpenEnum;

pub fn open_enums(contract: &Contract<'_>) -> TokenStream {
    let enums = contract.schemas.open_enums.iter().map(|OpenEnum { name, description, values }| {
        let variants = values.iter().map(|value| format_ident!("{}", value.to_pascal_case()));
        let docs = values.iter().map(|value| format!("`{value}`"));
        let name = format_ident!("{name}");
        quote! {
            crate::query::open_enum::open_enum! {
                #[doc = #description]
                pub enum #name { #(#[doc = #docs] #variants = #values,)* }
            }
        }
    });
    quote!(#(#enums)*)
}
