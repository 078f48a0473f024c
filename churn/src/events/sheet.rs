//! The sheet of a spreadsheet as CSV text, so that it is read like every other file.

use std::io::{self, Cursor, Read};

use calamine::{Data, DataRef, Reader, Sheet, SheetType, SheetVisible, Xlsx};

use super::csv::quoted;
use crate::error::{Error, ErrorKind, Result};

/// Largest size of the parts of a spreadsheet in bytes, which bounds its memory, if no other is given.
pub(crate) const MOST_BYTES: u64 = 2 << 30;
/// Largest size of the text that is made of it.
const MOST_TEXT: usize = 1 << 30;
/// Largest number of columns.
const MOST_COLUMNS: u32 = 2_000;
/// Largest number of rows, as the format has it. A file can name a cell of any row, and each row before it takes memory.
const MOST_ROWS: u32 = 1 << 20;

/// Reads a spreadsheet and returns the cells of its one visible sheet that has any. Dates are written as `YYYY-MM-DD HH:MM:SS`,
/// numbers with all their digits. Rows without a cell are blank lines. `most_bytes` limits the size of the file, of its parts
/// together as they are after decompression, and of the text of its sheets, which can be larger because cells share their texts.
pub(crate) fn to_csv(reader: impl Read, most_bytes: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)? as u64;
    if read > most_bytes || unpacked_size(&bytes, most_bytes)? > most_bytes {
        return Err(unreadable(&format!("it has more than {most_bytes} bytes; save it as CSV")));
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|error| unreadable(&error.to_string()))?;
    let is_visible = |sheet: &&Sheet| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet;
    let names: Vec<String> = book.sheets_metadata().iter().filter(is_visible).map(|sheet| sheet.name.clone()).collect();
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut left = usize::try_from(most_bytes).unwrap_or(MOST_TEXT).min(MOST_TEXT);
    for name in names {
        let text = sheet(&mut book, &name, left)?;
        if !text.is_empty() {
            left = left.saturating_sub(text.len());
            found.push((name, text));
        }
    }
    match &mut found[..] {
        [] => Err(unreadable("no visible sheet has a cell")),
        [(_, text)] => Ok(std::mem::take(text)),
        // Which of them has the events, or whether all of them do, only its owner can tell.
        several => {
            let names: Vec<String> = several.iter().take(10).map(|(name, _)| format!("{name:?}")).collect();
            let message =
                format!("it has several sheets with cells ({}); save the one with the events alone", names.join(", "));
            Err(unreadable(&message))
        }
    }
}

/// The size of the parts together, counted by decompressing them, because what a file says about itself may be wrong. Not counted
/// beyond `most`.
fn unpacked_size(bytes: &[u8], most: u64) -> Result<u64> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error.to_string()))?;
    let mut size = 0;
    for i in 0..archive.len() {
        let part = archive.by_index(i).map_err(|error| unreadable(&error.to_string()))?;
        size += io::copy(&mut part.take((most - size).saturating_add(1)), &mut io::sink())?;
        if size > most {
            break;
        }
    }
    Ok(size)
}

fn unreadable(why: &str) -> Error {
    Error::new(ErrorKind::Io, format!("the spreadsheet cannot be read: {why}"))
}

/// The text of one sheet, at most of this size.
fn sheet(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str, most: usize) -> Result<Vec<u8>> {
    let mut cells = book.worksheet_cells_reader(name).map_err(|error| unreadable(&error.to_string()))?;
    let mut text = String::new();
    // The place of the next field.
    let (mut row, mut column) = (0, 0);
    let mut widths: Vec<(usize, u32)> = Vec::new();
    while let Some(cell) = cells.next_cell().map_err(|error| unreadable(&error.to_string()))? {
        let (to_row, to_column) = cell.get_position();
        let value = field(cell.get_value());
        if value.is_empty() {
            continue;
        }
        if to_row >= MOST_ROWS || to_column >= MOST_COLUMNS || text.len() + value.len() > most {
            return Err(unreadable("it is too large; save it as CSV"));
        }
        while row < to_row {
            widths.push((text.len(), column));
            text.push('\n');
            (row, column) = (row + 1, 0);
        }
        while column < to_column {
            text.push(',');
            column += 1;
        }
        text.push_str(&quoted(&value));
    }
    if text.is_empty() {
        return Ok(Vec::new());
    }
    widths.push((text.len(), column));
    // Cells at the end of a row may be empty: every row gets as many fields as the widest.
    let widest = widths.iter().map(|width| width.1).max().unwrap_or(0);
    if text.len() + widths.len() * widest as usize > most {
        return Err(unreadable("it is too large; save it as CSV"));
    }
    let mut padded = String::with_capacity(text.len());
    let mut from = 0;
    for (to, width) in widths {
        let line = text[from..to].trim_start_matches('\n');
        padded.push_str(line);
        if !line.is_empty() {
            (width..widest).for_each(|_| padded.push(','));
        }
        padded.push('\n');
        from = to;
    }
    Ok(padded.into_bytes())
}

/// The text of a cell.
fn field(value: &DataRef<'_>) -> String {
    match Data::from(value.clone()) {
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::String(text) => text,
        Data::Bool(value) => value.to_string(),
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        Data::DateTime(duration) => duration.as_f64().to_string(),
        Data::DateTimeIso(text) | Data::DurationIso(text) => text,
        Data::Error(_) | Data::Empty => String::new(),
    }
}
