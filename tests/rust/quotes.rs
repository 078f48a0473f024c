//! Text behind a closing quote makes a bad row, and no row around it is lost: rows + bad are the records of another strict
//! reader, whatever stands in the file and wherever its pieces are cut.

use churn::{BadRow, BadRowReason, Events, IngestReport, OnBadRow, ReadOptions, Table, check_csv};
use churn_tests::{Xorshift, say};
use rayon::prelude::*;

/// The only good date of these files.
const DATE: &str = "2024-01-05";

/// A record: the line it begins on, and its fields unless it is malformed.
type Record = (u64, Option<Vec<String>>);

/// The records of a file by RFC 4180, by searching; none where a quote is never closed. A malformed record ends with the line
/// that its faulty field begins on.
fn strict(text: &str, delimiter: char) -> Option<Vec<Record>> {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let (mut records, mut rest, mut line) = (Vec::new(), text.as_str(), 1);
    while !rest.is_empty() {
        let (record, length) = one(rest, delimiter)?;
        let blank = rest[..length].trim_start_matches('\r') == "\n" && length <= 2;
        if !blank {
            records.push((line, record));
        }
        line += rest[..length].matches('\n').count() as u64;
        rest = &rest[length..];
    }
    Some(records)
}

/// The first record of a text, and its length with the line end.
fn one(text: &str, delimiter: char) -> Option<(Option<Vec<String>>, usize)> {
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let length = |rest: &str| text.len() - rest.len();
        let (field, behind) = match rest.strip_prefix('"') {
            Some(inside) => {
                // Pairs of quotes are data: the first that is no pair closes.
                let mut from = 0;
                let close = loop {
                    let quote = from + inside[from..].find('"')?;
                    if !inside[quote + 1..].starts_with('"') {
                        break quote;
                    }
                    from = quote + 2;
                };
                let behind = &inside[close + 1..];
                if !["\n", "\r\n"].iter().any(|end| behind.starts_with(end)) && !behind.starts_with(delimiter) {
                    return Some((None, length(rest) + rest.find('\n')? + 1));
                }
                (inside[..close].replace("\"\"", "\""), behind)
            }
            None => {
                let end = rest.find([delimiter, '\n']).expect("the text ends in a line end");
                let is_last = rest[end..].starts_with('\n');
                let field = &rest[..end];
                (if is_last { field.strip_suffix('\r').unwrap_or(field) } else { field }.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        let behind = behind.strip_prefix('\r').filter(|behind| behind.starts_with('\n')).unwrap_or(behind);
        rest = &behind[1..];
        if behind.starts_with('\n') {
            return Some((Some(fields), length(rest)));
        }
    }
}

/// True for a record without a word in any field. It is no event.
fn is_blank((_, fields): &Record) -> bool {
    fields.as_ref().is_some_and(|fields| fields.len() == 3 && fields.iter().all(|field| field.trim_ascii().is_empty()))
}

/// Fault of a record of customer, date and note, or else its customer.
fn judged((line, fields): &Record) -> Result<String, (u64, BadRowReason)> {
    match fields.as_deref() {
        None => Err((*line, BadRowReason::TextAfterQuote)),
        Some([customer, date, _]) if date.trim() == DATE && !customer.is_empty() => Ok(customer.clone()),
        Some([_, date, _]) if date.trim() == DATE => Err((*line, BadRowReason::MissingCustomer)),
        Some([_, _, _]) => Err((*line, BadRowReason::InvalidDate)),
        Some(_) => Err((*line, BadRowReason::WrongFieldCount)),
    }
}

/// A field as people and programs write them: quotes for inches, doubled or not, lost, or around everything.
fn field(random: &mut Xorshift, content: &str) -> String {
    match random.below(12) {
        0..=4 => content.to_owned(),
        5 | 6 => format!("\"{content}\""),
        7 => format!("\"{content} 32\"\""),
        8 => format!("\"{content} \"\"32\"\" in\""),
        9 => format!("\"{content}\"{}", random.pick(&["5", " ", "\r", "\"x\"", "x\n"])),
        10 => format!("{content} 7\""),
        _ => {
            let pieces = ["\"", "\"\"", "\n", "\r\n", "\r", ",", "a", "é", " "];
            (0..random.below(6)).map(|_| random.pick(&pieces)).collect()
        }
    }
}

fn file(random: &mut Xorshift, rows: usize, wild: usize) -> String {
    let mut text = "customer_id,event_date,note\n".to_owned();
    for row in 0..rows {
        let customer = format!("c{row}");
        if random.below(wild) > 0 {
            text.push_str(&format!(
                "{customer},{DATE},{}",
                random.pick(&["", "x", "\"a, b\"", "\"two\nlines\"", "5\""])
            ));
        } else {
            let note = random.pick(&["TV", "", "size 6"]).to_owned();
            let fields = [field(random, &customer), field(random, DATE), field(random, &note)];
            text.push_str(&fields.join(","));
        }
        text.push_str(random.pick(&["\n", "\n", "\r\n", "\n\n"]));
    }
    text
}

/// The report with `skip`, also where no row is good.
fn report<T>(found: churn::Result<T>, of: impl Fn(&T) -> &IngestReport) -> Option<IngestReport> {
    match found {
        Ok(found) => Some(of(&found).clone()),
        Err(error) if error.code() == "unclosed_quote" => None,
        Err(error) => {
            assert_eq!(error.code(), "no_good_rows", "{error}");
            error.report().cloned()
        }
    }
}

fn skip() -> ReadOptions {
    ReadOptions { on_bad_row: OnBadRow::Skip, max_bad_share: 1.0, ..ReadOptions::default() }
}

/// Reads a file both ways and returns whether it could be compared, and how many malformed rows it had.
fn compare(text: &str) -> (bool, usize) {
    let events = Events::from_csv(text.as_bytes(), &skip());
    let mut found: Option<Vec<String>> =
        events.as_ref().ok().map(|events| events.iter().map(|row| row.0.to_owned()).collect());
    let report = report(events, Events::report);
    let checked = self::report(check_csv(text.as_bytes(), &skip()), |checked| &checked.report);
    // What rows share is counted where they are kept.
    let counts = |report: &IngestReport| (report.rows, report.good, report.bad, report.bad_rows.clone());
    assert!(report.as_ref().map(counts) == checked.as_ref().map(counts), "{text:?}");
    let Some(records) = strict(text, ',') else {
        assert!(report.is_none(), "an open quote was closed: {text:?}");
        return (false, 0);
    };
    let report = report.unwrap_or_else(|| panic!("a quote was taken as open: {text:?}"));
    let (blank, others): (Vec<&Record>, Vec<&Record>) = records[1..].iter().partition(|record| is_blank(record));
    let (good, bad): (Vec<_>, Vec<_>) = others.into_iter().map(judged).partition(Result::is_ok);
    assert_eq!(
        (report.rows, report.good, report.bad, report.ignored),
        ((records.len() - 1) as u64, good.len() as u64, bad.len() as u64, blank.len() as u64),
        "{text:?}"
    );
    let mut expected: Vec<String> = good.into_iter().filter_map(Result::ok).collect();
    expected.sort_unstable();
    assert_eq!(found.take().unwrap_or_default(), expected, "{text:?}");
    let bad: Vec<_> = bad.into_iter().filter_map(Result::err).collect();
    let listed: Vec<_> = report.bad_rows.iter().map(|row| (row.line, row.reason)).collect();
    assert_eq!(listed, bad[..listed.len()], "{text:?}");
    assert_eq!(listed.len(), bad.len().min(1000));
    (true, bad.iter().filter(|row| row.1 == BadRowReason::TextAfterQuote).count())
}

#[test]
fn no_row_of_a_malformed_file_is_lost() {
    const FILES: u64 = 20_000;
    let each = |seed: u64| {
        let mut random = Xorshift::new(seed + 1);
        let rows = random.below(9);
        compare(&file(&mut random, rows, 2))
    };
    let (compared, malformed) = (0..FILES)
        .into_par_iter()
        .map(each)
        .map(|(compared, malformed)| (u64::from(compared), malformed))
        .reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    say(&format!("quotes: {FILES} files, {compared} compared, {malformed} malformed rows"));
    assert!(compared > FILES / 2 && malformed > 4_000, "{compared} files compared, {malformed} malformed rows");
}

/// Files of several blocks: what says that a row is malformed may stand in the block after it.
#[test]
fn no_row_is_lost_where_a_file_is_cut() {
    let each = |seed: u64| {
        let mut random = Xorshift::new(seed + 77);
        let mut text = file(&mut random, 20_000, 40);
        // Sometimes only a few malformed rows far apart, whose quotes are closed hundreds of kilobytes later.
        if seed % 2 == 1 {
            text = text.replace('"', "'");
            for _ in 0..4 {
                let at = 28 + random.below(text.len() - 28);
                let line = text[at..].find('\n').map_or(text.len(), |length| at + length + 1);
                text.insert_str(line, &format!("tv{line},{DATE},\"TV 32\"\"\n"));
            }
        }
        compare(&text)
    };
    let found: Vec<_> = (0..16).into_par_iter().map(each).collect();
    let (compared, malformed) =
        (found.iter().filter(|found| found.0).count(), found.iter().map(|found| found.1).sum::<usize>());
    assert!(compared >= 6 && malformed > 500, "{compared} files compared, {malformed} malformed rows");
}

/// If the closing quote comes more than 1 MiB later, the record counts as too long, wherever the blocks were cut.
#[test]
fn a_quote_that_closes_too_late_is_named() {
    let row = format!("b,{DATE},x\n");
    for before in [0, 1, 5_000, 9_000, 70_000] {
        for (between, code) in [(60_000, "bad_rows"), (80_000, "record_too_long")] {
            let text = format!(
                "customer_id,event_date,note\n{}a,{DATE},\"TV 32\"\"\n{}c,{DATE},\"x\" \n",
                row.repeat(before),
                row.repeat(between)
            );
            let error = Events::from_csv(text.as_bytes(), &ReadOptions::default()).expect_err("it is malformed");
            assert_eq!((error.code(), error.line()), (code, Some(before as u64 + 2)), "{before} {between}");
        }
    }
}

#[test]
fn the_row_is_named_with_its_line() {
    let header = "customer_id,event_date,amount,note\n";
    for (row, begins) in [
        ("a,2024-01-01,1,\"TV 32\"\"\n", r#""\"TV 32\"\"""#),
        ("a,2024-01-01,\"1\"5,y\n", r#""\"1\"5,y""#),
        ("\"a\" ,2024-01-01,1,y\n", r#""\"a\" ,2024-01-01,1,y""#),
        ("a,2024-01-01,1,\"x\"\ry\n", r#""\"x\"\ry""#),
    ] {
        let text = format!("{header}{row}b,2024-01-02,1,\"TV 40\"\nc,2024-01-03,1,y\n");
        let error = Events::from_csv(text.as_bytes(), &ReadOptions::default()).expect_err(row);
        assert_eq!((error.code(), error.line()), ("bad_rows", Some(2)), "{row}");
        let message = error.to_string();
        assert!(
            message.starts_with("1 of 3 rows are bad:\n  line 2: text stands behind the closing quote"),
            "{message}"
        );
        assert!(message.contains(begins), "{message}");
        let events = Events::from_csv(text.as_bytes(), &skip()).expect("two rows are good");
        assert_eq!(events.customer_ids().collect::<Vec<_>>(), ["b", "c"], "{row}");
        let [BadRow { line: 2, reason: BadRowReason::TextAfterQuote, .. }] = events.report().bad_rows[..] else {
            panic!("{:?}", events.report());
        };
        let error = Table::from_csv(text.as_bytes(), ',').expect_err("a table is refused");
        assert_eq!((error.code(), error.line()), ("bad_rows", Some(2)), "{row}");
    }
    // A header is a record like others.
    for read in
        [|text: &[u8]| Events::from_csv(text, &skip()).map(drop), |text: &[u8]| Table::from_csv(text, ',').map(drop)]
    {
        let error = read(b"\"customer_id\"s,event_date\na,2024-01-01\n").expect_err("a malformed header");
        assert_eq!((error.code(), error.line()), ("bad_rows", Some(1)));
    }
}
