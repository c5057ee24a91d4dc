//! [`Parameter`]: a query parameter, as the contract describes it. [`Value`]: its value in a request.

use std::fmt;

use super::Microversion;
use crate::generated::parameters::PARAMETERS;

/// A query parameter of the endpoint, as the contract describes it.
///
/// [`ListBackups`](crate::ListBackups) has a method for each. For programs whose users name a parameter at run time,
/// such as by options of a command line:
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
    /// It may be a parameter of the path.
    Text {
        min_length: u64,
        max_length: u64,
        in_path: bool,
    },
    Integer {
        min: i64,
        max: i64,
    },
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

    /// What it does, as the contract describes it.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The lowest microversion in which it works; `None` if it works in all.
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

    pub(crate) fn invalid(&self, reason: impl Into<String>) -> InvalidValue {
        InvalidValue { parameter: self.name, reason: reason.into() }
    }

    pub(crate) fn parse(&self, text: &str) -> Result<Value, InvalidValue> {
        let parsed = match self.kind {
            Kind::Text { .. } => Ok(Value::Text(text.to_owned())),
            Kind::Integer { .. } => text.parse().map(Value::Integer).map_err(|_| "it is not a whole number"),
            Kind::Boolean { .. } => text.parse().map(Value::Boolean).map_err(|_| "it is neither true nor false"),
        };
        parsed.map_err(|reason| self.invalid(reason))
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), InvalidValue> {
        match (&self.kind, value) {
            (Kind::Text { .. }, Value::Text(text)) => self.check_text(text),
            (Kind::Integer { min, max }, Value::Integer(number)) if (min..=max).contains(&number) => Ok(()),
            (Kind::Integer { min, max }, _) => Err(self.invalid(format!("it is not in the range {min} to {max}"))),
            (Kind::Boolean { .. }, Value::Boolean(_)) => Ok(()),
            _ => Err(self.invalid("its value has the wrong type")),
        }
    }

    pub(crate) fn check_text(&self, text: &str) -> Result<(), InvalidValue> {
        let Kind::Text { min_length, max_length, in_path } = self.kind else {
            return Err(self.invalid("its value has the wrong type"));
        };
        let length = text.chars().count() as u64;
        if length < min_length {
            Err(self.invalid(format!("it has {length} characters, at least {min_length} are needed")))
        } else if length > max_length {
            Err(self.invalid(format!("it has {length} characters, at most {max_length} are allowed")))
        } else if text.contains('\0') {
            // One database treats it as a wildcard, another as text that matches nothing.
            Err(self.invalid("it has a NUL character"))
        } else if in_path && !is_segment(text) {
            // It would lead to another path.
            Err(self.invalid("it can't be a part of a path"))
        } else {
            Ok(())
        }
    }
}

fn is_segment(text: &str) -> bool {
    let is_refused = |char: char| char.is_control() || ['/', '\\', '?', '#'].contains(&char);
    !["", ".", ".."].contains(&text) && !text.contains(is_refused)
}

/// Why a parameter can't have a value.
pub(crate) struct InvalidValue {
    /// The parameter's name on the wire.
    pub(crate) parameter: &'static str,
    pub(crate) reason: String,
}

/// A parameter's value.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            _ => fmt::Display::fmt(self, f),
        }
    }
}
