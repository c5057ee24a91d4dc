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

/// The kind of a [`Field`]'s values that are not null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldKind {
    /// A text.
    Text,
    /// A text of an open set of known values, such as a status.
    Enum,
    /// A time (RFC 3339).
    Time,
    /// A number, with or without a fraction.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A list of values.
    List,
    /// An object, whether or not its keys are known; or any value.
    Object,
}

impl Field {
    /// The name on the wire and in serde's output.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The description in the contract.
    #[must_use]
    pub fn description(&self) -> &'static str {
        self.description
    }

    /// The lowest microversion whose responses have the field; `None` if all have it.
    #[must_use]
    pub fn microversion(&self) -> Option<Microversion> {
        self.microversion
    }

    /// The kind of its value.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.kind
    }

    /// The title of its column in a table of the most important fields; `None` if it is not one of them.
    #[must_use]
    pub fn column(&self) -> Option<&'static str> {
        self.column
    }

    /// The unit of its value, such as `GiB`.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        self.unit
    }
}
