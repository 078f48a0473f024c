//! Findings: for every code a log that raises it and one that does not, and what training and scoring do with it.

use std::collections::BTreeSet;

use churn::{
    ColumnData, Day, Error, Events, Finding, Input, LabelConfig, LabelKind, LearnConfig, Model, ReadOptions, Severity,
    Table, TableConfig, TrainConfig, check, finding_codes, suggest, train, train_table,
};
use churn_tests::{Xorshift, day, read};

/// Customers who come about every `every` days for two years up to 2024-12-31, at intervals between half and one and a half
/// of it; every fourth stops somewhere in the second year.
fn visits(customers: usize, every: i32, seed: u64) -> Vec<(String, Day)> {
    let mut random = Xorshift::new(seed);
    let mut rows = Vec::new();
    for customer in 0..customers {
        let until = if customer % 4 == 0 { 365 + random.below(330) as i32 } else { 731 };
        let mut offset = random.below(every as usize) as i32;
        while offset < until {
            rows.push((format!("c{customer:04}"), day("2023-01-01").plus(offset)));
            offset += every / 2 + 1 + random.below(every as usize) as i32;
        }
    }
    rows
}

fn csv(rows: &[(String, Day)]) -> String {
    let lines = rows.iter().map(|(id, date)| format!("{id},{date},10.00\n"));
    std::iter::once("customer_id,event_date,amount\n".to_owned()).chain(lines).collect()
}

fn ordinary() -> Events {
    read(&csv(&visits(300, 30, 1)))
}

fn found(events: &Events, definition: &LabelConfig) -> Vec<Finding> {
    check(events, definition).expect("a definition")
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

fn has<'a>(findings: &'a [Finding], code: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.code == code).unwrap_or_else(|| panic!("no {code} in {:?}", codes(findings)))
}

fn without(findings: &[Finding], code: &str) {
    assert!(findings.iter().all(|finding| finding.code != code), "{:?}", codes(findings));
}

fn training(model: &Model) -> &[Finding] {
    model.findings().expect("this version checks")
}

fn ordinary_settings() -> TrainConfig {
    TrainConfig::default()
}

#[test]
fn codes_are_declared_once_and_in_snake_case() {
    let names: BTreeSet<&str> = finding_codes().iter().map(|info| info.code).collect();
    assert_eq!(names.len(), finding_codes().len());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
    // The page of the documentation has a line for each.
    let page = include_str!("../../docs/findings.md");
    for info in finding_codes() {
        let row = format!("| `{}` | {} | {} |", info.code, info.severity.name(), info.meaning);
        assert!(page.contains(&row), "docs/findings.md needs the row\n{row}");
    }
}

#[test]
fn an_ordinary_log_has_none() {
    assert_eq!(codes(&found(&ordinary(), &LabelConfig::default())), Vec::<&str>::new());
}

