//! The files that this database is about to have, or to be rid of: the table `pending_files`.
//!
//! A file is recorded before it is written, and the record is taken back in the transaction that writes the row which refers
//! to it; a file is recorded in the transaction that deletes its last row, before it is removed. So whatever a crash leaves
//! behind is on record, and only what is on record is ever removed from storage: nothing is deleted for being unknown.
//!
//! A file that is to be removed is doomed first. No row can refer to it from then on, whatever its writer still believes; so
//! a clock that jumps can make an upload fail, but cannot take away a file that was accepted.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::jobs::{millis, sql};
use super::{Pool, Store, Tx, on_pool, on_tx};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

/// True where a row refers to the file: one line for each column that holds a key.
const REFERRED: &str = "(EXISTS (SELECT 1 FROM datasets WHERE datasets.file_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM datasets WHERE datasets.features_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM models WHERE models.document_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM prediction_batches WHERE prediction_batches.input_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM prediction_batches WHERE prediction_batches.file_key = pending_files.key))";

/// A file on record.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct PendingFile {
    /// Where it is, as [`Location`](crate::storage::Location) writes it.
    pub key: String,
    /// `written` or `deleted`.
    pub reason: String,
    /// When it was recorded, or last renewed, by the clock of the database.
    pub recorded_at: Stamp,
    /// Whether it is older than the grace time, and no row refers to it: the next sweep removes it.
    pub due: bool,
}

fn statement(pool: &Pool, text: &str) -> AssertSqlSafe<String> {
    sql(matches!(pool, Pool::Postgres(_)), &text.replace("{referred}", REFERRED))
}

impl Store {
    /// Records that a file is about to be written. False while one of this key is being removed: that takes a moment.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn record_file(&self, key: &str) -> Result<bool> {
        let sql = statement(
            self.pool(),
            "INSERT INTO pending_files (key, reason, recorded_at) VALUES ($1, 'written', {now}) \
             ON CONFLICT (key) DO UPDATE SET reason = 'written', recorded_at = {now} WHERE NOT pending_files.doomed",
        );
        let rows =
            on_pool!(self.pool(), db => sqlx::query(sql).bind(key).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows > 0)
    }

    /// Says that the file is still being written. False if it is not on record any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn renew_file(&self, key: &str) -> Result<bool> {
        let sql = statement(self.pool(), "UPDATE pending_files SET recorded_at = {now} WHERE key = $1 AND NOT doomed");
        let rows =
            on_pool!(self.pool(), db => sqlx::query(sql).bind(key).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows > 0)
    }

    /// Whether the file is on record and no row refers to it: such a file may be removed at once by who wrote it, or deleted
    /// the row.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn file_may_go(&self, key: &str) -> Result<bool> {
        let sql = statement(self.pool(), "SELECT COUNT(*) FROM pending_files WHERE key = $1 AND NOT {referred}");
        let rows: i64 = on_pool!(self.pool(), db => sqlx::query_scalar(sql).bind(key).fetch_one(db).await)?;
        Ok(rows > 0)
    }

    /// The files on record, those that are due first, and the oldest of them.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn pending_files(&self, grace: Duration) -> Result<Vec<PendingFile>> {
        let sql = statement(
            self.pool(),
            "SELECT key, reason, recorded_at, doomed OR (recorded_at < {now} - $1 AND NOT {referred}) AS due \
             FROM pending_files ORDER BY due DESC, recorded_at, key",
        );
        Ok(on_pool!(self.pool(), db => sqlx::query_as(sql).bind(millis(grace)).fetch_all(db).await)?)
    }

    /// Dooms the files that have been on record for longer than the grace time and that no row refers to, and returns their
    /// keys with those that were doomed before and are still on record.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn doom_files(&self, grace: Duration) -> Result<Vec<String>> {
        // What a clock that has gone back since would keep for ever.
        const FUTURE: &str = "UPDATE pending_files SET recorded_at = {now} WHERE recorded_at > {now}";
        // A file that is made anew while its row is there, by a job that failed: the row keeps it.
        const KEPT: &str = "DELETE FROM pending_files WHERE recorded_at < {now} - $1 AND {referred}";
        const DOOM: &str =
            "UPDATE pending_files SET doomed = TRUE WHERE NOT doomed AND recorded_at < {now} - $1 AND NOT {referred}";
        const DOOMED: &str = "SELECT key FROM pending_files WHERE doomed AND NOT {referred} ORDER BY key";
        let pool = self.pool();
        let (future, kept, doom, doomed) =
            (statement(pool, FUTURE), statement(pool, KEPT), statement(pool, DOOM), statement(pool, DOOMED));
        let grace = millis(grace);
        Ok(on_pool!(pool, db => {
            sqlx::query(kept).bind(grace).execute(db).await?;
            sqlx::query(doom).bind(grace).execute(db).await?;
            sqlx::query(future).execute(db).await?;
            sqlx::query_scalar(doomed).fetch_all(db).await
        })?)
    }

    /// Forgets a doomed file, which is not in storage any more.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_file(&self, key: &str) -> Result<()> {
        const SQL: &str = "DELETE FROM pending_files WHERE key = $1 AND doomed";
        on_pool!(self.pool(), db => sqlx::query(SQL).bind(key).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Forgets every file on record, so that none of them is ever removed; returns how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn forget_all_files(&self) -> Result<u64> {
        const SQL: &str = "DELETE FROM pending_files";
        Ok(on_pool!(self.pool(), db => sqlx::query(SQL).execute(db).await.map(|done| done.rows_affected()))?)
    }

    /// Whether any row refers to a file.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn has_files(&self) -> Result<bool> {
        const SQL: &str = "SELECT (SELECT COUNT(*) FROM datasets) + (SELECT COUNT(*) FROM models WHERE document_key IS NOT NULL) \
             + (SELECT COUNT(*) FROM prediction_batches)";
        let rows: i64 = on_pool!(self.pool(), db => sqlx::query_scalar(SQL).fetch_one(db).await)?;
        Ok(rows > 0)
    }
}

