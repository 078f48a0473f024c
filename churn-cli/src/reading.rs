//! Reading of logs and models from files.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use churn::{Day, ErrorKind, Events, Found, Model, Observer, ReadOptions, detect};

use crate::arguments::ReadArgs;
use crate::failure::{Failure, Result};
use crate::session::Session;
use crate::summary;

/// A log, and the form of its file.
#[derive(Debug)]
pub struct Log {
    /// The events.
    pub events: Events,
    /// The options of the reader that were found in the file.
    pub found: Vec<Found>,
}

/// Reads a log and prints what was read. A file named `.parquet` is read as Parquet, any other one as CSV, whose form is found
/// where no option gives it.
///
/// # Errors
/// `unclear_file` for a file that can be read in several ways; the errors of [`Events::from_csv`], with the file.
pub fn read_log(path: &Path, arguments: &ReadArgs, session: &Session<'_>) -> Result<Log> {
    read_events(path, arguments.options(), !arguments.no_detect, session)
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata)> {
    let failed = |error: io::Error| Failure::io("cannot read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.is_dir() {
        return Err(Failure::new(ErrorKind::Io, format!("cannot read {}: it is a folder", path.display())));
    }
    Ok((file, metadata))
}

/// True for a file that is read as Parquet.
pub(crate) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet"))
}

/// [`read_log`] with options of the core; `detects` finds the form of a CSV file.
pub(crate) fn read_events(path: &Path, mut options: ReadOptions, detects: bool, session: &Session<'_>) -> Result<Log> {
    let failed = |error: io::Error| Failure::io("cannot read", path, &error);
    let (mut file, metadata) = open(path)?;
    let mut found = Vec::new();
    let is_parquet = is_parquet(path);
    // A pipe can be read only once.
    let mut piped = None;
    if !is_parquet && !metadata.is_file() {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        piped = Some(bytes);
    }
    if !is_parquet && detects {
        let detected = match &piped {
            Some(bytes) => detect(&bytes[..], &options),
            None => detect(&file, &options),
        };
        let detected = detected.map_err(|error| Failure::at(path, error))?;
        if piped.is_none() {
            file.rewind().map_err(failed)?;
        }
        session.check_interrupted()?;
        session.say(&summary::found(&detected));
        found.clone_from(&detected.found);
        options = detected.into_options().map_err(|error| Failure::at(path, error))?;
    }
    let events = match is_parquet {
        true => read_parquet(file, &options, &session.progress("Reading")),
        false => {
            let progress = session.progress("Reading").of_bytes(metadata.len());
            match piped {
                Some(bytes) => Events::from_csv_observed(&bytes[..], &options, &progress),
                None => Events::from_csv_observed(file, &options, &progress),
            }
        }
    };
    let events = events.map_err(|error| Failure::at(path, error))?;
    session.say(&summary::read(&events, &path.display().to_string()));
    Ok(Log { events, found })
}

/// The log as it was known at the end of that day: a model may not learn from what is later either.
///
/// # Errors
/// `no_good_rows` if the log begins later.
pub fn up_to(events: Events, as_of: Option<Day>, session: &Session<'_>) -> Result<Events> {
    let Some(day) = as_of else { return Ok(events) };
    if day > events.last_day() {
        session
            .say(&format!("  as of        {day}: the log ends earlier, so its customers look quieter than they are\n"));
    }
    if day >= events.last_day() {
        return Ok(events);
    }
    let past = events.truncated(day)?;
    let later = events.len() - past.len();
    session.say(&format!("  as of        {day}: {later} later events are not used\n"));
    Ok(past)
}

/// Reads a model document.
///
/// # Errors
/// `io`, and the errors of [`Model::from_json`], with the file.
pub fn read_model(path: &Path) -> Result<Model> {
    let text = fs::read_to_string(path).map_err(|error| Failure::io("cannot read", path, &error))?;
    Model::from_json(&text).map_err(|error| Failure::at(path, error))
}

#[cfg(feature = "parquet")]
fn read_parquet(file: File, options: &ReadOptions, observer: &dyn Observer) -> churn::Result<Events> {
    Events::from_parquet_observed(file, options, observer)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(_: File, _: &ReadOptions, _: &dyn Observer) -> churn::Result<Events> {
    Err(without_parquet())
}

/// The error of a program that cannot read Parquet files.
#[cfg(not(feature = "parquet"))]
pub(crate) fn without_parquet() -> churn::Error {
    io::Error::other("this program was built without the feature parquet and reads CSV only").into()
}
