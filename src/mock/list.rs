//! [`respond`]: how Cinder responds to a request for a list, or for one object.

use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::Row;
use super::fault::fault;
use crate::generated::parameters::{LIMIT, MARKER, OFFSET, WITH_COUNT};
use crate::generated::rows::ROUTES;
use crate::query::microversion::SERVICE;
use crate::query::timestamp;
use crate::query::{Kind, Parameter};
use crate::{Link, Microversion};

/// The project that the tokens are for: that of the vendor's example.
pub(crate) const PROJECT_ID: &str = "b23b579f08c84228b9b4673c46f0c442";
/// Where links point: an address for documentation (RFC 5737), which no client could reach.
const INTERNAL: &str = "http://192.0.2.1:8776";
const MINIMUM: Microversion = Microversion::new(3, 0);
/// The maximum of Cinder 13. Older releases refuse a filter that is not ASCII like an unknown one.
const CINDER_13: Microversion = Microversion::new(3, 55);
/// The maximum of Cinder 16. In older releases, the next link of the list with details leads to the list without
/// details.
const CINDER_16: Microversion = Microversion::new(3, 60);
/// The first microversion of Cinder 20. From here on, a malformed project id is an unknown path; before, it is another
/// project.
const CINDER_20: Microversion = Microversion::new(3, 67);
/// From here on, fuzzy filters are known and unknown filters are refused; before, unknown filters are ignored.
const VALIDATES_FILTERS: Microversion = Microversion::new(3, 31);
/// Cinder's `LIKE_FILTER`. The operator has enabled `name~` only, as in Cinder's documentation. From here on, this
/// enables `name`, too; before, `name` is refused.
const LIKE_FILTER: Microversion = Microversion::new(3, 34);

/// An operation of the contract.
pub(crate) struct Route {
    /// The path after the project id, with parameters in braces.
    pub(crate) path: &'static str,
    /// The first microversion that has it.
    pub(crate) microversion: Option<Microversion>,
    pub(crate) returns: Returns,
    /// Whether it returns one object of a list.
    pub(crate) is_row: bool,
    pub(crate) write: fn(Row) -> Value,
    /// Fields with a minimum microversion, and whether each is a map: an empty map is written, too.
    pub(crate) newer: &'static [(&'static str, Microversion, bool)],
}

pub(crate) enum Returns {
    List,
    /// The key of the object in the response, if it is not the response itself.
    Object {
        key: Option<&'static str>,
    },
}

impl Route {
    /// The last parameter in a path of this operation; empty if it has none.
    fn id<'a>(&self, path: &'a str) -> Option<&'a str> {
        let (own, others) = (self.path.split('/'), path.split('/'));
        if own.clone().count() != others.clone().count() {
            return None;
        }
        own.zip(others).try_fold("", |id, (own, other)| {
            let is_parameter = own.starts_with('{') && !other.is_empty();
            if is_parameter { Some(other) } else { (own == other).then_some(id) }
        })
    }
}

/// The operator's settings.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The maximum of rows per page.
    pub max_limit: usize,
    /// The maximum of microversions.
    pub max_microversion: Microversion,
}

impl Default for Settings {
    fn default() -> Self {
        Self { max_limit: 1000, max_microversion: Microversion::new(3, 71) }
    }
}

/// A response.
#[derive(Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The microversion that its header states.
    pub microversion: Option<Microversion>,
    /// The body.
    pub body: Value,
}

/// A status and a message.
type Refusal = (u16, String);

/// Responds to a request with an accepted token, where these are all backups, newest first.
#[must_use]
pub fn respond(rows: &[Row], settings: &Settings, path: &str, query: &str, header: Option<&str>) -> Response {
    let segments: Vec<_> = path.splitn(4, '/').collect();
    let (project_id, found) = match *segments {
        ["", "v3", project_id, path] if settings.max_microversion < CINDER_20 || is_project_id(project_id) => {
            let found = ROUTES.iter().filter_map(|route| Some((route, route.id(path)?)));
            // A literal segment wins over a parameter.
            (project_id, found.min_by_key(|(route, _)| route.path.matches('{').count()))
        }
        _ => ("", None),
    };
    let Some((route, id)) = found else {
        let message = "The resource could not be found.<br /><br />\n\n\n";
        let body = json!({"message": message, "code": "404 Not Found", "title": "Not Found"});
        return Response { status: 404, microversion: None, body };
    };
    let (microversion, result) = match requested(header, settings.max_microversion) {
        Err((microversion, refusal)) => (microversion, Err(refusal)),
        Ok(version) if project_id != PROJECT_ID => (Some(version), Err((400, "Malformed request url".to_owned()))),
        Ok(version) if route.microversion.is_some_and(|needed| version < needed) => {
            (Some(version), Err((404, format!("API version {version} is not supported on this method."))))
        }
        Ok(version) => match route.returns {
            Returns::List => (Some(version), page(rows, settings, route, query, version)),
            Returns::Object { key } => (Some(version), object(rows, route, key, id, version)),
        },
    };
    match result {
        Ok(body) => Response { status: 200, microversion, body },
        Err((status, message)) => Response { status, microversion, body: fault(status, &message) },
    }
}

