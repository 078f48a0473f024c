//! Findings of checks, as the API reports them: in data sets, jobs, models and batches, and in the errors that stop the work.

use axum::http::StatusCode;
use churn::{Day, LabelConfig, ReadOptions, SlippingConfig};
use serde_json::{Value, json};

use crate::support::{BASE, Server};
use crate::work::{accepted, ended, events, log, model, org, ready, trained, upload, work};

/// The log with one row of another century; its other rows end on day 20099.
fn with_far_row() -> String {
    log() + "c007,2099-01-01,10.00\n"
}

/// The last day of the log.
fn end() -> Day {
    Day::new(20_099).expect("a day")
}

fn codes(findings: &Value) -> Vec<&str> {
    let findings = findings.as_array().unwrap_or_else(|| panic!("{findings} is no list"));
    findings.iter().map(|finding| finding["code"].as_str().expect("a code")).collect()
}

#[track_caller]
fn has<'a>(findings: &'a Value, code: &str) -> &'a Value {
    let at = codes(findings).iter().position(|found| *found == code);
    &findings[at.unwrap_or_else(|| panic!("no {code} in {findings}"))]
}

/// The error of something that findings stopped: its code, and those of the findings, which are whole.
#[track_caller]
fn stopped(error: &Value) -> Vec<&str> {
    assert_eq!(error["code"], "finding", "{error}");
    for finding in error["findings"].as_array().expect("a list") {
        let keys: Vec<&String> = finding.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["code", "evidence", "message", "severity", "suggestion"]);
        assert_eq!(finding["severity"], "error");
    }
    codes(&error["findings"])
}

