//! Long polling: requests that wait for background work (`?wait=SECONDS`) instead of asking again and again.
//!
//! A waiting request reads the database at growing intervals until the work has ended, its time is over, or the server stops.
//! It sees the end of a job of this process at once. The number of waiting requests is limited, in total and per organization;
//! a request beyond the limit is answered without waiting.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::error::{ApiError, Result};
use crate::shares::{Shares, SlotGuard};
use crate::state::AppState;
use crate::store::{ModelStatus, PageQuery, no_model};

/// Maximum wait in seconds that a request may ask for.
const LONGEST: u64 = 60;

/// Maximum number of waiting requests: in total, and of one organization.
const WAITERS: (usize, usize) = (512, 64);

/// Interval between two reads of the database: the first, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// Maximum time that the response may be delayed.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Wait up to this many seconds, 0 to 60, for the end of the work in progress. The response comes as soon as it ends, and
    /// in any case before the time limit of requests. Left out: the response comes at once.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Slots for waiting requests, and the signal that wakes them.
#[derive(Debug)]
pub struct WaitSlots {
    room: Shares,
    ended: watch::Sender<()>,
}

impl Default for WaitSlots {
    fn default() -> Self {
        WaitSlots { room: Shares::new(WAITERS.0, WAITERS.1), ended: watch::Sender::new(()) }
    }
}

impl WaitSlots {
    /// Wakes all waiting requests because a job has ended in this process.
    pub fn wake(&self) {
        self.ended.send_replace(());
    }
}

/// A waiting request: it reads the state, and then waits for the next read.
///
/// ```text
/// let found = loop {
///     let found = look().await?;
///     if is_settled(&found) || !wait.again().await {
///         break found;
///     }
/// };
/// ```
#[derive(Debug)]
pub struct Wait<'a> {
    state: &'a AppState,
    org_id: &'a str,
    end: Instant,
    ended: watch::Receiver<()>,
    pause: Duration,
    slot: Option<SlotGuard>,
}

impl<'a> Wait<'a> {
    /// Creates a wait of the requested time.
    ///
    /// # Errors
    /// `invalid_query` for a wait that is too long.
    pub fn from_query(state: &'a AppState, org_id: &'a str, query: WaitQuery) -> Result<Self> {
        let seconds = query.wait.unwrap_or(0);
        if seconds > LONGEST {
            let message = format!("wait is {seconds}; expected 0 to {LONGEST} seconds");
            return Err(ApiError::bad_request("invalid_query", message));
        }
        Ok(Wait::new(state, org_id, Duration::from_secs(seconds)))
    }

    /// Creates a wait of `time`, but leaves enough of the request's time limit to answer.
    fn new(state: &'a AppState, org_id: &'a str, time: Duration) -> Self {
        let limit = state.config.request_timeout;
        let longest = limit.saturating_sub(Duration::from_secs(2)).max(limit / 2);
        let (end, ended) = (Instant::now() + time.min(longest), state.waiting.ended.subscribe());
        Wait { state, org_id, end, ended, pause: LOOKS.0, slot: None }
    }

    /// Waits until the next read is due. Returns false if there must be no further read.
    pub async fn next_poll(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.end || self.state.shutdown.is_cancelled() {
            return false;
        }
        if self.slot.is_none() {
            self.slot = self.state.waiting.room.take(self.org_id).ok();
        }
        if self.slot.is_none() {
            return false;
        }
        tokio::select! {
            () = tokio::time::sleep_until(self.end.min(now + self.pause)) => (),
            // The sender lives as long as the state.
            _ = self.ended.changed() => (),
            () = self.state.shutdown.cancelled() => (),
        }
        self.pause = (self.pause * 2).min(LOOKS.1);
        true
    }
}

/// Waits for the first model of an organization while its training is under way.
///
/// # Errors
/// `no_model` if no model is being trained, with the reason if the training failed; `training_under_way` if the time limit of
/// the request is too short.
pub async fn first_model(state: &AppState, org_id: &str) -> Result<()> {
    let newest = PageQuery { limit: 1, offset: 0 };
    let mut wait = Wait::new(state, org_id, Duration::MAX);
    loop {
        // This order matters: a training that ends between the two reads has its model in the second.
        let is_training = state.store.models(org_id, Some(ModelStatus::Training), newest).await?.total > 0;
        match state.store.models_in_use(org_id).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() != "no_model" => return Err(error),
            Err(_) if !is_training => break,
            Err(_) => (),
        }
        if !wait.next_poll().await {
            let message =
                "the first model of this organization is still being trained; come again, or see training-status";
            return Err(ApiError::service_unavailable("training_under_way", message));
        }
    }
    let newest = state.store.models(org_id, None, newest).await?.rows.into_iter().next();
    let error = no_model(org_id);
    match newest.filter(|row| row.status == ModelStatus::Failed).and_then(|row| row.error_message) {
        Some(reason) => {
            let message = format!("{}. The newest training failed: {reason}", error.message());
            Err(ApiError::not_found("no_model", message))
        }
        None => Err(error),
    }
}
