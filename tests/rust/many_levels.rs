//! Categories of more than 255 levels: every learner learns them, but not random ones by heart, and every door takes them.

use std::collections::BTreeMap;
use std::process::Command;

use churn::{
    Customer, EvaluationConfig, ExplainConfig, FeaturePerturbation, Input, LearnConfig, MAX_LEVELS, Model, ModelKind,
    Table, TableConfig, TrainConfig, Transaction, Value, evaluate, train, train_table,
};
use churn_tests::{Xorshift, csv_of, log_lines, read, say, vector_path};
use serde_json::json;

const LEARNERS: [ModelKind; 3] = [ModelKind::LogisticRegression, ModelKind::RandomForest, ModelKind::GradientBoosting];
/// As many service areas as there are in a public table of a telephone company.
const AREAS: usize = 747;

/// Customers whose log-odds of churn are the sum of the effect of their area (of the standard deviation 1) and of a number.
struct Customers {
    csv: String,
    churned: Vec<bool>,
    /// The true probabilities.
    probabilities: Vec<f64>,
}

fn customers(seed: u64, rows: usize, effects: &[f64]) -> Customers {
    let mut random = Xorshift::new(seed);
    let mut made =
        Customers { csv: "area,minutes,churned\n".to_owned(), churned: Vec::new(), probabilities: Vec::new() };
    for _ in 0..rows {
        let (area, minutes) = (random.below(effects.len()), random.below(2000));
        let margin: f64 = effects[area] + minutes as f64 / 1000.0 - 2.0;
        let probability = 1.0 / (1.0 + (-margin).exp());
        let churned = random.unit() < probability;
        let missing = random.below(50) == 0;
        let area = if missing { String::new() } else { format!("area {area:03}") };
        made.csv.push_str(&format!("{area},{minutes},{}\n", u8::from(churned)));
        made.churned.push(churned);
        made.probabilities.push(probability);
    }
    made
}

/// Effects of areas: sums of twelve uniform numbers, which are nearly normal with the standard deviation 1.
fn effects(seed: u64) -> Vec<f64> {
    let mut random = Xorshift::new(seed);
    (0..AREAS).map(|_| (0..12).map(|_| random.unit()).sum::<f64>() - 6.0).collect()
}

fn table(csv: &str) -> Table {
    Table::from_csv(csv.as_bytes(), ',').expect("a good table")
}

fn fit(csv: &str, model: ModelKind, leave_out: &[&str]) -> Model {
    let leave_out = leave_out.iter().map(|name| (*name).to_owned()).collect();
    let learning = LearnConfig { model, ..LearnConfig::default() };
    train_table(&table(csv), &TableConfig { learning, leave_out, ..TableConfig::default() }).expect("both classes")
}

/// Of about 27 customers an area, of whom a fifth churn, the effects can be told with a reliability of about 80 %. So a model comes
/// close to the truth, and one without the column stays far from it.
#[test]
fn areas_are_learned() {
    let effects = effects(1);
    let (learned, judged) = (customers(2, 20_000, &effects), customers(3, 20_000, &effects));
    let auc = |p: &[f64]| evaluate(&judged.churned, p, &EvaluationConfig::default()).expect("both classes").roc_auc;
    let truth = auc(&judged.probabilities);
    for kind in LEARNERS {
        let of = |leave_out: &[&str]| {
            let predictions = fit(&learned.csv, kind, leave_out).predict_table(&table(&judged.csv), None);
            auc(predictions.expect("the columns are there").churn_probabilities())
        };
        let (with, without) = (of(&[]), of(&["area"]));
        say(&format!("{AREAS} areas, {}: AUC {with:.4}, {without:.4} without, the truth has {truth:.4}", kind.name()));
        assert!(with > truth - 0.04 && with > without + 0.1, "{}: {with}, {without}, {truth}", kind.name());
    }
}

