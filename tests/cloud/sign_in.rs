//! Signing in to the real Keystone: by `tests/cloud.rs`, whose module this is.

use serde_json::{Value, json};
use vbs_client::keystone::Credentials;
use vbs_client::{ClientBuilder, Error, RetryPolicy};

use crate::support::{Cloud, Outage, http_client, ready, token, var};

/// The user demo, without a project.
fn demo() -> Credentials {
    ready(Credentials::password(var("OS_AUTH_URL"), "demo", var("OS_PASSWORD"))).user_domain_name("Default")
}

async fn count(credentials: Credentials) -> u64 {
    let client = credentials.region("RegionOne").sign_in().await.unwrap().build().unwrap();
    client.list_backups().count().await.unwrap()
}

async fn refused(credentials: Credentials) -> Error {
    credentials.region("RegionOne").sign_in().await.unwrap_err()
}

/// A request to Keystone with a token of the user demo.
async fn by_hand(method: &str, path: &str, token: &str, body: Value) -> Value {
    let method = method.parse().unwrap();
    let request = http_client().request(method, var("OS_AUTH_URL") + path).header("X-Auth-Token", token);
    let request = request.header("X-Subject-Token", token);
    let request = if body.is_null() { request } else { request.json(&body) };
    let response = request.send().await.unwrap();
    assert!(response.status().is_success(), "{}", response.status());
    response.json().await.unwrap_or_default()
}

pub async fn user_id() -> String {
    let token = token("demo", "demo").await;
    let details = by_hand("GET", "/auth/tokens", &token, json!(null)).await;
    details["token"]["user"]["id"].as_str().unwrap().to_owned()
}

/// A new application credential of the user demo: its id, its name and its secret.
pub async fn application_credential(name: &str) -> (String, String, String) {
    let path = format!("/users/{}/application_credentials", user_id().await);
    let (name, secret) = (format!("{name}-{}", std::process::id()), "an application's secret");
    let body = json!({"application_credential": {"name": name, "secret": secret}});
    let made = by_hand("POST", &path, &token("demo", "demo").await, body).await;
    (made["application_credential"]["id"].as_str().unwrap().to_owned(), name, secret.to_owned())
}

