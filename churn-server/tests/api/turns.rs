//! Order of the queue: organizations take turns, jobs wait for jobs, and for what is away; on either database.

use std::time::Duration;

use churn_server::error::ApiError;
use churn_server::jobs::JobFailure;
use churn_server::store::{DatasetStatus, Job, JobKind, JobStatus, ModelStatus, NewJob, NewModel, QueueDepth, Store};
use tempfile::TempDir;

use crate::databases::{Postgres, sqlite};
use crate::queue::{LONG, ORG, accepted, claim, job, new_job, organization, status};

cases!(
    a_thousand_jobs_of_one_do_not_delay_the_first_of_another,
    organizations_take_turns,
    an_organization_has_only_so_many_open_jobs,
    a_training_waits_for_its_features,
    a_training_ends_with_features_that_cannot_be_made,
    a_job_that_found_storage_away_has_lost_no_attempt,
);

/// Jobs of an organization, which are accepted.
async fn line(store: &Store, org_id: &str, ids: impl Iterator<Item = String>) {
    let mut tx = store.begin().await.expect("begins");
    tx.ensure_organization(org_id).await.expect("is made");
    for id in ids {
        let new = NewJob { org_id, ..new_job(&id, "d", 5) };
        tx.insert_job(&new, &serde_json::json!({})).await.expect("is accepted");
    }
    tx.commit().await.expect("commits");
}

async fn a_thousand_jobs_of_one_do_not_delay_the_first_of_another(store: Store) {
    line(&store, "many", (0..1000).map(|number| format!("many-{number:04}"))).await;
    // A worker is at them when the other comes.
    for _ in 0..3 {
        assert_eq!(claim(&store, "w", LONG).await.expect("a job").org_id, "many");
    }
    line(&store, "one", std::iter::once("one-0".to_owned())).await;
    assert_eq!(claim(&store, "w", LONG).await.expect("a job").id, "one-0");
    assert_eq!(claim(&store, "w", LONG).await.expect("a job").id, "many-0003");
    let depth = store.queue_depth().await.expect("answers");
    let QueueDepth { queued, running, organizations, .. } = depth;
    assert_eq!((queued, running, organizations), (996, 5, 1));
}

async fn organizations_take_turns(store: Store) {
    for (org_id, jobs) in [("a", 4), ("b", 2), ("c", 3)] {
        line(&store, org_id, (0..jobs).map(|number| format!("{org_id}{number}"))).await;
    }
    let mut order = Vec::new();
    while let Some(job) = claim(&store, "w", LONG).await {
        order.push(job.id);
    }
    assert_eq!(order, ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "c2", "a3"]);
}

async fn an_organization_has_only_so_many_open_jobs(store: Store) {
    line(&store, ORG, (0..3).map(|number| format!("j{number}"))).await;
    line(&store, "other", (0..3).map(|number| format!("o{number}"))).await;
    let mut tx = store.begin().await.expect("begins");
    tx.check_open_jobs(ORG, 3).await.expect("as many as may");
    let refused = tx.check_open_jobs(ORG, 2).await.expect_err("one too many");
    assert_eq!((refused.status().as_u16(), refused.code()), (429, "too_many_jobs"));
    drop(tx);
    store.cancel_job(ORG, "j1").await.expect("is cancelled");
    let mut tx = store.begin().await.expect("begins");
    tx.check_open_jobs(ORG, 2).await.expect("one has ended");
}

/// A training that waits for the features of the data set; the names of model and job are made of the name.
async fn waiting(store: &Store, name: &str, dataset: &str, features: &str) -> (String, String) {
    let (model, job) = (format!("model-{name}"), format!("train-{name}"));
    let mut tx = store.begin().await.expect("begins");
    let held = tx.lock_dataset(dataset).await.expect("is there");
    assert_eq!((held.status, held.job_id.as_deref()), (DatasetStatus::Processing, Some(features)));
    let new = NewModel { id: &model, org_id: ORG, model_type: "auto", dataset_id: dataset, job_id: &job };
    tx.insert_model(&new).await.expect("is inserted");
    let training = NewJob { kind: JobKind::Train, ..new_job(&job, &model, 5) };
    tx.insert_job(&training, &serde_json::json!({})).await.expect("is accepted");
    tx.wait_for_features(&job, features).await.expect("waits");
    tx.commit().await.expect("commits");
    (model, job)
}

