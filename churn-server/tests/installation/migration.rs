//! Databases of earlier versions go on, and a database moves from one kind to the other and back.

use std::collections::BTreeMap;

use churn_server::store::{
    DatasetStatus, JobStatus, ModelStatus, PageQuery, Pool, Store, copy_database, lock_for_server,
};
use sqlx::{AssertSqlSafe, Connection, Executor, SqliteConnection};
use tempfile::TempDir;

use crate::databases::Postgres;
use crate::places::{ORG, Place, sqlite, sweep, upload, write};

const ALL: PageQuery = PageQuery { limit: 1000, offset: 0 };

/// As version 0.1.0 left it, with an organization that has trained and predicted. Dumped by `sqlite3 churn.db .dump`.
const FIRST: &str = include_str!("../fixtures/database_0.1.0.sql");

/// The same in PostgreSQL. Dumped by `pg_dump --inserts --no-owner --no-privileges`.
const FIRST_POSTGRES: &str = include_str!("../fixtures/database_0.1.0.postgres.sql");

/// Before the first publication, with one data set and one batch.
const EARLY: &str = include_str!("../fixtures/database_early.sql");

async fn restore_sqlite(folder: &TempDir, name: &str, dump: &str) -> String {
    let url = sqlite(folder, name);
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.expect("connects");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(dump.to_owned()))).await.expect("is restored");
    connection.close().await.expect("closes");
    url
}

/// Contents of the fixture, read by the statements of this version.
async fn is_the_first(store: &Store) {
    let organization = store.organization(ORG).await.expect("is there");
    assert_eq!((organization.name.as_str(), organization.settings.0.churn_threshold_days), ("Acme Inc", 45));
    let datasets = store.datasets(ORG, None, ALL).await.expect("a list").rows;
    let [dataset] = &datasets[..] else { panic!("{datasets:?}") };
    assert_eq!((dataset.status, dataset.customers), (DatasetStatus::FeaturesReady, Some(400)));
    let models = store.models(ORG, None, ALL).await.expect("a list").rows;
    let [model] = &models[..] else { panic!("{models:?}") };
    assert_eq!((model.status, model.version), (ModelStatus::Completed, 1));
    assert!(model.metrics.as_ref().is_some_and(|metrics| metrics.0.roc_auc > 0.5));
    assert_eq!(store.models_in_use(ORG).await.expect("in use").active.id, model.id);
    let batches = store.batches(ORG, None, ALL).await.expect("a list").rows;
    let [batch] = &batches[..] else { panic!("{batches:?}") };
    assert!(batch.inactive_customers.is_some() && batch.customers.is_some_and(|customers| customers > 0));
    let jobs = store.jobs(ORG, None, Some(JobStatus::Completed), ALL).await.expect("a list");
    assert_eq!(jobs.total, 3);
    assert_eq!(store.api_keys(ORG, ALL).await.expect("a list").total, 1);
    // It knew no backtests, and no interval of a model.
    assert_eq!(store.backtests(ORG, None, ALL).await.expect("a list").total, 0);
    assert_eq!((&model.roc_auc_over_time, model.judged_cutoffs), (&None, None));
    // It has no files on record, so nothing of before is ever removed.
    assert!(store.pending_files(std::time::Duration::ZERO).await.expect("a list").is_empty());
}

#[tokio::test]
async fn a_database_of_the_first_version_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let url = restore_sqlite(&folder, "first", FIRST).await;
    for _ in 0..2 {
        let store = Store::open(&url, 2).await.expect("is brought up to date");
        is_the_first(&store).await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_database_of_the_first_version_goes_on_in_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.create("first").await;
    let mut connection = sqlx::PgConnection::connect(&url).await.expect("connects");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(FIRST_POSTGRES.to_owned()))).await.expect("is restored");
    connection.close().await.expect("closes");
    for _ in 0..2 {
        let store = Store::open(&url, 2).await.expect("is brought up to date");
        is_the_first(&store).await;
        store.close().await;
    }
}

#[tokio::test]
async fn a_database_of_before_the_first_version_goes_on() {
    let folder = TempDir::new().expect("a folder");
    let url = restore_sqlite(&folder, "early", EARLY).await;
    for _ in 0..2 {
        let store = Store::open(&url, 2).await.expect("is brought up to date");
        let batches = store.batches(ORG, None, ALL).await.expect("a list").rows;
        assert_eq!((batches.len(), batches[0].customers, batches[0].inactive_customers), (1, Some(7), None));
        assert_eq!(store.datasets(ORG, None, ALL).await.expect("a list").total, 1);
        store.close().await;
    }
}

#[tokio::test]
async fn tables_of_another_build_are_refused_in_words() {
    let folder = TempDir::new().expect("a folder");
    for (name, change, expected) in [
        ("later", "INSERT INTO _sqlx_migrations VALUES (9999, 'later', '2030-01-01', TRUE, X'00', 1)", "later version"),
        ("other", "UPDATE _sqlx_migrations SET checksum = X'00' WHERE version = 1", "never published"),
    ] {
        let url = restore_sqlite(&folder, name, FIRST).await;
        let mut connection = SqliteConnection::connect(&url).await.expect("connects");
        connection.execute(change).await.expect("is changed");
        connection.close().await.expect("closes");
        let said = Store::open(&url, 1).await.expect_err("is refused");
        assert!(said.contains(expected), "{said}");
    }
}

