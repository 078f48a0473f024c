//! Takes away what a crash can leave: files that were recorded before they were written, and whose rows never came.
//!
//! A file is recorded, then written, and then its row is written, so a crash between them loses nothing that was
//! acknowledged, but may leave a file. It is on record, so it is known to be ours; once it is older than the grace time and
//! still without a row it will never get one. [`Files`](crate::files::Files) does the work.

use std::time::{Duration, Instant};

use crate::error::Result;
use crate::state::AppState;

/// How often it is looked whether the storage takes files again, after it did not.
const TRY_EVERY: Duration = Duration::from_secs(5);

/// Removes the files on record that are older than the grace time and have no row, and what broken writes left; returns how
/// many.
///
/// # Errors
/// `storage_not_ours`, without having removed anything; those of the storage and the database.
pub async fn sweep(state: &AppState) -> Result<u64> {
    let swept = state.storage.sweep().await;
    let ours = !matches!(&swept, Err(error) if error.code() == "storage_not_ours");
    metrics::gauge!("churn_storage_ours").set(f64::from(u8::from(ours)));
    metrics::counter!("churn_swept_files_total").increment(*swept.as_ref().unwrap_or(&0));
    let pending = state.files.pending().await?;
    let due = pending.iter().filter(|file| file.due).count();
    metrics::gauge!("churn_pending_files", "due" => "true").set(due as f64);
    metrics::gauge!("churn_pending_files", "due" => "false").set((pending.len() - due) as f64);
    match swept {
        Ok(removed) => Ok(removed),
        Err(error) => {
            tracing::error!(%error, "the sweep failed; it is tried again");
            Err(error.into())
        }
    }
}

/// Sweeps at the start and then now and then, until the server stops.
pub async fn keep_sweeping(state: AppState) {
    let every = state.config.sweep_every;
    let mut due = Instant::now();
    loop {
        if Instant::now() >= due {
            due = Instant::now() + every;
            // What fails is in the log.
            let _ = sweep(&state).await;
            state.auth.tidy();
            // Timings that were not asked for must not pile up.
            crate::routes::recorder().run_upkeep();
        }
        state.files.try_again().await;
        if sleep_or_stop(&state, every.min(TRY_EVERY)).await {
            return;
        }
    }
}

/// Whether the server was told to stop within this time.
async fn sleep_or_stop(state: &AppState, time: Duration) -> bool {
    tokio::time::timeout(time, state.shutdown.cancelled()).await.is_ok()
}
