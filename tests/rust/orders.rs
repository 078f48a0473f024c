//! Rows that are one event: lines of orders and rows of a day, in memory and in one pass, for many customers and for one.
//!
//! The log of Online Retail is not part of this repository: it is looked for as the tests of real data look for theirs.

use std::collections::BTreeMap;

use churn::{
    Customer, EventUnit, Events, FeatureConfig, FeatureSet, FeatureStream, FeatureTable, IngestReport, Merge, Model,
    ReadOptions, TrainConfig, Transaction, features, train,
};
use churn_tests::{Xorshift, day, log_lines, prediction_bits, read, real_data, rows, table_bits};

const HEADER: &str = "customer_id,event_date,amount,event_type,order_id\n";

fn by_day() -> ReadOptions {
    ReadOptions { merge: Merge::Day, ..ReadOptions::default() }
}

fn of(csv: &str, options: &ReadOptions) -> Events {
    Events::from_csv(csv.as_bytes(), options).unwrap_or_else(|error| panic!("{error}"))
}

fn config(feature_set: FeatureSet) -> FeatureConfig {
    FeatureConfig { feature_set, ..FeatureConfig::default() }
}

fn in_memory(events: &Events, as_of: &str, feature_set: FeatureSet) -> FeatureTable {
    features(&events.split_at(day(as_of)).0, &config(feature_set)).expect("customers")
}

fn in_one_pass(parts: &[&str], as_of: &str, feature_set: FeatureSet, options: &ReadOptions) -> FeatureTable {
    let mut stream = FeatureStream::new(day(as_of), &config(feature_set)).expect("a configuration");
    for part in parts {
        stream.read_csv(part.as_bytes(), options).expect("good rows");
    }
    stream.finish().expect("customers")
}

/// Lines of orders: each row of a made-up log is an order of up to six lines, whose ids are short or long; some lines have no
/// id, some orders go over two days.
fn order_lines(seed: u64, customers: usize, days: i32) -> Vec<String> {
    let mut random = Xorshift::new(seed);
    let mut lines = Vec::new();
    for (order, line) in log_lines(seed, customers, days).iter().enumerate() {
        let fields: Vec<&str> = line.trim_end().split(',').collect();
        for _ in 0..1 + random.below(6) {
            let amount = match random.below(8) {
                0 => String::new(),
                1 => format!("-{}.{:02}", random.below(300), random.below(100)),
                _ => format!("{}.{:03}", random.below(90), random.below(1000)),
            };
            let later = i32::from(random.below(20) == 0);
            let date = day(fields[1]).plus(-later);
            let id = match random.below(10) {
                0 => String::new(),
                _ if order % 3 == 0 => format!("invoice number {order} of the shop"),
                _ => format!("{order}"),
            };
            lines.push(format!("{},{date},{amount},{},{id}\n", fields[0], fields[3]));
        }
    }
    lines
}

fn csv_of(lines: &[String]) -> String {
    HEADER.to_owned() + &lines.concat()
}

/// Online Retail with one line a row: amounts in thousandths of a pound, exactly quantity times unit price.
struct Line {
    customer: String,
    day: String,
    thousandths: i64,
    invoice: String,
}

