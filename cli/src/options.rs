//! The options of the command line.

use std::io::{self, IsTerminal};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource, value_parser};
use clap_complete::Shell;
use vbs_client::{Cursor, Error, ListBackups, Microversion, Parameter};

use crate::printable::printable;

const NAME: &str = "vbs-backups";
const AFTER_HELP: &str = "\
Which cloud: --cloud, or OS_CLOUD (clouds.yaml) or OS_* from the environment; or VBS_ENDPOINT, OS_PROJECT_ID (unless the \
endpoint has it) and OS_TOKEN. With no OS_* or VBS_* variable and no clouds.yaml it lists demo data from a server of its own.

Exit codes:
  0    all backups are listed, or those of --max, or the reader of the output
       has ended
  1    an error before anything was listed
  3    an error or an interruption during the listing: the output so far is
       right, and the last line on standard error has the command for the rest
  4    standard output can't be written, such as to a full disk, or at an
       interruption to a reader that does not read: what is there is
       incomplete, and can't be continued
  130  an interruption before anything was listed

Where standard output is no terminal, the table's header and total go to standard error.";
/// The default of a service's maximum page size.
const MAX_PAGE: usize = 1000;
/// The options that a resumed listing does not keep.
const PLACES: [&str; 4] = ["resume", "marker", "offset", "max"];

#[derive(Clone, Copy, PartialEq)]
pub enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
}

pub struct Options {
    pub format: Format,
    pub detail: bool,
    pub wide: bool,
    pub count: bool,
    pub max: Option<usize>,
    concurrency: Option<usize>,
    pub resume: Option<Cursor>,
    pub id: Option<String>,
    pub cloud: Option<String>,
    pub microversion: Option<Microversion>,
    pub completions: Option<Shell>,
    /// The contract's parameters, by their names on the wire.
    parameters: Vec<(&'static str, String)>,
    /// The options as given, except those of the start and the end of the listing.
    given: Vec<String>,
}

impl Options {
    /// The options of this process; or its help, its version or an error.
    pub fn parse() -> Result<Self, clap::Error> {
        let mut command = Self::command();
        let mut matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let given = command.get_arguments().filter(|option| !PLACES.contains(&option.get_id().as_str()));
        let given = given.flat_map(|option| words(option, &matches)).collect();
        let value = |name| Some((name, matches.remove_one::<String>(name)?));
        let parameters = ListBackups::parameters().iter().map(|parameter| parameter.name()).filter_map(value).collect();
        let format = matches.remove_one("format").unwrap_or(Format::Table);
        Ok(Self {
            format: if matches.get_flag("json") { Format::Json } else { format },
            detail: matches.get_flag("detail"),
            wide: matches.get_flag("wide"),
            count: matches.get_flag("count"),
            max: matches.remove_one("max"),
            concurrency: matches.remove_one("concurrency"),
            resume: matches.remove_one("resume"),
            id: matches.remove_one("show"),
            cloud: matches.remove_one("cloud"),
            microversion: matches.remove_one("microversion"),
            completions: matches.remove_one("completions"),
            parameters,
            given,
        })
    }

