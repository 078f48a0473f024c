//! A log is the same log as CSV, as Arrow record batches of any fitting type, and as a Parquet file: the same events, bit for
//! bit, and the same counts of what was refused.

use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Int64Builder};
use arrow_array::types::{ArrowPrimitiveType, Decimal256Type, Int8Type, Int32Type, UInt16Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array, Decimal256Array, DictionaryArray,
    Float32Array, Float64Array, Int16Array, Int32Array, Int64Array, LargeStringArray, NullArray, RecordBatch,
    StringArray, StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use churn::{Day, Events, FeatureConfig, FeatureStream, IngestReport, OnBadRow, ReadOptions};
use churn_tests::{day, rows, table_bits};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

/// One row: ids are digits so that they can be integers too; quarters and halves are exact in every type of number.
#[derive(Clone)]
struct Row {
    id: Option<i64>,
    day: Option<i32>,
    amount: Option<f64>,
    kind: Option<&'static str>,
}

fn log() -> Vec<Row> {
    let row = |id, date: &str, amount, kind| Row { id: Some(id), day: Some(day(date).number()), amount, kind };
    vec![
        row(12, "2024-01-15", Some(150.5), Some("purchase")),
        row(7, "1969-12-31", Some(-20.25), Some("refund")),
        row(12, "2024-01-15", None, Some("login")),
        row(700, "1970-01-01", Some(0.0), None),
        row(7, "1901-03-01", Some(3.0), Some("purchase")),
        row(700, "2024-02-29", Some(1000.0), Some("purchase")),
        row(12, "2024-01-15", Some(150.5), Some("purchase")),
        row(8, "2038-01-20", Some(-7.0), Some("login")),
    ]
}

fn csv(log: &[Row]) -> String {
    let text = |value: Option<String>| value.unwrap_or_default();
    let line = |row: &Row| {
        let date = row.day.and_then(Day::new).map(|day| day.to_string());
        let amount = row.amount.map(|amount| amount.to_string());
        format!(
            "{},{},{},{}\n",
            text(row.id.map(|id| id.to_string())),
            text(date),
            text(amount),
            row.kind.unwrap_or("")
        )
    };
    format!("customer_id,event_date,amount,event_type\n{}", log.iter().map(line).collect::<String>())
}

/// The columns as arrays, in the types that are named first everywhere.
fn columns(log: &[Row]) -> [ArrayRef; 4] {
    [
        Arc::new(log.iter().map(|row| row.id.map(|id| id.to_string())).collect::<StringArray>()),
        Arc::new(log.iter().map(|row| row.day).collect::<Date32Array>()),
        Arc::new(log.iter().map(|row| row.amount).collect::<Float64Array>()),
        Arc::new(log.iter().map(|row| row.kind).collect::<StringArray>()),
    ]
}

const NAMES: [&str; 4] = ["customer_id", "event_date", "amount", "event_type"];

fn batch(columns: &[ArrayRef; 4]) -> RecordBatch {
    RecordBatch::try_from_iter(NAMES.into_iter().zip(columns.iter().cloned())).expect("columns of one length")
}

fn from_csv(log: &[Row], options: &ReadOptions) -> Events {
    Events::from_csv(csv(log).as_bytes(), options).expect("a good log")
}

fn counts(report: &IngestReport) -> (u64, u64, u64) {
    (report.rows, report.good, report.bad)
}

/// With one column replaced, the batch gives the log of the CSV file.
fn check(what: &str, log: &[Row], at: usize, replacement: ArrayRef, options: &ReadOptions) {
    let mut columns = columns(log);
    let kind = replacement.data_type().clone();
    columns[at] = replacement;
    let expected = from_csv(log, &ReadOptions::default());
    let found =
        Events::from_arrow([batch(&columns)], options).unwrap_or_else(|error| panic!("{what} as {kind}: {error}"));
    assert_eq!(rows(&found), rows(&expected), "{what} as {kind}");
    assert_eq!(counts(found.report()), counts(expected.report()), "{what} as {kind}");
}

#[test]
fn ids_and_types_of_any_text() {
    let (log, options) = (log(), ReadOptions::default());
    let texts = |at: usize| -> Vec<Option<String>> {
        log.iter()
            .map(|row| if at == 0 { row.id.map(|id| id.to_string()) } else { row.kind.map(str::to_owned) })
            .collect()
    };
    for (what, at) in [("customer_id", 0), ("event_type", 3)] {
        let text = texts(at);
        let iter = || text.iter().map(Option::as_deref);
        check(what, &log, at, Arc::new(iter().collect::<StringArray>()), &options);
        check(what, &log, at, Arc::new(iter().collect::<LargeStringArray>()), &options);
        check(what, &log, at, Arc::new(iter().collect::<StringViewArray>()), &options);
        check(what, &log, at, Arc::new(iter().collect::<DictionaryArray<Int32Type>>()), &options);
        check(what, &log, at, Arc::new(iter().collect::<DictionaryArray<Int8Type>>()), &options);
    }
    check("customer_id", &log, 0, Arc::new(log.iter().map(|row| row.id).collect::<Int64Array>()), &options);
    check(
        "customer_id",
        &log,
        0,
        Arc::new(log.iter().map(|row| row.id.map(|id| id as i16)).collect::<Int16Array>()),
        &options,
    );
    check(
        "customer_id",
        &log,
        0,
        Arc::new(log.iter().map(|row| row.id.map(|id| id as u64)).collect::<UInt64Array>()),
        &options,
    );
    // Integers with gaps, as pandas has them.
    let doubles = || log.iter().map(|row| row.id.map(|id| id as f64));
    check("customer_id", &log, 0, Arc::new(doubles().collect::<Float64Array>()), &options);
    check(
        "customer_id",
        &log,
        0,
        Arc::new(doubles().map(|id| id.map(|id| id as f32)).collect::<Float32Array>()),
        &options,
    );
    // A dictionary of integers, keys in an order of their own.
    let keys = arrow_array::UInt16Array::from(vec![1, 0, 1, 2, 0, 2, 1, 3]);
    let values: ArrayRef = Arc::new(Int64Array::from(vec![7, 12, 700, 8]));
    check("customer_id", &log, 0, Arc::new(DictionaryArray::<UInt16Type>::new(keys, values)), &options);
    // An empty text is a missing type, as it is in CSV.
    let empty = log.iter().map(|row| Some(row.kind.unwrap_or(""))).collect::<StringArray>();
    check("event_type", &log, 3, Arc::new(empty), &options);
}

/// Seconds into the day: the first, the last, and between; the day is the same.
const TIMES: [i64; 3] = [0, 86_399, 43_201];

#[test]
fn dates_of_any_type() {
    let (log, options) = (log(), ReadOptions::default());
    let days: Vec<Option<i64>> = log.iter().map(|row| row.day.map(i64::from)).collect();
    check("event_date", &log, 1, Arc::new(log.iter().map(|row| row.day).collect::<Date32Array>()), &options);
    let texts: Vec<Option<String>> =
        log.iter().map(|row| row.day.and_then(Day::new).map(|day| day.to_string())).collect();
    let text = || texts.iter().map(Option::as_deref);
    check("event_date", &log, 1, Arc::new(text().collect::<StringArray>()), &options);
    check("event_date", &log, 1, Arc::new(text().collect::<LargeStringArray>()), &options);
    check("event_date", &log, 1, Arc::new(text().collect::<StringViewArray>()), &options);
    check("event_date", &log, 1, Arc::new(text().collect::<DictionaryArray<Int32Type>>()), &options);
    for time in TIMES {
        let seconds = || days.iter().map(|day| day.map(|day| day * 86_400 + time));
        // One tick before the next day where there is room for it: a moment before 1970 must not be cut towards 1970.
        let ticks = |per: i64| seconds().map(move |s| s.map(|s| s * per + if time == 86_399 { per - 1 } else { 0 }));
        check("event_date", &log, 1, Arc::new(ticks(1_000).collect::<Date64Array>()), &options);
        for zone in [None, Some("UTC"), Some("+05:30"), Some("America/New_York")] {
            let arrays: [ArrayRef; 4] = [
                Arc::new(ticks(1).collect::<TimestampSecondArray>().with_timezone_opt(zone)),
                Arc::new(ticks(1_000).collect::<TimestampMillisecondArray>().with_timezone_opt(zone)),
                Arc::new(ticks(1_000_000).collect::<TimestampMicrosecondArray>().with_timezone_opt(zone)),
                Arc::new(ticks(1_000_000_000).collect::<TimestampNanosecondArray>().with_timezone_opt(zone)),
            ];
            // A zone says how to show the moment; its day is that of UTC.
            for array in arrays {
                check("event_date", &log, 1, array, &options);
            }
        }
    }
    // Digits are a date in the format that the caller gives.
    let digits = |row: &Row| {
        let (year, month, day) = row.day.and_then(Day::new).expect("a day").ymd();
        year * 10_000 + month as i32 * 100 + day as i32
    };
    let with_format = ReadOptions { date_format: Some("%Y%m%d".to_owned()), ..ReadOptions::default() };
    check(
        "event_date",
        &log,
        1,
        Arc::new(log.iter().map(|row| Some(digits(row))).collect::<Int32Array>()),
        &with_format,
    );
}

#[test]
fn amounts_of_any_type() {
    let (mut log, options) = (log(), ReadOptions::default());
    let decimal = |scale: i8| {
        let values =
            log.iter().map(|row| row.amount.map(|amount| (amount * 100.0) as i128 * 10i128.pow(scale as u32 - 2)));
        let array = values.collect::<Decimal128Array>().with_precision_and_scale(38, scale).expect("a valid scale");
        Arc::new(array) as ArrayRef
    };
    check("amount", &log, 2, Arc::new(log.iter().map(|row| row.amount).collect::<Float64Array>()), &options);
    check(
        "amount",
        &log,
        2,
        Arc::new(log.iter().map(|row| row.amount.map(|a| a as f32)).collect::<Float32Array>()),
        &options,
    );
    for scale in [2, 4, 9, 18, 22, 30] {
        check("amount", &log, 2, decimal(scale), &options);
    }
    for row in &mut log {
        row.amount = row.amount.map(f64::trunc);
    }
    check(
        "amount",
        &log,
        2,
        Arc::new(log.iter().map(|row| row.amount.map(|a| a as i64)).collect::<Int64Array>()),
        &options,
    );
    check(
        "amount",
        &log,
        2,
        Arc::new(log.iter().map(|row| row.amount.map(|a| a as i32)).collect::<Int32Array>()),
        &options,
    );
    check(
        "amount",
        &log,
        2,
        Arc::new(log.iter().map(|row| row.amount.map(|a| a as i16)).collect::<Int16Array>()),
        &options,
    );
    for row in &mut log {
        row.amount = None;
    }
    check("amount", &log, 2, Arc::new(NullArray::new(log.len())), &options);
}

/// A decimal is the double nearest to it, as its digits in a CSV file are: not a product or quotient that was rounded twice.
#[test]
fn decimals_round_as_their_digits_do() {
    let mut log = Vec::new();
    let mut digits: Vec<i128> =
        vec![12_345_678_901_234_567_890, 100_000_000_000_000_001, 33_333_333_333_333_333_333, 9_007_199_254_740_993];
    // Cents of six to twelve digits, in the eighteen decimals that some engines give to all their numbers.
    digits.extend((0..2_000).map(|i: i128| (i * i * 7_919 + 12_345_678) * 10i128.pow(16)));
    let mut csv = "customer_id,event_date,amount\n".to_owned();
    for value in &digits {
        let unit = 10i128.pow(18);
        csv.push_str(&format!("1,2024-01-01,{}.{:018}\n", value / unit, value % unit));
        log.push(Row { id: Some(1), day: Some(day("2024-01-01").number()), amount: None, kind: None });
    }
    let expected = rows(&churn_tests::read(&csv));
    let exact: ArrayRef =
        Arc::new(Decimal128Array::from(digits.clone()).with_precision_and_scale(38, 18).expect("a valid scale"));
    let wide: ArrayRef = Arc::new(
        digits
            .iter()
            .map(|&value| Some(<Decimal256Type as ArrowPrimitiveType>::Native::from_i128(value)))
            .collect::<Decimal256Array>()
            .with_precision_and_scale(76, 18)
            .expect("a valid scale"),
    );
    for array in [exact, wide] {
        let mut columns = columns(&log);
        let kind = array.data_type().clone();
        columns[2] = array;
        let found = rows(&Events::from_arrow([batch(&columns)], &ReadOptions::default()).expect("good rows"));
        let differ = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(differ, 0, "{kind}: so many of {} amounts are another double", expected.len());
    }
}

#[test]
fn rows_are_numbered_across_batches_and_refused_by_the_rules_of_csv() {
    let mut log = log();
    log[1].id = None;
    log[4].day = None;
    log[6].amount = Some(f64::NAN);
    log[7].amount = Some(2e12);
    let skip = ReadOptions { on_bad_row: OnBadRow::Skip, max_bad_share: 1.0, ..ReadOptions::default() };
    let parts: Vec<RecordBatch> = log.chunks(3).map(|part| batch(&columns(part))).collect();
    let events = Events::from_arrow(&parts, &skip).expect("four good rows");
    let bad: Vec<(u64, serde_json::Value)> = events
        .report()
        .bad_rows
        .iter()
        .map(|row| (row.line, serde_json::to_value(row.reason).expect("a name")))
        .collect();
    let expected = [(2, "missing_customer"), (5, "invalid_date"), (7, "invalid_amount"), (8, "invalid_amount")];
    assert_eq!(bad, expected.map(|(line, reason)| (line, reason.into())));
    assert_eq!(counts(events.report()), (8, 4, 4));
    // The very log that the CSV reader makes of it; there the header is line 1.
    let same = from_csv(&log, &skip);
    assert_eq!(rows(&events), rows(&same));
    assert_eq!(counts(events.report()), counts(same.report()));

    let error = Events::from_arrow(&parts, &ReadOptions::default()).expect_err("bad rows");
    assert_eq!((error.code(), error.line()), ("bad_rows", Some(2)));
    // One pass over the batches gives the features of the log in memory.
    let config = FeatureConfig::default();
    let as_of = day("2024-03-01");
    let mut stream = FeatureStream::new(as_of, &config).expect("a valid configuration");
    assert_eq!(counts(&stream.read_arrow(&parts, &skip).expect("four good rows")), (8, 4, 4));
    let in_memory = churn::features(&events.split_at(as_of).0, &config).expect("customers");
    assert_eq!(table_bits(&stream.finish().expect("customers")), table_bits(&in_memory));
    assert_eq!(Events::from_arrow(&parts[..0], &skip).expect_err("nothing").code(), "no_good_rows");
}

#[test]
fn types_that_cannot_serve_are_refused() {
    let log = log();
    let n = log.len();
    let booleans: ArrayRef = Arc::new(BooleanArray::from(vec![true; n]));
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![1.5; n]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"x".as_slice(); n]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["5"; n]));
    let dates: ArrayRef = Arc::new(Date32Array::from(vec![1; n]));
    let mut lists = FixedSizeListBuilder::new(Int64Builder::new(), 1);
    for i in 0..n {
        lists.values().append_value(i as i64);
        lists.append(true);
    }
    let lists: ArrayRef = Arc::new(lists.finish());
    let keys = arrow_array::UInt16Array::from(vec![0; n]);
    let of_doubles: ArrayRef =
        Arc::new(DictionaryArray::<UInt16Type>::new(keys, Arc::new(Float64Array::from(vec![1.5])) as ArrayRef));
    for (at, unfit) in [
        (0, vec![&booleans, &doubles, &bytes, &dates, &lists, &of_doubles]),
        (1, vec![&booleans, &doubles, &bytes, &lists, &of_doubles]),
        (2, vec![&booleans, &texts, &bytes, &dates, &lists]),
        (3, vec![&booleans, &doubles, &bytes, &dates, &lists, &of_doubles]),
    ] {
        for array in unfit {
            let mut columns = columns(&log);
            columns[at] = array.clone();
            let error = Events::from_arrow([batch(&columns)], &ReadOptions::default()).expect_err(&format!(
                "{} as {}",
                NAMES[at],
                array.data_type()
            ));
            assert_eq!(error.code(), "invalid_column", "{} as {}", NAMES[at], array.data_type());
            assert!(error.to_string().contains(NAMES[at]), "{error}");
        }
    }
    let only_ids = RecordBatch::try_from_iter([("customer_id", texts)]).expect("one column");
    assert_eq!(Events::from_arrow([only_ids], &ReadOptions::default()).expect_err("no dates").code(), "missing_column");
}

