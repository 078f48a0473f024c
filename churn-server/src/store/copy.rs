//! Copies a whole database into an empty one of either kind: from SQLite to PostgreSQL when one machine is not enough, or back.

use sqlx::{AssertSqlSafe, Row as _};

use super::installation::lock_for_server;
use super::{Pool, Store, Tx, on_tx, sqlite_file, without_password};
use crate::error::{ApiError, Result};

/// Number of rows that are held in memory at once.
const PAGE: i64 = 1000;

/// Type of a column. The migrations use no other types.
#[derive(Clone, Copy, Debug, PartialEq)]
enum SqlType {
    Text,
    Integer,
    Real,
    Boolean,
}

enum SqlValue {
    Text(Option<String>),
    Integer(Option<i64>),
    Real(Option<f64>),
    Boolean(Option<bool>),
}

struct SqlTable {
    name: String,
    columns: Vec<(String, SqlType)>,
}

/// Copies all rows of one database, including the name of the installation, into an empty one. Returns the number of rows per
/// table. All or nothing. Files are not touched: they belong to whichever of the two databases a server starts on next.
///
/// # Errors
/// A sentence: a database cannot be reached, a server runs on it, or the second one is not empty.
pub async fn copy_database(from: &str, to: &str) -> std::result::Result<Vec<(String, u64)>, String> {
    if from == to {
        return Err("--from and --to are the same database".to_owned());
    }
    if let Some(file) = sqlite_file(from)?
        && !file.is_file()
    {
        return Err(format!("there is no database {from}"));
    }
    let _locks = (lock_for_server(from)?, lock_for_server(to)?);
    let (source, target) = (Store::open(from, 2).await?, Store::open(to, 2).await?);
    let copied = copy(&source, &target).await;
    source.close().await;
    target.close().await;
    copied.map_err(|error| format!("{} was not copied: {}", without_password(from), error.message()))
}

async fn copy(source: &Store, target: &Store) -> Result<Vec<(String, u64)>> {
    let tables = tables().await?;
    let mut read = source.begin().await?;
    if matches!(read, Tx::Postgres(_)) {
        // All tables are read from one snapshot.
        let sql = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ";
        on_tx!(&mut read, db => sqlx::query(sql).execute(db).await.map(drop))?;
    }
    let mut write = target.begin().await?;
    for table in &tables {
        if write.count(&table.name).await? > 0 {
            let message =
                format!("the table {} of the second database holds rows already; take an empty one", table.name);
            return Err(ApiError::conflict("conflict", message));
        }
    }
    let mut copied = Vec::new();
    for table in &tables {
        let mut rows = 0;
        loop {
            let page = read.page(table, rows).await?;
            for row in &page {
                write.insert(table, row).await?;
            }
            rows += page.len() as i64;
            if (page.len() as i64) < PAGE {
                break;
            }
        }
        let (there, arrived) = (read.count(&table.name).await?, write.count(&table.name).await?);
        if (there, arrived) != (rows, rows) {
            let message = format!("of {there} rows of {}, {rows} were read and {arrived} arrived", table.name);
            return Err(ApiError::internal(message));
        }
        copied.push((table.name.clone(), rows as u64));
    }
    write.commit().await?;
    Ok(copied)
}

/// Returns the tables and their columns in the order of the migrations, in which every row follows the rows that it refers to.
/// The tables are the same in both kinds of databases, so they are read from one in memory.
async fn tables() -> Result<Vec<SqlTable>> {
    const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         AND name <> '_sqlx_migrations' ORDER BY rowid";
    const COLUMNS: &str = "SELECT name, type FROM pragma_table_info($1) ORDER BY cid";
    let store = Store::open("sqlite::memory:", 1).await.map_err(ApiError::internal)?;
    let Pool::Sqlite(pool) = store.pool() else { return Err(ApiError::internal("a database in memory is SQLite")) };
    let mut tables = Vec::new();
    for name in sqlx::query_scalar::<_, String>(TABLES).fetch_all(pool).await? {
        let found: Vec<(String, String)> = sqlx::query_as(COLUMNS).bind(&name).fetch_all(pool).await?;
        let column = |(column, sql_type): (String, String)| {
            let kind = match sql_type.as_str() {
                "TEXT" => SqlType::Text,
                "BIGINT" => SqlType::Integer,
                "DOUBLE PRECISION" => SqlType::Real,
                "BOOLEAN" => SqlType::Boolean,
                other => return Err(ApiError::internal(format!("{name}.{column} is {other}, which is not copied"))),
            };
            Ok((column, kind))
        };
        let columns = found.into_iter().map(column).collect::<Result<Vec<_>>>()?;
        tables.push(SqlTable { name, columns });
    }
    Ok(tables)
}

impl SqlTable {
    fn columns(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

impl Tx {
    async fn count(&mut self, table: &str) -> Result<i64> {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {table}"));
        Ok(on_tx!(self, db => sqlx::query_scalar(sql).fetch_one(db).await)?)
    }

    async fn page(&mut self, table: &SqlTable, offset: i64) -> Result<Vec<Vec<SqlValue>>> {
        // The first column is the primary key of every table.
        let (columns, name) = (table.columns(), &table.name);
        let sql = AssertSqlSafe(format!("SELECT {columns} FROM {name} ORDER BY 1 LIMIT {PAGE} OFFSET {offset}"));
        let mut read = Vec::new();
        on_tx!(self, db => {
            for row in sqlx::query(sql).fetch_all(db).await? {
                let mut values = Vec::with_capacity(table.columns.len());
                for (index, (_, kind)) in table.columns.iter().enumerate() {
                    values.push(match kind {
                        SqlType::Text => SqlValue::Text(row.try_get(index)?),
                        SqlType::Integer => SqlValue::Integer(row.try_get(index)?),
                        SqlType::Real => SqlValue::Real(row.try_get(index)?),
                        SqlType::Boolean => SqlValue::Boolean(row.try_get(index)?),
                    });
                }
                read.push(values);
            }
        });
        Ok(read)
    }

    async fn insert(&mut self, table: &SqlTable, row: &[SqlValue]) -> Result<()> {
        let places: Vec<String> = (1..=row.len()).map(|place| format!("${place}")).collect();
        let (columns, places, name) = (table.columns(), places.join(", "), &table.name);
        let sql = AssertSqlSafe(format!("INSERT INTO {name} ({columns}) VALUES ({places})"));
        on_tx!(self, db => {
            let mut query = sqlx::query(sql);
            for value in row {
                query = match value {
                    SqlValue::Text(value) => query.bind(value.as_deref()),
                    SqlValue::Integer(value) => query.bind(*value),
                    SqlValue::Real(value) => query.bind(*value),
                    SqlValue::Boolean(value) => query.bind(*value),
                };
            }
            query.execute(db).await.map(drop)
        })?;
        Ok(())
    }
}
