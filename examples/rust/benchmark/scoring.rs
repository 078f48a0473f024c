//! Scoring and explaining with a boosting model of 100 trees of depth 5.

use std::fs;
use std::path::Path;

use churn::{
    Column, ColumnData, Customer, Day, Events, ExplainConfig, FeatureTable, Model, ModelKind, ReadOptions, Table,
    TableConfig, TrainConfig, Transaction, train, train_table,
};

use crate::learners::settings;
use crate::{Result, measured, read_matrix, write_doubles};

/// Trains the model that the others load.
pub(crate) fn model(folder: &Path, columns: usize, out: &Path) -> Result<()> {
    let y = fs::read(folder.join("y.u8"))?.iter().map(|&y| f64::from(y)).collect();
    let mut list = columns_of(&folder.join("x.f64"), columns)?;
    list.push(Column { name: "churned".to_owned(), data: ColumnData::Numeric(y) });
    let learning = settings(ModelKind::GradientBoosting);
    let fitted = train_table(&Table::new(list)?, &TableConfig { learning, ..TableConfig::default() })?;
    Ok(fs::write(out, fitted.to_json())?)
}

/// The same of a log: a model that scores customers by their transactions.
pub(crate) fn model_of_events(log: &Path, out: &Path) -> Result<()> {
    let events = Events::from_csv(fs::File::open(log)?, &ReadOptions::default())?;
    let config = TrainConfig { learning: settings(ModelKind::GradientBoosting), ..TrainConfig::default() };
    Ok(fs::write(out, train(&events, &config)?.to_json())?)
}

/// A million rows at once.
pub(crate) fn score(model: &Path, folder: &Path, columns: usize, check: Option<&Path>) -> Result<()> {
    let model = Model::from_json(&fs::read_to_string(model)?)?;
    let rows = rows(&model, &folder.join("x.f64"), columns)?;
    let (predictions, line) = measured(rows.rows(), 0.0, || Ok(model.predict_features(&rows)?))?;
    if let Some(out) = check {
        fs::create_dir_all(out)?;
        let test = self::rows(&model, &folder.join("test_x.f64"), columns)?;
        write_doubles(&out.join("p.f64"), model.predict_features(&test)?.churn_probabilities())?;
    }
    std::hint::black_box(predictions);
    println!("{line}");
    Ok(())
}

/// Rows one by one, each another one.
pub(crate) fn one(model: &Path, folder: &Path, columns: usize) -> Result<()> {
    const TIMES: usize = 1_000_000;
    let model = Model::from_json(&fs::read_to_string(model)?)?;
    let rows = read_matrix(&folder.join("test_x.f64"), columns)?;
    let rows: Vec<&[f64]> = rows.as_slice().ok_or("a matrix is contiguous")?.chunks_exact(columns).collect();
    let ((), line) = measured(TIMES, 0.0, || {
        for i in 0..TIMES {
            std::hint::black_box(model.probability_of(rows[i % rows.len()])?);
        }
        Ok(())
    })?;
    println!("{line}");
    Ok(())
}

/// Exact Shapley values of rows one by one, by an explainer that is kept, as the peers keep their models.
pub(crate) fn explain(model: &Path, folder: &Path, columns: usize) -> Result<()> {
    const TIMES: usize = 10_000;
    let model = Model::from_json(&fs::read_to_string(model)?)?;
    let rows = rows(&model, &folder.join("test_x.f64"), columns)?;
    let explainer = model.explainer(&ExplainConfig::default())?;
    let mut contributions = vec![0.0; columns];
    let ((), line) = measured(TIMES, 0.0, || {
        for row in rows.values().rows().into_iter().cycle().take(TIMES) {
            let row = row.as_slice().expect("rows are contiguous");
            std::hint::black_box(explainer.explain_row(row, &mut contributions)?);
        }
        Ok(())
    })?;
    println!("{line}");
    Ok(())
}

/// One customer with ten transactions, from these to the risk: what a service does at a request.
pub(crate) fn customer(model: &Path) -> Result<()> {
    const TIMES: usize = 200_000;
    let model = Model::from_json(&fs::read_to_string(model)?)?;
    let transaction = |month: u32| Transaction {
        event_date: Day::from_ymd(2024, month, 15).expect("a day"),
        amount: Some(19.9 + f64::from(month)),
        event_type: Some("purchase".to_owned()),
        order_id: None,
    };
    let customer = Customer {
        customer_id: "C001".to_owned(),
        transactions: (1..=10).map(transaction).collect(),
        attributes: Default::default(),
    };
    let as_of = "2024-12-31".parse()?;
    let ((), line) = measured(TIMES, 0.0, || {
        for _ in 0..TIMES {
            std::hint::black_box(model.predict_one(std::hint::black_box(&customer), as_of)?);
        }
        Ok(())
    })?;
    println!("{line}");
    Ok(())
}

fn rows(model: &Model, path: &Path, columns: usize) -> Result<FeatureTable> {
    Ok(model.table_features(&Table::new(columns_of(path, columns)?)?, None)?)
}

fn columns_of(path: &Path, columns: usize) -> Result<Vec<Column>> {
    let x = read_matrix(path, columns)?;
    let column = |i| Column { name: format!("f{i}"), data: ColumnData::Numeric(x.column(i).to_vec()) };
    Ok((0..columns).map(column).collect())
}
