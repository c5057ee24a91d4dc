//! The tool, as its users run it.

mod listing;
mod support;
#[cfg(unix)]
mod terminal;
mod tls;
