//! [`Parameter`]: what the contract says of a query parameter. [`Given`]: those of one request.

use std::fmt;

use crate::Error;
use crate::generated::parameters::{MARKER, PARAMETERS};
use crate::microversion::Microversion;

/// How long the encoded query of a caller may be, in bytes. Some servers (uwsgi with its default
/// buffer) drop a query of 2,000 bytes and more without a word, and answer with every backup.
const QUERY_LIMIT: usize = 1800;

/// What a marker may add to it, in bytes: enough for an id, and still short of what servers drop.
const ROOM_FOR_MARKER: usize = 100;

/// A query parameter of the endpoint, as the contract describes it.
///
/// [`ListBackups`](crate::ListBackups) has a method for each. This is for programs whose users
/// name a parameter at run time, such as the options of a command line:
///
/// ```
/// use vbs_client::ListBackups;
///
/// for parameter in ListBackups::parameters() {
///     println!("--{}: {}", parameter.rust_name(), parameter.description());
/// }
/// ```
#[derive(Debug)]
pub struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) rust_name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) microversion: Option<Microversion>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Text {
        min_length: u64,
        max_length: u64,
        one_of: &'static [&'static str],
    },
    Integer {
        min: i64,
        max: i64,
    },
    // No parameter of the contract has these two kinds at every time.
    #[allow(dead_code)]
    Number {
        min: f64,
        max: f64,
    },
    #[allow(dead_code)]
    Boolean {
        default: Option<bool>,
    },
}

impl Parameter {
    /// The name on the wire, such as `name~`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of its method on [`ListBackups`](crate::ListBackups), such as `name_like`.
    #[must_use]
    pub fn rust_name(&self) -> &'static str {
        self.rust_name
    }

    /// What it does.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The lowest microversion that knows it, if not all do.
    #[must_use]
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }

    /// Whether its value is `true` or `false`.
    #[must_use]
    pub fn is_flag(&self) -> bool {
        matches!(self.kind, Kind::Boolean { .. })
    }

    /// The parameter with this name on the wire.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PARAMETERS.iter().copied().find(|parameter| parameter.name == name)
    }

    pub(crate) fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::InvalidRequest { parameter: self.name.to_owned(), reason: reason.into() }
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, Error> {
        match self.kind {
            Kind::Text { .. } => Ok(Value::Text(text.to_owned())),
            Kind::Integer { .. } => {
                text.parse().map(Value::Integer).map_err(|_| self.invalid("it has to be a whole number"))
            }
            Kind::Number { .. } => text.parse().map(Value::Number).map_err(|_| self.invalid("it has to be a number")),
            Kind::Boolean { .. } => {
                text.parse().map(Value::Boolean).map_err(|_| self.invalid("it has to be true or false"))
            }
        }
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), Error> {
        match (&self.kind, value) {
            (Kind::Text { min_length, max_length, one_of }, Value::Text(text)) => {
                let length = text.chars().count() as u64;
                if length < *min_length {
                    Err(self.invalid(format!("it has {length} characters, where at least {min_length} are needed")))
                } else if length > *max_length {
                    Err(self.invalid(format!("it has {length} characters, where at most {max_length} are allowed")))
                } else if text.contains('\0') {
                    // One database takes it for a wildcard, another for a text that matches nothing.
                    Err(self.invalid("it has a NUL character"))
                } else if !one_of.is_empty() && !one_of.contains(&text.as_str()) {
                    Err(self.invalid(format!("it has to be one of {}", one_of.join(", "))))
                } else {
                    Ok(())
                }
            }
            (Kind::Integer { min, max }, Value::Integer(number)) => {
                if (i128::from(*min)..=i128::from(*max)).contains(number) {
                    Ok(())
                } else {
                    Err(self.invalid(format!("it has to be from {min} to {max}")))
                }
            }
            (Kind::Number { min, max }, Value::Number(number)) => {
                // Not a range's contains: this refuses what is not a number, too.
                if number >= min && number <= max {
                    Ok(())
                } else {
                    Err(self.invalid(format!("it has to be a number from {min} to {max}")))
                }
            }
            (Kind::Boolean { .. }, Value::Boolean(_)) => Ok(()),
            _ => Err(self.invalid("its value is of the wrong type")),
        }
    }
}

/// A parameter's value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Integer(i128),
    #[allow(dead_code)]
    Number(f64),
    Boolean(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
        }
    }
}

/// The parameters of one request, each at most once.
#[derive(Clone, Default)]
pub(crate) struct Given(Vec<(&'static Parameter, Value)>);

impl Given {
    pub(crate) fn get(&self, parameter: &'static Parameter) -> Option<&Value> {
        self.0.iter().find(|(given, _)| given.name == parameter.name).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, parameter: &'static Parameter, value: Value) {
        self.remove(parameter);
        // What the server does anyway needs no microversion.
        let default = matches!((&parameter.kind, &value), (Kind::Boolean { default }, Value::Boolean(flag)) if *default == Some(*flag));
        if !default {
            self.0.push((parameter, value));
        }
    }

    pub(crate) fn remove(&mut self, parameter: &'static Parameter) {
        self.0.retain(|(given, _)| given.name != parameter.name);
    }

    /// The lowest microversion that knows them all, if not every one does.
    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.0.iter().filter_map(|(parameter, _)| parameter.microversion).max()
    }

    /// How long the query is when it is encoded.
    fn query_length(&self, parameters: impl Fn(&Parameter) -> bool) -> usize {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (parameter, value) in self.0.iter().filter(|(parameter, _)| parameters(parameter)) {
            query.append_pair(parameter.name, &value.to_string());
        }
        query.finish().len()
    }

    /// Whether no server would drop the query. A marker has room of its own, so that a walk that has
    /// begun can also go on.
    pub(crate) fn fits(&self) -> bool {
        let without_marker = self.query_length(|parameter| parameter.name != MARKER.name);
        without_marker <= QUERY_LIMIT && self.query_length(|_| true) <= QUERY_LIMIT + ROOM_FOR_MARKER
    }

    /// Refuses what no server could take for what it is.
    pub(crate) fn check(&self) -> Result<(), Error> {
        for (parameter, value) in &self.0 {
            parameter.check(value)?;
        }
        let longest = self.0.iter().max_by_key(|(_, value)| value.to_string().len());
        match longest {
            Some((parameter, _)) if !self.fits() => Err(parameter.invalid(format!(
                "the encoded query has {} bytes, where at most {QUERY_LIMIT} are allowed, and this is its longest part",
                self.query_length(|_| true)
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(parameter, value)| (parameter.name, value))).finish()
    }
}
