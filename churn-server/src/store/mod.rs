//! Metadata in SQL: all objects and their status. Files are in storage; a row is written after the file it refers to.
//!
//! One set of statements serves SQLite and PostgreSQL: `$1` placeholders, text, 64-bit integers, doubles and booleans. Reads
//! use the [`Pool`] and changes use a [`Tx`], so that changes that belong together are made together or not at all.

mod api_keys;
mod away;
mod backtests;
mod batches;
mod columns;
mod copy;
mod datasets;
mod files;
mod installation;
mod jobs;
mod models;
mod organizations;
mod schema;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction};

pub use api_keys::{ApiKey, NewApiKey};
pub use backtests::{BacktestMade, BacktestRow, BacktestStatus, NewBacktest};
pub use batches::{Batch, BatchMade, BatchStatus, NewBatch, SegmentCounts};
pub(crate) use columns::text_enum;
pub use columns::{JsonText, PageQuery, Paged};
pub use copy::copy_database;
pub use datasets::{DataKind, DatasetRow, DatasetStatus, FeaturesMade, NewDataset};
pub use files::PendingFile;
pub use installation::{ExclusiveLock, InstallationRow, lock_for_server};
pub use jobs::{Beat, Job, JobKind, JobStatus, NewJob, QueueDepth};
pub(crate) use models::no_model;
pub use models::{InUse, ModelRole, ModelRow, ModelStatus, NewModel};
pub use organizations::{Organization, Settings};

use crate::error::{ApiError, Result};
use crate::private;

/// Maximum time that a request waits for a connection to PostgreSQL. [`Store::watch`] detects an unreachable database; this
/// limit is for requests before that.
const ACQUIRE: Duration = Duration::from_secs(3);

/// Maximum size in KiB of the page cache of each SQLite connection. SQLite would take 2 MB for each of
/// `DATABASE_CONNECTIONS`, so the memory of the server would grow by 20 MB together with the database. A small cache costs
/// little: the operating system caches the file too, and SQLite empties the cache whenever another connection has written.
const SQLITE_CACHE: u32 = 512;

/// Connection pool of either database.
#[derive(Clone, Debug)]
pub enum Pool {
    /// SQLite in a file or in memory.
    Sqlite(SqlitePool),
    /// A PostgreSQL server.
    Postgres(PgPool),
}

/// A transaction of either database. Dropped without [`Tx::commit`], it changes nothing.
#[derive(Debug)]
pub enum Tx {
    /// A transaction of SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// A transaction of PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

/// Runs the same statement on either database: `on_pool!(pool, db => sqlx::query(…).execute(db).await)`.
macro_rules! on_pool {
    ($pool:expr, $db:ident => $run:expr) => {
        match $pool {
            $crate::store::Pool::Sqlite($db) => $run,
            $crate::store::Pool::Postgres($db) => $run,
        }
    };
}

/// The same inside a transaction: `on_tx!(tx, db => sqlx::query(…).execute(db).await)`.
macro_rules! on_tx {
    ($tx:expr, $db:ident => $run:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $db = &mut **tx;
                $run
            }
            $crate::store::Tx::Postgres(tx) => {
                let $db = &mut **tx;
                $run
            }
        }
    };
}

pub(crate) use {on_pool, on_tx};

impl Tx {
    /// Begins a transaction. SQLite takes its write lock at once, because a transaction that begins with a read could fail to
    /// get it later.
    pub(crate) async fn begin(pool: &Pool) -> Result<Tx> {
        Ok(match pool {
            Pool::Sqlite(pool) => Tx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?),
            Pool::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Commits all changes since [`Store::begin`].
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn commit(self) -> Result<()> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await?,
            Tx::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// The database of the server. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    /// File of the SQLite database, if it is one.
    file: Option<Arc<Path>>,
    /// Exclusive lock within this process; see [`Store::lock_exclusive`].
    turn: Arc<tokio::sync::Mutex<()>>,
    reach: Arc<away::Reachability>,
}

impl Store {
    /// Connects to `sqlite:PATH`, `sqlite::memory:` or `postgres://…` and brings its tables up to date.
    ///
    /// # Errors
    /// A sentence that says what could not be reached or read.
    pub async fn open(url: &str, connections: u32) -> std::result::Result<Store, String> {
        let failed = |error: &dyn std::fmt::Display| format!("the database {}: {error}", without_password(url));
        let file = sqlite_file(url)?;
        if let Some(file) = &file {
            make_private(file).map_err(|error| failed(&error))?;
        }
        let pool = if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // At least two: the sweep holds its lock on one connection while it works on another.
            let options = PgPoolOptions::new().max_connections(connections.max(2)).acquire_timeout(ACQUIRE);
            Pool::Postgres(options.connect(url).await.map_err(|error| failed(&error))?)
        } else if url.starts_with("sqlite:") {
            // FULL: with less, a power cut could undo a commit whose upload was already acknowledged.
            let connect = SqliteConnectOptions::from_str(url)
                .map_err(|error| failed(&error))?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(30))
                // A negative number is a size in KiB, a positive one a number of pages.
                .pragma("cache_size", format!("-{SQLITE_CACHE}"))
                .foreign_keys(true);
            // The pool closes a connection whose test is cancelled, and with it a database in memory, which exists only as long
            // as its one connection. A local connection needs no test.
            let options = SqlitePoolOptions::new().acquire_timeout(Duration::from_secs(30)).test_before_acquire(false);
            let options = match &file {
                None => options.max_connections(1).idle_timeout(None).max_lifetime(None),
                Some(_) => options.max_connections(connections),
            };
            Pool::Sqlite(options.connect_with(connect).await.map_err(|error| failed(&error))?)
        } else {
            return Err(failed(&"expected sqlite:PATH, sqlite::memory:, postgres://… or postgresql://…"));
        };
        schema::migrate(&pool).await.map_err(|error| failed(&error))?;
        Ok(Store { pool, file: file.map(Arc::from), turn: Arc::default(), reach: Arc::default() })
    }