#[test]
fn one_row_of_2099_stops_training_and_scoring() {
    let mut rows = visits(300, 30, 1);
    let older = train(&read(&csv(&rows)), &ordinary_settings()).expect("a model");
    rows.push(("c0007".into(), day("2099-01-01")));
    let events = read(&csv(&rows));
    let finding = found(&events, &LabelConfig::default()).swap_remove(0);
    assert_eq!((finding.code.as_str(), finding.severity), ("isolated_last_day", Severity::Error));
    assert_eq!(finding.suggestion["last_day"], churn::Json::Text("2024-12-31".into()));
    let says = |error: Error| {
        let text = error.to_string();
        assert_eq!(error.code(), "finding", "{text}");
        assert_eq!(error.findings()[0].code, "isolated_last_day");
        for part in ["2099-01-01", "\"c0007\"", "last_day = 2024-12-31", "allow = [\"isolated_last_day\"]"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    };
    says(train(&events, &ordinary_settings()).expect_err("the row is named"));
    says(older.predict(&events, None).expect_err("the row is named"));
    // Looked at on a day before the row it is not seen, and who insists goes on.
    assert_eq!(older.predict(&events, Some(day("2024-12-31"))).expect("the row is later").findings(), []);
    let allow = ["isolated_last_day".to_owned()];
    let error = older.predict(Input::from(&events).allow(&allow), None);
    // Only that one customer has been active by 2099.
    let predictions = error.expect("on request");
    assert_eq!(predictions.len(), 1);
    assert_eq!(predictions.findings()[0].code, "isolated_last_day");
}

/// Two far rows, another day, and the other end of the log.
#[test]
fn siblings_of_the_far_row() {
    let base = visits(300, 30, 1);
    let with = |far: &[&str]| {
        let mut rows = base.clone();
        rows.extend(far.iter().map(|date| ("c0001".to_owned(), day(date))));
        found(&read(&csv(&rows)), &LabelConfig::default())
    };
    for far in [&["2042-12-31", "2099-01-01"][..], &["9999-12-31"], &["2027-01-01"]] {
        let findings = with(far);
        let finding = has(&findings, "isolated_last_day");
        assert_eq!(finding.evidence["rows"], churn::Json::Unsigned(far.len() as u64));
        assert_eq!(finding.evidence["day"], churn::Json::Text(far[0].into()));
    }
    for far in ["1900-01-01", "1970-01-01"] {
        let findings = with(&[far]);
        assert!(has(&findings, "isolated_first_day").message.contains("first_day = 2023-01-0"), "{findings:?}");
        without(&findings, "isolated_last_day");
    }
    // A log that ends 40 days after the others do is a log.
    without(&with(&["2025-02-09"]), "isolated_last_day");
}

/// The options that the message names leave the row out and count it, whatever the source.
#[test]
fn the_named_options_mend_it() {
    let mut rows = visits(300, 30, 1);
    let total = rows.len() as u64;
    rows.push(("c0007".into(), day("2099-01-01")));
    rows.push(("c0008".into(), day("1970-01-01")));
    let text = csv(&rows);
    let findings = found(&read(&text), &LabelConfig::default());
    // The header is line 1, the two rows stand at the end.
    let (first, last) = (has(&findings, "isolated_first_day"), has(&findings, "isolated_last_day"));
    assert!(last.message.contains(&format!("line {}, customer \"c0007\"", total + 2)), "{}", last.message);
    assert!(first.message.contains(&format!("line {}, customer \"c0008\"", total + 3)), "{}", first.message);
    let of = |finding: &Finding, setting: &str| match &finding.suggestion[setting] {
        churn::Json::Text(text) => Some(day(text)),
        other => panic!("{other:?}"),
    };
    let options =
        ReadOptions { first_day: of(first, "first_day"), last_day: of(last, "last_day"), ..ReadOptions::default() };
    let events = Events::from_csv(text.as_bytes(), &options).expect("good rows");
    let report = events.report();
    assert_eq!((report.rows, report.good, report.bad, report.outside), (total + 2, total, 0, 2));
    assert_eq!(
        (events.first_day(), events.last_day()),
        (options.first_day.expect("set"), options.last_day.expect("set"))
    );
    assert_eq!(codes(&found(&events, &LabelConfig::default())), Vec::<&str>::new());
    let swapped = ReadOptions { first_day: options.last_day, last_day: options.first_day, ..ReadOptions::default() };
    assert_eq!(Events::from_csv(text.as_bytes(), &swapped).expect_err("no day is left").code(), "invalid_parameter");
    let none = ReadOptions { last_day: Some(day("1960-01-01")), ..ReadOptions::default() };
    assert_eq!(Events::from_csv(text.as_bytes(), &none).expect_err("no row is left").code(), "no_good_rows");
}

#[test]
fn unknown_codes_cannot_be_allowed() {
    let config = TrainConfig { allow: vec!["isolated".into()], ..ordinary_settings() };
    let error = train(&ordinary(), &config).expect_err("no such code");
    assert_eq!(error.code(), "invalid_parameter");
    assert!(error.to_string().contains("isolated_last_day"), "{error}");
}

/// 300 customers who pay once a year and never leave: 75.7 % would be labelled churned.
#[test]
fn annual_payers_are_not_churners() {
    let payers = |every: i32, years: i32| {
        let rows =
            (0..300).flat_map(|c| (0..years * 365 / every).map(move |k| (format!("c{c:03}"), every * k + c % every)));
        let rows: Vec<(String, Day)> =
            rows.map(|(id, offset)| (id, day("2019-01-01").plus(offset.min(365 * years)))).collect();
        read(&csv(&rows))
    };
    for years in [2, 4, 6] {
        let events = payers(365, years);
        let error = train(&events, &ordinary_settings()).expect_err("these are payments");
        assert_eq!((error.code(), error.findings()[0].code.as_str()), ("finding", "regular_payers"), "{error}");
        assert!(error.to_string().contains("365 days") && error.to_string().contains("subscription"), "{error}");
    }
    // Quarterly payers with 90 days are just about as long as the horizon.
    has(&found(&payers(91, 4), &LabelConfig::default()), "regular_payers");
    // A horizon that covers the interval is fine; monthly payers are within 90 days.
    let covering = LabelConfig { horizon_days: 490, active_within_days: Some(800), ..LabelConfig::default() };
    without(&found(&payers(365, 6), &covering), "regular_payers");
    without(&found(&payers(30, 4), &LabelConfig::default()), "regular_payers");
}

/// 20 of 4,000 rows are booked half a year ahead.
#[test]
fn prebooked_orders_make_a_thin_window() {
    let mut rows = visits(300, 30, 2);
    for i in 0..20 {
        rows.push((format!("c{:04}", 7 * i), day("2025-01-05").plus(9 * i)));
    }
    let findings = found(&read(&csv(&rows)), &LabelConfig::default());
    let finding = has(&findings, "thin_window");
    let churn::Json::Text(last) = &finding.suggestion["last_day"] else { panic!("{finding:?}") };
    let last = day(last);
    assert!(last >= day("2024-12-25") && last <= day("2025-01-15"), "{last}");
    without(&found(&ordinary(), &LabelConfig::default()), "thin_window");
}

/// A quiet time after which the log is as dense as before: leaving out all later rows would be bad advice.
#[test]
fn a_thin_window_in_the_middle_suggests_no_last_day() {
    let mut rows = visits(300, 30, 2);
    let quiet = day("2024-02-01")..day("2024-07-01");
    rows.retain(|row| !quiet.contains(&row.1) || row.0.ends_with('7'));
    // Training looks at the windows of all cutoffs, the check of a log at the last one.
    let learning = LearnConfig { model: churn::ModelKind::LogisticRegression, ..LearnConfig::default() };
    let config = TrainConfig { learning, ..TrainConfig::default() };
    let model = train(&read(&csv(&rows)), &config).expect("enough customers");
    let finding = has(model.findings().expect("a new model has them"), "thin_window");
    assert!(finding.suggestion.is_empty() && finding.message.contains("dense again"), "{finding:?}");
}

#[test]
fn a_gap_in_a_daily_log() {
    let rows: Vec<(String, Day)> = visits(300, 20, 3)
        .into_iter()
        .filter(|row| !(row.1 >= day("2024-03-01") && row.1 <= day("2024-03-05")))
        .collect();
    let findings = found(&read(&csv(&rows)), &LabelConfig::default());
    let finding = has(&findings, "gap_in_log");
    assert!(finding.message.contains("from 2024-03-01 to 2024-03-05 (5 days)"), "{}", finding.message);
    without(&found(&ordinary(), &LabelConfig::default()), "gap_in_log");
}

#[test]
fn lines_and_duplicates() {
    let rows = visits(100, 30, 4);
    let lines: Vec<(String, Day)> = rows.iter().flat_map(|row| [row.clone(), row.clone()]).collect();
    // Twice the same file: equal in every column.
    let findings = found(&read(&csv(&lines)), &LabelConfig::default());
    assert!(has(&findings, "duplicate_rows").message.contains("100.0 %"));
    has(&findings, "order_lines");
    // Lines of an order differ in their amount.
    let text: String = std::iter::once("customer_id,event_date,amount\n".to_owned())
        .chain(rows.iter().flat_map(|(id, date)| [format!("{id},{date},1\n"), format!("{id},{date},2\n")]))
        .collect();
    let findings = found(&read(&text), &LabelConfig::default());
    has(&findings, "order_lines");
    without(&findings, "duplicate_rows");
    // Other types on the same day are other events.
    let text: String = std::iter::once("customer_id,event_date,event_type\n".to_owned())
        .chain(rows.iter().flat_map(|(id, date)| [format!("{id},{date},login\n"), format!("{id},{date},buy\n")]))
        .collect();
    without(&found(&read(&text), &LabelConfig::default()), "order_lines");
}

#[test]
fn a_cancellation_is_no_return() {
    let mut text = String::from("customer_id,event_date,event_type\n");
    for (id, date) in visits(100, 30, 5) {
        text.push_str(&format!("{id},{date},payment\n"));
    }
    without(&found(&read(&text), &LabelConfig::default()), "leaving_event_counts_as_return");
    text.push_str("c0000,2024-12-01,Subscription_Cancelled\n");
    let events = read(&text);
    let findings = found(&events, &LabelConfig::default());
    let finding = has(&findings, "leaving_event_counts_as_return");
    assert!(finding.message.starts_with("1 events of the types \"Subscription_Cancelled\""), "{}", finding.message);
    assert_eq!(finding.suggestion["event_types"], churn::Json::List(vec![churn::Json::Text("payment".into())]));
    let definition = LabelConfig { event_types: Some(vec!["payment".into()]), ..LabelConfig::default() };
    without(&found(&events, &definition), "leaving_event_counts_as_return");
}

/// Pauses of 60 to 180 days: within 30 days hardly one ends, within 180 all do.
#[test]
fn the_horizon_beside_the_pauses() {
    let slow = read(&csv(&visits(300, 120, 6)));
    let short = LabelConfig { horizon_days: 30, ..LabelConfig::default() };
    let findings = found(&slow, &short);
    let finding = has(&findings, "horizon_too_short");
    let proposed = suggest(&slow).expect("enough customers");
    assert_eq!(finding.suggestion["horizon_days"], churn::Json::Unsigned(proposed.horizon_days as u64));
    assert!([120, 180].contains(&proposed.horizon_days), "{proposed:?}");
    assert!(proposed.shares.iter().all(|row| (row.share >= 1.0 - 1e-9) == (row.horizon_days >= 180)), "{proposed:?}");
    without(&found(&slow, &LabelConfig { horizon_days: 180, ..LabelConfig::default() }), "horizon_too_short");
    // Daily visitors: pauses of up to six days, of which 90 days is far more than ten times the usual.
    let daily = read(&csv(&visits(60, 4, 7)));
    has(&found(&daily, &LabelConfig::default()), "horizon_too_long");
    without(&found(&daily, &LabelConfig { horizon_days: 14, ..LabelConfig::default() }), "horizon_too_long");
}

#[test]
fn too_few_pauses_are_not_guessed_from() {
    let events = read("customer_id,event_date\na,2024-01-01\na,2024-02-01\nb,2024-01-05\n");
    assert_eq!(suggest(&events).expect_err("one customer came back").code(), "too_few_rows");
}

/// Plans of the 300 customers. With `dated`, each was on another plan before 2024-06-01.
fn plans(dated: bool, id: impl Fn(usize) -> String, plan: impl Fn(usize) -> &'static str) -> Table {
    let mut text = String::from(if dated { "id,valid_from,plan\n" } else { "id,plan\n" });
    for customer in 0..300 {
        let (id, plan) = (id(customer), plan(customer));
        if dated {
            text.push_str(&format!(
                "{id},2022-01-01,{plan}\n{id},2024-06-01,{}\n",
                if plan == "gold" { "free" } else { "gold" }
            ));
        } else {
            text.push_str(&format!("{id},{plan}\n"));
        }
    }
    Table::from_csv(text.as_bytes(), ',').expect("a table")
}

fn ours(customer: usize) -> String {
    format!("c{customer:04}")
}

fn gold_or_free(customer: usize) -> &'static str {
    if customer.is_multiple_of(3) { "gold" } else { "free" }
}

