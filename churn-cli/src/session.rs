//! One run of the command: its streams, its switches, and how it ends.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use churn::ErrorKind;
use serde::Serialize;
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::exit;
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// A question whether the user wants the work to end. Once it was answered with yes, the answer stays yes.
pub type Interrupted<'a> = dyn Fn() -> bool + Sync + 'a;

/// The streams that a run writes to.
pub struct Streams {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Errors and progress.
    pub err: Box<dyn Write + Send>,
    /// True if `err` is a terminal. Only a terminal is shown progress.
    pub terminal: bool,
}

impl Streams {
    /// The standard streams of the process.
    pub fn standard() -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let terminal = err.is_terminal();
        Streams { out: Box::new(out), err: Box::new(err), terminal }
    }
}

/// One run of the command.
pub struct Session<'a> {
    out: Mutex<Box<dyn Write + Send>>,
    err: Mutex<Box<dyn Write + Send>>,
    shows_progress: bool,
    json: bool,
    interrupted: &'a Interrupted<'a>,
    began: Instant,
}

impl<'a> Session<'a> {
    /// Begins a run that prints text and, on a terminal, its progress.
    pub fn new(streams: Streams, interrupted: &'a Interrupted<'a>) -> Self {
        Session {
            out: Mutex::new(streams.out),
            err: Mutex::new(streams.err),
            shows_progress: streams.terminal,
            json: false,
            interrupted,
            began: Instant::now(),
        }
    }

    /// Prints one JSON document instead of text.
    #[must_use]
    pub fn with_json(self, json: bool) -> Self {
        Session { json, ..self }
    }

    /// Shows no progress.
    #[must_use]
    pub fn with_quiet(self, quiet: bool) -> Self {
        Session { shows_progress: self.shows_progress && !quiet, ..self }
    }

    /// Prints a result for people. Does nothing in a run that prints a JSON document.
    pub fn say(&self, text: &str) {
        if self.json {
            return;
        }
        // An id of a customer may contain what moves the cursor of a terminal.
        let shown = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
        let mut out = lock(&self.out);
        // A reader who has seen enough (`| head -1`) is no reason to stop the work.
        let _ = out.write_all(shown.as_bytes()).and_then(|()| out.flush());
    }

    /// Prints the JSON document of the results. Does nothing in a run that prints text.
    ///
    /// # Errors
    /// `io` if the document cannot be written.
    pub fn document(&self, document: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = lock(&self.out);
        serde_json::to_writer_pretty(&mut **out, document)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .and_then(|()| out.flush())
            .map_err(|error| Failure::new(ErrorKind::Io, format!("cannot write the JSON document: {error}")))
    }

    /// Begins a step whose progress is shown. Give the result to the calls of the core that take an observer.
    pub fn progress(&self, words: &'static str) -> Progress<'_> {
        Progress::new(self, words)
    }

    /// Returns an error if the user wants the work to end. Call it between steps that no observer can stop.
    ///
    /// # Errors
    /// `cancelled`.
    pub fn check_interrupted(&self) -> Result<()> {
        match self.interrupted() {
            true => Err(Failure::new(ErrorKind::Cancelled, "interrupted")),
            false => Ok(()),
        }
    }

    /// The time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Prints the failure of a run, if it failed, and returns the exit code.
    pub fn end(&self, result: Result<u8>) -> u8 {
        let failure = match result {
            Ok(code) => return code,
            // Whatever failed then, failed because the work was ended.
            Err(_) if self.interrupted() => Failure::new(ErrorKind::Cancelled, "interrupted"),
            Err(failure) => failure,
        };
        // The message is for people also then, and a document that cannot be written does not change the exit code.
        let _ = self.document(&serde_json::json!({ "error": failure }));
        let hint = failure.hint().map_or(String::new(), |hint| format!("hint: {hint}\n"));
        let mut err = lock(&self.err);
        let _ = write!(err, "error: {}: {}\n{hint}", failure.code, failure.message).and_then(|()| err.flush());
        failure.exit_code()
    }

    pub(crate) fn interrupted(&self) -> bool {
        (self.interrupted)()
    }

    pub(crate) fn shows_progress(&self) -> bool {
        self.shows_progress
    }

    /// Writes a part of the line of the progress.
    pub(crate) fn show(&self, text: &str) {
        let mut err = lock(&self.err);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the work of a program with the standard streams and returns its exit code. Ctrl-C asks the work to end; a second one
/// ends the program at once.
pub fn program(work: impl FnOnce(Streams, &Interrupted<'_>) -> u8) -> std::process::ExitCode {
    let pressed = Arc::new(AtomicBool::new(false));
    // The order counts: the first Ctrl-C finds the flag not set, so it only sets it. Without the handler, which is possible
    // only if the system refuses it, Ctrl-C ends the program as it does by default.
    let _ = flag::register_conditional_shutdown(SIGINT, exit::INTERRUPTED.into(), Arc::clone(&pressed))
        .and_then(|_| flag::register(SIGINT, Arc::clone(&pressed)));
    work(Streams::standard(), &|| pressed.load(Ordering::Relaxed)).into()
}
