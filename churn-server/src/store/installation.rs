//! The name of this database, which its storage has in a marker, and the lock for changes of the two.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::{Pool, Store, Tx, on_pool, on_tx, sqlite_file};
use crate::error::{ApiError, Result};
use crate::private;
use crate::time::Stamp;

/// Interval between two attempts to take a lock.
const TRY_EVERY: Duration = Duration::from_millis(50);

/// Number of the advisory lock in PostgreSQL; nothing else in the database uses it.
const LOCK: i64 = 0x6368_7572_6e5f_6f6e;

/// The row of `installation`.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct InstallationRow {
    /// Name of the database: a UUID, created once.
    pub id: String,
    /// Token in the marker; None before there was a marker.
    pub token: Option<String>,
    /// Next token of the marker, if a change was begun and not completed.
    pub next_token: Option<String>,
}

/// Exclusive right to sweep or to change the marker, until it is dropped.
#[derive(Debug)]
pub struct ExclusiveLock {
    _turn: OwnedMutexGuard<()>,
    lock: Lock,
}

#[derive(Debug)]
enum Lock {
    Memory,
    File(#[expect(dead_code, reason = "it is held, not read")] File),
    Postgres(Tx),
}

impl ExclusiveLock {
    /// Checks that the lock is still held. PostgreSQL gives it to another process if the connection breaks, which a process
    /// that was stopped does not notice.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn check_held(&mut self) -> Result<()> {
        if let Lock::Postgres(tx) = &mut self.lock {
            on_tx!(tx, db => sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        }
        Ok(())
    }
}

impl Store {
    /// Waits for the exclusive lock among all processes on this database. Returns None after `patience`.
    ///
    /// # Errors
    /// The errors of the database; `internal` if the lock file cannot be written.
    pub async fn lock_exclusive(&self, patience: Duration) -> Result<Option<ExclusiveLock>> {
        let wait = async {
            let turn = std::sync::Arc::clone(&self.turn).lock_owned().await;
            loop {
                if let Some(lock) = self.try_lock().await? {
                    return Ok(ExclusiveLock { _turn: turn, lock });
                }
                tokio::time::sleep(TRY_EVERY).await;
            }
        };
        tokio::time::timeout(patience, wait).await.ok().transpose()
    }

    async fn try_lock(&self) -> Result<Option<Lock>> {
        match (self.pool(), &self.file) {
            (Pool::Postgres(_), _) => {
                let mut tx = self.begin().await?;
                let sql = "SELECT pg_try_advisory_xact_lock($1)";
                let taken: bool = on_tx!(&mut tx, db => sqlx::query_scalar(sql).bind(LOCK).fetch_one(db).await)?;
                Ok(taken.then_some(Lock::Postgres(tx)))
            }
            (Pool::Sqlite(_), None) => Ok(Some(Lock::Memory)),
            (Pool::Sqlite(_), Some(file)) => {
                Ok(lock_file(&beside(file, "sweep.lock")).map_err(ApiError::internal)?.map(Lock::File))
            }
        }
    }

    /// Returns the row; the first call creates it.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn installation(&self) -> Result<InstallationRow> {
        const SQL: &str = "SELECT id, token, next_token FROM installation WHERE only_row = 1";
        const MAKE: &str =
            "INSERT INTO installation (only_row, id, created_at) VALUES (1, $1, $2) ON CONFLICT (only_row) DO NOTHING";
        let found: Option<InstallationRow> = on_pool!(self.pool(), db => sqlx::query_as(SQL).fetch_optional(db).await)?;
        if let Some(row) = found {
            return Ok(row);
        }
        let id = uuid::Uuid::new_v4().to_string();
        on_pool!(self.pool(), db => sqlx::query(MAKE).bind(id).bind(Stamp::now()).execute(db).await.map(drop))?;
        Ok(on_pool!(self.pool(), db => sqlx::query_as(SQL).fetch_one(db).await)?)
    }

    /// Stores the next token before the marker gets it.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn set_next_token(&self, token: &str) -> Result<()> {
        const SQL: &str = "UPDATE installation SET next_token = $1";
        on_pool!(self.pool(), db => sqlx::query(SQL).bind(token).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Stores the token that the marker has now.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn set_token(&self, token: &str) -> Result<()> {
        const SQL: &str = "UPDATE installation SET token = $1, next_token = NULL";
        on_pool!(self.pool(), db => sqlx::query(SQL).bind(token).execute(db).await.map(drop))?;
        Ok(())
    }
}

/// Makes this process the only server on an SQLite file until the result is dropped. Does nothing for other databases.
///
/// # Errors
/// A sentence if another process is the server.
pub fn lock_for_server(url: &str) -> std::result::Result<Option<File>, String> {
    let Some(file) = sqlite_file(url)? else { return Ok(None) };
    let at = beside(&file, "server.lock");
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let locked = folder.map_or(Ok(()), private::create_folder).and_then(|()| lock_file(&at));
    match locked.map_err(|error| format!("{}: {error}", at.display()))? {
        Some(lock) => Ok(Some(lock)),
        None => Err(format!(
            "another churn-server runs on the database {}, and SQLite is for one: stop it, or set another DATA_DIR, or let \
             both use PostgreSQL (DATABASE_URL)",
            file.display()
        )),
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

/// Takes a file lock that ends with the process. Returns None if another process has it.
fn lock_file(path: &Path) -> std::io::Result<Option<File>> {
    let file = private::open_file(File::options().create(true).truncate(false).write(true), path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
