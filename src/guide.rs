//! The guide: how to do things with this crate, a page for each.

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}