/// Random areas cost next to nothing on other customers.
#[test]
fn a_random_category_costs_nothing() {
    let none = vec![0.0; 2000];
    let (learned, judged) = (customers(4, 8_000, &none), customers(5, 20_000, &none));
    for kind in LEARNERS {
        let of = |leave_out: &[&str]| {
            let predictions = fit(&learned.csv, kind, leave_out).predict_table(&table(&judged.csv), None);
            let predictions = predictions.expect("the columns are there");
            evaluate(&judged.churned, predictions.churn_probabilities(), &EvaluationConfig::default()).expect("both")
        };
        let (with, without) = (of(&[]).roc_auc, of(&["area"]).roc_auc);
        say(&format!("a random category of 2000 levels, {}: AUC {with:.4}, {without:.4} without", kind.name()));
        assert!(with > without - 0.004, "{}: {without} falls to {with}", kind.name());
    }
}

#[test]
fn documents_explanations_and_questions_follow() {
    let learned = customers(6, 6_000, &effects(1));
    for kind in LEARNERS {
        let model = fit(&learned.csv, kind, &[]);
        let text = model.to_json();
        assert_eq!(Model::from_json(&text).expect("its own document"), model);
        let levels = model.feature_specs()[0].levels.clone().expect("a category");
        assert!(levels.len() > MAX_LEVELS && levels.contains(&"(other)".to_owned()), "{}", levels.len());

        // An independent reader of documents, which knows nothing of this library.
        let path = std::env::temp_dir().join(format!("churn-many-levels-{}-{}.json", std::process::id(), kind.name()));
        std::fs::write(&path, &text).expect("is written");
        let scored = Command::new("python3").arg(vector_path("score_document.py")).arg("--golden").arg(&path).output();
        let scored = scored.expect("python3 is there");
        std::fs::remove_file(&path).expect("it was written");
        assert!(scored.status.success(), "{}", String::from_utf8_lossy(&scored.stdout));

        // Values without a level of their own are all the same, and not the same as none.
        let one = |area: &str| {
            let rows = table(&format!("area,minutes\n{area},700\n"));
            model.predict_table(&rows, None).expect("a row").churn_probabilities()[0]
        };
        assert_eq!(one("nowhere").to_bits(), one("(other)").to_bits());
        assert_eq!(one("nowhere").to_bits(), one("elsewhere").to_bits());
        assert_ne!(one("area 001").to_bits(), one("area 002").to_bits());

        let rows = table("area,minutes\narea 001,1900\nnowhere,1900\n,1900\n");
        let features = model.table_features(&rows, None).expect("the columns are there");
        for feature_perturbation in [FeaturePerturbation::TreePathDependent, FeaturePerturbation::Interventional] {
            let config = ExplainConfig { feature_perturbation, ..ExplainConfig::default() };
            let explained = model.explain_with(&features, &config).expect("explanations");
            let explainer = model.explainer(&config).expect("an explainer");
            for row in 0..3 {
                let added = explained.base() + explained.contributions().row(row).sum();
                assert!((added - explained.margin()[row]).abs() < 1e-9, "{kind:?} {row}");
                let mut contributions = [0.0; 2];
                let values = features.values().row(row).to_vec();
                let margin = explainer.explain_row(&values, &mut contributions).expect("a row of features");
                assert_eq!(margin.to_bits(), explained.margin()[row].to_bits());
                assert_eq!(contributions[0].to_bits(), explained.contributions()[(row, 0)].to_bits());
            }
            let texts: Vec<String> = (0..3)
                .map(|row| explained.reasons(row).into_iter().map(|reason| reason.text).collect::<Vec<_>>().join("; "))
                .collect();
            assert!(texts[0].contains("area 001") && texts[1].contains("(other)"), "{texts:?}");
        }
    }
}

#[test]
fn names_and_ids_are_refused() {
    let csv: String = (0..1000).fold("name,churned\n".to_owned(), |csv, i| csv + &format!("customer {i},{}\n", i % 2));
    let error = train_table(&table(&csv), &TableConfig::default()).expect_err("an id as a feature");
    assert_eq!(error.code(), "too_many_values");
    assert!(error.to_string().contains("\"name\"") && error.to_string().contains("leave it out"), "{error}");
    // A value of two rows or more has a level, and one level stands for all others.
    let csv = (0..900).fold("shop,churned\n".to_owned(), |csv, i| csv + &format!("shop {},{}\n", i % 300, i % 2));
    let model = train_table(&table(&csv), &TableConfig::default()).expect("rare values");
    assert_eq!(model.feature_specs()[0].levels.as_ref().map(Vec::len), Some(301));
}

