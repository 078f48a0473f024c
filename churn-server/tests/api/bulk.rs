//! Bulk prediction: the customers that are scored, the limit on rows, and files in the forms that people have.

use axum::http::StatusCode;
use churn::Day;
use churn_server::sweep::sweep;
use serde_json::{Value, json};

use crate::datasets::objects;
use crate::detected::{export, sorted};
use crate::support::{Answer, Server};
use crate::work::{accepted, ended, events, log, org, ready, trained, work};

/// The log ends 399 days after day 19700, on day 20099; 365 days before that is day 19734.
#[tokio::test(flavor = "multi_thread")]
async fn customers_who_are_long_gone_are_left_out_unless_asked_for() {
    let server = Server::open().await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let day = |number| Day::new(number).expect("a day");
    assert_eq!(events().last_day(), day(20_099));
    let with = log() + &format!("gone,{},10\nalmost,{},10\n", day(19_734), day(19_735));
    let include: &[(&str, &str)] = &[("include_inactive", "true"), ("file", &with)];
    for (form, customers, code) in
        [(&[("file", with.as_str())][..], 201, "customers_left_out"), (include, 202, "customers_guessed")]
    {
        let sent = server.form(&org("/predict-bulk"), "", form).await.json();
        assert_eq!(ended(&server, &sent).await["status"], "completed");
        let batch = server.get(&org("/prediction-batches?limit=1")).await.json()["batches"][0].clone();
        assert_eq!((&batch["customers"], &batch["inactive_customers"]), (&json!(customers), &json!(1)), "{batch}");
        assert_eq!(batch["findings"][0]["code"], code, "{batch}");
        // That some are left out is a note; that some are guessed is a warning.
        let warnings = if code == "customers_guessed" { json!([batch["findings"][0]["message"]]) } else { json!([]) };
        assert_eq!(batch["warnings"], warnings);
        let found = async |id: &str| server.get(&org(&format!("/prediction-customers?search={id}"))).await.json();
        assert_eq!(found("almost").await["total"], 1);
        assert_eq!(found("gone").await["total"], customers - 201);
    }

    let only = format!("customer_id,event_date\ngone,{}\n", day(19_000));
    let sent = server.form(&org("/predict-bulk?as_of=2024-12-01"), "", &[("file", &only)]).await.json();
    let job = ended(&server, &sent).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("no_customers")), "{job}");

    let alone = json!({"customer_id": "gone", "transactions": [{"event_date": day(19_734)}], "as_of": day(20_099)});
    let answer = server.post(&org("/predict"), alone).await.json();
    assert!(answer["warnings"][0].as_str().expect("a warning").contains("a guess"), "{answer}");
    let still = json!({"customer_id": "almost", "transactions": [{"event_date": day(19_735)}], "as_of": day(20_099)});
    assert_eq!(server.post(&org("/predict"), still).await.json()["warnings"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_beyond_the_limit_are_kept_but_not_held_in_memory() {
    let rows = log().lines().count() - 1;
    let server = Server::with(&[("MAX_LOG_ROWS", &rows.to_string())]).await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let larger = ready(&server, &(log() + "c000,2024-06-01,5\n")).await;
    let train = org(&format!("/train?dataset_id={larger}"));
    let bulk = org(&format!("/predict-bulk?dataset_id={larger}"));
    for answer in [
        server.ask("POST", &train, "", None).await,
        server.ask("POST", &bulk, "", None).await,
        server.form(&org("/predict-bulk"), "", &[("file", &(log() + "c000,2024-06-01,5\n"))]).await,
    ] {
        assert_eq!(answer.error(), (413, "too_many_rows".to_owned()));
        assert_eq!(answer.json()["details"]["max_rows"], json!(rows));
    }
}

/// The log in the standard form, with a letter beyond ASCII in each id and amounts above a thousand, and the same rows as a
/// German spreadsheet writes them.
fn in_two_forms() -> (String, String) {
    let mut standard = "customer_id,event_date,amount\n".to_owned();
    let mut german = "Kunde;Datum;Betrag\n".to_owned();
    for line in log().lines().skip(1) {
        let fields: Vec<&str> = line.split([',', '-', '.']).collect();
        let &[id, year, month, day, whole, cents] = fields.as_slice() else { panic!("{line}") };
        let above: u32 = 200 + whole.parse::<u32>().expect("a number");
        standard += &format!("ä{id},{year}-{month}-{day},1{above}.{cents}\n");
        german += &format!("ä{id};{day}.{month}.{year};1.{above},{cents} €\n");
    }
    (standard, german)
}

/// The bytes of a text in windows-1252.
fn western(text: &str) -> Vec<u8> {
    let byte = |c: char| if c == '€' { 0x80 } else { u8::try_from(u32::from(c)).expect("a letter of the encoding") };
    text.chars().map(byte).collect()
}

/// The fields of a form.
type Fields<'a> = &'a [(&'a str, &'a [u8])];

async fn score(server: &Server, fields: Fields<'_>) -> Answer {
    server.form_of(&org("/predict-bulk"), "", "kunden.csv", fields).await
}

/// The predictions of an accepted file, and its batch.
async fn predictions(server: &Server, answer: &Answer) -> (String, Value) {
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let started = answer.json();
    let job = ended(server, &started).await;
    assert_eq!(job["status"], "completed", "{job}");
    let path = org(&format!("/prediction-batches/{}", started["batch_id"].as_str().expect("an id")));
    let batch = server.get(&path).await.json();
    (server.get(&format!("{path}/file")).await.text, batch)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_another_form_has_the_predictions_of_its_rows() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = ready(&server, &log()).await;
    trained(&server, "", None).await;
    let (standard, german) = in_two_forms();
    let answer = score(&server, &[("file", standard.as_bytes())]).await;
    assert_eq!(answer.json()["detected"], Value::Null);
    let (expected, batch) = predictions(&server, &answer).await;
    assert_eq!((expected.lines().count(), &batch["customers"]), (201, &json!(200)));
    assert!(expected.contains("äc007,"), "{expected}");
    let started = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    assert_eq!(started["detected"], Value::Null);
    ended(&server, &started).await;

    // The fields come in any order.
    let file = western(&german);
    let options = br#"{"date_format": "%d.%m.%Y"}"#;
    let fields: [(&str, &[u8]); 4] =
        [("detect", b"true"), ("include_inactive", b"1"), ("read_options", options), ("file", &file)];
    let mut kept = objects(&server).await;
    let mut batches = Vec::new();
    for turn in 0..4 {
        let mut turned = fields;
        turned.rotate_left(turn);
        let answer = score(&server, &turned).await;
        assert_eq!(predictions(&server, &answer).await.0, expected, "{turn}");
        let detected = answer.json()["detected"].clone();
        let keys: Vec<&String> = detected.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["doubts", "export", "found", "header", "rows", "trial"]);
        let found = detected["found"].as_array().expect("a list");
        let found: Vec<(&str, &Value)> =
            found.iter().map(|one| (one["option"].as_str().expect("a text"), &one["value"])).collect();
        for one in [
            ("encoding", &json!("windows-1252")),
            ("delimiter", &json!(";")),
            ("columns.customer_id", &json!("Kunde")),
            ("decimal", &json!(",")),
            ("thousands", &json!(".")),
        ] {
            assert!(found.contains(&one), "{one:?} in {found:?}");
        }
        assert!(found.iter().all(|(option, _)| *option != "date_format"), "{found:?}");
        let id = answer.json()["batch_id"].as_str().expect("an id").to_owned();
        // The received file is gone, its text belongs to the batch.
        kept.push(format!("utils/org_acme/bulk/{id}_text.csv"));
        kept.push(format!("utils/org_acme/predictions/predictions_{id}.csv"));
        assert_eq!(sorted(objects(&server).await), sorted(kept.clone()), "{turn}");
        batches.push(id);
    }
    for id in batches {
        let path = org(&format!("/prediction-batches/{id}"));
        assert_eq!(server.ask("DELETE", &path, "", None).await.status, StatusCode::NO_CONTENT);
        kept.retain(|key| !key.contains(&id));
    }
    assert_eq!(sorted(objects(&server).await), sorted(kept));

    // Given options read it without `detect` too, also if they follow the file.
    let options =
        br#"{"columns": {"customer_id": "Kunde", "event_date": "Datum", "amount": "Betrag"}, "delimiter": ";",
        "date_format": "%d.%m.%Y", "decimal": ",", "thousands": ".", "currency": true}"#;
    for fields in [
        [("read_options", &options[..]), ("file", german.as_bytes())],
        [("file", german.as_bytes()), ("read_options", options)],
    ] {
        let answer = score(&server, &fields).await;
        assert_eq!(predictions(&server, &answer).await.0, expected);
        assert_eq!(answer.json()["detected"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_be_read_in_several_ways_is_not_scored() {
    let rows = log().lines().count() - 1;
    let server = Server::with(&[("MAX_LOG_ROWS", &rows.to_string()), ("ORPHAN_GRACE_SECONDS", "0")]).await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let kept = sorted(objects(&server).await);
    let batches = async || server.get(&org("/prediction-batches")).await.json()["total"].clone();

    let unclear = export("ambiguous_dates.csv");
    let unclear: &[u8] = &unclear;
    let mut readings = Vec::new();
    for fields in [[("detect", &b"true"[..]), ("file", unclear)], [("file", unclear), ("detect", b"true")]] {
        let answer = score(&server, &fields).await;
        assert_eq!(answer.error(), (422, "unclear_file".to_owned()), "{}", answer.text);
        let details = answer.json()["details"].clone();
        assert_eq!((&details["questions"][0]["code"], &details["questions"][1]), (&json!("date_format"), &Value::Null));
        assert_eq!(details["header"][0], "customer");
        readings = details["questions"][0]["readings"].as_array().expect("a list").clone();
        assert_eq!(sorted(objects(&server).await), kept);
    }

    // All other refusals leave nothing either, wherever they are noticed.
    let (standard, german) = in_two_forms();
    let larger = german.clone() + "zoe;01.01.2025;1.000,00 €\n";
    let (standard, german, larger) = (standard.as_bytes(), german.as_bytes(), larger.as_bytes());
    let detect = ("detect", &b"true"[..]);
    let refused: [(Fields<'_>, u16, &str); 12] = [
        (&[("file", german)], 422, "missing_column"),
        (&[("file", german), ("detect", b"false")], 422, "missing_column"),
        (&[("file", export("iso_plain.csv.gz").leak())], 422, "not_utf8"),
        (&[("file", german), ("detect", b"perhaps")], 400, "invalid_parameter"),
        (&[("file", german), detect, ("as_of", b"soon")], 400, "invalid_parameter"),
        (&[("file", german), detect, ("as_of", b"2999-01-01")], 400, "invalid_parameter"),
        (&[("file", german), detect, ("allow", b"everything")], 400, "invalid_parameter"),
        (&[("file", german), detect, ("file", german)], 400, "invalid_multipart"),
        (&[detect, ("read_options", br#"{"colour": "red"}"#), ("file", german)], 422, "invalid_body"),
        (&[("file", german), detect, ("read_options", br#"{"columns": {"amount": "Preis"}}"#)], 422, "missing_column"),
        (&[detect], 400, "invalid_multipart"),
        (&[("file", larger), detect], 413, "too_many_rows"),
    ];
    for (fields, status, code) in refused {
        let answer = score(&server, fields).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{}", answer.text);
        assert_eq!(sorted(objects(&server).await), kept, "{code}");
    }
    let only = format!("/predict-bulk?as_of={}", Day::new(40_000).expect("a day"));
    let answer = server.form_of(&org(&only), "", "log.csv", &[("file", standard)]).await;
    assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()));
    assert_eq!((sorted(objects(&server).await), batches().await), (kept, json!(0)));
    // What was removed at once is not there for the sweep.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(sweep(&server.state).await.expect("sweeps"), 0);

    // The options of a reading answer the question, and each reading has its own last day.
    let mut last_days = Vec::new();
    for reading in &readings {
        let options = reading["options"].to_string();
        let allow = ("allow", &b"isolated_last_day,isolated_first_day"[..]);
        let answer = score(&server, &[detect, ("file", unclear), ("read_options", options.as_bytes()), allow]).await;
        last_days.push(predictions(&server, &answer).await.1["as_of"].clone());
    }
    assert_eq!(last_days.len(), 2);
    assert_ne!(last_days[0], last_days[1]);
}
