//! One request's parameters and its decoded response, by the contract. Nothing here knows of HTTP.

/// Serializes a type as the text that it is printed and parsed as, and defines the error of its parser.
macro_rules! text_form {
    ($type:ident, $error:ident, $name:literal, $form:literal) => {
        impl TryFrom<String> for $type {
            type Error = $error;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        #[doc = concat!("The text is not ", $name, ".")]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $error(String);

        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:?} is not ", $name, ": it has the form ", $form), self.0)
            }
        }

        impl std::error::Error for $error {}
    };
}

pub(crate) mod cursor;
pub(crate) mod decode;
pub(crate) mod field;
pub(crate) mod microversion;
pub(crate) mod open_enum;
pub(crate) mod page;
pub(crate) mod parameter;
#[expect(clippy::module_inception)]
pub(crate) mod query;
pub(crate) mod timestamp;

pub(crate) use cursor::Cursor;
pub(crate) use decode::{Key, Keyed, List, One};
pub(crate) use field::Field;
pub(crate) use microversion::Microversion;
pub(crate) use page::Page;
pub(crate) use parameter::{InvalidValue, Kind, Parameter, Value};
pub(crate) use query::Query;
