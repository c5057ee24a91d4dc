//! Lists backups, as a table, JSON or CSV.
//!
//! `vbs-backups --help` shows the options. Without settings it lists demo data.

mod error;
mod options;
mod output;
mod progress;
#[path = "../../examples/demo/settings.rs"]
mod settings;

use std::error::Error;
use std::io::{self, Write};
use std::pin::pin;
use std::process::ExitCode;

use vbs_client::mock::{self, Cinder};
use vbs_client::{Client, Cursor, ListBackups};

use error::describe;
use options::{Format, Options};
use output::{Listed, Output};
use progress::Progress;

/// Why a listing ended before its end.
enum Stop {
    Error(Box<dyn Error>),
    Interrupted,
}

impl<E: Into<Box<dyn Error>>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(help) if !help.use_stderr() => {
            // The help may be piped into a program that has ended.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{}", error.to_string().lines().next().unwrap_or_default());
            return ExitCode::FAILURE;
        }
    };
    // Where to resume: after what is in the output.
    let mut cursor = None;
    let stop = match run(&options, &mut cursor).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(stop) => stop,
    };
    let code = match stop {
        // The output is piped into a program that has ended, such as `head -1`.
        Stop::Error(e) if e.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            return ExitCode::SUCCESS;
        }
        Stop::Error(error) => {
            eprintln!("error: {}", describe(&*error));
            ExitCode::FAILURE
        }
        Stop::Interrupted => {
            eprintln!("interrupted");
            ExitCode::from(130)
        }
    };
    match cursor {
        Some(cursor) => {
            eprintln!("the output is right as far as it goes; the rest: --resume {cursor}");
            ExitCode::from(3)
        }
        None => code,
    }
}

async fn run(options: &Options, cursor: &mut Option<Cursor>) -> Result<(), Stop> {
    // The demo's server runs as long as the listing.
    let (client, _demo) = client(options).await?;
    if options.detail {
        list(options.narrow(client.list_backups_detail())?, options, cursor).await
    } else {
        list(options.narrow(client.list_backups())?, options, cursor).await
    }
}

async fn list<T: Listed>(request: ListBackups<T>, options: &Options, cursor: &mut Option<Cursor>) -> Result<(), Stop> {
    if options.count {
        return Ok(writeln!(io::stdout(), "{}", request.count().await?)?);
    }
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut pages = request.pages();
    let mut output = Output::new(options);
    let mut progress = Progress::new(&request, options);
    loop {
        let page = tokio::select! {
            biased;
            _ = &mut interrupted => return Err(Stop::Interrupted),
            page = pages.try_next() => page,
        };
        let page = match page {
            Ok(Some(page)) => page,
            Ok(None) => break,
            Err(error) => {
                // Where it is known better than by the last page.
                if let (Some(cursor), Some(better)) = (cursor.as_mut(), error.cursor()) {
                    cursor.clone_from(better);
                }
                return Err(error.into());
            }
        };
        progress.hide(|| output.page(&page))?;
        // A JSON document without its end is of no use.
        *cursor = page.cursor().filter(|_| options.format() != Format::Json).cloned();
        progress.record(&page);
    }
    *cursor = None;
    progress.hide(|| output.end())?;
    Ok(())
}

async fn client(options: &Options) -> Result<(Client, Option<Cinder>), Box<dyn Error>> {
    if let Some(cloud) = &options.cloud {
        return Ok((Client::from_cloud(cloud).await?, None));
    }
    if settings::any() {
        return Ok((Client::from_env().await?, None));
    }
    // Standard output belongs to the document.
    match options.format() {
        Format::Table if !options.count => writeln!(io::stdout(), "{}", settings::NONE)?,
        _ => writeln!(io::stderr(), "{}", settings::NONE)?,
    }
    // The two backups of the vendor's example, and made-up ones.
    let vendors = ["1d1139d8-8989-49d3-8aa1-83eb691e6db2", "b3cf7a16-decc-4beb-8077-682737d94a58"];
    let cinder = Cinder::start(vendors.map(mock::Row::new).into_iter().chain(mock::rows(3000))).await;
    Ok((cinder.client(), Some(cinder)))
}
