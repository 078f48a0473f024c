//! The input of training and scoring: events, and optionally other data about the customers.

use crate::day::Day;
use crate::events::Events;
#[cfg(feature = "train")]
use crate::learn::CustomerWeights;
#[cfg(feature = "subscriptions")]
use crate::subscriptions::Subscriptions;
use crate::table::Table;

/// The data that a model is trained on or scores: events or subscriptions.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Source<'a> {
    /// Events.
    Events(Input<'a>),
    /// Subscriptions.
    #[cfg(feature = "subscriptions")]
    Subscriptions(SubscriptionInput<'a>),
}

impl Source<'_> {
    /// The same data for the customers that a model covers.
    pub(crate) fn covered_only(self) -> Self {
        match self {
            Source::Events(input) => input.include_inactive(false).into(),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => input.include_cancelled(false).into(),
        }
    }

    pub(crate) fn first_day(&self) -> Day {
        match self {
            Source::Events(input) => input.events.first_day(),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => input.subscriptions.first_day(),
        }
    }

    /// The word for an event in sentences.
    #[cfg(feature = "report")]
    pub(crate) fn event_word(&self) -> &'static str {
        match self {
            Source::Events(input) => input.events.event_word(),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(_) => "event",
        }
    }

    pub(crate) fn last_day(&self) -> Day {
        match self {
            Source::Events(input) => input.events.last_day(),
            #[cfg(feature = "subscriptions")]
            Source::Subscriptions(input) => input.subscriptions.last_day(),
        }
    }
}

impl<'a> From<&'a Events> for Source<'a> {
    fn from(events: &'a Events) -> Self {
        Source::Events(events.into())
    }
}

impl<'a> From<Input<'a>> for Source<'a> {
    fn from(input: Input<'a>) -> Self {
        Source::Events(input)
    }
}

#[cfg(feature = "subscriptions")]
impl<'a> From<&'a Subscriptions> for Source<'a> {
    fn from(subscriptions: &'a Subscriptions) -> Self {
        Source::Subscriptions(subscriptions.into())
    }
}

#[cfg(feature = "subscriptions")]
impl<'a> From<SubscriptionInput<'a>> for Source<'a> {
    fn from(input: SubscriptionInput<'a>) -> Self {
        Source::Subscriptions(input)
    }
}

/// Subscriptions, and optionally usage events and a table with more columns about the customers.
#[cfg(feature = "subscriptions")]
#[derive(Clone, Copy)]
pub struct SubscriptionInput<'a> {
    pub(crate) subscriptions: &'a Subscriptions,
    pub(crate) usage: Option<&'a Events>,
    pub(crate) attributes: Option<(&'a Table, &'a str)>,
    pub(crate) include_cancelled: bool,
    pub(crate) allow: &'a [String],
    /// The weights that customers are learned with.
    #[cfg(feature = "train")]
    pub(crate) weights: Option<CustomerWeights<'a>>,
}

#[cfg(feature = "subscriptions")]
impl<'a> From<&'a Subscriptions> for SubscriptionInput<'a> {
    fn from(subscriptions: &'a Subscriptions) -> Self {
        SubscriptionInput {
            subscriptions,
            usage: None,
            attributes: None,
            include_cancelled: false,
            allow: &[],
            #[cfg(feature = "train")]
            weights: None,
        }
    }
}

#[cfg(feature = "subscriptions")]
impl<'a> SubscriptionInput<'a> {
    /// Adds the features of usage events, such as logins, of the same customers.
    pub fn with_usage(self, events: &'a Events) -> Self {
        SubscriptionInput { usage: Some(events), ..self }
    }

    /// Joins the columns of a table, as [`Input::with_attributes`] does.
    pub fn with_attributes(self, table: &'a Table, customer_id: &'a str) -> Self {
        SubscriptionInput { attributes: Some((table, customer_id)), ..self }
    }

    /// Allows findings with these codes, as [`Input::allow`] does.
    pub fn allow(self, codes: &'a [String]) -> Self {
        SubscriptionInput { allow: codes, ..self }
    }

    /// Scores also the customers who have already cancelled. Training refuses this setting.
    pub fn include_cancelled(self, include: bool) -> Self {
        SubscriptionInput { include_cancelled: include, ..self }
    }
}

/// Events, and optionally a table with more columns about the customers.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub(crate) events: &'a Events,
    pub(crate) attributes: Option<(&'a Table, &'a str)>,
    pub(crate) include_inactive: bool,
    pub(crate) allow: &'a [String],
    /// The weights that customers are learned with.
    #[cfg(feature = "train")]
    pub(crate) weights: Option<CustomerWeights<'a>>,
}

impl<'a> From<&'a Events> for Input<'a> {
    fn from(events: &'a Events) -> Self {
        Input {
            events,
            attributes: None,
            include_inactive: false,
            allow: &[],
            #[cfg(feature = "train")]
            weights: None,
        }
    }
}

impl<'a> Input<'a> {
    /// Joins the columns of a table to the features. Rows are matched by the ids in its column `customer_id`. With a column
    /// `valid_from` (the day from which a row is valid), each cutoff uses the latest row of a customer up to that day.
    /// Without it the columns are assumed to be known at every cutoff. The audit cannot verify that, so the finding
    /// `undated_attributes` is reported.
    pub fn with_attributes(self, table: &'a Table, customer_id: &'a str) -> Self {
        Input { attributes: Some((table, customer_id)), ..self }
    }

    /// Allows findings with these codes, which would stop the work otherwise ([`finding_codes`](crate::finding_codes)). The
    /// settings of training have such a list too.
    pub fn allow(self, codes: &'a [String]) -> Self {
        Input { allow: codes, ..self }
    }

    /// Scores also the customers that the model's definition of churn does not cover
    /// ([`LabelConfig::covers`](crate::LabelConfig::covers)). Predictions then state for each customer if it is covered.
    /// Training refuses this setting: its customers are determined by `active_within_days` of the definition.
    pub fn include_inactive(self, include: bool) -> Self {
        Input { include_inactive: include, ..self }
    }
}
