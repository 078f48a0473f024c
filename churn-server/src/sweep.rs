//! Removes files that a crash can leave: recorded and perhaps written, but without a row.
//!
//! A file is first recorded, then written, and then its row is written. So a crash in between loses nothing that was
//! acknowledged, but may leave a file. Its record proves that it is ours. Once it is older than the grace time and still has no
//! row, it will never get one. [`Files`](crate::files::Files) does the work.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::state::AppState;

/// Time between two checks whether the storage accepts files again after a failed write.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// Removes the files on record that are older than the grace time and have no row, and what interrupted writes left behind.
/// Returns their number.
///
/// # Errors
/// `storage_not_ours`, before anything is removed; those of the storage and the database.
pub async fn sweep(state: &AppState) -> Result<u64> {
    let swept = state.storage.sweep().await;
    let ours = !matches!(&swept, Err(error) if error.code() == "storage_not_ours");
    metrics::gauge!("churn_storage_ours").set(f64::from(u8::from(ours)));
    metrics::counter!("churn_swept_files_total").increment(*swept.as_ref().unwrap_or(&0));
    let (due, all) = state.files.count_pending().await?;
    metrics::gauge!("churn_pending_files", "due" => "true").set(due as f64);
    metrics::gauge!("churn_pending_files", "due" => "false").set((all - due) as f64);
    match swept {
        Ok(removed) => Ok(removed),
        Err(error) => {
            tracing::error!(%error, "the sweep failed; it is tried again");
            Err(error.into())
        }
    }
}

/// Sweeps at the start and then at intervals, until the server stops.
pub async fn keep_sweeping(state: AppState) {
    let every = state.config.sweep_every;
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            due = Instant::now() + every;
            // Errors are logged.
            let _ = sweep(&state).await;
            state.auth.evict_idle();
        }
        // The recorder keeps the time of every request until it is drained into the histograms. This must happen often, even if
        // nobody requests the metrics: a thousand requests per second would take 1 MB a minute.
        crate::routes::recorder().run_upkeep();
        state.files.try_again().await;
        if sleep_or_stop(&state, every.min(TRY_EVERY)).await {
            return;
        }
    }
}

/// Waits for the given time; returns true if the server must stop.
async fn sleep_or_stop(state: &AppState, time: Duration) -> bool {
    tokio::time::timeout(time, state.shutdown.cancelled()).await.is_ok()
}
