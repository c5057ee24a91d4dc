//! What is listed, and what happens when it can't be.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use vbs_client::mock::{Cinder, rows};

use crate::support::server::{Reply, Server};
use crate::support::{PROJECT_ID, TOKEN, output, page, run, served, tool, with};

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
fn with_incomplete_settings_it_is_an_error() {
    let here = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let lone = here.join("lone-cloud");
    fs::create_dir_all(&lone).unwrap();
    // Nobody listens at port 1.
    let cloud = "clouds: {lone: {auth: {auth_url: 'http://127.0.0.1:1', username: u, password: p, user_domain_name: d, \
                project_id: p}}}";
    fs::write(lone.join("clouds.yaml"), cloud).unwrap();
    let nothing = "error: invalid cloud: neither OS_CLOUD nor OS_AUTH_URL is set";
    for (folder, variables, expected) in [
        (here, &[("OS_TOKEN", "t"), ("OS_PROJECT_ID", "p")][..], "error: invalid auth_url: OS_AUTH_URL"),
        (here, &[("OS_REGION_NAME", "r")], nothing),
        (here, &[("VBS_ENDPOINT", "https://e")], nothing),
        (lone.as_path(), &[], "error: could not sign in"),
    ] {
        let (code, out, err) = output(tool().current_dir(folder).envs(variables.iter().copied()));
        assert!(err.starts_with(expected), "{variables:?}: {err}");
        assert_eq!((code, out.len()), (Some(1), 0), "{variables:?}");
    }
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
    let mut child = tool().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), String::from_utf8(stderr).unwrap()), (Some(0), String::new()));
}

#[tokio::test]
async fn with_settings_it_lists_their_project() {
    let cinder = Cinder::start(rows(5)).await;
    let listed = |token: Option<&str>| {
        let mut command = tool();
        command.env("VBS_ENDPOINT", cinder.url()).env("OS_PROJECT_ID", cinder.project_id());
        if let Some(token) = token {
            command.env("OS_TOKEN", token);
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
    };
    let output = listed(Some("a-token")).await.unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.ends_with("\n5 backups\n") && !out.contains("demo"), "{out}");
    assert_eq!(cinder.requests().len(), 1);

    let output = listed(None).await.unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (
            Some(1),
            "error: invalid auth_url: OS_AUTH_URL (or OS_TOKEN) is not set; set are OS_PROJECT_ID, VBS_ENDPOINT\n"
        )
    );
}

#[test]
fn every_format_has_every_field() {
    let contract: Value = yaml_serde::from_str(include_str!("../../../openapi/vbs.yaml")).unwrap();
    for (schema, options) in [("Backup", &[][..]), ("BackupDetail", &["--detail", "--microversion", "3.64"])] {
        let contract = contract["components"]["schemas"][schema]["properties"].as_object().unwrap();
        let formatted =
            |format| run(&[&["--format", format, "--limit", "1000", "--name-like", "night"], options].concat());
        let (code, json, note) = formatted("json");
        assert_eq!((code, note.lines().count()), (Some(0), 1), "{note}");
        let rows = serde_json::from_str::<Value>(&json).unwrap()["backups"].as_array().unwrap().clone();
        let (_, jsonl, _) = formatted("jsonl");
        assert_eq!(jsonl.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>(), rows);

        let (_, text, _) = formatted("csv");
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let header = csv.headers().unwrap().clone();
        assert_eq!(header.iter().collect::<BTreeSet<_>>(), contract.keys().map(String::as_str).collect());
        let records: Vec<_> = csv.records().map(Result::unwrap).collect();
        assert_eq!(records.len(), rows.len());
        for (record, row) in records.iter().zip(&rows) {
            for (field, cell) in header.iter().zip(record) {
                let value = &row[field];
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(cell, if value.is_null() { "" } else { &text }, "{field}");
            }
        }
        assert!(rows.iter().any(|row| options.is_empty() || row["metadata"].is_object()));
    }
}