#[test]
fn undated_attributes_are_a_finding_and_dated_ones_are_audited() {
    let events = ordinary();
    let undated = plans(false, ours, gold_or_free);
    let model = train(Input::from(&events).with_attributes(&undated, "id"), &ordinary_settings()).expect("a model");
    let finding = has(training(&model), "undated_attributes");
    assert!(finding.message.contains("plan") && finding.message.contains("valid_from"), "{}", finding.message);
    assert_eq!(model.audit().expect("a stamp").inputs, ["events"]);

    let dated = plans(true, ours, gold_or_free);
    let model = train(Input::from(&events).with_attributes(&dated, "id"), &ordinary_settings()).expect("a model");
    without(training(&model), "undated_attributes");
    assert_eq!(model.audit().expect("a stamp").inputs, ["events", "attributes"]);
    assert!(model.feature_specs().iter().all(|spec| spec.name != "valid_from"));
    // Each day sees the row that held by then; before the first row nothing is known.
    let value = |as_of: &str| {
        let input = Input::from(&events).with_attributes(&dated, "id");
        let table = model.features(input, Some(day(as_of))).expect("features");
        let at = table.names().position(|name| name == "plan").expect("joined");
        let levels = table.specs()[at].levels.clone().expect("a category");
        let code = table.row("c0001").expect("active")[at];
        if code.is_nan() { None } else { Some(levels[code as usize].clone()) }
    };
    assert_eq!(value("2024-05-31").as_deref(), Some("free"));
    assert_eq!(value("2024-06-01").as_deref(), Some("gold"));
    let late = Table::from_csv("id,valid_from,plan\nc0001,2024-06-01,gold\nc0002,2023-01-01,free\n".as_bytes(), ',')
        .expect("a table");
    let allow = ["few_attributes_matched".to_owned()];
    let input = Input::from(&events).with_attributes(&late, "id").allow(&allow);
    let table = model.features(input, Some(day("2024-05-31"))).expect("features");
    let at = table.names().position(|name| name == "plan").expect("joined");
    assert!(table.row("c0001").expect("active")[at].is_nan());
}

