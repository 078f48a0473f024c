//! Waiting: trainings for features, predictions for a first training, requests for jobs, jobs for storage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Request, StatusCode};
use churn::Day;
use churn_server::storage::{Backoff, Location, Supabase, SupabaseConfig, put_bytes};
use churn_server::store::JobStatus;
use serde_json::{Value, json};

use crate::standin::{Fault, SERVICE_TOKEN, Standin};
use crate::support::{BASE, SECRET, Server, token};
use crate::work::{accepted, customer, ended, log, org, ready, trained, until, upload, work};

fn features(dataset: &str) -> String {
    format!("/datasets/{dataset}/process-features")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_steps_need_no_pause_between_them() {
    let server = Server::open().await;
    let _worker = work(&server);
    let dataset = upload(&server, &log()).await;
    accepted(&server, &features(&dataset), None).await;
    let started = accepted(&server, "/train?model_type=logistic_regression", None).await;
    assert_eq!(started["dataset_id"], json!(dataset));
    let status = server.get(&org("/training-status")).await.json();
    assert!(["training", "completed"].contains(&status["status"].as_str().expect("a status")), "{status}");
    let (request, _) = customer("c003", Day::new(20_099).expect("a day"));
    let answer = server.post(&org("/predict"), request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.json()["model_version"], 1);
    // All customers too, where nobody has waited for the model.
    let other = Server::open().await;
    let _worker = work(&other);
    let dataset = upload(&other, &log()).await;
    accepted(&other, &features(&dataset), None).await;
    accepted(&other, "/train", None).await;
    let bulk = accepted(&other, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    assert_eq!(ended(&other, &bulk).await["status"], "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_says_that_it_waits_and_fails_with_the_features() {
    let server = Server::open().await;
    let dataset = upload(&server, &log()).await;
    let early = server.post(&org("/train"), json!({})).await;
    assert_eq!(early.error(), (409, "features_not_ready".to_owned()));
    let making = accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["stage"]), (&json!("training"), &json!("waiting for features")));
    let job = server.get(&org(&format!("/jobs/{}", training["job_id"].as_str().expect("an id")))).await.json();
    assert_eq!((&job["status"], &job["waits_for"]), (&json!("queued"), &making["job_id"]));
    // What needs the features now is refused as before.
    let compared = server.get(&org(&format!("/models/comparison?dataset_id={dataset}"))).await;
    assert_eq!(compared.error(), (404, "no_model".to_owned()));

    // The file is changed behind the server's back: line 3 has no date.
    let at = Location::dataset("acme", &dataset).expect("a place");
    let broken = "customer_id,event_date\nanna,2024-01-05\nbert,yesterday\n";
    put_bytes(&*server.state.storage, &at, "text/csv", broken).await.expect("is stored");
    let _worker = work(&server);
    assert_eq!(ended(&server, &making).await["error"]["code"], "bad_rows");
    let job = ended(&server, &training).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("bad_rows")));
    assert_eq!((&job["error"]["line"], &job["attempts"]), (&json!(3), &json!(0)));
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["error_code"]), (&json!("failed"), &json!("bad_rows")));
    let again = server.post(&org("/train"), json!({})).await;
    assert_eq!(again.error(), (409, "features_not_ready".to_owned()));
    assert!(again.text.contains("yesterday"), "{}", again.text);
    // A prediction says why there is no model.
    let (request, _) = customer("c003", Day::new(20_099).expect("a day"));
    let missing = server.post(&org("/predict"), request).await;
    assert_eq!(missing.error(), (404, "no_model".to_owned()));
    assert!(missing.text.contains("yesterday"), "{}", missing.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prediction_waits_no_longer_than_a_request_may() {
    let server = Server::with(&[("REQUEST_TIMEOUT_SECONDS", "2")]).await;
    let dataset = upload(&server, &log()).await;
    accepted(&server, &features(&dataset), None).await;
    accepted(&server, "/train", None).await;
    let (request, _) = customer("c003", Day::new(20_099).expect("a day"));
    let answer = server.post(&org("/predict"), request).await;
    assert_eq!(answer.error(), (503, "training_under_way".to_owned()));
    assert!(answer.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_waits_for_the_end() {
    let server = Server::open().await;
    let dataset = upload(&server, &log()).await;
    let making = accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let [making, training] = [making, training].map(|job| job["job_id"].as_str().expect("an id").to_owned());
    let of_features = org(&format!("/jobs/{making}"));
    // Nobody works: the time passes, and the answer is how it stands.
    let began = Instant::now();
    assert_eq!(server.get(&format!("{of_features}?wait=1")).await.json()["status"], "queued");
    assert!(began.elapsed() >= Duration::from_secs(1));
    for wait in ["61", "-1", "soon", "1.5"] {
        let answer = server.get(&format!("{of_features}?wait={wait}")).await;
        assert_eq!(answer.error(), (400, "invalid_query".to_owned()), "{wait}");
    }
    let server = Arc::new(server);
    let waiting: Vec<_> =
        [of_features, org(&format!("/jobs/{training}")), org(&format!("/datasets/{dataset}")), org("/training-status")]
            .map(|path| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.get(&format!("{path}?wait=60")).await.json() })
            })
            .into();
    let _worker = work(&server);
    let mut states = Vec::new();
    for task in waiting {
        states.push(task.await.expect("no panic")["status"].clone());
    }
    assert_eq!(states, ["completed", "completed", "features_ready", "completed"]);
    let bulk = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    let path = org(&format!("/prediction-batches/{}?wait=60", bulk["batch_id"].as_str().expect("an id")));
    assert_eq!(server.get(&path).await.json()["status"], "completed");
    // What is over is answered at once, and so is what has not begun.
    assert_eq!(server.get(&path).await.json()["status"], "completed");
    server.uploaded("globex", "").await;
    let path = format!("{BASE}/organizations/globex/training-status?wait=60");
    assert_eq!(server.get(&path).await.json()["status"], "not_started");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_would_not_fit_is_refused_at_the_door() {
    // 200 customers × 8 features × 12 cutoffs, the most by default, are 19,200 values; with 400 cutoffs 640,000.
    let server = Server::with(&[("MAX_TRAINING_VALUES", "20000")]).await;
    let dataset = upload(&server, &log()).await;
    let making = accepted(&server, &features(&dataset), None).await;
    // How many customers there are is not known yet: the job says the same once it is.
    let large = json!({"horizon_days": 1, "snapshots": 400});
    let early = accepted(&server, "/train", Some(large.clone())).await;
    let _worker = work(&server);
    assert_eq!(ended(&server, &making).await["status"], "completed");
    let job = ended(&server, &early).await;
    assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("training_too_large")));
    assert_eq!(job["attempts"], 1);
    for large in [large, json!({"model": "auto"}), json!({"cutoffs": cutoffs(13)})] {
        let answer = server.post(&org("/train"), large.clone()).await;
        assert_eq!(answer.error(), (422, "training_too_large".to_owned()), "{large}");
        assert_eq!(answer.json()["details"]["max_values"], 20_000);
    }
    let many = server.post(&org("/train"), json!({"horizon_days": 1, "snapshots": 400})).await.json();
    assert_eq!(many["details"], json!({"values": 640_000, "max_values": 20_000, "customers": 200}));
    trained(&server, "", None).await;
}

