//! Fitting a learner to a matrix in memory; nothing is chosen, calibrated or judged, as with the peers.

use std::fs;
use std::path::Path;

use churn::{CalibrationKind, Classifier, LearnConfig, ModelKind};

use crate::{Result, measured, read_matrix, write_doubles};

/// The settings that the peers are given too.
pub(crate) fn settings(model: ModelKind) -> LearnConfig {
    let boosting = model == ModelKind::GradientBoosting;
    LearnConfig {
        model,
        calibration: CalibrationKind::None,
        trees: 100,
        rounds: Some(100),
        learning_rate: 0.1,
        max_depth: Some(if boosting { 5 } else { 10 }),
        leaf_l2: Some(1.0),
        column_sample: 1.0,
        // Rows; as a curvature, which the peers bound by 1, a row counts at most a quarter.
        min_child_weight: Some(if boosting { 1.0 } else { 4.0 }),
        l2: 1.0,
        ..LearnConfig::default()
    }
}

pub(crate) fn train(model: &str, folder: &Path, columns: usize, check: Option<&Path>) -> Result<()> {
    let kind = match model {
        "logistic" => ModelKind::LogisticRegression,
        "boosting" => ModelKind::GradientBoosting,
        "forest" => ModelKind::RandomForest,
        _ => return Err(format!("model {model:?}; expected logistic, boosting or forest").into()),
    };
    let x = read_matrix(&folder.join("x.f64"), columns)?;
    let y: Vec<bool> = fs::read(folder.join("y.u8"))?.iter().map(|&y| y == 1).collect();
    let names: Vec<String> = (0..columns).map(|i| format!("f{i}")).collect();
    let config = settings(kind);
    let (fitted, line) = measured(1, 0.3, || Ok(Classifier::fit(&x, &names, &y, None, &config)?))?;
    if let Some(out) = check {
        fs::create_dir_all(out)?;
        let test = read_matrix(&folder.join("test_x.f64"), columns)?;
        write_doubles(&out.join("p.f64"), &fitted.probabilities(&test)?)?;
        if kind == ModelKind::LogisticRegression {
            write_doubles(&out.join("coefficients.f64"), &coefficients(&fitted)?)?;
        }
    }
    println!("{line}");
    Ok(())
}

/// The intercept and the coefficients of the standardised columns, as they stand in the document.
fn coefficients(fitted: &Classifier) -> Result<Vec<f64>> {
    let document: serde_json::Value = serde_json::from_str(&fitted.to_json())?;
    let learner = &document["learner"]["logistic_regression"];
    let terms = learner["terms"].as_array().ok_or("the document has no terms")?;
    let values = std::iter::once(&learner["intercept"]).chain(terms.iter().map(|term| &term["coefficient"]));
    values.map(|value| value.as_f64().ok_or_else(|| "a coefficient is no number".into())).collect()
}
