//! The guide: how to do things with this crate, a page for each.
//!
//! | Page | |
//! |---|---|
//! | [`paging`] | why backups are missing, what is safe to delete, how to resume, regions and projects, without async |
//! | [`microversions`] | why a filter returned everything, which microversion |
//! | [`compatibility`] | which releases and clouds, and what differs between them |
//! | [`errors`] | what to do about each, what the client does by itself |
//! | [`retries`] | what is retried, timeouts and deadlines |
//! | [`signing_in`] | credentials, tokens, a private CA, a proxy |
//! | [`testing`] | a Cinder for your own tests |
//! | [`contract`] | where parameters come from |
//! | [`security`] | what is promised about the token, and what can't be |
//! | [`signals`] | spans, events and their targets |
//! | [`costs`] | how to make a listing or a build cheaper |

#[doc = include_str!("../docs/paging.md")]
pub mod paging {}

#[doc = include_str!("../docs/microversions.md")]
pub mod microversions {}

#[doc = include_str!("../docs/compatibility.md")]
pub mod compatibility {}

#[doc = include_str!("../docs/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/retries.md")]
pub mod retries {}

#[doc = include_str!("../docs/signing_in.md")]
pub mod signing_in {}

#[doc = include_str!("../docs/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/contract.md")]
pub mod contract {}

#[doc = include_str!("../docs/security.md")]
pub mod security {}

#[doc = include_str!("../docs/signals.md")]
pub mod signals {}

#[doc = include_str!("../docs/costs.md")]
pub mod costs {}
