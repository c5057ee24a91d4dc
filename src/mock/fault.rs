//! [`Fault`]: a response that the mock sends in place of a list.

use serde_json::{Value, json};

/// A response of [`Cinder`](crate::mock::Cinder) in place of a list: see
/// [`fail_next`](crate::mock::Cinder::fail_next).
///
/// # Examples
///
/// ```
/// use vbs_client::mock::Fault;
///
/// let busy = Fault::status(503).retry_after(1);
/// let login_page = Fault::status(200).body("<html>log in</html>");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    message: String,
    body: Option<String>,
}

impl Fault {
    /// A response with this status, whose body is a fault as Cinder writes it.
    ///
    /// # Panics
    ///
    /// Where the status is not in the range 200 to 599.
    pub fn status(status: u16) -> Self {
        assert!((200..600).contains(&status), "{status} is not the status of a response");
        Self { status, retry_after: None, message: "made by a mock".to_owned(), body: None }
    }

    /// Sets the header `Retry-After`, in seconds. Default: none.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Sets the fault's message. Default: "made by a mock".
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets the whole body, in place of the fault: HTML, an empty text, or a fault of another shape.
    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(crate) fn into_body(self) -> String {
        self.body.unwrap_or_else(|| fault(self.status, &self.message).to_string())
    }
}

/// The body of a failed response, as Cinder writes it.
pub(crate) fn fault(status: u16, message: &str) -> Value {
    let kind = match status {
        400 => "badRequest",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "itemNotFound",
        405 => "badMethod",
        409 => "conflictingRequest",
        413 => "overLimit",
        415 => "badMediaType",
        501 => "notImplemented",
        503 => "serviceUnavailable",
        _ => "computeFault",
    };
    json!({kind: {"code": status, "message": message}})
}
