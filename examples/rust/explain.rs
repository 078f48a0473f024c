//! Half of the comparison of contributions: trains the learners as they come on the five real data sets, explains every row,
//! and writes the models with values and contributions. `examples/python/explain.py` computes the same with the shap package
//! and prints the table.
//!
//! `cargo run --release --example explain -- DATA_DIR OUT_DIR`, where DATA_DIR holds the unpacked files.
#![allow(clippy::print_stdout, reason = "printing is what an example does")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use churn::{
    ExplainConfig, Explanation, FeaturePerturbation, FeatureTable, LearnConfig, Model, ModelKind, train_table,
};

use churn_examples::data::{
    Customers, Result, Retail, active_within, read_cdnow, read_online_retail, read_tables, select, snapshots,
};

/// Rows of a set that are written, spread over all of it: what the shap package takes minutes for.
const WRITTEN: usize = 2000;

/// Rows of them that are explained against the background.
const INTERVENTIONAL: usize = 300;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data, out] = arguments.as_slice() else { return Err("usage: explain DATA_DIR OUT_DIR".into()) };
    let (cdnow, _) = snapshots("cdnow", &read_cdnow(data)?, &["1997-10-01"], &active_within(365))?;
    let (retail, _) =
        snapshots("online_retail", &read_online_retail(data, Retail::Lines)?, &["2011-09-10"], &active_within(180))?;
    let [telco, bank, iranian] = read_tables(data)?;
    for customers in [cdnow, retail, telco, bank, iranian] {
        for kind in [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting] {
            explain(&customers, kind, out)?;
        }
    }
    Ok(())
}

fn explain(customers: &Customers, kind: ModelKind, out: &Path) -> Result<()> {
    let learning = LearnConfig { model: kind, ..LearnConfig::default() };
    let model = train_table(&customers.table, &customers.config(learning))?;
    let all = model.table_features(&customers.table, customers.customer_id())?;
    let explanation = model.explain(&all)?;
    let rows = all.rows();
    println!(
        "{} {}: {rows} rows, |base + sum - margin| at most {:.1e}",
        customers.name,
        kind.name(),
        gap(&explanation)
    );
    if customers.name == "bank" && kind == ModelKind::GradientBoosting {
        time(&model, &all)?;
        let most = LearnConfig { model: kind, rounds: Some(100), max_depth: Some(5), ..LearnConfig::default() };
        time(&train_table(&customers.table, &customers.config(most))?, &all)?;
    }

    let folder = out.join(format!("{}_{}", customers.name, kind.name()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("model.json"), model.to_json())?;
    for (file, most, feature_perturbation) in [
        ("path_dependent.csv", WRITTEN, FeaturePerturbation::TreePathDependent),
        ("interventional.csv", INTERVENTIONAL, FeaturePerturbation::Interventional),
    ] {
        let step = rows.div_ceil(most);
        let some = select(&customers.table, |i| i % step == 0)?;
        let some = model.table_features(&some, customers.customer_id())?;
        let config = ExplainConfig { feature_perturbation, ..ExplainConfig::default() };
        let explanation = model.explain_with(&some, &config)?;
        println!("  {file}: {} rows, |base + sum - margin| at most {:.1e}", some.rows(), gap(&explanation));
        fs::write(folder.join(file), csv(&some, &explanation)?)?;
    }
    Ok(())
}

/// Largest difference between the margin and the sum of base and contributions.
fn gap(explanation: &Explanation) -> f64 {
    let sums = explanation.contributions().rows().into_iter().map(|row| explanation.base() + row.sum());
    sums.zip(explanation.margin()).map(|(sum, margin)| (sum - margin).abs()).fold(0.0, f64::max)
}

/// Prints how long the customers of a table take: the least of five times.
fn time(model: &Model, table: &FeatureTable) -> Result<()> {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        model.explain(table)?;
        best = best.min(start.elapsed());
    }
    let (rounds, depth) = (model.parameters().rounds.unwrap_or(0), model.parameters().max_depth.unwrap_or(0));
    let threads = std::env::var("RAYON_NUM_THREADS").unwrap_or_else(|_| "one a core".to_owned());
    println!("  {rounds} rounds of depth {depth}: {} customers in {best:.2?}, threads: {threads}", table.rows());
    Ok(())
}

/// The values (x0, x1, …; the index of the level for a category, empty where missing), the contributions (c0, c1, …), the
/// base and the margin, in as many digits as lose nothing.
fn csv(table: &FeatureTable, explanation: &Explanation) -> Result<String> {
    let mut text = String::new();
    let width = table.values().ncols();
    (0..width).try_for_each(|j| write!(text, "x{j},"))?;
    (0..width).try_for_each(|j| write!(text, "c{j},"))?;
    writeln!(text, "base,margin")?;
    let rows = table.values().rows().into_iter().zip(explanation.contributions().rows());
    for ((values, contributions), margin) in rows.zip(explanation.margin()) {
        for value in values {
            if value.is_nan() { write!(text, ",")? } else { write!(text, "{value:?},")? }
        }
        contributions.iter().try_for_each(|value| write!(text, "{value:?},"))?;
        writeln!(text, "{:?},{margin:?}", explanation.base())?;
    }
    Ok(text)
}
