//! Results of the core on a log, number by number: the other languages must say the same, bit for bit.
//!
//! ```text
//! cargo run --release --example parity -- events.csv > numbers.json
//! ```
//!
//! Numbers are written with as many digits as tell them from their neighbours, so reading them back gives the same bits.

#![allow(clippy::print_stdout, reason = "printing is what an example does")]

use std::error::Error;
use std::fs::File;

use churn::profit::{ContactConfig, EmpcConfig, contact_list, empc};
use churn::{
    BacktestConfig, Customer, EvaluationConfig, Events, ExplainConfig, FeatureConfig, FeaturePerturbation, FeatureSet,
    FeatureTable, LabelConfig, Model, ReadOptions, TrainConfig, Transaction, backtest, evaluate, features, labels,
    train,
};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which log? expected the path of a CSV file")?;
    let events = Events::from_csv(File::open(path)?, &ReadOptions::default())?;
    let cutoff = events.last_day().plus(-90);

    let mut tables = Vec::new();
    for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
        let (history, _) = events.split_at(events.last_day());
        let config = FeatureConfig { feature_set, ..FeatureConfig::default() };
        tables.push(of_table(&features(&history, &config)?));
    }

    let (history, outcome) = events.split_at(cutoff);
    let labels: Vec<Value> =
        labels(&history, &outcome, &LabelConfig::default())?.iter().map(|(id, churned)| json!([id, churned])).collect();

    let mut models = Vec::new();
    for settings in [
        r#"{"model": "logistic_regression"}"#,
        r#"{"model": "random_forest", "trees": 20, "seed": 7}"#,
        r#"{"model": "gradient_boosting", "feature_set": "behavioral", "horizon_days": 60, "snapshots": 2}"#,
    ] {
        let model = train(&events, &TrainConfig::from_json(settings)?)?;
        models.push(of_model(&model, &events, settings)?);
    }
    println!(
        "{}",
        json!({
            "as_of": events.last_day(), "cutoff": cutoff, "features": tables, "labels": labels, "models": models,
            "backtest": of_backtest(&events)?,
        })
    );
    Ok(())
}

fn number(value: f64) -> Value {
    if value.is_nan() { Value::Null } else { value.into() }
}

fn of_table(table: &FeatureTable) -> Value {
    let rows: Vec<Vec<Value>> =
        table.values().rows().into_iter().map(|row| row.iter().map(|&value| number(value)).collect()).collect();
    let ids: Vec<&str> = table.customer_ids().collect();
    let names: Vec<&str> = table.names().collect();
    json!({ "customer_ids": ids, "names": names, "rows": rows, "scales": table.scales() })
}

fn of_backtest(events: &Events) -> Result<Value, Box<dyn Error>> {
    let settings = r#"{"model": "gradient_boosting", "horizon_days": 60, "rounds": 10, "predictions": true,
        "against": {"forest": {"model": "random_forest", "trees": 5}}}"#;
    let found = backtest(events, &BacktestConfig::from_json(settings)?)?;
    let predictions = found.predictions.iter().flatten().map(|of| {
        json!({
            "cutoff": of.cutoff, "customer_ids": of.customer_ids, "churned": of.churned,
            "churn_probability": of.churn_probability, "against": of.against,
        })
    });
    Ok(json!({
        "settings": serde_json::from_str::<Value>(settings)?,
        "result": serde_json::to_string(&found)?,
        "predictions": predictions.collect::<Vec<_>>(),
    }))
}

fn of_model(model: &Model, events: &Events, settings: &str) -> Result<Value, Box<dyn Error>> {
    let predictions = model.predict(events, None)?;
    let p = predictions.churn_probabilities();
    let table = model.features(events, None)?;

    let explain = |feature_perturbation| -> Result<Value, Box<dyn Error>> {
        let config = ExplainConfig { feature_perturbation, ..ExplainConfig::default() };
        let explanation = model.explain_with(&table, &config)?;
        let contributions: Vec<Vec<f64>> =
            explanation.contributions().rows().into_iter().map(|row| row.to_vec()).collect();
        let reasons: Vec<Vec<String>> =
            (0..p.len()).map(|row| explanation.reasons(row).into_iter().map(|reason| reason.text).collect()).collect();
        Ok(json!({
            "base": explanation.base(), "margin": explanation.margin(), "contributions": contributions,
            "reasons": reasons, "importance": explanation.importance(),
        }))
    };

    // The first customer alone, at the same day.
    let first = events.customer_ids().next().ok_or("a log has a customer")?;
    let transactions = events.iter().take_while(|(id, ..)| *id == first).map(|(_, event_date, amount, kind)| {
        Transaction { event_date, amount, event_type: kind.map(str::to_owned), order_id: None }
    });
    let customer = Customer {
        customer_id: first.to_owned(),
        transactions: transactions.collect(),
        attributes: std::collections::BTreeMap::new(),
    };

    // Any outcome will do: it is the arithmetic that is compared.
    let y: Vec<bool> = (0..p.len()).map(|row| row % 3 == 0).collect();
    let contacts = contact_list(
        predictions.customer_ids(),
        p,
        None,
        &ContactConfig { budget: Some(100.0), ..ContactConfig::default() },
    )?;
    let segments: Vec<&str> = predictions.risk_segments().map(|segment| segment.name()).collect();
    Ok(json!({
        "settings": serde_json::from_str::<Value>(settings)?,
        "document": model.to_json(),
        "evaluation": model.evaluation().expect("an evaluation"),
        "churn_probability": p,
        "risk_segment": segments,
        "one": model.predict_one(&customer, events.last_day())?,
        "explanation": explain(FeaturePerturbation::TreePathDependent)?,
        "interventional": explain(FeaturePerturbation::Interventional)?,
        "metrics": evaluate(&y, p, &EvaluationConfig::default())?,
        "empc": empc(&y, p, &EmpcConfig::default())?,
        "contacts": contacts,
    }))
}
