//! Guarantees of the queue and of the rows around it, on either database.

use std::collections::BTreeMap;
use std::time::Duration;

use churn_server::error::ApiError;
use churn_server::jobs::JobFailure;
use churn_server::store::{
    BacktestStatus, Beat, DataKind, DatasetStatus, Job, JobKind, JobStatus, ModelRole, ModelStatus, NewBacktest,
    NewBatch, NewDataset, NewJob, NewModel, PageQuery, Store,
};
use tempfile::TempDir;

use crate::databases::{Postgres, sqlite};

pub(crate) const ORG: &str = "acme";
pub(crate) const LONG: Duration = Duration::from_secs(600);
const ALL: PageQuery = PageQuery { limit: 1000, offset: 0 };

/// Runs every case on a database of its own.
macro_rules! cases {
    ($($case:ident),* $(,)?) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn on_sqlite() {
            let folder = TempDir::new().expect("a folder");
            $($case(sqlite(&folder, stringify!($case)).await).await;)*
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn on_postgres() {
            let Some(postgres) = Postgres::start() else { return };
            $($case(postgres.database(stringify!($case)).await).await;)*
        }
    };
}

cases!(
    a_job_is_taken_once_and_ends_with_its_rows,
    nothing_is_accepted_by_half,
    workers_share_the_jobs,
    a_lost_worker_cannot_speak,
    a_job_that_kills_its_worker_fails,
    a_retry_waits,
    waiting_jobs_are_cancelled_at_once,
    running_jobs_learn_that_they_are_cancelled,
    a_job_that_is_handed_back_has_lost_nothing,
    jobs_belong_to_their_organization,
    versions_rise_and_roles_change,
    trainings_at_once_have_different_versions,
    a_deleted_dataset_takes_its_jobs_and_batches,
);

pub(crate) async fn organization(store: &Store) {
    let mut tx = store.begin().await.expect("begins");
    tx.ensure_organization(ORG).await.expect("is made");
    tx.commit().await.expect("commits");
}

/// A data set with a job that makes its features; their ids are made of the name.
pub(crate) async fn accepted(store: &Store, name: &str, max_attempts: u32) -> (String, String) {
    let (dataset, job) = (format!("dataset-{name}"), format!("job-{name}"));
    assert!(store.record_file("datasets/x.csv").await.expect("is on record"));
    let mut tx = store.begin().await.expect("begins");
    tx.ensure_organization(ORG).await.expect("is made");
    let new = NewDataset {
        id: &dataset,
        org_id: ORG,
        filename: None,
        kind: DataKind::Events,
        has_churn_label: false,
        row_count: 1,
        bad_rows: 0,
        bytes: 1,
        file_key: "datasets/x.csv",
    };
    tx.insert_dataset(&new).await.expect("is inserted");
    assert_eq!(tx.mark_processing(&dataset, &job).await.expect("is taken"), None);
    tx.insert_job(&new_job(&job, &dataset, max_attempts), &serde_json::json!({})).await.expect("is accepted");
    tx.commit().await.expect("commits");
    (dataset, job)
}

pub(crate) fn new_job<'a>(id: &'a str, subject_id: &'a str, max_attempts: u32) -> NewJob<'a> {
    NewJob { id, org_id: ORG, kind: JobKind::ProcessFeatures, subject_id, max_attempts }
}

pub(crate) async fn status(store: &Store, dataset: &str) -> DatasetStatus {
    store.dataset(ORG, dataset).await.expect("is there").status
}

pub(crate) async fn job(store: &Store, id: &str) -> Job {
    store.job(ORG, id).await.expect("is there")
}

pub(crate) async fn claim(store: &Store, worker: &str, lease: Duration) -> Option<Job> {
    store.claim_job(worker, lease).await.expect("the queue answers")
}