#[test]
fn a_table_with_details_has_status_size_and_age() {
    let (code, out, err) = run(&["--detail", "--offset", "3001"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[1].split_whitespace().collect::<Vec<_>>(), ["ID", "STATUS", "SIZE", "AGE", "NAME"]);
    let cells: Vec<_> = lines[2].split_whitespace().collect();
    assert_eq!(cells[..4], ["00000000-0000-4000-8000-000000000000", "available", "1", "GiB"]);
    assert!(cells[4].ends_with('d') && cells[5] == "-", "{cells:?}");
}

#[test]
fn a_count_is_a_number() {
    let (code, out, _) = run(&["--count", "--name-like", "week"]);
    let (_, listed, _) = run(&["--name-like", "week"]);
    assert_eq!((code, format!("{} backups", out.trim_end())), (Some(0), listed.lines().last().unwrap().to_owned()));
}

#[test]
fn colours_are_for_terminals_or_where_they_are_forced() {
    let colours = |variable: &str| {
        let output = tool().args(["--detail", "--offset", "2999"]).env(variable, "1").output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert_eq!((colours("CLICOLOR"), colours("NO_COLOR"), colours("CLICOLOR_FORCE")), (false, false, true));
}

#[tokio::test]
async fn after_a_fault_in_mid_listing_the_rest_is_listed_with_resume() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b"], Some("marker=b"))),
        Some("b") if request.get("name~").is_some() => request.reply(400, ""),
        Some("b") => request.page(&page(&["c"], None)),
        _ => request.reply(404, ""),
    })
    .await;
    let mut command = with(&server);
    command.args(["--format", "csv", "--name-like", "x"]);
    let (code, out, err) = served(command).await;
    assert_eq!((code, out.lines().count()), (Some(3), 3), "{out}");
    let resume = err.trim_end().rsplit_once("; the rest: ").unwrap().1;
    assert_eq!(resume, "--resume marker:b");

    let mut command = with(&server);
    command.args(["--format", "csv"]).args(resume.split(' '));
    let (code, out, err) = served(command).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("c,") && out.lines().count() == 1, "{out}");

    // Half a document is none.
    let mut command = with(&server);
    command.args(["--json", "--name-like", "x"]);
    let (code, out, err) = served(command).await;
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
}

#[tokio::test]
async fn the_first_rows_show_before_the_last_page_is_there_and_an_interruption_stops_cleanly() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b"], Some("marker=b"))),
        _ => Reply::stall([]),
    })
    .await;
    let mut command = with(&server);
    let stopped = tokio::task::spawn_blocking(move || {
        let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = [String::new(), String::new(), String::new()];
        for line in &mut lines {
            out.read_line(line).unwrap();
        }
        let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
        assert!(killed.success() && lines[2].starts_with("b "), "{lines:?}");
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        let Output { status, stderr, .. } = child.wait_with_output().unwrap();
        (status.code(), rest, String::from_utf8(stderr).unwrap())
    });
    let (code, rest, err) = stopped.await.unwrap();
    assert_eq!((code, rest.as_str()), (Some(3), ""));
    assert_eq!(err, "interrupted\nthe output is right as far as it goes; the rest: --resume marker:b\n");
}

#[tokio::test]
async fn an_error_has_a_hint() {
    for (status, body, hint) in [
        (401, "", "set a new one as OS_TOKEN"),
        (403, "", "needs a role"),
        (404, "", "check VBS_ENDPOINT"),
        (406, "", "--help has the microversion"),
        (400, r#"{"badRequest": {"code": 400, "message": "Malformed request url"}}"#, "set OS_PROJECT_ID"),
    ] {
        let server = Server::fixed(status, body).await;
        let (code, _, err) = served(with(&server)).await;
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
        assert!(err.contains("; hint: ") && err.contains(hint), "{err}");
    }
    // An identity service.
    for (status, hint) in [(401, "check the user"), (403, "check OS_AUTH_URL"), (404, "check OS_AUTH_URL")] {
        let server = Server::fixed(status, "").await;
        let mut command = tool();
        command.env("OS_AUTH_URL", server.endpoint()).env("OS_TOKEN", TOKEN).env("OS_PROJECT_ID", PROJECT_ID);
        let (code, _, err) = served(command).await;
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
        assert!(err.contains("; hint: ") && err.contains(hint), "{err}");
    }
    // A server that speaks no TLS.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = with(&Server::fixed(200, "").await);
    command.env("VBS_ENDPOINT", format!("https://{}", listener.local_addr().unwrap()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (code, _, err) = served(command).await;
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    assert!(err.contains("; hint: where the CA is a private one, set OS_CACERT"), "{err}");
}

#[tokio::test]
async fn a_name_does_not_control_the_terminal() {
    let listed = r#"{"backups": [{"id": "a", "name": "\u001b[2Jx\ny", "links": []}]}"#;
    let server = Server::fixed(200, listed).await;
    let (code, out, _) = served(with(&server)).await;
    assert_eq!((code, out.lines().count()), (Some(0), 3));
    assert!(out.contains("\u{fffd}[2Jx\u{fffd}y\n"), "{out:?}");
}