    fn command() -> Command {
        let parameters = ListBackups::parameters().iter().map(|parameter| option(parameter));
        let flag = |name, help| Arg::new(name).long(name).help(help).action(ArgAction::SetTrue);
        let value = |name, value, help| Arg::new(name).long(name).value_name(value).help(help);
        let format = PossibleValuesParser::new(["table", "json", "jsonl", "csv"]).map(|name| match name.as_str() {
            "json" => Format::Json,
            "jsonl" => Format::Jsonl,
            "csv" => Format::Csv,
            _ => Format::Table,
        });
        let of_lists = ListBackups::parameters().iter().map(|parameter| parameter.name());
        let of_lists = of_lists.chain(["count", "max", "concurrency", "resume"]);
        Command::new(NAME)
            .version(env!("CARGO_PKG_VERSION"))
            .about("Lists all volume backups of a project, newest first.")
            .after_help(AFTER_HELP)
            .max_term_width(100)
            .args(parameters)
            .next_help_heading("Output")
            .args([
                value("format", "FORMAT", "How to print backups: json is one document, jsonl an object a line")
                    .value_parser(format)
                    .default_value("table"),
                flag("json", "The same as --format json").conflicts_with("format"),
                flag("detail", "All fields of each backup; in a table the most important ones"),
                flag("wide", "Do not shorten the table to the width of the terminal"),
                flag("count", "Print only how many backups match the filters").conflicts_with_all(["resume", "max"]),
                value("id", "ID", "Show the backup with this id, with all its fields, in place of a list")
                    .id("show")
                    .conflicts_with_all(of_lists),
            ])
            .next_help_heading("Paging")
            .args([
                value("max", "N", "Stop after this many backups").value_parser(positive),
                value("concurrency", "N", "The number of pages that are fetched at once")
                    .value_parser(value_parser!(usize))
                    .default_value("1"),
                value(
                    "resume",
                    "CURSOR",
                    "List the rest of a listing that has stopped. With --format csv there is no header",
                )
                .value_parser(value_parser!(Cursor))
                .conflicts_with("marker"),
            ])
            .next_help_heading("Service")
            .args([
                value("cloud", "NAME", "Sign in to this cloud of clouds.yaml"),
                value("microversion", "X.Y", "The minimum microversion of the requests, for fields that need one")
                    .value_parser(value_parser!(Microversion)),
            ])
            .next_help_heading(None)
            .arg(
                value("completions", "SHELL", "Print a script that completes the options in this shell")
                    .value_parser(value_parser!(Shell))
                    .exclusive(true),
            )
    }

    /// The script that completes the options in a shell.
    pub fn completions(shell: Shell) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Self::command(), NAME, &mut script);
        script
    }

    /// The value of a parameter of the contract.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
    }

    /// Sets the options on a request.
    pub fn narrow<T>(&self, request: ListBackups<T>) -> Result<ListBackups<T>, Error> {
        let mut request = request.concurrency(self.concurrency.unwrap_or(1));
        if let Some(max) = self.max {
            // Not more than is printed. A given --limit is set later, and wins.
            request = request.prefetch(false).parameter("limit", &max.min(MAX_PAGE).to_string())?;
        }
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

    /// The command that lists the rest, after this number of backups.
    pub fn resume_line(&self, cursor: &Cursor, listed: usize) -> String {
        let program =
            std::env::args_os().next().map_or_else(|| NAME.to_owned(), |name| name.to_string_lossy().into_owned());
        // The service chose the id in it.
        let cursor = cursor.to_string();
        let cursor = if io::stderr().is_terminal() { printable(&cursor) } else { cursor };
        let max = self.max.map(|max| ["--max".to_owned(), (max - listed).to_string()]);
        let resume = ["--resume".to_owned(), cursor];
        let words = [&program].into_iter().chain(&self.given).chain(max.iter().flatten()).chain(&resume);
        words.map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it is not a whole number of at least 1".to_owned())
}

/// An option as given on the command line.
fn words(option: &Arg, matches: &ArgMatches) -> Vec<String> {
    let name = option.get_id().as_str();
    let (Some(ValueSource::CommandLine), Some(long)) = (matches.value_source(name), option.get_long()) else {
        return Vec::new();
    };
    let value = matches.get_raw(name).and_then(|mut values| values.next()).unwrap_or_default().to_string_lossy();
    match option.get_action() {
        ArgAction::SetTrue => vec![format!("--{long}")],
        _ if option.is_require_equals_set() || value.starts_with('-') => vec![format!("--{long}={value}")],
        _ => vec![format!("--{long}"), value.into_owned()],
    }
}

/// A word, quoted for a shell.
fn quoted(word: &str) -> String {
    // Only a NUL can't be quoted, and no argument has one.
    shlex::try_quote(word).map_or_else(|_| word.to_owned(), Into::into)
}

/// The option of a parameter of the contract.
fn option(parameter: &Parameter) -> Arg {
    let (description, _) = parameter.description().split_once(". ").unwrap_or((parameter.description(), ""));
    let mut help = format!("{}.", description.trim_end_matches('.'));
    if parameter.name() == "limit" {
        help += " To limit the total, use --max.";
    }
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
