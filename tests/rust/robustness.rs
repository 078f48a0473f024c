//! Nothing that comes from outside makes the library panic, loop or disagree with itself: CSV bytes and model documents, made up
//! by the hundred thousand, and the CSV reader held against an independent one.
//!
//! The inputs come from a generator with fixed seeds, so a failure names an input that fails again. `CHURN_INPUTS` sets how many
//! there are of each kind (default 100,000); the full test is `CHURN_INPUTS=1000000`.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use churn::{
    BadRow, BadRowReason, CalibrationKind, ChangeConfig, CheckedCsv, Day, EndsKnown, Events, ExplainConfig,
    FeatureConfig, FeaturePerturbation, FeatureSet, FeatureStream, IngestReport, LabelConfig, LearnConfig, Model,
    ModelKind, OnBadRow, ReadOptions, RetentionBy, SubscriptionOptions, SubscriptionPreset, Subscriptions, Table,
    TableConfig, TrainConfig, check_csv, check_subscriptions, movements, retention, subscription_features,
    subscription_labels, train, train_table,
};
use churn_tests::{Xorshift, csv_of, log_lines, prediction_bits, read, say, table_bits};
use rayon::prelude::*;

/// Made-up inputs of a kind.
fn inputs() -> u64 {
    std::env::var("CHURN_INPUTS").map_or(100_000, |inputs| inputs.parse().expect("CHURN_INPUTS is a whole number"))
}

/// Inputs that one generator makes, one after the other.
const BLOCK: u64 = 1_000;

/// Makes inputs on every core and calls `run` on each; true from `run` counts as accepted. A panic names its input.
fn bombard(
    what: &str,
    inputs: u64,
    seed: u64,
    generate: impl Fn(&mut Xorshift, &mut Vec<u8>) + Sync,
    run: impl Fn(&mut Xorshift, &[u8]) -> bool + Sync,
) -> u64 {
    let accepted = AtomicU64::new(0);
    (0..inputs / BLOCK).into_par_iter().for_each(|block| {
        let mut random = Xorshift::new(seed + block);
        let mut input = Vec::new();
        for i in 0..BLOCK {
            input.clear();
            generate(&mut random, &mut input);
            match catch_unwind(AssertUnwindSafe(|| run(&mut random, &input))) {
                Ok(good) => {
                    accepted.fetch_add(u64::from(good), Ordering::Relaxed);
                }
                Err(_) => panic!(
                    "{what}: input {i} of block {block} (seed {seed}) brings it down: {:?}",
                    String::from_utf8_lossy(&input)
                ),
            }
        }
    });
    let accepted = accepted.into_inner();
    say(&format!("robustness: {what}: {inputs} inputs, {accepted} accepted"));
    accepted
}

/// One to four random changes of the bytes.
fn mutate(random: &mut Xorshift, input: &mut Vec<u8>, others: &[Vec<u8>], tokens: &[&[u8]]) {
    for _ in 0..1 + random.below(4) {
        let at = random.below(input.len() + 1);
        let until = (at + random.below(24)).min(input.len());
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 => drop(input.drain(at..until)),
            2 => {
                let copy = input[at..until].to_vec();
                input.splice(at..at, copy);
            }
            3 => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                let to = (from + random.below(40)).min(other.len());
                input.splice(at..until, other[from..to].iter().copied());
            }
            4 if random.below(8) == 0 => input.truncate(at.max(1)),
            _ => {
                let token = random.pick(tokens);
                input.splice(at..at, token.iter().copied());
            }
        }
    }
}

/// A reader that gives its bytes in random portions and notices who does not stop at the end.
struct Portions<'a> {
    bytes: &'a [u8],
    random: Xorshift,
    largest: usize,
    reads_after_end: u32,
}

impl<'a> Portions<'a> {
    fn new(bytes: &'a [u8], random: &mut Xorshift) -> Self {
        let largest = if random.below(2) == 0 { 1 + random.below(7) } else { usize::MAX };
        Portions { bytes, random: Xorshift::new(random.next()), largest, reads_after_end: 0 }
    }
}

