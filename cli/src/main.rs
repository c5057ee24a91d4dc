//! Lists backups, as a table, JSON or CSV.
//!
//! `vbs-backups --help` shows the options. Without settings it lists demo data.

mod error;
mod options;
mod output;
mod printable;
mod progress;
#[path = "../../examples/demo/settings.rs"]
mod settings;
mod table;
mod waiting;

use std::process::{self, ExitCode};
use std::time::Duration;
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use vbs_client::mock::{self, Cinder};
use vbs_client::{Client, Cursor, Error, ListBackups};

use error::describe;
use options::{Format, Options};
use output::{Listed, Output, aside, note, print};
use progress::Progress;

/// The exit code if standard output can't be written.
const UNWRITTEN: u8 = 4;

/// Why a listing ended before its end.
enum Stop {
    Error(Error),
    /// Standard output can't be written.
    Output(io::Error),
    Interrupted,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Where to resume a listing that stops now: after the last backup in the output.
#[derive(Default)]
struct Place {
    cursor: Option<Cursor>,
    /// The number of backups in the output.
    listed: usize,
}

fn main() -> ExitCode {
    let runtime = runtime();
    let code = runtime.block_on(tool(interruption()));
    // Without waiting for the lookup of a host name.
    runtime.shutdown_background();
    code
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn tool(interrupted: oneshot::Receiver<()>) -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(message) => {
            return match (message.print(), message.use_stderr()) {
                (_, true) => ExitCode::FAILURE,
                (Ok(()), false) => ExitCode::SUCCESS,
                (Err(error), false) => unwritten(&error),
            };
        }
    };
    let mut place = Place::default();
    let stop = tokio::select! {
        biased;
        _ = interrupted => Err(Stop::Interrupted),
        result = run(&options, &mut place) => result,
    };
    let code = match stop {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Stop::Output(error)) => return unwritten(&error),
        Err(Stop::Error(error)) => {
            note(&format!("error: {}", describe(&error, options.id.is_some())));
            ExitCode::FAILURE
        }
        Err(Stop::Interrupted) => {
            note("interrupted");
            ExitCode::from(130)
        }
    };
    match place.cursor {
        Some(cursor) => {
            let rest = options.resume_line(&cursor, place.listed);
            note(&format!("the output so far is right; the command for the rest: {rest}"));
            ExitCode::from(3)
        }
        None => code,
    }
}

/// Standard output can't be written.
fn unwritten(error: &io::Error) -> ExitCode {
    // It is piped into a program that has ended, such as `head -1`.
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    // The last row may be cut, and rows after the last page's cursor may be there.
    note(&format!(
        "error: standard output can't be written: {error}; the output is incomplete, and can't be continued"
    ));
    ExitCode::from(UNWRITTEN)
}

/// Receives when the listing is interrupted. If the process still runs a second later, its output can't be written,
/// because the reader, such as a pager, does not read. That ends it.
fn interruption() -> oneshot::Receiver<()> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(|| {
        runtime().block_on(interrupted());
        let _ = sender.send(());
        thread::sleep(Duration::from_secs(1));
        process::exit(UNWRITTEN.into());
    });
    receiver
}

/// Waits for Ctrl-C, or for SIGTERM.
async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminated) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn run(options: &Options, place: &mut Place) -> Result<(), Stop> {
    if let Some(shell) = options.completions {
        return Ok(print(&Options::completions(shell))?);
    }
    let progress = Progress::new(options);
    // The demo's server runs as long as the listing.
    let (client, _demo) = client(options).await?;
    if let Some(id) = &options.id {
        let mut request = client.show_backup(id);
        if let Some(microversion) = options.microversion {
            request = request.microversion(microversion);
        }
        let backup = request.send().await?;
        return Ok(progress.hide(|| Output::one(options, &backup))?);
    }
    if options.detail {
        list(options.narrow(client.list_backups_detail())?, options, progress, place).await
    } else {
        list(options.narrow(client.list_backups())?, options, progress, place).await
    }
}

async fn list<T: Listed>(
    request: ListBackups<T>,
    options: &Options,
    mut progress: Progress,
    place: &mut Place,
) -> Result<(), Stop> {
    if options.count {
        let count = request.count().await?;
        return Ok(progress.hide(|| print(format!("{count}\n").as_bytes()))?);
    }
    let mut pages = request.pages();
    let mut output = Output::new::<T>(options);
    let mut has_more = false;
    while !has_more {
        let mut page = match pages.try_next().await {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                // The error may know a better place than the last page.
                if let (Some(cursor), Some(better)) = (place.cursor.as_mut(), error.cursor()) {
                    cursor.clone_from(better);
                }
                return Err(error.into());
            }
        };
        let left = options.max.unwrap_or(usize::MAX) - place.listed;
        has_more = page.backups.len() > left || (page.backups.len() == left && !page.is_last());
        page.backups.truncate(left);
        progress.hide(|| output.page(&page))?;
        place.listed += page.backups.len();
        // A JSON document without its end is of no use.
        place.cursor = page.cursor().filter(|_| options.format != Format::Json).cloned();
        if !has_more {
            progress.record(&page, &request);
        }
    }
    place.cursor = None;
    drop(progress);
    output.end(has_more)?;
    Ok(())
}

async fn client(options: &Options) -> Result<(Client, Option<Cinder>), Stop> {
    if let Some(cloud) = &options.cloud {
        return Ok((Client::from_cloud(cloud).await?, None));
    }
    if settings::any() {
        return Ok((Client::from_env().await?, None));
    }
    if options.format == Format::Table && !options.count {
        aside(settings::NONE)?;
    } else {
        note(settings::NONE);
    }
    // The two backups of the vendor's example, and made-up ones.
    let vendors = ["1d1139d8-8989-49d3-8aa1-83eb691e6db2", "b3cf7a16-decc-4beb-8077-682737d94a58"];
    let cinder = Cinder::start(vendors.map(mock::Row::new).into_iter().chain(mock::rows(3000))).await;
    Ok((cinder.client(), Some(cinder)))
}