fn online_retail() -> Option<Vec<Line>> {
    let text = real_data("online_retail.csv")?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let at = |name: &str| header.iter().position(|column| column == name).expect("the column is there");
    let [invoice, quantity, date, price, customer] =
        ["InvoiceNo", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"].map(at);
    let thousandths = |price: &str| -> i64 {
        let (whole, fraction) = price.split_once('.').unwrap_or((price, ""));
        format!("{whole}{fraction:0<3}").parse().expect("at most three decimals")
    };
    let records = reader.records().map(|record| record.expect("a good record"));
    let known = records.filter(|record| !record[customer].is_empty());
    let line = |record: csv::StringRecord| Line {
        customer: record[customer].to_owned(),
        day: record[date][..10].to_owned(),
        thousandths: record[quantity].parse::<i64>().expect("a whole number") * thousandths(&record[price]),
        invoice: record[invoice].to_owned(),
    };
    Some(known.map(line).collect())
}

fn decimal(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", thousandths.abs() / 1000, thousandths.abs() % 1000)
}

#[test]
fn invoices_of_online_retail_are_those_grouped_beforehand() {
    let Some(lines) = online_retail() else { return };
    let mut grouped: BTreeMap<(&str, &str, &str), i64> = BTreeMap::new();
    let mut by_line = "CustomerID,event_date,amount,InvoiceNo\n".to_owned();
    let mut text: Vec<String> = Vec::new();
    for Line { customer, day, thousandths, invoice } in &lines {
        *grouped.entry((customer, day, invoice)).or_default() += thousandths;
        text.push(format!("{customer},{day},{},{invoice}\n", decimal(*thousandths)));
    }
    by_line.extend(text.iter().map(String::as_str));
    let mut by_invoice = "customer_id,event_date,amount\n".to_owned();
    for ((customer, day, _), &thousandths) in &grouped {
        by_invoice.push_str(&format!("{customer},{day},{}\n", decimal(thousandths)));
    }
    let mut options = ReadOptions::default();
    options.columns.customer_id = Some("CustomerID".to_owned());
    options.columns.order_id = Some("InvoiceNo".to_owned());
    let (events, expected) = (of(&by_line, &options), read(&by_invoice));
    // Counted in the file by other means: lines with a customer, and customer, invoice and day of them.
    assert_eq!((lines.len(), grouped.len()), (406_829, 22_190));
    assert_eq!((events.len(), events.unit()), (22_190, EventUnit::Order));
    assert_eq!(events.report().merged_rows, Some(406_829 - 22_190));
    assert_eq!(rows(&events), rows(&expected));

    // The rows shuffled, and in three parts.
    Xorshift::new(1).shuffle(&mut text);
    let shuffled: Vec<String> = text
        .chunks(150_000)
        .map(|part| "CustomerID,event_date,amount,InvoiceNo\n".to_owned() + &part.concat())
        .collect();
    let parts: Vec<&str> = shuffled.iter().map(String::as_str).collect();
    for feature_set in [FeatureSet::Rfm, FeatureSet::Behavioral] {
        for as_of in ["2011-09-10", "2011-12-09"] {
            let grouped = table_bits(&in_memory(&expected, as_of, feature_set));
            assert_eq!(table_bits(&in_memory(&events, as_of, feature_set)), grouped);
            assert_eq!(table_bits(&in_one_pass(&[&by_line], as_of, feature_set, &options)), grouped);
            assert_eq!(table_bits(&in_one_pass(&parts, as_of, feature_set, &options)), grouped);
        }
    }

    // Seven invoices from 2010-12-07 to 2011-12-07, 365 days: six gaps of 60.8 days. Line by line it was 2.0.
    let between = |events: &Events| {
        let table = in_memory(events, "2011-12-09", FeatureSet::Rfm);
        let at = table.names().position(|name| name == "days_between_transactions").expect("a feature");
        let id = table.customer_ids().find(|id| id.starts_with("12347")).expect("the customer").to_owned();
        table.row(&id).expect("the customer")[at]
    };
    assert_eq!(between(&events), 365.0 / 6.0);
    options.columns.order_id = None;
    assert!((between(&of(&by_line, &options)) - 2.0).abs() < 0.05);
}

/// One invoice of 73 lines is one event: a frequency_score of 100 · 1 / F and not of 100 · 73 / F.
#[test]
fn an_invoice_of_many_lines_counts_once() {
    let lines: String = (0..73).map(|i| format!("anna,2024-05-01,0.{:02},,542237\n", 10 + i)).collect();
    let events = read(&format!("{HEADER}{lines}bert,2024-05-01,5,,9\nbert,2024-05-02,5,,10\n"));
    let given =
        FeatureConfig { scales: Some(churn::Scales { frequency: 4.0, monetary: 100.0 }), ..FeatureConfig::default() };
    let table = features(&events.split_at(day("2024-05-03")).0, &given).expect("customers");
    let row = table.row("anna").expect("anna");
    // 0.10 + 0.11 + … + 0.82 is 73 · 0.46 = 33.58; the only event cannot have a gap.
    assert_eq!((row[1], row[2], row[6]), (25.0, 33.58, 33.58));
    assert!(row[7].is_nan());
    assert_eq!(events.report().merged_rows, Some(72));
}

/// A report without the lines of the first and the last day, which follow the order of the rows.
fn counts(report: &IngestReport) -> IngestReport {
    IngestReport { first_day_line: None, last_day_line: None, ..report.clone() }
}

#[test]
fn shuffled_rows_chunks_and_threads_change_nothing() {
    let mut lines = order_lines(7, 400, 300);
    let csv = csv_of(&lines);
    for options in [ReadOptions::default(), by_day()] {
        let events = of(&csv, &options);
        assert!(events.report().merged_rows.is_some_and(|merged| merged > 3000), "{:?}", events.report());
        let as_of = "2023-09-01";
        let sets = [FeatureSet::Rfm, FeatureSet::Behavioral];
        let expected = sets.map(|set| table_bits(&in_memory(&events, as_of, set)));
        for threads in [1, 2, 5] {
            Xorshift::new(threads as u64).shuffle(&mut lines);
            let parts: Vec<String> = lines.chunks(1 + lines.len() / (1 + threads)).map(csv_of).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                let again = of(&csv_of(&lines), &options);
                assert_eq!(rows(&again), rows(&events));
                assert_eq!(counts(again.report()), counts(events.report()));
                for (set, expected) in sets.into_iter().zip(&expected) {
                    assert_eq!(&table_bits(&in_memory(&again, as_of, set)), expected);
                    assert_eq!(&table_bits(&in_one_pass(&parts, as_of, set, &options)), expected);
                    // Streams that were filled apart.
                    let mut whole = FeatureStream::new(day(as_of), &config(set)).expect("a configuration");
                    for part in &parts {
                        let mut stream = FeatureStream::new(day(as_of), &config(set)).expect("a configuration");
                        stream.read_csv(part.as_bytes(), &options).expect("good rows");
                        whole.merge(&stream).expect("the same configuration");
                    }
                    assert_eq!(&table_bits(&whole.finish().expect("customers")), expected);
                }
            });
        }
    }
}

