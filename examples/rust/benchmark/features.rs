//! From a file of events, or from Arrow record batches in memory, to the table of features in memory.

use std::fs::{self, File};
use std::path::Path;

use arrow_array::RecordBatch;
use churn::{FeatureConfig, FeatureSet, FeatureStream, FeatureTable, ReadOptions};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::{Result, measured, write_doubles};

pub(crate) fn features(set: &str, path: &Path, as_of: &str, check: Option<&Path>) -> Result<()> {
    let feature_set = match set {
        "rfm" => FeatureSet::Rfm,
        "behavioral" => FeatureSet::Behavioral,
        _ => return Err(format!("feature set {set:?}; expected rfm or behavioral").into()),
    };
    let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
    let (table, line) = measured(1, 0.0, || {
        let mut stream = FeatureStream::new(as_of.parse()?, &config)?;
        let file = File::open(path)?;
        match path.extension().is_some_and(|extension| extension == "parquet") {
            true => stream.read_parquet(file, &ReadOptions::default())?,
            false => stream.read_csv(file, &ReadOptions::default())?,
        };
        Ok(stream.finish()?)
    })?;
    told(&table, &line, check)
}

/// The features `rfm` of a Parquet file whose columns lie in memory before the clock starts.
pub(crate) fn frame(path: &Path, as_of: &str, check: Option<&Path>) -> Result<()> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?.with_batch_size(1 << 20).build()?;
    let batches = reader.collect::<std::result::Result<Vec<RecordBatch>, _>>()?;
    let (table, line) = measured(1, 0.0, || {
        let mut stream = FeatureStream::new(as_of.parse()?, &FeatureConfig::default())?;
        stream.read_arrow(&batches, &ReadOptions::default())?;
        Ok(stream.finish()?)
    })?;
    told(&table, &line, check)
}

/// Prints the line of the measurement, and writes the table as the peers write theirs where it is to be compared.
fn told(table: &FeatureTable, line: &str, check: Option<&Path>) -> Result<()> {
    if let Some(folder) = check {
        write(table, folder)?;
    }
    println!("{line}");
    Ok(())
}

fn write(table: &FeatureTable, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let lines = |texts: &mut dyn Iterator<Item = &str>| texts.flat_map(|text| [text, "\n"]).collect::<String>();
    fs::write(folder.join("ids.txt"), lines(&mut table.customer_ids()))?;
    fs::write(folder.join("names.txt"), lines(&mut table.names()))?;
    write_doubles(&folder.join("values.f64"), table.values())
}
