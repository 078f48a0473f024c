//! Reading of periods and of the usage events of the same customers.

use std::collections::HashSet;
use std::path::Path;

use churn::{Day, ErrorKind, Events, Found, ReadOptions, SubscriptionInput, SubscriptionOptions, Subscriptions};

use super::text;
use crate::failure::{Failure, Result};
use crate::reading::{Log, is_parquet, open, read_events, up_to};
use crate::session::Session;

const NAME_THE_COLUMNS: &str = "name the columns with --customer-id, --start-date, --end-date and so on, or the system whose export \
     it is with --preset";
const USAGE_HAS_NO_OPTIONS: &str = "a log of usage events is read without options: write it as CSV with the columns customer_id and \
     event_date (YYYY-MM-DD)";

/// The periods, and the usage events if a log of them was given.
pub(super) struct Data {
    pub(super) subscriptions: Subscriptions,
    pub(super) usage: Option<(Events, Vec<Found>)>,
}

impl Data {
    /// The input of training and scoring.
    pub(super) fn input<'a>(&'a self, allow: &'a [String]) -> SubscriptionInput<'a> {
        let input = SubscriptionInput::from(&self.subscriptions).allow(allow);
        match &self.usage {
            Some((events, _)) => input.with_usage(events),
            None => input,
        }
    }
}

/// Reads periods and prints what was read.
pub(super) fn read_periods(path: &Path, options: &SubscriptionOptions, session: &Session<'_>) -> Result<Subscriptions> {
    let (file, _) = open(path)?;
    let progress = session.progress("Reading");
    let subscriptions = match is_parquet(path) {
        true => from_parquet(file, options),
        false => Subscriptions::from_csv(file, options),
    };
    drop(progress);
    let subscriptions = subscriptions.map_err(|error| match error.kind() {
        ErrorKind::MissingColumn => Failure::at(path, error).with_advice(NAME_THE_COLUMNS),
        _ => Failure::at(path, error),
    })?;
    session.say(&text::read(&subscriptions, &path.display().to_string()));
    Ok(subscriptions)
}

/// The periods as they were known at the end of that day: a model may not learn from what is later either.
pub(super) fn known_by(
    subscriptions: Subscriptions,
    as_of: Option<Day>,
    session: &Session<'_>,
) -> Result<Subscriptions> {
    let Some(day) = as_of else { return Ok(subscriptions) };
    let last = subscriptions.last_day();
    let past = subscriptions.known_by(day)?.into_owned();
    if day > last {
        session
            .say(&format!("  as of        {day}: the data ends earlier, and who has left since {last} is not known\n"));
    }
    if day >= last {
        return Ok(past);
    }
    let later = subscriptions.len() - past.len();
    session
        .say(&format!("  as of        {day}: {later} later periods, and ends that became known later, are not used\n"));
    Ok(past)
}

/// Reads a log of usage events, as it was known at the end of a day, and prints what was read.
pub(super) fn read_usage(
    path: &Path,
    subscriptions: &Subscriptions,
    as_of: Day,
    session: &Session<'_>,
) -> Result<(Events, Vec<Found>)> {
    let read = read_events(path, ReadOptions::default(), true, session);
    let Log { events, found } = read.map_err(|failure| match failure.code {
        "unclear_file" | "missing_column" | "bad_rows" => failure.with_advice(USAGE_HAS_NO_OPTIONS),
        _ => failure,
    })?;
    let users: HashSet<&str> = events.iter().map(|(id, ..)| id).collect();
    // Otherwise training says that there are no customers, which reads like too little data.
    if !subscriptions.customer_ids().any(|id| users.contains(id)) {
        let message = format!("none of the {} customers of {} has a subscription", users.len(), path.display());
        return Err(Failure::new(ErrorKind::NoCustomers, message).with_advice("both files need the same customer ids"));
    }
    let at_the_file =
        |failure: Failure| Failure { message: format!("{}: {}", path.display(), failure.message), ..failure };
    let events = up_to(events, Some(as_of), session).map_err(at_the_file)?;
    Ok((events, found))
}

#[cfg(feature = "parquet")]
fn from_parquet(file: std::fs::File, options: &SubscriptionOptions) -> churn::Result<Subscriptions> {
    Subscriptions::from_parquet(file, options)
}

#[cfg(not(feature = "parquet"))]
fn from_parquet(_: std::fs::File, _: &SubscriptionOptions) -> churn::Result<Subscriptions> {
    Err(crate::reading::without_parquet())
}
