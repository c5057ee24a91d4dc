//! Contract to Rust: reads `openapi/vbs.yaml`, checks it, has progenitor generate the client, and
//! adds what the contract alone can say: the setters of a request, with their docs.

#[path = "build/client.rs"]
mod client;
#[path = "build/contract.rs"]
mod contract;
#[path = "build/mock.rs"]
mod mock;
#[path = "build/setters.rs"]
mod setters;

use std::fmt::Display;
use std::path::PathBuf;
use std::{env, fs, process};

use proc_macro2::TokenStream;
use quote::quote;

use contract::Contract;

const CONTRACT: &str = "openapi/vbs.yaml";

fn main() {
    for input in [CONTRACT, "build.rs", "build"] {
        println!("cargo::rerun-if-changed={input}");
    }
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

    let contract = Contract::load(&fs::read_to_string(root.join(CONTRACT)).map_err(text)?)?;
    let client = client::generate(&contract)?;
    let enums = setters::open_enums(&contract);
    let headers = setters::headers(&contract);
    let setters = setters::setters(&contract);
    let mock = if with_mock() { mock::generate(&contract)? } else { TokenStream::new() };

    let code = syn::parse2(quote!(#client #headers #enums #setters #mock)).map_err(text)?;
    fs::write(out.join("generated.rs"), prettyplease::unparse(&code)).map_err(text)?;
    fs::write(out.join("parameters.md"), setters::table(&contract)).map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Whether the crate is built with the feature `schemars`.
fn with_schemars() -> bool {
    env::var_os("CARGO_FEATURE_SCHEMARS").is_some()
}

/// Whether the crate is built with the feature `mock`.
fn with_mock() -> bool {
    env::var_os("CARGO_FEATURE_MOCK").is_some()
}