async fn a_job_is_taken_once_and_ends_with_its_rows(store: Store) {
    assert!(claim(&store, "w1", LONG).await.is_none());
    let (dataset, id) = accepted(&store, "a", 5).await;
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Processing);
    let waiting = job(&store, &id).await;
    assert_eq!((waiting.status, waiting.attempts, waiting.started_at), (JobStatus::Queued, 0, None));

    let taken = claim(&store, "w1", LONG).await.expect("a job");
    assert_eq!((taken.id.as_str(), taken.attempts, taken.status), (id.as_str(), 1, JobStatus::Running));
    assert!(claim(&store, "w2", LONG).await.is_none());
    assert_eq!(store.renew_lease(&taken, "w1", LONG, 0.5, Some("read")).await.expect("beats"), Beat::GoOn);
    let running = job(&store, &id).await;
    assert_eq!((running.progress, running.stage.as_deref()), (0.5, Some("read")));

    let tx = store.begin_fenced(&taken, "w1").await.expect("answers").expect("it has the job");
    tx.complete_job(&taken).await.expect("ends");
    let ended = job(&store, &id).await;
    assert_eq!((ended.status, ended.progress), (JobStatus::Completed, 1.0));
    assert!(ended.started_at >= Some(ended.created_at) && ended.finished_at >= ended.started_at);
    // It has ended: nobody speaks for it any more.
    assert!(store.begin_fenced(&taken, "w1").await.expect("answers").is_none());
    assert!(claim(&store, "w2", LONG).await.is_none());
}

async fn nothing_is_accepted_by_half(store: Store) {
    organization(&store).await;
    let mut tx = store.begin().await.expect("begins");
    tx.insert_job(&new_job("j", "d", 5), &serde_json::json!({})).await.expect("is accepted");
    drop(tx);
    assert_eq!(store.job(ORG, "j").await.expect_err("is not there").code(), "job_not_found");
    assert!(claim(&store, "w1", LONG).await.is_none());
    // A data set whose features are being made names the job that is at it.
    let (dataset, id) = accepted(&store, "a", 5).await;
    let mut tx = store.begin().await.expect("begins");
    assert_eq!(tx.mark_processing(&dataset, "another").await.expect("answers"), Some(id));
}

async fn workers_share_the_jobs(store: Store) {
    for number in 0..20 {
        accepted(&store, &format!("{number:02}"), 5).await;
    }
    let workers = (0..4).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(job) = claim(&store, &format!("w{worker}"), LONG).await {
                taken.push(job.id);
            }
            taken
        })
    });
    let mut times = BTreeMap::<String, u32>::new();
    for worker in workers.collect::<Vec<_>>() {
        for id in worker.await.expect("no panic") {
            *times.entry(id).or_default() += 1;
        }
    }
    // A worker may be told that there is nothing while another holds the last one; it comes again.
    while let Some(job) = claim(&store, "late", LONG).await {
        *times.entry(job.id).or_default() += 1;
    }
    assert_eq!(times.len(), 20);
    assert!(times.values().all(|&times| times == 1), "{times:?}");
}

async fn a_lost_worker_cannot_speak(store: Store) {
    let (dataset, id) = accepted(&store, "a", 5).await;
    let first = claim(&store, "w1", Duration::ZERO).await.expect("a job");
    tokio::time::sleep(Duration::from_millis(20)).await;
    // The lease has run out.
    let second = claim(&store, "w2", LONG).await.expect("the same job");
    assert_eq!((second.id.as_str(), second.attempts), (id.as_str(), 2));
    let gone = JobFailure::permanent("too_few_rows", "too few");
    assert_eq!(store.renew_lease(&first, "w1", LONG, 0.9, None).await.expect("beats"), Beat::Lost);
    assert!(store.begin_fenced(&first, "w1").await.expect("answers").is_none());
    assert!(!store.fail_job(&first, "w1", &gone).await.expect("answers"));
    assert!(!store.retry_job(&first, "w1", &gone, LONG).await.expect("answers"));
    assert!(!store.release_job(&first, "w1").await.expect("answers"));
    assert_eq!(job(&store, &id).await.status, JobStatus::Running);
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Processing);
    // Nor does one speak for its own earlier attempt.
    let stale = Job { attempts: 1, ..second.clone() };
    assert!(store.begin_fenced(&stale, "w2").await.expect("answers").is_none());
    assert!(store.fail_job(&second, "w2", &gone).await.expect("answers"));
}

