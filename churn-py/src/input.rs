//! The input of calls on a log: a joined table, the day, the findings that do not stop the work.

use churn::{Day, Input, SubscriptionInput};
use pyo3::prelude::*;

use crate::convert::{json, optional_day, quote_for_message};
use crate::error::invalid;
use crate::events::Events;
use crate::table::{Taken, table};

/// The id column of a table that is joined to the features of a log.
const JOINED_BY: &str = "customer_id";

/// Options that go with the input of a call.
pub(crate) struct With<'a, 'py> {
    pub(crate) as_of: Option<Day>,
    attributes: Option<&'a Bound<'py, PyAny>>,
    pub(crate) customer_id: Option<&'a str>,
    pub(crate) include_inactive: bool,
    allow: Vec<String>,
    usage: Option<&'a Bound<'py, Events>>,
}

impl<'a, 'py> With<'a, 'py> {
    pub(crate) fn new(
        as_of: Option<&Bound<'py, PyAny>>,
        attributes: Option<&'a Bound<'py, PyAny>>,
        customer_id: Option<&'a str>,
        include_inactive: bool,
        allow: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        Ok(With {
            as_of: optional_day(as_of)?,
            attributes,
            customer_id,
            include_inactive,
            allow: codes(allow)?,
            usage: None,
        })
    }

    /// Adds the usage events of subscriptions.
    pub(crate) fn usage(self, usage: Option<&'a Bound<'py, Events>>) -> Self {
        With { usage, ..self }
    }

    pub(crate) fn subscriptions<'b>(
        &'b self,
        subscriptions: &'b churn::Subscriptions,
        attributes: Option<&'b churn::Table>,
    ) -> SubscriptionInput<'b> {
        of_subscriptions(subscriptions, self.usage, attributes)
            .include_cancelled(self.include_inactive)
            .allow(&self.allow)
    }

    pub(crate) fn input<'b>(&'b self, events: &'b churn::Events, attributes: Option<&'b churn::Table>) -> Input<'b> {
        joined(events, attributes).include_inactive(self.include_inactive).allow(&self.allow)
    }

    pub(crate) fn attributes(&self) -> PyResult<Option<churn::Table>> {
        attributes(self.attributes)
    }
}

/// Reads the codes of findings that do not stop the work.
fn codes(allow: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(allow) = allow.filter(|allow| !allow.is_none()) else { return Ok(Vec::new()) };
    serde_json::from_value(json(allow, "allow", 0)?)
        .map_err(|_| invalid(format!("allow is {}; expected a list of codes of findings", quote_for_message(allow))))
}

/// Reads the table to join.
pub(crate) fn attributes(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<churn::Table>> {
    let taken = Taken { customer_id: Some(JOINED_BY), dated: true, ..Taken::default() };
    let object = object.filter(|object| !object.is_none());
    object.map(|object| table(object, &taken).map(|(table, _)| table)).transpose()
}

/// Subscriptions with their usage events and a joined table.
pub(crate) fn of_subscriptions<'a>(
    subscriptions: &'a churn::Subscriptions,
    usage: Option<&'a Bound<'_, Events>>,
    attributes: Option<&'a churn::Table>,
) -> SubscriptionInput<'a> {
    let mut input = SubscriptionInput::from(subscriptions);
    if let Some(usage) = usage {
        input = input.with_usage(&usage.get().inner);
    }
    match attributes {
        Some(table) => input.with_attributes(table, JOINED_BY),
        None => input,
    }
}

pub(crate) fn joined<'a>(events: &'a churn::Events, attributes: Option<&'a churn::Table>) -> Input<'a> {
    match attributes {
        Some(table) => Input::from(events).with_attributes(table, JOINED_BY),
        None => events.into(),
    }
}
