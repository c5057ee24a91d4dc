//! What progenitor's hooks set on a request and keep of its response.

use std::sync::{Arc, OnceLock};

use http_body_util::Limited;
use progenitor_client::ResponseValue;
use reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{Response, StatusCode, Version};
use serde::de::DeserializeOwned;

use super::begun::hand_over;
use crate::generated;
use crate::query::decode::from_slice;

/// The hooks' data of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    pub(crate) headers: HeaderMap,
    pub(crate) body_limit: usize,
    pub(crate) head: Arc<OnceLock<Head>>,
}

/// The parts of a generated client.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) http: reqwest::Client,
    pub(crate) context: RequestContext,
}

/// The head of a response, which the generated client loses in some cases.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether only the end of the connection ends the body, so that a truncated body looks complete.
    pub(crate) ends_with_connection: bool,
}

impl RequestContext {
    /// Sets the headers of a request.
    pub(crate) fn prepare(&self, request: &mut reqwest::Request) {
        let headers = request.headers_mut();
        // progenitor's header, which the service does not know.
        headers.remove("api-version");
        headers.extend(self.headers.clone());
    }

    /// Sends a request, keeps the head of its response, and bounds the body.
    pub(crate) async fn execute(
        &self,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> reqwest::Result<Response> {
        let response = send(client, request).await?;
        let headers = response.headers();
        self.head.get_or_init(|| Head {
            status: response.status(),
            headers: headers.clone(),
            ends_with_connection: ends_with_connection(&response),
        });
        // The body is decompressed already: the limit is that of its memory.
        Ok(response.map(|body| reqwest::Body::wrap(Limited::new(body, self.body_limit))).into())
    }
}

fn ends_with_connection<T>(response: &http::Response<T>) -> bool {
    let headers = response.headers();
    let has_no_length = !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
    // A decompressed response has no length, but is complete unless it announces the end of its connection.
    let announced = || {
        let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let closes =
            options.flat_map(|options| options.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"));
        closes || response.version() < Version::HTTP_11
    };
    response.version() < Version::HTTP_2 && has_no_length && (cfg!(not(feature = "gzip")) || announced())
}

async fn send(client: &reqwest::Client, request: reqwest::Request) -> reqwest::Result<http::Response<reqwest::Body>> {
    #[cfg(test)]
    if let Some(response) = super::in_process::respond(&request).await {
        return Ok(response);
    }
    client.execute(request).await.map(Into::into)
}

/// The hooks of a generated client.
macro_rules! hooks {
    ($client:ty) => {
        impl From<$crate::transport::Server> for $client {
            fn from(server: $crate::transport::Server) -> Self {
                Self::new_with_client(&server.endpoint, server.http, server.context)
            }
        }

        impl ::progenitor_client::ClientHooks<$crate::transport::RequestContext> for $client {
            async fn pre<E>(
                &self,
                request: &mut ::reqwest::Request,
                _: &::progenitor_client::OperationInfo,
            ) -> Result<(), ::progenitor_client::Error<E>> {
                self.inner.prepare(request);
                Ok(())
            }

            async fn exec(
                &self,
                request: ::reqwest::Request,
                _: &::progenitor_client::OperationInfo,
            ) -> ::reqwest::Result<::reqwest::Response> {
                self.inner.execute(&self.client, request).await
            }
        }
    };
}

hooks!(generated::Client);
#[cfg(feature = "keystone")]
pub(crate) use hooks;

/// Replaces `ResponseValue::from_response`, which is slower, in the generated client.
pub(crate) async fn decode<T: DeserializeOwned, E>(
    mut response: Response,
) -> Result<ResponseValue<T>, progenitor_client::Error<E>> {
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let body = response.bytes().await.map_err(progenitor_client::Error::ResponseBodyError)?;
    hand_over().await;
    match from_slice(&body) {
        Ok(value) => Ok(ResponseValue::new(value, status, headers)),
        Err(error) => Err(progenitor_client::Error::InvalidResponsePayload(body, error)),
    }
}