#[test]
fn labels_are_zero_one_or_boolean() {
    let log = log();
    let labelled = |labels: ArrayRef| {
        let columns = columns(&log);
        let fields = NAMES.into_iter().zip(columns).chain([("churn_label", labels)]);
        Events::from_arrow([RecordBatch::try_from_iter(fields).expect("one length")], &ReadOptions::default())
    };
    let by_id = |label: fn(i64) -> bool| log.iter().map(move |row| Some(label(row.id.expect("an id"))));
    let provided = churn::LabelConfig { labels: churn::LabelKind::Provided, ..churn::LabelConfig::default() };
    let arrays: [ArrayRef; 2] = [
        Arc::new(by_id(|id| id == 12).collect::<BooleanArray>()),
        Arc::new(by_id(|id| id == 12).map(|label| label.map(i64::from)).collect::<Int64Array>()),
    ];
    for array in arrays {
        let events = labelled(array).expect("labels");
        let (history, outcome) = events.split_at(events.last_day());
        let labels = churn::labels(&history, &outcome, &provided).expect("labels");
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("12", true), ("7", false), ("700", false), ("8", false)]);
    }
    let two: ArrayRef = Arc::new(Int64Array::from(vec![2; log.len()]));
    let error = labelled(two).expect_err("2 is no label");
    assert_eq!((error.code(), error.line()), ("bad_rows", Some(1)));
}

