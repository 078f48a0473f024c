//! What a model looks at: events, and what else is known of the customers.

use crate::events::Events;
use crate::table::Table;

/// Events, and optionally a table with further columns of the customers.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub(crate) events: &'a Events,
    pub(crate) attributes: Option<(&'a Table, &'a str)>,
}

impl<'a> From<&'a Events> for Input<'a> {
    fn from(events: &'a Events) -> Self {
        Input { events, attributes: None }
    }
}

impl<'a> Input<'a> {
    /// Joins the columns of a table, found by the ids in its column `customer_id`, to the features. They must be what was
    /// known at the cutoffs: the audit cannot see into them.
    pub fn with_attributes(self, table: &'a Table, customer_id: &'a str) -> Self {
        Input { attributes: Some((table, customer_id)), ..self }
    }
}
