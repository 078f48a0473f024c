//! Made-up customers in a table, and models of them.

use churn::{Column, ColumnData, FeatureTable, LearnConfig, Model, ModelKind, Table, TableConfig, train_table};

use crate::Xorshift;

/// The numeric columns.
pub const NUMBERS: [&str; 3] = ["spend", "visits", "age"];
const PLANS: [&str; 5] = ["basic", "family", "gold", "silver", "student"];

/// Customers with three numbers, two categories, a flag and a column that never changes; every eighth value is missing. With
/// `wide` the values reach beyond those of training, and some categories are new.
pub fn customers(seed: u64, rows: usize, wide: bool) -> Table {
    let mut random = Xorshift::new(seed);
    let mut numbers = vec![Vec::with_capacity(rows); NUMBERS.len()];
    let (mut plans, mut cities) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let (mut active, mut churned) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    let reach = if wide { 3.0 } else { 1.0 };
    for _ in 0..rows {
        let number = |low: f64, high: f64, random: &mut Xorshift| {
            let middle = (low + high) / 2.0;
            let value = middle + reach * (low - middle + random.unit() * (high - low));
            if random.below(8) == 0 { f64::NAN } else { value }
        };
        let spend = number(0.0, 400.0, &mut random);
        let visits = number(0.0, 40.0, &mut random).round();
        let age = number(18.0, 80.0, &mut random).round();
        let plan = (random.below(8) > 0).then(|| *random.pick(&PLANS.each_ref()));
        let city = random.below(if wide { 30 } else { 20 });
        let flag = (random.below(8) > 0).then(|| random.below(2) == 0);
        let margin = (200.0 - if spend.is_nan() { 100.0 } else { spend }) / 100.0
            - if visits > 12.0 { 1.5 } else { 0.0 }
            + if age < 30.0 && plan == Some("student") { 2.0 } else { 0.0 }
            + if plan == Some("basic") { 1.0 } else { -0.5 }
            + if city.is_multiple_of(3) { 0.8 } else { -0.4 }
            + if flag == Some(true) { -1.0 } else { 0.6 };
        churned.push(Some(random.unit() < 1.0 / (1.0 + (-margin).exp())));
        for (column, value) in numbers.iter_mut().zip([spend, visits, age]) {
            column.push(value);
        }
        plans.push(plan.map(|plan| (*plan).to_owned()));
        cities.push(Some(format!("city {city}")));
        active.push(flag);
    }
    let column = |name: &str, data| Column { name: name.to_owned(), data };
    let mut columns: Vec<Column> =
        NUMBERS.iter().zip(numbers).map(|(name, values)| column(name, ColumnData::Numeric(values))).collect();
    columns.push(column("plan", ColumnData::Categorical(plans)));
    columns.push(column("city", ColumnData::Categorical(cities)));
    columns.push(column("active", ColumnData::Boolean(active)));
    columns.push(column("always", ColumnData::Numeric(vec![1.0; rows])));
    columns.push(column("churned", ColumnData::Boolean(churned)));
    Table::new(columns).expect("columns of one length")
}

/// A model of them: few trees of the default depth, so that a million rows are soon explained.
pub fn model(kind: ModelKind, trees: usize) -> Model {
    let learning = LearnConfig { model: kind, trees, rounds: Some(trees), ..LearnConfig::default() };
    train_table(&customers(1, 3000, false), &TableConfig { learning, ..TableConfig::default() }).expect("both classes")
}

/// The features of a table as a model takes them.
pub fn features_of(model: &Model, table: &Table) -> FeatureTable {
    model.table_features(table, None).expect("the columns are there")
}

/// One row of a table.
pub fn only(table: &Table, row: usize) -> Table {
    let columns = table.columns().iter().map(|column| Column {
        name: column.name.clone(),
        data: match &column.data {
            ColumnData::Numeric(values) => ColumnData::Numeric(vec![values[row]]),
            ColumnData::Boolean(values) => ColumnData::Boolean(vec![values[row]]),
            ColumnData::Categorical(values) => ColumnData::Categorical(vec![values[row].clone()]),
        },
    });
    Table::new(columns.collect()).expect("columns of one length")
}
