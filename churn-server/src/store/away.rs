//! Monitors whether the database can be reached, so that no request waits for an unreachable one.
//!
//! A separate connection pings PostgreSQL every second. While that fails, every use of the database fails at once instead of
//! waiting for a connection from the pool. SQLite is a file, so it is always reachable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tokio_util::sync::CancellationToken;

use super::{Pool, Store};
use crate::error::{ApiError, Result};
use crate::serving::clock;

/// Interval between two pings.
const EVERY: Duration = Duration::from_secs(1);

/// Timeout of a ping.
const PATIENCE: Duration = Duration::from_secs(2);

/// State of the connection to the database.
#[derive(Debug, Default)]
pub(super) struct Reachability {
    /// Time since which the database has been unreachable, in milliseconds of [`clock`]; 0 while it is reachable.
    away_since: AtomicU64,
}

impl Store {
    /// Returns the connection pool if the database can be reached.
    ///
    /// # Errors
    /// `unavailable`, without waiting.
    pub(super) fn reachable_pool(&self) -> Result<&Pool> {
        match self.unreachable_for() {
            None => Ok(&self.pool),
            Some(_) => Err(ApiError::unavailable("the database cannot be reached at the moment")),
        }
    }

    /// Returns the time for which the database has been unreachable, or None if it is reachable.
    pub fn unreachable_for(&self) -> Option<Duration> {
        match self.reach.away_since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(clock().saturating_sub(since))),
        }
    }

    /// Monitors the database until the server stops.
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
            let was_away = self.unreachable_for();
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

/// Pings over the existing connection, or over a new one, because a restart of the database may have cut the old one.
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
