//! Requests that wait for what works in the background (`?wait=SECONDS`), instead of asking again and again.
//!
//! A request that waits looks into the database, at growing distances, until what it waits for has ended, its time is over
//! or the server stops. A job that ends in this process is seen at once. Only so many requests wait at a time, in all and for
//! each organization; one beyond that is answered as it stands.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::error::{ApiError, Result};
use crate::shares::{Place, Shares};
use crate::state::AppState;
use crate::store::{ModelStatus, Page, no_model};

/// The longest that a request may ask to wait.
const LONGEST: u64 = 60;

/// Requests that wait at a time: in all, and of one organization.
const WAITERS: (usize, usize) = (512, 64);

/// The distances between two looks: the first one, and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// How long an answer may be put off.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitQuery {
    /// Wait for so many seconds, 0 to 60, for the end of what is under way; an answer comes as soon as it ends, and in any
    /// case before the time limit of requests. Left out: answer at once.
    #[param(minimum = 0, maximum = 60)]
    wait: Option<u64>,
}

/// Those who wait, and what wakes them.
#[derive(Debug)]
pub struct Waiting {
    room: Shares,
    ended: watch::Sender<()>,
}

impl Default for Waiting {
    fn default() -> Self {
        Waiting { room: Shares::new(WAITERS.0, WAITERS.1), ended: watch::Sender::new(()) }
    }
}

impl Waiting {
    /// Lets all who wait look again: a job has ended here.
    pub fn wake(&self) {
        self.ended.send_replace(());
    }
}

/// A request that waits: it looks, and then waits for another look.
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
    place: Option<Place>,
}

impl<'a> Wait<'a> {
    /// As long as was asked for.
    ///
    /// # Errors
    /// `invalid_query` for a wait that is too long.
    pub fn asked(state: &'a AppState, org_id: &'a str, asked: WaitQuery) -> Result<Self> {
        let seconds = asked.wait.unwrap_or(0);
        if seconds > LONGEST {
            let message = format!("wait is {seconds}; expected 0 to {LONGEST} seconds");
            return Err(ApiError::bad_request("invalid_query", message));
        }
        Ok(Wait::new(state, org_id, Duration::from_secs(seconds)))
    }

    /// As long as that, but not longer than leaves a request the time to answer.
    fn new(state: &'a AppState, org_id: &'a str, time: Duration) -> Self {
        let limit = state.config.request_timeout;
        let longest = limit.saturating_sub(Duration::from_secs(2)).max(limit / 2);
        let (end, ended) = (Instant::now() + time.min(longest), state.waiting.ended.subscribe());
        Wait { state, org_id, end, ended, pause: LOOKS.0, place: None }
    }

    /// Waits until it is time for another look; false if there is to be none.
    pub async fn again(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.end || self.state.shutdown.is_cancelled() {
            return false;
        }
        if self.place.is_none() {
            self.place = self.state.waiting.room.take(self.org_id).ok();
        }
        if self.place.is_none() {
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
/// `no_model` if none is being trained, with the reason if the training failed; `training_under_way` if the time of the
/// request does not suffice.
pub async fn first_model(state: &AppState, org_id: &str) -> Result<()> {
    let newest = Page { limit: 1, offset: 0 };
    let mut wait = Wait::new(state, org_id, Duration::MAX);
    loop {
        // In this order: a training that ends in between has its model.
        let is_training = state.store.models(org_id, Some(ModelStatus::Training), newest).await?.total > 0;
        match state.store.models_in_use(org_id).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() != "no_model" => return Err(error),
            Err(_) if !is_training => break,
            Err(_) => (),
        }
        if !wait.again().await {
            let message =
                "the first model of this organization is still being trained; come again, or see training-status";
            return Err(ApiError::come_again("training_under_way", message));
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
