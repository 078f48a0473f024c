//! The tables of the benchmark, with one row per customer: five folds instead of cutoffs.

use std::fs;
use std::path::Path;

use churn::profit::{Costs, CustomerCosts, Savings, SavingsConfig, savings};
use churn::{
    Column, ColumnData, CutoffPredictions, Day, ErrorKind, LearnConfig, ModelKind, Table, TableConfig, Value,
    train_table_observed,
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::logs::{FileSource, unpacked_and_checked};
use super::write_array;
use crate::failure::{Failure, Result};
use crate::session::Session;

const FOLDS: usize = 5;

/// A table of the benchmark. The file `logs.toml` explains the keys.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CustomerTable {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) licence: String,
    #[serde(default)]
    pub(super) sha256: Option<String>,
    file: String,
    label: String,
    #[serde(default)]
    customer_id: Option<String>,
    #[serde(default)]
    leave_out: Vec<String>,
    /// The columns of the costs of a true positive, false positive, true negative and false negative.
    #[serde(default)]
    costs: Option<[String; 4]>,
}

/// The table as columns, without those that nobody learns from.
pub(super) struct Rows {
    table: Table,
    churned: Vec<bool>,
    fold_of: Vec<usize>,
    costs: Option<[Vec<f64>; 4]>,
}

impl CustomerTable {
    /// Reads the table and assigns its rows to folds. Rows with equal features are in one fold.
    pub(super) fn read(&self, folder: &Path) -> Result<Rows> {
        let source = FileSource { file: &self.file, sha256: self.sha256.as_deref() };
        let bytes = unpacked_and_checked(folder, &source)?;
        let whole = Table::from_csv(&bytes[..], ',').map_err(|error| Failure::at(Path::new(&self.file), error))?;
        let numbers = |name: &String| match whole.column(name)? {
            ColumnData::Numeric(values) => Ok(values.clone()),
            _ => Err(Failure::new(ErrorKind::InvalidColumn, format!("{}: {name:?} is not numeric", self.file))),
        };
        let costs =
            self.costs.as_ref().map(|names| names.iter().map(numbers).collect::<Result<Vec<_>>>()).transpose()?;
        let costs = costs.and_then(|costs| <[Vec<f64>; 4]>::try_from(costs).ok());
        let unused = |name: &String| {
            *name == self.label
                || self.customer_id.as_ref() == Some(name)
                || self.leave_out.contains(name)
                || self.costs.as_ref().is_some_and(|costs| costs.contains(name))
        };
        let label = whole.column(&self.label)?;
        let churned = (0..whole.rows())
            .map(|row| match label.value(row) {
                Value::Number(number) => number == 1.0,
                Value::Boolean(churned) => churned,
                Value::Text(text) => text.eq_ignore_ascii_case("yes"),
                Value::Missing(()) => false,
            })
            .collect();
        let features: Vec<Column> = whole.columns().iter().filter(|column| !unused(&column.name)).cloned().collect();
        let fold_of = (0..whole.rows()).map(|row| fold(&features, row)).collect();
        Ok(Rows { table: Table::new(features)?, churned, fold_of, costs })
    }

    /// Judges the default and the other recipes on the folds, and writes the rows for the other libraries.
    pub(super) fn judge(&self, rows: &Rows, folder: &Path, session: &Session<'_>) -> Result<Vec<CutoffPredictions>> {
        let mut found = Vec::new();
        for fold in 0..FOLDS {
            let part = |of: bool| (0..rows.fold_of.len()).filter(move |&row| (rows.fold_of[row] == fold) == of);
            let (learn, test): (Vec<usize>, Vec<usize>) = (part(false).collect(), part(true).collect());
            let key = day_of(fold);
            write_fold(folder, key, rows, &learn, &test).map_err(|error| Failure::at(folder, error))?;
            let learned = with_label(&rows.table, &rows.churned, &learn)?;
            let judged = select(&rows.table, &test)?;
            let probabilities = |model: ModelKind| -> Result<Vec<f64>> {
                let learning = LearnConfig { model, ..LearnConfig::default() };
                let config = TableConfig { label: LABEL.to_owned(), learning, ..TableConfig::default() };
                let model = train_table_observed(&learned, &config, &session.progress("Judging"))?;
                Ok(model.predict_table(&judged, None)?.churn_probabilities().to_vec())
            };
            let others = [
                ("churn, random forest", ModelKind::RandomForest),
                ("logistic_regression", ModelKind::LogisticRegression),
            ];
            let against = others.into_iter().map(|(name, model)| Ok((name.to_owned(), probabilities(model)?)));
            found.push(CutoffPredictions {
                cutoff: key,
                customer_ids: test.iter().map(|row| row.to_string()).collect(),
                churned: test.iter().map(|&row| rows.churned[row]).collect(),
                recency_score: None,
                churn_probability: probabilities(ModelKind::GradientBoosting)?,
                against: against.collect::<Result<_>>()?,
            });
        }
        Ok(found)
    }
}

