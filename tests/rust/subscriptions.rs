//! Subscriptions: the cases of `tests/vectors/subscriptions.json`, whose values come from an oracle that follows the sentences of
//! `docs/subscriptions.md` a day at a time; published figures; and what must never happen. One file, and long, because most of it is
//! cases.

use churn::{
    Day, EndReason, EndsKnown, LabelConfig, MovementValues, Period, RetentionBy, SUBSCRIPTION_FEATURES,
    SubscriptionColumns, SubscriptionOptions, SubscriptionPreset, Subscriptions, check_subscriptions, kaplan_meier,
    movements, retention, subscription_features, subscription_labels,
};
use churn_tests::{Xorshift, agree, day, real_data, vector_path, vectors};
use serde_json::Value;

const CASES: usize = 71;
const LABELS: usize = 800;
const FEATURE_ROWS: usize = 900;
const MONTHS: usize = 700;
const CURVE_POINTS: usize = 1000;

fn read(csv: &str, options: &SubscriptionOptions) -> Subscriptions {
    Subscriptions::from_csv(csv.as_bytes(), options).unwrap_or_else(|error| panic!("{error}\n{csv}"))
}

fn near(found: f64, expected: &Value) -> bool {
    match expected.as_f64() {
        None => expected.is_null() && found.is_nan(),
        Some(expected) => (found - expected).abs() <= 1e-12 + 1e-9 * expected.abs(),
    }
}

fn optional(found: Option<f64>) -> f64 {
    found.unwrap_or(f64::NAN)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key:?} in {value}"))
}

/// What a case expects of a day.
fn check_day(name: &str, subscriptions: &Subscriptions, at: &Value, allowed_gap_days: i32) -> (usize, usize) {
    let on = day(text(at, "day"));
    let name = format!("{name}, {on}");
    let history = subscriptions.known_at(on);
    let expected = at["status"].as_object().expect("statuses");
    // A customer whose first period starts later is not there yet.
    let mut found: std::collections::BTreeMap<&str, &str> =
        expected.keys().map(|id| (id.as_str(), "not_active")).collect();
    found.extend(history.statuses().map(|(id, status)| (id, status.name())));
    for (id, status) in expected {
        assert_eq!(Some(found[id.as_str()]), status.as_str(), "{name}: {id}");
    }
    assert_eq!(found.len(), expected.len(), "{name}");

    let config = LabelConfig {
        horizon_days: at["horizon_days"].as_i64().expect("days") as i32,
        gap_days: at["gap_days"].as_i64().expect("days") as i32,
        allowed_gap_days,
        ..LabelConfig::default()
    };
    let mut labelled = 0;
    match (subscription_labels(subscriptions, on, &config), at["labels"].as_object()) {
        (Ok(labels), Some(expected)) => {
            let found = labels.customer_ids.iter().zip(labels.churned.iter().zip(&labels.causes));
            for (id, (churned, cause)) in found {
                let right = &expected.get(id).unwrap_or_else(|| panic!("{name}: {id} is labelled"));
                assert_eq!(right[0].as_i64(), Some(i64::from(*churned)), "{name}: {id}");
                assert_eq!(right[1].as_str(), cause.map(churn::EndReason::name), "{name}: {id}");
                labelled += 1;
            }
            assert_eq!(labelled, expected.len(), "{name}");
        }
        (Err(error), Some(expected)) => {
            assert!(expected.is_empty(), "{name}: {error}");
            assert!(["no_customers", "cutoff_outside_data"].contains(&error.code()), "{name}: {error}");
        }
        (Ok(_), None) => panic!("{name}: labels of windows beyond the data"),
        (Err(error), None) => assert_eq!(error.code(), "cutoff_outside_data", "{name}"),
    }
    let rows = at["features"].as_object().expect("features");
    if !rows.is_empty() {
        let table = churn::subscription_features(&history, allowed_gap_days).expect("customers");
        assert_eq!(table.rows(), rows.len(), "{name}");
        for (id, right) in rows {
            let row = table.row(id).unwrap_or_else(|| panic!("{name}: no row of {id}"));
            for (i, spec) in table.specs().iter().enumerate() {
                let right = &right[i];
                let is_right = match &spec.levels {
                    None => near(row[i], right),
                    Some(levels) => {
                        let level = (!row[i].is_nan()).then(|| levels[row[i] as usize].as_str());
                        level == right.as_str()
                    }
                };
                assert!(is_right, "{name}: {} of {id} is {}, expected {right}", spec.name, row[i]);
            }
        }
    }
    (labelled, rows.len())
}

