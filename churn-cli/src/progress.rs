//! Progress on standard error: one line that is rewritten. Only a terminal is shown it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use churn::Observer;

use crate::session::Session;

/// Time between two versions of the line.
const PAUSE: Duration = Duration::from_millis(100);
/// Characters of the line, so that a shorter version covers a longer one.
const WIDTH: usize = 70;

/// A step of the work: the observer that shows its progress, lends its clock and stops it after Ctrl-C.
pub struct Progress<'a> {
    session: &'a Session<'a>,
    began: Instant,
    /// Size in bytes of the file that is read, if it is known.
    bytes: u64,
    shown: Mutex<Shown>,
}

/// The line as it is now.
struct Shown {
    stage: &'static str,
    at: Instant,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(session: &'a Session<'a>, words: &'static str) -> Self {
        let now = Instant::now();
        let progress = Progress { session, began: now, bytes: 0, shown: Mutex::new(Shown { stage: "", at: now }) };
        progress.show(words);
        progress
    }

    /// The progress of reading a file of this size in bytes.
    #[must_use]
    pub(crate) fn of_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    fn show(&self, text: &str) {
        if self.session.shows_progress() {
            self.session.show(&format!("\r{text:<WIDTH$}"));
        }
    }

    fn line(&self, stage: &str, done: u64, total: u64) -> String {
        let seconds = self.began.elapsed().as_secs();
        let words = words(stage);
        match (stage, total) {
            ("read", _) if self.bytes > 0 => format!("{words}: {} %", (100 * done / self.bytes).min(100)),
            ("read", _) => format!("{words}  {seconds} s"),
            (_, 0 | 1) => format!("{words}  {seconds} s"),
            _ => format!("{words}: {done} of {total}  {seconds} s"),
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.session.shows_progress() {
            self.session.show(&format!("\r{:WIDTH$}\r", ""));
        }
    }
}

impl Observer for Progress<'_> {
    fn elapsed(&self) -> Option<Duration> {
        Some(self.session.elapsed())
    }

    fn cancelled(&self) -> bool {
        self.session.interrupted()
    }

    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        if !self.session.shows_progress() {
            return;
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.stage == stage && shown.at.elapsed() < PAUSE {
            return;
        }
        *shown = Shown { stage, at: Instant::now() };
        self.show(&self.line(stage, done, total));
    }
}

/// The stages of the core in words.
fn words(stage: &str) -> &str {
    match stage {
        "read" => "Reading",
        "labels" => "Finding out who churned",
        "features" => "Computing features",
        "audit" => "Deleting the future and computing again",
        "search" => "Trying recipes",
        "cross-fit" => "Fitting and calibrating",
        "trees" => "Growing trees",
        "fit" => "Fitting the final model",
        "evaluate" => "Judging on unseen customers",
        other => other,
    }
}
