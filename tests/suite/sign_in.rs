//! Signing in: the request, the response, and hostile identity services.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vbs_client::keystone::Credentials;
use vbs_client::secrecy::SecretString;
use vbs_client::{Error, RetryPolicy};

use super::secrets::everything;
use crate::support::server::{Reply, Request, Server};
use crate::support::{PROJECT_ID, ids, page};

const PASSWORD: &str = "correct horse battery staple";
const ISSUED: &str = "gAAAAABl-issued-by-the-identity-service";

fn token(catalog: Value) -> Value {
    json!({"token": {
        "methods": ["password"],
        "issued_at": "2026-02-01T00:00:00.000000Z",
        "expires_at": "2026-02-01T01:00:00.000000Z",
        "project": {"id": PROJECT_ID, "name": "demo", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "member"}],
        "catalog": catalog,
    }})
}

fn service(kind: &str, endpoints: Value) -> Value {
    json!({"id": "1", "type": kind, "name": "cinder", "endpoints": endpoints})
}

fn endpoint(region: &str, interface: &str, url: impl Into<String>) -> Value {
    json!({"id": "2", "region": region, "region_id": region, "interface": interface, "url": url.into()})
}

/// A response with this token and body.
fn issued(token: &str, body: &Value) -> Reply {
    Reply::http(201, &format!("X-Subject-Token: {token}\r\nContent-Type: application/json\r\n"), body.to_string())
}

/// An identity service that is also the backup service in its catalog.
async fn cloud() -> Server {
    Server::start(|request, _| match request.path.ends_with("/v3/auth/tokens") {
        true => issued(ISSUED, &token(json!([service("block-storage", json!([own_endpoint(request)]))]))),
        false => request.page(&page(&["a"], None)),
    })
    .await
}

fn own_endpoint(request: &Request) -> Value {
    endpoint("RegionOne", "public", format!("http://{}/v3/{PROJECT_ID}", request.headers["host"]))
}

fn quick(credentials: Credentials) -> Credentials {
    credentials.http(|http| http.no_proxy().tls_certs_only([])).retry(RetryPolicy::none())
}

fn password(server: &Server) -> Credentials {
    quick(Credentials::password(server.endpoint(), "demo", PASSWORD))
        .user_domain_name("Default")
        .project_name("demo")
        .project_domain_id("default")
}

fn body(server: &Server, number: usize) -> Value {
    serde_json::from_slice(&server.requests()[number].body).unwrap()
}

#[tokio::test]
async fn a_password_brings_a_client_with_endpoint_project_and_token() {
    let server = cloud().await;
    let client = password(&server).sign_in().await.unwrap().build().unwrap();
    assert_eq!(ids(&client.list_backups().send().await.unwrap()), ["a"]);
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "one token for both");
    assert!(requests[0].head.starts_with("POST /v3/auth/tokens "), "{}", requests[0].head);
    assert!(!requests[0].headers.contains_key("x-auth-token"));
    assert_eq!(requests[1].path, format!("/v3/{PROJECT_ID}/backups"));
    assert_eq!(requests[1].headers["x-auth-token"], ISSUED);
    assert_eq!(
        body(&server, 0),
        json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": "demo", "domain": {"name": "Default"}, "password": PASSWORD}}},
            "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
        }})
    );
}

