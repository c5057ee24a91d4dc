//! Lists backups as a table or as JSON.
//!
//! `cargo run --example list_backups -- --help` says how. Without settings it lists demo data.

mod demo;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use httpmock::MockServer;
use vbs_client::{Client, ListBackups};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match command().try_get_matches() {
        Ok(arguments) => arguments,
        Err(help) if !help.use_stderr() => {
            // The help may be piped into a program that has ended.
            let _ = help.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return fail(error.to_string().lines().next().unwrap_or_default()),
    };
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        // The output is piped into a program that has ended, such as `head -1`.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut line = format!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                line += &format!(": {cause}");
                source = cause.source();
            }
            fail(&line)
        }
    }
}

fn fail(line: &str) -> ExitCode {
    eprintln!("{line}");
    ExitCode::FAILURE
}

/// An option for every parameter of the contract.
fn command() -> Command {
    let options = ListBackups::parameters().iter().map(|parameter| {
        let mut help = parameter.description().to_owned();
        if let Some(version) = parameter.microversion() {
            help += &format!(" Needs microversion {version}.");
        }
        let option = Arg::new(parameter.name()).long(parameter.rust_name().replace('_', "-")).help(help);
        match parameter.is_flag() {
            true => option.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
            false => option.value_name("VALUE").allow_hyphen_values(true),
        }
    });
    Command::new("list_backups")
        .about("Lists a project's volume backups, all pages of them.")
        .after_help(
            "Which cloud: OS_CLOUD (clouds.yaml) or OS_* from the environment; or VBS_ENDPOINT, OS_PROJECT_ID (unless the \
             endpoint has it) and OS_TOKEN. Without OS_CLOUD, OS_AUTH_URL and VBS_ENDPOINT it lists demo data from a \
             server of its own.",
        )
        .next_line_help(true)
        .args(options)
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print one JSON document."))
}

async fn run(arguments: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let json = arguments.get_flag("json");
    let mut out = io::stdout().lock();
    // The demo's server runs as long as the listing.
    let (client, _server) = client(json, &mut out).await?;

    let mut request = client.list_backups();
    for parameter in ListBackups::parameters() {
        if let Some(value) = arguments.get_one::<String>(parameter.name()) {
            request = request.parameter(parameter.name(), value)?;
        }
    }

    let mut pages = request.pages();
    let (mut backups, mut total, mut count, mut header) = (Vec::new(), 0, None, !json);
    while let Some(page) = pages.try_next().await? {
        if std::mem::take(&mut header) {
            writeln!(out, "{:36}  NAME", "ID")?;
        }
        count = page.count;
        total += page.backups.len();
        if json {
            backups.extend(page);
            continue;
        }
        for backup in &page {
            writeln!(out, "{:36}  {}", backup.id, backup.name.as_deref().unwrap_or("-"))?;
        }
    }
    if json {
        let mut document = serde_json::json!({"backups": backups});
        if let Some(count) = count {
            document["count"] = count.into();
        }
        writeln!(out, "{document:#}")?;
    } else {
        writeln!(out, "{total} backups")?;
        if let Some(count) = count {
            writeln!(out, "{count} match the filters")?;
        }
    }
    Ok(out.flush()?)
}

async fn client(json: bool, out: &mut impl Write) -> Result<(Client, Option<MockServer>), Box<dyn Error>> {
    let is_set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["OS_CLOUD", "OS_AUTH_URL", "VBS_ENDPOINT"].iter().any(is_set) {
        let note = "demo data: these backups are made up, OS_CLOUD, OS_AUTH_URL and VBS_ENDPOINT are not set";
        // Standard output belongs to the document.
        if json {
            writeln!(io::stderr(), "{note}")?
        } else {
            writeln!(out, "{note}")?
        }
        let server = demo::start(demo::rows(3000)).await;
        let client = Client::builder(server.base_url())
            .project_id(demo::PROJECT_ID)
            .token("demo")
            .http(|http| http.no_proxy())
            .build()?;
        return Ok((client, Some(server)));
    }
    Ok((Client::from_env().await?, None))
}