/// Cinder's `project_id_regex`.
fn is_project_id(segment: &str) -> bool {
    !segment.is_empty() && segment.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
}

/// The microversion of a request; a refusal may have one, too.
fn requested(header: Option<&str>, maximum: Microversion) -> Result<Microversion, (Option<Microversion>, Refusal)> {
    let Some(header) = header else { return Ok(MINIMUM) };
    let entry = header.split(',').find(|entry| entry.contains(SERVICE)).unwrap_or_default();
    let [_, text] = *entry.split_whitespace().collect::<Vec<_>>() else {
        let message =
            "The server could not comply with the request since it is either malformed or otherwise incorrect.";
        return Err((None, (400, message.to_owned())));
    };
    if text == "latest" {
        return Ok(maximum);
    }
    match text.parse::<Microversion>() {
        Ok(version) if (MINIMUM..=maximum).contains(&version) && version.to_string() == text => Ok(version),
        Ok(version) if version.to_string() == text && version.major() > 0 => {
            let range = format!("Minimum is {MINIMUM} and maximum is {maximum}.");
            Err((Some(version), (406, format!("Version {version} is not supported by the API. {range}"))))
        }
        _ => {
            let form = "is of invalid format. Must be of format MajorNum.MinorNum.";
            Err((None, (400, format!("API Version String {text} {form}"))))
        }
    }
}

/// The object with this percent-encoded id.
fn object(rows: &[Row], route: &Route, key: Option<&str>, id: &str, version: Microversion) -> Result<Value, Refusal> {
    // WSGI decodes the path as Latin-1.
    let id: String = percent_decode_str(id).map(char::from).collect();
    let row = match rows.iter().find(|row| row.id() == id) {
        Some(row) => row.clone(),
        None if route.is_row => return Err((404, format!("Backup {id} could not be found."))),
        None => Row::new(id),
    };
    let object = write(&row, route, version);
    Ok(match key {
        Some(key) => json!({key: object}),
        None => object,
    })
}

/// Filters combined with AND, then marker, then offset, then limit.
fn page(
    rows: &[Row],
    settings: &Settings,
    route: &Route,
    query: &str,
    version: Microversion,
) -> Result<Value, Refusal> {
    let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = parameters.clone();
    let mut take = |parameter: &Parameter| {
        let at = parameters.iter().position(|(name, _)| *name == parameter.name)?;
        Some(parameters.remove(at).1)
    };
    let limit = match take(&LIMIT).map(|text| integer(&text)) {
        None => settings.max_limit,
        Some(None) => return bad("limit param must be an integer"),
        Some(Some(..0)) => return bad("limit param must be positive"),
        Some(Some(limit)) => usize::try_from(limit).unwrap_or(usize::MAX).min(settings.max_limit),
    };
    let marker = take(&MARKER);
    let offset = take(&OFFSET).map_or(Ok(0), |text| offset(&text))?;
    let mut with_count = None;
    if WITH_COUNT.microversion.is_none_or(|needed| version >= needed) {
        with_count = take(&WITH_COUNT).map(|text| boolean(&text)).transpose()?;
    }

    let (filters, unknown): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|(name, _)| {
        let parameter = Parameter::named(name).filter(|parameter| parameter.name != WITH_COUNT.name);
        parameter.is_some_and(|parameter| match parameter.microversion {
            Some(LIKE_FILTER) => version >= VALIDATES_FILTERS,
            Some(needed) => version >= needed,
            None => !(VALIDATES_FILTERS..LIKE_FILTER).contains(&version),
        })
    });
    if version >= VALIDATES_FILTERS && !unknown.is_empty() {
        let names: Vec<_> = unknown.into_iter().map(|(name, _)| name).collect();
        if settings.max_microversion >= CINDER_13 && !names.iter().all(|name| name.is_ascii()) {
            return bad("Filter keys can only contain ASCII characters.");
        }
        return bad(&format!("Invalid filters {} are found in query options.", names.join(",")));
    }

    let after = match &marker {
        None => 0,
        Some(marker) => match rows.iter().position(|row| row.id() == marker) {
            Some(at) => at + 1,
            None => return Err((404, format!("Backup {marker} could not be found."))),
        },
    };
    let filters: Vec<_> = filters.iter().map(|(name, value)| Filter::new(name, value)).collect();
    let fits = |row: &&Row| filters.iter().all(|filter| filter.fits(row));
    let later = rows.get(after..).unwrap_or_default();
    let page: Vec<_> = later.iter().filter(fits).skip(offset).take(limit).collect();

    let mut body = Map::new();
    body.insert("backups".to_owned(), page.iter().map(|row| write(row, route, version)).collect());
    let count = (with_count == Some(true)).then(|| rows.iter().filter(fits).count());
    if let Some(count) = count {
        body.insert("count".to_owned(), count.into());
    }
    // With a count, Cinder compares the count with the limit, not the length of the page.
    let length = count.filter(|count| *count > 0).unwrap_or(page.len());
    if let (Some(last), true) = (page.last(), limit <= length) {
        let kept = asked.iter().filter(|(name, _)| name != MARKER.name);
        let mut query = form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(kept).append_pair(MARKER.name, last.id()).finish();
        let path = if settings.max_microversion < CINDER_16 { "backups" } else { route.path };
        let href = format!("{INTERNAL}/{PROJECT_ID}/{path}?{query}");
        body.insert("backups_links".to_owned(), json!([{"rel": "next", "href": href}]));
    }
    Ok(body.into())
}

