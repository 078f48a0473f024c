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
    Column, ColumnData, Day, Events, FeatureConfig, LabelConfig, LearnConfig, ModelKind, ReadOptions, Table,
    TableConfig, Transaction, features, labels, train_table,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Customers × features with labels. Each part that is judged is scored by a model of all the others: five folds in turn,
/// or out of time the last cutoff alone.
struct Rows {
    name: &'static str,
    table: Table,
    label: &'static str,
    customer_id: &'static str,
    leave_out: Vec<&'static str>,
    parts: Vec<usize>,
    judged: Vec<usize>,
}

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [data, out] = arguments.as_slice() else { return Err("usage: accuracy DATA_DIR OUT_DIR".into()) };
    fs::create_dir_all(out)?;

    let cdnow = read_cdnow(&data.join("cdnow_master.txt"))?;
    let retail = read_online_retail(&data.join("online_retail.csv"))?;
    count("CDNOW", &cdnow, "1998-04-01", 180)?;
    let cdnow_labels = count("CDNOW", &cdnow, "1997-10-01", 365)?;
    let retail_labels = count("Online Retail", &retail, "2011-09-10", 180)?;
    let (history, _) = retail.split_at("2011-09-10".parse()?);
    let scales = features(&history, &FeatureConfig::default())?.scales();
    println!("Online Retail 2011-09-10: scales over all customers seen by then {scales:?}");

    for rows in [
        five_fold_snapshot("cdnow", &cdnow, "1997-10-01", &cdnow_labels)?,
        out_of_time("cdnow_out_of_time", &cdnow, &["1997-07-05", "1997-10-03", "1998-01-01", "1998-04-01"], 365)?,
        five_fold_snapshot("online_retail", &retail, "2011-09-10", &retail_labels)?,
        out_of_time("online_retail_out_of_time", &retail, &["2011-03-14", "2011-06-12", "2011-09-10"], 180)?,
        five_fold_table("telco", &data.join("ibm_telco_churn.csv"), "Churn", "customerID", &[])?,
        five_fold_table(
            "bank",
            &data.join("bank_churn_modelling.csv"),
            "Exited",
            "CustomerId",
            &["RowNumber", "Surname"],
        )?,
        five_fold_table("iranian", &data.join("iranian_churn.csv"), "Churn", "", &[])?,
    ] {
        write_comparison(&rows, out)?;
    }
    Ok(())
}

fn read_cdnow(path: &Path) -> Result<Events> {
    let mut csv = String::from("customer_id,event_date,amount\n");
    for line in fs::read_to_string(path)?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [customer, date, _, dollars] = fields.as_slice() else { return Err(format!("CDNOW: {line}").into()) };
        writeln!(csv, "{customer},{date},{dollars}")?;
    }
    let options = ReadOptions { date_format: Some("%Y%m%d".to_owned()), ..ReadOptions::default() };
    Ok(Events::from_csv(csv.as_bytes(), &options)?)
}

/// Purchases only: a positive quantity and a known customer; the amount is quantity times unit price.
fn read_online_retail(path: &Path) -> Result<Events> {
    let table = Table::from_csv(fs::File::open(path)?, ',')?;
    let numbers = |name| match table.column(name) {
        Ok(ColumnData::Numeric(values)) => Ok(values),
        _ => Err(format!("Online Retail: no numeric column {name}")),
    };
    let ColumnData::Categorical(dates) = table.column("InvoiceDate")? else { return Err("InvoiceDate".into()) };
    let (customers, quantities, prices) = (numbers("CustomerID")?, numbers("Quantity")?, numbers("UnitPrice")?);
    let mut rows = Vec::new();
    for i in 0..table.rows() {
        if !customers[i].is_nan() && quantities[i] > 0.0 {
            let date: Day =
                dates[i].as_deref().and_then(|date| date.get(..10)).ok_or("a row without a date")?.parse()?;
            let amount = Some(quantities[i] * prices[i]);
            rows.push((customers[i].to_string(), Transaction { event_date: date, amount, event_type: None }));
        }
    }
    Ok(Events::from_rows(rows.iter().map(|(id, transaction)| (id.as_str(), transaction.clone())))?)
}

/// The labelled customers of a cutoff, counted.
fn count(name: &str, events: &Events, cutoff: &str, active: i32) -> Result<LabelConfig> {
    let config = LabelConfig { active_within_days: Some(active), ..LabelConfig::default() };
    let (history, outcome) = events.split_at(cutoff.parse()?);
    let labels = labels(&history, &outcome, &config)?;
    println!("{name} {cutoff}, horizon 90, active {active}: {} customers, {} churned", labels.len(), labels.churned());
    Ok(config)
}

