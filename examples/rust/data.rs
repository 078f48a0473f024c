//! The five real data sets, as rows that a learner can be fitted on.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use churn::{
    Column, ColumnData, Day, Events, FeatureConfig, LabelConfig, LearnConfig, ReadOptions, Table, TableConfig,
    Transaction, features, labels,
};

/// Result of the parts of an example.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Customers × features with labels.
pub struct Customers {
    /// Name of the data set.
    pub name: &'static str,
    /// A row a customer.
    pub table: Table,
    /// The column that says who churned.
    pub label: &'static str,
    /// Empty where no column names the customer.
    pub customer_id: &'static str,
    /// Columns that are not learned from.
    pub leave_out: Vec<&'static str>,
}

impl Customers {
    /// The column that names the customer, if there is one.
    pub fn customer_id(&self) -> Option<&'static str> {
        (!self.customer_id.is_empty()).then_some(self.customer_id)
    }

    /// Settings for training on these columns.
    pub fn config(&self, learning: LearnConfig) -> TableConfig {
        TableConfig {
            label: self.label.to_owned(),
            customer_id: self.customer_id().map(str::to_owned),
            leave_out: self.leave_out.iter().map(|&name| name.to_owned()).collect(),
            learning,
            ..TableConfig::default()
        }
    }
}

/// The log of CDNOW.
pub fn read_cdnow(folder: &Path) -> Result<Events> {
    let mut csv = String::from("customer_id,event_date,amount\n");
    for line in fs::read_to_string(folder.join("cdnow_master.txt"))?.lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [customer, date, _, dollars] = fields.as_slice() else { return Err(format!("CDNOW: {line}").into()) };
        writeln!(csv, "{customer},{date},{dollars}")?;
    }
    let options = ReadOptions { date_format: Some("%Y%m%d".to_owned()), ..ReadOptions::default() };
    Ok(Events::from_csv(csv.as_bytes(), &options)?)
}

/// The log of who contributed to a repository when: `rails` or `staged_recipes`.
pub fn read_contributors(folder: &Path, name: &str) -> Result<Events> {
    let file = fs::File::open(folder.join(format!("{name}_contributors.csv")))?;
    Ok(Events::from_csv(file, &ReadOptions::default())?)
}

/// Unit of an event of Online Retail.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Retail {
    /// A line of an invoice, as in the file.
    Lines,
    /// An invoice.
    Invoices,
}

/// The log of Online Retail, purchases only: a positive quantity and a known customer; the amount is quantity times unit
/// price.
pub fn read_online_retail(folder: &Path, unit: Retail) -> Result<Events> {
    let table = Table::from_csv(fs::File::open(folder.join("online_retail.csv"))?, ',')?;
    let numbers = |name| match table.column(name) {
        Ok(ColumnData::Numeric(values)) => Ok(values),
        _ => Err(format!("Online Retail: no numeric column {name}")),
    };
    let ColumnData::Categorical(dates) = table.column("InvoiceDate")? else { return Err("InvoiceDate".into()) };
    let ColumnData::Categorical(invoices) = table.column("InvoiceNo")? else { return Err("InvoiceNo".into()) };
    let (customers, quantities, prices) = (numbers("CustomerID")?, numbers("Quantity")?, numbers("UnitPrice")?);
    let mut rows = Vec::new();
    for i in 0..table.rows() {
        if !customers[i].is_nan() && quantities[i] > 0.0 {
            let date: Day =
                dates[i].as_deref().and_then(|date| date.get(..10)).ok_or("a row without a date")?.parse()?;
            let amount = Some(quantities[i] * prices[i]);
            let order_id = invoices[i].clone().filter(|_| unit == Retail::Invoices);
            rows.push((customers[i].to_string(), Transaction { event_date: date, amount, event_type: None, order_id }));
        }
    }
    Ok(Events::from_rows(rows.iter().map(|(id, transaction)| (id.as_str(), transaction.clone())))?)
}

/// The three sets that come as one row a customer: Telco, bank and Iranian.
pub fn read_tables(folder: &Path) -> Result<[Customers; 3]> {
    let read = |name, file: &str, label, customer_id, leave_out: &[&'static str]| -> Result<Customers> {
        let table = Table::from_csv(fs::File::open(folder.join(file))?, ',')?;
        Ok(Customers { name, table, label, customer_id, leave_out: leave_out.to_vec() })
    };
    Ok([
        read("telco", "ibm_telco_churn.csv", "Churn", "customerID", &[])?,
        read("bank", "bank_churn_modelling.csv", "Exited", "CustomerId", &["RowNumber", "Surname"])?,
        read("iranian", "iranian_churn.csv", "Churn", "", &[])?,
    ])
}

/// The labels of a cutoff: who of those active so lately is gone for 90 days.
pub fn active_within(days: i32) -> LabelConfig {
    LabelConfig { active_within_days: Some(days), ..LabelConfig::default() }
}

/// The labelled customers of some cutoffs, with the position of each row's cutoff. Scales are those of the first.
pub fn snapshots(
    name: &'static str,
    events: &Events,
    cutoffs: &[&str],
    config: &LabelConfig,
) -> Result<(Customers, Vec<usize>)> {
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
    Ok((Customers { name, table, label: "churned", customer_id: "customer_id", leave_out: vec![] }, parts))
}

/// The rows of a table for which `keep` holds.
pub fn select(table: &Table, keep: impl Fn(usize) -> bool) -> Result<Table> {
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

/// Five folds by a fixed permutation: multiplication by a constant that has no factor in common with the number of rows.
pub fn deal(rows: usize) -> Vec<usize> {
    let stride =
        [2_654_435_761_u64, 2_654_435_769, 40_503].into_iter().find(|s| gcd(*s, rows as u64) == 1).unwrap_or(1);
    (0..rows as u64).map(|row| ((row * stride) % rows as u64 * 5 / rows as u64) as usize).collect()
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