impl Read for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.is_empty() {
            self.reads_after_end += 1;
            assert!(self.reads_after_end < 10, "the reader asks on and on after the end");
        }
        let most = self.bytes.len().min(buffer.len()).min(self.largest);
        let n = if most < 2 { most } else { 1 + self.random.below(most) };
        buffer[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

const LOGS: [&str; 6] = [
    "customer_id,event_date,amount,event_type\nA,2024-01-01,5,p\nB,2024-01-02,,login\nA,2024-03-01,-2.5,refund\n",
    "customer_id,event_date,amount,churn_label\r\n\"A, Inc.\",2024-01-01T23:30:00-05:00,1e3,1\r\n\"say \"\"hi\"\"\",1969-12-31,.5,0\r\n",
    "\u{feff}note,event_date,customer_id\nx,2024-01-01 10:00,é\n\n\"two\nlines\",2024-01-02 10:00:30,😀\n",
    "customer_id;event_date;amount\n7;2024-02-29;1,5\n007;2024-02-28;1.5\n",
    "customer_id,event_date\nA,19970101\nB,20240229\nC,16-Mar-15\n",
    "id,age,plan,churned\nanna,31,gold,0\nbert,,basic,1\nc,4e2,\"a,b\",true\n",
];

const CSV_TOKENS: [&[u8]; 34] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\t",
    b" ",
    b"\xc3",
    "é".as_bytes(),
    "😀".as_bytes(),
    "\u{2028}".as_bytes(),
    b"1e308",
    b"1e309",
    b"-0",
    b"nan",
    b"inf",
    b"1e12",
    b"99999999999999999999999999",
    b"9999-12-31",
    b"0000-01-01",
    b"0001-01-01",
    b"2024-02-30",
    b"9999-12-31T23:59:59-23:59",
    b"0001-01-01T00:00:00+23:59",
    b"2024-01-01T00:00:00[Europe/Berlin]",
    b"2024-06-30T23:59:60Z",
    b"customer_id",
    b"\n\n,,,\n",
];

fn csv_input(random: &mut Xorshift, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    match random.below(16) {
        // Anything at all.
        0 => (0..random.below(60)).for_each(|_| input.push(random.next() as u8)),
        // What the parser's states tell apart.
        1 | 2 => {
            input.extend_from_slice(b"customer_id,event_date,amount\n");
            const LETTERS: &[u8] = b"\"\",,\r\nA2-0 5";
            (0..random.below(80)).for_each(|_| input.push(LETTERS[random.below(LETTERS.len())]));
        }
        _ => {
            input.extend_from_slice(&others[random.below(others.len())]);
            mutate(random, input, others, &CSV_TOKENS);
        }
    }
}

fn csv_options() -> Vec<ReadOptions> {
    let skip = ReadOptions { on_bad_row: OnBadRow::Skip, max_bad_share: 1.0, ..ReadOptions::default() };
    let format = |format: &str| ReadOptions { date_format: Some(format.to_owned()), ..skip.clone() };
    vec![
        // Most inputs are worth the patient reader.
        skip.clone(),
        skip.clone(),
        skip.clone(),
        skip.clone(),
        ReadOptions::default(),
        ReadOptions { delimiter: ';', ..skip.clone() },
        format("%Y%m%d"),
        format("%d-%b-%y"),
        format("%Y-%m-%dT%H:%M:%S%:z"),
    ]
}

/// True for bytes that are compressed or marked as UTF-16.
fn is_decoded(input: &[u8]) -> bool {
    let marks: [&[u8]; 5] = [&[0xff, 0xfe], &[0xfe, 0xff], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"PK\x03\x04"];
    marks.iter().any(|mark| input.starts_with(mark))
}

/// The check that keeps no row finds what the reader finds, but for labels that differ within a customer.
fn assert_checked_as_read(events: &churn::Result<Events>, checked: churn::Result<CheckedCsv>) {
    let read = match events {
        Ok(events) => Some(events.report()),
        Err(error) => error.report(),
    };
    let conflicting = |row: &BadRow| row.reason == BadRowReason::ConflictingLabel;
    if read.is_some_and(|report| report.bad_rows.iter().any(conflicting)) {
        return;
    }
    match (events, checked) {
        (Ok(events), checked) => {
            // What rows share is known where they are kept.
            let report = IngestReport {
                rows_sharing_day: None,
                duplicate_rows: None,
                merged_rows: None,
                ..events.report().clone()
            };
            let (first_day, last_day) = (events.first_day(), events.last_day());
            assert_eq!(checked.ok(), Some(CheckedCsv { report, first_day, last_day }));
        }
        (Err(error), Err(found)) => assert_eq!((error.to_string(), error.line()), (found.to_string(), found.line())),
        (Err(error), Ok(_)) => panic!("the check misses {error}"),
    }
}

