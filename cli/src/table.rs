//! The table: which columns there are, and how wide they are.

use console::{Alignment, Term, measure_text_width, pad_str, style, truncate_str};
use serde_json::Value;
use vbs_client::jiff::Timestamp;

/// What an id is shortened to at least: enough to tell backups apart.
const SHORT_ID: usize = 9;
const GAP: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Column {
    Id,
    Status,
    Size,
    Age,
    Name,
}

impl Column {
    const ALL: [Self; 5] = [Self::Id, Self::Status, Self::Size, Self::Age, Self::Name];

    fn field(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Status => "status",
            Self::Size => "size",
            Self::Age => "created_at",
            Self::Name => "name",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::Status => "STATUS",
            Self::Size => "SIZE",
            Self::Age => "AGE",
            Self::Name => "NAME",
        }
    }

    /// The width of usual cells: those of the first page may be narrower than later ones.
    fn usual(self) -> usize {
        match self {
            Self::Id => 36,
            Self::Status => 9,
            Self::Size => 7,
            Self::Age => 4,
            Self::Name => 4,
        }
    }

    fn cell(self, row: &Value) -> String {
        let value = &row[self.field()];
        let text = match (self, value) {
            (_, Value::Null) => "-".to_owned(),
            (Self::Size, size) => format!("{size} GiB"),
            (Self::Age, Value::String(time)) => time.parse().map_or_else(|_| time.clone(), age),
            (_, Value::String(text)) => text.clone(),
            (_, other) => other.to_string(),
        };
        // It could control the terminal.
        text.replace(char::is_control, "\u{fffd}")
    }

    fn padded(self, text: &str, width: usize) -> String {
        let alignment = match self {
            Self::Size | Self::Age => Alignment::Right,
            Self::Id | Self::Status => Alignment::Left,
            Self::Name => return text.to_owned(),
        };
        let padded = pad_str(text, width, alignment, None).into_owned();
        match text {
            _ if self != Self::Status => padded,
            "available" => style(padded).green().to_string(),
            error if error.starts_with("error") => style(padded).red().to_string(),
            _ => style(padded).yellow().to_string(),
        }
    }
}

pub struct Table {
    /// With their widths.
    columns: Vec<(Column, usize)>,
    /// What a line may take, where that is limited.
    room: Option<usize>,
    has_header: bool,
}

impl Table {
    /// The columns for which there are fields. A wide table is as wide as it is.
    pub fn new(fields: &[String], wide: bool) -> Self {
        let columns = Column::ALL.into_iter().filter(|column| fields.iter().any(|field| field == column.field()));
        let room = Term::stdout().size_checked().map(|(_, columns)| columns.into()).filter(|_| !wide);
        Self { columns: columns.map(|column| (column, column.usual())).collect(), room, has_header: false }
    }

    /// The header, unless it was returned before. These rows decide how wide the columns are.
    pub fn header(&mut self, rows: &[Value]) -> Option<String> {
        if std::mem::replace(&mut self.has_header, true) {
            return None;
        }
        for (column, width) in &mut self.columns {
            let widest = rows.iter().map(|row| measure_text_width(&column.cell(row))).max();
            *width = widest.unwrap_or(0).max(*width);
        }
        if let Some(room) = self.room {
            let gaps = GAP * self.columns.len().saturating_sub(1);
            let total = gaps + self.columns.iter().map(|(_, width)| width).sum::<usize>();
            // Whoever looks for a backup looks for its name.
            if let Some((Column::Id, width)) = self.columns.first_mut() {
                *width = width.saturating_sub(total.saturating_sub(room)).max(SHORT_ID);
            }
        }
        let titles = self.columns.iter().map(|(column, width)| column.padded(column.title(), *width));
        Some(self.fit(titles.map(|title| style(title).bold().to_string())))
    }

    pub fn line(&self, row: &Value) -> String {
        self.fit(self.columns.iter().map(|(column, width)| {
            let mut cell = column.cell(row);
            if (*column, self.room.is_some()) == (Column::Id, true) {
                cell = truncate_str(&cell, *width, "\u{2026}").into_owned();
            }
            column.padded(&cell, *width)
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

fn age(time: Timestamp) -> String {
    match Timestamp::now().duration_since(time).as_secs().max(0) {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7_200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}
