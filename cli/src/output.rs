//! The formats of the output.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use serde_json::{Value, json};
use vbs_client::{FieldKind, Page, Row};

use crate::options::{Format, Options};
use crate::printable::{escaped, printable};
use crate::table::Table;

/// A backup of any list. Only the contract knows its fields.
pub trait Listed: Row + Serialize {}

impl<T: Row + Serialize> Listed for T {}

pub struct Output {
    format: Format,
    table: Table,
    /// The columns of CSV.
    columns: Vec<&'static str>,
    /// Whether the header of CSV was not printed yet.
    header: bool,
    total: usize,
    count: Option<u64>,
    /// The document, where there is one.
    rows: Vec<Value>,
}

impl Output {
    pub fn new<T: Listed>(options: &Options) -> Self {
        // A list, such as that of links, is useless in a cell.
        let columns = T::fields().iter().filter(|field| field.kind() != FieldKind::List);
        Self {
            format: options.format,
            table: Table::new(T::fields(), options.wide),
            columns: columns.map(|field| field.name()).collect(),
            header: options.resume.is_none(),
            total: 0,
            count: None,
            rows: Vec::new(),
        }
    }

    /// Prints one backup.
    pub fn one<T: Listed>(options: &Options, backup: &T) -> io::Result<()> {
        let row = json!(backup);
        match options.format {
            Format::Table => print(crate::table::fields(T::fields(), &row).as_bytes()),
            Format::Json => print(escaped(&format!("{row:#}\n")).as_bytes()),
            Format::Jsonl => print(escaped(&format!("{row}\n")).as_bytes()),
            Format::Csv => print(&Self::new::<T>(options).csv([row])?),
        }
    }

    /// Prints a page.
    pub fn page<T: Listed>(&mut self, page: &Page<T>) -> io::Result<()> {
        self.total += page.backups.len();
        self.count = page.count;
        let rows = page.into_iter().map(|row| json!(row));
        let mut out = Vec::new();
        match self.format {
            Format::Table => {
                let rows: Vec<_> = rows.collect();
                if let Some(header) = self.table.header(&rows) {
                    aside(&header)?;
                }
                for row in &rows {
                    writeln!(out, "{}", self.table.line(row))?;
                }
            }
            Format::Json => self.rows.extend(rows),
            Format::Jsonl => {
                for row in rows {
                    writeln!(out, "{}", escaped(&row.to_string()))?;
                }
            }
            Format::Csv => out = self.csv(rows)?,
        }
        print(&out)
    }

    fn csv(&mut self, rows: impl IntoIterator<Item = Value>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        if std::mem::take(&mut self.header) {
            writeln!(out, "{}", self.columns.join(","))?;
        }
        let is_shown = io::stdout().is_terminal();
        for row in rows {
            let cells: Vec<_> = self.columns.iter().map(|field| cell(&row[*field], is_shown)).collect();
            writeln!(out, "{}", cells.join(","))?;
        }
        Ok(out)
    }

    /// Prints the end of the output. `has_more`: there may be more backups than were printed.
    pub fn end(self, has_more: bool) -> io::Result<()> {
        match self.format {
            Format::Table => {
                let more = if has_more { "; there may be more" } else { "" };
                let backups = if self.total == 1 { "backup" } else { "backups" };
                aside(&format!("{} {backups}{more}", self.total))?;
                match self.count {
                    Some(count) => aside(&format!("{count} match the filters")),
                    None => Ok(()),
                }
            }
            Format::Json => {
                let mut document = json!({"backups": self.rows});
                if let Some(count) = self.count {
                    document["count"] = count.into();
                }
                print(escaped(&format!("{document:#}\n")).as_bytes())
            }
            Format::Jsonl | Format::Csv => Ok(()),
        }
    }
}

/// A cell of CSV, by RFC 4180. On a terminal it is shown, elsewhere it is data.
fn cell(value: &Value, is_shown: bool) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let text = if is_shown { printable(&text) } else { text };
    match text.contains([',', '"', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

/// Prints a line that is no backup: only backups go to a pipe.
pub fn aside(line: &str) -> io::Result<()> {
    if io::stdout().is_terminal() {
        return print(format!("{line}\n").as_bytes());
    }
    note(line);
    Ok(())
}

/// Prints a line to standard error. Without one the list is still right, and nothing else could state the failure.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

pub fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}
