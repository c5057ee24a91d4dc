//! The options of the command line.

use clap::{Arg, Args, Command, FromArgMatches, Parser, ValueEnum};
use vbs_client::{Cursor, Error, ListBackups, Microversion, Parameter};

const AFTER_HELP: &str = "\
Which cloud: --cloud, or OS_CLOUD (clouds.yaml) or OS_* from the environment; or VBS_ENDPOINT, OS_PROJECT_ID (unless the \
endpoint has it) and OS_TOKEN. With no OS_* or VBS_* variable and no clouds.yaml it lists demo data from a server of its own.

Exit codes:
  0    all backups are listed, or the reader of the output has ended
  1    an error before anything was listed
  3    an error or an interruption in mid-listing: the output is right as far as
       it goes, and the last line on standard error has the --resume for the rest
  130  an interruption before anything was listed";

#[derive(Parser)]
pub struct Options {
    /// How to print backups: json is one document, jsonl an object a line.
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT", help_heading = "Output")]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format", help_heading = "Output")]
    json: bool,
    /// All fields of each backup; in a table status, size and age.
    #[arg(long, help_heading = "Output")]
    pub detail: bool,
    /// Print only how many backups match the filters.
    #[arg(long, help_heading = "Output")]
    pub count: bool,
    /// Fetch so many pages at once.
    #[arg(long, default_value_t = 1, value_name = "N", help_heading = "Paging")]
    concurrency: usize,
    /// List the rest of a listing that has stopped. With --format csv there is no header.
    #[arg(long, value_name = "CURSOR", conflicts_with = "marker", help_heading = "Paging")]
    pub resume: Option<Cursor>,
    /// Sign in to this cloud of clouds.yaml.
    #[arg(long, value_name = "NAME", help_heading = "Service")]
    pub cloud: Option<String>,
    /// Ask for this microversion at least, for fields that need one.
    #[arg(long, value_name = "X.Y", help_heading = "Service")]
    microversion: Option<Microversion>,
    /// The contract's parameters, by their names on the wire.
    #[arg(skip)]
    parameters: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
}

impl Options {
    pub fn parse() -> Result<Self, clap::Error> {
        let command = Command::new("vbs-backups")
            .about("Lists a project's volume backups, newest first, all pages of them.")
            .after_help(AFTER_HELP)
            .max_term_width(100)
            .args(ListBackups::parameters().iter().map(|parameter| option(parameter)));
        let mut matches = Self::augment_args(command).try_get_matches()?;
        let given = |name| Some((name, matches.remove_one::<String>(name)?));
        let parameters = ListBackups::parameters().iter().map(|parameter| parameter.name()).filter_map(given).collect();
        Ok(Self { parameters, ..Self::from_arg_matches(&matches)? })
    }

    pub fn format(&self) -> Format {
        if self.json { Format::Json } else { self.format }
    }

    /// The value of a parameter of the contract.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// Sets on a request what the options say.
    pub fn narrow<T>(&self, request: ListBackups<T>) -> Result<ListBackups<T>, Error> {
        let mut request = request.concurrency(self.concurrency);
        for (name, value) in &self.parameters {
            request = request.parameter(name, value)?;
        }
        if let Some(microversion) = self.microversion {
            request = request.microversion(microversion);
        }
        Ok(match &self.resume {
            Some(cursor) => request.resume_at(cursor.clone()),
            None => request,
        })
    }
}

/// The option of a parameter of the contract.
fn option(parameter: &Parameter) -> Arg {
    let (description, _) = parameter.description().split_once(". ").unwrap_or((parameter.description(), ""));
    let mut help = format!("{}.", description.trim_end_matches('.'));
    if let Some(version) = parameter.microversion() {
        help += &format!(" Needs microversion {version}.");
    }
    let paging = ["limit", "offset", "marker", "with_count"].contains(&parameter.name());
    let option = Arg::new(parameter.name())
        .long(parameter.rust_name().replace('_', "-"))
        .help(help)
        .help_heading(if paging { "Paging" } else { "Filters" });
    match parameter.is_flag() {
        true => option.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => option.value_name("VALUE").allow_hyphen_values(true),
    }
}
