//! Standard output and standard error that can't be written.

use std::fs::{self, File};
use std::io::{Read, pipe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::server::Server;
use crate::support::{output, page, run, served, tool, with};

/// Standard errors that can't be written: a pipe without a reader and, where there is one, a full device.
fn unwritable() -> Vec<Stdio> {
    let (_, writer) = pipe().unwrap();
    let full = File::options().write(true).open("/dev/full");
    [Some(writer.into()), full.ok().map(Stdio::from)].into_iter().flatten().collect()
}

#[tokio::test]
async fn a_standard_error_that_cant_be_written_changes_neither_the_list_nor_the_exit_code() {
    for (arguments, expected) in [
        (&[][..], 0),
        (&["--detail", "--with-count"], 0),
        (&["--format", "csv"], 0),
        (&["--marker", "gone"], 1),
        (&["--nonsense"], 1),
    ] {
        let (code, list, _) = run(&[arguments, &["--microversion", "3.45"]].concat());
        assert_eq!((code, list.lines().count() > 3000), (Some(expected), expected == 0), "{arguments:?}");
        for unwritable in unwritable() {
            let mut command = tool();
            command.args(arguments).args(["--microversion", "3.45"]).stderr(unwritable);
            let (code, out, _) = output(&mut command);
            assert_eq!((code, out.lines().count()), (Some(expected), list.lines().count()), "{arguments:?}");
        }
    }
    for unwritable in unwritable() {
        let server = Server::start(|request, _| match request.get("marker") {
            None => request.page(&page(&["a", "b"], Some("marker=b"))),
            _ => request.reply(400, ""),
        })
        .await;
        let mut command = with(&server);
        command.args(["--format", "csv"]).stderr(unwritable);
        let (code, out, _) = served(command).await;
        assert_eq!((code, out.as_str()), (Some(3), "id,name\na,\nb,\n"));
    }
}

/// The output stops in the middle of a row of the second page.
#[tokio::test]
async fn an_output_that_is_cut_is_not_said_to_be_right() {
    let names: Vec<_> = (0..500).map(|number| format!("backup-{number}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let second = page(&names, None);
    let server = Server::start(move |request, _| match request.get("marker") {
        None => request.page(&page(&["a", "b"], Some("marker=b"))),
        _ => request.page(&second),
    })
    .await;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cut.txt");
    for format in ["table", "csv", "jsonl", "json"] {
        let settings = with(&server);
        let mut command = Command::new("sh");
        let script = r#"trap '' XFSZ; ulimit -f 1; "$0" --format "$1" > cut.txt"#;
        command.args(["-c", script, env!("CARGO_BIN_EXE_vbs-backups"), format]);
        command.current_dir(settings.get_current_dir().unwrap());
        command.envs(settings.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let (code, _, err) = served(command).await;
        let written = fs::read_to_string(&path).unwrap();
        assert!(!written.is_empty() && !written.ends_with('\n'), "{written}");
        let last = err.lines().last().unwrap_or_default();
        assert_eq!(code, Some(4), "{format}: {err}");
        assert!(last.starts_with("error: standard output can't be written: "), "{format}: {err}");
        assert!(last.ends_with("; the output is incomplete, and can't be continued"), "{format}: {err}");
        assert!(!err.contains("resume") && !err.contains("right"), "{format}: {err}");
    }
    fs::remove_file(path).unwrap();
}

#[test]
fn whatever_is_printed_to_a_full_device_is_an_error() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["--completions", "bash"],
        &["--count"],
        &["--json"],
        &["--id", "00000bb7-0000-4000-8000-000000000bb7"],
        &[],
    ] {
        let child = tool().args(arguments).stdout(full.try_clone().unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {err}");
        assert!(err.lines().last().unwrap().starts_with("error: standard output can't be written: "), "{err}");
    }
}

#[test]
fn the_end_of_the_reader_is_the_end_of_the_output_only() {
    for arguments in [&["--help"][..], &["--count"], &["--json"], &["--format", "csv"], &[]] {
        let (_, out) = pipe().unwrap();
        let child = tool().args(arguments).stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.contains("error")), (Some(0), false), "{arguments:?}: {err}");
        for unwritable in unwritable() {
            let (_, out) = pipe().unwrap();
            let status = tool().args(arguments).stdout(out).stderr(unwritable).status().unwrap();
            assert_eq!(status.code(), Some(0), "{arguments:?}");
        }
    }
}

/// Such as a pager on its first page.
#[tokio::test]
async fn an_interruption_ends_it_also_while_its_reader_does_not_read() {
    let ids: Vec<_> = (0..1000).map(|number| format!("{number:0>200}")).collect();
    let server = Server::start(move |request, _| {
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        request.page(&page(&ids, None))
    })
    .await;
    for signal in ["-INT", "-TERM"] {
        let mut child = with(&server).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let id = child.id();
        let kill = move |signal: &str| Command::new("kill").args([signal, &id.to_string()]).status().unwrap();
        let ended = tokio::task::spawn_blocking(move || {
            // The rest of the page is more than a pipe holds.
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            assert!(kill(signal).success());
            child.wait().unwrap().code()
        });
        let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
        if ended.is_err() {
            kill("-KILL");
        }
        assert_eq!(ended.expect("it hangs").unwrap(), Some(4), "{signal}");
    }
}