#[test]
fn csv_readers_take_any_bytes() {
    let others: Vec<Vec<u8>> = LOGS.iter().map(|log| log.as_bytes().to_vec()).collect();
    let options = csv_options();
    let config = FeatureConfig { feature_set: FeatureSet::Behavioral, ..FeatureConfig::default() };
    let run = |random: &mut Xorshift, input: &[u8]| {
        let options = &options[random.below(options.len())];
        let events = Events::from_csv(Portions::new(input, random), options);
        let streamed = FeatureStream::new(Day::MAX, &config).and_then(|mut stream| {
            let report = stream.read_csv(Portions::new(input, random), options)?;
            Ok((report, stream))
        });
        if let Ok(table) = Table::from_csv(Portions::new(input, random), options.delimiter) {
            assert!(table.rows() > 0 && !table.columns().is_empty());
        }
        // What is compressed or marked as UTF-16 is decoded by the one and refused by the other.
        if !is_decoded(input) {
            assert_checked_as_read(&events, check_csv(Portions::new(input, random), options));
        }
        match &events {
            Ok(events) => {
                let report = events.report();
                assert_eq!(report.rows, report.good + report.bad + report.outside + report.ignored);
                assert_eq!((events.len() as u64, events.iter().count()), (report.good, events.len()));
                assert!(events.first_day() <= events.last_day());
                let (history, _) = events.split_at(Day::MAX);
                let table = churn::features(&history, &config).expect("a log has customers");
                // Labels are not read there: what they alone make bad is good in one pass.
                let (streamed_report, stream) = streamed.expect("what is read in memory is read in one pass");
                if streamed_report.good == report.good {
                    assert_eq!(table_bits(&table), table_bits(&stream.finish().expect("customers")));
                } else {
                    assert!(streamed_report.good > report.good);
                }
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                if let Some(report) = error.report() {
                    assert_eq!(report.rows, report.good + report.bad + report.ignored);
                }
            }
        }
        events.is_ok()
    };
    let count = inputs();
    let accepted = bombard("the CSV readers", count, 1, |random, input| csv_input(random, input, &others), run);
    // Inputs that are all refused, or none of them, would test one half of the reader only.
    assert!((count / 20..count * 9 / 10).contains(&accepted), "{accepted}");
}

