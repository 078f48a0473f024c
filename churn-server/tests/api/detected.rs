//! Uploads in the forms that files have: they are read as an independent reader reads them, or there is a question, and nothing
//! remains of what was refused.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use churn::{Events, ReadOptions};
use churn_server::sweep::sweep;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::datasets::objects;
use crate::support::{Answer, BASE, CSV, Server};
use crate::work::{accepted, ended, org, work};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/files")
}

pub(crate) fn export(name: &str) -> Vec<u8> {
    let path = folder().join("exports").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `tests/files/expected.json`, which pandas made with explicit options.
fn expected() -> Map<String, Value> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the file is there");
    serde_json::from_str(&text).expect("an object")
}

async fn send(server: &Server, filename: &str, fields: &[(&str, &[u8])]) -> Answer {
    server.form_of(&org("/upload-dataset"), "", filename, fields).await
}

/// Uploads a file in any form, with these options.
async fn detect(server: &Server, name: &str, file: &[u8], options: &Value) -> Answer {
    let options = options.to_string();
    send(server, name, &[("detect", b"true"), ("read_options", options.as_bytes()), ("file", file)]).await
}

/// The data set of an answer, and its events as its options read them from the stored file.
async fn stored(server: &Server, answer: &Answer) -> (Value, Events) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let id = answer.json()["dataset_id"].as_str().expect("an id").to_owned();
    let dataset = server.get(&org(&format!("/datasets/{id}"))).await.json();
    assert_eq!(answer.json()["row_count"], dataset["row_count"]);
    let file = server.get(dataset["download_url"].as_str().expect("a path")).await.text;
    assert_eq!(dataset["bytes"], file.len());
    let mut options = serde_json::to_value(ReadOptions::default()).expect("options are JSON");
    for (name, value) in dataset["read_options"].as_object().expect("an object") {
        options[name] = value.clone();
    }
    let options: ReadOptions = serde_json::from_value(options).expect("options");
    assert_eq!(options.encoding, None);
    let events = Events::from_csv(file.as_bytes(), &options).unwrap_or_else(|error| panic!("{dataset}: {error}"));
    (dataset, events)
}

/// Customer and day of all rows, sorted.
fn rows_of(rows: &Value) -> Vec<(String, String, bool)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let rows = rows.as_array().expect("rows are a list");
    sorted(rows.iter().map(|row| (text(&row[0]), text(&row[1]), row[2].is_number())).collect())
}

pub(crate) fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}

/// The sum of the amounts.
fn total(rows: &Value) -> f64 {
    rows.as_array().expect("rows are a list").iter().filter_map(|row| row[2].as_f64()).sum()
}