/// Sources with and without orders in one stream: each row is counted as its source says.
#[test]
fn a_stream_takes_sources_of_both_kinds() {
    let with = format!("{HEADER}anna,2024-01-01,1,p,7\nanna,2024-01-01,2,p,7\n");
    let without = "customer_id,event_date,amount,event_type\nanna,2024-01-01,4,p\nanna,2024-01-01,8,p\n";
    let mut stream = FeatureStream::new(day("2024-01-02"), &FeatureConfig::default()).expect("a configuration");
    let merged = [with.as_str(), without, with.as_str()]
        .map(|csv| stream.read_csv(csv.as_bytes(), &ReadOptions::default()).expect("good rows").merged_rows);
    // The second time both lines belong to an event that is there.
    assert_eq!(merged, [Some(1), Some(0), Some(2)]);
    let table = stream.finish().expect("anna");
    // Three events of 6, 4 and 8: a mean of 6.
    assert_eq!(table.row("anna").expect("anna")[6], 6.0);
}

/// The events of a customer among lines, as transactions.
fn transactions(lines: &[String], customer: &str) -> Vec<Transaction> {
    let own = lines.iter().filter(|line| line.starts_with(&format!("{customer},")));
    own.map(|line| {
        let fields: Vec<&str> = line.trim_end().split(',').collect();
        let text = |i: usize| (!fields[i].is_empty()).then(|| fields[i].to_owned());
        Transaction {
            event_date: day(fields[1]),
            amount: text(2).map(|amount| amount.parse().expect("a number")),
            event_type: text(3),
            order_id: text(4),
        }
    })
    .collect()
}

#[test]
fn one_customer_alone_scores_as_in_the_batch() {
    let lines = order_lines(11, 300, 500);
    let csv = csv_of(&lines);
    for (options, unit) in [(ReadOptions::default(), EventUnit::Order), (by_day(), EventUnit::Day)] {
        let events = of(&csv, &options);
        let features = config(FeatureSet::Behavioral);
        let model = train(&events, &TrainConfig { features, ..TrainConfig::default() }).expect("both classes");
        assert_eq!((events.unit(), model.event_unit()), (unit, unit));
        let model = Model::from_json(&model.to_json()).expect("a document");
        assert_eq!(model.event_unit(), unit);
        let as_of = day("2024-03-31");
        let batch = model.predict(&events, Some(as_of)).expect("customers");
        for expected in batch.iter() {
            let mut transactions = transactions(&lines, &expected.customer_id);
            transactions.reverse();
            let customer_id = expected.customer_id.clone();
            let rows = transactions.iter().map(|transaction| (customer_id.as_str(), transaction.clone()));
            let log = Events::from_rows(rows).expect("good rows");
            let alone = model.predict(&log, Some(as_of)).expect("a customer");
            let customer = Customer { customer_id, transactions, attributes: Default::default() };
            assert_eq!(model.predict_one(&customer, as_of).expect("a customer"), expected);
            assert_eq!(alone.iter().next(), Some(expected));
        }
        // A log that was read line by line: a model of days takes its days, as the model knows what an event is.
        let raw = csv_of(
            &lines.iter().map(|line| format!("{},\n", line.rsplit_once(',').expect("fields").0)).collect::<Vec<_>>(),
        );
        let raw = read(&raw);
        assert_eq!(raw.unit(), EventUnit::Row);
        let same = prediction_bits(&model.predict(&raw, Some(as_of)).expect("customers")) == prediction_bits(&batch);
        assert_eq!(same, unit == EventUnit::Day);
    }
}

