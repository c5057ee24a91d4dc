//! Times in JSON. The service writes UTC without a time zone, such as `2026-02-01T00:00:00.000000`, which others read
//! as local time. So this crate writes a `Z` (RFC 3339), and reads both forms.

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error, Unexpected};
use serde::ser::Serializer;

pub(crate) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let form = if as_service() { "%Y-%m-%dT%H:%M:%S%.6f" } else { "%Y-%m-%dT%H:%M:%S%.6fZ" };
    serializer.collect_str(&time.strftime(form))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    parse(&String::deserialize(deserializer)?)
}

fn parse<E: Error>(text: &str) -> Result<Timestamp, E> {
    // Most times have no time zone: that form is tried first.
    let time = format!("{text}Z").parse().or_else(|_| text.parse());
    time.map_err(|_| E::invalid_value(Unexpected::Str(text), &"a time such as 2026-02-01T00:00:00.000000"))
}

#[cfg(feature = "mock")]
thread_local! {
    /// A flag, because serde passes no settings to the serializer of a field.
    static AS_SERVICE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Gives the times that `write` serializes the service's form.
#[cfg(feature = "mock")]
pub(crate) fn written_by_service<R>(write: impl FnOnce() -> R) -> R {
    AS_SERVICE.set(true);
    let written = write();
    AS_SERVICE.set(false);
    written
}

#[cfg(feature = "mock")]
fn as_service() -> bool {
    AS_SERVICE.get()
}

#[cfg(not(feature = "mock"))]
fn as_service() -> bool {
    false
}

/// The JSON schema of a time.
#[cfg(feature = "schemars")]
pub(crate) struct Written;

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for Written {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// The same for a time that may be null.
pub(crate) mod nullable {
    use super::{Deserialize, Deserializer, Serializer, Timestamp};

    #[allow(clippy::ref_option)] // The signature is serde's.
    pub(crate) fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Option::<String>::deserialize(deserializer)?.as_deref().map(super::parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Times {
        #[serde(with = "super")]
        created: Timestamp,
        #[serde(default, with = "super::nullable")]
        updated: Option<Timestamp>,
    }

    fn created(text: &str) -> Result<Timestamp, String> {
        let times = serde_json::from_value::<Times>(json!({"created": text}));
        times.map(|times| times.created).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_is_written_with_its_zone_and_read_again() {
        for (json, written) in [
            (
                json!({"created": "2026-02-01T00:00:00.000000", "updated": "2026-02-01T12:34:56.123456"}),
                json!({"created": "2026-02-01T00:00:00.000000Z", "updated": "2026-02-01T12:34:56.123456Z"}),
            ),
            (
                json!({"created": "0001-01-01T00:00:00.000000", "updated": null}),
                json!({"created": "0001-01-01T00:00:00.000000Z", "updated": null}),
            ),
        ] {
            let times: Times = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(&times).unwrap(), written);
            assert_eq!(serde_json::from_value::<Times>(written).unwrap(), times);
            #[cfg(feature = "mock")]
            assert_eq!(written_by_service(|| serde_json::to_value(times).unwrap()), json);
        }
    }

    #[test]
    fn a_time_is_utc_with_or_without_fractions_or_a_time_zone() {
        let expected: Timestamp = "2026-02-01T10:00:00Z".parse().unwrap();
        for text in [
            "2026-02-01T10:00:00",
            "2026-02-01T10:00:00.0",
            "2026-02-01T10:00:00.000000",
            "2026-02-01T10:00:00Z",
            "2026-02-01T12:00:00+02:00",
        ] {
            assert_eq!(created(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_time_that_may_be_null_may_be_missing() {
        let times: Times = serde_json::from_value(json!({"created": "2026-02-01T10:00:00"})).unwrap();
        assert_eq!(times.updated, None);
    }

    #[test]
    fn what_is_not_a_time_is_an_error_that_names_it() {
        for text in ["", "today", "2026-02-01", "2026-02-30T10:00:00", "2026-02-01T10:00:00 "] {
            let error = created(text).unwrap_err();
            assert!(error.contains(&format!("{text:?}")) && error.contains("a time such as"), "{error}");
        }
        assert!(serde_json::from_value::<Times>(json!({"created": null})).is_err());
    }
}
