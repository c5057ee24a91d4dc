//! The example, as a newcomer runs it.

use std::io::{BufRead, BufReader};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::model;
use crate::support::process::example;
use crate::support::server::Server;
use crate::support::{PROJECT_ID, TOKEN};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = example().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn without_settings_it_lists_demo_data() {
    let (code, out, err) = run(&[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].contains("demo data"), "{}", lines[0]);
    assert!(lines[1].starts_with("ID ") && lines[1].ends_with(" NAME"));
    assert!(lines[2].starts_with("1d1139d8-8989-49d3-8aa1-83eb691e6db2"));
    assert_eq!(lines.len(), 3 + 3002);
    assert_eq!(lines.last(), Some(&"3002 backups"));
}

#[test]
fn every_option_reaches_the_service() {
    let (code, out, _) =
        run(&["--name-like", "night", "--status", "error", "--limit", "100", "--with-count", "--json"]);
    assert_eq!(code, Some(0));
    let document: Value = serde_json::from_str(&out).unwrap();
    let backups = document["backups"].as_array().unwrap();
    assert!(backups.len() > 100, "{}", backups.len());
    assert_eq!(document["count"], backups.len());
    assert!(backups.iter().all(|backup| backup["name"].as_str().unwrap().contains("night")));

    let (code, help, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for parameter in vbs_client::ListBackups::parameters() {
        assert!(help.contains(&format!("--{}", parameter.rust_name().replace('_', "-"))), "{help}");
    }
}

#[test]
fn an_error_is_one_line_and_exit_code_1() {
    for arguments in
        [&["--limit", "-1"][..], &["--limit", "many"], &["--marker", "gone"], &["--no-such-option"], &["stray"]]
    {
        let (code, out, err) = run(arguments);
        assert_eq!(code, Some(1), "{arguments:?}");
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with("error: "), "{err}");
        assert!(!out.contains("NAME"), "{out}");
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = example().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap()), (Some(0), String::new()));
}

#[tokio::test]
async fn with_settings_it_lists_their_project() {
    let server = Server::model(model::rows(3)).await;
    let listed = |endpoint: String, token: Option<&str>| {
        let mut command = example();
        command.env("VBS_ENDPOINT", endpoint).env("OS_PROJECT_ID", PROJECT_ID);
        if let Some(token) = token {
            command.env("OS_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = listed(server.endpoint(), Some(TOKEN)).await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.ends_with("\n5 backups\n") && !out.contains("demo"), "{out}");
    assert_eq!(server.requests()[0].headers["x-auth-token"], TOKEN);

    let output = listed(server.endpoint(), None).await.unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (
            Some(1),
            "error: invalid auth_url: OS_AUTH_URL (or OS_TOKEN) is not set; set are OS_PROJECT_ID, VBS_ENDPOINT\n"
        )
    );
}