/// A field longer than the limit, deep nesting, and counts that promise more than there is.
#[test]
fn large_and_deep_inputs_are_refused_in_time() {
    let huge = format!("customer_id,event_date\n\"{}", "x\"\"\n".repeat(2_000_000));
    let error = Events::from_csv(huge.as_bytes(), &ReadOptions::default()).expect_err("a quote that swallows the file");
    assert_eq!((error.code(), error.line()), ("record_too_long", Some(2)));
    let wide = format!("customer_id,event_date{}\n", ",x".repeat(400_000));
    assert_eq!(Table::from_csv(wide.as_bytes(), ',').expect_err("columns").code(), "too_many_values");
    for text in ["[".repeat(1_000_000), r#"{"a":"#.repeat(500_000), format!(r#"{{"format": {}"#, "[".repeat(500_000))] {
        assert_eq!(Model::from_json(&text).expect_err("nested").code(), "invalid_document");
    }
    let version = |n: &str| format!(r#"{{"format": "churn-model", "format_version": {n}}}"#);
    for (n, code) in [
        ("2", "unsupported_version"),
        ("0", "unsupported_version"),
        ("1", "invalid_document"),
        ("-1", "invalid_document"),
        ("4294967297", "invalid_document"),
    ] {
        assert_eq!(Model::from_json(&version(n)).expect_err(n).code(), code, "{n}");
    }
}

/// One small document of each learner on events, and of each on a table with categories and gaps.
fn documents() -> (Vec<Vec<u8>>, Events, Table) {
    let events = read(&csv_of(&log_lines(3, 70, 330)));
    let mut random = Xorshift::new(4);
    let mut csv = "id,age,plan,active,churned\n".to_owned();
    for i in 0..80 {
        let age = if i % 9 == 0 { String::new() } else { random.below(60).to_string() };
        let plan = random.pick(&["basic", "gold", "", "silver"]);
        csv.push_str(&format!("{i},{age},{plan},{},{}\n", random.below(2) == 0, u8::from(random.below(3) == 0)));
    }
    let table = Table::from_csv(csv.as_bytes(), ',').expect("a table");
    let mut documents = Vec::new();
    for (model, calibration) in
        ModelKind::LEARNERS.into_iter().zip([CalibrationKind::None, CalibrationKind::Platt, CalibrationKind::Isotonic])
    {
        let learning = LearnConfig {
            model,
            calibration,
            trees: 2,
            rounds: Some(2),
            max_depth: Some(2),
            background_rows: 3,
            ..LearnConfig::default()
        };
        let (features, learned) = (FeatureConfig::default(), learning.clone());
        let config = TrainConfig { features, learning: learned, snapshots: Some(1), ..TrainConfig::default() };
        documents.push(train(&events, &config).expect("both classes").to_json().into_bytes());
        let leave_out = vec!["id".to_owned()];
        let config = TableConfig { learning, leave_out, ..TableConfig::default() };
        documents.push(train_table(&table, &config).expect("both classes").to_json().into_bytes());
    }
    (documents, events, table)
}

const JSON_TOKENS: [&[u8]; 26] = [
    b"-1",
    b"0",
    b"1",
    b"1e308",
    b"-1e308",
    b"1e-308",
    b"4294967296",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"255",
    b"0.5",
    b"null",
    b"true",
    b"[]",
    b"[[[[[[]]]]]]",
    b"{}",
    b"\"\"",
    b"NaN",
    b"1e400",
    b",",
    b"]",
    b"}",
    b"\\u0000",
    b"\xff",
    b"{\"platt\":{\"slope\":1,\"offset\":0}}",
    b"\"identity\"",
];

/// The number that begins at or after a position: where it starts and ends.
fn number_after(input: &[u8], from: usize) -> Option<(usize, usize)> {
    let starts = |i: &usize| matches!(input[*i], b'0'..=b'9' | b'-') && matches!(input[i - 1], b'[' | b':' | b',');
    let start = (from.max(1)..input.len()).find(starts)?;
    let end = (start..input.len()).find(|&i| matches!(input[i], b',' | b']' | b'}'))?;
    Some((start, end))
}

fn document_input(random: &mut Xorshift, input: &mut Vec<u8>, others: &[Vec<u8>]) {
    if random.below(50) == 0 {
        const LETTERS: &[u8] = b"{}[]:,\"\\0123456789.eE+-nulltruefas \xc3";
        (0..random.below(80)).for_each(|_| input.push(LETTERS[random.below(LETTERS.len())]));
        return;
    }
    input.extend_from_slice(&others[random.below(others.len())]);
    // Half of the documents stay JSON: only values change, so that the checks behind the parser have work.
    if random.below(2) == 0 {
        return mutate(random, input, others, &JSON_TOKENS);
    }
    for _ in 0..1 + random.below(3) {
        let Some((start, end)) = number_after(input, random.below(input.len())) else { continue };
        match random.below(6) {
            // A nearby number.
            0 | 1 if end - start < 20 => {
                let at = start + random.below(end - start);
                if input[at].is_ascii_digit() {
                    input[at] = b'0' + random.below(10) as u8;
                }
            }
            // An element less, or one twice.
            2 if input[end] == b',' => drop(input.drain(start..=end)),
            3 => {
                let mut copy = vec![b','];
                copy.extend_from_slice(&input[start..end]);
                input.splice(end..end, copy);
            }
            _ => {
                let token = random.pick(&JSON_TOKENS);
                input.splice(start..end, token.iter().copied());
            }
        }
    }
}

#[test]
fn the_document_loader_takes_any_text() {
    let (documents, events, table) = documents();
    for document in &documents {
        let text = std::str::from_utf8(document).expect("JSON is UTF-8");
        assert!(Model::from_json(text).is_ok(), "what is mutated is a good document to begin with");
        assert!(document.len() < 16_384, "{} bytes: small documents make many inputs possible", document.len());
    }
    let run = |_: &mut Xorshift, input: &[u8]| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let model = match Model::from_json(text) {
            Ok(model) => model,
            Err(error) => {
                let codes = ["invalid_document", "unsupported_version", "golden_mismatch"];
                assert!(codes.contains(&error.code()), "{error:?}");
                return false;
            }
        };
        // A model that loads scores; whether its columns are there is another question.
        for predictions in [model.predict(&events, None), model.predict_table(&table, None)].into_iter().flatten() {
            for prediction in predictions.iter() {
                let p = prediction.churn_probability;
                assert!((0.0..=1.0).contains(&p), "{p} is no probability");
            }
            assert_eq!(prediction_bits(&predictions).len(), predictions.len());
        }
        for features in [model.features(&events, None), model.table_features(&table, None)].into_iter().flatten() {
            let some = features.select(&[0, features.rows() - 1]);
            for feature_perturbation in [FeaturePerturbation::TreePathDependent, FeaturePerturbation::Interventional] {
                let config = ExplainConfig { feature_perturbation, ..ExplainConfig::default() };
                let Ok(explanation) = model.explain_with(&some, &config) else { continue };
                assert!(explanation.contributions().iter().all(|value| value.is_finite()));
                assert!(explanation.reasons(0).len() <= 3);
            }
            let customer = some.customer_ids().next().expect("two rows").to_owned();
            let features: Vec<String> = some.names().map(str::to_owned).collect();
            let config = ChangeConfig { features: Some(features), ..ChangeConfig::default() };
            for change in model.smallest_changes(&some, &customer, &config).into_iter().flatten() {
                assert!((0.0..=1.0).contains(&change.churn_probability));
            }
        }
        let again = Model::from_json(&model.to_json()).expect("what was loaded can be kept");
        assert_eq!(again, model);
        true
    };
    let count = inputs();
    let generate = |random: &mut Xorshift, input: &mut Vec<u8>| document_input(random, input, &documents);
    let accepted = bombard("the document loader", count, 1_000_000, generate, run);
    assert!((count / 100..count * 9 / 10).contains(&accepted), "{accepted}");
}

