//! The cases of `costs.json`.

use churn::Result;
use churn::profit::{self, Costs, CustomerCosts};
use churn_tests::{say, vectors};
use serde_json::{Value, json};

use super::{cases, check, config, numbers, outcomes, text, to_value};

const SAVINGS: usize = 21;
const ERRORS: usize = 19;

/// Calls with the costs of a case.
fn with_costs<T>(case: &Value, call: impl FnOnce(&CustomerCosts<'_>) -> T) -> T {
    let given = ["tp_cost", "fp_cost", "tn_cost", "fn_cost"].map(|name| &case["costs"][name]);
    let columns = given.map(|cost| cost.is_array().then(|| numbers(cost)));
    let [tp_cost, fp_cost, tn_cost, fn_cost] = [0, 1, 2, 3].map(|i| match &columns[i] {
        Some(column) => Costs::from(column.as_slice()),
        None => Costs::from(given[i].as_f64().unwrap_or(0.0)),
    });
    call(&CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost })
}

fn savings(case: &Value) -> Result<profit::Savings> {
    with_costs(case, |costs| profit::savings(&outcomes(&case["y"]), &numbers(&case["p"]), costs, &config(case)))
}

fn thresholds(case: &Value) -> Result<Vec<f64>> {
    with_costs(case, profit::cost_thresholds)
}

#[test]
fn savings_and_thresholds() {
    let file = vectors("costs.json");
    let (cases, errors) = (cases(&file, "cases", SAVINGS), cases(&file, "errors", ERRORS));
    for case in &cases {
        let name = text(case, "name");
        let found = savings(case).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(name, &to_value(found), &case["expected"]);
        if let Some(expected) = case.get("thresholds") {
            let as_json = |t: &f64| if t.is_finite() { json!(t) } else { json!(t.to_string()) };
            let found = thresholds(case).unwrap_or_else(|error| panic!("{name}: {error}"));
            check(name, &found.iter().map(as_json).collect(), expected);
        }
    }
    for case in &errors {
        let found = match text(case, "call") {
            "savings" => savings(case).map(to_value),
            "cost_thresholds" => thresholds(case).map(to_value),
            call => panic!("{call}: no such call"),
        };
        let found = found.map_err(|error| (error.code(), error.line()));
        assert_eq!(found, Err((text(case, "error"), case["line"].as_u64())), "{}", text(case, "name"));
    }
    say(&format!("vectors/costs.json: {} cases", cases.len() + errors.len()));
}
