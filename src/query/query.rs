//! [`Query`]: the parameters of one request.

use std::fmt;

use super::{Cursor, InvalidValue, Kind, Microversion, Parameter, Value};
use crate::generated::parameters::{LIMIT, MARKER, OFFSET};

/// The maximum length of a caller's encoded query, in bytes. Some servers (uwsgi with its default buffer) drop a query
/// of 2,000 bytes and more, and respond with every backup.
const MAX_QUERY: usize = 1800;

/// The maximum that a marker adds, in bytes: enough for an id, and still below what servers drop.
const MAX_MARKER: usize = 100;

/// The parameters of one request, each at most once.
#[derive(Clone, Default)]
pub(crate) struct Query(Vec<(&'static Parameter, Value)>);

impl Query {
    pub(crate) fn get(&self, parameter: &'static Parameter) -> Option<&Value> {
        self.0.iter().find(|(set, _)| set.name == parameter.name).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, parameter: &'static Parameter, value: Value) {
        self.remove(parameter);
        // What is off by default needs no microversion.
        let off = matches!((&parameter.kind, &value), (Kind::Boolean { default: Some(false) }, Value::Boolean(false)));
        if !off {
            self.0.push((parameter, value));
        }
    }

    pub(crate) fn remove(&mut self, parameter: &'static Parameter) {
        self.0.retain(|(set, _)| set.name != parameter.name);
    }

    pub(crate) fn marker(&self) -> Option<&str> {
        match self.get(&MARKER) {
            Some(Value::Text(marker)) => Some(marker),
            _ => None,
        }
    }

    /// The text that was set last.
    pub(crate) fn last(&self) -> Option<&str> {
        match self.0.last() {
            Some((_, Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn limit(&self) -> Option<i64> {
        self.integer(&LIMIT)
    }

    pub(crate) fn offset(&self) -> i64 {
        self.integer(&OFFSET).unwrap_or(0)
    }

    fn integer(&self, parameter: &'static Parameter) -> Option<i64> {
        match self.get(parameter) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether the cursor of its page leads back: to the same page or an earlier one.
    pub(crate) fn leads_back(&self, cursor: &Cursor) -> bool {
        match cursor.offset() {
            Some(offset) => offset <= self.offset(),
            None => cursor.marker() == self.marker(),
        }
    }

    /// Continues at a cursor.
    pub(crate) fn advance(&mut self, cursor: &Cursor) {
        if let Some(marker) = cursor.marker() {
            self.set(&MARKER, Value::Text(marker.to_owned()));
            // The server would apply the offset again after the marker, on every page.
            self.remove(&OFFSET);
        }
        if let Some(offset) = cursor.offset() {
            self.set(&OFFSET, Value::Integer(offset));
        }
    }

    /// The lowest microversion in which all its parameters work; none if all work in every one.
    pub(crate) fn microversion(&self) -> Option<Microversion> {
        self.0.iter().filter_map(|(parameter, _)| parameter.microversion).max()
    }

    fn encoded_length(&self, counts: impl Fn(&Parameter) -> bool) -> usize {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (parameter, value) in self.0.iter().filter(|(parameter, _)| counts(parameter)) {
            query.append_pair(parameter.name, &value.to_string());
        }
        query.finish().len()
    }

    /// Whether no server would drop the query. A marker has room of its own, so that a listing can always continue.
    pub(crate) fn fits(&self) -> bool {
        let without_marker = self.encoded_length(|parameter| parameter.name != MARKER.name);
        without_marker <= MAX_QUERY && self.encoded_length(|_| true) <= MAX_QUERY + MAX_MARKER
    }

    /// Checks types, bounds and the length of the encoded query.
    pub(crate) fn check(&self) -> Result<(), InvalidValue> {
        for (parameter, value) in &self.0 {
            parameter.check(value)?;
        }
        let longest = self.0.iter().max_by_key(|(_, value)| value.to_string().len());
        match longest {
            Some((parameter, _)) if !self.fits() => Err(parameter.invalid(format!(
                "the encoded query has {} bytes, at most {MAX_QUERY} are allowed, and this is its longest value",
                self.encoded_length(|_| true)
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter().map(|(parameter, value)| (parameter.name, value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The service applies a default of true only if it knows the parameter in the microversion of the request.
    #[test]
    fn only_a_flag_that_is_off_by_default_is_left_out() {
        for (default, sent) in [(None, [true, true]), (Some(false), [false, true]), (Some(true), [true, true])] {
            let kind = Kind::Boolean { default };
            let flag = Parameter { name: "flag", rust_name: "flag", description: "", microversion: None, kind };
            let flag: &'static Parameter = Box::leak(Box::new(flag));
            for (value, sent) in [false, true].into_iter().zip(sent) {
                let mut query = Query::default();
                query.set(flag, Value::Boolean(value));
                assert_eq!(query.get(flag).is_some(), sent, "{default:?} {value}");
            }
        }
    }
}
