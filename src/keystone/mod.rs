//! Signing in to an OpenStack cloud: [`Credentials`].
//!
//! [`Client::from_env`](crate::Client::from_env) and [`Client::from_cloud`](crate::Client::from_cloud) do it with
//! the settings of the environment or of clouds.yaml.

mod catalog;
mod config;
mod credentials;
mod file;
mod secret;
mod session;
mod settings;

pub use credentials::Credentials;
pub(crate) use secret::Secret;

/// The client that build.rs generates from the contract.
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
