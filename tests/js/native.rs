//! The library as it runs outside of JavaScript, for the tests of the browser module to compare with, bit for bit.
//!
//! - `native vectors DIRECTORY`: the results of every case of the vectors in that directory, as one JSON object on standard
//!   output: numbers as they are, an error as `{error, line, message}`.
//! - `native train LOG.csv CONFIG.json`: the document of the model trained on the log.
//! - `native backtest LOG.csv CONFIG.json`: the backtest on the log, with its predictions as columns if they are asked for.
//! - `native predict LOG.csv MODEL.json`: the predictions of a document from anywhere.
//! - `native subscriptions PERIODS.csv CONFIG.json [USAGE.csv]`: the document of the model trained on the periods, and beside it what
//!   is known of them: predictions with causes, values, lists, movements, retention, labels, and the report.
//! - `native contacts LIST.json`: both groups of the contact list of `{customer_ids, p, values, config}` as CSV texts.
//! - `native time LOG.csv`: seconds from the text to the features of `rfm` and of `behavioral`, the best of three.

use std::time::Instant;

use base64::Engine as _;
use churn::profit::{self, Campaign, ContactGroup, ContactList, Costs, CustomerCosts};
use churn::report::Report;
use churn::{
    Backtest, BacktestConfig, Column, ColumnData, Events, ExplainConfig, FeatureConfig, FeatureTable, LabelConfig,
    Model, ReadOptions, Result, RetentionBy, SlippingConfig, SubscriptionInput, SubscriptionOptions, Subscriptions,
    Table, TableConfig, Thresholds, TrainConfig, backtest, compare, evaluate, features, labels, movements, retention,
    segment_table, subscription_features, subscription_labels, train, train_table,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let text = match arguments.as_slice() {
        ["vectors", directory] => Value::Object(vectors(directory)?).to_string(),
        ["train", log, config] => {
            let config = TrainConfig::from_json(&std::fs::read_to_string(config)?)?;
            train(&read(log)?, &config)?.to_json()
        }
        ["backtest", log, config] => {
            let config = BacktestConfig::from_json(&std::fs::read_to_string(config)?)?;
            backtested(backtest(&read(log)?, &config)?).to_string()
        }
        ["predict", log, model] => {
            let model = Model::from_json(&std::fs::read_to_string(model)?)?;
            let predictions = model.predict(&read(log)?, None)?;
            json!(predictions.iter().collect::<Vec<_>>()).to_string()
        }
        ["subscriptions", periods, config, usage @ ..] => {
            subscribed(periods, config, usage.first().copied())?.to_string()
        }
        ["detect", directory] => detected(directory)?.to_string(),
        ["contacts", list] => {
            let case = serde_json::from_str(&std::fs::read_to_string(list)?)?;
            let list = contact_list(&case)?;
            let group = |group| -> std::result::Result<String, Failure> {
                let mut text = Vec::new();
                list.write_group(group, &mut text)?;
                Ok(String::from_utf8(text)?)
            };
            json!({ "contact": group(ContactGroup::Contact)?, "control": group(ContactGroup::Control)? }).to_string()
        }
        ["time", log] => time(log)?.to_string(),
        _ => {
            return Err(
                "usage: native vectors DIRECTORY | train LOG CONFIG | backtest LOG CONFIG | predict LOG MODEL | \
             subscriptions PERIODS CONFIG [USAGE] | detect DIRECTORY | contacts LIST | time LOG"
                    .into(),
            );
        }
    };
    use std::io::Write as _;
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn contact_list(case: &Value) -> Result<ContactList> {
    let ids: Vec<&str> = case["customer_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    profit::contact_list(ids, &numbers(&case["p"]), optional(&case["values"]).as_deref(), &config(&case["config"]))
}

fn read(log: &str) -> std::result::Result<Events, Failure> {
    Ok(Events::from_csv(std::fs::File::open(log)?, &ReadOptions::default())?)
}

/// A model of subscriptions, and what follows from it and from the periods on the last day.
fn subscribed(periods: &str, config: &str, usage: Option<&str>) -> std::result::Result<Value, Failure> {
    let subscriptions = Subscriptions::from_csv(std::fs::File::open(periods)?, &SubscriptionOptions::default())?;
    let usage = usage.map(read).transpose()?;
    let mut input = SubscriptionInput::from(&subscriptions);
    if let Some(usage) = &usage {
        input = input.with_usage(usage);
    }
    let config = TrainConfig::from_json(&std::fs::read_to_string(config)?)?;
    let model = train(input, &config)?;
    let last_day = subscriptions.last_day();
    let features = model.features(input, None)?;
    let predictions = model.predict_features(&features)?;
    let base = subscriptions.customer_base(last_day)?;
    let causes: Map<String, Value> =
        predictions.causes().iter().map(|(cause, p)| (cause.name().to_owned(), json!(p))).collect();
    let text = |write: &dyn Fn(&mut Vec<u8>) -> Result<()>| -> std::result::Result<String, Failure> {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    };
    let slipping = model.slipping_away(input, None, &SlippingConfig::default())?;
    let words = ExplainConfig::default();
    let mut report = Report::new("Churn report", &model);
    report.subscriptions = Some(&subscriptions);
    report.predictions = Some(&predictions);
    report.reasons = Some((&features, &words));
    report.slipping = Some(&slipping);
    let cutoff = last_day.plus(-120);
    let labels = subscription_labels(&subscriptions, cutoff, &LabelConfig::default())?;
    let churned: Vec<u8> = labels.churned.iter().map(|&churned| u8::from(churned)).collect();
    let curves = [RetentionBy::All, RetentionBy::Cohort, RetentionBy::Plan];
    let curves = curves.map(|by| answer(retention(&subscriptions, by, 30)));
    Ok(json!({
        "document": model.to_json(),
        "predictions": predictions.iter().collect::<Vec<_>>(),
        "coverage": predictions.coverage(),
        "causes": causes,
        "values": model.subscription_values(&predictions, &base, 12.0)?,
        "base": base,
        "cancelled": base.cancelled,
        "cancelled_csv": text(&|writer| base.write_cancelled(writer))?,
        "dunning_csv": text(&|writer| base.write_dunning(&predictions, writer))?,
        "slipping": slipping,
        "reasons": model.explain(&features)?.reasons(0),
        "report": report.to_html().expect("an evaluated model"),
        "movements": movements(&subscriptions, 30)?,
        "retention": curves,
        "cutoff": cutoff,
        "labels": { "customer_id": labels.customer_ids, "churned": churned, "cause": labels.causes },
        "features": table_of_features(&subscription_features(&subscriptions.known_at(last_day), 30)?),
    }))
}

/// The detected form of each file of a directory, by name.
fn detected(directory: &str) -> std::result::Result<Value, Failure> {
    let mut found = Map::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.insert(name, json!(churn::detect(std::fs::File::open(&path)?, &ReadOptions::default())?));
    }
    Ok(Value::Object(found))
}

/// The result as the package gives it: the predictions of all cutoffs in one table.
fn backtested(found: Backtest) -> Value {
    let mut result = json!(found);
    if let Some(parts) = found.predictions {
        let rows = || parts.iter().flat_map(|of| (0..of.customer_ids.len()).map(move |row| (of, row)));
        let against: Map<String, Value> = parts
            .first()
            .into_iter()
            .flat_map(|of| of.against.keys())
            .map(|name| (name.clone(), rows().map(|(of, row)| of.against[name][row]).collect()))
            .collect();
        result["predictions"] = json!({
            "cutoff": rows().map(|(of, _)| of.cutoff).collect::<Vec<_>>(),
            "customer_id": rows().map(|(of, row)| of.customer_ids[row].as_str()).collect::<Vec<_>>(),
            "churned": rows().map(|(of, row)| u8::from(of.churned[row])).collect::<Vec<_>>(),
            "churn_probability": rows().map(|(of, row)| of.churn_probability[row]).collect::<Vec<_>>(),
            "against": against,
        });
    }
    result
}

fn time(log: &str) -> std::result::Result<Value, Failure> {
    let bytes = std::fs::read(log)?;
    let mut best = [f64::INFINITY; 2];
    for _ in 0..3 {
        for (seconds, feature_set) in best.iter_mut().zip(["rfm", "behavioral"]) {
            let config: FeatureConfig = serde_json::from_value(json!({"feature_set": feature_set}))?;
            let started = Instant::now();
            let events = Events::from_csv(bytes.as_slice(), &ReadOptions::default())?;
            let table = features(&events.split_at(events.last_day()).0, &config)?;
            *seconds = seconds.min(started.elapsed().as_secs_f64());
            std::hint::black_box(table.values());
        }
    }
    Ok(json!({"rfm": best[0], "behavioral": best[1]}))
}

fn answer(found: Result<impl Serialize>) -> Value {
    match found {
        Ok(found) => json!(found),
        Err(error) => json!({"error": error.code(), "line": error.line(), "message": error.to_string()}),
    }
}

fn config<T: DeserializeOwned>(value: &Value) -> T {
    let value = if value.is_null() { json!({}) } else { value.clone() };
    serde_json::from_value(value).expect("a configuration of the library")
}

/// null is a missing value.
fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()
}