impl Rows {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.churned.len()
    }

    /// The savings of each contestant at the threshold of each customer, if the table has costs; the default first.
    pub(super) fn savings(&self, predictions: &[CutoffPredictions]) -> Result<Vec<(String, Savings)>> {
        let Some(costs) = &self.costs else { return Ok(Vec::new()) };
        let order: Vec<usize> =
            predictions.iter().flat_map(|of| &of.customer_ids).filter_map(|id| id.parse().ok()).collect();
        let costs = costs.each_ref().map(|column| order.iter().map(|&row| column[row]).collect::<Vec<f64>>());
        let churned: Vec<bool> = order.iter().map(|&row| self.churned[row]).collect();
        let [tp_cost, fp_cost, tn_cost, fn_cost] = costs.each_ref().map(|column| Costs::Each(column));
        let costs = CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost };
        let of = |p: Vec<f64>| savings(&churned, &p, &costs, &SavingsConfig::default());
        let own = predictions.iter().flat_map(|of| &of.churn_probability).copied().collect();
        let mut found = vec![(String::new(), of(own)?)];
        for name in predictions[0].against.keys() {
            found.push((name.clone(), of(predictions.iter().flat_map(|of| &of.against[name]).copied().collect())?));
        }
        Ok(found)
    }
}

/// The name of the label in the tables that are learned from.
const LABEL: &str = "churned";

/// A fold has a day as its key, because the results of a backtest have one per cutoff.
fn day_of(fold: usize) -> Day {
    Day::MIN.plus(fold as i32)
}

/// The fold of a row by a hash (FNV-1a) of its features.
fn fold(features: &[Column], row: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for column in features {
        for byte in format!("{:?}\n", column.data.value(row)).bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    (hash % FOLDS as u64) as usize
}

fn select(table: &Table, rows: &[usize]) -> Result<Table> {
    let column = |column: &Column| {
        let data = match &column.data {
            ColumnData::Numeric(values) => ColumnData::Numeric(rows.iter().map(|&row| values[row]).collect()),
            ColumnData::Categorical(values) => {
                ColumnData::Categorical(rows.iter().map(|&row| values[row].clone()).collect())
            }
            ColumnData::Boolean(values) => ColumnData::Boolean(rows.iter().map(|&row| values[row]).collect()),
        };
        Column { name: column.name.clone(), data }
    };
    Ok(Table::new(table.columns().iter().map(column).collect())?)
}

fn with_label(table: &Table, churned: &[bool], rows: &[usize]) -> Result<Table> {
    let mut columns = select(table, rows)?.columns().to_vec();
    let data = ColumnData::Boolean(rows.iter().map(|&row| Some(churned[row])).collect());
    columns.push(Column { name: LABEL.to_owned(), data });
    Ok(Table::new(columns)?)
}

/// The rows of a fold as arrays that numpy reads. A category is the number of its level among those of the learned rows;
/// another level is missing. `categories.json` lists the columns of categories.
fn write_fold(folder: &Path, key: Day, rows: &Rows, learn: &[usize], test: &[usize]) -> churn::Result<()> {
    let columns = rows.table.columns();
    let levels: Vec<Option<Vec<String>>> = columns.iter().map(|column| levels(&column.data, learn)).collect();
    let encode = |part: &[usize]| {
        Array2::from_shape_fn((part.len(), columns.len()), |(i, j)| {
            match (columns[j].data.value(part[i]), &levels[j]) {
                (Value::Number(number), _) => number,
                (Value::Boolean(value), _) => f64::from(u8::from(value)),
                (Value::Text(text), Some(levels)) => {
                    levels.iter().position(|level| *level == text).map_or(f64::NAN, |level| level as f64)
                }
                _ => f64::NAN,
            }
        })
    };
    let churned = Array2::from_shape_fn((learn.len(), 1), |(i, _)| f64::from(u8::from(rows.churned[learn[i]])));
    for (name, array) in [("learn", encode(learn)), ("learn_churned", churned), ("test", encode(test))] {
        write_array(&folder.join(format!("{key}.{name}.npy")), array.view())?;
    }
    let categories: Vec<usize> = (0..columns.len()).filter(|&j| levels[j].is_some()).collect();
    let listed = serde_json::to_string(&categories).map_err(std::io::Error::from)?;
    Ok(fs::write(folder.join("categories.json"), listed)?)
}

/// The levels of a column of categories in some rows, sorted; none for other columns.
fn levels(data: &ColumnData, rows: &[usize]) -> Option<Vec<String>> {
    let ColumnData::Categorical(values) = data else { return None };
    let mut levels: Vec<String> = rows.iter().filter_map(|&row| values[row].clone()).collect();
    levels.sort_unstable();
    levels.dedup();
    Some(levels)
}