fn bad<T>(message: &str) -> Result<T, Refusal> {
    Err((400, message.to_owned()))
}

/// Parses an integer as Python does.
fn integer(text: &str) -> Option<i128> {
    text.trim().parse().ok()
}

fn offset(text: &str) -> Result<usize, Refusal> {
    let Kind::Integer { min, max } = OFFSET.kind else { return Ok(0) };
    match integer(text) {
        None => bad("offset must be an integer"),
        Some(offset) if offset < min.into() => bad(&format!("offset must be >= {min}")),
        Some(offset) if offset > max.into() => bad(&format!("offset must be <= {max}")),
        Some(offset) => Ok(usize::try_from(offset).unwrap_or(usize::MAX)),
    }
}

fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.to_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => bad(&format!("Value '{text}' for '{}' is not a boolean.", WITH_COUNT.name)),
    }
}

enum Filter<'a> {
    Exact { field: &'a str, value: &'a str },
    Like { field: &'a str, pattern: Vec<char> },
}

impl<'a> Filter<'a> {
    fn new(name: &'a str, value: &'a str) -> Self {
        match name.strip_suffix('~') {
            None => Self::Exact { field: name, value },
            Some(field) => Self::Like { field, pattern: fold(&format!("%{value}%")).collect() },
        }
    }

    fn fits(&self, row: &Row) -> bool {
        match self {
            Self::Exact { field, value } => row.text_of(field) == Some(*value),
            Self::Like { field, pattern } => row.text_of(field).is_some_and(|text| is_like(text, pattern)),
        }
    }
}

/// The text in lower case, for ASCII letters only, as sqlite compares.
fn fold(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|char| char.to_ascii_lowercase())
}

/// SQL's `LIKE`: `%` is any text, `_` any character.
fn is_like(text: &str, pattern: &[char]) -> bool {
    let text: Vec<_> = fold(text).collect();
    // The last `%`, and where the text after its match starts.
    let (mut t, mut p, mut wildcard) = (0, 0, None);
    while let Some(char) = text.get(t) {
        match (pattern.get(p), wildcard) {
            (Some('%'), _) => {
                wildcard = Some((p, t));
                p += 1;
            }
            (Some(wanted), _) if wanted == char || *wanted == '_' => (t, p) = (t + 1, p + 1),
            // Extend the match by one character.
            (_, Some((at, from))) => {
                wildcard = Some((at, from + 1));
                (t, p) = (from + 1, at + 1);
            }
            (_, None) => return false,
        }
    }
    pattern.get(p..).is_none_or(|rest| rest.iter().all(|char| *char == '%'))
}

fn write(row: &Row, route: &Route, version: Microversion) -> Value {
    let mut row = row.clone();
    let link = |rel: &str, version: &str| Link {
        href: format!("{INTERNAL}{version}/{PROJECT_ID}/backups/{}", row.id()),
        rel: rel.to_owned(),
    };
    row.set_links(vec![link("self", "/v3"), link("bookmark", "")]);
    let mut json = timestamp::written_by_service(|| (route.write)(row));
    let Some(fields) = json.as_object_mut() else { return json };
    for (name, since, is_map) in route.newer {
        if version < *since {
            fields.remove(*name);
        } else if *is_map {
            fields.entry(*name).or_insert_with(|| Map::new().into());
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_is_that_of_sql() {
        for (text, pattern) in
            [("", ""), ("", "%"), ("a", "%"), ("Night", "n_GHT"), ("abcabd", "%abd"), ("aab", "%a_%"), ("a%b", "a%b")]
        {
            assert!(is_like(text, &fold(pattern).collect::<Vec<_>>()), "{text} {pattern}");
        }
        for (text, pattern) in [("", "_"), ("a", ""), ("a", "aa"), ("abc", "%b"), ("\u{e9}", "\u{c9}"), ("ab", "%a")] {
            assert!(!is_like(text, &fold(pattern).collect::<Vec<_>>()), "{text} {pattern}");
        }
    }
}
