//! Signing in.

mod secret;

pub(crate) use secret::Secret;

#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    unused_imports,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used,
    rustdoc::all
)]
pub(crate) mod generated {
    include!(concat!(env!("OUT_DIR"), "/keystone.rs"));
}