/// The endpoint that signing in has resolved.
pub fn endpoint(builder: &ClientBuilder) -> String {
    format!("{builder:?}").split("endpoint: \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_password_signs_in_by_ids_and_by_names() {
    let (user, project) = (user_id().await, var("OS_PROJECT_ID"));
    let by_name = |credentials: Credentials| credentials.project_name("demo");
    assert_eq!(count(by_name(demo()).project_domain_name("Default")).await, 2500);
    assert_eq!(count(by_name(demo()).project_domain_id("default")).await, 2500);
    assert_eq!(count(demo().project_id(&project)).await, 2500);
    assert_eq!(count(demo().user_domain_id("default").project_id(&project)).await, 2500);
    assert_eq!(count(demo().user_id(&user).project_id(&project)).await, 2500);
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn an_application_credential_signs_in_by_id_and_by_name() {
    let user = user_id().await;
    let (id, name, secret) = application_credential("test").await;
    let id = id.as_str();
    let of = |id: &str| ready(Credentials::application_credential(var("OS_AUTH_URL"), id, secret.as_str()));

    assert_eq!(count(of(id)).await, 2500);
    assert_eq!(count(of(id).project_id(var("OS_PROJECT_ID"))).await, 2500);
    assert_eq!(count(of(&name).user_id(&user)).await, 2500);
    assert_eq!(count(of(&name).user_name("demo").user_domain_name("Default")).await, 2500);
    let error = refused(of(id).project_id(var("CLOUD_OTHER_PROJECT_ID"))).await;
    assert!(matches!(error, Error::InvalidConfig { setting: "project_id", .. }), "{error:?}");
    let wrong = Credentials::application_credential(var("OS_AUTH_URL"), id, "another secret");
    assert!(refused(ready(wrong)).await.is_unauthorized());

    let path = format!("/users/{user}/application_credentials/{id}");
    by_hand("DELETE", &path, &token("demo", "demo").await, json!(null)).await;
    let error = refused(of(id)).await;
    assert_eq!(error.status().map(|status| status.as_u16()), Some(404), "{error:?}");
    assert!(error.to_string().contains("; the application credential may have been deleted"), "{error}");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_token_signs_in() {
    let of = |token: &str| ready(Credentials::token(var("OS_AUTH_URL"), token));
    let token = token("demo", "demo").await;
    assert_eq!(count(of(&token).project_id(var("OS_PROJECT_ID"))).await, 2500);
    assert_eq!(count(of(&token).project_name("demo").project_domain_name("Default")).await, 2500);
    assert!(refused(of("not-a-token")).await.status().is_some());
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn refusals_are_reported() {
    let wrong = Credentials::password(var("OS_AUTH_URL"), "demo", "a wrong password").user_domain_name("Default");
    let error = refused(ready(wrong).project_id(var("OS_PROJECT_ID"))).await;
    assert!(error.is_unauthorized(), "{error:?}");
    assert_eq!(error.fault().unwrap().kind.as_deref(), Some("Unauthorized"));
    assert!(error.request_id().unwrap().starts_with("req-"));
    assert!(!format!("{error} {error:?}").contains("a wrong password"));

    // Not one of its own, and none at all.
    let error = refused(demo().project_id(var("CLOUD_OTHER_PROJECT_ID"))).await;
    assert!(error.is_unauthorized(), "{error:?}");
    assert!(error.to_string().contains("or the user may have no role in the project"), "{error}");
    let error = refused(demo()).await;
    assert!(matches!(error, Error::InvalidConfig { setting: "project_id", .. }), "{error:?}");
    assert!(error.to_string().starts_with("the token has no project"), "{error}");

    let disabled = Credentials::password(var("OS_AUTH_URL"), "disabled", var("OS_PASSWORD"));
    let error = refused(ready(disabled).user_domain_name("Default").project_id(var("OS_PROJECT_ID"))).await;
    assert!(error.is_unauthorized(), "{error:?}");

    // No identity service.
    let elsewhere = Credentials::password(var("VBS_ENDPOINT"), "demo", var("OS_PASSWORD")).user_id("u");
    let error = refused(ready(elsewhere)).await;
    assert!(matches!(error, Error::SignIn { .. }), "{error:?}");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn the_region_and_the_interface_choose_the_endpoint() {
    let project = demo().project_id(var("OS_PROJECT_ID"));
    let endpoint = |credentials: Credentials| async {
        let builder = credentials.sign_in().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(endpoint(&builder).split("/v3/").next().unwrap().to_owned())
    };
    let public = var("VBS_ENDPOINT");
    assert_eq!(endpoint(project.clone().region("RegionOne")).await, Ok(public.clone()));
    assert_eq!(endpoint(project.clone().region("RegionTwo")).await, Ok(var("CLOUD_STRICT_ENDPOINT")));
    let internal = public.replace("127.0.0.1", "localhost");
    for name in ["internal", "internalURL"] {
        assert_eq!(endpoint(project.clone().region("RegionOne").interface(name)).await, Ok(internal.clone()));
    }
    let several = endpoint(project.clone()).await;
    let expected = "no region is chosen, and the catalog has several: RegionOne, RegionTwo";
    assert!(several.as_ref().unwrap_err().ends_with(expected), "{several:?}");
    let none = endpoint(project.clone().region("RegionThree")).await.unwrap_err();
    assert!(none.contains("its regions: RegionOne, RegionTwo"), "{none}");
    let none = endpoint(project.region("RegionOne").interface("admin")).await.unwrap_err();
    assert!(none.contains("only internal, public"), "{none}");
}

#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_catalog_without_the_service_is_an_error_that_names_what_there_is() {
    let error = refused(demo().project_name("bare").project_domain_name("Default")).await.to_string();
    let expected = "the catalog has no service of the types vbs, vbsv2, block-storage, volumev3, block-store, volume, \
                    volumev2, only identity";
    assert!(error.ends_with(expected), "{error}");
}

/// The variables are those that cloud.sh prints.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn the_environment_signs_in() {
    let credentials = ready(Credentials::from_env().unwrap());
    assert!(!format!("{credentials:?}").contains(&var("OS_PASSWORD")));
    assert_eq!(count(credentials).await, 2500);
}

/// Cinder accepts a token that it has seen for as long as its cache does.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn a_revoked_token_is_refused_as_credentials() {
    let revoked = token("demo", "demo").await;
    by_hand("DELETE", "/auth/tokens", &revoked, json!(null)).await;
    let error = refused(ready(Credentials::token(var("OS_AUTH_URL"), revoked)).project_id(var("OS_PROJECT_ID"))).await;
    assert!(error.status().is_some_and(|status| [401, 404].contains(&status.as_u16())), "{error:?}");
}

/// The first connections to Keystone break.
#[tokio::test]
#[ignore = "needs the cloud"]
async fn signing_in_outlives_a_keystone_that_is_down_for_a_while() {
    let outage = Outage::of(3).await;
    let retry = RetryPolicy::default().max_delay(std::time::Duration::from_millis(50));
    let credentials = Credentials::password(&outage.auth_url, "demo", var("OS_PASSWORD")).user_domain_name("Default");
    let credentials = ready(credentials).project_id(var("OS_PROJECT_ID")).retry(retry);
    let cloud = Cloud::plain().await;
    let error = refused(credentials.clone().retry(RetryPolicy::none())).await;
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(count(credentials.endpoint(&cloud.endpoint)).await, 2500);
}
