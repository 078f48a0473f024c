//! The data that a model is given: events, and what else is known of the customers.

use crate::events::Events;
use crate::table::Table;

/// Events, and optionally a table with further columns of the customers.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub(crate) events: &'a Events,
    pub(crate) attributes: Option<(&'a Table, &'a str)>,
    pub(crate) include_inactive: bool,
    pub(crate) allow: &'a [String],
}

impl<'a> From<&'a Events> for Input<'a> {
    fn from(events: &'a Events) -> Self {
        Input { events, attributes: None, include_inactive: false, allow: &[] }
    }
}

impl<'a> Input<'a> {
    /// Joins the columns of a table, found by the ids in its column `customer_id`, to the features. With a column `valid_from`
    /// (the day from which a row holds) each cutoff sees the latest row of a customer by then. Without it the columns are
    /// taken as known at every cutoff, which the audit cannot verify: the finding `undated_attributes` says so.
    pub fn with_attributes(self, table: &'a Table, customer_id: &'a str) -> Self {
        Input { attributes: Some((table, customer_id)), ..self }
    }

    /// Goes on in spite of findings with these codes, which would stop the work otherwise
    /// ([`finding_codes`](crate::finding_codes)). Training has them in its settings too.
    pub fn allow(self, codes: &'a [String]) -> Self {
        Input { allow: codes, ..self }
    }

    /// Scores everybody, also the customers that the model's definition of churn does not cover
    /// ([`LabelConfig::covers`](crate::LabelConfig::covers)); predictions then say of each whether it does. Training refuses
    /// this: what it learns from is `active_within_days` of the definition.
    pub fn include_inactive(self, include: bool) -> Self {
        Input { include_inactive: include, ..self }
    }
}
