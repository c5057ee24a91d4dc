//! The tool, as its users run it.

mod listing;
mod support;
mod tls;