    /// The connection pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a transaction, which may have to wait for another one.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn begin(&self) -> Result<Tx> {
        Tx::begin(self.reachable_pool()?).await
    }

    /// Checks that the database responds, and that the disk of a local database has free space. Changes nothing.
    ///
    /// # Errors
    /// `unavailable`, `storage_full`, `internal`.
    pub async fn ping(&self) -> Result<()> {
        on_pool!(self.reachable_pool()?, db => sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        if let Some(folder) = self.file.as_deref().map(folder_of) {
            let probed = tokio::task::spawn_blocking(move || private::probe(&folder)).await;
            if let Err(error) = probed.map_err(std::io::Error::other).and_then(|probed| probed) {
                return Err(match error.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                        ApiError::storage_full("the disk of the database is full")
                    }
                    _ => ApiError::internal(format_args!("the folder of the database: {error}")),
                });
            }
        }
        Ok(())
    }

    /// Closes the connections once they are returned.
    pub async fn close(&self) {
        on_pool!(&self.pool, db => db.close().await);
    }
}

/// Returns the file of an SQLite database; None for one in memory, and for PostgreSQL.
fn sqlite_file(url: &str) -> std::result::Result<Option<PathBuf>, String> {
    if !url.starts_with("sqlite:") || url.contains(":memory:") || url.contains("mode=memory") {
        return Ok(None);
    }
    let options = SqliteConnectOptions::from_str(url).map_err(|error| format!("the database {url}: {error}"))?;
    Ok(Some(options.get_filename().to_owned()))
}

fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes an SQLite file private, and creates it if it is missing. SQLite gives the files beside it the same permissions.
fn make_private(file: &Path) -> std::io::Result<()> {
    private::create_folder(&folder_of(file))?;
    private::open_file(std::fs::File::options().create(true).append(true), file)?;
    for end in ["", "-wal", "-shm"] {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        private::restrict_permissions(Path::new(&name));
    }
    Ok(())
}

/// Returns the address of a database without its password.
fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => format!("{}…{}", &url[..scheme + 3], &url[at..]),
        _ => url.to_owned(),
    }
}

/// Converts a violation of a unique key into 409, and any other error as usual.
pub(crate) fn conflict(error: sqlx::Error, code: &'static str, message: impl FnOnce() -> String) -> ApiError {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => ApiError::conflict(code, message()),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        assert_eq!(without_password("postgres://me:secret@host:5432/churn"), "postgres://…@host:5432/churn");
        assert_eq!(without_password("sqlite:/data/churn.db"), "sqlite:/data/churn.db");
    }

    #[tokio::test]
    async fn the_page_cache_of_a_connection_is_limited() {
        let store = Store::open("sqlite::memory:", 1).await.expect("opens");
        let Pool::Sqlite(pool) = store.pool() else { panic!("it is SQLite") };
        let size: i64 = sqlx::query_scalar("PRAGMA cache_size").fetch_one(pool).await.expect("is known");
        assert_eq!(size, -i64::from(SQLITE_CACHE));
    }

    /// A request that ends early, or a job that is cancelled, drops its statement at any point.
    #[tokio::test]
    async fn a_database_in_memory_outlives_statements_that_are_dropped() {
        let store = Store::open("sqlite::memory:", 1).await.expect("opens");
        for polls in (1..20).cycle().take(4_000) {
            let mut statement = std::pin::pin!(store.ping());
            for _ in 0..polls {
                if futures_util::poll!(&mut statement).is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        assert!(!store.has_files().await.expect("the tables are still there"));
    }

    #[tokio::test]
    async fn an_unknown_database_is_refused() {
        assert!(Store::open("mysql://localhost", 1).await.is_err());
    }
}
