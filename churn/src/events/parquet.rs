//! Rows from a Parquet file. Only the required columns are decoded, batch by batch.

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::csv::Positions;
use super::ingest::IngestReport;
use super::options::ReadOptions;
use super::rows::Sink;
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Observer;

/// Number of rows decoded at a time.
const BATCH: usize = 65_536;

pub(crate) fn read<S: Sink>(
    file: impl ChunkReader + 'static,
    options: &ReadOptions,
    sink: &mut S,
    observer: &dyn Observer,
) -> Result<IngestReport> {
    let failed =
        |error: &dyn std::fmt::Display| Error::new(ErrorKind::Io, format!("not a readable Parquet file: {error}"));
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(&error))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let at = Positions::find(&names, options, sink.wants().labels)?;
    let wants = sink.wants().of_source(options.unit(at.order.is_some())).within(options);
    let (types, orders) = (at.event_type.filter(|_| wants.types), at.order.filter(|_| wants.merges));
    let wanted = [Some(at.customer), Some(at.date), at.amount, types, orders, at.label];
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted.into_iter().flatten());
    let reader = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(|error| failed(&error))?;
    super::arrow::read(reader.map(|batch| batch.map_err(|error| failed(&error))), options, sink, observer)
}
