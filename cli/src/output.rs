//! The formats of the output.

use std::io::{self, IsTerminal, Write};

use serde_json::{Value, json};
use vbs_client::Page;

use crate::fields::{Listed, fields};
use crate::options::{Format, Options};
use crate::table::Table;

/// A CSV file begins with these, as far as there are such fields.
const FIRST: [&str; 5] = ["id", "name", "status", "size", "created_at"];

pub struct Output {
    format: Format,
    table: Table,
    /// The columns of CSV.
    columns: Vec<String>,
    /// Whether the header of CSV is still to be printed.
    header: bool,
    total: usize,
    count: Option<u64>,
    /// The document, where there is one.
    rows: Vec<Value>,
}

impl Output {
    pub fn new<T: Listed>(options: &Options) -> Self {
        let mut columns = fields::<T>();
        // Where the service has each backup: of no use in a table.
        columns.retain(|field| field != "links");
        columns.sort_by_key(|field| FIRST.iter().position(|first| first == field).unwrap_or(FIRST.len()));
        Self {
            format: options.format(),
            table: Table::new(&columns, options.wide),
            columns,
            header: options.resume.is_none(),
            total: 0,
            count: None,
            rows: Vec::new(),
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
                    writeln!(out, "{row}")?;
                }
            }
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(&mut out);
                if std::mem::take(&mut self.header) {
                    csv.write_record(&self.columns)?;
                }
                for row in rows {
                    csv.write_record(self.columns.iter().map(|field| cell(&row[field.as_str()])))?;
                }
                csv.flush()?;
            }
        }
        print(&out)
    }

    /// Prints what comes after the last page. There may be more backups than were printed.
    pub fn end(self, has_more: bool) -> io::Result<()> {
        match self.format {
            Format::Table => {
                let more = if has_more { "; there may be more" } else { "" };
                aside(&format!("{} backups{more}", self.total))?;
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
                print(format!("{document:#}\n").as_bytes())
            }
            Format::Jsonl | Format::Csv => Ok(()),
        }
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Prints a line that is no backup: what is piped is backups only.
pub fn aside(line: &str) -> io::Result<()> {
    if io::stdout().is_terminal() { writeln!(io::stdout(), "{line}") } else { writeln!(io::stderr(), "{line}") }
}

fn print(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()
}