/// Days, a horizon apart.
fn cutoffs(count: i32) -> Vec<Day> {
    (0..count).map(|number| Day::new(19_800 + number).expect("a day")).collect()
}

#[tokio::test]
async fn an_organization_may_have_so_many_jobs() {
    let server = Server::with(&[("MAX_OPEN_JOBS", "2")]).await;
    let dataset = upload(&server, &log()).await;
    accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let refused = server.post(&org("/train"), json!({})).await;
    assert_eq!(refused.error(), (429, "too_many_jobs".to_owned()));
    assert!(refused.headers.contains_key("retry-after"));
    // Nothing of it is there, neither job nor model.
    assert_eq!(server.get(&org("/jobs")).await.json()["total"], 2);
    assert_eq!(server.get(&org("/models")).await.json()["total"], 1);
    let path = org(&format!("/jobs/{}/cancel", training["job_id"].as_str().expect("an id")));
    assert_eq!(server.ask("POST", &path, "", None).await.status, StatusCode::ACCEPTED);
    accepted(&server, "/train", None).await;
}

/// A server whose files are in the stand-in, which is asked once and not again when it fails.
async fn on_supabase(url: &str, variables: &[(&str, &str)]) -> Server {
    let backoff = Backoff { retries: 0, ..Backoff::default() };
    let storage = Supabase::new(&SupabaseConfig { backoff, ..SupabaseConfig::new(url, SERVICE_TOKEN) });
    let server = Server::on(Arc::new(storage.expect("is an address")), variables).await;
    server.state.storage.prepare().await.expect("has buckets");
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_wait_for_storage_and_say_so() {
    let standin = Standin::start(0).await.expect("listens");
    let server = on_supabase(&standin.url, &[("JOB_ATTEMPTS", "2")]).await;
    let dataset = upload(&server, &log()).await;
    // More often away than a job may be tried.
    for _ in 0..5 {
        standin.fault("GET /object/authenticated/", Fault::Status(503, None));
    }
    let making = accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let _worker = work(&server);
    let path = org(&format!("/jobs/{}", making["job_id"].as_str().expect("an id")));
    let waiting = until(&server, &path, |job| job["stage"] == "waiting for storage").await;
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("queued"), &json!(0)), "{waiting}");
    assert_eq!(waiting["error"]["code"], "unavailable");
    assert!(waiting["away_since"].is_string(), "{waiting}");
    let status = server.get(&org("/training-status")).await.json();
    assert_eq!((&status["status"], &status["stage"]), (&json!("training"), &json!("waiting for features")));
    let job = ended(&server, &making).await;
    assert_eq!((&job["status"], &job["attempts"], &job["away_since"]), (&json!("completed"), &json!(1), &Value::Null));
    assert_eq!(ended(&server, &training).await["status"], "completed");
    assert_eq!(standin.faults_left(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn patience_with_storage_has_an_end() {
    let standin = Standin::start(0).await.expect("listens");
    let server = on_supabase(&standin.url, &[("JOB_PATIENCE_SECONDS", "1")]).await;
    let dataset = upload(&server, &log()).await;
    for _ in 0..1000 {
        standin.fault("GET /object/authenticated/", Fault::Status(503, None));
    }
    let making = accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let _worker = work(&server);
    for started in [making, training] {
        let job = ended(&server, &started).await;
        assert_eq!((&job["status"], &job["error"]["code"]), (&json!("failed"), &json!("unavailable")), "{job}");
        assert!(job["error"]["message"].as_str().is_some_and(|message| message.contains("waited")), "{job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_not_looked_up_again_and_again() {
    let server = Server::locked().await;
    let path = format!("{BASE}/session");
    let with = async |key: &str| server.ask("GET", &path, key, None).await;
    assert_eq!(with("churn_wrong").await.error().0, 401);
    let began = Instant::now();
    let (mut looked_up, mut refused) = (0, 0);
    for number in 0..1900 {
        let answer = with(&format!("churn_guess{number}")).await;
        match answer.error() {
            (401, _) => looked_up += 1,
            (429, code) => {
                assert_eq!(code, "rate_limited");
                assert!(answer.headers.contains_key("retry-after"));
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // A hundred at once, one of them above, and twenty more a second.
    let most = 100 + 20 * (began.elapsed().as_secs() + 1);
    assert!(looked_up <= most, "{looked_up} of 1900 were looked up; at most {most} may be");
    assert_eq!(looked_up + refused, 1900);
    // Whoever has a token is not held back by guesses; and one that is known to be wrong needs no database.
    assert_eq!(with(&token("acme", "read")).await.status, StatusCode::OK);
    let other = Server::locked().await;
    assert_eq!(other.ask("GET", &path, "churn_wrong", None).await.error().0, 401);
    other.state.store.close().await;
    assert_eq!(other.ask("GET", &path, "churn_wrong", None).await.error().0, 401);
    assert_eq!(other.ask("GET", &path, "churn_another", None).await.error().0, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_goes_on_for_a_while_without_the_database() {
    let variables = [("SECRET_KEY", SECRET), ("OFFLINE_SECONDS", "2")];
    let server = Server::with(&variables).await;
    let admin = token("acme", "admin");
    crate::serving::with_model(&server.state, "m-1", &crate::work::model(), true).await;
    let keys = format!("{BASE}/organizations/acme/api-keys");
    let made = server.ask("POST", &keys, &admin, Some(json!({"name": "crm", "role": "read"}))).await.json();
    let key = made["key"].as_str().expect("a key");
    let predict = async |key: &str| server.ask("POST", &org("/predict"), key, Some(crate::serving::body("C1"))).await;
    let before = predict(key).await;
    assert_eq!(before.status, StatusCode::OK, "{}", before.text);
    server.state.store.close().await;
    let closed = Instant::now();
    let within = predict(key).await;
    if closed.elapsed() < Duration::from_millis(1500) {
        assert_eq!((within.status, &within.text), (StatusCode::OK, &before.text));
    }
    // Two seconds, and the one for which nobody looks.
    tokio::time::sleep(Duration::from_millis(3200)).await;
    let after = predict(key).await;
    assert!(after.status.is_server_error(), "{}", after.text);
    // The time a worker waits is not the time of a request: others are answered at once.
    let request = Request::builder().uri("/healthz").body(axum::body::Body::empty()).expect("is a request");
    assert_eq!(server.send(request).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_made_anew_are_waited_for_too() {
    let server = Server::open().await;
    let worker = work(&server);
    let dataset = ready(&server, &log()).await;
    worker.abort();
    // Its end is seen.
    let _ = worker.await;
    let again = accepted(&server, &features(&dataset), None).await;
    let training = accepted(&server, "/train", None).await;
    let store = &server.state.store;
    let id = training["job_id"].as_str().expect("an id");
    let job = store.job("acme", id).await.expect("is there");
    assert_eq!((job.status, job.waits_for.as_deref()), (JobStatus::Queued, again["job_id"].as_str()));
    let _worker = work(&server);
    assert_eq!(ended(&server, &training).await["status"], "completed");
}
