//! What is listed, and what happens when it can't be.

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
    assert_eq!((code, out.lines().count()), (Some(0), 3002));
    assert!(out.starts_with("1d1139d8-8989-49d3-8aa1-83eb691e6db2  -\n"), "{}", out.lines().next().unwrap());
    // Only backups go to a pipe.
    let lines: Vec<_> = err.lines().collect();
    assert_eq!(lines.len(), 3, "{err}");
    assert!(lines[0].starts_with("demo data"), "{err}");
    assert!(lines[1].starts_with("ID ") && lines[1].ends_with(" NAME"), "{err}");
    assert_eq!(lines[2], "3002 backups");
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
    let nothing = "error: neither OS_CLOUD nor OS_AUTH_URL is set";
    for (folder, variables, expected) in [
        (here, &[("OS_TOKEN", "t"), ("OS_PROJECT_ID", "p")][..], "error: OS_AUTH_URL is not set"),
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
    for arguments in [["--limit", "-1"], ["--limit", "many"], ["--marker", "gone"]] {
        let (code, out, err) = run(&arguments);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
        let (demo, error) = err.split_once('\n').unwrap();
        assert!(demo.starts_with("demo data"), "{err}");
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{err}");
    }
}

#[test]
fn an_error_of_usage_says_what_would_be_right() {
    for (arguments, expected) in [
        (&["--name-lik", "x"][..], "tip: a similar argument exists: '--name-like'"),
        (&["--format", "yaml"], "[possible values: table, json, jsonl, csv]"),
        (&["stray"], "Usage: vbs-backups"),
        (&["--max", "0"], "it is not a whole number of at least 1"),
        (&["--count", "--resume", "marker:a"], "cannot be used with '--resume <CURSOR>'"),
        (&["--count", "--max", "1"], "cannot be used with '--max <N>'"),
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(err.starts_with("error: ") && err.contains(expected), "{err}");
    }
}

#[test]
fn it_has_a_version_and_completions() {
    let version = format!("vbs-backups {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (Some(0), version, String::new()));
    for (shell, expected) in
        [("bash", "complete -F _vbs__backups"), ("zsh", "#compdef vbs-backups"), ("fish", "-l name-like")]
    {
        let (code, script, err) = run(&["--completions", shell]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(script.contains(expected) && script.contains("with-count"), "{shell}: {script}");
    }
}

#[tokio::test]
async fn a_maximum_ends_the_list_and_requests_no_more() {
    let cinder = Cinder::start(rows(2500)).await;
    for (arguments, limits) in [
        (&["--max", "5"][..], &["5"][..]),
        (&["--max", "1200"], &["1000", "1000"]),
        (&["--max", "5", "--limit", "3"], &["3", "3"]),
    ] {
        let before = cinder.requests().len();
        let mut command = tool();
        command.env("VBS_ENDPOINT", cinder.url()).env("OS_PROJECT_ID", cinder.project_id()).env("OS_TOKEN", "a-token");
        command.args(arguments);
        let (code, out, err) = served(command).await;
        assert_eq!((code, out.lines().count()), (Some(0), arguments[1].parse().unwrap()), "{err}");
        assert!(err.ends_with(&format!("\n{} backups; there may be more\n", arguments[1])), "{err}");
        let requests = cinder.requests();
        let sent: Vec<_> = requests[before..].iter().map(|request| request.parameter("limit").unwrap()).collect();
        assert_eq!(sent, limits);
    }
    let (code, out, err) = run(&["--max", "3003"]);
    assert_eq!((code, out.lines().count()), (Some(0), 3002));
    assert!(err.ends_with("\n3002 backups\n"), "{err}");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = tool().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!((status.code(), stderr.contains("error")), (Some(0), false), "{stderr}");
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
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(out.lines().count(), 5, "{out}");
    assert!(err.ends_with("\n5 backups\n") && !err.contains("demo"), "{err}");
    assert_eq!(cinder.requests().len(), 1);

    let output = listed(None).await.unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap().as_str()),
        (Some(1), "error: OS_AUTH_URL (or OS_TOKEN) is not set; these are set: OS_PROJECT_ID, VBS_ENDPOINT\n")
    );
}