async fn a_job_that_kills_its_worker_fails(store: Store) {
    let (dataset, id) = accepted(&store, "a", 3).await;
    for attempt in 1..=3 {
        let taken = claim(&store, "dies", Duration::ZERO).await.expect("a job");
        assert_eq!(taken.attempts, attempt);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(claim(&store, "lives", LONG).await.is_none());
    let ended = job(&store, &id).await;
    assert_eq!(
        (ended.status, ended.attempts, ended.error_code.as_deref()),
        (JobStatus::Failed, 3, Some("worker_died"))
    );
    let dataset = store.dataset(ORG, &dataset).await.expect("is there");
    assert_eq!((dataset.status, dataset.error_code.as_deref()), (DatasetStatus::Error, Some("worker_died")));
}

async fn a_retry_waits(store: Store) {
    let (dataset, id) = accepted(&store, "a", 5).await;
    let taken = claim(&store, "w1", LONG).await.expect("a job");
    let failure = JobFailure::transient(ApiError::unavailable("storage is away"));
    assert!(store.retry_job(&taken, "w1", &failure, Duration::from_millis(400)).await.expect("answers"));
    let waiting = job(&store, &id).await;
    assert_eq!((waiting.status, waiting.error_code.as_deref()), (JobStatus::Queued, Some("unavailable")));
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Processing);
    assert!(claim(&store, "w1", LONG).await.is_none());
    tokio::time::sleep(Duration::from_millis(500)).await;
    let again = claim(&store, "w1", LONG).await.expect("the same job");
    assert_eq!((again.id.as_str(), again.attempts), (id.as_str(), 2));
}

async fn waiting_jobs_are_cancelled_at_once(store: Store) {
    let (dataset, id) = accepted(&store, "a", 5).await;
    let cancelled = store.cancel_job(ORG, &id).await.expect("is cancelled");
    assert_eq!(cancelled.status, JobStatus::Cancelled);
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Uploaded);
    assert!(claim(&store, "w1", LONG).await.is_none());
    assert_eq!(store.cancel_job(ORG, &id).await.expect_err("has ended").code(), "job_finished");
    assert_eq!(store.cancel_job(ORG, "unknown").await.expect_err("is unknown").code(), "job_not_found");
}

async fn running_jobs_learn_that_they_are_cancelled(store: Store) {
    let (dataset, id) = accepted(&store, "a", 5).await;
    let taken = claim(&store, "w1", LONG).await.expect("a job");
    let asked = store.cancel_job(ORG, &id).await.expect("is asked to stop");
    assert_eq!((asked.status, asked.cancel_requested), (JobStatus::Running, 1));
    assert_eq!(store.renew_lease(&taken, "w1", LONG, 0.1, None).await.expect("beats"), Beat::Cancel);
    assert!(store.fail_job(&taken, "w1", &JobFailure::cancelled()).await.expect("answers"));
    assert_eq!(job(&store, &id).await.status, JobStatus::Cancelled);
    assert_eq!(status(&store, &dataset).await, DatasetStatus::Uploaded);

    // One whose worker dies before it learns of it is not begun again.
    let (_, id) = accepted(&store, "b", 5).await;
    claim(&store, "dies", Duration::ZERO).await.expect("a job");
    store.cancel_job(ORG, &id).await.expect("is asked to stop");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(claim(&store, "lives", LONG).await.is_none());
    assert_eq!(job(&store, &id).await.status, JobStatus::Cancelled);
}

