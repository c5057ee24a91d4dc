//! The promises of this crate, a module each. The tests against a real cloud are apart: they need one.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod architecture;
mod arguments;
mod changes;
mod continuity;
mod contract;
mod detail;
mod errors;
mod guide;
mod hostile;
#[cfg(feature = "http2")]
mod http2;
mod microversion;
mod mock;
mod paging;
mod properties;
mod proxy;
mod read_ahead;
mod recovery;
mod reference;
mod retry;
mod secrets;
mod show;
mod sign_in;
mod signals;
mod timeouts;
mod tls;
mod token;
mod trace;
mod wire;