/// Every row of every table as text.
async fn rows(store: &Store) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    for (table, sql) in [
        ("installation", "SELECT id || ' ' || COALESCE(token, '-') || ' ' || created_at FROM installation"),
        ("pending_files", "SELECT key || ' ' || reason || ' ' || recorded_at FROM pending_files ORDER BY 1"),
        (
            "organizations",
            "SELECT id || settings || serving_generation || ' ' || (traffic_share * 8) || ' ' || created_at FROM organizations ORDER BY 1",
        ),
        ("api_keys", "SELECT id || digest || role || COALESCE(expires_at, 0) FROM api_keys ORDER BY 1"),
        (
            "datasets",
            "SELECT id || file_key || row_count || CASE WHEN has_churn_label THEN 'y' ELSE 'n' END || COALESCE(features_key, '-') FROM datasets ORDER BY 1",
        ),
        ("models", "SELECT id || version || COALESCE(role, '-') || COALESCE(metrics, '-') FROM models ORDER BY 1"),
        (
            "activations",
            "SELECT id || model_id || COALESCE(previous_id, '-') || CASE WHEN undone THEN 'y' ELSE 'n' END FROM activations ORDER BY 1",
        ),
        ("jobs", "SELECT id || payload || status || attempts || run_at FROM jobs ORDER BY 1"),
        (
            "prediction_batches",
            "SELECT id || COALESCE(segments, '-') || COALESCE(page_index, '-') FROM prediction_batches ORDER BY 1",
        ),
        ("backtests", "SELECT id || status || COALESCE(result_key, '-') || created_at FROM backtests ORDER BY 1"),
    ] {
        let found: Vec<String> = match store.pool() {
            Pool::Sqlite(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.expect("are read"),
            Pool::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await.expect("are read"),
        };
        all.insert(table, found);
    }
    // 1/8 of the customers is a double that both write alike.
    for row in all.get_mut("organizations").into_iter().flatten() {
        *row = row.replace("1.0 ", "1 ").replace("0.0 ", "0 ");
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_moves_to_postgres_and_back_with_its_name() {
    let Some(postgres) = Postgres::start() else { return };
    let place = Place::folder();
    let first = restore_sqlite(&place.folder, "first", FIRST).await;
    let state = place.start(&first).await.expect("starts");
    let kept = upload(&state).await;
    let orphan = write(&state).await.1;
    crate::places::sql(&state, "UPDATE organizations SET traffic_share = 0.125").await;
    let backtest = "INSERT INTO backtests (id, org_id, job_id, dataset_id, model_type, status, created_at) \
         SELECT 'b', org_id, 'j', id, 'auto', 'failed', 7 FROM datasets WHERE job_id IS NOT NULL";
    crate::places::sql(&state, backtest).await;
    let before = rows(&state.store).await;
    assert!(before.values().all(|rows| !rows.is_empty()), "{before:?}");
    state.store.close().await;

    let there = postgres.create("moved").await;
    let copied = copy_database(&first, &there).await.expect("is copied");
    for (table, rows) in &before {
        let (_, count) = copied.iter().find(|(name, _)| name == table).expect("is copied");
        assert_eq!(*count, rows.len() as u64, "{table}");
    }
    let moved = place.start(&there).await.expect("starts on the same storage");
    assert_eq!(rows(&moved.store).await["models"], before["models"]);
    assert_eq!(moved.storage.head(&kept).await.expect("is there").size, 23);
    // What was on record is so still.
    assert_eq!(sweep(&moved).await.expect("sweeps"), 1);
    assert!(moved.storage.head(&orphan).await.is_err() && moved.storage.head(&kept).await.is_ok());
    // From now on the old one is a copy that was left behind.
    let said = place.start(&first).await.expect_err("is refused");
    assert!(said.contains("another copy"), "{said}");
    moved.store.close().await;

    let back = sqlite(&place.folder, "back");
    copy_database(&there, &back).await.expect("is copied");
    let state = place.start(&back).await.expect("starts");
    let mut after = rows(&state.store).await;
    let mut before = before;
    // The marker has gone on, and the orphan is gone.
    assert_eq!(after["installation"][0].split(' ').next(), before["installation"][0].split(' ').next());
    for changed in ["installation", "pending_files"] {
        after.remove(changed);
        before.remove(changed);
    }
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_database_is_copied_into_an_empty_one_only() {
    let folder = TempDir::new().expect("a folder");
    let first = restore_sqlite(&folder, "first", FIRST).await;
    let second = restore_sqlite(&folder, "second", FIRST).await;
    let said = copy_database(&first, &second).await.expect_err("is refused");
    assert!(said.contains("organizations") && said.contains("empty"), "{said}");
    let nowhere = sqlite(&folder, "nowhere");
    assert!(copy_database(&nowhere, &second).await.expect_err("is refused").contains("no database"));
    assert!(!crate::places::path(&folder, "nowhere").exists());
    assert!(copy_database(&first, &first).await.is_err());
    // Not from under a server that runs.
    let lock = lock_for_server(&first).expect("is free");
    let said = copy_database(&first, &nowhere).await.expect_err("is refused");
    assert!(said.contains("another churn-server"), "{said}");
    drop(lock);
    assert_eq!(copy_database(&first, &nowhere).await.expect("is copied").iter().map(|(_, rows)| rows).sum::<u64>(), 9);
}