fn optional(value: &Value) -> Option<Vec<f64>> {
    (!value.is_null()).then(|| numbers(value))
}

fn outcomes(value: &Value) -> Vec<bool> {
    numbers(value).into_iter().map(|y| y == 1.0).collect()
}

fn csv(text: &[u8], options: &Value) -> Result<Events> {
    Events::from_csv(text, &config(options))
}

fn table_of_features(table: &FeatureTable) -> Value {
    json!({
        "customer_ids": table.customer_ids().collect::<Vec<_>>(),
        "names": table.names().collect::<Vec<_>>(),
        "scales": table.scales(),
        "values": table.values().iter().map(|v| (!v.is_nan()).then_some(*v)).collect::<Vec<_>>(),
    })
}

/// A table of rows, each column of one kind.
fn table(rows: &[Value]) -> Table {
    let names: Vec<&String> = rows[0].as_object().expect("a row is an object").keys().collect();
    let column = |name: &String| {
        let values: Vec<&Value> = rows.iter().map(|row| &row[name]).collect();
        let data = if values.iter().any(|value| value.is_string()) {
            ColumnData::Categorical(values.iter().map(|value| value.as_str().map(str::to_owned)).collect())
        } else if values.iter().any(|value| value.is_boolean()) {
            ColumnData::Boolean(values.iter().map(|value| value.as_bool()).collect())
        } else {
            ColumnData::Numeric(values.iter().map(|value| value.as_f64().unwrap_or(f64::NAN)).collect())
        };
        Column { name: name.clone(), data }
    };
    Table::new(names.into_iter().map(column).collect()).expect("rows of the vectors are a table")
}

