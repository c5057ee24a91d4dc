//! The output on a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};
use vbs_client::mock::{Cinder, Row};

use crate::support::server::Server;
use crate::support::{page, served, tool, with};

/// The exit code, and all output to a terminal of this width.
async fn on_terminal(mut command: Command, columns: u16) -> (Option<i32>, String) {
    tokio::task::spawn_blocking(move || {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(path.as_bytes());
        let program = OpenOptions::new().read(true).write(true).open(path).unwrap();
        tcsetwinsize(&program, Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        command.stdin(program.try_clone().unwrap()).stdout(program.try_clone().unwrap()).stderr(program);
        let mut child = command.env("TERM", "xterm").env("NO_COLOR", "1").spawn().unwrap();
        // The command has the terminal open, too.
        drop(command);
        let (mut shown, mut bytes, mut terminal) = (Vec::new(), [0; 4096], File::from(terminal));
        // The end of the program is an error here.
        while let Ok(read @ 1..) = terminal.read(&mut bytes) {
            shown.extend_from_slice(&bytes[..read]);
        }
        (child.wait().unwrap().code(), String::from_utf8(shown).unwrap().replace("\r\n", "\n"))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn names_are_shortened_last_and_nothing_is_in_a_wide_table() {
    let id = "1d1139d8-8989-49d3-8aa1-83eb691e6db2";
    let cinder = Cinder::start([Row::new(id).name("n".repeat(40)).status("error_restoring").size(1000)]).await;
    let shown = async |columns, wide: &[&str]| {
        let mut command = tool();
        command.env("VBS_ENDPOINT", cinder.url()).env("OS_PROJECT_ID", cinder.project_id()).env("OS_TOKEN", "a-token");
        command.arg("--detail").args(wide);
        let (code, shown) = on_terminal(command, columns).await;
        assert_eq!(code, Some(0), "{shown}");
        let lines: Vec<_> = shown.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 3, "{shown}");
        assert_eq!((lines[0].starts_with("ID "), lines[2].as_str()), (true, "1 backup"));
        lines[1].clone()
    };
    let whole = shown(200, &[]).await;
    assert!(whole.starts_with(id) && whole.ends_with(&"n".repeat(40)), "{whole}");
    // 40 columns are left beside status, size and age: the id has those that the name does not need, but at least 9.
    let narrow = shown(92, &[]).await;
    assert_eq!(narrow.chars().count(), 92, "{narrow}");
    assert!(narrow.starts_with("1d1139d8-8989-") && narrow.contains('\u{2026}'), "{narrow}");
    assert!(narrow.ends_with(&"n".repeat(40)), "{narrow}");
    let narrower = shown(80, &[]).await;
    assert_eq!(narrower.chars().count(), 80, "{narrower}");
    assert!(narrower.starts_with("1d1139d8\u{2026}  error_restoring  1000 GiB  "), "{narrower}");
    assert!(narrower.ends_with("nnn\u{2026}"), "{narrower}");
    assert_eq!(shown(80, &["--wide"]).await, whole);
    // A name that is cut anyway leaves the id as it is where there is room.
    cinder.insert(Row::new(id).name("n".repeat(255)).status("error").size(1));
    let long = shown(200, &[]).await;
    assert_eq!(long.chars().count(), 200, "{long}");
    assert!(long.starts_with(id) && long.ends_with("nnn\u{2026}"), "{long}");
}

#[tokio::test]
async fn the_help_keeps_its_columns_on_80_columns() {
    let mut command = tool();
    command.arg("--help");
    let (code, shown) = on_terminal(command, 80).await;
    let (_, codes) = shown.split_once("\nExit codes:\n").expect(&shown);
    let (codes, _) = codes.split_once("\n\n").expect(&shown);
    assert_eq!(code, Some(0));
    for line in codes.lines() {
        let (number, text) = line.split_at(7);
        assert!(number.trim().parse::<u8>().is_ok() || number.trim().is_empty(), "{codes}");
        assert!(!text.starts_with(' '), "{codes}");
    }
}

#[tokio::test]
async fn a_wait_shows_its_reason_while_it_lasts() {
    for (status, reason) in [(429, "throttled, waiting 1 s"), (503, "a transient fault, waiting 1 s")] {
        let server = Server::start(move |request, number| match number {
            0 => request.reply_with(status, "Retry-After: 1\r\n", ""),
            _ => request.page(&page(&["a"], None)),
        })
        .await;
        let (code, shown) = on_terminal(with(&server), 80).await;
        let (before, after) = shown.split_once(reason).expect(&shown);
        assert_eq!((code, before.contains("a  -")), (Some(0), false), "{shown}");
        // It is cleared when the rows arrive.
        assert!(
            after.contains("\x1b[2K") && after.ends_with("a                                     -\n1 backup\n"),
            "{shown}"
        );
    }
}

/// Characters that control a terminal, end a line of it or change the order of its text.
const CONTROLS: &str = "\0\t\n\r\u{1b}]0;owned\u{7}\u{7f}\u{80}\u{9b}2J\u{9f}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\
    \u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}";

fn is_control(char: char) -> bool {
    CONTROLS.contains(char) && !char.is_ascii_graphic()
}

/// It has one backup, whose fields are full of these characters.
async fn hostile_service() -> Server {
    Server::start(|request, _| {
        let mut backup = json!({
            "id": "a", "name": format!("x{CONTROLS}y \u{1f469}\u{200d}\u{1f4bb}"), "status": format!("error{CONTROLS}"),
            "volume_id": CONTROLS, "size": 1, "created_at": "2026-02-01T00:00:00.000000", "object_count": 0,
            "is_incremental": false, "has_dependent_backups": false, "links": [], "metadata": {CONTROLS: CONTROLS},
            "updated_at": null, "availability_zone": null, "container": null, "fail_reason": CONTROLS,
            "snapshot_id": null, "data_timestamp": null, "description": null,
        });
        if !request.path.ends_with("/detail") && !request.path.ends_with("/a") {
            backup = json!({"id": "a", "name": backup["name"], "links": []});
        }
        match request.path.ends_with("/a") {
            true => request.page(&json!({"backup": backup})),
            false => request.page(&json!({"backups": [backup]})),
        }
    })
    .await
}

#[tokio::test]
async fn no_text_of_the_service_controls_the_terminal() {
    let server = hostile_service().await;
    for format in ["table", "csv", "jsonl", "json"] {
        for of in [&[][..], &["--detail"], &["--detail", "--wide"], &["--id", "a"]] {
            let mut command = with(&server);
            command.args(["--format", format]).args(of);
            let (code, shown) = on_terminal(command, 200).await;
            assert!(code == Some(0) && shown.contains('x'), "{format} {of:?}: {shown:?}");
            assert!(!shown.contains(|char| is_control(char) && char != '\n'), "{format} {of:?}: {shown:?}");
            if format != "json" && !of.contains(&"--id") {
                assert_eq!(shown.lines().count(), if format == "table" { 3 } else { 1 + usize::from(format == "csv") });
            }
            // An emoji of several code points stays one.
            assert!(format == "table" || shown.contains("y \u{1f469}\u{200d}\u{1f4bb}"), "{format} {of:?}: {shown:?}");
        }
    }
}

#[tokio::test]
async fn json_is_escaped_in_a_file_too_and_csv_is_not() {
    let server = hostile_service().await;
    let name = format!("x{CONTROLS}y \u{1f469}\u{200d}\u{1f4bb}");
    for of in [&["--detail"][..], &["--id", "a"]] {
        for format in ["jsonl", "json"] {
            let mut command = with(&server);
            command.args(["--format", format]).args(of);
            let (_, out, _) = served(command).await;
            assert!(!out.contains(|char| is_control(char) && char != '\n'), "{format}: {out:?}");
            let mut shown: Value = serde_json::from_str(&out).unwrap();
            if let Some(listed) = shown.pointer("/backups/0") {
                shown = listed.clone();
            }
            assert_eq!((&shown["name"], &shown["metadata"]), (&json!(name), &json!({CONTROLS: CONTROLS})));
        }
        let mut command = with(&server);
        command.args(["--format", "csv"]).args(of);
        let (_, out, _) = served(command).await;
        let mut csv = csv::Reader::from_reader(out.as_bytes());
        assert_eq!(&csv.records().next().unwrap().unwrap()[1], name);
    }
}

#[tokio::test]
async fn no_error_controls_the_terminal() {
    let message = json!({"badRequest": {"code": 400, "message": format!("x{CONTROLS}y")}}).to_string();
    let field = json!({"backups": [{"id": "a", "name": "n", "links": 1, CONTROLS: 1}, {"id": CONTROLS}]}).to_string();
    let key = json!({"backup": {"metadata": {CONTROLS: 5}}}).to_string();
    let twice = page(&["a\u{202e}", "a\u{202e}"], None).to_string();
    for (status, body, of) in
        [(400, message, &[][..]), (200, field, &[]), (200, key, &["--id", "a"]), (200, twice, &[])]
    {
        let server = Server::start(move |request, _| request.reply(status, &body)).await;
        let mut command = with(&server);
        command.args(of);
        let (code, shown) = on_terminal(command, 200).await;
        assert_eq!((code, shown.lines().count()), (Some(1), 1), "{shown:?}");
        assert!(shown.starts_with("error: "), "{shown:?}");
        assert!(!shown.contains(|char| is_control(char) && char != '\n'), "{shown:?}");
    }
    let mut command = tool();
    command.env("VBS_ENDPOINT", "http://127.0.0.1:1").env("OS_PROJECT_ID", "p").env("OS_TOKEN", "a-token");
    command.env("OS_CACERT", "x\u{9b}2J\u{202e}\ny");
    let (_, shown) = on_terminal(command, 200).await;
    assert!(shown.contains("x\u{fffd}2J\u{fffd}\u{fffd}y"), "{shown:?}");
}

/// In a pipe the command has the marker as it is.
#[tokio::test]
async fn the_command_for_the_rest_does_not_control_the_terminal() {
    let server = Server::start(|request, _| match request.get("marker") {
        None => request.page(&page(&["a\u{202e}"], Some("marker=a%E2%80%AE"))),
        _ => request.reply(400, ""),
    })
    .await;
    let (code, shown) = on_terminal(with(&server), 200).await;
    assert!(code == Some(3) && shown.contains("marker:a\u{fffd}"), "{shown:?}");
    assert!(!shown.contains('\u{202e}'), "{shown:?}");
    let (_, _, err) = served(with(&server)).await;
    assert!(err.contains("marker:a\u{202e}"), "{err:?}");
}