fn check_movements(name: &str, subscriptions: &Subscriptions, expected: &Value, allowed_gap_days: i32) -> usize {
    let found = movements(subscriptions, allowed_gap_days).expect("months");
    let expected = expected.as_array().expect("months");
    assert_eq!(found.len(), expected.len(), "{name}");
    for (month, right) in found.iter().zip(expected) {
        let name = format!("{name}, {}", text(right, "month"));
        assert_eq!(month.month.to_string()[..7], *text(right, "month"), "{name}");
        for (values, right) in [(&month.customers, &right["customers"]), (&month.amounts, &right["amounts"])] {
            let kinds = [
                ("start", values.start),
                ("new", values.new),
                ("expansion", values.expansion),
                ("reactivation", values.reactivation),
                ("contraction", values.contraction),
                ("churn", values.churn),
                ("end", values.end),
            ];
            for (kind, value) in kinds {
                assert!(near(value, &right[kind]), "{name}: {kind} is {value}, expected {}", right[kind]);
            }
        }
        let rates = [
            ("gross_retention", month.gross_retention),
            ("net_retention", month.net_retention),
            ("customer_churn_rate", month.customer_churn_rate),
            ("revenue_churn_rate", month.revenue_churn_rate),
        ];
        for (rate, value) in rates {
            assert!(near(optional(value), &right[rate]), "{name}: {rate} is {value:?}, expected {}", right[rate]);
        }
        assert_eq!(right["provisional"].as_bool(), Some(month.provisional), "{name}");
    }
    found.len()
}

fn check_retention(name: &str, subscriptions: &Subscriptions, expected: &Value, allowed_gap_days: i32) -> usize {
    let groups = |key: &str| -> Vec<(Option<String>, Value)> {
        match &expected[key] {
            Value::Object(groups) => groups.iter().map(|(name, curve)| (Some(name.clone()), curve.clone())).collect(),
            curve => vec![(None, curve.clone())],
        }
    };
    let mut points = 0;
    for (by, key) in [(RetentionBy::All, "all"), (RetentionBy::Plan, "by_plan"), (RetentionBy::Cohort, "by_cohort")] {
        let expected = groups(key);
        let found = match retention(subscriptions, by, allowed_gap_days) {
            Ok(found) => found,
            Err(error) => {
                assert_eq!(error.code(), "no_customers", "{name}");
                let count: usize = expected.iter().map(|(_, curve)| curve.as_array().map_or(0, Vec::len)).sum();
                assert_eq!(count, 0, "{name}: {key}");
                continue;
            }
        };
        let names = |group: &Option<String>| group.clone().unwrap_or_default();
        let (mut a, mut b): (Vec<String>, Vec<String>) =
            (found.iter().map(|one| names(&one.group)).collect(), expected.iter().map(|one| names(&one.0)).collect());
        a.sort();
        b.sort();
        assert_eq!(a, b, "{name}: {key}");
        for retention in &found {
            let (_, curve) = expected.iter().find(|(group, _)| *group == retention.group).expect("the group");
            let curve = curve.as_array().expect("points");
            assert_eq!(retention.curve.len(), curve.len(), "{name}: {:?}", retention.group);
            for (point, right) in retention.curve.iter().zip(curve) {
                assert!(
                    near(point.time, &right[0])
                        && near(point.at_risk as f64, &right[1])
                        && near(point.ended as f64, &right[2])
                        && near(point.survival, &right[3])
                        && near(optional(point.low), &right[4])
                        && near(optional(point.high), &right[5]),
                    "{name}: {:?}: {point:?}, expected {right}",
                    retention.group
                );
                points += 1;
            }
        }
    }
    points
}