#[tokio::test]
async fn every_method_sends_what_keystone_documents() {
    let server = cloud().await;
    let at = server.endpoint();
    let project = json!({"project": {"id": PROJECT_ID}});
    let user = |user: Value| json!({"methods": ["password"], "password": {"user": user}});
    let cases = [
        (
            Credentials::password(&at, "demo", PASSWORD).user_id("u-1").project_id(PROJECT_ID),
            json!({"identity": user(json!({"id": "u-1", "password": PASSWORD})), "scope": project}),
        ),
        (
            Credentials::password(&at, "demo", SecretString::from(PASSWORD)).user_domain_id("d"),
            json!({"identity": user(json!({"name": "demo", "domain": {"id": "d"}, "password": PASSWORD}))}),
        ),
        (
            Credentials::application_credential(&at, "ac-1", PASSWORD),
            json!({"identity": {"methods": ["application_credential"],
                "application_credential": {"id": "ac-1", "secret": PASSWORD}}}),
        ),
        (
            Credentials::application_credential(&at, "lists", PASSWORD).user_name("demo").user_domain_name("Default"),
            json!({"identity": {"methods": ["application_credential"], "application_credential": {
                "name": "lists", "user": {"name": "demo", "domain": {"name": "Default"}}, "secret": PASSWORD}}}),
        ),
        (
            Credentials::application_credential(&at, "lists", PASSWORD).user_id("u-1").project_id(PROJECT_ID),
            json!({"identity": {"methods": ["application_credential"],
                "application_credential": {"name": "lists", "user": {"id": "u-1"}, "secret": PASSWORD}}}),
        ),
        (
            Credentials::token(&at, PASSWORD).project_id(PROJECT_ID),
            json!({"identity": {"methods": ["token"], "token": {"id": PASSWORD}}, "scope": project}),
        ),
    ];
    for (number, (credentials, expected)) in cases.into_iter().enumerate() {
        assert!(!format!("{credentials:?} {credentials:#?}").contains(PASSWORD));
        let builder = quick(credentials).sign_in().await.unwrap();
        assert!(!format!("{builder:?}").contains(ISSUED));
        assert_eq!(body(&server, number)["auth"], expected);
    }
}

#[tokio::test]
async fn an_auth_url_may_lack_its_version() {
    let server = cloud().await;
    let at = server.endpoint();
    for (url, path) in [
        (at.clone(), "/v3/auth/tokens"),
        (format!("{at}/"), "/v3/auth/tokens"),
        (format!("{at}/v3"), "/v3/auth/tokens"),
        (format!("{at}/v3/"), "/v3/auth/tokens"),
        (format!("{at}/v2.0/"), "/v3/auth/tokens"),
        (format!("{at}/identity"), "/identity/v3/auth/tokens"),
        (format!("{at}/identity/v3/"), "/identity/v3/auth/tokens"),
    ] {
        let _ = quick(Credentials::token(&url, "t")).sign_in().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(server.requests().last().unwrap().path, path, "{url}");
    }
    let requests = server.requests().len();
    for url in ["", "iam.example", "ftp://iam.example", "https://user:pw@iam.example/v3", "https://iam.example/v3/p"] {
        let error = quick(Credentials::token(url, "t")).sign_in().await.unwrap_err();
        assert!(reason(&error).starts_with("invalid auth_url: auth_url"), "{error}");
        assert!(!error.to_string().contains("pw"), "{error}");
    }
    assert_eq!(server.requests().len(), requests);
}

#[tokio::test]
async fn a_missing_setting_is_an_error_before_any_request() {
    let server = cloud().await;
    let at = server.endpoint();
    for (credentials, expected) in [
        (
            Credentials::password(&at, "", PASSWORD),
            "invalid username: username (or user_id) is not set; these are set: auth_url, password",
        ),
        (Credentials::token(&at, ""), "invalid token: token is not set; these are set: auth_url"),
    ] {
        let error = quick(credentials).sign_in().await.unwrap_err();
        assert_eq!(reason(&error), expected);
    }
    assert!(server.requests().is_empty());
}

