//! [`Secret`]: a secret in the body of a request.

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// Serialized when the request is sent. `Debug` does not show it.
#[derive(Clone, Debug)]
pub(crate) struct Secret(pub(super) SecretString);

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose_secret())
    }
}

/// The generated types implement `Deserialize`, too.
impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(deserializer)?.into()))
    }
}