#[test]
fn every_case_has_the_values_of_the_oracle() {
    let file = vectors("subscriptions.json");
    let names: Vec<&str> =
        file["columns"]["features"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(SUBSCRIPTION_FEATURES.iter().map(|feature| feature.name).collect::<Vec<_>>(), names);
    let cases = file["cases"].as_array().expect("cases");
    assert!(cases.len() >= CASES, "{} cases, {CASES} are declared", cases.len());
    let (mut labels, mut rows, mut months, mut points) = (0, 0, 0, 0);
    for case in cases {
        let name = text(case, "name");
        let options = &case["options"];
        let gap = options["allowed_gap_days"].as_i64().expect("days") as i32;
        let read_options = SubscriptionOptions {
            ends_known: match text(options, "ends_known") {
                "at_start" => EndsKnown::AtStart,
                _ => EndsKnown::AtEnd,
            },
            last_day: options["last_day"].as_str().map(day),
            ..SubscriptionOptions::default()
        };
        let subscriptions = read(text(case, "periods"), &read_options);
        assert_eq!(subscriptions.last_day().to_string(), text(case, "last_day"), "{name}");
        for at in case["at"].as_array().expect("days") {
            let (labelled, featured) = check_day(name, &subscriptions, at, gap);
            (labels, rows) = (labels + labelled, rows + featured);
        }
        months += check_movements(name, &subscriptions, &case["movements"], gap);
        points += check_retention(name, &subscriptions, &case["retention"], gap);
    }
    assert!(labels >= LABELS && rows >= FEATURE_ROWS, "{labels} labels, {rows} rows of features");
    assert!(months >= MONTHS && points >= CURVE_POINTS, "{months} months, {points} points");
}

/// The files of `tests/subscriptions/exports`, each read with its preset; the periods are those of `expected.py`, which reads each of
/// them with code of its own.
#[test]
fn an_export_of_each_system_loads_in_one_call() {
    let folder = vector_path("").join("../subscriptions");
    let text = std::fs::read_to_string(folder.join("expected.json")).expect("the expected periods");
    let expected: Value = serde_json::from_str(&text).expect("JSON");
    let presets = [
        ("stripe_subscriptions.csv", SubscriptionPreset::Stripe),
        ("stripe_invoices.csv", SubscriptionPreset::StripeInvoices),
        ("recurly.csv", SubscriptionPreset::Recurly),
        ("recurly_churned.csv", SubscriptionPreset::Recurly),
        ("recurly_history.csv", SubscriptionPreset::RecurlyHistory),
        ("chargebee.csv", SubscriptionPreset::Chargebee),
        ("chartmogul.csv", SubscriptionPreset::Chartmogul),
    ];
    assert_eq!(expected.as_object().map(serde_json::Map::len), Some(presets.len()));
    for (name, preset) in presets {
        let csv = std::fs::read_to_string(folder.join("exports").join(name)).expect("the export");
        let options = SubscriptionOptions { preset: Some(preset), ..SubscriptionOptions::default() };
        let subscriptions = read(&csv, &options);
        let mut found: Vec<Period> = subscriptions.periods().collect();
        let far = Day::MAX;
        found.sort_by(|a, b| {
            let key = |p: &Period| {
                (p.customer_id.clone(), p.start_date, p.end_date.unwrap_or(far), p.subscription_id.clone())
            };
            key(a).cmp(&key(b))
        });
        let expected = expected[name].as_array().expect("periods");
        assert_eq!(found.len(), expected.len(), "{name}");
        for (period, right) in found.iter().zip(expected) {
            let same = |found: Option<String>, right: &Value| found.as_deref() == right.as_str();
            let day_of = |day: Option<Day>| day.map(|day| day.to_string());
            let amount = right[5].as_str().map(|text| text.parse::<f64>().expect("an amount"));
            assert!(
                same(Some(period.customer_id.clone()), &right[0])
                    && same(day_of(Some(period.start_date)), &right[1])
                    && same(day_of(period.end_date), &right[2])
                    && same(period.subscription_id.clone(), &right[3])
                    && same(period.plan.clone(), &right[4])
                    && agree(optional(period.amount), optional(amount))
                    && same(day_of(period.known_at), &right[6])
                    && same(period.end_reason.map(|reason| reason.name().to_owned()), &right[7])
                    && right[8].as_bool() == Some(period.trial),
                "{name}: {period:?}, expected {right}"
            );
        }
        let report = subscriptions.report();
        assert_eq!(report.rows, csv.lines().count() as u64 - 1, "{name}");
        assert_eq!(report.rows, report.good + report.bad + report.ignored + report.outside, "{name}: {report:?}");
    }
    // Without the preset, the error names the missing column.
    let csv = std::fs::read_to_string(folder.join("exports/chargebee.csv")).expect("the export");
    let error = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default()).expect_err("no preset");
    assert_eq!(error.code(), "missing_column");
    assert!(error.to_string().contains("preset = \"chargebee\""), "{error}");
}

/// An invoice inside a paid term is the difference for a change of the plan, and a period beside it: before it came, the term looked as
/// always. Worked by hand: 30 for April; from 16 April on another 15 for the 14 days to 30 April, which are two weeks at
/// 15 · 52 / 24 = 32.5 a month. So 62.5 a month are paid then.
#[test]
fn an_invoice_inside_a_term_is_a_period_beside_it() {
    let csv = "Customer,Subscription,Status,Total,Tax,Subtotal,Date (UTC),Minimum Line Item Period Start (UTC),\
        Maximum Line Item Period End (UTC)\n\
        a,s,paid,30,0,30,2024-03-30,2024-03-30,2024-04-30\n\
        a,s,paid,15,0,15,2024-04-16,2024-04-16,2024-04-30\n\
        a,s,open,60,0,60,2024-04-30,2024-04-30,2024-05-30\n";
    let options =
        SubscriptionOptions { preset: Some(SubscriptionPreset::StripeInvoices), ..SubscriptionOptions::default() };
    let subscriptions = read(csv, &options);
    let found: Vec<(String, String, Option<f64>)> = subscriptions
        .periods()
        .map(|p| (p.start_date.to_string(), p.end_date.map_or(String::new(), |day| day.to_string()), p.amount))
        .collect();
    let expected = [("2024-03-30", "2024-04-30", 30.0), ("2024-04-16", "2024-04-30", 32.5)];
    let expected = expected.map(|(start, end, amount)| (start.to_owned(), end.to_owned(), Some(amount)));
    assert_eq!(found, expected);
    assert_eq!(subscriptions.ends_known(), EndsKnown::AtStart);
    let at = |on: &str, name: &str| {
        let table = subscription_features(&subscriptions.known_at(day(on)), 30).expect("a customer");
        let column = table.names().position(|column| column == name).expect("the feature");
        table.values()[(0, column)]
    };
    assert_eq!((at("2024-04-15", "days_to_renewal"), at("2024-04-15", "amount")), (15.0, 30.0));
    assert_eq!((at("2024-04-16", "days_to_renewal"), at("2024-04-16", "amount")), (14.0, 62.5));
}