/// Which setting is wrong, and why.
fn reason(error: &Error) -> String {
    match error {
        Error::InvalidConfig { setting, reason, .. } => format!("invalid {setting}: {reason}"),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn the_projects_domain_defaults_to_the_users_and_the_users_to_default() {
    let server = cloud().await;
    let at = server.endpoint();
    let user = || Credentials::password(&at, "demo", PASSWORD).project_name("demo");
    let default = json!({"id": "default"});
    for (number, (credentials, of_user, of_project)) in [
        (user(), default.clone(), default.clone()),
        (user().user_domain_name("D"), json!({"name": "D"}), json!({"name": "D"})),
        (user().user_domain_id("d"), json!({"id": "d"}), json!({"id": "d"})),
        (user().project_domain_id("p"), default, json!({"id": "p"})),
    ]
    .into_iter()
    .enumerate()
    {
        let _ = quick(credentials).sign_in().await.unwrap();
        let auth = &body(&server, number)["auth"];
        assert_eq!(auth["identity"]["password"]["user"]["domain"], of_user);
        assert_eq!(auth["scope"]["project"]["domain"], of_project);
    }
}

/// The endpoint that these credentials select from a catalog, or the error.
async fn chosen(catalog: Value, choose: impl Fn(Credentials) -> Credentials) -> Result<String, String> {
    let server = Server::start(move |_, _| issued(ISSUED, &token(catalog.clone()))).await;
    let builder = choose(password(&server)).sign_in().await.map_err(|error| reason(&error))?;
    let debug = format!("{builder:?}");
    Ok(debug.split("endpoint: \"").nth(1).unwrap().split('"').next().unwrap().to_owned())
}

#[tokio::test]
async fn the_endpoint_is_that_of_the_region_and_the_interface() {
    let catalog = json!([
        service("identity", json!([endpoint("A", "public", "https://iam/v3")])),
        service(
            "volumev3",
            json!([endpoint("A", "public", "https://old.a/v3/p"), endpoint("C", "public", "https://c")])
        ),
        service(
            "block-storage",
            json!([
                endpoint("A", "admin", "https://admin.a"),
                endpoint("A", "public", "https://a"),
                endpoint("A", "internal", "https://internal.a"),
                endpoint("B", "public", "https://b"),
            ])
        ),
    ]);
    for (region, interface, expected) in [
        ("A", None, "https://a"),
        ("B", None, "https://b"),
        ("A", Some("public"), "https://a"),
        ("A", Some("publicURL"), "https://a"),
        ("A", Some("internal"), "https://internal.a"),
        ("A", Some("internalURL"), "https://internal.a"),
        ("A", Some("adminURL"), "https://admin.a"),
        // A service of another type, where there is none of the preferred one.
        ("C", None, "https://c"),
    ] {
        let choose = |credentials: Credentials| {
            let credentials = credentials.region(region);
            interface.into_iter().fold(credentials, Credentials::interface)
        };
        assert_eq!(chosen(catalog.clone(), choose).await.as_deref(), Ok(expected), "{region} {interface:?}");
    }
    let none = |credentials: Credentials| credentials;
    assert_eq!(
        chosen(catalog.clone(), none).await.unwrap_err(),
        "invalid region: no region is chosen, and the catalog has several: A, B, C"
    );
    assert_eq!(
        chosen(catalog.clone(), |credentials| credentials.region("D")).await.unwrap_err(),
        "invalid region: the service is not in region \"D\"; its regions: A, B, C"
    );
    assert_eq!(
        chosen(catalog.clone(), |credentials| credentials.region("A").interface("secret")).await.unwrap_err(),
        "invalid interface: the service has no interface \"secret\" in the catalog, only admin, internal, public"
    );
    // The only endpoint of this interface.
    assert_eq!(
        chosen(catalog.clone(), |credentials| credentials.interface("internal")).await.as_deref(),
        Ok("https://internal.a")
    );
    assert_eq!(
        chosen(json!([service("identity", json!([])), service("compute", json!([]))]), none).await.unwrap_err(),
        "invalid endpoint: the catalog has no service of the types vbs, vbsv2, block-storage, volumev3, block-store, \
         volume, volumev2, only compute, identity"
    );
    assert_eq!(
        chosen(json!([]), none).await.unwrap_err(),
        "invalid endpoint: the catalog has no service of the types vbs, vbsv2, block-storage, volumev3, block-store, \
         volume, volumev2, nor any other"
    );
    // This type is not searched for.
    assert_eq!(
        chosen(json!([]), |credentials| credentials.endpoint("https://mine")).await.as_deref(),
        Ok("https://mine")
    );
}

#[tokio::test]
async fn older_types_need_an_address_of_version_3_and_malformed_entries_are_ignored() {
    let none = |credentials: Credentials| credentials;
    let odd = [
        json!({"id": "1", "endpoints": [endpoint("A", "public", "https://no-type")]}),
        json!({"type": null, "endpoints": []}),
        json!({"type": "metering", "endpoints": [{"region": "A", "interface": "public", "url": null}]}),
        json!({"type": "dns", "endpoints": [{"region": "A", "interface": "public"}]}),
    ];
    for kind in ["volume", "volumev2", "block-store"] {
        for (url, is_found) in [
            ("https://h/v3/p", true),
            ("https://h/volume/v3", true),
            ("https://h/v2/p", false),
            ("https://h/volume", false),
        ] {
            let mut catalog = odd.to_vec();
            catalog.push(service(kind, json!([endpoint("A", "public", url)])));
            let found = chosen(json!(catalog), none).await;
            assert_eq!(found.clone().ok().as_deref(), Some(url).filter(|_| is_found), "{kind} {found:?}");
        }
    }
    let catalog = ["volumev2", "volume"].map(|kind| service(kind, json!([endpoint("A", "public", "https://h/v2/p")])));
    assert_eq!(
        chosen(json!(catalog), none).await.unwrap_err(),
        "invalid endpoint: the catalog has the service only as volume, volumev2, without an address of version 3"
    );
    // The current type is preferred. An endpoint without an address is ignored.
    let no_address = json!({"region": "A", "interface": "public", "url": null});
    let catalog = json!([
        service("volumev2", json!([endpoint("A", "public", "https://old/v3")])),
        service("block-storage", json!([no_address, endpoint("A", "public", "https://h/api/v1/cinder/v3/p")])),
    ]);
    assert_eq!(chosen(catalog, none).await.as_deref(), Ok("https://h/api/v1/cinder/v3/p"));
    // An empty region id is ignored.
    let empty = json!({"region": "A", "region_id": "", "interface": "public", "url": "https://a"});
    let catalog = json!([service("volumev3", json!([empty, endpoint("B", "public", "https://b")]))]);
    assert_eq!(chosen(catalog.clone(), |credentials| credentials.region("A")).await.as_deref(), Ok("https://a"));
    assert_eq!(
        chosen(catalog, none).await.unwrap_err(),
        "invalid region: no region is chosen, and the catalog has several: A, B"
    );
}

#[tokio::test]
async fn the_open_telekom_clouds_catalog_has_the_endpoint() {
    let catalog = json!([
        service(
            "vbsv2",
            json!([endpoint("eu-de", "public", format!("https://vbs.eu-de.otc.t-systems.com/v2/{PROJECT_ID}"))])
        ),
        service("vbs", json!([endpoint("eu-de", "public", "https://vbs.eu-de.otc.t-systems.com/v2/")])),
        service(
            "volumev3",
            json!([endpoint("*", "public", format!("https://evs.eu-de.otc.t-systems.com/v3/{PROJECT_ID}"))])
        ),
    ]);
    let otc = "https://vbs.eu-de.otc.t-systems.com/v2/";
    assert_eq!(chosen(catalog.clone(), |credentials| credentials).await.as_deref(), Ok(otc));
    assert_eq!(chosen(catalog.clone(), |credentials| credentials.region("eu-de")).await.as_deref(), Ok(otc));
    let evs = format!("https://evs.eu-de.otc.t-systems.com/v3/{PROJECT_ID}");
    assert_eq!(chosen(catalog, |credentials| credentials.region("eu-nl")).await, Ok(evs));

    // The catalog's address is used with the contract's version.
    for suffix in ["/v2/".to_owned(), format!("/v2/{PROJECT_ID}"), format!("/v1/{PROJECT_ID}/")] {
        let server = Server::start(move |request, _| match request.path.ends_with("/auth/tokens") {
            true => {
                let url = format!("http://{}{suffix}", request.headers["host"]);
                issued(ISSUED, &token(json!([service("vbs", json!([endpoint("*", "public", url)]))])))
            }
            false => request.page(&page(&["a"], None)),
        })
        .await;
        let client = password(&server).sign_in().await.unwrap().build().unwrap();
        client.list_backups().send().await.unwrap();
        assert_eq!(server.requests()[1].path, format!("/v3/{PROJECT_ID}/backups"));
    }
}

#[tokio::test]
async fn another_project_than_the_chosen_one_is_an_error() {
    let server = cloud().await;
    for credentials in [
        Credentials::application_credential(server.endpoint(), "ac", PASSWORD).project_id("other"),
        Credentials::application_credential(server.endpoint(), "ac", PASSWORD).project_name("other"),
        Credentials::token(server.endpoint(), PASSWORD).project_id("other"),
    ] {
        let error = reason(&quick(credentials).sign_in().await.unwrap_err());
        assert!(error.starts_with("invalid project_id: ") && error.contains("\"other\""), "{error}");
    }
    let unscoped = json!({"token": {"issued_at": null, "expires_at": null}});
    let server = Server::start(move |_, _| issued(ISSUED, &unscoped)).await;
    let error = quick(Credentials::token(server.endpoint(), PASSWORD)).sign_in().await.unwrap_err();
    assert!(reason(&error).starts_with("invalid project_id: the token has no project"), "{error}");
}

#[tokio::test]
async fn refused_credentials_are_unauthorized() {
    let refused = r#"{"error":{"code":401,"title":"Unauthorized","message":"The request you have made requires authentication."}}"#;
    let server = Server::start(move |request, _| request.reply(401, refused)).await;
    let error = password(&server).sign_in().await.unwrap_err();
    assert!(error.is_unauthorized() && !error.is_retryable(), "{error:?}");
    assert_eq!((error.request_id(), error.attempts()), (Some("req-1"), 1));
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
    assert_eq!(
        error.to_string(),
        format!(
            "could not sign in at {}: the service responded 401 Unauthorized: The request you have made requires \
             authentication. (request id req-1); the credentials may be wrong, or the user may have no role in the \
             project",
            server.endpoint()
        )
    );
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn an_error_names_its_likely_cause() {
    for (status, headers, body, expected) in [
        (200, "", "<html><title>Log in</title></html>", "; this is not an identity service"),
        (
            404,
            "",
            r#"{"error":{"code":404,"title":"Not Found","message":"Could not find Application Credential"}}"#,
            "; the \
          application credential may have been deleted, or there is no identity service at this address",
        ),
        (
            201,
            "X-Subject-Token: t\r\nContent-Encoding: gzip\r\n",
            "\u{1f}\u{8}",
            "the response has Content-Encoding \
          \"gzip\", which was not requested",
        ),
    ] {
        let server = Server::start(move |_, _| Reply::http(status, headers, body)).await;
        // Where the tests have the feature `gzip`, reqwest would read it.
        let error = password(&server).http(|http| http.no_gzip()).sign_in().await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
        assert!(!error.is_retryable(), "{error}");
    }
}

/// A connection to a proxy that refuses it, and to one that reqwest does not support without a feature.
#[tokio::test]
async fn a_proxy_that_fails_is_named() {
    let refused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let through = |proxy: String| {
        let proxy = vbs_client::reqwest::Proxy::all(proxy).unwrap();
        Credentials::token("https://iam.example/v3", PASSWORD)
            .http(move |http| http.tls_certs_only([]).proxy(proxy.clone()))
    };
    let error = through(format!("http://{refused}")).retry(RetryPolicy::none()).sign_in().await.unwrap_err();
    assert!(error.to_string().contains(&format!("; the connection was to {refused}, a proxy")), "{error}");
    if cfg!(not(feature = "socks")) {
        let error = through(format!("socks5h://{refused}")).sign_in().await.unwrap_err();
        assert!(error.to_string().ends_with("; a SOCKS proxy needs the feature `socks` of this crate"), "{error}");
        assert_eq!(error.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn transient_faults_are_retried() {
    let server = Server::start(|request, number| match number {
        0 => request.reply(503, ""),
        1 => Reply::reset(""),
        2 => Reply::stall(""),
        _ => issued(ISSUED, &token(json!([service("vbs", json!([own_endpoint(request)]))]))),
    })
    .await;
    let retrying = password(&server).retry(RetryPolicy::default()).timeout(Duration::from_secs(5));
    let _ = retrying.sign_in().await.unwrap();
    assert_eq!(server.requests().len(), 4);

    let server = Server::fixed(503, "").await;
    let error = password(&server).retry(RetryPolicy::default()).sign_in().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!((error.attempts(), server.requests().len()), (4, 4));
}

/// The client has the settings of signing in.
#[tokio::test(start_paused = true)]
async fn the_builder_inherits_http_timeout_and_retry() {
    let server = Server::start(|request, _| match request.path.ends_with("/auth/tokens") {
        true => issued(ISSUED, &token(json!([service("vbs", json!([own_endpoint(request)]))]))),
        false => Reply::stall(""),
    })
    .await;
    let credentials = password(&server)
        .http(|http| http.user_agent("mine"))
        .retry(RetryPolicy::default().max_attempts(2))
        .timeout(Duration::from_secs(7));
    let client = credentials.sign_in().await.unwrap().build().unwrap();
    let start = tokio::time::Instant::now();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(error.attempts(), 2);
    assert!((14..16).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    assert!(server.requests().iter().all(|request| request.headers["user-agent"] == "mine"));
}

const REJECTED: &str = r#"{"error":{"code":401,"title":"Unauthorized","message":"expired"}}"#;

/// A cloud whose tokens expire then.
async fn renewing(expires_at: &'static str) -> Server {
    Server::start(move |request, number| {
        if request.path.ends_with("/auth/tokens") {
            let mut body = token(json!([service("vbs", json!([own_endpoint(request)]))]));
            body["token"]["expires_at"] = json!(expires_at);
            return issued(&format!("issued-token-{number}"), &body);
        }
        request.page(&page(&["a"], None))
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_by_the_difference_of_the_identity_services_clock() {
    // Both times are in the past of this machine's clock.
    let server = renewing("2026-02-01T01:00:00.000000Z").await;
    let client = password(&server).sign_in().await.unwrap().build().unwrap();
    let sign_ins = || server.requests().iter().filter(|request| request.path.ends_with("/auth/tokens")).count();
    for _ in 0..3 {
        client.list_backups().send().await.unwrap();
    }
    assert_eq!(sign_ins(), 1);
    tokio::time::sleep(Duration::from_secs(3400)).await;
    client.list_backups().send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(sign_ins(), 2, "in the background");
    tokio::time::sleep(Duration::from_secs(7200)).await;
    client.list_backups().send().await.unwrap();
    assert_eq!(sign_ins(), 3, "before a token that has expired is sent");
}

#[tokio::test]
async fn a_token_that_expires_before_it_is_used_is_not_sent() {
    let server = renewing("2026-02-01T00:00:00.000001Z").await;
    let client = password(&server).sign_in().await.unwrap().build().unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    client.list_backups().send().await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_by_signing_in_again() {
    let server = Server::start(|request, number| match (request.path.ends_with("/auth/tokens"), number) {
        (true, _) => {
            issued(&format!("issued-token-{number}"), &token(json!([service("vbs", json!([own_endpoint(request)]))])))
        }
        (false, 1) => request.reply(401, REJECTED),
        _ => request.page(&page(&["a"], None)),
    })
    .await;
    let client = password(&server).sign_in().await.unwrap().build().unwrap();
    client.list_backups().send().await.unwrap();
    assert_eq!(body(&server, 0), body(&server, 2));
    assert_eq!(server.requests()[3].headers["x-auth-token"], "issued-token-2");
}

#[tokio::test]
async fn a_renewal_for_another_project_is_an_error() {
    let server = Server::start(|request, number| match (request.path.ends_with("/auth/tokens"), number) {
        (true, _) => {
            let mut body = token(json!([service("vbs", json!([own_endpoint(request)]))]));
            if number > 0 {
                body["token"]["project"]["id"] = json!("another");
            }
            issued(&format!("issued-token-{number}"), &body)
        }
        _ => request.reply(401, REJECTED),
    })
    .await;
    let client = password(&server).sign_in().await.unwrap().build().unwrap();
    let error = client.list_backups().send().await.unwrap_err();
    assert!(matches!(error, Error::Token { .. }), "{error:?}");
    assert!(error.source().unwrap().to_string().contains("the token's project is another one"), "{error:?}");
}

#[tokio::test]
async fn a_token_from_a_token_is_not_renewed_and_the_error_states_why() {
    let server = Server::start(|request, _| match request.path.ends_with("/auth/tokens") {
        true => issued(ISSUED, &token(json!([service("vbs", json!([own_endpoint(request)]))]))),
        false => request.reply(401, REJECTED),
    })
    .await;
    let client = quick(Credentials::token(server.endpoint(), PASSWORD)).sign_in().await.unwrap().build().unwrap();
    for _ in 0..2 {
        let error = client.list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        let source = error.source().unwrap().to_string();
        assert!(source.contains("another token can't renew it") && source.contains("2026-02-01T01:00:00Z"), "{source}");
    }
    let sign_ins = server.requests().iter().filter(|request| request.path.ends_with("/auth/tokens")).count();
    assert_eq!(sign_ins, 1);
}

// -------------------------------------------------------------------- hostile identity services --

#[tokio::test]
async fn a_redirect_is_refused_and_no_password_follows_it() {
    let stranger = cloud().await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/v3/auth/tokens", stranger.endpoint());
        let server = Server::start(move |_, _| Reply::http(status, &format!("Location: {location}\r\n"), "")).await;
        // Also where the caller sets reqwest to follow redirects.
        let credentials =
            password(&server).http(|http| http.redirect(vbs_client::reqwest::redirect::Policy::limited(5)));
        let error = credentials.sign_in().await.unwrap_err();
        assert_eq!(error.status().unwrap(), status);
        assert!(error.to_string().contains("a redirect to http://"), "{error}");
    }
    assert!(stranger.requests().is_empty());
}

type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

#[tokio::test]
async fn no_response_shows_a_secret() {
    let echo = |request: &Request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let user = &body["auth"]["identity"]["password"]["user"];
        user["password"].as_str().unwrap().to_owned()
    };
    let replies: Vec<Handler> = vec![
        Arc::new(move |request| {
            request.reply(400, format!("{{\"error\":{{\"code\":400,\"message\":\"no {}\"}}}}", echo(request)))
        }),
        Arc::new(move |request| request.reply(500, format!("<html>you sent {}</html>", echo(request)))),
        Arc::new(move |request| request.reply(401, &request.body)),
        Arc::new(move |request| {
            request.reply_with(403, &format!("X-OpenStack-Request-Id: {}\r\n", echo(request)), "{}")
        }),
        Arc::new(move |request| Reply::http(307, &format!("Location: https://evil/?p={}\r\n", echo(request)), "")),
        Arc::new(move |request| {
            Reply::http(201, &format!("X-Subject-Token: {ISSUED}\r\n"), format!("{} {ISSUED}", echo(request)))
        }),
        Arc::new(move |request| {
            let body = json!({"token": {"issued_at": format!("{} {ISSUED}", echo(request)), "expires_at": null}});
            issued(ISSUED, &body)
        }),
        Arc::new(move |request| {
            issued(ISSUED, &token(json!([service(&format!("{} {ISSUED}", echo(request)), json!([]))])))
        }),
        Arc::new(move |request| {
            let regions =
                json!([endpoint(&echo(request), "public", "https://a"), endpoint(ISSUED, "public", "https://b")]);
            issued(ISSUED, &token(json!([service("vbs", regions)])))
        }),
    ];
    for (number, reply) in replies.into_iter().enumerate() {
        let server = Server::start(move |request, _| reply(request)).await;
        let error = password(&server).sign_in().await.unwrap_err();
        let shown = everything(&error);
        assert!(!shown.contains(PASSWORD) && !shown.contains(ISSUED), "{number}: {shown}");
        assert!(!shown.contains("battery"), "{number}: {shown}");
    }
}

#[tokio::test]
async fn an_endless_body_is_an_error() {
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    for status in [200, 201, 500] {
        let head = format!("HTTP/1.1 {status} X\r\nX-Subject-Token: t\r\nTransfer-Encoding: chunked\r\n\r\n");
        let server = Server::script(vec![Reply::endless(head.into_bytes(), chunk.clone())]).await;
        let error = password(&server).sign_in().await.unwrap_err();
        assert_eq!(
            error.to_string().contains("the body of the response exceeds 8388608 bytes"),
            status == 201,
            "{error}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_times_out() {
    let head = b"HTTP/1.1 201 X\r\nX-Subject-Token: t\r\nContent-Length: 100000\r\n\r\n".to_vec();
    let server = Server::script(vec![Reply::drip(head)]).await;
    let error = password(&server).sign_in().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
}

#[tokio::test]
async fn a_malformed_response_is_an_error() {
    let good = token(json!([]));
    for (headers, body, expected) in [
        ("", good.to_string(), "the response has no X-Subject-Token"),
        ("X-Subject-Token: \r\n", good.to_string(), "the X-Subject-Token is not a valid token"),
        ("X-Subject-Token: a b\r\n", good.to_string(), "the X-Subject-Token is not a valid token"),
        ("X-Subject-Token: t\u{e9}\r\n", good.to_string(), "the X-Subject-Token is not text"),
        ("X-Subject-Token: t\r\n", String::new(), "the response is not that of an identity service"),
        ("X-Subject-Token: t\r\n", "<html>".to_owned(), "the response is not that of an identity service"),
        ("X-Subject-Token: t\r\n", "[]".to_owned(), "the response is not that of an identity service"),
        ("X-Subject-Token: t\r\n", r#"{"token":[]}"#.to_owned(), "the response is not that of an identity service"),
        (
            "X-Subject-Token: t\r\n",
            r#"{"token":{"issued_at":"soon"}}"#.to_owned(),
            "is not that of an identity service",
        ),
        // It may be null, but not missing.
        ("X-Subject-Token: t\r\n", r#"{"token":{"issued_at":null}}"#.to_owned(), "is not that of an identity service"),
        ("X-Subject-Token: t\r\n", "[".repeat(100_000), "the response is not that of an identity service"),
    ] {
        let server = Server::script(vec![Reply::http(201, headers, body)]).await;
        let error = password(&server).sign_in().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{headers:?}: {error}");
        assert!(!error.is_retryable(), "{error}");
    }
}

#[tokio::test]
async fn a_catalog_of_a_thousand_endpoints_is_read_and_its_error_is_short() {
    let endpoints: Vec<_> = (0..1000)
        .map(|number| endpoint(&format!("region-{number:04}"), "public", format!("https://h{number}")))
        .collect();
    let catalog = json!([service("vbs", json!(endpoints))]);
    let chosen_one = chosen(catalog.clone(), |credentials| credentials.region("region-0999")).await;
    assert_eq!(chosen_one.as_deref(), Ok("https://h999"));
    let error = chosen(catalog, |credentials| credentials).await.unwrap_err();
    assert!(error.contains("region-0000, ") && error.ends_with("region-0019 and 980 more"), "{error}");
}

/// The times are far in the past or in the future, or null.
#[tokio::test]
async fn an_implausible_expiry_is_accepted() {
    for (issued_at, expires_at) in [
        (json!("2026-02-01T00:00:00Z"), json!("1026-02-01T00:00:00Z")),
        (json!("2026-02-01T00:00:00Z"), json!("9999-12-30T00:00:00Z")),
        (json!("2026-02-01T00:00:00Z"), json!("9999-12-31T23:59:59.999999Z")),
        (json!(null), json!("2026-02-01T00:00:00Z")),
        (json!(null), json!(null)),
    ] {
        let server = Server::start(move |request, _| match request.path.ends_with("/auth/tokens") {
            true => {
                let mut body = token(json!([service("vbs", json!([own_endpoint(request)]))]));
                body["token"]["issued_at"] = issued_at.clone();
                body["token"]["expires_at"] = expires_at.clone();
                issued(ISSUED, &body)
            }
            false => request.page(&page(&["a"], None)),
        })
        .await;
        let client = password(&server).sign_in().await.unwrap().build().unwrap();
        for _ in 0..3 {
            client.list_backups().send().await.unwrap();
        }
        assert_eq!(server.requests().len(), 4);
    }
}

#[tokio::test]
async fn a_secret_sent_back_as_the_project_or_in_the_catalog_is_not_shown() {
    let host = || "https://h".to_owned();
    for (id, url) in [
        (PASSWORD.to_owned(), host()),
        (ISSUED.to_owned(), host()),
        (PROJECT_ID.to_owned(), format!("https://h/v3/{ISSUED}")),
        (PROJECT_ID.to_owned(), format!("https://h/{}", "a".repeat(1 << 20))),
        ("a".repeat(1 << 20), host()),
    ] {
        let server = Server::start(move |_, _| {
            let mut body = token(json!([service("vbs", json!([endpoint("A", "public", url.clone())]))]));
            body["token"]["project"]["id"] = json!(id);
            issued(ISSUED, &body)
        })
        .await;
        let error = password(&server).sign_in().await.unwrap_err();
        let shown = everything(&error);
        assert!(!shown.contains(PASSWORD) && !shown.contains(ISSUED) && shown.len() < 5000, "{shown}");
    }
}

/// The listing's error reports the same cause, and whether a retry is useful.
#[tokio::test]
async fn a_failed_renewal_is_the_cause_of_the_listings_error() {
    for (status, is_retryable) in [(503, true), (401, false)] {
        let server = Server::start(move |request, number| match (request.head.starts_with("POST"), number) {
            (true, 0) => issued(ISSUED, &token(json!([]))),
            (true, _) => request.reply(status, REJECTED),
            _ => request.reply(401, REJECTED),
        })
        .await;
        let signed_in =
            password(&server).endpoint(server.endpoint()).retry(RetryPolicy::none()).sign_in().await.unwrap();
        let error = signed_in.retry(RetryPolicy::default()).build().unwrap().list_backups().send().await.unwrap_err();
        assert!(matches!(error, Error::Token { .. }), "{error:?}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
        assert_eq!((error.is_retryable(), error.is_unauthorized()), (is_retryable, !is_retryable));
        assert_eq!(server.requests().len(), 3, "the listing adds no retries to those of signing in");
    }
}
