//! Pages of a file of predictions.
//!
//! The file is sorted by risk, highest first. So a page in that order, of all customers or of one segment, is a single read of
//! adjacent rows. For any other order, and for a search, the file is read once as a whole, and only the rows that the page
//! needs are kept.

use std::cmp::Ordering;
use std::ops::Range;

use churn::Segment;

use crate::error::{ApiError, Result};
use crate::jobs::{PAGE_ROWS, PredictionRow};
use crate::state::AppState;
use crate::storage::Location;
use crate::store::{Batch, PageQuery, SegmentCounts};

/// Maximum of offset + limit for a page that needs the whole file.
const MAX_KEPT: i64 = 10_000;

/// Maximum bytes of rows that are read for one page; ids may be long.
const MAX_BYTES: u64 = 256 << 20;

/// Sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortOrder {
    /// Highest risk first, equal risks by id: the order of the file.
    Riskiest,
    /// The reverse order of the file.
    Safest,
    /// By the bytes of the id, ascending.
    IdRising,
    /// By the bytes of the id, descending.
    IdFalling,
}

/// The requested rows.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Only rows in this segment.
    pub segment: Option<Segment>,
    /// Only rows whose id contains this text, ignoring case.
    pub search: Option<String>,
    /// Sort order.
    pub order: SortOrder,
    /// Limit and offset.
    pub page: PageQuery,
}

/// A page.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRows {
    /// Number of rows that match.
    pub total: u64,
    /// Rows of the page.
    pub rows: Vec<PredictionRow>,
}

/// Returns the error for a batch without a file.
pub fn not_ready(batch: &Batch) -> ApiError {
    let message = format!("the batch {} has no predictions: it is {}", batch.id, batch.status);
    ApiError::not_found("no_predictions", message)
}

/// Returns a page of the matching rows of a batch.
///
/// # Errors
/// `no_predictions` before the batch is completed; `invalid_query` for a page too far back, unless it is in the order of the
/// file.
pub async fn read(state: &AppState, batch: &Batch, wish: Wish) -> Result<PageRows> {
    let (Some(key), Some(segments), Some(index)) = (&batch.file_key, &batch.segments, &batch.page_index) else {
        return Err(not_ready(batch));
    };
    let at: Location = key.parse()?;
    let range = places(&segments.0, wish.segment);
    let PageQuery { limit, offset } = wish.page;
    match (&wish.search, wish.order) {
        (None, SortOrder::Riskiest) => {
            let from = range.start.saturating_add(offset as u64).min(range.end);
            let to = from.saturating_add(limit as u64).min(range.end);
            let rows = side_by_side(state, &at, &index.0, from..to).await?;
            Ok(PageRows { total: range.end - range.start, rows })
        }
        (None, SortOrder::Safest) => {
            let to = range.end.saturating_sub(offset as u64).max(range.start);
            let from = to.saturating_sub(limit as u64).max(range.start);
            let mut rows = side_by_side(state, &at, &index.0, from..to).await?;
            rows.reverse();
            Ok(PageRows { total: range.end - range.start, rows })
        }
        _ => {
            let end = offset.saturating_add(limit);
            if end > MAX_KEPT {
                let message = format!(
                    "offset + limit is {end}; with search, or sorted by customer_id, at most {MAX_KEPT}: search for more of \
                     the id, or take the file"
                );
                return Err(ApiError::bad_request("invalid_query", message));
            }
            let reader = state.storage.get(&at).await?.reader();
            state.cpu.run(move || through(reader, &range, &wish)).await?
        }
    }
}

/// Returns the range of row numbers of a segment in the file.
fn places(segments: &SegmentCounts, segment: Option<Segment>) -> Range<u64> {
    let count = |segment: &Segment| segments.get(segment).copied().unwrap_or(0);
    let riskier = |than: Segment| Segment::ALL.iter().filter(|&&other| other > than).map(count).sum::<u64>();
    match segment {
        None => 0..Segment::ALL.iter().map(count).sum(),
        Some(segment) => riskier(segment)..riskier(segment) + count(&segment),
    }
}

fn damaged(error: impl std::fmt::Display) -> ApiError {
    ApiError::internal(format!("a file of predictions cannot be read: {error}"))
}

fn row(record: &csv::StringRecord) -> Result<PredictionRow> {
    record.deserialize(None).map_err(damaged)
}

/// Reads only the rows in a range of row numbers.
async fn side_by_side(
    state: &AppState,
    at: &Location,
    index: &[u64],
    places: Range<u64>,
) -> Result<Vec<PredictionRow>> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let first = places.start / PAGE_ROWS;
    let start = index.get(first as usize).copied().ok_or_else(|| damaged("its index ends too early"))?;
    let end = index.get(places.end.div_ceil(PAGE_ROWS) as usize).copied().unwrap_or(u64::MAX);
    let bytes = state.storage.get_range(at, start..end).await?.bytes(MAX_BYTES).await?;
    // The first block begins with the header row.
    let mut csv = csv::ReaderBuilder::new().has_headers(first == 0).from_reader(&bytes[..]);
    let (skip, take) = ((places.start - first * PAGE_ROWS) as usize, (places.end - places.start) as usize);
    let rows: Result<Vec<PredictionRow>> =
        csv.records().skip(skip).take(take).map(|record| row(&record.map_err(damaged)?)).collect();
    rows
}

/// Finds the rows of a page by reading the whole file.
fn through(reader: impl std::io::Read, places: &Range<u64>, wish: &Wish) -> Result<PageRows> {
    let end = (wish.page.offset + wish.page.limit) as usize;
    let needle = wish.search.as_ref().map(|text| text.to_lowercase());
    let before = |a: &(u64, csv::StringRecord), b: &(u64, csv::StringRecord)| -> Ordering {
        match wish.order {
            SortOrder::Riskiest => a.0.cmp(&b.0),
            SortOrder::Safest => b.0.cmp(&a.0),
            SortOrder::IdRising => a.1[0].cmp(&b.1[0]),
            SortOrder::IdFalling => b.1[0].cmp(&a.1[0]),
        }
    };
    let mut csv = csv::Reader::from_reader(reader);
    let (mut kept, mut total) = (Vec::new(), 0);
    for (place, record) in (0..).zip(csv.records()) {
        if place >= places.end {
            break;
        }
        let record = record.map_err(damaged)?;
        let fits = place >= places.start
            && needle
                .as_ref()
                .is_none_or(|needle| record.get(0).is_some_and(|id| id.to_lowercase().contains(needle.as_str())));
        if !fits {
            continue;
        }
        total += 1;
        kept.push((place, record));
        // Twice the needed rows are collected, so that each sort is paid for by as many new rows.
        if kept.len() >= 2 * end + 1000 {
            kept.sort_by(before);
            kept.truncate(end);
        }
    }
    kept.sort_by(before);
    kept.truncate(end);
    let rows: Result<_> = kept.iter().skip(wish.page.offset as usize).map(|(_, record)| row(record)).collect();
    Ok(PageRows { total, rows: rows? })
}
