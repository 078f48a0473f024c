//! Files that are about to be written or removed: the table `pending_files`.
//!
//! A file is recorded before it is written. The transaction that writes the row which refers to the file deletes the record.
//! The transaction that deletes the last row of a file records it again, before it is removed. So everything that a crash
//! leaves behind is on record, and only files on record are ever removed from storage: no file is deleted because it is
//! unknown.
//!
//! A file to be removed is first marked as doomed. From then on no row can refer to it, whatever its writer assumes. So a clock
//! that jumps can make an upload fail, but cannot remove a file that was accepted.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::jobs::{millis, sql};
use super::{Pool, Store, Tx, on_pool, on_tx};
use crate::error::{ApiError, Result};
use crate::time::Stamp;

/// SQL condition: a row refers to the file. One line for each column that holds a key.
const REFERRED: &str = "(EXISTS (SELECT 1 FROM datasets WHERE datasets.file_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM datasets WHERE datasets.features_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM models WHERE models.document_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM prediction_batches WHERE prediction_batches.input_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM prediction_batches WHERE prediction_batches.file_key = pending_files.key) \
     OR EXISTS (SELECT 1 FROM backtests WHERE backtests.result_key = pending_files.key))";

/// Number of doomed files that a sweep reads at once, so that it needs no memory for all of them.
const DOOMED_AT_ONCE: i64 = 1000;

/// A file on record.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct PendingFile {
    /// Location of the file, in the text form of [`Location`](crate::storage::Location).
    pub key: String,
    /// `written` or `deleted`.
    pub reason: String,
    /// Time of the record or its last renewal, by the clock of the database.
    pub recorded_at: Stamp,
    /// True if the file is older than the grace time and no row refers to it. The next sweep removes it.
    pub due: bool,
}

fn statement(pool: &Pool, text: &str) -> AssertSqlSafe<String> {
    sql(matches!(pool, Pool::Postgres(_)), &text.replace("{referred}", REFERRED))
}

impl Store {
    /// Records that a file is about to be written. Returns false while a file of this key is being removed, which takes a
    /// moment.
    ///
    /// # Errors
    /// The errors of the database.
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

    /// Renews the record of a file that is still being written. Returns false if the file is no longer on record.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn renew_file(&self, key: &str) -> Result<bool> {
        let sql = statement(self.pool(), "UPDATE pending_files SET recorded_at = {now} WHERE key = $1 AND NOT doomed");
        let rows =
            on_pool!(self.pool(), db => sqlx::query(sql).bind(key).execute(db).await.map(|done| done.rows_affected()))?;
        Ok(rows > 0)
    }

    /// Returns true if the file is on record and no row refers to it. The code that wrote it, or deleted its row, may then
    /// remove it at once.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn is_file_deletable(&self, key: &str) -> Result<bool> {
        let sql = statement(self.pool(), "SELECT COUNT(*) FROM pending_files WHERE key = $1 AND NOT {referred}");
        let rows: i64 = on_pool!(self.pool(), db => sqlx::query_scalar(sql).bind(key).fetch_one(db).await)?;
        Ok(rows > 0)
    }

    /// Returns the files on record: those that are due first, and the oldest of them first.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn pending_files(&self, grace: Duration) -> Result<Vec<PendingFile>> {
        let sql = statement(
            self.pool(),
            "SELECT key, reason, recorded_at, doomed OR (recorded_at < {now} - $1 AND NOT {referred}) AS due \
             FROM pending_files ORDER BY due DESC, recorded_at, key",
        );
        Ok(on_pool!(self.pool(), db => sqlx::query_as(sql).bind(millis(grace)).fetch_all(db).await)?)
    }

    /// Returns the numbers of files on record: of those that are due, and of all. The database counts them, because the list may
    /// be long: every file that was deleted within the grace time is on it.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn count_pending_files(&self, grace: Duration) -> Result<(i64, i64)> {
        let sql = statement(
            self.pool(),
            "SELECT COALESCE(SUM(CASE WHEN doomed OR (recorded_at < {now} - $1 AND NOT {referred}) THEN 1 ELSE 0 END), 0), \
             COUNT(*) FROM pending_files",
        );
        Ok(on_pool!(self.pool(), db => sqlx::query_as(sql).bind(millis(grace)).fetch_one(db).await)?)
    }

    /// Marks as doomed the files that have been on record for longer than the grace time and that no row refers to.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn mark_files_for_deletion(&self, grace: Duration) -> Result<()> {
        // Without this, a clock that was set back would keep such a record for ever.
        const FUTURE: &str = "UPDATE pending_files SET recorded_at = {now} WHERE recorded_at > {now}";
        // A failed job may write a file again whose row exists; the row keeps the file.
        const KEPT: &str = "DELETE FROM pending_files WHERE recorded_at < {now} - $1 AND {referred}";
        const DOOM: &str =
            "UPDATE pending_files SET doomed = TRUE WHERE NOT doomed AND recorded_at < {now} - $1 AND NOT {referred}";
        let pool = self.pool();
        let (future, kept, doom) = (statement(pool, FUTURE), statement(pool, KEPT), statement(pool, DOOM));
        let grace = millis(grace);
        on_pool!(pool, db => {
            sqlx::query(kept).bind(grace).execute(db).await?;
            sqlx::query(doom).bind(grace).execute(db).await?;
            sqlx::query(future).execute(db).await.map(drop)
        })?;
        Ok(())
    }

    /// Returns the keys of doomed files that are still on record, in order: the first ones after the key `after`, at most
    /// [`DOOMED_AT_ONCE`].
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn doomed_files(&self, after: &str) -> Result<Vec<String>> {
        let sql = statement(
            self.pool(),
            "SELECT key FROM pending_files WHERE doomed AND key > $1 AND NOT {referred} ORDER BY key LIMIT $2",
        );
        Ok(on_pool!(self.pool(), db => sqlx::query_scalar(sql).bind(after).bind(DOOMED_AT_ONCE).fetch_all(db).await)?)
    }

    /// Deletes the record of a doomed file that is no longer in storage.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn delete_file_record(&self, key: &str) -> Result<()> {
        const SQL: &str = "DELETE FROM pending_files WHERE key = $1 AND doomed";
        on_pool!(self.pool(), db => sqlx::query(SQL).bind(key).execute(db).await.map(drop))?;
        Ok(())
    }

    /// Deletes the records of all files, so that none of them is ever removed. Returns their number.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn delete_all_file_records(&self) -> Result<u64> {
        const SQL: &str = "DELETE FROM pending_files";
        Ok(on_pool!(self.pool(), db => sqlx::query(SQL).execute(db).await.map(|done| done.rows_affected()))?)
    }

    /// Returns true if any row refers to a file.
    ///
    /// # Errors
    /// The errors of the database.
    pub async fn has_files(&self) -> Result<bool> {
        const SQL: &str = "SELECT (SELECT COUNT(*) FROM datasets) + (SELECT COUNT(*) FROM models WHERE document_key IS NOT NULL) \
             + (SELECT COUNT(*) FROM prediction_batches) + (SELECT COUNT(*) FROM backtests WHERE result_key IS NOT NULL)";
        let rows: i64 = on_pool!(self.pool(), db => sqlx::query_scalar(SQL).fetch_one(db).await)?;
        Ok(rows > 0)
    }
}

