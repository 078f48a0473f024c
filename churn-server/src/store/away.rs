//! Whether the database can be reached, so that nobody waits for one that is away.
//!
//! A connection of its own asks PostgreSQL every second. While that fails, whoever needs the database is told so at once,
//! instead of waiting for a connection from the pool. SQLite is a file: it is never away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use super::{Pool, Store};
use crate::error::{ApiError, Result};
use crate::serving::clock;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is known of the way to the database.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// Since when it is away, in milliseconds of [`clock`]; 0 while it is there.
    away_since: AtomicU64,
}

impl Store {
    /// The connections, if the database can be reached.
    ///
    /// # Errors
    /// `unavailable`, at once.
    pub(super) fn up(&self) -> Result<&Pool> {
        match self.away_for() {
            None => Ok(&self.pool),
            Some(_) => Err(ApiError::unavailable("the database cannot be reached at the moment")),
        }
    }

    /// How long the database has been away, if it is.
    pub fn away_for(&self) -> Option<Duration> {
        match self.reach.away_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(clock().saturating_sub(since))),
        }
    }

    /// Looks after the database until the server stops.
    pub async fn watch(self, stop: CancellationToken) {
        let Pool::Postgres(pool) = &self.pool else { return };
        let options = pool.connect_options();
        let mut connection = None;
        let mut look = tokio::time::interval(EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => (),
                () = stop.cancelled() => return,
            }
            let answer = tokio::time::timeout(PATIENCE, ask(&mut connection, &options)).await;
            let error = match answer {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} seconds", PATIENCE.as_secs())),
            };
            if error.is_some() {
                connection = None;
            }
            let was_away = self.away_for();
            match (error, was_away) {
                (Some(error), None) => {
                    self.reach.away_since.store(clock().max(1), Ordering::Relaxed);
                    tracing::warn!(%error, "the database is away");
                }
                (None, Some(time)) => {
                    self.reach.away_since.store(0, Ordering::Relaxed);
                    tracing::info!(seconds = time.as_secs(), "the database is back");
                }
                _ => (),
            }
        }
    }
}

/// Asks over the connection that there is, or over a new one: the old one may have been cut by a restart that is over.
async fn ask(connection: &mut Option<PgConnection>, options: &PgConnectOptions) -> sqlx::Result<()> {
    if let Some(known) = connection
        && known.ping().await.is_ok()
    {
        return Ok(());
    }
    let mut new = options.connect().await?;
    new.ping().await?;
    *connection = Some(new);
    Ok(())
}
