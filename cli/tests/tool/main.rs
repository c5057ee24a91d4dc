//! The tool, as its users run it.

mod listing;
#[cfg(unix)]
mod streams;
mod support;
#[cfg(unix)]
mod terminal;
mod tls;