/// Asked with transactions that have no order ids, a model of orders takes each for itself.
#[test]
fn transactions_without_orders_stand_for_themselves() {
    let lines = order_lines(12, 200, 500);
    let model = train(&read(&csv_of(&lines)), &TrainConfig::default()).expect("both classes");
    let day = day("2024-03-01");
    let transaction = |amount, order_id: Option<&str>| Transaction {
        event_date: day,
        amount: Some(amount),
        event_type: None,
        order_id: order_id.map(str::to_owned),
    };
    let score = |transactions: Vec<Transaction>| {
        let customer = Customer { customer_id: "x".to_owned(), transactions, attributes: Default::default() };
        model.predict_one(&customer, day.plus(20)).expect("a customer").churn_probability
    };
    let lines = score(vec![transaction(5.0, Some("1")), transaction(7.5, Some("1"))]);
    let apart = score(vec![transaction(5.0, None), transaction(7.5, None)]);
    assert_eq!(lines.to_bits(), score(vec![transaction(12.5, None)]).to_bits());
    assert_eq!(apart.to_bits(), score(vec![transaction(5.0, Some("")), transaction(7.5, Some("2"))]).to_bits());
    assert_ne!(lines.to_bits(), apart.to_bits());
}

/// An event that makes a log fail makes a customer alone fail, in the same words.
#[test]
fn an_event_that_is_too_large_is_refused_everywhere() {
    let lines = order_lines(13, 200, 500);
    let as_of = day("2024-03-31");
    for (options, order) in [(ReadOptions::default(), Some("9")), (by_day(), None)] {
        let model = train(&of(&csv_of(&lines), &options), &TrainConfig::default()).expect("both classes");
        let large = Transaction {
            event_date: day("2024-03-30"),
            amount: Some(1e12),
            event_type: None,
            order_id: order.map(str::to_owned),
        };
        let customer =
            Customer { customer_id: "x".to_owned(), transactions: vec![large; 2], attributes: Default::default() };
        let rows = customer.transactions.iter().map(|transaction| ("x", transaction.clone()));
        let log = Events::from_rows(rows).and_then(|log| model.predict(&log, Some(as_of)));
        let (error, alone) = (log.expect_err("too large"), model.predict_one(&customer, as_of).expect_err("too large"));
        assert_eq!((error.code(), error.to_string()), ("bad_rows", alone.to_string()));
        assert!(error.to_string().contains("customer \"x\"") && error.to_string().contains("2024-03-30"), "{error}");
    }
}

/// A document says what an event is only where it is not a row: older libraries read those of rows, and a document that does
/// not say so means rows.
#[test]
fn documents_of_rows_say_nothing_of_it() {
    let lines = order_lines(14, 200, 500);
    let plain = csv_of(&lines).replace(",order_id\n", ",note\n");
    let events = read(&plain);
    assert_eq!((events.unit(), events.report().merged_rows), (EventUnit::Row, Some(0)));
    let text = train(&events, &TrainConfig::default()).expect("both classes").to_json();
    assert!(!text.contains("event_unit"));
    assert_eq!(Model::from_json(&text).expect("a document").event_unit(), EventUnit::Row);
    let changed = text.replacen("\"labels\":", "\"event_unit\":\"week\",\"labels\":", 1);
    let error = Model::from_json(&changed).expect_err("no unit");
    assert!(error.code() == "invalid_document" && error.to_string().contains("event_unit"), "{error}");
}
