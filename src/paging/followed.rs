//! [`Followed`]: the links that were followed, so that a cycle is detected before its first page is requested.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

/// Hashes of the followed next links, and of the first rows of their pages.
#[derive(Default)]
pub(crate) struct Followed {
    hashes: HashSet<u64>,
    hasher: RandomState,
}

impl Followed {
    /// Whether it is new.
    pub(crate) fn insert(&mut self, link_or_row: impl Hash) -> bool {
        self.hashes.insert(self.hasher.hash_one(link_or_row))
    }
}