impl Tx {
    /// Takes back the record of a file to which this transaction makes a row refer.
    ///
    /// # Errors
    /// `unavailable` if it is not on record: it was given up meanwhile, and has to be written again.
    pub(super) async fn keep_file(&mut self, key: &str) -> Result<()> {
        const SQL: &str = "DELETE FROM pending_files WHERE key = $1 AND NOT doomed";
        let rows = on_tx!(self, db => sqlx::query(SQL).bind(key).execute(db).await.map(|done| done.rows_affected()))?;
        match rows {
            0 => Err(ApiError::unavailable(format!("the file {key} took too long and was given up; try again"))),
            _ => Ok(()),
        }
    }

    /// Records files whose rows this transaction deletes.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn release_files(&mut self, keys: &[String]) -> Result<()> {
        for key in keys {
            let sql = self.sql(
                "INSERT INTO pending_files (key, reason, recorded_at) VALUES ($1, 'deleted', {now}) \
                 ON CONFLICT (key) DO UPDATE SET reason = 'deleted', recorded_at = {now} WHERE NOT pending_files.doomed",
            );
            on_tx!(self, db => sqlx::query(sql).bind(key).execute(db).await.map(drop))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A new column that holds a key must be asked before a file is removed.
    #[tokio::test]
    async fn every_column_of_keys_keeps_its_files() {
        let store = Store::open("sqlite::memory:", 1).await.expect("opens");
        let Pool::Sqlite(pool) = store.pool() else { panic!("it is SQLite") };
        let sql = "SELECT tables.name || '.' || columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
                   WHERE tables.type = 'table' AND columns.name LIKE '%\\_key' ESCAPE '\\'";
        let columns: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.expect("are listed");
        assert_eq!(columns.len(), 5, "{columns:?}");
        for column in columns {
            assert!(REFERRED.contains(&format!("{column} = pending_files.key")), "{column}");
        }
    }
}