/// The rows, the days and the sum of the events are those of the list.
fn assert_same(name: &str, events: &Events, rows: &Value) {
    let report = events.report();
    assert_eq!(report.good as usize, rows.as_array().expect("a list").len(), "{name}");
    let found: f64 = events.iter().filter_map(|event| event.2).sum();
    assert!((found - total(rows)).abs() < 1e-6 * total(rows).abs().max(1.0), "{name}: {found} is not {}", total(rows));
    let mut customers: Vec<String> = rows_of(rows).into_iter().map(|row| row.0).collect();
    customers.dedup();
    let mut read: Vec<String> = events.iter().map(|event| event.0.to_owned()).collect();
    read.sort();
    read.dedup();
    assert_eq!(read, customers, "{name}");
    let days: Vec<String> = sorted(rows_of(rows).into_iter().map(|row| row.1).collect());
    let span = (events.first_day().to_string(), events.last_day().to_string());
    assert_eq!((Some(&span.0), Some(&span.1)), (days.first(), days.last()), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_read_right_or_there_is_a_question() {
    let server = Server::open().await;
    let _worker = work(&server);
    let files = expected();
    assert!(files.len() >= 30, "{} files", files.len());
    let (mut kept, mut asked) = (0, 0);
    for (name, right) in &files {
        let file = export(name);
        let answer = detect(&server, name, &file, &json!({})).await;
        if let Some(code) = right["question"].as_str() {
            assert_eq!(answer.error(), (422, "unclear_file".to_owned()), "{name}: {}", answer.text);
            assert_eq!(objects(&server).await.len(), kept, "{name}");
            let questions = &answer.json()["details"]["questions"];
            assert_eq!((&questions[0]["code"], &questions[1]), (&json!(code), &Value::Null), "{name}");
            let message = questions[0]["message"].as_str().expect("a text");
            assert!(answer.json()["message"].as_str().expect("a text").contains(message), "{name}");
            let readings = questions[0]["readings"].as_array().expect("a list");
            let answers = right["answers"].as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(readings.len(), answers.len(), "{name}: {readings:?}");
            // The options of a reading answer the question.
            let mut totals = Vec::new();
            for reading in readings {
                assert!(reading["example"].is_string(), "{name}: {reading}");
                let (_, events) = stored(&server, &detect(&server, name, &file, &reading["options"]).await).await;
                kept += 1;
                let days = events.iter().map(|event| event.1.to_string()).collect::<Vec<_>>();
                totals.push((sorted(days), events.iter().filter_map(|event| event.2).sum::<f64>()));
            }
            for one in answers {
                let days: Vec<String> = sorted(rows_of(&one["rows"]).into_iter().map(|row| row.1).collect());
                let sum = total(&one["rows"]);
                let same = totals.iter().any(|(read, found)| *read == days && (found - sum).abs() < 1e-6 * sum.abs());
                assert!(same, "{name}: {totals:?}");
            }
            asked += 1;
            continue;
        }
        let (dataset, events) = stored(&server, &answer).await;
        kept += 1;
        assert_eq!(dataset["filename"], name.as_str());
        assert_same(name, &events, &right["rows"]);
        let detected = answer.json()["detected"].clone();
        let keys: Vec<&String> = detected.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["doubts", "export", "found", "header", "rows", "trial"], "{name}");
        assert_eq!(detected["trial"]["bad"], 0, "{name}");
        let customers = detected["trial"]["customers"].as_u64().expect("a number");
        assert_eq!(customers, events.customers() as u64, "{name}");
        // What the library found is what is kept, but for the encoding: the stored text is UTF-8.
        for (option, value) in right["options"].as_object().expect("an object") {
            let found = detected["found"].as_array().expect("a list").iter().find(|one| one["option"] == *option);
            assert_eq!(found.map(|one| &one["value"]), Some(value), "{name}: {option}");
            let kept = dataset["read_options"].get(option);
            assert_eq!(kept, if option == "encoding" { None } else { Some(value) }, "{name}: {option}");
        }
        // Also where it is a default, which the organization may change.
        for option in ["columns", "delimiter", "date_format", "decimal"] {
            assert!(dataset["read_options"].get(option).is_some(), "{name}: {option}");
        }
        let id = dataset["dataset_id"].as_str().expect("an id");
        let path = format!("/datasets/{id}/process-features?allow=isolated_last_day,isolated_first_day");
        let job = ended(&server, &accepted(&server, &path, None).await).await;
        assert_eq!((&job["status"], &job["error"]), (&json!("completed"), &Value::Null), "{name}");
        kept += 1;
        let made = server.get(&org(&format!("/datasets/{id}"))).await.json();
        assert_eq!((&made["status"], &made["customers"]), (&json!("features_ready"), &json!(customers)), "{name}");
    }
    assert!(asked >= 5, "{asked} files with a question");
    // The received files are gone; there is one text for each data set, and its features.
    assert_eq!(objects(&server).await.len(), kept);
}

#[tokio::test]
async fn without_detect_nothing_has_changed() {
    let server = Server::open().await;
    for (name, code) in [
        ("german_excel.csv", "not_utf8"),
        ("french_excel.csv", "missing_column"),
        ("shopify_orders.csv", "missing_column"),
        ("iso_plain.csv.gz", "not_utf8"),
        ("spreadsheet.xlsx", "not_utf8"),
    ] {
        let file = export(name);
        let file: &[u8] = &file;
        for fields in [
            &[("file", file)][..],
            &[("detect", b"false"), ("file", file)],
            &[("file", file), ("detect", b"0")],
            &[("file", file), ("has_churn_label", b"false")],
        ] {
            let answer = send(&server, name, fields).await;
            assert_eq!(answer.error(), (422, code.to_owned()), "{name}: {}", answer.text);
        }
    }
    assert!(objects(&server).await.is_empty());
    let answer = server.form(&org("/upload-dataset"), "", &[("file", CSV)]).await;
    assert_eq!(answer.json()["detected"], Value::Null);
    let (dataset, _) = stored(&server, &answer).await;
    assert_eq!(dataset["read_options"], json!({}));
}

#[tokio::test]
async fn the_fields_come_in_any_order() {
    let server = Server::open().await;
    let labelled = "Kunde;Datum;Betrag;churn_label\nanna;31.01.2024;1.234,56 €;1\nbert;05.02.2024;12,00 €;0\n\
                    anna;11.02.2024;7,90 €;1\n";
    let options = br#"{"date_format": "%d.%m.%Y", "last_day": "2024-02-05"}"#;
    let fields: [(&str, &[u8]); 4] =
        [("detect", b"true"), ("has_churn_label", b"1"), ("read_options", options), ("file", labelled.as_bytes())];
    let mut kept = Vec::new();
    for turn in 0..4 {
        let mut turned = fields;
        turned.rotate_left(turn);
        let answer = send(&server, "kunden.csv", &turned).await;
        let (dataset, events) = stored(&server, &answer).await;
        assert_eq!(dataset["has_churn_label"], true);
        // The given last day leaves out one of the three events, also in later jobs.
        assert_eq!((events.len(), events.customers()), (2, 2));
        assert_eq!(dataset["read_options"]["last_day"], "2024-02-05");
        let found: Vec<String> = answer.json()["detected"]["found"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|found| found["option"].as_str().expect("a text").to_owned())
            .collect();
        assert!(found.contains(&"decimal".to_owned()) && !found.contains(&"date_format".to_owned()), "{found:?}");
        assert_eq!(dataset["read_options"]["date_format"], "%d.%m.%Y");
        kept.push(format!("datasets/org_acme/raw/{}.csv", dataset["dataset_id"].as_str().expect("an id")));
        assert_eq!(objects(&server).await, sorted(kept.clone()), "{turn}");
    }
    // A file without the labels is refused as before.
    let german = export("german_excel.csv");
    for fields in [
        [("detect", &b"true"[..]), ("has_churn_label", b"true"), ("file", &german)],
        [("file", &german), ("has_churn_label", b"true"), ("detect", b"true")],
    ] {
        assert_eq!(send(&server, "x.csv", &fields).await.error(), (422, "missing_column".to_owned()));
    }
    assert_eq!(objects(&server).await, sorted(kept));
}

#[tokio::test]
async fn options_of_reading_work_without_detect_too() {
    let server = Server::open().await;
    let settings = json!({"read": {"delimiter": ";", "on_bad_row": "skip"}});
    let body = json!({"organization_id": "acme", "settings": settings});
    assert_eq!(server.post(&format!("{BASE}/organizations"), body).await.status, StatusCode::CREATED);
    let csv = b"customer_id;event_date\nanna;05.01.2024\nbert;06.01.2024\n";
    // An option that is the organization's own is not one of the data set.
    let options = br#"{"date_format": "%d.%m.%Y", "delimiter": ";"}"#;
    for fields in [[("read_options", &options[..]), ("file", csv)], [("file", csv), ("read_options", options)]] {
        let answer = send(&server, "log.csv", &fields).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!((&answer.json()["row_count"], &answer.json()["detected"]), (&json!(2), &Value::Null));
        let id = answer.json()["dataset_id"].as_str().expect("an id").to_owned();
        let dataset = server.get(&org(&format!("/datasets/{id}"))).await.json();
        assert_eq!(dataset["read_options"], json!({"date_format": "%d.%m.%Y"}));
    }
    let kept = objects(&server).await.len();
    let far = format!("{{\"ignore_rows\": [\"{}\"]}}", "x".repeat(20_000));
    for (options, status, code) in [
        ("{", 422, "invalid_body"),
        ("[]", 422, "invalid_body"),
        ("7", 422, "invalid_body"),
        (r#"{"colour": "red"}"#, 422, "invalid_body"),
        (r#"{"delimiter": 7}"#, 422, "invalid_body"),
        (r#"{"max_bad_share": 2}"#, 422, "invalid_body"),
        (r#"{"encoding": "klingon"}"#, 422, "invalid_body"),
        (r#"{"first_day": "2024-02-01", "last_day": "2024-01-01"}"#, 422, "invalid_body"),
        (far.as_str(), 400, "invalid_multipart"),
    ] {
        for detect in ["true", "false"] {
            let fields = [("detect", detect.as_bytes()), ("file", csv), ("read_options", options.as_bytes())];
            let answer = send(&server, "log.csv", &fields).await;
            assert_eq!(answer.error(), (status, code.to_owned()), "{options}: {}", answer.text);
        }
    }
    let answer = send(&server, "log.csv", &[("file", csv), ("detect", b"perhaps")]).await;
    assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()));
    assert_eq!(objects(&server).await.len(), kept);
}

/// Options found at the upload stay when one is added later, and an encoding is only that of the received file.
#[tokio::test(flavor = "multi_thread")]
async fn found_options_stay_with_the_data_set() {
    let server = Server::open().await;
    let _worker = work(&server);
    let body = json!({"organization_id": "acme", "settings": {"read": {"encoding": "windows-1252"}}});
    assert_eq!(server.post(&format!("{BASE}/organizations"), body).await.status, StatusCode::CREATED);
    let answer = detect(&server, "german_excel.csv", &export("german_excel.csv"), &json!({})).await;
    let (dataset, events) = stored(&server, &answer).await;
    assert_same("german_excel.csv", &events, &expected()["german_excel.csv"]["rows"]);
    let found = dataset["read_options"].clone();
    let path = format!("/datasets/{}", dataset["dataset_id"].as_str().expect("an id"));
    let body = json!({"last_day": events.last_day()});
    let started = accepted(&server, &format!("{path}/process-features"), Some(body)).await;
    let job = ended(&server, &started).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("completed"), &Value::Null));
    let mut wanted = found;
    wanted["last_day"] = json!(events.last_day());
    let made = server.get(&org(&path)).await.json();
    assert_eq!(made["read_options"], wanted);
    assert_eq!(made["customers"], events.customers());
    // Names of customers with letters beyond ASCII are those of the file, decoded once.
    let features = server.get(made["features_url"].as_str().expect("a path")).await.text;
    for (customer, ..) in events.iter() {
        assert!(features.contains(customer), "{customer} in {features}");
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory")
}

/// A zip file of these parts.
fn zipped(parts: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        writer.start_file(name.as_str(), SimpleFileOptions::default()).expect("memory");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

/// The spreadsheet of the exports with this text as its first sheet, and this one as its table of shared texts.
fn spreadsheet(rows: &str, shared: &str) -> Vec<u8> {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let space = "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"";
    let mut book = ZipArchive::new(Cursor::new(export("spreadsheet.xlsx"))).expect("a spreadsheet");
    let mut parts = Vec::new();
    for i in 0..book.len() {
        let mut part = book.by_index(i).expect("a part");
        let mut content = Vec::new();
        part.read_to_end(&mut content).expect("memory");
        let name = part.name().expect("a name").into_owned();
        if name.ends_with("sheet1.xml") {
            content = format!("{head}<worksheet {space}><sheetData>{rows}</sheetData></worksheet>").into_bytes();
        }
        parts.push((name, content));
    }
    let shared = format!("{head}<sst {space}>{shared}</sst>");
    parts.push(("xl/sharedStrings.xml".to_owned(), shared.into_bytes()));
    zipped(&parts)
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_larger_than_they_look_are_refused() {
    let server = Server::with(&[("MAX_UPLOAD_BYTES", "1000000"), ("ORPHAN_GRACE_SECONDS", "0")]).await;
    let long = format!("customer_id,event_date\n{}", "anna,2024-01-05\n".repeat(100_000));
    let bomb = gzip(long.as_bytes());
    assert!(bomb.len() < 10_000, "{}", bomb.len());
    for fields in [[("detect", &b"true"[..]), ("file", &bomb)], [("file", &bomb), ("detect", b"true")]] {
        let answer = send(&server, "log.csv.gz", &fields).await;
        assert_eq!(answer.error(), (413, "payload_too_large".to_owned()), "{}", answer.text);
        assert_eq!(answer.json()["details"], json!({"max_bytes": 1_000_000, "setting": "MAX_UPLOAD_BYTES"}));
        assert!(answer.text.contains("unpacked"), "{}", answer.text);
    }
    // The limit itself is no more than the limit.
    let mut text = long.into_bytes();
    text.truncate(1_000_000);
    let end = text.iter().rposition(|&c| c == b'\n').expect("lines");
    text.truncate(end + 1);
    text.resize(1_000_000, b'\n');
    let answer = detect(&server, "log.csv.gz", &gzip(&text), &json!({})).await;
    let (dataset, _) = stored(&server, &answer).await;
    assert_eq!(dataset["bytes"], 1_000_000);
    let path = org(&format!("/datasets/{}", dataset["dataset_id"].as_str().expect("an id")));
    assert_eq!(server.ask("DELETE", &path, "", None).await.status, StatusCode::NO_CONTENT);

    let part = |size: usize| zipped(&[("xl/worksheets/sheet1.xml".to_owned(), vec![b' '; size])]);
    let cell = |place: &str, text: &str| format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>");
    let far = format!(
        "<row r=\"1\">{}</row><row r=\"4000000000\">{}</row>",
        cell("A1", "customer_id"),
        cell("A4000000000", "anna")
    );
    // A text of 100 KB that 1,000 cells share.
    let shared = format!("<si><t>{}</t></si>", "x".repeat(100_000));
    let cells: String =
        (1..=1000).map(|row| format!("<row r=\"{row}\"><c r=\"A{row}\" t=\"s\"><v>0</v></c></row>")).collect();
    for (name, file, reason) in [
        ("a part", part(2_000_000), "more than 1000000 bytes"),
        ("a cell far away", spreadsheet(&far, ""), "too large"),
        ("a shared text", spreadsheet(&cells, &shared), "too large"),
        ("no spreadsheet", zipped(&[("log.csv".to_owned(), CSV.as_bytes().to_vec())]), "spreadsheet cannot be read"),
        ("half a spreadsheet", export("spreadsheet.xlsx")[..3000].to_vec(), "spreadsheet cannot be read"),
        ("half a file", gzip(CSV.as_bytes())[..40].to_vec(), "gzip"),
        ("compressed twice", gzip(&gzip(CSV.as_bytes())), "compressed twice"),
        ("a compressed spreadsheet", gzip(&export("spreadsheet.xlsx")), "compressed twice"),
    ] {
        assert!(file.len() < 100_000, "{name}: {}", file.len());
        let answer = detect(&server, "log", &file, &json!({})).await;
        assert_eq!(answer.error(), (422, "unreadable_file".to_owned()), "{name}: {}", answer.text);
        assert!(answer.text.contains(reason), "{name}: {}", answer.text);
    }
    assert!(objects(&server).await.is_empty());
    // What was removed at once is not there for the sweep.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(sweep(&server.state).await.expect("sweeps"), 0);

    // The parts of a spreadsheet that are made here are sound.
    let row = |row: usize, fields: [&str; 2]| {
        let [id, date] = fields;
        format!("<row r=\"{row}\">{}{}</row>", cell(&format!("A{row}"), id), cell(&format!("B{row}"), date))
    };
    let rows = [["customer_id", "event_date"], ["anna", "2024-01-05"], ["anna", "2024-02-05"], ["bert", "2024-01-07"]];
    let rows: String = (1..).zip(rows).map(|(number, fields)| row(number, fields)).collect();
    let answer = detect(&server, "log.xlsx", &spreadsheet(&rows, ""), &json!({})).await;
    let (_, events) = stored(&server, &answer).await;
    assert_eq!((events.len(), events.customers()), (3, 2));

    // A spreadsheet is held in memory, so its parts have a limit of their own.
    let server = Server::open().await;
    let answer = detect(&server, "log.xlsx", &part(17 << 20), &json!({})).await;
    assert_eq!(answer.error(), (422, "unreadable_file".to_owned()), "{}", answer.text);
    assert!(answer.text.contains("more than 16777216 bytes"), "{}", answer.text);
    assert!(objects(&server).await.is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_log_leaves_nothing() {
    let server = Server::open().await;
    for (file, code) in [
        (&b""[..], "empty_file"),
        (b"\n \n", "empty_file"),
        (b"customer_id,event_date\n", "no_good_rows"),
        (b"customer_id,event_date\nanna,2024-01-05\nbert,2024-01-06\nbert,soon\n", "unclear_file"),
        (b"word\nand\nother\nwords\n", "unclear_file"),
        (&[0x83, 0x8f, 0x81, 0x8d, b'\n', 0x83, 0x8f, 0x90, 0x9d, b'\n'], "unclear_file"),
    ] {
        let answer = detect(&server, "log.csv", file, &json!({})).await;
        assert_eq!(answer.error(), (422, code.to_owned()), "{file:?}: {}", answer.text);
    }
    // A row that the sample does not show is refused with its line.
    let mut long = String::from("customer_id,event_date,amount\n");
    (0..400_000).for_each(|i| long += &format!("c{:03},2024-{:02}-05,1.50\n", i % 500, 1 + i % 12));
    let odd = long.len() / 2 + 1000;
    let at = odd + long[odd..].find('\n').expect("lines") + 1;
    long.insert_str(at, "anna,2024-13-05,1\n");
    let answer = detect(&server, "log.csv", long.as_bytes(), &json!({})).await;
    assert_eq!(answer.error().0, 422, "{}", answer.text);
    assert!(objects(&server).await.is_empty());
    assert_eq!(server.get(&format!("{BASE}/organizations/acme")).await.error().0, 404);
}
