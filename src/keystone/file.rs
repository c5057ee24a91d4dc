//! Reads clouds.yaml, secure.yaml and clouds-public.yaml, and the settings of a cloud's entry.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::settings::{Region, Setting, Settings, Values};
use super::yaml::{self, Map, Node};
use crate::Error;

/// The largest file, in bytes.
const MAX_SIZE: u64 = 1 << 20;

/// The bytes of a regular file, or none if it does not exist.
pub(super) fn bytes(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let read = || -> io::Result<Result<_, String>> {
        // Opening a FIFO blocks until a writer opens it.
        if !path.metadata()?.is_file() {
            return Ok(Err("it is not a regular file".to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
        let is_too_large = bytes.len() as u64 > MAX_SIZE;
        Ok(if is_too_large { Err("it has more than 1 MiB".to_owned()) } else { Ok(Some(bytes)) })
    };
    match read() {
        Ok(result) => result,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// The longest key that an error quotes, in bytes.
const MAX_NAME: usize = 40;

/// The clouds of a file.
#[derive(Default)]
pub(super) struct Clouds {
    /// None if there is no file.
    pub(super) path: Option<PathBuf>,
    clouds: Map,
}

impl Clouds {
    /// Reads a file, if it exists. The clouds are under `key`.
    pub(super) fn read(path: &Path, key: &str) -> Result<Option<Self>, Error> {
        let fault = |reason: String| in_file(Some(path), &reason);
        let Some(bytes) = bytes(path).map_err(fault)? else { return Ok(None) };
        let text = String::from_utf8(bytes).map_err(|_| fault("it is not UTF-8".to_owned()))?;
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let clouds = Self::parse(&text, is_json, key).map_err(fault)?;
        Ok(Some(Self { path: Some(path.to_owned()), ..clouds }))
    }

    /// The profiles that need no file.
    pub(super) fn built_in() -> Result<Self, Error> {
        let text = include_str!("profiles.yaml");
        Self::parse(text, false, "public-clouds").map_err(|reason| in_file(None, &reason))
    }

    pub(super) fn parse(text: &str, is_json: bool, key: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = if is_json { yaml::json(text)? } else { yaml::yaml(text)? };
        let root = map(&root, "it")?;
        let clouds = root.get(key).map(|clouds| map(clouds, key)).transpose()?;
        Ok(Self { path: None, clouds: clouds.cloned().unwrap_or_default() })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.clouds.keys().map(String::as_str)
    }

    pub(super) fn get(&self, cloud: &str) -> Result<Option<Settings>, Error> {
        let entry = self.clouds.get(cloud).map(|entry| settings(entry, &format!("the cloud {cloud:?}")));
        entry.transpose().map_err(|reason| in_file(self.path.as_deref(), &reason))
    }
}

fn in_file(path: Option<&Path>, reason: &str) -> Error {
    let path = path.unwrap_or(Path::new("profiles.yaml"));
    Error::invalid_config("file", format!("{}: {reason}", path.display()))
}

/// A cloud's entry, or a region's values.
fn settings(entry: &Node, place: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (name, node) in map(entry, place)? {
        match name.as_str() {
            "auth" => {
                let place = format!("`auth` of {place}");
                for (name, node) in map(node, &place)? {
                    value(&mut settings.auth, &mut settings.unknown, name, node, &place)?;
                }
            }
            "regions" => settings.regions = regions(node, place)?,
            _ => value(&mut settings.entry, &mut settings.unknown, name, node, place)?,
        }
    }
    Ok(settings)
}

/// Adds a value, if its name is known. Files may have `-` for `_`.
fn value(values: &mut Values, unknown: &mut Vec<String>, name: &str, node: &Node, place: &str) -> Result<(), String> {
    let known = name.replace('-', "_");
    match (Setting::of_name(&known), node) {
        (_, Node::Null) => {}
        // The API version of any service: not needed.
        (None, _) if known.ends_with("api_version") => {}
        // If a blank or colon is missing, the value is part of the key.
        (None, _) if known.len() > MAX_NAME || known.contains(|c: char| c != '_' && !c.is_ascii_lowercase()) => {}
        (None, _) => unknown.push(name.to_owned()),
        (Some(_), Node::Text(text)) => {
            let is_other = !text.is_empty() && values.insert(known, text.as_str().into()).is_some();
            if is_other {
                return Err(format!("{name} of {place} occurs twice, once with `-` and once with `_`"));
            }
        }
        (Some(_), _) => return Err(format!("{name} of {place} is not a text")),
    }
    Ok(())
}

/// Regions, as names or as maps with names and settings.
fn regions(node: &Node, place: &str) -> Result<Vec<Region>, String> {
    let fault = || format!("`regions` of {place} is not a list of names, or of maps with `name` and `values`");
    let nodes: &[Rc<Node>] = match node {
        Node::Null => &[],
        Node::List(nodes) => nodes,
        _ => return Err(fault()),
    };
    let region = |node: &Rc<Node>| match &**node {
        Node::Text(name) => Ok(Region { name: name.clone(), values: Settings::default() }),
        Node::Map(map) => {
            let Some(Node::Text(name)) = map.get("name").map(|name| &**name) else { return Err(fault()) };
            let place = format!("the region {name:?} of {place}");
            let values = map.get("values").map(|values| settings(values, &place)).transpose()?;
            Ok(Region { name: name.clone(), values: values.unwrap_or_default() })
        }
        _ => Err(fault()),
    };
    nodes.iter().map(region).filter(|region| !matches!(region, Ok(region) if region.name.is_empty())).collect()
}

fn map<'a>(node: &'a Node, place: &str) -> Result<&'a Map, String> {
    const EMPTY: &Map = &Map::new();
    match node {
        Node::Map(map) => Ok(map),
        Node::Null => Ok(EMPTY),
        _ => Err(format!("{place} is not a map")),
    }
}
