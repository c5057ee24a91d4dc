//! A web service that passes pages of backups on, each with a cursor for the next one:
//! `/backups?name~=night&limit=20&cursor=..`.
//!
//! `cargo run --example web -- ADDRESS` (default: 127.0.0.1:8080).

mod demo;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use vbs_client::mock::rows;
use vbs_client::{Client, Cursor, Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (client, _demo) = demo::client(rows(3000)).await?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}/backups", listener.local_addr()?);
    Ok(axum::serve(listener, router(client)).await?)
}

fn router(client: Client) -> Router {
    Router::new().route("/backups", get(list)).with_state(client)
}

async fn list(
    State(client): State<Client>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Json<Value>, Failure> {
    let mut request = client.list_backups();
    let mut cursor = None;
    for (name, value) in parameters {
        match name.as_str() {
            "cursor" => cursor = Some(value.parse::<Cursor>().map_err(|_| Failure::BadCursor)?),
            // An unknown one, or a value of another type, is an error.
            _ => request = request.parameter(&name, &value)?,
        }
    }
    if let Some(cursor) = cursor {
        request = request.resume_at(cursor);
    }
    let page = request.send().await?;
    Ok(Json(json!({"backups": page.backups, "cursor": page.cursor()})))
}

enum Failure {
    BadCursor,
    Service(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self::Service(error) = self else {
            return (StatusCode::BAD_REQUEST, Json(json!({"error": "the cursor is invalid"}))).into_response();
        };
        let status = match &error {
            // The caller's fault: a filter, or a cursor whose backup was deleted.
            error if error.is_invalid_request() && !error.is_wrong_project() => StatusCode::BAD_REQUEST,
            error if error.is_marker_gone() => StatusCode::GONE,
            // A transient fault.
            error if error.is_timeout() => StatusCode::GATEWAY_TIMEOUT,
            error if error.is_retryable() => StatusCode::SERVICE_UNAVAILABLE,
            // This service's own fault: its credentials, its settings, its cloud.
            _ => StatusCode::BAD_GATEWAY,
        };
        let own = status == StatusCode::BAD_GATEWAY;
        eprintln!("{error}");
        // What is for the operator stays in the log.
        let text = if own { "the cloud can't be asked for backups".to_owned() } else { error.to_string() };
        let mut response = (status, Json(json!({"error": text}))).into_response();
        if let Some(delay) = error.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, delay.as_secs().max(1).into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use vbs_client::RetryPolicy;
    use vbs_client::mock::{Cinder, Fault};
    use vbs_client::reqwest;

    use super::*;

    async fn started(client: Client) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router(client)).await });
        format!("http://{address}/backups")
    }

    async fn get(url: &str) -> (u16, Option<String>, Value) {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let response = client.get(url).send().await.unwrap();
        let delay = response.headers().get(RETRY_AFTER).map(|delay| delay.to_str().unwrap().to_owned());
        (response.status().as_u16(), delay, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    #[tokio::test]
    async fn pages_and_cursors_are_passed_on() {
        let cinder = Cinder::start(rows(25)).await;
        let url = started(cinder.client()).await;
        let (mut listed, mut query) = (Vec::new(), "?limit=10".to_owned());
        loop {
            let (status, _, page) = get(&format!("{url}{query}")).await;
            assert_eq!(status, 200, "{page}");
            listed.extend(page["backups"].as_array().unwrap().iter().map(|backup| backup["id"].clone()));
            let Some(cursor) = page["cursor"].as_str() else { break };
            query = format!("?limit=10&cursor={cursor}");
        }
        let all: Vec<vbs_client::Backup> = cinder.client().list_backups().items().try_collect().await.unwrap();
        assert_eq!(listed, all.iter().map(|backup| backup.id.as_str()).collect::<Vec<_>>());
        let (_, _, page) = get(&format!("{url}?name~=night&limit=5")).await;
        assert!(page["backups"].as_array().unwrap().iter().all(|row| row["name"].as_str().unwrap().contains("night")));
    }

    #[tokio::test]
    async fn errors_have_a_status_and_a_delay() {
        let cinder = Cinder::start(rows(25)).await;
        let url = started(cinder.builder().retry(RetryPolicy::none()).build().unwrap()).await;
        for (query, status) in
            [("?cursor=x", 400), ("?limit=-1", 400), ("?colour=red", 400), ("?cursor=marker:gone", 410)]
        {
            assert_eq!(get(&format!("{url}{query}")).await.0, status, "{query}");
        }
        for (fault, status, delay) in [
            (Fault::status(429).retry_after(7), 503, Some("7")),
            (Fault::status(503), 503, None),
            (Fault::status(403), 502, None),
            (Fault::status(401), 502, None),
        ] {
            cinder.fail_next(1, fault);
            let (responded, after, body) = get(&url).await;
            assert_eq!((responded, after.as_deref()), (status, delay), "{body}");
            assert_eq!(body["error"] == "the cloud can't be asked for backups", status == 502, "{body}");
        }
    }
}
