//! The formats of the output.

use std::io::{self, Write};

use console::{Term, style, truncate_str};
use serde_json::{Value, json};
use vbs_client::jiff::Timestamp;
use vbs_client::{Backup, BackupDetail, Page, Row};

use crate::options::{Format, Options};

/// A backup of either list.
pub trait Listed: Row {
    /// The fields, in the order of a CSV file.
    const FIELDS: &[&str];
    /// The head of a table's columns before the name.
    const HEAD: &str;

    fn json(&self) -> Value;
    /// A line of a table up to the name, and the name.
    fn line(&self) -> (String, Option<&str>);
}

impl Listed for Backup {
    const FIELDS: &[&str] = &["id", "name", "links"];
    const HEAD: &str = "ID                                    ";

    fn json(&self) -> Value {
        json!(self)
    }

    fn line(&self) -> (String, Option<&str>) {
        (format!("{:36}  ", printable(&self.id)), self.name.as_deref())
    }
}

impl Listed for BackupDetail {
    const FIELDS: &[&str] = &[
        "id",
        "name",
        "status",
        "size",
        "created_at",
        "updated_at",
        "data_timestamp",
        "volume_id",
        "snapshot_id",
        "is_incremental",
        "has_dependent_backups",
        "object_count",
        "availability_zone",
        "container",
        "description",
        "fail_reason",
        "metadata",
        "encryption_key_id",
        "os-backup-project-attr:project_id",
        "user_id",
        "links",
    ];
    const HEAD: &str = "ID                                    STATUS              SIZE   AGE  ";

    fn json(&self) -> Value {
        json!(self)
    }

    fn line(&self) -> (String, Option<&str>) {
        let status = printable(self.status.as_str());
        let padded = style(format!("{status:15}"));
        let status = match &*status {
            "available" => padded.green(),
            error if error.starts_with("error") => padded.red(),
            _ => padded.yellow(),
        };
        let size = format!("{} GiB", self.size);
        (
            format!("{:36}  {status}  {size:>7}  {:>4}  ", printable(&self.id), age(self.created_at)),
            self.name.as_deref(),
        )
    }
}

fn age(time: Timestamp) -> String {
    match Timestamp::now().duration_since(time).as_secs().max(0) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A text without what could control a terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

pub struct Output {
    format: Format,
    /// Whether the head is still to be printed.
    head: bool,
    /// The width of the terminal, if it is one.
    width: Option<usize>,
    total: usize,
    count: Option<u64>,
    /// The document, where there is one.
    rows: Vec<Value>,
}

impl Output {
    pub fn new(options: &Options) -> Self {
        let width = Term::stdout().size_checked().map(|(_, columns)| columns.into());
        let (format, resumed) = (options.format(), options.resume.is_some());
        let head = format == Format::Table || (format == Format::Csv && !resumed);
        Self { format, head, width, total: 0, count: None, rows: Vec::new() }
    }

    /// Prints a page.
    pub fn page<T: Listed>(&mut self, page: &Page<T>) -> io::Result<()> {
        self.total += page.backups.len();
        self.count = page.count;
        let head = std::mem::take(&mut self.head);
        let mut out = Vec::new();
        match self.format {
            Format::Table => {
                if head {
                    writeln!(out, "{}", style(format!("{}NAME", T::HEAD)).bold())?;
                }
                for (line, name) in page.into_iter().map(Listed::line) {
                    let name = printable(name.unwrap_or("-"));
                    let room = self.width.map_or(usize::MAX, |width| width.saturating_sub(T::HEAD.len()).max(1));
                    writeln!(out, "{line}{}", truncate_str(&name, room, "\u{2026}"))?;
                }
            }
            Format::Json => self.rows.extend(page.into_iter().map(Listed::json)),
            Format::Jsonl => {
                for row in page {
                    writeln!(out, "{}", row.json())?;
                }
            }
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(&mut out);
                if head {
                    csv.write_record(T::FIELDS)?;
                }
                for row in page.into_iter().map(Listed::json) {
                    csv.write_record(T::FIELDS.iter().map(|field| cell(&row[field])))?;
                }
                csv.flush()?;
            }
        }
        print(&out)
    }

    /// Prints what comes after the last page.
    pub fn end(self) -> io::Result<()> {
        let mut out = Vec::new();
        match self.format {
            Format::Table => {
                writeln!(out, "{} backups", self.total)?;
                if let Some(count) = self.count {
                    writeln!(out, "{count} match the filters")?;
                }
            }
            Format::Json => {
                let mut document = json!({"backups": self.rows});
                if let Some(count) = self.count {
                    document["count"] = count.into();
                }
                writeln!(out, "{document:#}")?;
            }
            Format::Jsonl | Format::Csv => {}
        }
        print(&out)
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}
