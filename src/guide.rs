//! The guide: how to do things with this crate, a page for each.
//!
//! | Page | |
//! |---|---|
//! | [`paging`] | why backups are missing, what is safe to delete, how to resume, regions and projects, without async |
//! | [`microversions`] | why a filter returned everything, which microversion |
//! | [`compatibility`] | the releases and clouds, and how they differ |
//! | [`errors`] | what to do about each, what the client does by itself |
//! | [`retries`] | what is retried, timeouts and deadlines |
//! | [`signing_in`] | credentials, tokens, a private CA, a proxy |
//! | [`recipes`] | a daemon with metrics, a web service that passes pages on, the newest few |
//! | [`testing`] | a Cinder for your own tests |
//! | [`contract`] | where parameters come from |
//! | [`security`] | how the token is protected, and what the client can't protect |
//! | [`signals`] | spans, events and their targets |
//! | [`costs`] | how to make a listing or a build cheaper |

/// The first definition of a link wins: the pages' own are for a code host.
macro_rules! pages {
    ($($page:ident: $file:literal,)*) => {$(
        #[doc = include_str!("../docs/rustdoc/links.md")]
        #[doc = ""]
        #[doc = include_str!($file)]
        pub mod $page {}
    )*};
}

pages! {
    paging: "../docs/paging.md",
    microversions: "../docs/microversions.md",
    compatibility: "../docs/compatibility.md",
    errors: "../docs/errors.md",
    retries: "../docs/retries.md",
    signing_in: "../docs/signing_in.md",
    recipes: "../docs/recipes.md",
    testing: "../docs/testing.md",
    contract: "../docs/contract.md",
    security: "../docs/security.md",
    signals: "../docs/signals.md",
    costs: "../docs/costs.md",
}
