//! The output on a terminal.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use vbs_client::mock::{Cinder, Row};

use crate::support::server::Server;
use crate::support::{page, tool, with};

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
