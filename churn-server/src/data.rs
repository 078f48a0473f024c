//! The data of a file: a log of events, or the periods of subscriptions with the usage events of the same customers.

use std::io::Read;

use churn::{
    Day, Events, FeatureConfig, FeatureTable, Input, Observer, ReadOptions, Source, SubscriptionInput,
    SubscriptionOptions, Subscriptions, features, subscription_features,
};
use serde::{Deserialize, Serialize};

use crate::store::DataKind;

/// Rows of a log that take as much memory as one period.
pub const ROWS_OF_A_PERIOD: u64 = 10;

/// Kind of the data of a file, with the options for reading it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DataForm {
    /// As subscription periods.
    Subscriptions {
        /// Options for reading the periods.
        subscriptions: Box<SubscriptionOptions>,
    },
    /// As a log of events.
    Events(Box<ReadOptions>),
}

impl From<ReadOptions> for DataForm {
    fn from(options: ReadOptions) -> Self {
        DataForm::Events(Box::new(options))
    }
}

impl From<SubscriptionOptions> for DataForm {
    fn from(options: SubscriptionOptions) -> Self {
        DataForm::Subscriptions { subscriptions: Box::new(options) }
    }
}

impl DataForm {
    /// The kind of the data.
    pub fn kind(&self) -> DataKind {
        match self {
            DataForm::Events(_) => DataKind::Events,
            DataForm::Subscriptions { .. } => DataKind::Subscriptions,
        }
    }

    /// The same form for a file in UTF-8, as files are stored.
    pub fn stored(mut self) -> Self {
        match &mut self {
            DataForm::Events(options) => options.encoding = None,
            DataForm::Subscriptions { subscriptions } => subscriptions.encoding = None,
        }
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// The errors of the library.
    pub fn read(&self, reader: impl Read + Send, observer: &dyn Observer) -> churn::Result<Data> {
        match self {
            DataForm::Events(options) => {
                Ok(Data::Events(Box::new(Events::from_csv_observed(reader, options, observer)?)))
            }
            DataForm::Subscriptions { subscriptions: options } => {
                let subscriptions = Box::new(Subscriptions::from_csv_observed(reader, options, observer)?);
                Ok(Data::Subscriptions { subscriptions, usage: None })
            }
        }
    }
}

/// Data in memory.
#[derive(Debug)]
pub enum Data {
    /// A log.
    Events(Box<Events>),
    /// Subscriptions.
    Subscriptions {
        /// The periods.
        subscriptions: Box<Subscriptions>,
        /// The usage events of the same customers.
        usage: Option<Box<Events>>,
    },
}

impl Data {
    /// The input of training and scoring. `include_uncovered` adds the customers whom the definition of churn does not cover: those
    /// without an event for a long time, and those who have already cancelled.
    pub fn source<'a>(&'a self, allow: &'a [String], include_uncovered: bool) -> Source<'a> {
        match self {
            Data::Events(events) => Input::from(&**events).allow(allow).include_inactive(include_uncovered).into(),
            Data::Subscriptions { subscriptions, usage } => {
                let input = SubscriptionInput::from(&**subscriptions).allow(allow).include_cancelled(include_uncovered);
                match usage {
                    Some(events) => input.with_usage(events).into(),
                    None => input.into(),
                }
            }
        }
    }

    /// The first day.
    pub fn first_day(&self) -> Day {
        match self {
            Data::Events(events) => events.first_day(),
            Data::Subscriptions { subscriptions, .. } => subscriptions.first_day(),
        }
    }

    /// The last day.
    pub fn last_day(&self) -> Day {
        match self {
            Data::Events(events) => events.last_day(),
            Data::Subscriptions { subscriptions, .. } => subscriptions.last_day(),
        }
    }

    /// The rows that were read and left out.
    pub fn report(&self) -> &churn::IngestReport {
        match self {
            Data::Events(events) => events.report(),
            Data::Subscriptions { subscriptions, .. } => subscriptions.report(),
        }
    }

    /// Computes the features of the customers at the last day: `rfm` for a log; for subscriptions those of the customers with a
    /// running period.
    ///
    /// # Errors
    /// The errors of the library.
    pub fn features(&self, allowed_gap_days: i32) -> churn::Result<FeatureTable> {
        match self {
            Data::Events(events) => features(&events.split_at(events.last_day()).0, &FeatureConfig::default()),
            Data::Subscriptions { subscriptions, .. } => {
                subscription_features(&subscriptions.known_at(subscriptions.last_day()), allowed_gap_days)
            }
        }
    }
}