async fn a_job_that_is_handed_back_has_lost_nothing(store: Store) {
    let (_, id) = accepted(&store, "a", 1).await;
    let taken = claim(&store, "w1", LONG).await.expect("a job");
    assert!(store.release_job(&taken, "w1").await.expect("answers"));
    assert_eq!(job(&store, &id).await.attempts, 0);
    assert_eq!(claim(&store, "w2", LONG).await.expect("the same job").attempts, 1);
}

async fn jobs_belong_to_their_organization(store: Store) {
    let (_, id) = accepted(&store, "a", 5).await;
    assert_eq!(store.job("globex", &id).await.expect_err("is not theirs").code(), "job_not_found");
    assert_eq!(store.cancel_job("globex", &id).await.expect_err("is not theirs").code(), "job_not_found");
    assert_eq!(job(&store, &id).await.status, JobStatus::Queued);
    accepted(&store, "b", 5).await;
    store.cancel_job(ORG, &id).await.expect("is cancelled");
    let count = async |kind, status| store.jobs(ORG, kind, status, ALL).await.expect("answers").total;
    assert_eq!(count(None, None).await, 2);
    assert_eq!(count(Some(JobKind::Train), None).await, 0);
    assert_eq!(count(Some(JobKind::ProcessFeatures), Some(JobStatus::Cancelled)).await, 1);
    assert_eq!(store.jobs("globex", None, None, ALL).await.expect("answers").total, 0);
    let depth = store.queue_depth().await.expect("answers");
    assert_eq!((depth.queued, depth.running, depth.away, depth.organizations), (1, 0, 0, 1));
}

/// A model in training.
pub(crate) async fn training(store: &Store, name: &str) {
    let mut tx = store.begin().await.expect("begins");
    let new = NewModel { id: name, org_id: ORG, model_type: "auto", dataset_id: "dataset-a", job_id: "j" };
    tx.insert_model(&new).await.expect("is inserted");
    tx.commit().await.expect("commits");
}

async fn trained(store: &Store, name: &str, model: &churn::Model, only_first: bool) {
    training(store, name).await;
    assert!(store.record_file("models/x.json").await.expect("is on record"));
    let mut tx = store.begin().await.expect("begins");
    tx.training_completed(name, "models/x.json", model).await.expect("is completed");
    tx.activate_model(ORG, name, only_first).await.expect("is activated");
    tx.commit().await.expect("commits");
}

async fn active(store: &Store) -> String {
    store.models_in_use(ORG).await.expect("there is one").active.id
}

