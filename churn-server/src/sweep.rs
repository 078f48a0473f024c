//! Takes away what a crash can leave: files that no row speaks of.
//!
//! A file is written first and its row after it, so a crash between the two loses nothing that was acknowledged, but leaves
//! a file. One that is older than the grace time and still without a row will never get one.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::state::AppState;
use crate::storage::Bucket;

/// Removes the files without a row that are older than the grace time, and what broken writes left; returns how many.
///
/// # Errors
/// Those of the storage and the database.
pub async fn sweep(state: &AppState) -> Result<u64> {
    let mut removed = state.storage.sweep().await?;
    let too_young = SystemTime::now().checked_sub(state.config.orphan_grace).unwrap_or(SystemTime::UNIX_EPOCH);
    for bucket in Bucket::ALL {
        let old: Vec<_> = state.storage.list(bucket, "").await?;
        // One whose age is not known is left alone.
        let is_old = |modified| modified < too_young && modified > SystemTime::UNIX_EPOCH;
        let old: Vec<_> = old.into_iter().filter(|object| is_old(object.modified)).collect();
        if old.is_empty() {
            continue;
        }
        // After the list, so that a row that was added meanwhile is seen.
        let kept: HashSet<String> = state.store.file_keys().await?.into_iter().collect();
        for object in old {
            if !kept.contains(&object.location.to_string()) {
                tracing::info!(at = %object.location, bytes = object.size, "an orphan is removed");
                removed += u64::from(state.storage.delete(&object.location).await?);
            }
        }
    }
    Ok(removed)
}

/// Sweeps at the start and then now and then, until the server stops.
pub async fn keep_sweeping(state: AppState) {
    loop {
        if let Err(error) = sweep(&state).await {
            tracing::warn!(%error, "the sweep failed; it is tried again");
        }
        state.auth.tidy();
        // Timings that were not asked for must not pile up.
        crate::routes::recorder().run_upkeep();
        if sleep_or_stop(&state, state.config.sweep_every).await {
            return;
        }
    }
}

/// Whether the server was told to stop within this time.
async fn sleep_or_stop(state: &AppState, time: Duration) -> bool {
    tokio::time::timeout(time, state.shutdown.cancelled()).await.is_ok()
}