/// A table joined to a log, whose areas at scoring are written in another way.
#[test]
fn joined_areas_are_checked() {
    let events = read(&csv_of(&log_lines(8, 900, 700)));
    let ids: Vec<String> = events.customer_ids().map(str::to_owned).collect();
    let attributes = |prefix: &str| {
        let rows = ids.iter().enumerate().map(|(i, id)| format!("{id},{prefix}{}\n", i % 300));
        table(&rows.fold("customer_id,area\n".to_owned(), |csv, row| csv + &row))
    };
    let joined = attributes("area ");
    let config = TrainConfig { allow: vec!["undated_attributes".to_owned()], ..TrainConfig::default() };
    let input = Input::from(&events).with_attributes(&joined, "customer_id");
    let model = train(input, &config).expect("a log to learn from");
    let input = |table| Input::from(&events).with_attributes(table, "customer_id");
    let other = attributes("Area ");
    let error = model.predict(input(&other), None).expect_err("no area is known");
    assert_eq!(error.code(), "finding");
    assert!(error.findings().iter().any(|finding| finding.code == "unknown_levels"), "{error}");
    let predictions = model.predict(input(&joined), None).expect("the areas of training");
    assert!(predictions.findings().iter().all(|finding| !finding.code.contains("unknown_levels")));

    let one = |area: &str| {
        let transactions =
            vec![Transaction { event_date: events.last_day(), amount: Some(9.5), event_type: None, order_id: None }];
        let attributes = [("area".to_owned(), Value::Text(area.to_owned()))].into_iter().collect();
        let customer = Customer { customer_id: "one".to_owned(), transactions, attributes };
        model.predict_one(&customer, events.last_day()).expect("a customer")
    };
    assert_eq!(one("area 1").note, None);
    let note = one("nowhere").note.expect("a note");
    assert!(note.contains("area") && note.contains("rare"), "{note}");
}

/// Values that were rare in training are no error later, also if a batch has no others, and `(other)` may be a value of the data.
#[test]
fn rare_values_are_no_error() {
    let events = read(&csv_of(&log_lines(9, 900, 700)));
    let ids: Vec<String> = events.customer_ids().map(str::to_owned).collect();
    let area = |i: usize| match i % 3 {
        0 => "(other)".to_owned(),
        1 => format!("single {i}"),
        _ => format!("area {}", i % 270),
    };
    let attributes = |keep: &dyn Fn(usize) -> bool| {
        let rows = ids.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(i, id)| format!("{id},{}\n", area(i)));
        table(&rows.fold("customer_id,area\n".to_owned(), |csv, row| csv + &row))
    };
    let everybody = attributes(&|_| true);
    let config = TrainConfig { allow: vec!["undated_attributes".to_owned()], ..TrainConfig::default() };
    let model = train(Input::from(&events).with_attributes(&everybody, "customer_id"), &config).expect("a log");
    for kept in [0, 1] {
        let some = attributes(&|i| i % 90 == kept);
        let found =
            model.predict(Input::from(&events).with_attributes(&some, "customer_id"), None).expect("known rarity");
        let codes: Vec<&str> = found.findings().iter().map(|finding| finding.code.as_str()).collect();
        assert!(!codes.contains(&"unknown_levels"), "{codes:?}");
    }
}

/// With weights whose squares are 0, the levels count as alike, and the document is valid.
#[test]
fn tiny_weights_give_a_valid_document() {
    let made = customers(10, 2_000, &effects(1));
    let mut csv = made.csv.replace("churned\n", "churned,weight\n");
    csv = csv
        .lines()
        .map(|line| if line.ends_with("weight") { format!("{line}\n") } else { format!("{line},1e-170\n") })
        .collect();
    let learning = LearnConfig { model: ModelKind::LogisticRegression, ..LearnConfig::default() };
    let config = TableConfig { learning, weight: Some("weight".to_owned()), ..TableConfig::default() };
    let model = train_table(&table(&csv), &config).expect("weights above 0");
    assert_eq!(Model::from_json(&model.to_json()).expect("its own document"), model);
}

