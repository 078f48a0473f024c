//! Half of the accuracy comparison: prepares the five real data sets, prints the counts that are known of them, and writes
//! for each the very rows, features and folds that the learners here are fitted on, with the probabilities they give to
//! rows they have not seen. `examples/python/accuracy.py` fits the peers on the same rows and prints the table.
//!
//! `cargo run --release --example accuracy -- DATA_DIR OUT_DIR`, where DATA_DIR holds the unpacked files.
#![allow(clippy::print_stdout, reason = "printing is what an example does")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use churn::{
    Column, ColumnData, Events, FeatureConfig, LabelConfig, LearnConfig, ModelKind, features, labels, train_table,
};

use churn_examples::data::{
    Customers, Result, Retail, active_within, deal, read_cdnow, read_online_retail, read_tables, select, snapshots,
};

/// Customers in parts. Each part that is judged is scored by a model of all the others: five folds in turn, or out of time
/// the last cutoff alone.
struct Rows {
    customers: Customers,
    parts: Vec<usize>,
    judged: Vec<usize>,
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data, out] = arguments.as_slice() else { return Err("usage: accuracy DATA_DIR OUT_DIR".into()) };
    fs::create_dir_all(out)?;

    let cdnow = read_cdnow(data)?;
    let retail = read_online_retail(data, Retail::Lines)?;
    count("CDNOW", &cdnow, "1998-04-01", 180)?;
    let cdnow_labels = count("CDNOW", &cdnow, "1997-10-01", 365)?;
    let retail_labels = count("Online Retail", &retail, "2011-09-10", 180)?;
    let (history, _) = retail.split_at("2011-09-10".parse()?);
    let scales = features(&history, &FeatureConfig::default())?.scales();
    println!("Online Retail 2011-09-10: scales over all customers seen by then {scales:?}");

    let [telco, bank, iranian] = read_tables(data)?;
    for rows in [
        five_fold_snapshot("cdnow", &cdnow, "1997-10-01", &cdnow_labels)?,
        out_of_time("cdnow_out_of_time", &cdnow, &["1997-07-05", "1997-10-03", "1998-01-01", "1998-04-01"], 365)?,
        five_fold_snapshot("online_retail", &retail, "2011-09-10", &retail_labels)?,
        out_of_time("online_retail_out_of_time", &retail, &["2011-03-14", "2011-06-12", "2011-09-10"], 180)?,
        five_fold(telco),
        five_fold(bank),
        five_fold(iranian),
    ] {
        write_comparison(&rows, out)?;
    }
    Ok(())
}

/// The labelled customers of a cutoff, counted.
fn count(name: &str, events: &Events, cutoff: &str, active: i32) -> Result<LabelConfig> {
    let config = active_within(active);
    let (history, outcome) = events.split_at(cutoff.parse()?);
    let labels = labels(&history, &outcome, &config)?;
    println!("{name} {cutoff}, horizon 90, active {active}: {} customers, {} churned", labels.len(), labels.churned());
    Ok(config)
}

fn five_fold_snapshot(name: &'static str, events: &Events, cutoff: &str, config: &LabelConfig) -> Result<Rows> {
    Ok(five_fold(snapshots(name, events, &[cutoff], config)?.0))
}

fn out_of_time(name: &'static str, events: &Events, cutoffs: &[&str], active: i32) -> Result<Rows> {
    let (customers, parts) = snapshots(name, events, cutoffs, &active_within(active))?;
    Ok(Rows { customers, parts, judged: vec![cutoffs.len() - 1] })
}

fn five_fold(customers: Customers) -> Rows {
    Rows { parts: deal(customers.table.rows()), judged: (0..5).collect(), customers }
}

/// The learners as they come, and with the settings that the peers are given.
fn recipes() -> Vec<(&'static str, LearnConfig)> {
    let default = |model| LearnConfig { model, ..LearnConfig::default() };
    let boosting = default(ModelKind::GradientBoosting);
    let forest = default(ModelKind::RandomForest);
    vec![
        ("logistic", default(ModelKind::LogisticRegression)),
        ("boosting_default", boosting.clone()),
        ("boosting_same", LearnConfig { rounds: Some(100), max_depth: Some(5), ..boosting }),
        ("forest_default", forest.clone()),
        ("forest_same", LearnConfig { max_depth: Some(10), ..forest }),
    ]
}

fn write_comparison(rows: &Rows, out: &Path) -> Result<()> {
    let Customers { name, table, label, customer_id, leave_out } = &rows.customers;
    println!("{name}: {} rows", table.rows());
    let mut probabilities = Vec::new();
    for (recipe, learning) in recipes() {
        let mut p = vec![f64::NAN; table.rows()];
        for &part in &rows.judged {
            let learn = select(table, |i| rows.parts[i] != part)?;
            let test = select(table, |i| rows.parts[i] == part)?;
            let config = rows.customers.config(learning.clone());
            let predictions = train_table(&learn, &config)?.predict_table(&test, None)?;
            let places = (0..p.len()).filter(|&i| rows.parts[i] == part);
            for (place, value) in places.zip(predictions.churn_probabilities()) {
                p[place] = *value;
            }
        }
        probabilities.push((recipe, p));
    }
    let mut text = String::new();
    let taken: Vec<&Column> =
        table.columns().iter().filter(|c| c.name != *customer_id && !leave_out.contains(&c.name.as_str())).collect();
    let header = |name: &str| if name == *label { "churned".to_owned() } else { format!("x:{name}") };
    write!(text, "part,judged")?;
    taken.iter().try_for_each(|column| write!(text, ",{}", header(&column.name)))?;
    probabilities.iter().try_for_each(|(recipe, _)| write!(text, ",p:{recipe}"))?;
    writeln!(text)?;
    for i in 0..table.rows() {
        write!(text, "{},{}", rows.parts[i], u8::from(rows.judged.contains(&rows.parts[i])))?;
        for column in &taken {
            match &column.data {
                ColumnData::Numeric(values) if values[i].is_nan() => write!(text, ",")?,
                ColumnData::Numeric(values) => write!(text, ",{}", values[i])?,
                ColumnData::Boolean(values) => {
                    write!(text, ",{}", values[i].map_or("", |v| if v { "1" } else { "0" }))?
                }
                ColumnData::Categorical(values) => write!(text, ",\"{}\"", values[i].as_deref().unwrap_or(""))?,
            }
        }
        probabilities.iter().try_for_each(|(_, p)| write!(text, ",{}", p[i]))?;
        writeln!(text)?;
    }
    fs::write(out.join(format!("{name}.csv")), text)?;
    Ok(())
}
