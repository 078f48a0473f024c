//! Files as people have them: exports of real systems and spreadsheets are read as an independent reader reads them, or there is
//! a question.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use churn::{Day, Detected, Events, Merge, OnBadRow, ReadOptions, decoded_text, detect};
use churn_tests::say;
use proptest::prelude::*;
use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("files")
}

fn open(name: &str) -> File {
    let path = folder().join("exports").join(name);
    File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `tests/files/expected.json`, which pandas made with explicit options.
fn expected() -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the file is there");
    match serde_json::from_str(&text).expect("JSON") {
        Value::Object(files) => files,
        other => panic!("{other} is no object"),
    }
}

/// Customer, day and type of an event, and its amount.
type Event = (String, String, Option<String>, Option<f64>);

/// The events of a list of rows: the rows of an order are one event, whose amount is the sum.
fn events_of(rows: &Value) -> Vec<Event> {
    let mut orders: BTreeMap<(String, String, Option<String>, String), Option<f64>> = BTreeMap::new();
    let mut events = Vec::new();
    for row in rows.as_array().expect("rows are a list") {
        let text = |i: usize| row[i].as_str().map(str::to_owned);
        let (customer, day, amount) = (text(0).expect("an id"), text(1).expect("a day"), row[2].as_f64());
        match text(4) {
            None => events.push((customer, day, text(3), amount)),
            Some(order) => {
                let sum = orders.entry((customer, day, text(3), order)).or_default();
                *sum = match (*sum, amount) {
                    (Some(sum), Some(amount)) => Some(sum + amount),
                    (sum, amount) => sum.or(amount),
                };
            }
        }
    }
    events.extend(orders.into_iter().map(|((customer, day, kind, _), amount)| (customer, day, kind, amount)));
    sorted(events)
}

fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by(|a, b| (&a.0, &a.1, &a.2).cmp(&(&b.0, &b.1, &b.2)).then(a.3.partial_cmp(&b.3).expect("no NaN")));
    events
}

fn read_events(events: &Events) -> Vec<Event> {
    let event = |(customer, day, amount, kind): (&str, Day, Option<f64>, Option<&str>)| {
        (customer.to_owned(), day.to_string(), kind.map(str::to_owned), amount)
    };
    sorted(events.iter().map(event).collect())
}

fn same(found: &[Event], right: &[Event]) -> bool {
    let amounts = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9 * b.abs().max(1.0),
        (a, b) => a == b,
    };
    let equal = |(a, b): (&Event, &Event)| (&a.0, &a.1, &a.2) == (&b.0, &b.1, &b.2) && amounts(a.3, b.3);
    found.len() == right.len() && found.iter().zip(right).all(equal)
}

/// The name of the column of a role; none if there is none.
fn column(given: &Option<String>, own: &str, detected: &Detected) -> Option<String> {
    given.clone().or_else(|| detected.header.iter().find(|name| *name == own).cloned())
}