/// A few levels far from all others are information, not outliers. Of 400 shops of ten customers each, all of forty leave, and of
/// the others one in ten.
#[test]
fn few_levels_far_from_the_others_are_learned() {
    let churned = |row: usize| row % 400 < 40 || row / 400 == 0;
    let rows = (0..4000).map(|row| format!("shop {:03},{}\n", row % 400, u8::from(churned(row))));
    let csv = rows.fold("shop,churned\n".to_owned(), |csv, row| csv + &row);
    for kind in LEARNERS {
        let predictions = fit(&csv, kind, &[]).predict_table(&table("shop\nshop 007\nshop 300\n"), None);
        let predictions = predictions.expect("the column is there");
        let &[bad, good] = predictions.churn_probabilities() else { panic!("two rows") };
        assert!(bad > 0.6 && good < 0.2, "{}: {bad} and {good}", kind.name());
    }
}

/// 1,500 areas of four customers each with strong effects. The oracle is the mean of the outcomes of each area, shrunk by two customers
/// of the mean of all, as log-odds, plus the true effect of the number.
#[test]
fn rare_levels_are_learned() {
    let strong: Vec<f64> =
        effects(11).iter().chain(&effects(12)).chain(&effects(13)).take(1_500).map(|effect| 2.5 * effect).collect();
    let (learned, judged) = (customers(14, 6_000, &strong), customers(15, 20_000, &strong));
    let auc = |p: &[f64]| evaluate(&judged.churned, p, &EvaluationConfig::default()).expect("both classes").roc_auc;
    let all = learned.churned.iter().filter(|&&churned| churned).count() as f64 / learned.churned.len() as f64;
    let mut areas: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (line, &churned) in learned.csv.lines().skip(1).zip(&learned.churned) {
        let (rows, left) = areas.entry(line.split(',').next().expect("an area")).or_default();
        *rows += 1.0;
        *left += f64::from(u8::from(churned));
    }
    let oracle = |line: &str| {
        let mut fields = line.split(',');
        let (rows, left) = areas.get(fields.next().expect("an area")).copied().unwrap_or_default();
        let rate: f64 = (left + 2.0 * all) / (rows + 2.0);
        let minutes: f64 = fields.next().expect("minutes").parse().expect("a number");
        1.0 / (1.0 + (-((rate / (1.0 - rate)).ln() + minutes / 1000.0)).exp())
    };
    let expected = auc(&judged.csv.lines().skip(1).map(oracle).collect::<Vec<f64>>());
    for kind in LEARNERS {
        let predictions = fit(&learned.csv, kind, &[]).predict_table(&table(&judged.csv), None);
        let found = auc(predictions.expect("the columns are there").churn_probabilities());
        say(&format!("1500 areas of four customers, {}: AUC {found:.4}, the oracle {expected:.4}", kind.name()));
        assert!(found > expected - 0.02, "{}: {found}, the oracle has {expected}", kind.name());
    }
}

#[test]
fn hostile_documents_are_refused() {
    let model = fit(&customers(7, 2_000, &effects(1)).csv, ModelKind::GradientBoosting, &[]);
    let good: serde_json::Value = serde_json::from_str(&model.to_json()).expect("JSON");
    let numbers = |count: usize| json!([{"feature": 0, "log_odds": vec![0.5; count]}]);
    let levels = model.feature_specs()[0].levels.as_ref().map_or(0, Vec::len);
    let many: Vec<String> = (0..70_000).map(|i| format!("{i:05}")).chain(["~".to_owned()]).collect();
    for (at, value) in [
        ("/level_log_odds", json!([])),
        ("/level_log_odds", numbers(levels - 1)),
        ("/level_log_odds", numbers(levels + 1)),
        ("/level_log_odds/0/feature", json!(1)),
        ("/level_log_odds/0/feature", json!(1_000_000)),
        ("/level_log_odds/0/log_odds/3", json!(1e200)),
        ("/level_log_odds/0/log_odds/3", json!(null)),
        ("/features/0/levels", json!(["a", "b"])),
        ("/features/0/levels", json!(many)),
        ("/features/0/levels/0", json!("")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).expect("a place") = value;
        let code = Model::from_json(&bad.to_string()).expect_err(at).code();
        assert!(["invalid_document", "golden_mismatch"].contains(&code), "{at}: {code}");
    }
}
