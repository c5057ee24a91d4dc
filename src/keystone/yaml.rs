//! [`Node`]: the content of a YAML or JSON file.
//!
//! Every value stays text: a project id of 32 digits is not a number, and a password of `1e3` not 1000. An error states
//! the line and never quotes the file, which may have secrets.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// The maximum depth of nested maps and lists.
const MAX_DEPTH: usize = 64;

/// The maximum number of entries that the merge keys of a file copy.
const MAX_MERGED: usize = 100_000;

const TWICE: &str = "a key occurs twice";

/// With the feature `arbitrary_precision` of `serde_json`, which any crate of a program may enable, a number is read as a
/// map of this key and the number's text.
const NUMBER: &str = "$serde_json::private::Number";

/// A value. Anchors share it.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Text(String),
    List(Vec<Rc<Node>>),
    Map(Map),
}

pub(super) type Map = BTreeMap<String, Rc<Node>>;

pub(super) fn json(text: &str) -> Result<Rc<Node>, String> {
    serde_json::from_str(text).map(|Shared(node)| node).map_err(|error| format!("it is not valid JSON: {error}"))
}

pub(super) fn yaml(text: &str) -> Result<Rc<Node>, String> {
    let mut root = None;
    let mut anchors = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut merged = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| {
            // One of the parser's messages quotes a character.
            let reason = if error.info().contains('`') { "an unexpected character" } else { error.info() };
            at(&format!("it is not valid YAML: {reason}"), *error.marker())
        })?;
        let fault = |reason| at(reason, span.start);
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, Rc::new(scalar(&text, style, tag.as_deref()).map_err(fault)?))
            }
            Event::Alias(anchor) => {
                (0, anchors.get(&anchor).cloned().ok_or_else(|| fault("an alias refers to a node that contains it"))?)
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref()).map_err(fault)?;
                if open.len() == MAX_DEPTH {
                    return Err(fault("it is nested too deep"));
                }
                open.push(Open { anchor, start: span.start, children: Vec::new() });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, start, children }) = open.pop() else { continue };
                let node = match event {
                    Event::SequenceEnd => Node::List(children),
                    _ => Node::Map(map(&children, &mut merged).map_err(|reason| at(reason, start))?),
                };
                (anchor, Rc::new(node))
            }
            Event::DocumentStart(_) if root.is_some() => return Err(fault("there is a second document")),
            _ => continue,
        };
        if anchor > 0 {
            anchors.insert(anchor, Rc::clone(&node));
        }
        match open.last_mut() {
            Some(open) => open.children.push(node),
            None => root = Some(node),
        }
    }
    Ok(root.unwrap_or_else(|| Rc::new(Node::Null)))
}

/// A list or a map whose end was not read yet.
struct Open {
    anchor: usize,
    start: Marker,
    /// Items; in a map, keys and values in turn.
    children: Vec<Rc<Node>>,
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, &'static str> {
    check_tag(tag)?;
    let is_null = style == ScalarStyle::Plain && tag.is_none() && ["", "~", "null", "Null", "NULL"].contains(&text);
    Ok(if is_null { Node::Null } else { Node::Text(text.to_owned()) })
}

/// Another program has to process the value of an unknown tag, such as decrypt it.
fn check_tag(tag: Option<&Tag>) -> Result<(), &'static str> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() || tag.suffix == "binary" => {
            Err("a tag such as `!vault` is not supported, and a text that begins with `!` needs quotes")
        }
        _ => Ok(()),
    }
}

/// A map of these keys and values, each key once, with the entries of its merge key (`<<`) for missing keys.
fn map(children: &[Rc<Node>], merged: &mut usize) -> Result<Map, &'static str> {
    let mut map = Map::new();
    for pair in children.chunks(2) {
        let [key, value] = pair else { continue };
        let Node::Text(key) = &**key else { return Err("a key is not a text") };
        if map.insert(key.clone(), Rc::clone(value)).is_some() {
            return Err(TWICE);
        }
    }
    let others = match map.remove("<<") {
        None => return Ok(map),
        Some(node) => match &*node {
            Node::List(others) => others.clone(),
            _ => vec![node],
        },
    };
    for other in others {
        let Node::Map(other) = &*other else { return Err("`<<` has neither a map nor a list of maps") };
        *merged += other.len();
        if *merged > MAX_MERGED {
            return Err("its merge keys (`<<`) copy too many entries");
        }
        for (key, value) in other {
            map.entry(key.clone()).or_insert_with(|| Rc::clone(value));
        }
    }
    Ok(map)
}

fn at(reason: &str, place: Marker) -> String {
    format!("{reason} (line {}, column {})", place.line(), place.col() + 1)
}

/// A value of JSON.
struct Shared(Rc<Node>);

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(|node| Self(Rc::new(node)))
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Text(value.to_string()))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Node, E> {
        // The parser loses the digits as they were written.
        Err(E::custom("a number with a fraction or an exponent, or with too many digits, needs quotes"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut nodes = Vec::new();
        while let Some(Shared(node)) = list.next_element()? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        while let Some((key, Shared(node))) = entries.next_entry()? {
            if map.insert(key, node).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        if let Some(Node::Text(number)) = map.get(NUMBER).map(|number| &**number) {
            return Ok(Node::Text(number.clone()));
        }
        Ok(Node::Map(map))
    }
}