async fn versions_rise_and_roles_change(store: Store) {
    accepted(&store, "a", 5).await;
    let model = crate::work::model();
    assert_eq!(store.models_in_use(ORG).await.expect_err("there is none").code(), "no_model");
    trained(&store, "m1", &model, true).await;
    assert_eq!(active(&store).await, "m1");
    let generation = store.serving_generation(ORG).await.expect("answers");
    // The second does not take over by itself.
    trained(&store, "m2", &model, true).await;
    assert_eq!(active(&store).await, "m1");
    trained(&store, "m3", &model, false).await;
    assert_eq!(active(&store).await, "m3");
    assert!(store.serving_generation(ORG).await.expect("answers") > generation);
    let versions: Vec<i64> =
        store.models(ORG, None, ALL).await.expect("answers").rows.iter().map(|row| row.version).collect();
    assert_eq!(versions, [3, 2, 1]);

    // m1 → m3 → m2, and back the same way; then there is nothing left.
    let mut tx = store.begin().await.expect("begins");
    tx.activate_model(ORG, "m2", false).await.expect("is activated");
    tx.commit().await.expect("commits");
    for back in ["m3", "m1"] {
        let mut tx = store.begin().await.expect("begins");
        assert_eq!(tx.roll_back_model(ORG).await.expect("goes back"), back);
        tx.commit().await.expect("commits");
        assert_eq!(active(&store).await, back);
    }
    let mut tx = store.begin().await.expect("begins");
    assert_eq!(tx.roll_back_model(ORG).await.expect_err("none before").code(), "nothing_to_roll_back");
    drop(tx);

    // A challenger is another model, completed, and one at a time.
    training(&store, "m4").await;
    let mut tx = store.begin().await.expect("begins");
    for (id, code) in [("m1", "conflict"), ("m4", "model_not_ready"), ("m9", "model_not_found")] {
        assert_eq!(tx.set_challenger(ORG, id, 0.1).await.expect_err("is refused").code(), code);
        assert_eq!(
            tx.activate_model(ORG, id, false).await.err().map(|error| error.code()),
            (id != "m1").then_some(code)
        );
    }
    tx.set_challenger(ORG, "m2", 0.1).await.expect("is set");
    tx.set_challenger(ORG, "m3", 0.25).await.expect("is set");
    tx.commit().await.expect("commits");
    let challenger = store.model_in_role(ORG, ModelRole::Challenger).await.expect("answers").expect("there is one");
    assert_eq!(challenger.id, "m3");
    assert_eq!(store.organization(ORG).await.expect("is there").traffic_share, 0.25);
    // A challenger that is put to use is one no more.
    let mut tx = store.begin().await.expect("begins");
    tx.activate_model(ORG, "m3", false).await.expect("is activated");
    tx.commit().await.expect("commits");
    let in_use = store.models_in_use(ORG).await.expect("there is one");
    assert_eq!((in_use.active.id.as_str(), in_use.challenger), ("m3", None));
    let mut tx = store.begin().await.expect("begins");
    assert!(!tx.remove_challenger(ORG).await.expect("answers"));
}

async fn trainings_at_once_have_different_versions(store: Store) {
    accepted(&store, "a", 5).await;
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move { training(&store, &format!("m{number}")).await })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let found = store.models(ORG, Some(ModelStatus::Training), ALL).await.expect("answers");
    let versions: Vec<i64> = found.rows.iter().map(|row| row.version).collect();
    assert_eq!(versions, [8, 7, 6, 5, 4, 3, 2, 1]);
}