#[test]
fn every_format_has_every_field() {
    let contract: yaml_serde::Value = yaml_serde::from_str(include_str!("../../../openapi/vbs.yaml")).unwrap();
    for (schema, options) in [("Backup", &[][..]), ("BackupDetail", &["--detail", "--microversion", "3.64"])] {
        let contract = contract["components"]["schemas"][schema]["properties"].as_mapping().unwrap();
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
        // In its order.
        let fields = contract.keys().map(|field| field.as_str().unwrap()).filter(|field| *field != "links");
        assert_eq!(header.iter().collect::<Vec<_>>(), fields.collect::<Vec<_>>());
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
    let header = err.lines().nth(1).unwrap();
    assert_eq!(header.split_whitespace().collect::<Vec<_>>(), ["ID", "STATUS", "SIZE", "AGE", "NAME"]);
    assert_eq!((code, out.lines().count()), (Some(0), 1));
    let cells: Vec<_> = out.split_whitespace().collect();
    assert_eq!(cells[..4], ["00000000-0000-4000-8000-000000000000", "available", "1", "GiB"]);
    assert!(cells[4].ends_with('d') && cells[5] == "-", "{cells:?}");
}

#[test]
fn one_backup_is_shown_by_its_id() {
    let id = "00000bb7-0000-4000-8000-000000000bb7";
    let (code, out, err) = run(&["--id", id]);
    assert_eq!((code, err.lines().count()), (Some(0), 1), "{err}");
    let lines: Vec<_> =
        out.lines().map(|line| line.split_once("  ").map(|(name, value)| (name, value.trim())).unwrap()).collect();
    assert_eq!(lines[..2], [("id", id), ("name", "nightly-02999")]);
    assert!(lines.iter().any(|(name, value)| *name == "size" && value.ends_with(" GiB")), "{out}");

    let (_, listed, _) = run(&["--detail", "--max", "3", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    for format in ["json", "jsonl"] {
        let (_, shown, _) = run(&["--id", id, "--format", format]);
        let mut shown: Value = serde_json::from_str(&shown).unwrap();
        let mut listed = listed["backups"][2].clone();
        // The times of the two demos differ.
        for backup in [&mut shown, &mut listed] {
            backup.as_object_mut().unwrap().retain(|_, value| value.as_str().is_none_or(|text| !text.ends_with('Z')));
        }
        assert_eq!(shown, listed, "{format}");
    }
    let (_, csv, _) = run(&["--id", id, "--format", "csv"]);
    assert_eq!(csv::Reader::from_reader(csv.as_bytes()).records().count(), 1);
    assert!(csv.starts_with("id,name,status,"), "{csv}");
    let (_, shown, _) = run(&["--id", id, "--microversion", "3.43", "--json"]);
    assert!(serde_json::from_str::<Value>(&shown).unwrap()["metadata"].is_object(), "{shown}");

    let (code, out, err) = run(&["--id", "gone"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.ends_with("; hint: the backup was deleted, or never was in this project\n"), "{err}");
    for other in [&["--name", "x"][..], &["--limit", "5"], &["--count"], &["--max", "1"], &["--resume", "marker:a"]] {
        let (code, _, err) = run(&[&["--id", id], other].concat());
        assert_eq!((code, err.contains("cannot be used with")), (Some(1), true), "{err}");
    }
}

#[test]
fn a_count_is_a_number() {
    let (code, out, _) = run(&["--count", "--name-like", "week"]);
    let (_, _, listed) = run(&["--name-like", "week"]);
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

/// A service of the backups a, b and c whose second page is refused once.
async fn refuses_the_second_page() -> Server {
    Server::start(|request, number| match (request.get("marker"), number) {
        (None, _) => request.page(&page(&["a", "b"], Some("marker=b"))),
        (Some("b"), 1) => request.reply(400, ""),
        (Some("b"), _) => request.page(&page(&["c"], None)),
        _ => request.reply(404, ""),
    })
    .await
}

#[tokio::test]
async fn after_a_fault_in_mid_listing_there_is_the_command_for_the_rest() {
    let server = refuses_the_second_page().await;
    let mut command = with(&server);
    command.args(["--format", "csv", "--name-like", "it's $x", "--limit", "2", "--max", "5", "--offset", "1"]);
    let (code, out, err) = served(command).await;
    assert_eq!((code, out.as_str()), (Some(3), "id,name\na,\nb,\n"));
    let rest = err.trim_end().rsplit_once("the output so far is right; the command for the rest: ").unwrap().1;
    let tool = env!("CARGO_BIN_EXE_vbs-backups");
    // Without an offset, which would skip backups once more.
    let options = r#"--name-like "it's "'$x' --limit 2 --format csv --max 3 --resume marker:b"#;
    assert_eq!(rest, format!("{tool} {options}"));

    let mut shell = Command::new("sh");
    let settings = with(&server);
    shell.args(["-c", rest]).envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(served(shell).await, (Some(0), "c,\n".to_owned(), String::new()));
    assert_eq!(server.requests().last().unwrap().get("name~"), Some("it's $x"));
}

#[tokio::test]
async fn half_a_document_is_none() {
    let server = refuses_the_second_page().await;
    let mut command = with(&server);
    command.arg("--json");
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
    for signal in ["-INT", "-TERM"] {
        let mut command = with(&server);
        let stopped = tokio::task::spawn_blocking(move || {
            let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut out = BufReader::new(child.stdout.take().unwrap());
            let mut lines = [String::new(), String::new()];
            for line in &mut lines {
                out.read_line(line).unwrap();
            }
            let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            assert!(killed.success() && lines[1].starts_with("b "), "{lines:?}");
            let mut rest = String::new();
            out.read_to_string(&mut rest).unwrap();
            let Output { status, stderr, .. } = child.wait_with_output().unwrap();
            (status.code(), rest, String::from_utf8(stderr).unwrap())
        });
        let (code, rest, err) = stopped.await.unwrap();
        assert_eq!((code, rest.as_str()), (Some(3), ""), "{signal}");
        assert!(err.contains("\ninterrupted\nthe output so far is right; the command for the rest: "), "{err}");
        assert!(err.ends_with(" --resume marker:b\n"), "{err}");
    }
}

#[tokio::test]
async fn an_interruption_before_anything_is_listed_has_its_code() {
    let server = Server::start(|_, _| Reply::stall([])).await;
    for signal in ["-INT", "-TERM"] {
        let before = server.requests().len();
        let mut child = with(&server).stderr(Stdio::piped()).spawn().unwrap();
        server.received(before + 1).await;
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let code = tokio::task::spawn_blocking(move || child.wait().unwrap().code()).await.unwrap();
        assert_eq!(code, Some(130), "{signal}");
    }
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
    // The error itself says what to do.
    assert!(err.ends_with("; the server may expect http:// there\n"), "{err}");
}

#[test]
fn a_proxy_is_named_without_its_password() {
    let unreachable = |proxy: Option<&str>, no_proxy: &str| {
        let mut command = tool();
        command.env("VBS_ENDPOINT", "http://127.0.0.1:1").env("OS_PROJECT_ID", PROJECT_ID).env("OS_TOKEN", TOKEN);
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy"] {
            command.env_remove(name);
        }
        command.env("NO_PROXY", no_proxy).envs(proxy.map(|proxy| ("http_proxy", proxy)));
        let (code, _, err) = output(&mut command);
        assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
        err
    };
    let proxy = Some("http://user:a-password@127.0.0.1:2");
    let err = unreachable(proxy, "");
    assert!(err.contains("127.0.0.1:2, a proxy"), "{err}");
    assert!(
        err.ends_with("; hint: check the address, and the proxy 127.0.0.1:2 (http_proxy), or set NO_PROXY\n"),
        "{err}"
    );
    assert!(!err.contains("a-password"), "{err}");
    for err in [unreachable(None, ""), unreachable(proxy, "a.example, 127.0.0.1"), unreachable(proxy, "*")] {
        assert!(err.ends_with("; hint: check the address\n"), "{err}");
    }
}

#[tokio::test]
async fn a_name_does_not_control_the_terminal() {
    let listed = r#"{"backups": [{"id": "a", "name": "\u001b[2Jx\ny", "links": []}]}"#;
    let server = Server::fixed(200, listed).await;
    let (code, out, _) = served(with(&server)).await;
    assert_eq!((code, out.lines().count()), (Some(0), 1));
    assert!(out.ends_with("\u{fffd}[2Jx\u{fffd}y\n"), "{out:?}");
}
