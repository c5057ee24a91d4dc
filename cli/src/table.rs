//! The table: which columns there are, and how wide they are.

use console::{Alignment, Term, measure_text_width, pad_str, style, truncate_str};
use serde_json::Value;
use vbs_client::jiff::Timestamp;
use vbs_client::{Field, FieldKind};

use crate::printable::printable;

/// The minimum length of a shortened id: enough to tell backups apart.
const SHORT_ID: usize = 9;
/// The width up to which a name shortens the ids. A longer one is likely to be cut anyway.
const MAX_NAME: usize = 72;
const GAP: usize = 2;

/// A field that has a column.
struct Column {
    field: &'static str,
    title: &'static str,
    unit: Option<&'static str>,
    /// None of an id and a name.
    kind: Option<FieldKind>,
    /// At least the width of usual cells: those of the first page may be narrower than later ones.
    width: usize,
}

impl Column {
    const ID: Self = Self { field: "id", title: "ID", unit: None, kind: None, width: 36 };
    const NAME: Self = Self { field: "name", title: "NAME", unit: None, kind: None, width: 4 };

    /// The column of a field that the contract marks.
    fn of(field: &Field) -> Option<Self> {
        let (title, kind) = (field.column()?, Some(field.kind()));
        let usual = match field.kind() {
            FieldKind::Enum => 9,
            FieldKind::Number => 7,
            _ => 4,
        };
        Some(Self { field: field.name(), title, unit: field.unit(), kind, width: usual.max(title.len()) })
    }

    fn cell(&self, row: &Value) -> String {
        let value = &row[self.field];
        let time = value.as_str().filter(|_| self.kind == Some(FieldKind::Time)).and_then(|time| time.parse().ok());
        time.map_or_else(|| text(value, self.unit), age)
    }

    fn padded(&self, text: &str) -> String {
        if self.field == Self::NAME.field {
            return text.to_owned();
        }
        let alignment = match self.kind {
            Some(FieldKind::Number | FieldKind::Time) => Alignment::Right,
            _ => Alignment::Left,
        };
        pad_str(text, self.width, alignment, None).into_owned()
    }

    fn coloured(&self, text: &str) -> String {
        let padded = self.padded(text);
        match text {
            _ if self.kind != Some(FieldKind::Enum) => padded,
            "available" => style(padded).green().to_string(),
            error if error.starts_with("error") => style(padded).red().to_string(),
            _ => style(padded).yellow().to_string(),
        }
    }
}

pub struct Table {
    columns: Vec<Column>,
    /// The maximum width of a line, if there is one.
    room: Option<usize>,
    has_header: bool,
}

impl Table {
    /// The columns for which there are fields. A wide table is as wide as it is.
    pub fn new(fields: &[Field], wide: bool) -> Self {
        let columns = [Column::ID].into_iter().chain(fields.iter().filter_map(Column::of)).chain([Column::NAME]);
        let columns = columns.filter(|column| fields.iter().any(|field| field.name() == column.field));
        let room = Term::stdout().size_checked().map(|(_, columns)| columns.into()).filter(|_| !wide);
        Self { columns: columns.collect(), room, has_header: false }
    }

    /// The header, the first time. These rows decide the widths of the columns.
    pub fn header(&mut self, rows: &[Value]) -> Option<String> {
        if std::mem::replace(&mut self.has_header, true) {
            return None;
        }
        for column in &mut self.columns {
            let widest = rows.iter().map(|row| measure_text_width(&column.cell(row))).max();
            column.width = widest.unwrap_or(0).max(column.width);
        }
        if let Some(room) = self.room {
            let gaps = GAP * self.columns.len().saturating_sub(1);
            if let Some(name) = self.columns.last_mut() {
                name.width = name.width.min(MAX_NAME);
            }
            let total = gaps + self.columns.iter().map(|column| column.width).sum::<usize>();
            // The name gets the most room: people search for it.
            if let Some(id) = self.columns.first_mut() {
                id.width = id.width.saturating_sub(total.saturating_sub(room)).max(SHORT_ID);
            }
        }
        let titles = self.columns.iter().map(|column| style(column.padded(column.title)).bold().to_string());
        Some(self.fit(titles))
    }

    pub fn line(&self, row: &Value) -> String {
        self.fit(self.columns.iter().map(|column| {
            let cell = column.cell(row);
            let is_cut = self.room.is_some() && column.field == Column::ID.field;
            column.coloured(&if is_cut { truncate_str(&cell, column.width, "\u{2026}") } else { cell.as_str().into() })
        }))
    }

    fn fit(&self, cells: impl Iterator<Item = String>) -> String {
        let line = cells.collect::<Vec<_>>().join("  ");
        match self.room {
            Some(room) => truncate_str(&line, room, "\u{2026}").into_owned(),
            None => line,
        }
    }
}

/// One backup, a field a line.
pub fn fields(fields: &[Field], row: &Value) -> String {
    let shown = fields.iter().filter(|field| field.kind() != FieldKind::List);
    let shown: Vec<_> = shown.filter_map(|field| Some((field, row.get(field.name())?))).collect();
    let width = shown.iter().map(|(field, _)| measure_text_width(field.name())).max().unwrap_or(0);
    let lines = shown.into_iter().map(|(field, value)| {
        let name = pad_str(field.name(), width, Alignment::Left, None);
        format!("{name}  {}\n", text(value, field.unit()))
    });
    lines.collect()
}

fn text(value: &Value, unit: Option<&str>) -> String {
    let text = match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string() + &unit.map(|unit| format!(" {unit}")).unwrap_or_default(),
    };
    printable(&text)
}

fn age(time: Timestamp) -> String {
    match Timestamp::now().duration_since(time).as_secs().max(0) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
