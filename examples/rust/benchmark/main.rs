//! Our side of the comparison with the peers, which `examples/bench` runs: one piece of work, timed inside the process, and
//! one JSON line about it. What comes out is written for the comparison of answers only after the clock has stopped.
//!
//! `cargo run --release -p churn-examples --features parquet --example benchmark -- features rfm EVENTS.csv 2024-12-31 [CHECK]`
#![allow(clippy::print_stdout, reason = "printing is what an example does")]

mod features;
mod job;
mod learners;
mod scoring;
mod subscriptions;

use std::fs;
use std::path::Path;
use std::time::Instant;

use cpu_time::ProcessTime;
use ndarray::Array2;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// MATRIX is a folder of `examples/python/bench/data.py`, CHECK a folder to write answers to.
const USAGE: &str = "usage: benchmark features rfm|behavioral PATH LAST_DAY [CHECK]
       benchmark frame EVENTS.parquet LAST_DAY [CHECK]
       benchmark train logistic|boosting|forest MATRIX COLUMNS [CHECK]
       benchmark model MATRIX COLUMNS MODEL.json
       benchmark score MODEL.json MATRIX COLUMNS [CHECK]
       benchmark one MODEL.json MATRIX COLUMNS
       benchmark explain MODEL.json MATRIX COLUMNS
       benchmark events EVENTS.csv MODEL.json
       benchmark customer MODEL.json
       benchmark job EVENTS.csv [CHECK]
       benchmark subscriptions CUSTOMERS";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (words, check) = match (arguments.first(), arguments.len()) {
        (Some(&("features" | "train" | "score")), 5) => (&arguments[..4], Some(Path::new(arguments[4]))),
        (Some(&"job"), 3) => (&arguments[..2], Some(Path::new(arguments[2]))),
        (Some(&"frame"), 4) => (&arguments[..3], Some(Path::new(arguments[3]))),
        _ => (&arguments[..], None),
    };
    match *words {
        ["features", set, path, as_of] => features::features(set, Path::new(path), as_of, check),
        ["frame", path, as_of] => features::frame(Path::new(path), as_of, check),
        ["train", model, folder, columns] => learners::train(model, Path::new(folder), columns.parse()?, check),
        ["model", folder, columns, out] => scoring::model(Path::new(folder), columns.parse()?, Path::new(out)),
        ["score", model, folder, columns] => {
            scoring::score(Path::new(model), Path::new(folder), columns.parse()?, check)
        }
        ["one", model, folder, columns] => scoring::one(Path::new(model), Path::new(folder), columns.parse()?),
        ["explain", model, folder, columns] => scoring::explain(Path::new(model), Path::new(folder), columns.parse()?),
        ["events", log, out] => scoring::model_of_events(Path::new(log), Path::new(out)),
        ["customer", model] => scoring::customer(Path::new(model)),
        ["job", path] => job::job(Path::new(path), check),
        ["subscriptions", customers] => subscriptions::subscriptions(customers.parse()?),
        _ => Err(USAGE.into()),
    }
}

/// Runs the work once, or up to nine times until so many seconds have passed; its result, and a line with its median wall and
/// CPU seconds, each divided by the `pieces` it is made of.
fn measured<T>(pieces: usize, at_least: f64, mut work: impl FnMut() -> Result<T>) -> Result<(T, String)> {
    let (mut walls, mut cpus) = (Vec::new(), Vec::new());
    loop {
        let (cpu, wall) = (ProcessTime::now(), Instant::now());
        let result = work()?;
        walls.push(wall.elapsed().as_secs_f64());
        cpus.push(cpu.elapsed().as_secs_f64());
        if walls.len() == 9 || walls.iter().sum::<f64>() >= at_least {
            let each = |seconds: &mut Vec<f64>| median(seconds) / pieces as f64;
            let (seconds, cpu_seconds) = (each(&mut walls), each(&mut cpus));
            return Ok((result, format!("{{\"seconds\": {seconds:e}, \"cpu_seconds\": {cpu_seconds:e}}}")));
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0
}

/// Little-endian doubles.
fn read_doubles(path: &Path) -> Result<Vec<f64>> {
    let bytes = fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect())
}

fn read_matrix(path: &Path, columns: usize) -> Result<Array2<f64>> {
    let values = read_doubles(path)?;
    Ok(Array2::from_shape_vec((values.len() / columns, columns), values)?)
}

fn write_doubles<'a>(path: &Path, values: impl IntoIterator<Item = &'a f64>) -> Result<()> {
    let bytes: Vec<u8> = values.into_iter().flat_map(|value| value.to_le_bytes()).collect();
    Ok(fs::write(path, bytes)?)
}
