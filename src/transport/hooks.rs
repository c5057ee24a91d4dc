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

/// What the hooks know of one request.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    pub(crate) headers: HeaderMap,
    pub(crate) body_limit: usize,
    pub(crate) head: Arc<OnceLock<Head>>,
}

/// What a generated client is made of.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) http: reqwest::Client,
    pub(crate) context: RequestContext,
}

/// The head of a response, for the cases in which the generated client loses it.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Whether the end of the connection is the only end of the body, so that one that was cut off looks
    /// complete.
    pub(crate) ends_with_connection: bool,
}

impl RequestContext {
    /// Sets the headers of a request.
    pub(crate) fn prepare(&self, request: &mut reqwest::Request) {
        let headers = request.headers_mut();
        // progenitor's own, which means nothing to the service.
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
        // This body is decompressed already, so that the limit is that of the memory it takes.
        Ok(response.map(|body| reqwest::Body::wrap(Limited::new(body, self.body_limit))).into())
    }
}

fn ends_with_connection<T>(response: &http::Response<T>) -> bool {
    let headers = response.headers();
    let has_no_length = !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING);
    // A decompressed response has lost its length, but is complete. It does not announce the end of its connection.
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

/// In the generated client, this takes the place of `ResponseValue::from_response`, which is slower.
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
