//! clouds.yaml, secure.yaml and clouds-public.yaml: how they are read.
//!
//! Every value is read as text, as it is written: a project's id of 32 digits is no number, and a password of
//! `1e3` not 1000. So nothing here goes through a value type of YAML, which would turn them into numbers.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::settings::{Region, Settings, Values, known};

/// A file, as it is written.
#[derive(Default)]
pub(super) struct File {
    pub(super) clouds: BTreeMap<String, Settings>,
    /// The profiles of clouds-public.yaml.
    pub(super) public_clouds: BTreeMap<String, Settings>,
}

/// Reads a file. The error does not quote the file: it may have secrets.
pub(super) fn parse(text: &str) -> Result<File, String> {
    match yaml_serde::from_str::<Option<File>>(text) {
        Ok(file) => Ok(file.unwrap_or_default()),
        Err(error) => {
            let message = error.to_string();
            // serde quotes the values that it refuses.
            let place = error.location().map(|place| format!("line {}, column {}", place.line(), place.column()));
            let place = place.unwrap_or_else(|| "an unknown line".to_owned());
            let quotes = message.contains(['"', '\'']) || message.contains("invalid type: ");
            Err(if quotes { format!("it is malformed at {place}") } else { message })
        }
    }
}

/// The entries of a map, each of which is there once.
fn entries<'de, A: MapAccess<'de>>(
    mut map: A,
    mut entry: impl FnMut(&str, &mut A) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    let mut seen = Vec::new();
    while let Some(name) = map.next_key::<String>()? {
        if seen.contains(&name) {
            return Err(A::Error::custom(format!("the key `{name}` is there twice")));
        }
        entry(&name, &mut map)?;
        seen.push(name);
    }
    Ok(())
}

/// A map that is read entry by entry.
trait FromEntries: Default {
    const EXPECTED: &'static str;

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;

    /// Takes what a merge key (`<<`) brings, unless it is set.
    fn merge(&mut self, other: Self);

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: FromEntries> Visitor<'de> for EntriesVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let (mut value, mut merged) = (T::default(), T::default());
        entries(map, |name, map| {
            if name == "<<" {
                merged = map.next_value::<Merge<T>>()?.0;
                return Ok(());
            }
            value.entry(name, map)
        })?;
        value.merge(merged);
        Ok(value)
    }
}

/// What `<<` has: a map, or several of which the earlier ones win.
struct Merge<T>(T);

impl<'de, T: FromEntries> Deserialize<'de> for Merge<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MergeVisitor<T>(PhantomData<T>);

        impl<'de, T: FromEntries> Visitor<'de> for MergeVisitor<T> {
            type Value = Merge<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map, or a list of maps")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Merge<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Merge)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merge<T>, A::Error> {
                let mut all = T::default();
                while let Some(Merge(value)) = list.next_element()? {
                    all.merge(value);
                }
                Ok(Merge(all))
            }
        }

        deserializer.deserialize_any(MergeVisitor(PhantomData))
    }
}

/// Implements [`Deserialize`] where there is [`FromEntries`].
macro_rules! deserialize {
    ($($type:ty),*) => {
        $(impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <Self as FromEntries>::deserialize(deserializer)
            }
        })*
    };
}

deserialize!(File, Settings, Clouds, Auth, RegionEntry);

impl FromEntries for File {
    const EXPECTED: &'static str = "a map with `clouds`";

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "clouds" => self.clouds = map.next_value::<Option<Clouds>>()?.unwrap_or_default().0,
            "public-clouds" => self.public_clouds = map.next_value::<Option<Clouds>>()?.unwrap_or_default().0,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (name, cloud) in other.clouds {
            self.clouds.entry(name).or_insert(cloud);
        }
    }
}

#[derive(Default)]
struct Clouds(BTreeMap<String, Settings>);

impl FromEntries for Clouds {
    const EXPECTED: &'static str = "a map of clouds by their names";

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        self.0.insert(name.to_owned(), map.next_value::<Option<Settings>>()?.unwrap_or_default());
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (name, cloud) in other.0 {
            self.0.entry(name).or_insert(cloud);
        }
    }
}

impl FromEntries for Settings {
    const EXPECTED: &'static str = "a map with the settings of a cloud";

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "auth" => self.auth = map.next_value::<Option<Auth>>()?.unwrap_or_default().0,
            "regions" => {
                let regions = map.next_value::<Option<Vec<RegionEntry>>>()?.unwrap_or_default();
                let named = regions.into_iter().filter(|region| !region.name.is_empty());
                self.regions = named.map(|RegionEntry { name, values }| Region { name, values }).collect();
            }
            _ => value(&mut self.top, name, map)?,
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        // As YAML has it: a key of the map hides the same key of the other, `auth` as a whole.
        for (name, value) in other.top {
            self.top.entry(name).or_insert(value);
        }
        if self.auth.is_empty() {
            self.auth = other.auth;
        }
        if self.regions.is_empty() {
            self.regions = other.regions;
        }
    }
}

#[derive(Default)]
struct Auth(Values);

impl FromEntries for Auth {
    const EXPECTED: &'static str = "a map with the settings of `auth`";

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        value(&mut self.0, name, map)
    }

    fn merge(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.0.entry(name).or_insert(value);
        }
    }
}

/// Reads a value where its name is known.
fn value<'de, A: MapAccess<'de>>(values: &mut Values, name: &str, map: &mut A) -> Result<(), A::Error> {
    let Some(known) = known(name) else {
        map.next_value::<IgnoredAny>()?;
        return Ok(());
    };
    let text = map.next_value::<Option<String>>()?.filter(|text| !text.is_empty());
    if let Some(text) = text {
        values.insert(known, text.into());
    }
    Ok(())
}

/// A region: its name, or a map with its name and its settings.
#[derive(Default)]
struct RegionEntry {
    name: String,
    values: Settings,
}

impl FromEntries for RegionEntry {
    const EXPECTED: &'static str = "the name of a region, or a map with `name` and `values`";

    fn entry<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => self.name = map.next_value()?,
            "values" => self.values = map.next_value::<Option<Settings>>()?.unwrap_or_default(),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        if self.name.is_empty() {
            *self = other;
        }
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RegionVisitor;

        impl<'de> Visitor<'de> for RegionVisitor {
            type Value = RegionEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(RegionEntry::EXPECTED)
            }

            fn visit_str<E>(self, name: &str) -> Result<RegionEntry, E> {
                Ok(RegionEntry { name: name.to_owned(), values: Settings::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RegionEntry, A::Error> {
                EntriesVisitor(PhantomData).visit_map(map)
            }
        }

        deserializer.deserialize_any(RegionVisitor)
    }
}