impl Tx {
    /// Deletes the record of a file that a row of this transaction refers to.
    ///
    /// # Errors
    /// `unavailable` if the file is not on record: it was given up meanwhile, and has to be written again.
    pub(super) async fn confirm_file(&mut self, key: &str) -> Result<()> {
        const SQL: &str = "DELETE FROM pending_files WHERE key = $1 AND NOT doomed";
        let rows = on_tx!(self, db => sqlx::query(SQL).bind(key).execute(db).await.map(|done| done.rows_affected()))?;
        match rows {
            0 => Err(ApiError::unavailable(format!("the file {key} took too long and was given up; try again"))),
            _ => Ok(()),
        }
    }

    /// Records the files whose rows this transaction deletes.
    ///
    /// # Errors
    /// The errors of the database.
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

    #[tokio::test]
    async fn doomed_files_are_counted_and_read_in_parts() {
        let store = Store::open("sqlite::memory:", 1).await.expect("opens");
        let Pool::Sqlite(pool) = store.pool() else { panic!("it is SQLite") };
        let sql = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < $1) \
                   INSERT INTO pending_files (key, reason, recorded_at) SELECT printf('datasets/%05d', n), 'deleted', n FROM number";
        sqlx::query(sql).bind(DOOMED_AT_ONCE).execute(pool).await.expect("are inserted");
        store.record_file("datasets/young").await.expect("is recorded");
        let grace = Duration::from_secs(3600);
        let all = DOOMED_AT_ONCE + 2;
        assert_eq!(store.count_pending_files(grace).await.expect("are counted"), (all - 1, all));
        store.mark_files_for_deletion(grace).await.expect("are marked");
        let first = store.doomed_files("").await.expect("a list");
        assert_eq!((first.len() as i64, first[0].as_str()), (DOOMED_AT_ONCE, "datasets/00000"));
        let last = store.doomed_files(&first[first.len() - 1]).await.expect("a list");
        assert_eq!(last, [format!("datasets/{DOOMED_AT_ONCE:05}")]);
        assert!(store.doomed_files(&last[0]).await.expect("a list").is_empty());
        assert_eq!(store.count_pending_files(grace).await.expect("are counted"), (all - 1, all));
    }

    /// A new column with keys must be part of the check before a file is removed.
    #[tokio::test]
    async fn every_column_of_keys_keeps_its_files() {
        let store = Store::open("sqlite::memory:", 1).await.expect("opens");
        let Pool::Sqlite(pool) = store.pool() else { panic!("it is SQLite") };
        let sql = "SELECT tables.name || '.' || columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
                   WHERE tables.type = 'table' AND columns.name LIKE '%\\_key' ESCAPE '\\'";
        let columns: Vec<String> = sqlx::query_scalar(sql).fetch_all(pool).await.expect("are listed");
        assert_eq!(columns.len(), 6, "{columns:?}");
        for column in columns {
            assert!(REFERRED.contains(&format!("{column} = pending_files.key")), "{column}");
        }
    }
}
