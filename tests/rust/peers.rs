//! Independent implementations agree: smartcore's logistic regression, fitted by L-BFGS, has our coefficients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use churn::{CalibrationKind, Column, ColumnData, LearnConfig, ModelKind, Table, TableConfig, train_table};
use smartcore::linalg::basic::arrays::Array;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::linear::logistic_regression::{LogisticRegression, LogisticRegressionParameters};

const ROWS: usize = 400;
const COLUMNS: usize = 5;

/// A fixed sequence in −1..1 (Weyl's, with irrational steps): no generator, no seed.
fn value(row: usize, column: usize) -> f64 {
    let step = [0.618_033_988_75, 0.754_877_666_25, 0.569_840_290_998, 0.819_172_513_396, 0.671_043_606_703][column];
    2.0 * ((row + 1) as f64 * step).fract() - 1.0
}

/// Columns with mean 0 and deviation 1, so that our standardisation leaves them as they are.
fn standardised(column: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..ROWS).map(|row| value(row, column)).collect();
    let mean = raw.iter().sum::<f64>() / ROWS as f64;
    let deviation = (raw.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / ROWS as f64).sqrt();
    raw.iter().map(|v| (v - mean) / deviation).collect()
}

#[test]
fn smartcore_finds_the_same_logistic_coefficients() {
    let columns: Vec<Vec<f64>> = (0..COLUMNS).map(standardised).collect();
    let churned: Vec<bool> = (0..ROWS)
        .map(|i| columns[0][i] - 0.7 * columns[1][i] + 0.3 * columns[2][i] + 2.0 * value(i * 7 + 3, 4) > 0.4)
        .collect();

    let x = DenseMatrix::new(ROWS, COLUMNS, columns.concat(), true).unwrap();
    let y: Vec<u32> = churned.iter().map(|&y| u32::from(y)).collect();
    let theirs = LogisticRegression::fit(&x, &y, LogisticRegressionParameters::default().with_alpha(1.0)).unwrap();

    let mut table =
        vec![Column { name: "churned".to_owned(), data: ColumnData::Boolean(churned.into_iter().map(Some).collect()) }];
    table.extend(
        columns.into_iter().enumerate().map(|(i, v)| Column { name: format!("x{i}"), data: ColumnData::Numeric(v) }),
    );
    let model = ModelKind::LogisticRegression;
    let learning = LearnConfig { model, calibration: CalibrationKind::None, l2: 1.0, ..LearnConfig::default() };
    let ours = train_table(&Table::new(table).unwrap(), &TableConfig { learning, ..TableConfig::default() }).unwrap();
    let document: serde_json::Value = serde_json::from_str(&ours.to_json()).unwrap();
    let fitted = &document["learner"]["logistic_regression"];

    // The bound allows for L-BFGS stopping short of the minimum; logistic.json holds ours to 1e-6 of scikit-learn's.
    let intercept = fitted["intercept"].as_f64().unwrap();
    assert!((intercept - theirs.intercept().get((0, 0))).abs() < 1e-4, "{intercept} {}", theirs.intercept());
    for column in 0..COLUMNS {
        let coefficient = fitted["terms"][column]["coefficient"].as_f64().unwrap();
        let their = *theirs.coefficients().get((0, column));
        assert!((coefficient - their).abs() < 1e-4, "x{column}: {coefficient} {their}");
    }
}
