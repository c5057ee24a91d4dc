//! [`Show`]: one object.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::query::{Microversion, One, Parameter, Query, Value};
use crate::transport::{Get, Request, RetryPolicy, Transport};
use crate::{Client, Error};

/// A request for one object, such as [`Client::show_backup`]'s.
///
/// It owns all that it needs: it can be cloned, kept, and sent from any task, any number of times.
///
/// Token, retries, deadline and limits are those of one page of a list: see [`ClientBuilder`](crate::ClientBuilder).
#[must_use = "a request does nothing until it is sent"]
pub struct Show<T> {
    transport: Arc<Transport>,
    operation: Get<One<T>>,
    /// The path's parameters.
    parameters: Query,
    /// The object's id, if that is the last parameter.
    id: fn(&T) -> Option<&str>,
    microversion: Option<Microversion>,
    retry: RetryPolicy,
}

impl<T> Show<T> {
    pub(crate) fn new(client: &Client, operation: Get<One<T>>, id: fn(&T) -> Option<&str>) -> Self {
        let (transport, retry) = (Arc::clone(&client.0), client.0.settings.retry.clone());
        Self { transport, operation, parameters: Query::default(), id, microversion: None, retry }
    }

    pub(crate) fn with(mut self, parameter: &'static Parameter, value: impl Into<String>) -> Self {
        self.parameters.set(parameter, Value::Text(value.into()));
        self
    }

    /// Sets how this request is retried. Default: the client's [`retry`](crate::ClientBuilder::retry).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets the minimum microversion of this request, for fields that need one. Default: none. The client's
    /// [`microversion`](crate::ClientBuilder::microversion) is a minimum, too: the higher one is sent, and the response
    /// has to state that it was applied.
    pub fn microversion(mut self, microversion: Microversion) -> Self {
        self.microversion = Some(microversion);
        self
    }
}

impl<T: Send + 'static> Show<T> {
    /// Fetches the object.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] before anything is sent, if a value can't be in a path: it is empty, `.` or `..`, or
    /// has a `/`, `\`, `?`, `#` or a control character. An error that [`is_not_found`](Error::is_not_found) if there is
    /// no such object; [`Error::Undecodable`] if the response is another object; any other but [`Error::InvalidConfig`]
    /// and [`Error::Pagination`].
    pub fn send(&self) -> impl Future<Output = Result<T, Error>> + Send + use<T> {
        let Self { transport, operation, parameters, id, microversion, retry } = self.clone();
        async move {
            parameters.check()?;
            let microversion = transport.microversion(&operation, &parameters, microversion);
            let request = Request { operation, query: parameters, microversion, page: None };
            let (object, request_id) = transport.fetch(&request, &retry, transport.deadline(), None).await?;
            match (id(&object), request.query.last()) {
                (Some(id), Some(requested)) if id != requested => {
                    let message = format!("the response is {id:?}, where {requested:?} was requested");
                    Err(Error::undecodable(request_id, transport.secrets.one_line(&message)))
                }
                _ => Ok(object),
            }
        }
    }
}

impl<T> Clone for Show<T> {
    fn clone(&self) -> Self {
        let Self { transport, operation, parameters, id, microversion, retry } = self;
        let (transport, parameters, retry) = (Arc::clone(transport), parameters.clone(), retry.clone());
        Self { transport, operation: *operation, parameters, id: *id, microversion: *microversion, retry }
    }
}

impl<T> fmt::Debug for Show<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Show")
            .field("transport", &self.transport)
            .field("operation", &self.operation)
            .field("parameters", &self.parameters)
            .field("microversion", &self.microversion)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
