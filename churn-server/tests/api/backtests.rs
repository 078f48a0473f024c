//! Backtests: the result of the library, what is refused at the door, whose they are, and how they end.

use std::time::Duration;

use axum::http::StatusCode;
use churn::{BacktestConfig, Day, Events, ReadOptions, backtest};
use churn_server::storage::{Location, put_bytes};
use churn_server::sweep::sweep;
use serde_json::{Value, json};

use crate::datasets::objects;
use crate::support::{BASE, Server, token};
use crate::work::{accepted, ended, log, org, ready, until, upload, work};

/// A log of 320 customers over 500 days. Every second one stops some day, so that customers churn at every cutoff.
fn long_log() -> String {
    let mut csv = "customer_id,event_date,amount\n".to_owned();
    for customer in 0..320 {
        let interval = 3 + customer % 13;
        let end = if customer % 2 == 0 { 60 + (customer * 7) % 430 } else { 500 };
        for day in (customer % 11..end).step_by(interval) {
            let date = Day::new(19_700 + day as i32).expect("a day");
            csv += &format!("c{customer:03},{date},{}.50\n", 5 + (customer * day) % 30);
        }
    }
    csv
}

/// Settings of a backtest with two recipes.
fn settings() -> Value {
    json!({
        "horizon_days": 45, "snapshots": 3, "seed": 5, "allow": ["regular_payers"],
        "against": {"one snapshot": {"snapshots": 1}},
    })
}

/// The result of the library with these settings, and with the defaults of the API.
fn by_the_library() -> Value {
    let Value::Object(mut keys) = settings() else { panic!("an object") };
    keys.extend([
        ("model".to_owned(), json!("logistic_regression")),
        ("feature_set".to_owned(), json!("rfm")),
        ("most_cutoffs".to_owned(), json!(100)),
    ]);
    let config = BacktestConfig::from_json(&Value::Object(keys).to_string()).expect("are settings");
    let events = Events::from_csv(long_log().as_bytes(), &ReadOptions::default()).expect("is a log");
    let found = backtest(&events, &config).expect("is judged");
    serde_json::from_str(&serde_json::to_string(&found).expect("is written")).expect("is JSON")
}

fn id<'a>(started: &'a Value, name: &str) -> &'a str {
    started[name].as_str().expect("an id")
}

fn path_of(started: &Value) -> String {
    org(&format!("/backtests/{}", id(started, "backtest_id")))
}