/// Refused with the day and the setting that mends it; and goes on with that setting, or if it is allowed on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_another_century_stops_features_training_and_scoring() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = upload(&server, &with_far_row()).await;
    let path = format!("/datasets/{dataset}");
    let features = format!("{path}/process-features");
    let job = ended(&server, &accepted(&server, &features, None).await).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(stopped(&job["error"]), ["isolated_last_day"]);
    let failed = server.get(&org(&path)).await.json();
    assert_eq!((&failed["status"], &failed["error"]), (&json!("error"), &job["error"]));
    let finding = &failed["error"]["findings"][0];
    for part in ["2099-01-01", "\"c007\"", &format!("last_day = {}", end())] {
        assert!(finding["message"].as_str().expect("a text").contains(part), "{part} in {finding}");
    }
    assert_eq!(finding["suggestion"], json!({"last_day": end()}));
    // Whoever trains is told why there are no features.
    assert_eq!(server.ask("POST", &org("/train"), "", None).await.error(), (409, "features_not_ready".to_owned()));

    // On purpose: the features are of that day, and the finding is kept.
    let job = ended(&server, &accepted(&server, &format!("{features}?allow=isolated_last_day"), None).await).await;
    assert_eq!((&job["status"], &job["error"]), (&json!("completed"), &Value::Null));
    let made = server.get(&org(&path)).await.json();
    assert_eq!(
        (&made["status"], &made["last_day"], &made["error"]),
        (&json!("features_ready"), &json!("2099-01-01"), &Value::Null)
    );
    has(&made["findings"], "isolated_last_day");

    // Training on them stops for itself.
    let training = accepted(&server, "/train", None).await;
    let job = ended(&server, &training).await;
    assert_eq!(stopped(&job["error"]), ["isolated_last_day"]);
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["error_code"]), (&json!("failed"), &json!("finding")));
    assert_eq!(status["findings"], job["error"]["findings"]);
    let listed = server.get(&org("/models")).await.json()["models"][0].clone();
    assert_eq!(listed["error"], job["error"]);

    // With the day that it names, everything is as if the row were not there: for features, training and scoring.
    let body = json!({"last_day": end()});
    let job = ended(&server, &accepted(&server, &features, Some(body.clone())).await).await;
    assert_eq!(job["status"], "completed", "{job}");
    let mended = server.get(&org(&path)).await.json();
    assert_eq!((&mended["last_day"], &mended["read_options"], &mended["findings"]), (&json!(end()), &body, &json!([])));
    let id = trained(&server, "", None).await;
    let document = server.get(&org(&format!("/models/{id}/document"))).await.text;
    let own: Value = serde_json::from_str(&document).expect("is JSON");
    let expected: Value = serde_json::from_str(&model().to_json()).expect("is JSON");
    assert_eq!(own["learner"], expected["learner"]);
    let found = server.get(&org(&format!("/models/{id}"))).await.json();
    assert_eq!(found["findings"], serde_json::to_value(model().findings()).expect("can be written"));
    assert_eq!(server.get(&org("/training-status")).await.json()["findings"], found["findings"]);
    assert_eq!(found["warnings"], json!(model().warnings()));
    let bulk = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    assert_eq!(ended(&server, &bulk).await["status"], "completed");

    // A file is not the data set: it is refused, and scored on request.
    let file = with_far_row();
    let sent = server.form(&org("/predict-bulk"), "", &[("file", &file)]).await.json();
    let job = ended(&server, &sent).await;
    assert_eq!(stopped(&job["error"]), ["isolated_last_day"]);
    let batch = server.get(&org("/prediction-batches?limit=1")).await.json()["batches"][0].clone();
    assert_eq!((&batch["status"], &batch["error"]), (&json!("failed"), &job["error"]));
    for query in ["?allow=isolated_last_day", ""] {
        let field = [("allow", "isolated_last_day"), ("file", file.as_str())];
        let form = if query.is_empty() { &field[..] } else { &field[1..] };
        let sent = server.form(&org(&format!("/predict-bulk{query}")), "", form).await.json();
        assert_eq!(ended(&server, &sent).await["status"], "completed");
        let batch = server.get(&org("/prediction-batches?limit=1")).await.json()["batches"][0].clone();
        // By 2099 everybody but one has been silent for a lifetime; they are counted.
        assert_eq!((&batch["customers"], &batch["inactive_customers"]), (&json!(1), &json!(199)), "{batch}");
        let findings = &batch["findings"];
        assert_eq!(codes(findings), ["isolated_last_day", "customers_left_out"]);
        // The texts are those of the findings that are no notes.
        assert_eq!(batch["warnings"], json!([findings[0]["message"]]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_no_finding_has_cannot_be_allowed() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = ready(&server, &log()).await;
    trained(&server, "", None).await;
    for path in [
        format!("/datasets/{dataset}/process-features?allow=isolated"),
        "/train?allow=isolated_last_day,isolated".to_owned(),
        format!("/predict-bulk?dataset_id={dataset}&allow=isolated"),
    ] {
        let answer = server.ask("POST", &org(&path), "", None).await;
        assert_eq!(answer.error(), (400, "invalid_parameter".to_owned()), "{path}");
        let valid = answer.json()["details"]["valid"].clone();
        assert_eq!(valid.as_array().expect("a list").len(), churn::finding_codes().len());
        assert!(valid.as_array().expect("a list").contains(&json!("isolated_last_day")));
    }
    for (body, code) in [(json!({"last": "2024-01-01"}), "invalid_body"), (json!([]), "invalid_body")] {
        let path = org(&format!("/datasets/{dataset}/process-features"));
        assert_eq!(server.post(&path, body).await.error(), (422, code.to_owned()));
    }
    let swapped = json!({"first_day": "2024-02-01", "last_day": "2024-01-01"});
    let path = org(&format!("/datasets/{dataset}/process-features"));
    assert_eq!(server.post(&path, swapped).await.error(), (400, "invalid_parameter".to_owned()));
}

/// Customers who pay once a year for six years and never leave.
fn annual_payers() -> String {
    let mut csv = "customer_id,event_date,amount\n".to_owned();
    for customer in 0..300 {
        for year in 0..6 {
            let day = Day::new(17_897 + 365 * year + customer).expect("a day");
            csv += &format!("p{customer:03},{day},120.00\n");
        }
    }
    csv
}

#[tokio::test(flavor = "multi_thread")]
async fn annual_payers_are_refused_as_payers() {
    let server = Server::open().await;
    let _worker = work(&server);
    // The features are the same for every definition of churn, so the finding is told and stops the training only.
    let dataset = ready(&server, &annual_payers()).await;
    let row = server.get(&org(&format!("/datasets/{dataset}"))).await.json();
    has(&row["findings"], "regular_payers");
    let job = ended(&server, &accepted(&server, "/train", None).await).await;
    assert_eq!(job["status"], "failed");
    assert_eq!(stopped(&job["error"]), ["regular_payers"]);
    let finding = &job["error"]["findings"][0];
    assert!(finding["message"].as_str().expect("a text").contains("365 days"), "{finding}");
    let horizon = finding["suggestion"]["horizon_days"].as_i64().expect("a number of days");
    assert!(horizon > 365, "{finding}");

    // Beside the horizon that it proposes, it is no finding.
    let check = async |query: &str| server.get(&org(&format!("/datasets/{dataset}/check{query}"))).await.json();
    has(&check("").await["findings"], "regular_payers");
    let with = check(&format!("?horizon_days={horizon}")).await;
    assert_eq!(with["definition"]["horizon_days"], json!(horizon));
    assert!(!codes(&with["findings"]).contains(&"regular_payers"), "{with}");

    // Who insists gets a model, or is told what else is the matter.
    let job = ended(&server, &accepted(&server, "/train?allow=regular_payers", None).await).await;
    assert_ne!(job["error"]["code"], "finding", "{job}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_tells_what_the_library_finds_and_proposes() {
    let server = Server::open().await;
    let dataset = upload(&server, &log()).await;
    let path = org(&format!("/datasets/{dataset}/check"));
    let found = server.get(&format!("{path}?horizon_days=7&gap_days=1")).await.json();
    let definition = LabelConfig { horizon_days: 7, gap_days: 1, ..LabelConfig::default() };
    let expected = churn::check(&events(), &definition).expect("a definition");
    assert_eq!(found["findings"], serde_json::to_value(&expected).expect("can be written"));
    // Everybody buys at an interval of their own, which a week does not cover.
    has(&found["findings"], "regular_payers");
    let proposed = churn::suggest(&events()).expect("customers come back");
    assert_eq!(found["suggestion"], serde_json::to_value(&proposed).expect("can be written"));
    // The settings of the organization say what is meant where the request does not.
    let settings = json!({"train": {"horizon_days": 30}});
    assert_eq!(server.ask("PATCH", &org("/settings"), "", Some(settings)).await.status, StatusCode::OK);
    assert_eq!(server.get(&path).await.json()["definition"]["horizon_days"], json!(30));
    for query in ["?horizon_days=0", "?gap_days=-1"] {
        assert_eq!(server.get(&format!("{path}{query}")).await.error(), (400, "invalid_parameter".to_owned()));
    }
    let few = upload(&server, crate::support::CSV).await;
    assert_eq!(server.get(&org(&format!("/datasets/{few}/check"))).await.json()["suggestion"], Value::Null);
    let small = Server::with(&[("MAX_LOG_ROWS", "2")]).await;
    let dataset = small.uploaded("acme", "").await;
    let answer = small.get(&org(&format!("/datasets/{dataset}/check"))).await;
    assert_eq!(answer.error(), (413, "too_many_rows".to_owned()));
    // The features of such a log are made without the check.
    let _worker = work(&small);
    ended(&small, &accepted(&small, &format!("/datasets/{dataset}/process-features"), None).await).await;
    let row = small.get(&org(&format!("/datasets/{dataset}"))).await.json();
    assert_eq!((&row["status"], &row["findings"]), (&json!("features_ready"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_ends_things_counts_as_coming_back() {
    let server = Server::open().await;
    let _worker = work(&server);
    let rows = log().lines().skip(1).fold(String::new(), |csv, row| csv + row + ",visit\n");
    let with = format!("customer_id,event_date,amount,event_type\n{rows}c001,{},,cancel\n", end().plus(-3));
    let dataset = ready(&server, &with).await;
    let row = server.get(&org(&format!("/datasets/{dataset}"))).await.json();
    let finding = has(&row["findings"], "leaving_event_counts_as_return");
    assert_eq!(finding["suggestion"], json!({"event_types": ["visit"]}));
    // A warning does not stop; the model carries it, and with the suggestion it is gone.
    let id = trained(&server, "", None).await;
    let model = server.get(&org(&format!("/models/{id}"))).await.json();
    assert_eq!(has(&model["findings"], "leaving_event_counts_as_return"), finding);
    assert!(model["warnings"].as_array().expect("a list").contains(&finding["message"]));
    let id = trained(&server, "", Some(finding["suggestion"].clone())).await;
    let model = server.get(&org(&format!("/models/{id}"))).await.json();
    assert!(!codes(&model["findings"]).contains(&"leaving_event_counts_as_return"), "{model}");
}

/// Each row in two lines, which differ in their amounts.
#[tokio::test(flavor = "multi_thread")]
async fn lines_of_orders_are_noticed_and_merged() {
    let (mut bare, mut orders) =
        ("customer_id,event_date,amount\n".to_owned(), "customer_id,event_date,amount,order_id\n".to_owned());
    for (order, row) in log().lines().skip(1).enumerate() {
        let (who, _) = row.rsplit_once(',').expect("an amount");
        for amount in [3, 4] {
            bare += &format!("{who},{amount}\n");
            orders += &format!("{who},{amount},o{order}\n");
        }
    }
    let server = Server::open().await;
    let _worker = work(&server);
    let findings =
        async |dataset: &str| server.get(&org(&format!("/datasets/{dataset}"))).await.json()["findings"].clone();
    let dataset = ready(&server, &bare).await;
    let found = findings(&dataset).await;
    let suggestion = has(&found, "order_lines")["suggestion"].clone();
    assert_eq!(suggestion, json!({"merge": "day"}));
    // What it suggests, for this data set alone.
    let started = accepted(&server, &format!("/datasets/{dataset}/process-features"), Some(suggestion)).await;
    assert_eq!(ended(&server, &started).await["status"], "completed");
    assert!(!codes(&findings(&dataset).await).contains(&"order_lines"));
    // Or the column that says which order a line is of.
    assert!(!codes(&findings(&ready(&server, &orders).await).await).contains(&"order_lines"));
    assert!(codes(&findings(&ready(&server, &bare).await).await).contains(&"order_lines"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_tells_who_is_slipping_away() {
    let server = Server::open().await;
    let _worker = work(&server);
    assert_eq!(server.get(&org("/slipping-away")).await.error(), (404, "organization_not_found".to_owned()));
    let thresholds = json!({"medium": 0.1, "high": 0.2, "critical": 0.3});
    let body = json!({"organization_id": "acme", "settings": {"thresholds": thresholds}});
    assert_eq!(server.post(&format!("{BASE}/organizations"), body).await.status, StatusCode::CREATED);
    assert_eq!(server.get(&org("/slipping-away")).await.error(), (404, "no_predictions".to_owned()));
    let dataset = ready(&server, &log()).await;
    trained(&server, "", None).await;
    let sent = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    assert_eq!(ended(&server, &sent).await["status"], "completed");

    let config = SlippingConfig { customers: 50, ..SlippingConfig::default() };
    let expected = model().slipping_away(&events(), None, &config).expect("a list");
    assert!(expected.customers.len() > 10, "{}", expected.customers.len());
    let found = server.get(&org("/slipping-away")).await.json();
    assert_eq!((&found["as_of"], &found["before"]), (&json!(expected.as_of), &json!(expected.before)));
    assert_eq!((&found["total"], &found["model_version"]), (&json!(expected.customers.len()), &json!(1)));
    let bands = |p: f64| {
        ["Critical", "High", "Medium", "Low"][[0.3, 0.2, 0.1, 0.0].iter().position(|from| p >= *from).expect("a band")]
    };
    for (answer, customer) in found["customers"].as_array().expect("a list").iter().zip(&expected.customers) {
        let mut customer = serde_json::to_value(customer).expect("can be written");
        // The bands are those of the organization.
        customer["risk_segment"] = json!(bands(answer["churn_probability"].as_f64().expect("a number")));
        assert_eq!(answer, &customer);
    }
    let second = server
        .get(&org(&format!("/slipping-away?batch_id={}&limit=2&offset=1", sent["batch_id"].as_str().expect("an id"))))
        .await
        .json();
    assert_eq!(
        second["customers"].as_array().expect("a list")[..],
        found["customers"].as_array().expect("a list")[1..3]
    );
}

/// Seven customers whose last event lies 365 days or longer before the last day are in no list, and are counted.
#[tokio::test(flavor = "multi_thread")]
async fn only_covered_customers_are_listed_and_the_rest_is_counted() {
    let server = Server::open().await;
    let _worker = work(&server);
    ready(&server, &log()).await;
    trained(&server, "", None).await;
    let gone: String = (0..7).map(|i| format!("gone{i},{},10\n", end().plus(-365 - i))).collect();
    let sent = server.form(&org("/predict-bulk"), "", &[("file", &(log() + &gone))]).await.json();
    assert_eq!(ended(&server, &sent).await["status"], "completed");
    let batch = server.get(&org("/prediction-batches")).await.json()["batches"][0].clone();
    assert_eq!((&batch["customers"], &batch["inactive_customers"]), (&json!(200), &json!(7)));
    let finding = has(&batch["findings"], "customers_left_out");
    assert_eq!(
        finding["evidence"],
        json!({"inactive": 7, "customers": 207, "active_within_days": 365, "as_of": end()})
    );
    assert_eq!((&finding["severity"], &batch["warnings"]), (&json!("note"), &json!([])));
    for list in ["/prediction-customers?search=gone", "/slipping-away?limit=1000"] {
        assert!(!server.get(&org(list)).await.text.contains("gone"), "{list}");
    }
    let file =
        server.get(&org(&format!("/prediction-batches/{}/file", batch["batch_id"].as_str().expect("an id")))).await;
    assert_eq!(file.text.lines().count(), 201);
    let events = churn::Events::from_csv((log() + &gone).as_bytes(), &ReadOptions::default()).expect("is a log");
    let expected = model().predict(&events, None).expect("is scored");
    assert_eq!((expected.len(), expected.coverage().expect("is counted").inactive), (200, 7));
}
