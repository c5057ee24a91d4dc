//! Decodes bodies ([`from_slice`]), a page of a list ([`List`]) and one object ([`Keyed`]).

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::value::RawValue;

use crate::Link;

/// Decodes a body. Its UTF-8 is checked once: `serde_json` checks each string of a slice of bytes, which is a seventh
/// of the work.
pub(crate) fn from_slice<'de, T: Deserialize<'de>>(body: &'de [u8]) -> serde_json::Result<T> {
    match str::from_utf8(body) {
        Ok(text) => serde_json::from_str::<Object<T>>(text).map_err(|error| with_path::<T>(text, error)),
        // The error states where.
        Err(_) => serde_json::from_slice::<Object<T>>(body),
    }
    .map(|Object(value)| value)
}

/// The error with the path of the wrong field, such as `backups[3].size`, in place of a line and a column.
fn with_path<'de, T: Deserialize<'de>>(text: &'de str, error: serde_json::Error) -> serde_json::Error {
    if !error.is_data() {
        return error;
    }
    // The text is decoded again, because tracking the path is slow.
    match serde_path_to_error::deserialize::<_, Object<T>>(&mut serde_json::Deserializer::from_str(text)) {
        Err(found) if found.path().iter().len() > 0 => {
            let (path, place) = (found.path(), format!(" at line {} column {}", error.line(), error.column()));
            let reason = found.inner().to_string();
            let reason = reason.strip_suffix(&place).unwrap_or(&reason);
            serde_json::Error::custom(format!("{path} of the response is invalid: {reason}"))
        }
        _ => error,
    }
}

/// An optional value: it may be missing, but not null.
pub(crate) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A required value: it may be null, but not missing, because serde's default is for fields without such a function.
pub(crate) fn nullable<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Option::deserialize(deserializer)
}

/// One page of a list.
pub(crate) struct List<T> {
    pub(crate) backups: Vec<T>,
    pub(crate) backups_links: Vec<Link>,
    pub(crate) count: Option<u64>,
    /// The start of a fault that the response has next to the list, in any of the contract's shapes.
    pub(crate) error: Option<String>,
}

/// How much of an error next to a list is kept, in characters.
const MAX_ERROR: usize = 1000;

// By hand, because serde's derive keeps all unknown keys (`flatten`): a body of 60 MiB can take 2 GB of memory.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a list of backups")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<List<T>, A::Error> {
        let (mut backups, mut backups_links, mut count) = (None, None, None);
        let mut rest = Rest::default();
        while let Some(key) = object.next_key::<String>()? {
            match key.as_str() {
                "backups" => once("backups", &mut backups, object.next_value::<Objects<T>>()?.0)?,
                "backups_links" => once("backups_links", &mut backups_links, object.next_value::<Objects<Link>>()?.0)?,
                "count" => once("count", &mut count, object.next_value()?)?,
                key => rest.see(key, object.next_value::<&RawValue>()?.get()),
            }
        }
        let backups = backups.ok_or_else(|| A::Error::missing_field("backups"))?;
        Ok(List {
            backups,
            backups_links: backups_links.unwrap_or_default(),
            count: count.flatten(),
            error: rest.error(),
        })
    }
}

/// One object, and the error that the response has next to it, as with a [`List`].
pub(crate) struct One<T> {
    pub(crate) object: T,
    pub(crate) error: Option<String>,
}

/// The property of a response that has its one object.
pub(crate) trait Key {
    const KEY: &'static str;
}

/// A response whose one object is at a key.
pub(crate) struct Keyed<T, K>(pub(crate) One<T>, PhantomData<K>);

impl<'de, T: Deserialize<'de>, K: Key> Deserialize<'de> for Keyed<T, K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeyedVisitor(PhantomData))
    }
}

struct KeyedVisitor<T, K>(PhantomData<(T, K)>);

impl<'de, T: Deserialize<'de>, K: Key> Visitor<'de> for KeyedVisitor<T, K> {
    type Value = Keyed<T, K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with a {}", K::KEY)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut response: A) -> Result<Self::Value, A::Error> {
        let (mut object, mut rest) = (None, Rest::default());
        while let Some(key) = response.next_key::<String>()? {
            if key == K::KEY {
                once(K::KEY, &mut object, response.next_value::<Object<T>>()?.0)?;
            } else {
                rest.see(&key, response.next_value::<&RawValue>()?.get());
            }
        }
        let object = object.ok_or_else(|| A::Error::missing_field(K::KEY))?;
        Ok(Keyed(One { object, error: rest.error() }, PhantomData))
    }
}

/// The start of the JSON of a fault in the rest of a response, in any of the contract's shapes.
#[derive(Default)]
struct Rest<'a> {
    error: Option<&'a str>,
    message: Option<&'a str>,
    has_code: bool,
}

impl<'a> Rest<'a> {
    fn see(&mut self, key: &str, value: &'a str) {
        match key {
            _ if NOTHING.contains(&value) => {}
            "error" | "errors" | "error_msg" | "fault" => self.error = Some(value),
            "message" => self.message = Some(value),
            "code" => self.has_code = true,
            _ if is_fault(value) => self.error = Some(value),
            _ => {}
        }
    }

    fn error(self) -> Option<String> {
        let error = self.error.or(self.message.filter(|_| self.has_code));
        error.map(|json| json.chars().take(MAX_ERROR).collect())
    }
}

fn once<T, E: Error>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), E> {
    if place.replace(value).is_some() { Err(E::duplicate_field(name)) } else { Ok(()) }
}

/// The values that report no error.
const NOTHING: [&str; 6] = ["null", "false", "0", "\"\"", "{}", "[]"];

/// Whether it is the value of the only key of a fault in Cinder's shape.
fn is_fault(json: &str) -> bool {
    #[derive(serde::Deserialize)]
    #[allow(dead_code)]
    struct Fault {
        code: IgnoredAny,
        message: String,
    }
    json.starts_with('{') && serde_json::from_str::<Fault>(json).is_ok()
}

/// Lists of objects, without spare capacity.
struct Objects<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        objects(deserializer).map(Self)
    }
}

/// The first capacity of a list: a backup has two links. serde's is 4: the spare ones are a seventh of the memory of a
/// list of backups.
const CAPACITY: usize = 2;

/// Reads a list of objects without spare capacity.
pub(crate) fn objects<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(Object(item)) = items.next_element()? {
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

/// A struct that is decoded from an object only: serde also accepts an array, so that `["id",[],null]` would be a
/// backup.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(MapOnly(deserializer)).map(Self)
    }
}

struct MapOnly<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for MapOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_map(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}