async fn a_deleted_dataset_takes_its_jobs_and_batches(store: Store) {
    let (dataset, features) = accepted(&store, "a", 5).await;
    let (other, other_features) = accepted(&store, "b", 5).await;
    let job_of = |kind, id: &'static str, subject_id: &'static str| NewJob { kind, ..new_job(id, subject_id, 5) };
    assert!(store.record_file("utils/b.csv").await.expect("is on record"));
    let mut tx = store.begin().await.expect("begins");
    let nothing = serde_json::json!({});
    for (model, of, job) in [("m-a", &dataset, "train-a"), ("m-b", &other, "train-b"), ("m-c", &dataset, "train-c")] {
        let new = NewModel { id: model, org_id: ORG, model_type: "auto", dataset_id: of, job_id: job };
        tx.insert_model(&new).await.expect("is inserted");
        tx.insert_job(&job_of(JobKind::Train, job, model), &nothing).await.expect("is accepted");
    }
    for (batch, of, job) in [("b-a", Some(&dataset), "bulk-a"), ("b-b", None, "bulk-b")] {
        let new = NewBatch {
            id: batch,
            org_id: ORG,
            job_id: job,
            dataset_id: of.map(String::as_str),
            input_key: "utils/b.csv",
            model_id: "m-a",
            model_version: 1,
            challenger_id: None,
        };
        tx.insert_batch(&new).await.expect("is inserted");
        tx.insert_job(&job_of(JobKind::PredictBulk, job, batch), &nothing).await.expect("is accepted");
    }
    for (backtest, of, job) in [("t-a", &dataset, "test-a"), ("t-b", &other, "test-b")] {
        let new = NewBacktest { id: backtest, org_id: ORG, job_id: job, dataset_id: of, model_type: "auto" };
        tx.insert_backtest(&new).await.expect("is inserted");
        tx.insert_job(&job_of(JobKind::Backtest, job, backtest), &nothing).await.expect("is accepted");
    }
    tx.commit().await.expect("commits");
    // All are at work but one training, which is put back in the line.
    let mut taken = BTreeMap::new();
    while let Some(job) = claim(&store, "w", LONG).await {
        taken.insert(job.id.clone(), job);
    }
    assert_eq!(taken.len(), 9);
    assert!(store.release_job(&taken["train-c"], "w").await.expect("answers"));

    let mut tx = store.begin().await.expect("begins");
    let other_org = tx.delete_dataset("globex", &dataset).await.expect_err("is another's");
    assert_eq!(other_org.code(), "dataset_not_found");
    let files = tx.delete_dataset(ORG, &dataset).await.expect("is deleted");
    tx.commit().await.expect("commits");
    assert_eq!(files, ["datasets/x.csv"]);
    let beat = async |id: &str| store.renew_lease(&taken[id], "w", LONG, 0.5, None).await.expect("beats");
    for id in [&features, "bulk-a", "test-a"] {
        assert_eq!(store.job(ORG, id).await.expect_err("is gone").code(), "job_not_found");
        assert_eq!(beat(id).await, Beat::Lost);
        assert!(store.begin_fenced(&taken[id], "w").await.expect("answers").is_none());
    }
    assert_eq!(store.batch(ORG, "b-a").await.expect_err("is gone").code(), "batch_not_found");
    assert_eq!(store.backtest(ORG, "t-a").await.expect_err("is gone").code(), "backtest_not_found");
    assert_eq!(beat("train-a").await, Beat::Cancel);
    assert_eq!(job(&store, "train-c").await.status, JobStatus::Cancelled);
    assert_eq!(store.model(ORG, "m-c").await.expect("stays").status, ModelStatus::Failed);
    for id in [&other_features, "train-b", "bulk-b", "test-b"] {
        assert_eq!(beat(id).await, Beat::GoOn);
    }
    assert_eq!(status(&store, &other).await, DatasetStatus::Processing);

    // Nothing is accepted on it any more.
    let mut tx = store.begin().await.expect("begins");
    for error in [
        tx.lock_dataset(&dataset).await.expect_err("is gone"),
        tx.mark_processing(&dataset, "j").await.expect_err("is gone"),
        tx.delete_dataset(ORG, &dataset).await.expect_err("is gone"),
    ] {
        assert_eq!(error.code(), "dataset_not_found");
    }
    // The file that was sent along goes with its batch.
    assert_eq!(tx.delete_batch(ORG, "b-b").await.expect("is deleted"), ["utils/b.csv"]);
    assert_eq!(tx.delete_batch(ORG, "b-b").await.expect_err("is gone").code(), "batch_not_found");
    tx.commit().await.expect("commits");
    assert_eq!(beat("bulk-b").await, Beat::Lost);

    // A backtest ends with its job, and goes alone.
    let failure = JobFailure::permanent("too_few_rows", "too few");
    assert!(store.fail_job(&taken["test-b"], "w", &failure).await.expect("answers"));
    let ended = store.backtest(ORG, "t-b").await.expect("is there");
    assert_eq!((ended.status, ended.error_code.as_deref()), (BacktestStatus::Failed, Some("too_few_rows")));
    let mut tx = store.begin().await.expect("begins");
    assert_eq!(tx.delete_backtest("globex", "t-b").await.expect_err("is another's").code(), "backtest_not_found");
    assert_eq!(tx.delete_backtest(ORG, "t-b").await.expect("is deleted"), Vec::<String>::new());
    tx.commit().await.expect("commits");
    assert_eq!(store.backtests(ORG, None, ALL).await.expect("answers").total, 0);
}
