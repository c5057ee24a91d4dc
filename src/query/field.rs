//! [`Field`]: a field of a row, as the contract describes it.

use super::Microversion;

/// A field of a backup, as the contract describes it: see [`Row::fields`](crate::Row::fields).
#[derive(Debug)]
pub struct Field {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) microversion: Option<Microversion>,
    pub(crate) kind: FieldKind,
    pub(crate) column: Option<&'static str>,
    pub(crate) unit: Option<&'static str>,
}

/// What kind of value a [`Field`] has, where that is not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A text.
    Text,
    /// A text of an open set of known ones, such as a status.
    Enum,
    /// A time, in the form of RFC 3339.
    Time,
    /// A number, with or without a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of values.
    List,
    /// An object, be its keys known or not; or any value.
    Object,
}

impl Field {
    /// The name on the wire, and in what serde writes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it has, as the contract describes it.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The lowest microversion in which a response has it; `None` if every one does.
    #[must_use]
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }

    /// The kind of its value.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The title of its column in a table that has the most important fields only; `None` for the others.
    #[must_use]
    pub fn column(&self) -> Option<&'static str> {
        self.column
    }

    /// The unit of its value, such as `GiB`, where it has one.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        self.unit
    }
}
