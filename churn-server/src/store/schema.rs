//! The tables, and the migrations from every earlier version of the database.
//!
//! Migrations are appended, never edited, because every database stores the checksums of those it has run. A test compares the
//! published migrations with their checksums.

use sqlx::migrate::{MigrateError, Migrator};

use super::{Pool, Tx, on_pool, on_tx};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Checksum of the first migration before its publication, when batches had no `inactive_customers` and `warnings`.
const EARLY: &str = "e2b499e515b161e4b73a6182813dcb4d835c7d73edd61dbc3a11302b128ad61f62da9c276a9dd9e0e3d1ad3f42ca46c1";

/// Statements from that version to the published first migration.
const FROM_EARLY: [&str; 2] = [
    "ALTER TABLE prediction_batches ADD COLUMN inactive_customers BIGINT",
    "ALTER TABLE prediction_batches ADD COLUMN warnings TEXT",
];

/// Updates the tables to the current version.
///
/// # Errors
/// A sentence that says what to do.
pub(super) async fn migrate(pool: &Pool) -> Result<(), String> {
    from_early(pool).await.map_err(|error| error.to_string())?;
    match pool {
        Pool::Sqlite(pool) => MIGRATIONS.run(pool).await,
        Pool::Postgres(pool) => MIGRATIONS.run(pool).await,
    }
    .map_err(|error| match error {
        MigrateError::VersionMissing(version) => format!(
            "its tables are those of a later version of churn-server (migration {version} is not known here): start that one"
        ),
        MigrateError::VersionMismatch(version) => format!(
            "its tables were made by a build of churn-server that was never published (migration {version} differs): start \
             that build, or a new database"
        ),
        error => error.to_string(),
    })
}

/// Updates a database from before the first publication to the published first migration.
async fn from_early(pool: &Pool) -> crate::error::Result<()> {
    let there = match pool {
        Pool::Sqlite(_) => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'",
        Pool::Postgres(_) => {
            "SELECT COUNT(*) FROM pg_tables WHERE tablename = '_sqlx_migrations' AND schemaname = ANY (current_schemas(false))"
        }
    };
    let there: i64 = on_pool!(pool, db => sqlx::query_scalar(there).fetch_one(db).await)?;
    if there == 0 {
        return Ok(());
    }
    let Some(now) = MIGRATIONS.iter().find(|migration| migration.version == 1) else { return Ok(()) };
    let mut tx = Tx::begin(pool).await?;
    // The update locks the row, so that only one of two servers starting at once does it.
    let sql = "UPDATE _sqlx_migrations SET checksum = $1 WHERE version = 1 AND checksum = $2";
    let (to, from) = (now.checksum.to_vec(), unhex(EARLY));
    let early =
        on_tx!(&mut tx, db => sqlx::query(sql).bind(to).bind(from).execute(db).await.map(|done| done.rows_affected()))?;
    if early > 0 {
        for sql in FROM_EARLY {
            on_tx!(&mut tx, db => sqlx::query(sql).execute(db).await.map(drop))?;
        }
        tx.commit().await?;
    }
    Ok(())
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or_default() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | pair.get(1).map_or(0, |&low| digit(low))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-384 of the migrations when they were published.
    const PUBLISHED: [(i64, &str); 1] =
        [(1, "4b859ca703fcebefa70187d67be30043e318916a41cc95d9e71928e0f78304eba1ca2ad9cdfbb4eb9a5a437dedd153f6")];

    #[test]
    fn published_migrations_never_change() {
        for (version, checksum) in PUBLISHED {
            let migration = MIGRATIONS.iter().find(|migration| migration.version == version).expect("is there");
            let found: String = migration.checksum.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, checksum, "migration {version} was edited: append one instead");
        }
        let versions: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        assert!(versions.is_sorted() && versions.starts_with(&[1]), "{versions:?}");
    }
}