#[test]
fn parquet_files_hold_the_same_log() {
    let mut log: Vec<Row> = (0..40).flat_map(|_| self::log()).collect();
    for (i, row) in log.iter_mut().enumerate() {
        row.id = Some(i as i64 % 23);
    }
    log[5].id = None;
    let columns = columns(&log);
    // Columns that nobody asked for, one of a type that could not serve, and the ids last.
    let extra: ArrayRef = Arc::new(BinaryArray::from(vec![b"\xff".as_slice(); log.len()]));
    let micros = log.iter().map(|row| row.day.map(|day| i64::from(day) * 86_400_000_000 + 1));
    let dates: ArrayRef = Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"));
    let kinds: ArrayRef = Arc::new(log.iter().map(|row| row.kind).collect::<DictionaryArray<Int32Type>>());
    let fields = [
        ("payload", extra),
        ("when", dates),
        ("amount", columns[2].clone()),
        ("event_type", kinds),
        ("customer_id", columns[0].clone()),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(fields.into_iter().map(|(name, array)| (name, array, true)))
        .expect("one length");
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(50)).build();
    let mut file = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut file, batch.schema(), Some(properties)).expect("a schema");
    writer.write(&batch).expect("memory");
    let written = writer.close().expect("memory");
    assert_eq!(written.num_row_groups(), 7, "320 rows in groups of 50");

    let mut options = ReadOptions { on_bad_row: OnBadRow::Skip, ..ReadOptions::default() };
    let expected = from_csv(&log, &options);
    options.columns.event_date = Some("when".to_owned());
    let file = bytes::Bytes::from(file);
    let events = Events::from_parquet(file.clone(), &options).expect("a good file");
    assert_eq!(rows(&events), rows(&expected));
    assert_eq!(counts(events.report()), (320, 319, 1));
    assert_eq!(events.report().bad_rows[0].line, 6, "rows are counted from 1 across the row groups");
    let as_of = day("2024-03-01");
    let mut stream = FeatureStream::new(as_of, &FeatureConfig::default()).expect("a valid configuration");
    assert_eq!(counts(&stream.read_parquet(file.clone(), &options).expect("a good file")), (320, 319, 1));
    let in_memory = churn::features(&expected.split_at(as_of).0, &FeatureConfig::default()).expect("customers");
    assert_eq!(table_bits(&stream.finish().expect("customers")), table_bits(&in_memory));

    let missing = Events::from_parquet(file.clone(), &ReadOptions::default()).expect_err("no event_date");
    assert_eq!(missing.code(), "missing_column");
    for damaged in [file.slice(..file.len() - 9), file.slice(4..), bytes::Bytes::from_static(b"customer_id\nA\n")] {
        assert_eq!(Events::from_parquet(damaged, &options).expect_err("damaged").code(), "io");
    }
}
