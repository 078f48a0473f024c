//! The type of the ids in a Parquet file.

use std::fs::File;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};

use crate::ids::Ids;

/// Returns the type of the ids in a Parquet file.
pub(crate) fn ids(file: &File, column: &str) -> Ids {
    let metadata = ArrowReaderMetadata::load(file, ArrowReaderOptions::default());
    metadata
        .ok()
        .and_then(|read| Some(Ids::of(read.schema().field_with_name(column).ok()?.data_type())))
        .unwrap_or_default()
}
