//! Contract to Rust: reads `openapi/vbs.yaml`, checks it, has progenitor generate the client, and adds the setters of a
//! request, with their docs. The same for `openapi/keystone.yaml`, by which the crate signs in; it has no setters.

#[path = "build/client.rs"]
mod client;
#[path = "build/contract.rs"]
mod contract;
#[path = "build/enums.rs"]
mod enums;
#[path = "build/mock.rs"]
mod mock;
#[path = "build/requests.rs"]
mod requests;
#[path = "build/schema.rs"]
mod schema;

use std::fmt::Display;
use std::path::PathBuf;
use std::{env, fs, process};

use proc_macro2::TokenStream;
use quote::quote;

use contract::Contract;

const CONTRACT: &str = "openapi/vbs.yaml";
const SIGN_IN: &str = "openapi/keystone.yaml";

fn main() {
    for input in [CONTRACT, SIGN_IN, "build.rs", "build"] {
        println!("cargo::rerun-if-changed={input}");
    }
    if let Ok(this) = env::current_exe() {
        // The tests run this program on faulty contracts.
        println!("cargo::rustc-env=CONTRACT_BUILD_SCRIPT={}", this.display());
    }
    let sign_in = || if feature("KEYSTONE") { generate_sign_in() } else { Ok(()) };
    for (contract, generated) in [(CONTRACT, generate()), (SIGN_IN, sign_in())] {
        if let Err(fault) = generated {
            println!("cargo::error={contract}: {fault}");
            process::exit(1);
        }
    }
}

fn generate() -> Result<(), String> {
    let document = contract::document(&read(CONTRACT)?)?;
    let mut contract = Contract::load(&document)?;
    for (name, object) in contract.schemas.structs.iter().filter(|(name, _)| !contract.is_envelope(name)) {
        if let Some(number) = &object.number {
            let what = "is a number, so its type has neither `Eq` nor `Hash`";
            println!("cargo::warning={CONTRACT}: schema `{name}`: property `{number}` {what}");
        }
    }
    let client = client::generate(&mut contract)?;
    let enums = enums::open_enums(&contract);
    let requests = requests::generate(&contract)?;
    let mock = if feature("MOCK") { mock::generate(&contract)? } else { TokenStream::new() };
    write("generated.rs", quote!(#client #enums #requests #mock))?;
    fs::write(out()?.join("parameters.md"), requests::table(&contract)).map_err(text)
}

fn generate_sign_in() -> Result<(), String> {
    let document = contract::document(&read(SIGN_IN)?)?;
    let mut contract = Contract::load_sign_in(&document)?;
    let client = client::generate(&mut contract)?;
    let headers = requests::headers(&contract);
    let path = document["paths"].as_object().and_then(|paths| paths.keys().next());
    write("keystone.rs", quote!(#client #headers pub(crate) const PATH: &str = #path;))
}

fn read(contract: &str) -> Result<String, String> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("CARGO_MANIFEST_DIR is not set")?);
    fs::read_to_string(root.join(contract)).map_err(text)
}

fn out() -> Result<PathBuf, String> {
    Ok(PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?))
}

fn write(name: &str, code: TokenStream) -> Result<(), String> {
    let code = syn::parse2(code).map_err(text)?;
    fs::write(out()?.join(name), prettyplease::unparse(&code)).map_err(text)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Whether the crate is built with this feature, in upper case.
fn feature(name: &str) -> bool {
    env::var_os(format!("CARGO_FEATURE_{name}")).is_some()
}