#[test]
fn bad_days_of_attributes_are_refused() {
    let events = ordinary();
    for (text, part) in [
        ("id,valid_from,plan\nc0001,soon,gold\n", "row 1: valid_from is \"soon\""),
        ("id,valid_from,plan\nc0001,2024-01-01,gold\nc0001,2024-01-01,free\n", "twice from 2024-01-01 on"),
        ("id,plan\nc0001,gold\nc0001,free\n", "or a column valid_from"),
    ] {
        let table = Table::from_csv(text.as_bytes(), ',').expect("a table");
        let error =
            train(Input::from(&events).with_attributes(&table, "id"), &ordinary_settings()).expect_err("refused");
        assert!(error.code() == "invalid_column" && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn attributes_that_match_nothing() {
    let events = ordinary();
    let upper = plans(false, |customer| ours(customer).to_uppercase(), gold_or_free);
    let error =
        train(Input::from(&events).with_attributes(&upper, "id"), &ordinary_settings()).expect_err("no id matches");
    assert_eq!(error.findings()[0].code, "unmatched_attributes");
    let good = plans(false, ours, gold_or_free);
    let model = train(Input::from(&events).with_attributes(&good, "id"), &ordinary_settings()).expect("a model");
    let score = |table: &Table| model.predict(Input::from(&events).with_attributes(table, "id"), None);
    assert_eq!(score(&upper).expect_err("no id matches").findings()[0].code, "unmatched_attributes");
    let renamed = plans(false, ours, |customer| if customer % 3 == 0 { "GOLD" } else { "FREE" });
    let error = score(&renamed).expect_err("no level is known");
    assert_eq!(error.findings()[0].code, "unknown_levels");
    assert!(error.to_string().contains("free, gold"), "{error}");
    let partly = plans(false, ours, |customer| if customer % 3 == 0 { "platinum" } else { "free" });
    let predictions = score(&partly).expect("a third is unknown");
    has(predictions.findings(), "many_unknown_levels");
    let few =
        plans(false, |customer| if customer < 60 { ours(customer) } else { format!("x{customer}") }, gold_or_free);
    has(score(&few).expect("some match").findings(), "few_attributes_matched");
    assert_eq!(score(&good).expect("all match").findings(), []);
}

#[test]
fn one_customer_without_the_joined_columns_is_refused() {
    let events = ordinary();
    let table = plans(false, ours, gold_or_free);
    let model = train(Input::from(&events).with_attributes(&table, "id"), &ordinary_settings()).expect("a model");
    let customer = |attributes: &str| {
        let text = format!(
            r#"{{"customer_id": "n", "transactions": [{{"event_date": "2024-12-01", "amount": 5}}], "attributes": {attributes}}}"#
        );
        let customer: churn::Customer = serde_json::from_str(&text).expect("a customer");
        model.predict_one(&customer, day("2024-12-31"))
    };
    let error = customer("{}").expect_err("nothing is given");
    assert!(error.code() == "feature_mismatch" && error.to_string().contains("plan"), "{error}");
    assert!(customer(r#"{"plan": null}"#).expect("known to be missing").note.is_none());
    assert!(customer(r#"{"plan": "gold"}"#).expect("known").note.is_none());
    let unknown = customer(r#"{"plan": "GOLD"}"#).expect("an answer");
    assert!(unknown.covered && unknown.note.expect("a sentence").contains("plan"));
}

/// A table of 400 rows with a noisy column, and others made from the outcome.
fn outcomes(extra: &str, value: impl Fn(bool, usize) -> String) -> Table {
    let mut random = Xorshift::new(8);
    let mut text = format!("noise,{extra},churned\n");
    for row in 0..400 {
        let churned = random.below(3) == 0;
        let noise = random.below(100) + if churned { 20 } else { 0 };
        text.push_str(&format!("{noise},{},{}\n", value(churned, row), u8::from(churned)));
    }
    Table::from_csv(text.as_bytes(), ',').expect("a table")
}

#[test]
fn a_column_that_holds_the_outcome_is_named() {
    let train_on = |table: &Table| train_table(table, &TableConfig::default()).expect("a model");
    for (name, table) in [
        ("status", outcomes("status", |churned, _| if churned { "closed" } else { "open" }.into())),
        (
            "refund_total",
            outcomes("refund_total", |churned, row| if churned { 50 + row % 7 } else { row % 5 }.to_string()),
        ),
    ] {
        let model = train_on(&table);
        let finding = has(training(&model), "column_separates");
        assert!(finding.message.contains(&format!("{name:?}")), "{}", finding.message);
        assert!(model.warnings().iter().any(|warning| warning.contains(name)));
        let without_it = TableConfig { leave_out: vec![name.into()], ..TableConfig::default() };
        without(training(&train_table(&table, &without_it).expect("a model")), "column_separates");
    }
    let harmless = train_on(&outcomes("shade", |_, row| ["red", "green", "blue"][row % 3].into()));
    without(training(&harmless), "column_separates");
}

#[test]
fn a_rule_is_no_prediction() {
    let labels = LabelConfig { labels: LabelKind::Inactivity, ..LabelConfig::default() };
    let model = train(&ordinary(), &TrainConfig { labels, ..TrainConfig::default() }).expect("a model");
    has(training(&model), "inactivity_rule");
    // The rule is computed from recency, so recency alone repeats it.
    has(training(&model), "recency_separates");
}

#[test]
fn one_cutoff_is_judged_on_customers_held_out() {
    let events = ordinary();
    let model = train(&events, &TrainConfig { snapshots: Some(1), ..ordinary_settings() }).expect("a model");
    has(training(&model), "not_out_of_time");
    let model = train(&events, &ordinary_settings()).expect("a model");
    without(training(&model), "not_out_of_time");
}

/// Outcomes that nothing tells: whether somebody stays after each cutoff is drawn anew.
#[test]
fn a_model_that_learned_nothing_says_so() {
    let mut random = Xorshift::new(9);
    let mut text = String::from("noise,churned\n");
    for _ in 0..600 {
        text.push_str(&format!("{},{}\n", random.below(100), random.below(2)));
    }
    let table = Table::from_csv(text.as_bytes(), ',').expect("a table");
    let config = TableConfig {
        learning: LearnConfig { model: churn::ModelKind::LogisticRegression, ..LearnConfig::default() },
        ..TableConfig::default()
    };
    let model = train_table(&table, &config).expect("a model");
    assert!(model.findings().is_some());
    let spread = |table: &Table| {
        let p = model.predict_table(table, None).expect("predictions");
        let p = p.churn_probabilities();
        p.iter().fold(0.0, |m: f64, &v| m.max(v)) - p.iter().fold(1.0, |m: f64, &v| m.min(v))
    };
    if spread(&table) < 0.02 {
        has(training(&model), "constant_model");
    }
    // A column without variation cannot be learned from.
    let constant = Table::new(vec![
        churn::Column { name: "always".into(), data: ColumnData::Numeric(vec![1.0; 600]) },
        churn::Column {
            name: "churned".into(),
            data: ColumnData::Boolean((0..600).map(|i| Some(i % 3 == 0)).collect()),
        },
    ])
    .expect("a table");
    has(training(&train_table(&constant, &config).expect("a model")), "constant_model");
}

#[test]
fn few_customers_are_a_note() {
    let few = train(&read(&csv(&visits(80, 30, 10))), &ordinary_settings()).expect("a model");
    assert_eq!(has(training(&few), "few_customers").severity, Severity::Note);
    let many = train(&read(&csv(&visits(3000, 30, 11))), &ordinary_settings()).expect("a model");
    without(training(&many), "few_customers");
}

/// The rate of the last window is another: half of the customers stop at once at its beginning.
#[test]
fn a_rate_that_moves() {
    let rows: Vec<(String, Day)> = visits(600, 30, 12)
        .into_iter()
        .filter(|row| row.1 < day("2024-10-02") || !row.0.ends_with(['1', '3', '5', '7', '9']))
        .collect();
    let model = train(&read(&csv(&rows)), &ordinary_settings()).expect("a model");
    let finding = has(training(&model), "base_rate_moves");
    assert!(finding.message.contains("rose"), "{}", finding.message);
    // Many who were predicted to stay have left: the lowest band is off too, and says so in the model's document.
    has(training(&model), "band_off");
    let same = Model::from_json(&model.to_json()).expect("its own document");
    assert_eq!(same.findings(), model.findings());
}

#[test]
fn a_document_without_findings_was_not_checked() {
    let model = train(&ordinary(), &ordinary_settings()).expect("a model");
    let mut document: serde_json::Value = serde_json::from_str(&model.to_json()).expect("JSON");
    document.as_object_mut().expect("an object").remove("findings");
    document["audit"].as_object_mut().expect("a stamp").remove("inputs");
    let older = Model::from_json(&document.to_string()).expect("an older document");
    assert!(older.findings().is_none());
    assert_eq!(older.audit().expect("a stamp").inputs, ["events"]);
    let events = ordinary();
    assert_eq!(older.predict(&events, None).expect("scores"), model.predict(&events, None).expect("scores"));
}
