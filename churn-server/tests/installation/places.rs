//! The three kinds of storage, each empty and private, and what a server and a stranger do with them.

use std::path::Path;
use std::time::Duration;

use churn_server::config::Config;
use churn_server::state::AppState;
use churn_server::storage::{
    Backoff, Bucket, Location, S3Config, Storage, StorageConfig, SupabaseConfig, open, put_bytes,
};
use churn_server::store::{DataKind, NewDataset, Pool};
use tempfile::TempDir;

use crate::s3_standin;
use crate::standin::{SECRET_KEY, Standin};

pub(crate) const ORG: &str = "acme";
pub(crate) const YEAR: i64 = 365 * 86_400_000;

/// Few and short waits: a storage that fails on purpose is not waited for.
const QUICK: Backoff = Backoff { retries: 1, first: Duration::from_millis(5), longest: Duration::from_millis(50) };

/// A storage that lives as long as this value.
pub(crate) struct Place {
    pub(crate) config: StorageConfig,
    pub(crate) folder: TempDir,
    pub(crate) standin: Option<Standin>,
}

impl Place {
    pub(crate) fn folder() -> Place {
        let folder = TempDir::new().expect("a folder");
        Place { config: StorageConfig::Local { folder: folder.path().join("storage") }, folder, standin: None }
    }

    pub(crate) async fn s3() -> Place {
        let folder = TempDir::new().expect("a folder");
        let config = S3Config {
            endpoint: Some(s3_standin::start(folder.path(), "", true).await),
            region: "eu-central-1".to_owned(),
            access_key_id: s3_standin::KEY.0.to_owned(),
            secret_access_key: s3_standin::KEY.1.to_owned(),
            bucket_prefix: String::new(),
            allow_http: true,
            allow_public: false,
            backoff: QUICK,
        };
        Place { config: StorageConfig::S3(config), folder, standin: None }
    }

    pub(crate) async fn supabase() -> Place {
        let (folder, standin) = (TempDir::new().expect("a folder"), Standin::start(0).await.expect("the stand-in"));
        let config = SupabaseConfig { backoff: QUICK, ..SupabaseConfig::new(&standin.url, SECRET_KEY) };
        Place { config: StorageConfig::Supabase(config), folder, standin: Some(standin) }
    }

    /// One of each kind.
    pub(crate) async fn all() -> [Place; 3] {
        [Place::folder(), Place::s3().await, Place::supabase().await]
    }

    /// The storage without a server before it.
    pub(crate) fn raw(&self) -> std::sync::Arc<dyn Storage> {
        open(&self.config).expect("opens")
    }

    /// Settings for a database on this storage, which sweep at once.
    pub(crate) fn settings(&self, database: &str, prefix: &str) -> Config {
        let config = Config::from_variables(|_| None).expect("has defaults");
        Config {
            storage: self.config.clone(),
            database_url: database.to_owned(),
            storage_prefix: prefix.to_owned(),
            orphan_grace: Duration::ZERO,
            ..config
        }
    }

    /// A server that starts.
    pub(crate) async fn start(&self, database: &str) -> Result<AppState, String> {
        AppState::open(self.settings(database, "")).await
    }

    /// Everything in the storage but the markers.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        for bucket in Bucket::ALL {
            found.extend(
                self.raw().list(bucket, "").await.expect("a list").into_iter().map(|one| one.location.to_string()),
            );
        }
        found.retain(|key| !key.ends_with("churn.installation"));
        found.sort();
        found
    }
}

pub(crate) fn sqlite(folder: &TempDir, name: &str) -> String {
    format!("sqlite:{}", path(folder, name).display())
}

pub(crate) fn path(folder: &TempDir, name: &str) -> std::path::PathBuf {
    Path::new(folder.path()).join(format!("{name}.db"))
}

/// A new file in storage that no row refers to yet.
pub(crate) async fn write(state: &AppState) -> (String, Location) {
    let id = churn_server::extract::new_id();
    let at = Location::dataset(ORG, &id).expect("a place");
    put_bytes(&*state.storage, &at, "text/csv", "customer_id,event_date\n").await.expect("is stored");
    (id, at)
}

/// Accepts such a file.
pub(crate) async fn accept(state: &AppState, id: &str, at: &Location) -> churn_server::error::Result<()> {
    let mut tx = state.store.begin().await?;
    tx.ensure_organization(ORG).await?;
    let file_key = &at.to_string();
    let new = NewDataset {
        id,
        org_id: ORG,
        filename: None,
        kind: DataKind::Events,
        has_churn_label: false,
        row_count: 1,
        bad_rows: 0,
        bytes: 1,
        file_key,
    };
    tx.insert_dataset(&new).await?;
    tx.commit().await
}

/// An uploaded data set; its file.
pub(crate) async fn upload(state: &AppState) -> Location {
    let (id, at) = write(state).await;
    accept(state, &id, &at).await.expect("is accepted");
    at
}

/// The server's view of a clock that has moved by so many milliseconds.
pub(crate) async fn move_clock(state: &AppState, millis: i64) {
    sql(state, &format!("UPDATE pending_files SET recorded_at = recorded_at - ({millis})")).await;
}

pub(crate) async fn sql(state: &AppState, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match state.store.pool() {
        Pool::Sqlite(pool) => drop(sqlx::query(sql).execute(pool).await.expect("runs")),
        Pool::Postgres(pool) => drop(sqlx::query(sql).execute(pool).await.expect("runs")),
    }
}

/// A sweep, after the moment that makes a file older than a grace time of nothing.
pub(crate) async fn sweep(state: &AppState) -> churn_server::error::Result<u64> {
    tokio::time::sleep(Duration::from_millis(5)).await;
    churn_server::sweep::sweep(state).await
}