#[test]
fn exports_are_read_right_or_there_is_a_question() {
    let defaults = serde_json::to_value(ReadOptions::default()).expect("options are JSON");
    let files = expected();
    assert!(files.len() >= 30, "{} files", files.len());
    let mut asked = 0;
    for (name, right) in &files {
        let detected = detect(open(name), &ReadOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        if let Some(question) = right["question"].as_str() {
            let codes: Vec<&str> = detected.questions.iter().map(|question| question.code.as_str()).collect();
            assert_eq!(codes, [question], "{name}");
            let readings = &detected.questions[0].readings;
            let answers = right["answers"].as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(readings.len(), answers.len(), "{name}: {readings:?}");
            // Each reading is one of the answers, with its rows.
            for reading in readings {
                let mut options = serde_json::to_value(&detected.options).expect("options are JSON");
                for (option, value) in &reading.options {
                    options[option] = serde_json::to_value(value).expect("JSON");
                }
                let options: ReadOptions = serde_json::from_value(options).expect("options");
                let again = detect(open(name), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert!(again.questions.is_empty() && again.trial.is_some(), "{name}: the answer is asked again");
                let events = Events::from_csv(open(name), &options).unwrap_or_else(|error| panic!("{name}: {error}"));
                let found = read_events(&events);
                assert!(answers.iter().any(|answer| same(&found, &events_of(&answer["rows"]))), "{name}: {reading:?}");
            }
            let error = detected.into_options().expect_err("there is a question");
            assert_eq!(error.code(), "unclear_file", "{name}");
            asked += 1;
            continue;
        }
        assert!(detected.questions.is_empty(), "{name}: {:?}", detected.questions);
        let columns = &detected.options.columns;
        for (given, own) in [
            (&columns.customer_id, "customer_id"),
            (&columns.event_date, "event_date"),
            (&columns.amount, "amount"),
            (&columns.event_type, "event_type"),
            (&columns.order_id, "order_id"),
        ] {
            assert_eq!(column(given, own, &detected).as_deref(), right["columns"][own].as_str(), "{name}: {own}");
        }
        let options = serde_json::to_value(&detected.options).expect("options are JSON");
        for (option, value) in options.as_object().expect("an object").iter().filter(|(option, _)| *option != "columns")
        {
            let wanted = right["options"].get(option).unwrap_or(&defaults[option]);
            assert_eq!(value, wanted, "{name}: {option}");
        }
        let events = Events::from_csv(open(name), &detected.options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (found, wanted) = (read_events(&events), events_of(&right["rows"]));
        assert!(same(&found, &wanted), "{name}: {found:?}\nnot {wanted:?}");
        let report = events.report();
        assert_eq!(report.rows, report.good + report.bad + report.outside + report.ignored, "{name}");
    }
    say(&format!("{} files: {} read, {asked} with a question", files.len(), files.len() - asked));
}

/// A file that is read with the defaults, which do not fit, is refused with the option that helps.
#[test]
fn a_refusal_names_the_option_that_helps() {
    for (file, option) in [
        ("customer_id,event_date,amount\na,2024-01-05,\"12,50\"\n", "decimal = \",\""),
        ("customer_id,event_date,amount\na,2024-01-05,\"1,234.50\"\n", "thousands = \",\""),
        ("customer_id,event_date,amount\na,2024-01-05,$12\n", "currency = true"),
        ("customer_id,event_date,amount\na,2024-01-05,N/A\n", "null_values = [\"N/A\"]"),
        ("customer_id,event_date\na,31.12.2024\n", "date_format = \"%d.%m.%Y\""),
        ("customer_id,event_date\na,03/04/2024\n", "date_format = \"%d/%m/%Y\" makes it 2024-04-03"),
        ("customer_id,event_date\na,03/04/2024\n", "date_format = \"%m/%d/%Y\" makes it 2024-03-04"),
        ("customer_id,event_date\na,1704412800\n", "date_format = \"unix_s\""),
        ("customer_id;event_date\na;2024-01-05\n", "delimiter"),
        ("Report of 2024\n\ncustomer_id,event_date\na,2024-01-05\n", "skip_lines"),
        ("customer_id,event_date\n,2024-01-05\n", "skip_anonymous = true"),
    ] {
        let error = Events::from_csv(file.as_bytes(), &ReadOptions::default()).expect_err("it is refused").to_string();
        assert!(error.contains(option), "{file:?}: {error}");
    }
}

#[test]
fn rows_that_are_no_events_are_counted() {
    let file = "customer_id,event_date,amount\na,2024-01-05,1\n,,\n \t,, \n,2024-01-06,2\nTotal,,3\n\na,2024-01-07,4\n";
    let refused = Events::from_csv(file.as_bytes(), &ReadOptions::default()).expect_err("two rows are bad");
    let report = refused.report().expect("a report");
    assert_eq!((report.rows, report.good, report.bad, report.ignored), (6, 2, 2, 2));
    let options = ReadOptions { skip_anonymous: true, ignore_rows: vec!["Total".to_owned()], ..ReadOptions::default() };
    let events = Events::from_csv(file.as_bytes(), &options).expect("good rows");
    let report = events.report();
    assert_eq!((report.rows, report.good, report.bad, report.ignored), (6, 2, 0, 4));
}

/// A setting that excludes an option is respected, and every option that was found is listed.
#[test]
fn what_is_found_fits_what_is_given() {
    let orders = "Customer,Date,Order,Total\na,2024-01-05,1,5\na,2024-01-05,2,6\nb,2024-01-07,3,7\n";
    let by_day = ReadOptions { merge: Merge::Day, ..ReadOptions::default() };
    let options = detect(orders.as_bytes(), &by_day).and_then(Detected::into_options).expect("no question");
    assert_eq!(Events::from_csv(orders.as_bytes(), &options).expect("good rows").len(), 2);

    let visits = "customer_id,event_date\na,2024-01-05\nNULL,2024-01-06\nb,2024-01-07\n";
    let detected = detect(visits.as_bytes(), &ReadOptions::default()).expect("a file");
    let found: Vec<&str> = detected.found.iter().map(|found| found.option.as_str()).collect();
    assert_eq!(found, ["skip_anonymous", "null_values"]);
    let events =
        Events::from_csv(visits.as_bytes(), &detected.into_options().expect("no question")).expect("good rows");
    assert_eq!((events.len(), events.report().ignored), (2, 1));
}

/// The start of a subscription is not taken for a visit: an export of periods is a question, until a column is named as the day.
#[test]
fn periods_are_not_read_as_events() {
    let exports = Path::new(env!("CARGO_MANIFEST_DIR")).join("subscriptions/exports");
    let asked = |name: &str, given: &ReadOptions| {
        let file = File::open(exports.join(name)).expect("an export");
        let detected = detect(file, given).expect("a file");
        detected.questions.into_iter().map(|question| (question.code, question.option)).collect::<Vec<_>>()
    };
    let about_periods = ("not_events".to_owned(), Some("columns.event_date".to_owned()));
    for name in ["stripe_subscriptions.csv", "recurly.csv", "recurly_history.csv", "chargebee.csv", "chartmogul.csv"] {
        let questions = asked(name, &ReadOptions::default());
        assert!(questions.contains(&about_periods), "{name}: {questions:?}");
    }
    let as_events: ReadOptions =
        serde_json::from_str(r#"{"columns": {"event_date": "Created (UTC)"}}"#).expect("options");
    assert_eq!(asked("stripe_subscriptions.csv", &as_events), []);
}

/// A way of writing files: delimiter, decimal mark, thousands separator, currency, the order of the date, and title lines.
#[derive(Clone, Debug)]
struct Locale {
    delimiter: char,
    decimal: char,
    thousands: Option<char>,
    currency: &'static str,
    date: &'static str,
    titles: usize,
    line_end: &'static str,
    utf16: bool,
}

fn locales() -> impl Strategy<Value = Locale> {
    let dates = prop::sample::select(vec![
        "{d}.{m}.{Y}",
        "{d}/{m}/{Y}",
        "{m}/{d}/{Y}",
        "{Y}-{m}-{d}",
        "{Y}/{m}/{d}",
        "{Y}{m}{d}",
    ]);
    let marks = prop::sample::select(vec![
        ('.', None),
        ('.', Some(',')),
        (',', Some('.')),
        (',', None),
        (',', Some(' ')),
        ('.', Some('\'')),
    ]);
    let delimiters = prop::sample::select(vec![',', ';', '\t', '|']);
    let currencies = prop::sample::select(vec!["", "", "€", "$", "EUR "]);
    let ends = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (delimiters, marks, currencies, dates, 0..3usize, ends, any::<bool>()).prop_map(
        |(delimiter, (decimal, thousands), currency, date, titles, line_end, utf16)| Locale {
            delimiter,
            decimal,
            thousands,
            currency,
            date,
            titles,
            line_end,
            utf16,
        },
    )
}

impl Locale {
    fn amount(&self, cents: i64) -> String {
        let (sign, cents) = (if cents < 0 { "-" } else { "" }, cents.unsigned_abs());
        let whole = (cents / 100).to_string();
        let mut grouped = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if i > 0 && (whole.len() - i) % 3 == 0 {
                grouped.extend(self.thousands);
            }
            grouped.push(digit);
        }
        format!("{sign}{}{grouped}{}{:02}", self.currency, self.decimal, cents % 100)
    }

    fn write(&self, rows: &[(u32, i32, i64)]) -> Vec<u8> {
        let quoted = |field: String| match field.contains([self.delimiter, '"']) {
            true => format!("\"{field}\""),
            false => field,
        };
        let delimiter = self.delimiter.to_string();
        let mut text = String::new();
        for line in 0..self.titles {
            text.push_str(&format!("Export number {line}{}", self.line_end));
        }
        text.push_str(&["Customer", "Order date", "Total"].join(&delimiter));
        text.push_str(self.line_end);
        for &(customer, day, cents) in rows {
            let (year, month, date) = Day::new(day).expect("a day").ymd();
            let day = self.date.replace("{Y}", &format!("{year:04}"));
            let day = day.replace("{m}", &format!("{month:02}")).replace("{d}", &format!("{date:02}"));
            let fields = [format!("K{customer}"), day, self.amount(cents)].map(quoted);
            text.push_str(&fields.join(&delimiter));
            text.push_str(self.line_end);
        }
        match self.utf16 {
            true => [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
            false => text.into_bytes(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A log that is written in any locale is read with the same bits, or there is a question.
    #[test]
    fn any_locale_is_read_back_or_asked(
        locale in locales(),
        rows in prop::collection::vec((0..8u32, 19_000..20_500i32, -5_000_000..50_000_000i64), 20..60),
    ) {
        let file = locale.write(&rows);
        let detected = detect(&file[..], &ReadOptions::default()).expect("the file is text");
        if detected.questions.is_empty() {
            let events = Events::from_csv(&file[..], &detected.options).expect("it was detected");
            let mut found: Vec<(String, i32, u64)> =
                events.iter().map(|row| (row.0.to_owned(), row.1.number(), row.2.expect("an amount").to_bits())).collect();
            // A whole number of cents divided by 100 is the double nearest to the decimal.
            let mut right: Vec<(String, i32, u64)> =
                rows.iter().map(|row| (format!("K{}", row.0), row.1, (row.2 as f64 / 100.0).to_bits())).collect();
            found.sort();
            right.sort();
            prop_assert_eq!(found, right, "{:?}", locale);
        } else {
            // Only what is ambiguous is asked: with cents, amounts are not, so it is the date.
            let codes: Vec<&str> = detected.questions.iter().map(|question| question.code.as_str()).collect();
            prop_assert_eq!(codes, ["date_format"], "{:?}: {:?}", locale, detected.questions);
            let twelve = |row: &(u32, i32, i64)| Day::new(row.1).expect("a day").ymd().2 <= 12;
            prop_assert!(rows.iter().all(twelve), "{:?}: {:?}", locale, detected.questions);
        }
    }
}

/// Rows of another form in the middle of a long file are not read as other numbers: they are bad rows, or there is a question.
#[test]
fn a_column_with_an_empty_name_is_left_out() {
    let csv = "customer_id,event_date,amount,event_type,order_id\na,2024-01-05,1,x,1\na,2024-01-05,2,x,1\n";
    let left_out: ReadOptions =
        serde_json::from_str(r#"{"columns": {"amount": "", "event_type": "", "order_id": ""}}"#).expect("options");
    for options in [left_out.clone(), detect(csv.as_bytes(), &left_out).expect("memory").into_options().expect("clear")]
    {
        let events = Events::from_csv(csv.as_bytes(), &options).expect("two rows");
        assert_eq!(
            (events.len(), events.iter().next()),
            (2, Some(("a", Day::from_ymd(2024, 1, 5).expect("a day"), None, None)))
        );
    }
    let required: ReadOptions = serde_json::from_str(r#"{"columns": {"customer_id": ""}}"#).expect("options");
    let refused = Events::from_csv(csv.as_bytes(), &required).expect_err("the customer is needed");
    assert_eq!(refused.code(), "missing_column");
}

#[test]
fn the_text_of_a_file_is_limited() {
    let text = |bytes: &[u8], most: u64| {
        let mut text = Vec::new();
        decoded_text(bytes, None, most).and_then(|mut reader| Ok(reader.read_to_end(&mut text)?)).map(|_| text)
    };
    let names = fs::read_dir(folder().join("exports")).expect("the folder is there");
    let mut packed = 0;
    for name in names.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")) {
        let mut bytes = Vec::new();
        open(&name).read_to_end(&mut bytes).expect("it is there");
        let whole = text(&bytes, 1 << 30);
        let is_verbatim = decoded_text(&bytes[..], None, 1 << 30).is_ok_and(|text| text.is_verbatim());
        assert_eq!(is_verbatim, ![".xlsx", ".gz", "utf16_tabs.csv"].iter().any(|end| name.ends_with(end)), "{name}");
        if is_verbatim {
            continue;
        }
        packed += 1;
        let whole = whole.expect("it is read");
        assert_eq!(text(&bytes, whole.len() as u64 - 1).expect_err("too large").code(), "io", "{name}");
        assert!(std::str::from_utf8(&whole).is_ok_and(|text| text.lines().count() > 3), "{name}");
    }
    assert_eq!(packed, 3);

    // A spreadsheet of little size whose only sheet has 40 MB.
    let mut book = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default();
    book.start_file("xl/worksheets/sheet1.xml", stored).expect("memory");
    book.write_all(&vec![b' '; 40 << 20]).expect("memory");
    let bomb = book.finish().expect("memory").into_inner();
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let refused = text(&bomb, 10 << 20).expect_err("too large");
    assert!(refused.to_string().contains("more than 10485760 bytes"), "{refused}");
}

#[test]
fn a_file_that_is_half_of_another_form_is_not_read() {
    let mut file = String::from("customer_id,event_date,amount\n");
    for i in 0..30_000 {
        let (day, month) = (1 + i % 28, 1 + i / 28 % 12);
        match i {
            20_000..29_000 => file.push_str(&format!("c{},{month:02}/{day:02}/2024,1\n", i % 500)),
            _ => file.push_str(&format!("c{},{day:02}/{month:02}/2024,1\n", i % 500)),
        }
    }
    let detected = detect(file.as_bytes(), &ReadOptions::default()).expect("the file is text");
    let codes: Vec<&str> = detected.questions.iter().map(|question| question.code.as_str()).collect();
    assert_eq!(codes, ["date_format"], "{:?}", detected.found);
    // Given one form, the other rows are refused, not read as other days.
    let options = ReadOptions {
        date_format: Some("%d/%m/%Y".to_owned()),
        on_bad_row: OnBadRow::Skip,
        max_bad_share: 1.0,
        ..ReadOptions::default()
    };
    let events = Events::from_csv(file.as_bytes(), &options).expect("most rows are good");
    assert!(events.report().bad > 4_000, "{}", events.report().bad);
}