/// The labelled customers of some cutoffs, the last to be judged. Scales are those of the first.
fn snapshots(name: &'static str, events: &Events, cutoffs: &[&str], config: &LabelConfig) -> Result<Rows> {
    let mut feature_config = FeatureConfig::default();
    let mut names: Vec<String> = Vec::new();
    let mut columns: Vec<Vec<f64>> = Vec::new();
    let (mut ids, mut churned, mut parts) = (Vec::new(), Vec::new(), Vec::new());
    for (part, cutoff) in cutoffs.iter().enumerate() {
        let (history, outcome) = events.split_at(cutoff.parse()?);
        let table = features(&history, &feature_config)?;
        feature_config = table.fitted_config().cloned().ok_or("features of events have a configuration")?;
        names = table.names().map(str::to_owned).collect();
        columns.resize(names.len(), Vec::new());
        let position: std::collections::HashMap<&str, usize> =
            table.customer_ids().enumerate().map(|(i, id)| (id, i)).collect();
        for (id, churns) in labels(&history, &outcome, config)?.iter() {
            for (column, value) in columns.iter_mut().zip(table.values().row(position[id])) {
                column.push(*value);
            }
            ids.push(Some(id.to_owned()));
            churned.push(Some(churns));
            parts.push(part);
        }
    }
    let mut all = vec![
        Column { name: "customer_id".to_owned(), data: ColumnData::Categorical(ids) },
        Column { name: "churned".to_owned(), data: ColumnData::Boolean(churned) },
    ];
    all.extend(names.into_iter().zip(columns).map(|(name, values)| Column { name, data: ColumnData::Numeric(values) }));
    let table = Table::new(all)?;
    let judged = vec![cutoffs.len() - 1];
    Ok(Rows { name, table, label: "churned", customer_id: "customer_id", leave_out: vec![], parts, judged })
}

fn five_fold_snapshot(name: &'static str, events: &Events, cutoff: &str, config: &LabelConfig) -> Result<Rows> {
    let rows = snapshots(name, events, &[cutoff], config)?;
    Ok(Rows { parts: deal(rows.table.rows()), judged: (0..5).collect(), ..rows })
}

fn out_of_time(name: &'static str, events: &Events, cutoffs: &[&str], active: i32) -> Result<Rows> {
    let config = LabelConfig { active_within_days: Some(active), ..LabelConfig::default() };
    snapshots(name, events, cutoffs, &config)
}

fn five_fold_table(
    name: &'static str,
    path: &Path,
    label: &'static str,
    customer_id: &'static str,
    leave_out: &[&'static str],
) -> Result<Rows> {
    let table = Table::from_csv(fs::File::open(path)?, ',')?;
    let parts = deal(table.rows());
    Ok(Rows { name, table, label, customer_id, leave_out: leave_out.to_vec(), parts, judged: (0..5).collect() })
}

/// Five folds by a fixed permutation: multiplication by a constant that has no factor in common with the number of rows.
fn deal(rows: usize) -> Vec<usize> {
    let stride =
        [2_654_435_761_u64, 2_654_435_769, 40_503].into_iter().find(|s| gcd(*s, rows as u64) == 1).unwrap_or(1);
    (0..rows as u64).map(|row| ((row * stride) % rows as u64 * 5 / rows as u64) as usize).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The rows of a table for which `keep` holds.
fn select(table: &Table, keep: impl Fn(usize) -> bool) -> Result<Table> {
    fn kept<T: Clone>(values: &[T], keep: impl Fn(usize) -> bool) -> Vec<T> {
        values.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, value)| value.clone()).collect()
    }
    let columns = table.columns().iter().map(|column| Column {
        name: column.name.clone(),
        data: match &column.data {
            ColumnData::Numeric(values) => ColumnData::Numeric(kept(values, &keep)),
            ColumnData::Boolean(values) => ColumnData::Boolean(kept(values, &keep)),
            ColumnData::Categorical(values) => ColumnData::Categorical(kept(values, &keep)),
        },
    });
    Ok(Table::new(columns.collect())?)
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
    println!("{}: {} rows", rows.name, rows.table.rows());
    let mut probabilities = Vec::new();
    for (recipe, learning) in recipes() {
        let mut p = vec![f64::NAN; rows.table.rows()];
        for &part in &rows.judged {
            let learn = select(&rows.table, |i| rows.parts[i] != part)?;
            let test = select(&rows.table, |i| rows.parts[i] == part)?;
            let config = TableConfig {
                label: rows.label.to_owned(),
                customer_id: (!rows.customer_id.is_empty()).then(|| rows.customer_id.to_owned()),
                leave_out: rows.leave_out.iter().map(|&name| name.to_owned()).collect(),
                learning: learning.clone(),
                ..TableConfig::default()
            };
            let predictions = train_table(&learn, &config)?.predict_table(&test, None)?;
            let places = (0..p.len()).filter(|&i| rows.parts[i] == part);
            for (place, value) in places.zip(predictions.churn_probabilities()) {
                p[place] = *value;
            }
        }
        probabilities.push((recipe, p));
    }
    let mut text = String::new();
    let taken: Vec<&Column> = rows
        .table
        .columns()
        .iter()
        .filter(|c| c.name != rows.customer_id && !rows.leave_out.contains(&c.name.as_str()))
        .collect();
    let header = |name: &str| if name == rows.label { "churned".to_owned() } else { format!("x:{name}") };
    write!(text, "part,judged")?;
    taken.iter().try_for_each(|column| write!(text, ",{}", header(&column.name)))?;
    probabilities.iter().try_for_each(|(recipe, _)| write!(text, ",p:{recipe}"))?;
    writeln!(text)?;
    for i in 0..rows.table.rows() {
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
    fs::write(out.join(format!("{}.csv", rows.name)), text)?;
    Ok(())
}
