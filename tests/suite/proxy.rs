//! Proxies that the environment names.

use vbs_client::Client;
use vbs_client::mock::{Cinder, rows};

use crate::support::process::{in_own_process_with, runtime};

/// Whether the proxy is to be used.
const USED: &str = "VBS_CLIENT_TEST_PROXY_USED";

/// reqwest heeds it for host names only.
#[test]
fn a_no_proxy_of_all_hosts_holds_for_addresses_too() {
    for (used, no_proxy) in [
        ("no", &[("NO_PROXY", "*")][..]),
        ("no", &[("no_proxy", "*")]),
        ("no", &[("NO_PROXY", "a.example, *")]),
        ("yes", &[("NO_PROXY", "a.example"), ("no_proxy", "*")]),
        ("yes", &[("NO_PROXY", "*.example")]),
        ("yes", &[]),
    ] {
        in_own_process_with(
            |command| {
                command.env_remove("NO_PROXY").env_remove("no_proxy").envs(no_proxy.iter().copied());
                // Nothing listens there.
                command.env("http_proxy", "http://127.0.0.1:1").env("HTTP_PROXY", "http://127.0.0.1:1").env(USED, used);
            },
            || runtime(false).block_on(list()),
        );
    }
}

async fn list() {
    let cinder = Cinder::start(rows(3)).await;
    let builder = Client::builder(cinder.url()).project_id(cinder.project_id()).token("a-token");
    let client = builder.http(|http| http.tls_certs_only([])).retry(vbs_client::RetryPolicy::none()).build().unwrap();
    let listed = client.list_backups().count().await;
    match std::env::var(USED).unwrap().as_str() {
        "no" => assert_eq!(listed.unwrap(), 3),
        _ => assert!(listed.unwrap_err().to_string().contains("could not connect"), "the proxy is not there"),
    }
}