/// A row as the reference sees it, by the rules of our reader: nothing where it is bad.
fn expected_row(record: &csv::ByteRecord, columns: usize, at: [usize; 4]) -> Option<churn_tests::Row> {
    if record.len() != columns {
        return None;
    }
    let text = |i: usize| std::str::from_utf8(&record[at[i]]).ok();
    let (customer, kind) = (text(0)?, text(3)?);
    let day: Day = text(1)?.trim_matches([' ', '\t', '\n', '\r', '\x0c']).parse().ok()?;
    let amount = match text(2)?.trim_matches([' ', '\t', '\n', '\r', '\x0c']) {
        "" => None,
        text if text.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e')) => {
            Some(text.parse::<f64>().ok().filter(|a| a.abs() <= 1e12)? + 0.0)
        }
        _ => return None,
    };
    (!customer.is_empty()).then(|| {
        let kind = (!kind.is_empty()).then(|| kind.to_owned());
        (customer.to_owned(), day.number(), amount.map(f64::to_bits), kind)
    })
}

/// A well-formed field: plain, quoted, or with quotes inside; never a carriage return of its own, which is data to us and a
/// line end to the reference.
fn adversarial_field(random: &mut Xorshift, content: &str) -> String {
    let noise = ["", "", "é", "😀", " ", "\t", "''", "a\"b", "日本"];
    let mut text = format!("{content}{}", random.pick(&noise));
    match random.below(8) {
        // A quote at the start would open the field.
        0..=3 => text.trim_start_matches('"').to_owned(),
        // The quotes are closed; inside them everything is data, doubled quotes included.
        4 | 5 => {
            text.push_str(random.pick(&["", ",", "\n", "\r\n", ";", "\"", "\n\n\""]));
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        // A quote behind a tab would open a field where tabs separate them.
        _ => format!("x{}\"", text.trim_end_matches('\t')),
    }
}

/// The `csv` crate splits well-formed records as RFC 4180 does. Three differences are ours on purpose and do not occur in these
/// files but in their own tests: a quote that is never closed is an error here, text behind a closing quote makes a bad row
/// (tests/rust/quotes.rs), and a carriage return alone ends no record.
#[test]
fn records_are_split_as_the_csv_crate_splits_them() {
    let files = inputs() / 4;
    let compared = AtomicU64::new(0);
    let events_seen = AtomicU64::new(0);
    (0..files).into_par_iter().for_each(|seed| {
        let mut random = Xorshift::new(seed);
        let delimiter = [',', ';', '\t', '|'][random.below(4)];
        let mut names = vec!["customer_id", "event_date", "amount", "event_type", "note"];
        random.shuffle(&mut names);
        let line_end = |random: &mut Xorshift| *random.pick(&[&"\n", &"\r\n", &"\n", &"\n\n", &"\r\n\r\n\n"]);
        let mut file = if random.below(8) == 0 { "\u{feff}".to_owned() } else { String::new() };
        let joined = |fields: &[String]| fields.join(&delimiter.to_string());
        file.push_str(&joined(
            &names
                .iter()
                .map(|name| if random.below(4) == 0 { format!("\"{name}\"") } else { (*name).to_owned() })
                .collect::<Vec<_>>(),
        ));
        file.push_str(line_end(&mut random));
        for _ in 0..random.below(12) {
            let mut fields: Vec<String> = Vec::new();
            for name in &names {
                fields.push(match *name {
                    "event_date" if random.below(8) > 0 => {
                        let date = format!("2024-0{}-1{}", 1 + random.below(9), random.below(10));
                        if random.below(3) == 0 { format!("\"{date}\"") } else { date }
                    }
                    "amount" if random.below(8) > 0 => {
                        random.pick(&["", "5", "\"2.50\"", " 7 ", "-1e2", "\"\"", "0.1"]).to_owned()
                    }
                    "customer_id" => {
                        let id = random.pick(&["A", "B", "007", ""]).to_owned();
                        adversarial_field(&mut random, &id)
                    }
                    _ => {
                        let text = random.pick(&["p", "", "login", ","]).replace(',', "\"");
                        adversarial_field(&mut random, &text)
                    }
                });
            }
            match random.below(20) {
                0 => drop(fields.pop()),
                1 => fields.push(String::new()),
                _ => (),
            }
            file.push_str(&joined(&fields));
            file.push_str(line_end(&mut random));
        }
        if random.below(3) == 0 {
            file.truncate(file.trim_end_matches(['\r', '\n']).len());
        }

        let mut reference = csv::ReaderBuilder::new()
            .delimiter(delimiter as u8)
            .flexible(true)
            .has_headers(false)
            .from_reader(file.as_bytes());
        let records: Vec<csv::ByteRecord> = reference.byte_records().collect::<Result<_, _>>().expect("flexible");
        let at = ["customer_id", "event_date", "amount", "event_type"].map(|name| {
            records[0].iter().position(|field| field == name.as_bytes()).expect("the header has every name")
        });
        let mut expected: Vec<churn_tests::Row> =
            records[1..].iter().filter_map(|record| expected_row(record, names.len(), at)).collect();
        expected.sort_unstable();

        let options =
            ReadOptions { delimiter, on_bad_row: OnBadRow::Skip, max_bad_share: 1.0, ..ReadOptions::default() };
        match Events::from_csv(Portions::new(file.as_bytes(), &mut random), &options) {
            Ok(events) => {
                let mut found = churn_tests::rows(&events);
                found.sort_unstable();
                assert_eq!(found, expected, "{file:?}");
                assert_eq!(events.report().rows, records.len() as u64 - 1, "{file:?}");
                assert_eq!(events.report().good, expected.len() as u64, "{file:?}");
                compared.fetch_add(1, Ordering::Relaxed);
                events_seen.fetch_add(events.len() as u64, Ordering::Relaxed);
            }
            Err(error) => {
                assert_eq!((error.code(), expected.len()), ("no_good_rows", 0), "{error}: {file:?}");
                let rows = error.report().map(|report| report.rows);
                assert_eq!(rows, Some(records.len() as u64 - 1), "{file:?}");
            }
        }
    });
    let (compared, events) = (compared.into_inner(), events_seen.into_inner());
    say(&format!("robustness: CSV splitting: {files} files, {compared} compared, {events} events"));
    assert!(compared > files / 2 && events > files, "too few files could be compared");
}

/// Intended differences from the `csv` crate.
#[test]
fn documented_differences_of_csv_splitting() {
    let read = |text: &str| Events::from_csv(text.as_bytes(), &ReadOptions::default());
    let error = read("customer_id,event_date\nA,2024-01-01\n\"B,2024-01-02\n").expect_err("never closed");
    assert_eq!((error.code(), error.line()), ("unclosed_quote", Some(3)));
    let events = read("customer_id,event_date\nA\rB,2024-01-01\n").expect("a carriage return is data");
    assert_eq!(events.customer_ids().collect::<Vec<_>>(), ["A\rB"]);
}

/// Readers of subscriptions take any bytes, and what is read has features that the future does not reach: on a random day they are the
/// same without the later periods and with the later ends masked.
#[test]
fn readers_of_subscriptions_take_any_bytes() {
    let count = inputs() / 5;
    let folder = churn_tests::vector_path("").join("../subscriptions/exports");
    let export = |name: &str| std::fs::read(folder.join(name)).expect("an export");
    let own = b"customer_id,start_date,end_date,subscription_id,plan,amount,known_at,end_reason,trial\n\
        a,2024-01-01,2024-03-01,s1,basic,10,2024-02-10,voluntary,\na,2024-03-04,,s2,pro,20,,,\n\
        b,2024-01-05,2024-01-19,,,,,trial_not_converted,true\nb,2024-02-01,2024-06-01,,pro,9.99,,involuntary,false\n\
        c,2023-12-01,,x,,5,,,\nc,2024-02-01,2024-04-01,y,pro,0.1,2024-05-01,other,\n"
        .to_vec();
    let files = [
        (own, None),
        (export("stripe_subscriptions.csv"), Some(SubscriptionPreset::Stripe)),
        (export("stripe_invoices.csv"), Some(SubscriptionPreset::StripeInvoices)),
        (export("recurly.csv"), Some(SubscriptionPreset::Recurly)),
        (export("recurly_history.csv"), Some(SubscriptionPreset::RecurlyHistory)),
        (export("chargebee.csv"), Some(SubscriptionPreset::Chargebee)),
        (export("chartmogul.csv"), Some(SubscriptionPreset::Chartmogul)),
    ];
    let others: Vec<Vec<u8>> = files.iter().map(|file| file.0.clone()).collect();
    let generate = |random: &mut Xorshift, input: &mut Vec<u8>| {
        let file = random.below(2 * files.len()).saturating_sub(files.len());
        input.push(file as u8);
        let mut text = files[file].0.clone();
        mutate(random, &mut text, &others, &CSV_TOKENS);
        input.extend(text);
    };
    let run = |random: &mut Xorshift, input: &[u8]| {
        let options = SubscriptionOptions {
            preset: files[usize::from(input[0])].1,
            on_bad_row: OnBadRow::Skip,
            max_bad_share: 1.0,
            ends_known: if random.below(2) == 0 { EndsKnown::AtEnd } else { EndsKnown::AtStart },
            ..SubscriptionOptions::default()
        };
        let Ok(subscriptions) = Subscriptions::from_csv(&input[1..], &options) else { return false };
        let report = subscriptions.report();
        assert_eq!(report.rows, report.good + report.bad + report.outside + report.ignored, "{report:?}");
        let day = Day::from_ymd(2024, 1, 1).expect("a day").plus(random.below(400) as i32 - 100);
        let gap = [0, 7, 30][random.below(3)];
        let statuses = subscriptions.known_at(day).statuses().count();
        assert!(statuses <= subscriptions.customers());
        if let Ok(table) = subscription_features(&subscriptions.known_at(day), gap) {
            let past = subscriptions.truncated(day).expect("somebody was there");
            let without = subscription_features(&past.known_at(day), gap).expect("the same customers");
            assert_eq!(table_bits(&table), table_bits(&without), "{day}");
        }
        let config = LabelConfig { horizon_days: 30, allowed_gap_days: gap, ..LabelConfig::default() };
        if let Ok(labels) = subscription_labels(&subscriptions, day, &config) {
            assert!(labels.churned.iter().zip(&labels.causes).all(|(churned, cause)| *churned == cause.is_some()));
        }
        let months = movements(&subscriptions, gap).expect("any periods have months");
        assert!(months.windows(2).all(|pair| pair[0].customers.end == pair[1].customers.start));
        if let Ok(curves) = retention(&subscriptions, RetentionBy::Plan, gap) {
            let points = curves.iter().flat_map(|curve| &curve.curve);
            assert!(points.clone().all(|point| (0.0..=1.0).contains(&point.survival)));
        }
        assert!(check_subscriptions(&subscriptions).len() <= 3);
        true
    };
    let accepted = bombard("the readers of subscriptions", count, 5, generate, run);
    assert!((count / 10..count * 99 / 100).contains(&accepted), "{accepted}");
}
