//! Progress on standard error; nothing if that is no terminal.

use std::io::Read;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use churn::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// One line that follows the stages of the work.
pub(crate) struct Progress {
    bar: ProgressBar,
    stage: Mutex<&'static str>,
    began: Instant,
}

const STAGE: &str = "{spinner} {msg} {elapsed}";
const STEPS: &str = "{spinner} {msg} [{bar:32}] {pos}/{len} {elapsed}";
const BYTES: &str = "{spinner} {msg} [{bar:32}] {bytes}/{total_bytes} {eta}";

impl Progress {
    pub(crate) fn start(words: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_style(style(STAGE)).with_message(words);
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { bar, stage: Mutex::new(""), began: Instant::now() }
    }

    /// Counts the bytes that go through a reader of known length.
    pub(crate) fn reading<R: Read>(&self, reader: R, bytes: u64) -> impl Read + use<R> {
        self.bar.set_style(style(BYTES));
        self.bar.set_length(bytes);
        self.bar.wrap_read(reader)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn elapsed(&self) -> Option<Duration> {
        Some(self.began.elapsed())
    }

    fn progress(&self, stage: &'static str, done: u64, total: u64) {
        let mut current = self.stage.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *current != stage {
            *current = stage;
            self.bar.set_message(words(stage));
            self.bar.set_style(style(if total > 1 { STEPS } else { STAGE }));
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

fn words(stage: &'static str) -> &'static str {
    match stage {
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are valid").progress_chars("━╸─")
}