async fn a_training_waits_for_its_features(store: Store) {
    let (dataset, features) = accepted(&store, "a", 5).await;
    let (_, training) = waiting(&store, "a", &dataset, &features).await;
    let taken = claim(&store, "w", LONG).await.expect("the features");
    assert_eq!(taken.id, features);
    // The training is older than many a job, but not due.
    assert!(claim(&store, "w", LONG).await.is_none());
    let found = job(&store, &training).await;
    assert_eq!(
        (found.status, found.stage.as_deref(), found.waits_for.as_deref()),
        (JobStatus::Queued, Some("waiting for features"), Some(features.as_str()))
    );
    let tx = store.begin_fenced(&taken, "w").await.expect("answers").expect("it has the job");
    tx.complete_job(&taken).await.expect("ends");
    let taken = claim(&store, "w", LONG).await.expect("the training");
    assert_eq!((taken.id, taken.stage, taken.waits_for), (training, None, None));
}

async fn a_training_ends_with_features_that_cannot_be_made(store: Store) {
    // They fail, their worker dies each time, and they are cancelled.
    let (dataset, features) = accepted(&store, "a", 5).await;
    let (model, training) = waiting(&store, "a", &dataset, &features).await;
    let taken = claim(&store, "w", LONG).await.expect("the features");
    let failure = JobFailure::permanent("bad_rows", "line 7 has no date");
    assert!(store.fail_job(&taken, "w", &failure).await.expect("answers"));
    let ended = job(&store, &training).await;
    assert_eq!((ended.status, ended.error_code.as_deref()), (JobStatus::Failed, Some("bad_rows")));
    assert!(ended.error_message.is_some_and(|message| message.contains("line 7 has no date")));
    let model = store.model(ORG, &model).await.expect("is there");
    assert_eq!((model.status, model.error_code.as_deref()), (ModelStatus::Failed, Some("bad_rows")));

    let (dataset, features) = accepted(&store, "b", 1).await;
    let (_, training) = waiting(&store, "b", &dataset, &features).await;
    claim(&store, "dies", Duration::ZERO).await.expect("the features");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(claim(&store, "lives", LONG).await.is_none());
    assert_eq!(job(&store, &training).await.error_code.as_deref(), Some("worker_died"));

    let (dataset, features) = accepted(&store, "c", 5).await;
    let (model, training) = waiting(&store, "c", &dataset, &features).await;
    store.cancel_job(ORG, &features).await.expect("is cancelled");
    assert_eq!(job(&store, &training).await.status, JobStatus::Cancelled);
    assert_eq!(store.model(ORG, &model).await.expect("is there").error_code.as_deref(), Some("cancelled"));

    // One that is cancelled itself leaves the features alone.
    let (dataset, features) = accepted(&store, "d", 5).await;
    let (_, training) = waiting(&store, "d", &dataset, &features).await;
    assert_eq!(store.cancel_job(ORG, &training).await.expect("is cancelled").status, JobStatus::Cancelled);
    assert_eq!(claim(&store, "w", LONG).await.expect("the features").id, features);
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Processing);
}

async fn a_job_that_found_storage_away_has_lost_no_attempt(store: Store) {
    organization(&store).await;
    let (_, id) = accepted(&store, "a", 2).await;
    let away = JobFailure::from(ApiError::unavailable("the storage cannot be reached"));
    assert!(away.waits_for().is_some());
    let mut first = None;
    // More often than it may be tried.
    for looks in 1..=4 {
        let taken = claim(&store, "w", LONG).await.expect("the job");
        assert_eq!((taken.attempts, taken.looks), (1, looks - 1));
        assert!(store.defer_job(&taken, "w", &away, false, Duration::ZERO).await.expect("answers"));
        let put_off = job(&store, &id).await;
        assert_eq!((put_off.status, put_off.attempts, put_off.looks), (JobStatus::Queued, 0, looks));
        assert_eq!(put_off.stage.as_deref(), away.waits_for());
        assert_eq!(put_off.error_code.as_deref(), Some("unavailable"));
        first = first.or(put_off.away_since);
        assert_eq!(put_off.away_since, first);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(store.queue_depth().await.expect("answers").away, 1);
    // It had worked in between: another time away begins.
    let taken = claim(&store, "w", LONG).await.expect("the job");
    assert!(store.defer_job(&taken, "w", &away, true, LONG).await.expect("answers"));
    let put_off = job(&store, &id).await;
    assert!(put_off.away_since > first && put_off.looks == 1, "{put_off:?}");
    assert!(claim(&store, "w", LONG).await.is_none());
    // One that has lost the job says nothing.
    let stale = Job { attempts: 7, ..taken };
    assert!(!store.defer_job(&stale, "w", &away, false, Duration::ZERO).await.expect("answers"));
}