/// The bytes of a case of errors.json.
fn bytes(case: &Value) -> Vec<u8> {
    if let Some(text) = case["csv"].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(text) = case["csv_base64"].as_str() {
        return base64::engine::general_purpose::STANDARD.decode(text).expect("base64");
    }
    let part = |part: &Value| match part.as_str() {
        Some(text) => text.to_owned(),
        None => {
            part["repeat"][0].as_str().expect("a text").repeat(part["repeat"][1].as_u64().expect("a count") as usize)
        }
    };
    case["csv_parts"].as_array().expect("parts").iter().map(part).collect::<String>().into_bytes()
}

/// Calls with the costs of a case of costs.json.
fn with_costs<T>(case: &Value, call: impl FnOnce(&CustomerCosts<'_>) -> T) -> T {
    let given = ["tp_cost", "fp_cost", "tn_cost", "fn_cost"].map(|name| &case["costs"][name]);
    let columns = given.map(|cost| cost.is_array().then(|| numbers(cost)));
    let [tp_cost, fp_cost, tn_cost, fn_cost] = [0, 1, 2, 3].map(|i| match &columns[i] {
        Some(column) => Costs::from(column.as_slice()),
        None => Costs::from(given[i].as_f64().unwrap_or(0.0)),
    });
    call(&CustomerCosts { tp_cost, fp_cost, tn_cost, fn_cost })
}

fn savings(case: &Value) -> Value {
    let (y, p) = (outcomes(&case["y"]), numbers(&case["p"]));
    answer(with_costs(case, |costs| profit::savings(&y, &p, costs, &config(&case["config"]))))
}

fn thresholds(case: &Value) -> Value {
    let as_json = |t: f64| if t.is_finite() { json!(t) } else { json!(t.to_string()) };
    let found = with_costs(case, profit::cost_thresholds);
    answer(found.map(|thresholds| thresholds.into_iter().map(as_json).collect::<Vec<_>>()))
}

fn vectors(directory: &str) -> std::result::Result<Map<String, Value>, Failure> {
    let file = |name: &str| -> std::result::Result<Value, Failure> {
        Ok(serde_json::from_str(&std::fs::read_to_string(format!("{directory}/{name}"))?)?)
    };
    let mut results = Map::new();
    let mut all = |name: &str, list: &str, run: &dyn Fn(&Value) -> Value| -> std::result::Result<(), Failure> {
        for (i, case) in file(name)?[list].as_array().ok_or("a list of cases")?.iter().enumerate() {
            results.insert(format!("{name}/{list}/{i}"), run(case));
        }
        Ok(())
    };

    let computed = |set: &str, case: &Value| {
        let found = csv(case["csv"].as_str().unwrap_or_default().as_bytes(), &Value::Null).and_then(|events| {
            let as_of = case["as_of"].as_str().unwrap_or_default().parse()?;
            features(&events.split_at(as_of).0, &config(&json!({"feature_set": set})))
        });
        answer(found.map(|table| table_of_features(&table)))
    };
    all("rfm.json", "cases", &|case| computed("rfm", case))?;
    all("behavioral.json", "cases", &|case| computed("behavioral", case))?;
    all("labels.json", "cases", &|case| {
        let found = csv(case["csv"].as_str().unwrap_or_default().as_bytes(), &Value::Null).and_then(|events| {
            let cutoff = case["cutoff"].as_str().map_or(Ok(events.last_day()), str::parse)?;
            let mut definition = case["definition"].clone();
            definition["labels"] = definition["kind"].take();
            definition.as_object_mut().expect("a definition").remove("kind");
            let (history, outcome) = events.split_at(cutoff);
            let labels = labels(&history, &outcome, &config::<LabelConfig>(&definition))?;
            Ok(labels.iter().map(|(id, churned)| (id.to_owned(), json!(u8::from(churned)))).collect::<Map<_, _>>())
        });
        answer(found)
    })?;
    let judged = |case: &Value| answer(evaluate(&outcomes(&case["y"]), &numbers(&case["p"]), &config(&Value::Null)));
    all("metrics.json", "cases", &judged)?;
    all("metrics.json", "errors", &judged)?;
    let compared = |case: &Value| {
        answer(compare(&outcomes(&case["y"]), &numbers(&case["a"]), &numbers(&case["b"]), &config(&case["config"])))
    };
    all("compare.json", "cases", &compared)?;
    all("compare.json", "errors", &compared)?;
    let band = |case: &Value| {
        let p = case.get("p").map_or(0.5, |p| p.as_f64().unwrap_or(f64::NAN));
        answer(config::<Thresholds>(&case["thresholds"]).segment(p))
    };
    all("segments.json", "cases", &band)?;
    all("segments.json", "errors", &band)?;
    all("segments.json", "tables", &|case| {
        answer(segment_table(&outcomes(&case["y"]), &numbers(&case["p"]), &config(&case["thresholds"])))
    })?;
    all("errors.json", "cases", &|case| {
        answer(csv(&bytes(case), &case["options"]).map(|events| {
            let mut found = json!(events.report());
            found["customers"] = json!(events.customers());
            found["first_day"] = json!(events.first_day());
            found["last_day"] = json!(events.last_day());
            found
        }))
    })?;
    let merged = |case: &Value| {
        let events = csv(case["csv"].as_str().unwrap_or_default().as_bytes(), &case["options"]);
        answer(events.and_then(|events| {
            let as_of = case["as_of"].as_str().map_or(Ok(events.last_day()), str::parse)?;
            let table = features(&events.split_at(as_of).0, &config(&json!({"feature_set": "behavioral"})))?;
            let (report, unit) = (events.report(), events.unit());
            Ok(json!({"report": report, "unit": unit, "features": table_of_features(&table)}))
        }))
    };
    all("orders.json", "cases", &merged)?;
    all("orders.json", "errors", &merged)?;
    all("logistic.json", "cases", &|case| {
        let x: Vec<Vec<f64>> = case["x"].as_array().into_iter().flatten().map(numbers).collect();
        let numeric = |name: String, values: Vec<f64>| Column { name, data: ColumnData::Numeric(values) };
        let width = x.first().map_or(0, Vec::len);
        let mut columns: Vec<Column> =
            (0..width).map(|j| numeric(format!("x{j}"), x.iter().map(|row| row[j]).collect())).collect();
        columns.push(numeric("churned".to_owned(), numbers(&case["y"])));
        let weight = optional(&case["weights"]).map(|weights| {
            columns.push(numeric("weight".to_owned(), weights));
            "weight"
        });
        let config: TableConfig = config(&json!({"model": "logistic_regression", "l2": case["l2"], "weight": weight}));
        answer(Table::new(columns).and_then(|table| train_table(&table, &config)).map(|model| model.to_json()))
    })?;
    let explain = file("explain.json")?;
    all("explain.json", "cases", &|case| {
        let document = file(&format!("documents/{}", case["document"].as_str().unwrap_or_default()));
        let mut document = document.expect("the document of a case");
        document["background"] = explain["background"].clone();
        document["typical"] = explain["typical"][case["document"].as_str().unwrap_or_default()].clone();
        let how: ExplainConfig = config(&json!({"feature_perturbation": case["feature_perturbation"], "reasons": 5}));
        let found = Model::from_json(&document.to_string()).and_then(|model| {
            let table = model.table_features(&table(std::slice::from_ref(&case["row"])), None)?;
            let explanation = model.explain_with(&table, &how)?;
            Ok(json!({
                "base": explanation.base(),
                "margin": explanation.margin(),
                "contributions": explanation.contributions().iter().collect::<Vec<_>>(),
                "churn_probability": explanation.churn_probabilities(),
                "reasons": explanation.reasons(0),
            }))
        });
        answer(found)
    })?;
    all("profit.json", "expected_profit", &|case| {
        let (campaign, p) = (config::<Campaign>(&case["config"]), case["p"].as_f64().unwrap_or(f64::NAN));
        let value = case["value"].as_f64().unwrap_or(f64::NAN);
        answer(campaign.expected_profit(p, value).and_then(|profit| Ok((profit, campaign.threshold()?))))
    })?;
    let (y, p) = (|case: &Value| outcomes(&case["y"]), |case: &Value| numbers(&case["p"]));
    let empc = |case: &Value| answer(profit::empc(&y(case), &p(case), &config(&case["config"])));
    let mpc = |case: &Value| answer(profit::mpc(&y(case), &p(case), &config(&case["config"])));
    let curve = |case: &Value| answer(profit::curve(&y(case), &p(case), &config(&case["config"])));
    let expected = |case: &Value| {
        answer(profit::expected_curve(&p(case), optional(&case["values"]).as_deref(), &config(&case["config"])))
    };
    let list = |case: &Value| answer(contact_list(case));
    all("profit.json", "empc", &empc)?;
    all("profit.json", "curve", &|case| json!([curve(case), mpc(case)]))?;
    all("profit.json", "expected_curve", &expected)?;
    all("profit.json", "contact_list", &list)?;
    all("profit.json", "campaign_outcome", &|case| {
        let (mut contacted, mut churned) = (Vec::new(), Vec::new());
        for (group, key) in [(true, "contacted"), (false, "control")] {
            let [retained, customers] = [0, 1].map(|i| case[key][i].as_u64().unwrap_or(0));
            contacted.extend((0..customers).map(|_| group));
            churned.extend((0..customers).map(|i| i >= retained));
        }
        answer(profit::campaign_outcome(&contacted, &churned, &config(&case["config"])))
    })?;
    all("profit.json", "errors", &|case| match case["call"].as_str().unwrap_or_default() {
        "empc" => empc(case),
        "mpc" => mpc(case),
        "curve" => curve(case),
        "expected_curve" => expected(case),
        "contact_list" => list(case),
        _ => answer(profit::campaign_outcome(&outcomes(&case["contacted"]), &y(case), &config(&case["config"]))),
    })?;
    all("costs.json", "cases", &|case| {
        let thresholds = if case["thresholds"].is_null() { Value::Null } else { thresholds(case) };
        json!([savings(case), thresholds])
    })?;
    all("costs.json", "errors", &|case| if case["call"] == "savings" { savings(case) } else { thresholds(case) })?;
    let expected = file("documents/expected.json")?;
    let rows = table(expected["rows"].as_array().ok_or("rows")?);
    for name in expected["probabilities"].as_object().ok_or("probabilities")?.keys() {
        let document = std::fs::read_to_string(format!("{directory}/documents/{name}"))?;
        let found = Model::from_json(&document).and_then(|model| model.predict_table(&rows, None));
        let found = found.map(|predictions| predictions.churn_probabilities().to_vec());
        results.insert(format!("documents/{}", name.trim_end_matches("_v1.json")), answer(found));
    }
    Ok(results)
}