/// Two invoices that start on one day, such as an upgrade in the first hour, are both paid for, and the customer leaves with them.
#[test]
fn invoices_that_start_together_end_together() {
    let csv = "Customer,Subscription,Status,Total,Tax,Subtotal,Date (UTC),Minimum Line Item Period Start (UTC),\
        Maximum Line Item Period End (UTC)\n\
        anna,s1,paid,10,0,10,2024-01-01,2024-01-01,2024-02-01\n\
        anna,s1,paid,5,0,5,2024-01-01,2024-01-01,2024-02-01\n\
        zoe,s3,paid,10,0,10,2024-12-01,2024-12-01,2025-01-01\n";
    let options =
        SubscriptionOptions { preset: Some(SubscriptionPreset::StripeInvoices), ..SubscriptionOptions::default() };
    let months = movements(&read(csv, &options), 30).expect("months");
    assert_eq!((months[0].amounts.end, months[1].amounts.churn, months[1].customers.end), (15.0, 15.0, 0.0));
}

/// A typical wrong file of each kind, and the finding that stops it, with the setting that mends it.
#[test]
fn files_that_would_mislead_are_stopped() {
    let first = day("2022-01-01");
    // 300 customers, a new one every third day; every third leaves after 200 days.
    let rows = |end: &dyn Fn(i32, Day) -> Option<Day>| -> String {
        (0..300)
            .map(|i| {
                let start = first.plus(3 * i);
                let end = end(i, start).map_or(String::new(), |day| day.to_string());
                format!("c{i:03},{start},{end},x\n")
            })
            .collect()
    };
    let header = "customer_id,start_date,end_date,plan\n";
    let last = first.plus(900);
    let honest = rows(&|i, start| Some(start.plus(200)).filter(|&end| i % 3 == 0 && end <= last));
    let found = |csv: &str, options: &str| -> Vec<(String, String)> {
        let options: SubscriptionOptions = serde_json::from_str(options).expect("options");
        check_subscriptions(&read(csv, &options))
            .into_iter()
            .map(|finding| (finding.code, serde_json::to_string(&finding.suggestion).expect("settings")))
            .collect()
    };
    let is = |csv: String, options: &str, code: &str, suggestion: &str| {
        let found = found(&format!("{header}{csv}"), options);
        assert!(found.contains(&(code.to_owned(), suggestion.to_owned())), "{code}: {found:?}");
    };
    assert_eq!(found(&format!("{header}{honest}"), "{}"), []);
    // One date with a wrong year, as an end and as a start.
    let (far, start) = ("z,2022-03-01,2027-06-01,x\n", "z,2027-06-01,,x\n");
    // All but one of the 301 have started on the day 894 without the wrong start, and on the day 897 with it.
    for (wrong, nearly_all) in [(far, 894), (start, 897)] {
        let suggestion = format!("{{\"last_day\":\"{}\"}}", first.plus(nearly_all));
        is(format!("{honest}{wrong}"), "{}", "last_day_far_behind", &suggestion);
    }
    // Given, the last day counts, and nothing is said.
    assert_eq!(found(&format!("{header}{honest}{far}"), r#"{"last_day": "2024-06-20"}"#), []);
    // Unless hardly anything happens before it.
    is(honest.clone(), r#"{"last_day": "2026-12-31"}"#, "nothing_before_last_day", "{}");
    // Every term has an end, and no end at all is written as a far one.
    let at_start = "{\"ends_known\":\"at_start\"}";
    is(rows(&|_, start| Some(start.plus(365))), "{}", "ends_known_in_advance", at_start);
    is(rows(&|_, start| Some(start.plus(100))), "{}", "ends_known_in_advance", at_start);
    let sentinel = |i: i32, start: Day| Some(if i % 3 == 0 { start.plus(200) } else { day("9999-12-31") });
    is(rows(&sentinel), "{}", "ends_known_in_advance", "{\"null_values\":[\"9999-12-31\"]}");
    is(honest.clone(), r#"{"ends_known": "at_start"}"#, "terms_without_ends", "{\"ends_known\":\"at_end\"}");
    // Nobody who left, and nobody who stayed.
    is(rows(&|_, _| None), "{}", "no_period_ends", "{}");
    is(rows(&|_, start| Some(start.plus(100))), r#"{"last_day": "2025-12-31"}"#, "all_subscriptions_ended", "{}");
    // Terms with their last day.
    let months: String = (0..60)
        .flat_map(|i| (0..12).map(move |month| (i, month)))
        .map(|(i, month)| {
            let next = |month: i32| Day::from_ymd(2022 + month / 12, (month % 12) as u32 + 1, 1).expect("a day");
            format!("m{i},{},{},x\n", next(month), next(month + 1).plus(-1))
        })
        .collect();
    is(format!("{honest}{months}"), "{}", "inclusive_ends", "{\"inclusive_ends\":true}");
    // An old row that still runs beside the one with the end.
    let stale: String = (0..300).step_by(9).map(|i| format!("c{i:03},{},,x\n", first.plus(3 * i))).collect();
    is(format!("{honest}{stale}"), "{}", "duplicate_periods", "{}");
}

/// A log of payments with terms of 30 days. Worked by hand: Anna pays on time until the end; Bert pays 20 days late once, which is a hole of
/// 20 days, and stops after his payment of 2024-03-21, whose term ends on 2024-04-20.
/// An export of payments has nearly the columns of one of subscriptions, and is none.
#[test]
fn an_export_of_payments_is_no_export_of_subscriptions() {
    let read = |name: &str| std::fs::read(format!("{name}.csv")).unwrap_or_else(|error| panic!("{name}: {error}"));
    let found =
        |name: &str| SubscriptionPreset::of_csv(&read(name)[..], &SubscriptionOptions::default()).expect("a header");
    for payments in ["stripe_payments", "stripe_payments_eu"] {
        assert_eq!(found(&format!("files/exports/{payments}")), None, "{payments}");
    }
    for (export, preset) in [
        ("stripe_subscriptions", SubscriptionPreset::Stripe),
        ("stripe_invoices", SubscriptionPreset::StripeInvoices),
        ("recurly", SubscriptionPreset::Recurly),
        ("recurly_history", SubscriptionPreset::RecurlyHistory),
        ("chargebee", SubscriptionPreset::Chargebee),
        ("chartmogul", SubscriptionPreset::Chartmogul),
    ] {
        assert_eq!(found(&format!("subscriptions/exports/{export}")), Some(preset), "{export}");
    }
}

#[test]
fn payments_are_terms() {
    let csv = "customer_id,event_date,amount\n\
        anna,2024-01-01,30\nanna,2024-01-31,30\nanna,2024-03-01,30\nanna,2024-03-31,30\nanna,2024-04-30,30\nanna,2024-05-30,30\n\
        bert,2024-01-01,60\nbert,2024-01-31,60\nbert,2024-03-21,60\nbert,2024-03-22,-60\n";
    let subscriptions = Subscriptions::from_payments(&churn_tests::read(csv), 30).expect("payments");
    assert_eq!(subscriptions.last_day(), day("2024-05-30"));
    let config = LabelConfig { horizon_days: 30, allowed_gap_days: 20, ..LabelConfig::default() };
    let labels = |on: &str| subscription_labels(&subscriptions, day(on), &config).expect("customers").churned;
    assert_eq!(labels("2024-02-15"), [false, false]);
    assert_eq!(labels("2024-03-25"), [false, true]);
    let strict = LabelConfig { allowed_gap_days: 19, ..config.clone() };
    let churned = subscription_labels(&subscriptions, day("2024-02-15"), &strict).expect("customers").churned;
    assert_eq!(churned, [false, true]);
    let table = subscription_features(&subscriptions.known_at(day("2024-02-15")), 20).expect("customers");
    let amount = table.names().position(|name| name == "amount").expect("the amount");
    assert_eq!(table.row("bert").expect("bert")[amount], 60.875);
    assert_eq!(
        Subscriptions::from_payments(&churn_tests::read(csv), 0).expect_err("no term").code(),
        "invalid_parameter"
    );
}

/// The day of the last cancellation in every row of a subscription, as a join writes it: the rows before it do not run until then.
#[test]
fn an_end_is_known_when_the_subscription_goes_on() {
    let csv = "customer_id,start_date,end_date,subscription_id,amount,known_at\n\
        a,2024-01-01,2024-03-01,s,10,2024-11-01\na,2024-03-01,2024-11-11,s,10,2024-11-01\nb,2024-01-01,,t,10,\n";
    let subscriptions = read(csv, &SubscriptionOptions::default());
    let table = subscription_features(&subscriptions.known_at(day("2024-06-01")), 30).expect("customers");
    let column = |name: &str| table.names().position(|column| column == name).expect("the feature");
    assert_eq!(table.row("a").expect("a")[column("subscriptions")], 1.0);
    assert_eq!(table.row("a").expect("a")[column("amount")], 10.0);
}

#[test]
fn bad_rows_are_refused_with_the_reason() {
    let header = "customer_id,start_date,end_date,subscription_id,plan,amount,known_at,end_reason,trial\n";
    for (row, reason, words) in [
        ("a,2024-03-01,2024-02-01,,,,,,", "invalid_period", "lies before start_date"),
        ("a,2024-03-01,,,,,2024-04-01,,", "invalid_period", "no end_date"),
        ("a,2024-03-01,,,,,,voluntary,", "invalid_period", "no end_date"),
        ("a,2024-03-01,2024-04-01,,,,,moved away,", "invalid_period", "`reasons` maps"),
        ("a,2024-03-01,,,,-5,,,", "invalid_period", "from 0 to 10^12"),
        ("a,2024-03-01,,,,five,,,", "invalid_amount", "five"),
        ("a,31.12.2024,,,,,,,", "invalid_date", "date_format = \"%d.%m.%Y\""),
        ("a,,,,,,,,", "invalid_date", "start_date is empty"),
        (",2024-03-01,,,,,,,", "missing_customer", "customer_id"),
        ("a,2024-03-01,,,,,,,perhaps", "invalid_period", "true or false"),
        ("a,2024-03-01", "wrong_field_count", "2 fields where the header has 9"),
        ("a,2024-03-01,,s1,,,,,\na,2024-05-01,,s1,,,,,", "overlapping_periods", "line 3 still runs"),
        ("a,2024-03-01,2024-06-01,s1,,,,,\na,2024-05-01,,s1,,,,,", "overlapping_periods", "ends on 2024-06-01"),
    ] {
        let csv = format!("{header}good,2024-01-01,,,,,,,\n{row}\n");
        let error = Subscriptions::from_csv(csv.as_bytes(), &SubscriptionOptions::default()).expect_err(row);
        assert_eq!(error.code(), "bad_rows", "{row}: {error}");
        let report = error.report().expect("a report");
        assert_eq!((report.good, report.bad), (report.rows - 1, 1), "{row}");
        let found = serde_json::to_value(report.bad_rows[0].reason).expect("a name");
        assert_eq!(found.as_str(), Some(reason), "{row}");
        assert!(error.to_string().contains(words), "{row}: {error}");
        let skip = SubscriptionOptions {
            on_bad_row: churn::OnBadRow::Skip,
            max_bad_share: 0.5,
            ..SubscriptionOptions::default()
        };
        assert!(read(&csv, &skip).customer_ids().any(|id| id == "good"), "{row}");
    }
    // Other names, other forms, own words for the reasons, and blank rows.
    let options: SubscriptionOptions = serde_json::from_str(
        r#"{"columns": {"customer_id": "Kunde", "start_date": "von", "end_date": "bis", "amount": "Preis", "end_reason": "Grund"},
            "delimiter": ";", "date_format": "%d.%m.%Y", "decimal": ",", "currency": true, "null_values": ["-"],
            "reasons": {"Umzug": "voluntary"}}"#,
    )
    .expect("options");
    let csv = "Kunde;von;bis;Preis;Grund\nanna;01.02.2024;01.05.2024;9,99 €;Umzug\n;;;;\nbert;01.02.2024;-;-;-\n";
    let subscriptions = read(csv, &options);
    let periods: Vec<Period> = subscriptions.periods().collect();
    assert_eq!((periods[0].amount, periods[0].end_reason), (Some(9.99), Some(EndReason::Voluntary)));
    assert_eq!((periods[1].amount, periods[1].end_date), (None, None));
    assert_eq!(subscriptions.report().ignored, 1);
    assert!(serde_json::from_str::<SubscriptionOptions>(r#"{"ends_know": "at_start"}"#).is_err());
}

/// 300 who pay once a year and stay: nobody has churned at any cutoff, though each pays once in 365 days.
#[test]
fn annual_payers_who_stay_do_not_churn() {
    let mut csv = "customer_id,start_date,end_date,subscription_id,amount\n".to_owned();
    for customer in 0..300 {
        let mut start = Day::from_ymd(2021, 1, 1).expect("a day").plus(customer);
        for _ in 0..3 {
            csv.push_str(&format!("c{customer},{start},{},s{customer},10\n", start.plus(365)));
            start = start.plus(365);
        }
    }
    let options = SubscriptionOptions {
        ends_known: EndsKnown::AtStart,
        last_day: Some(day("2023-12-31")),
        ..SubscriptionOptions::default()
    };
    let subscriptions = read(&csv, &options);
    for cutoff in ["2022-01-01", "2022-06-30", "2023-01-15", "2023-08-31"] {
        let labels = subscription_labels(&subscriptions, day(cutoff), &LabelConfig::default()).expect("customers");
        assert_eq!(
            (labels.churned.len(), labels.churned.iter().filter(|&&churned| churned).count()),
            (300, 0),
            "{cutoff}"
        );
    }
}

/// dbt's mrr-playbook: `shared/golden/subscriptions.json`. The movement of the four who end on 2020-02-01 is of February 2020, so the
/// data must reach its end.
#[test]
fn the_published_movements_are_reproduced() {
    let Some(csv) = real_data("mrr_playbook_subscription_periods.csv") else { return };
    let options = SubscriptionOptions {
        columns: SubscriptionColumns { amount: Some("monthly_amount".to_owned()), ..SubscriptionColumns::default() },
        last_day: Some(day("2020-02-29")),
        ..SubscriptionOptions::default()
    };
    let subscriptions = read(&csv, &options);
    for gap in [0, 30] {
        let months = movements(&subscriptions, gap).expect("months");
        let sum = |value: fn(&MovementValues) -> f64| -> (f64, f64) {
            months
                .iter()
                .fold((0.0, 0.0), |(n, amount), month| (n + value(&month.customers), amount + value(&month.amounts)))
        };
        assert_eq!(sum(|values| values.new), (55.0, 2295.0), "{gap}");
        assert_eq!(sum(|values| values.expansion), (30.0, 660.0), "{gap}");
        assert_eq!(sum(|values| values.contraction), (27.0, 555.0), "{gap}");
        assert_eq!(sum(|values| values.churn), (58.0, 2550.0), "{gap}");
        assert_eq!(sum(|values| values.reactivation), (3.0, 150.0), "{gap}");
        assert_eq!(sum(|values| values.end).1, 17145.0, "{gap}");
        for (month, amount, customers) in
            [("2019-06", 1135.0, 22.0), ("2019-10", 1680.0, 36.0), ("2019-12", 1255.0, 28.0)]
        {
            let found = months.iter().find(|one| one.month.to_string().starts_with(month)).expect("the month");
            assert_eq!((found.amounts.end, found.customers.end), (amount, customers), "{month}");
        }
        for pair in months.windows(2) {
            assert_eq!(pair[0].amounts.end, pair[1].amounts.start);
        }
    }
    // The rows of the published table: the months of each customer from the first to the last paid one, and one more.
    let mut rows = 0;
    let history = subscriptions.known_at(subscriptions.last_day());
    let mut of: std::collections::BTreeMap<&str, (i32, i32)> = std::collections::BTreeMap::new();
    for (id, period) in history.periods() {
        let month = |day: Day| day.ymd().0 * 12 + day.ymd().1 as i32;
        let (first, last) = (month(period.start_date), month(period.end_date.expect("all have ended")));
        let entry = of.entry(id).or_insert((first, last));
        *entry = (entry.0.min(first), entry.1.max(last));
    }
    of.values().for_each(|(first, last)| rows += last - first + 1);
    assert_eq!(rows, 417);
}

/// The example of `docs/subscriptions.md`.
#[test]
fn the_example_of_the_documentation_holds() {
    let text = std::fs::read_to_string(vector_path("").join("../../docs/subscriptions.md")).expect("the page");
    let csv = text.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("the example");
    let subscriptions = read(csv, &SubscriptionOptions::default());
    let months = movements(&subscriptions, 30).expect("months");
    let rows: Vec<[f64; 5]> = months
        .iter()
        .map(|month| {
            let MovementValues { start, new, expansion, churn, end, .. } = month.amounts;
            [start, new, expansion, churn, end]
        })
        .collect();
    let expected = [
        [0.0, 30.0, 0.0, 0.0, 30.0],
        [30.0, 0.0, 0.0, 0.0, 30.0],
        [30.0, 0.0, 10.0, 10.0, 30.0],
        [30.0, 5.0, 0.0, 0.0, 35.0],
    ];
    assert_eq!(rows, expected);
    assert_eq!(
        months.iter().map(|month| month.net_retention).collect::<Vec<_>>(),
        [None, Some(1.0), Some(1.0), Some(1.0)]
    );
    // 31 March lies 30 days before 30 April, not less.
    assert_eq!(months.iter().map(|month| month.provisional).collect::<Vec<_>>(), [false, false, false, true]);
    let config = LabelConfig { horizon_days: 30, ..LabelConfig::default() };
    let labels = subscription_labels(&subscriptions, day("2024-03-01"), &config).expect("customers");
    assert_eq!((labels.customer_ids, labels.churned), (vec!["anna".to_owned(), "bert".to_owned()], vec![false, true]));
}

/// IBM's Telco data as periods of months of 30 days: `shared/golden/survival.json`, and the intervals of lifelines 0.30.3.
#[test]
fn retention_is_that_of_lifelines() {
    let Some(csv) = real_data("ibm_telco_churn.csv") else { return };
    let table = churn::Table::from_csv(csv.as_bytes(), ',').expect("the table");
    let churn::ColumnData::Numeric(tenure) = table.column("tenure").expect("tenure") else { panic!("numbers") };
    let text = |name: &str, row: usize| match table.column(name).expect("the column").value(row) {
        churn::Value::Text(text) => text,
        value => panic!("{value:?}"),
    };
    let today = day("2024-06-30");
    let rows = (0..table.rows()).filter(|&row| tenure[row] > 0.0);
    let periods = rows.map(|row| Period {
        customer_id: row.to_string(),
        start_date: today.plus(-30 * tenure[row] as i32),
        end_date: (text("Churn", row) == "Yes").then_some(today),
        subscription_id: None,
        plan: Some(text("Contract", row)),
        amount: None,
        known_at: None,
        end_reason: None,
        trial: false,
    });
    let subscriptions = Subscriptions::from_periods(periods, EndsKnown::AtEnd, Some(today)).expect("periods");
    let expected = [
        (None, 12, 0.843_199_553_815_830_2, 0.834_168_685_811_462, 0.851_783_320_693_123_5),
        (None, 24, 0.788_736_398_370_596_5, 0.778_312_955_529_913_1, 0.798_735_202_136_176),
        (None, 72, 0.592_790_152_052_227_5, 0.573_062_891_004_291_8, 0.611_936_209_192_661_9),
        (Some("Month-to-month"), 12, 0.703_096_636_348_864_4, 0.687_259_357_620_821, 0.718_304_075_430_176_8),
        (Some("Month-to-month"), 72, 0.128_951_900_614_394_2, 0.075_944_783_099_475_67, 0.196_396_271_049_965_7),
    ];
    for (group, months, survival, low, high) in expected {
        let by = if group.is_none() { RetentionBy::All } else { RetentionBy::Plan };
        let curves = retention(&subscriptions, by, 0).expect("curves");
        let curve = curves.iter().find(|curve| curve.group.as_deref() == group).expect("the group");
        let after = curve.curve.partition_point(|point| point.time <= f64::from(30 * months));
        let point = &curve.curve[after - 1];
        for (found, right) in [(point.survival, survival), (optional(point.low), low), (optional(point.high), high)] {
            assert!((found - right).abs() < 1e-12, "{group:?} at {months}: {found}, expected {right}");
        }
    }
    let all = &retention(&subscriptions, RetentionBy::All, 0).expect("a curve")[0];
    assert_eq!(all.spells, 7032);
    assert_eq!(all.curve.iter().map(|point| point.ended).sum::<u64>(), 1869);
    let wrong = kaplan_meier(&[1.0, -1.0], &[true, true]).expect_err("a negative duration");
    assert_eq!(wrong.code(), "invalid_parameter");
}

/// Random data: in every month the movements add up, and the next month begins with what there was.
#[test]
fn the_movements_of_every_month_add_up() {
    let mut random = Xorshift::new(3);
    for log in 0..60 {
        let mut csv = "customer_id,start_date,end_date,amount\n".to_owned();
        for customer in 0..40 {
            for _ in 0..(random.unit() * 5.0) as usize {
                let start = day("2020-01-01").plus((random.unit() * 900.0) as i32);
                let end = match random.unit() < 0.7 {
                    true => start.plus(1 + (random.unit() * 200.0) as i32).to_string(),
                    false => String::new(),
                };
                let amount = match random.unit() < 0.9 {
                    true => ((random.unit() * 10_000.0).round() / 100.0).to_string(),
                    false => String::new(),
                };
                csv.push_str(&format!("c{customer},{start},{end},{amount}\n"));
            }
        }
        let subscriptions = read(&csv, &SubscriptionOptions::default());
        let gap = [0, 7, 30, 90][log % 4];
        let months = movements(&subscriptions, gap).expect("months");
        assert!(!months.is_empty());
        for (i, month) in months.iter().enumerate() {
            let a = &month.amounts;
            let end = a.start + a.new + a.expansion + a.reactivation - a.contraction - a.churn;
            assert!((end - a.end).abs() < 1e-6, "{month:?}");
            let c = &month.customers;
            assert_eq!(c.start + c.new + c.reactivation - c.churn, c.end, "{month:?}");
            if let Some(next) = months.get(i + 1) {
                assert_eq!((a.end, c.end), (next.amounts.start, next.customers.start));
            }
            // What there is at the end of the month, counted anew. Only a hole makes a difference.
            if gap == 0 {
                let last = Day::from_ymd(month.month.ymd().0, month.month.ymd().1, 28).expect("a day");
                let last = (0..4).map(|more| last.plus(more)).filter(|day| day.ymd().1 == month.month.ymd().1).max();
                let last = last.expect("the last day");
                let there = |period: &Period| period.start_date <= last && period.end_date.is_none_or(|end| last < end);
                let sum: f64 = subscriptions.periods().filter(there).filter_map(|period| period.amount).sum();
                assert!((sum - a.end).abs() < 1e-6, "{last}: {sum}, {month:?}");
            }
        }
    }
}
