//! Deletion of data sets and batches: the rows and files that go with them, and those that stay.

use axum::http::StatusCode;
use churn_server::storage::{Location, put_bytes};
use churn_server::sweep::sweep;
use serde_json::{Value, json};

use crate::datasets::objects;
use crate::support::Server;
use crate::work::{accepted, customer, ended, log, org, ready, trained, upload, work};

async fn delete(server: &Server, path: &str) {
    let answer = server.ask("DELETE", &org(path), "", None).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
    assert_eq!(server.ask("DELETE", &org(path), "", None).await.status, StatusCode::NOT_FOUND);
}

fn id<'a>(started: &'a Value, name: &str) -> &'a str {
    started[name].as_str().expect("an id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_goes_with_all_that_came_of_it() {
    let server = Server::with(&[("ORPHAN_GRACE_SECONDS", "0")]).await;
    let worker = work(&server);
    let dataset = ready(&server, &log()).await;
    let model = trained(&server, "", None).await;
    let by_dataset = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    let sent = server.form(&org("/predict-bulk"), "", &[("file", &log())]).await.json();
    for started in [&by_dataset, &sent] {
        assert_eq!(ended(&server, started).await["status"], "completed");
    }
    worker.abort();
    let other = upload(&server, &log()).await;
    let waiting = [
        accepted(&server, &format!("/datasets/{dataset}/process-features"), None).await,
        accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await,
    ];
    let training = accepted(&server, &format!("/train?dataset_id={dataset}"), None).await;

    delete(&server, &format!("/datasets/{dataset}")).await;
    let sent_id = id(&sent, "batch_id");
    let mut kept = [
        format!("datasets/org_acme/raw/{other}.csv"),
        format!("models/acme/{model}.json"),
        format!("utils/org_acme/bulk/{sent_id}.csv"),
        format!("utils/org_acme/predictions/predictions_{sent_id}.csv"),
    ];
    let mut found = objects(&server).await;
    kept.sort();
    found.sort();
    assert_eq!(found, kept);
    for gone in [&by_dataset, &waiting[1]] {
        let path = org(&format!("/prediction-batches/{}", id(gone, "batch_id")));
        assert_eq!(server.get(&path).await.error(), (404, "batch_not_found".to_owned()));
    }
    for gone in waiting.iter().chain([&by_dataset]) {
        let path = org(&format!("/jobs/{}", id(gone, "job_id")));
        assert_eq!(server.get(&path).await.error(), (404, "job_not_found".to_owned()));
    }
    assert_eq!(server.get(&org("/prediction-batches")).await.json()["total"], 1);
    // The training that waited is called off; the model that is there goes on.
    assert_eq!(ended(&server, &training).await["status"], "cancelled");
    assert_eq!(server.get(&org("/training-status")).await.json()["error_code"], "cancelled");
    let as_of = "2024-12-01".parse().expect("a day");
    let answer = server.post(&org("/predict"), customer("c003", as_of).0).await;
    assert_eq!((answer.status, &answer.json()["model_version"]), (StatusCode::OK, &json!(1)), "{}", answer.text);
    assert_eq!(server.get(&org(&format!("/models/{model}"))).await.json()["dataset_id"], json!(dataset));

    // What a worker wrote that had not yet heard of it is an orphan, which the sweep takes.
    let late = Location::predictions("acme", id(&waiting[1], "batch_id")).expect("a place");
    put_bytes(&*server.state.storage, &late, "text/csv", "customer_id\n").await.expect("is stored");
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    assert_eq!(sweep(&server.state).await.expect("sweeps"), 1);
    assert_eq!(objects(&server).await.len(), kept.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_with_its_files_and_leaves_the_dataset() {
    let server = Server::open().await;
    let worker = work(&server);
    let dataset = ready(&server, &log()).await;
    trained(&server, "", None).await;
    let before = objects(&server).await;
    let by_dataset = accepted(&server, &format!("/predict-bulk?dataset_id={dataset}"), None).await;
    let sent = server.form(&org("/predict-bulk"), "", &[("file", &log())]).await.json();
    for started in [&by_dataset, &sent] {
        assert_eq!(ended(&server, started).await["status"], "completed");
    }
    worker.abort();
    let waiting = server.form(&org("/predict-bulk"), "", &[("file", &log())]).await;
    assert_eq!(waiting.status, StatusCode::ACCEPTED, "{}", waiting.text);
    let waiting = waiting.json();
    assert_eq!(objects(&server).await.len(), before.len() + 4);
    for started in [&by_dataset, &sent, &waiting] {
        delete(&server, &format!("/prediction-batches/{}", id(started, "batch_id"))).await;
        let job = server.get(&org(&format!("/jobs/{}", id(started, "job_id")))).await;
        assert_eq!(job.error(), (404, "job_not_found".to_owned()));
    }
    assert_eq!(objects(&server).await, before);
    assert_eq!(server.get(&org("/prediction-customers")).await.error(), (404, "no_predictions".to_owned()));
    assert_eq!(server.get(&org("/segments")).await.json()["points"], json!([]));
}
