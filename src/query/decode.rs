//! How a response's body is read: [`from_slice`]. How the contract's types are: [`Object`] reads a struct
//! from a JSON object, and from nothing else; [`list`] reads a list without spare capacity.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

/// Decodes a body. It is checked to be UTF-8 once: doing that for each string by itself, as `serde_json` does
/// with bytes, is a seventh of the work.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(body: &'de [u8]) -> serde_json::Result<T> {
    match str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        // The error states where.
        Err(_) => serde_json::from_slice(body),
    }
}

/// An error that a response has next to a list: the start of its JSON.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(feature = "schemars", derive(schemars::JsonSchema))]
pub(crate) struct ReportedError(pub(crate) String);

impl ReportedError {
    /// Whether it reports nothing.
    pub(crate) fn is_empty(&self) -> bool {
        ["null", "false", "0", "\"\"", "{}", "[]"].contains(&self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for ReportedError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        Ok(Self(json.chars().take(MAX_ERROR).collect()))
    }
}

/// How much of an error next to a list is kept, in characters.
const MAX_ERROR: usize = 1000;

/// A deserializer that requires a map for a struct. `serde_json` also reads a struct from an array, so that
/// `[[],[],null]` would be an empty list.
pub(crate) struct Object<D>(pub(crate) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The capacity of a list at first: the links that a backup has. serde begins with 4, which is a seventh of the
/// memory of a list of backups.
const CAPACITY: usize = 2;

/// Reads a list without spare capacity.
pub(crate) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                if list.capacity() == 0 {
                    list.reserve_exact(CAPACITY);
                }
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_seq(Items(PhantomData))
}