/// The data set has no features: a backtest needs only the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_gives_what_the_library_gives() {
    let server = Server::open().await;
    let dataset = upload(&server, &long_log()).await;
    let started = accepted(&server, &format!("/backtest?dataset_id={dataset}"), Some(settings())).await;
    assert_eq!(
        (&started["message"], &started["model_type"], &started["dataset_id"]),
        (&json!("Backtest started in background"), &json!("logistic_regression"), &json!(dataset))
    );
    let waiting = server.get(&path_of(&started)).await.json();
    assert_eq!((&waiting["status"], &waiting["result"]), (&json!("processing"), &Value::Null));
    // A worker took the job, wrote half of the file, and was killed.
    let store = &server.state.store;
    let taken = store.claim_job("killed", Duration::ZERO).await.expect("answers").expect("a job");
    let at = Location::backtest("acme", id(&started, "backtest_id")).expect("a place");
    put_bytes(&*server.state.storage, &at, "application/json", "{\"config\": {").await.expect("is stored");

    let _worker = work(&server);
    let found = server.get(&format!("{}?wait=20", path_of(&started))).await.json();
    let found = match found["status"] == "processing" {
        true => until(&server, &path_of(&started), |found| found["status"] != "processing").await,
        false => found,
    };
    assert!(store.begin_fenced(&taken, "killed").await.expect("answers").is_none());
    assert_eq!((&found["status"], &found["error"]), (&json!("completed"), &Value::Null), "{found}");
    let expected = by_the_library();
    assert_eq!(found["result"], expected);
    assert_eq!(found["roc_auc"], expected["roc_auc"]);
    assert_eq!(found["findings"], expected["findings"]);
    let cutoffs = expected["cutoffs"].as_array().expect("a list").len();
    assert!(cutoffs >= 5, "{cutoffs}");
    assert_eq!(found["judged_cutoffs"], json!(cutoffs));
    let names: Vec<&Value> =
        expected["against"].as_array().expect("a list").iter().map(|other| &other["name"]).collect();
    assert_eq!(names, ["recency", "one snapshot"], "the recipe is a logistic regression itself");
    let job = ended(&server, &started).await;
    assert_eq!(
        (&job["kind"], &job["status"], &job["attempts"], &job["progress"], &job["subject_id"]),
        (&json!("backtest"), &json!("completed"), &json!(2), &json!(1.0), &started["backtest_id"])
    );

    // The data set is the newest by default, and the settings are those of the organization.
    let change = json!({"train": {"horizon_days": 40, "snapshots": 2, "cutoffs": ["2024-01-01"]}});
    assert_eq!(server.ask("PATCH", &org("/settings"), "", Some(change)).await.status, StatusCode::OK);
    let second = accepted(&server, "/backtest?allow=regular_payers", Some(json!({"most_cutoffs": 4}))).await;
    assert_eq!(second["dataset_id"], json!(dataset));
    assert_eq!(ended(&server, &second).await["status"], "completed");
    let found = server.get(&path_of(&second)).await.json();
    let config = &found["result"]["config"];
    assert_eq!(
        (&config["horizon_days"], &config["snapshots"], &config["allow"], &config["cutoffs"], &config["most_cutoffs"]),
        (&json!(40), &json!(2), &json!(["regular_payers"]), &Value::Null, &json!(4))
    );
    assert_eq!(found["judged_cutoffs"], 4);

    let list = server.get(&org("/backtests?limit=1")).await.json();
    assert_eq!((&list["total"], &list["limit"], &list["offset"]), (&json!(2), &json!(1), &json!(0)));
    let mut summary = found.clone();
    summary.as_object_mut().expect("an object").remove("result");
    assert_eq!(list["backtests"], json!([summary]));
    assert_eq!(server.get(&org("/backtests?status=failed")).await.json()["total"], 0);
    assert_eq!(server.get(&org("/jobs?kind=backtest")).await.json()["total"], 2);
    assert_eq!(server.get(&org("/backtests?limit=0")).await.error(), (400, "invalid_query".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_meant_are_refused() {
    let server = Server::open().await;
    let none = server.post(&org("/backtest"), json!({})).await;
    assert_eq!(none.error(), (404, "organization_not_found".to_owned()));
    let dataset = upload(&server, &log()).await;
    for (body, status, code) in [
        (json!({"horizont": 60}), 400, "invalid_parameter"),
        (json!({"horizon_days": 0}), 400, "invalid_parameter"),
        (json!({"step_days": 0}), 400, "invalid_parameter"),
        (json!({"snapshots": 1001}), 400, "invalid_parameter"),
        (json!({"labels": "inactivity"}), 400, "invalid_parameter"),
        (json!({"thresholds": {"medium": 0.1}}), 400, "invalid_parameter"),
        (json!({"predictions": 7}), 400, "invalid_parameter"),
        (json!({"against": {"recency": {}}}), 400, "invalid_parameter"),
        (json!({"against": {"other": {"horizon_days": 30}}}), 400, "invalid_parameter"),
        (json!({"against": {"x".repeat(101): {}}}), 400, "invalid_parameter"),
        (json!({"model": 7}), 400, "invalid_model_type"),
        (json!({"predictions": true}), 422, "invalid_body"),
        (json!([1]), 422, "invalid_body"),
    ] {
        let answer = server.post(&org("/backtest"), body.clone()).await;
        assert_eq!(answer.error(), (status, code.to_owned()), "{body}");
    }
    let asked = server.post(&org("/backtest"), json!({"predictions": true})).await.json();
    assert!(asked["message"].as_str().is_some_and(|message| message.contains("predictions")), "{asked}");
    for (query, status, code) in [
        ("?model_type=deep_learning", 400, "invalid_model_type"),
        ("?allow=nonsense", 400, "invalid_parameter"),
        ("?dataset_id=00000000-0000-7000-8000-000000000000", 404, "dataset_not_found"),
    ] {
        assert_eq!(server.post(&org(&format!("/backtest{query}")), json!({})).await.error(), (status, code.to_owned()));
    }
    assert_eq!(server.get(&org("/backtests")).await.json()["total"], 0);
    assert_eq!(server.get(&org("/jobs")).await.json()["total"], 0);

    // Labels that came with the data say nothing of the past; the definition by an outcome window does.
    let labelled: String = log().lines().map(|row| format!("{row},0\n")).collect();
    let labelled = labelled.replacen(",0\n", ",churn_label\n", 1);
    let answer = server.form(&org("/upload-dataset"), "", &[("has_churn_label", "true"), ("file", &labelled)]).await;
    let path = org(&format!("/backtest?dataset_id={}", id(&answer.json(), "dataset_id")));
    let refused = server.post(&path, json!({})).await;
    assert_eq!(refused.error(), (400, "invalid_parameter".to_owned()));
    assert!(refused.text.contains("outcome_window"), "{}", refused.text);
    assert_eq!(server.post(&path, json!({"labels": "outcome_window"})).await.status, StatusCode::ACCEPTED);

    // The job says what only the rows can tell.
    let _worker = work(&server);
    let started =
        accepted(&server, &format!("/backtest?dataset_id={dataset}"), Some(json!({"horizon_days": 399}))).await;
    let job = ended(&server, &started).await;
    let found = server.get(&path_of(&started)).await.json();
    assert_eq!((&job["status"], &job["attempts"], &found["status"]), (&json!("failed"), &json!(1), &json!("failed")));
    assert_eq!((&found["error"], &found["result"]), (&job["error"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_that_would_not_fit_is_refused_at_the_door() {
    // 200 customers × 8 features × (12 snapshots and the rows to judge) are 20,800 values.
    let server = Server::with(&[("MAX_TRAINING_VALUES", "20800")]).await;
    let dataset = upload(&server, &log()).await;
    let large = json!({"snapshots": 13});
    // How many customers there are is not known yet: the job says the same once it is.
    let early = accepted(&server, "/backtest", Some(large.clone())).await;
    let making = accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await;
    let _worker = work(&server);
    assert_eq!(ended(&server, &making).await["status"], "completed");
    let job = ended(&server, &early).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("backtest_too_large")));
    assert_eq!(job["attempts"], 1);

    let recipes = |count: usize| -> Value {
        let recipes = (0..count).map(|number| (format!("r{number}"), json!({"snapshots": 1})));
        json!({"horizon_days": 60, "against": recipes.collect::<serde_json::Map<_, _>>()})
    };
    let days: Vec<Day> = (0..101).map(|number| Day::new(19_800 + number).expect("a day")).collect();
    for (body, details) in [
        (large, json!({"values": 22_400, "max_values": 20_800, "customers": 200})),
        (json!({"against": {"wide": {"feature_set": "behavioral"}}}), Value::Null),
        (recipes(9), json!({"recipes": 9, "max_recipes": 8})),
        (json!({"most_cutoffs": 101}), json!({"cutoffs": 101, "max_cutoffs": 100})),
        (json!({"cutoffs": days}), json!({"cutoffs": 101, "max_cutoffs": 100})),
    ] {
        let answer = server.post(&org("/backtest"), body.clone()).await;
        assert_eq!(answer.error(), (422, "backtest_too_large".to_owned()), "{body}");
        if !details.is_null() {
            assert_eq!(answer.json()["details"], details, "{body}");
        }
    }
    accepted(&server, "/backtest", Some(recipes(8))).await;

    let rows = log().lines().count() - 2;
    let server = Server::with(&[("MAX_LOG_ROWS", &rows.to_string()), ("MAX_OPEN_JOBS", "1")]).await;
    upload(&server, &log()).await;
    assert_eq!(server.post(&org("/backtest"), json!({})).await.error(), (413, "too_many_rows".to_owned()));
    let small = upload(&server, "customer_id,event_date\nanna,2024-01-05\n").await;
    let path = format!("/backtest?dataset_id={small}");
    accepted(&server, &path, None).await;
    assert_eq!(server.post(&org(&path), json!({})).await.error(), (429, "too_many_jobs".to_owned()));
    assert_eq!(server.get(&org("/backtests")).await.json()["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_belongs_to_its_organization() {
    let server = Server::locked().await;
    let (acme, globex) = (token("acme", "admin"), token("globex", "admin"));
    let dataset = server.uploaded("acme", &acme).await;
    server.uploaded("globex", &globex).await;
    let of = |name: &str, path: &str| format!("{BASE}/organizations/{name}{path}");
    let named = format!("/backtest?dataset_id={dataset}");
    let answer = server.ask("POST", &of("acme", &named), &acme, None).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
    let path = format!("/backtests/{}", id(&answer.json(), "backtest_id"));
    assert_eq!(server.ask("GET", &of("acme", &path), &token("acme", "read"), None).await.status, StatusCode::OK);
    // Another's token does not open the organization, and in its own there is no such backtest and no such data set.
    for method in ["GET", "DELETE"] {
        let refused = server.ask(method, &of("acme", &path), &globex, None).await;
        assert_eq!(refused.error(), (403, "forbidden".to_owned()), "{method}");
        let unknown = server.ask(method, &of("globex", &path), &globex, None).await;
        assert_eq!(unknown.error(), (404, "backtest_not_found".to_owned()), "{method}");
    }
    let foreign = server.ask("POST", &of("globex", &named), &globex, None).await;
    assert_eq!(foreign.error(), (404, "dataset_not_found".to_owned()));
    assert_eq!(server.ask("GET", &of("globex", "/backtests"), &globex, None).await.json()["total"], 0);
    for (method, path, role) in [("POST", named.as_str(), "read"), ("DELETE", path.as_str(), "write")] {
        let refused = server.ask(method, &of("acme", path), &token("acme", role), None).await;
        assert_eq!(refused.error(), (403, "forbidden".to_owned()), "{method} {role}");
    }
    assert_eq!(server.ask("GET", &of("acme", "/backtests"), &acme, None).await.json()["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backtest_stops_when_it_is_told_to() {
    let server = Server::open().await;
    upload(&server, &long_log()).await;
    let cancelled = async |started: &Value| {
        let job = ended(&server, started).await;
        let found = server.get(&path_of(started)).await.json();
        assert_eq!((&job["status"], &found["status"]), (&json!("cancelled"), &json!("cancelled")));
        assert_eq!((&found["error"]["code"], &found["result"]), (&json!("cancelled"), &Value::Null));
    };
    let cancel = async |started: &Value| {
        let path = org(&format!("/jobs/{}/cancel", id(started, "job_id")));
        assert_eq!(server.ask("POST", &path, "", None).await.status, StatusCode::ACCEPTED);
    };
    // One that waits ends at once.
    let waiting = accepted(&server, "/backtest", None).await;
    cancel(&waiting).await;
    assert_eq!(server.get(&path_of(&waiting)).await.json()["status"], "cancelled");
    cancelled(&waiting).await;

    // One that runs stops within a model. It is long enough to be caught at work.
    let body = json!({"horizon_days": 45, "trees": 10_000, "max_depth": 10});
    let running = accepted(&server, "/backtest?model_type=random_forest&allow=regular_payers", Some(body)).await;
    let worker = work(&server);
    let path = org(&format!("/jobs/{}", id(&running, "job_id")));
    until(&server, &path, |job| job["stage"] == "backtest" && job["progress"].as_f64() >= Some(0.25)).await;
    cancel(&running).await;
    cancelled(&running).await;
    assert_eq!(objects(&server).await.len(), 1, "there is a file beside that of the data set");

    // A process that goes down hands its job back.
    let body = json!({"horizon_days": 45, "trees": 10_000, "max_depth": 10});
    let running = accepted(&server, "/backtest?model_type=random_forest&allow=regular_payers", Some(body)).await;
    let path = org(&format!("/jobs/{}", id(&running, "job_id")));
    until(&server, &path, |job| job["status"] == "running").await;
    server.state.shutdown.cancel();
    worker.await.expect("no panic");
    let job = server.get(&path).await.json();
    assert_eq!((&job["status"], &job["attempts"], &job["error"]), (&json!("queued"), &json!(0), &Value::Null));
    assert_eq!(server.get(&path_of(&running)).await.json()["status"], "processing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_goes_with_its_backtest_and_with_its_dataset() {
    let server = Server::with(&[("ORPHAN_GRACE_SECONDS", "0")]).await;
    let worker = work(&server);
    let dataset = ready(&server, &long_log()).await;
    let before = objects(&server).await;
    let body =
        json!({"horizon_days": 45, "snapshots": 1, "most_cutoffs": 2, "audit": false, "allow": ["regular_payers"]});
    let mut made = Vec::new();
    for _ in 0..2 {
        let started = accepted(&server, "/backtest", Some(body.clone())).await;
        assert_eq!(ended(&server, &started).await["status"], "completed");
        made.push(started);
    }
    worker.abort();
    let waiting = accepted(&server, "/backtest", Some(body)).await;
    // No sweep takes the file of a row.
    tokio::time::sleep(Duration::from_millis(20)).await;
    sweep(&server.state).await.expect("sweeps");
    let files = objects(&server).await;
    assert_eq!(files.len(), before.len() + 2);
    assert!(files.contains(&format!("models/acme/backtests/{}.json", id(&made[1], "backtest_id"))), "{files:?}");

    for gone in [&made[0], &waiting] {
        let answer = server.ask("DELETE", &path_of(gone), "", None).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
        assert_eq!(server.get(&path_of(gone)).await.error(), (404, "backtest_not_found".to_owned()));
        let job = server.get(&org(&format!("/jobs/{}", id(gone, "job_id")))).await;
        assert_eq!(job.error(), (404, "job_not_found".to_owned()));
    }
    assert_eq!(objects(&server).await.len(), before.len() + 1);

    let answer = server.ask("DELETE", &org(&format!("/datasets/{dataset}")), "", None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    assert_eq!(server.get(&org("/backtests")).await.json()["total"], 0);
    assert_eq!(server.get(&org("/jobs?kind=backtest")).await.json()["total"], 0);
    assert_eq!(objects(&server).await, Vec::<String>::new());

    // What a worker wrote that had not yet heard of it is an orphan, which the sweep takes.
    let late = Location::backtest("acme", id(&waiting, "backtest_id")).expect("a place");
    put_bytes(&*server.state.storage, &late, "application/json", "{}").await.expect("is stored");
    tokio::time::sleep(Duration::from_millis(20)).await;
    sweep(&server.state).await.expect("sweeps");
    assert_eq!(objects(&server).await, Vec::<String>::new());
}
