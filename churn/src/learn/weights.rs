//! The weights that rows are learned with: those of a table's rows, and those of customers from a joined table.

use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::Strings;
use crate::table::{ColumnData, Table};

/// The weights of customers.
#[derive(Clone, Copy)]
pub(crate) struct CustomerWeights<'a> {
    /// The column that they come from.
    column: &'a str,
    /// The weight of each customer, by number; NaN for a customer without one.
    weights: &'a [f64],
}

impl<'a> CustomerWeights<'a> {
    pub(super) fn column(self) -> &'a str {
        self.column
    }

    /// The weights of rows of these customers, whose ids are given too.
    ///
    /// # Errors
    /// `invalid_column` for a customer without a weight.
    pub(super) fn of_rows(self, customers: &[u32], ids: &Strings) -> Result<Vec<f64>> {
        let of = |&customer: &u32| {
            let weight = self.weights[customer as usize];
            if !weight.is_nan() {
                return Ok(weight);
            }
            let message = format!(
                "the customer {:?} has no weight: the joined table needs a row, with a {:?}, for each customer that is learned from",
                ids.get(customer as usize),
                self.column
            );
            Err(Error::new(ErrorKind::InvalidColumn, message))
        };
        customers.iter().map(of).collect()
    }
}

/// The weights in a column of a table, each above 0 and at most 10^9.
pub(super) fn row_weights(table: &Table, name: &str) -> Result<Vec<f64>> {
    let ColumnData::Numeric(weights) = table.column(name)? else {
        return Err(Error::new(ErrorKind::InvalidColumn, format!("the weight column {name:?} is not numeric")));
    };
    check_weights(weights, &format!("the weight in {name:?}"))?;
    Ok(weights.clone())
}

/// Returns an error for a weight that is not above 0 and at most 10^9. `what` says in the message what the weight is.
pub(super) fn check_weights(weights: &[f64], what: &str) -> Result<()> {
    let Some(row) = weights.iter().position(|w| !(*w > 0.0 && *w <= 1e9)) else { return Ok(()) };
    let message = format!("row {}: {what} is {}; expected a number above 0 and at most 10^9", row + 1, weights[row]);
    Err(Error::new(ErrorKind::InvalidColumn, message).at_line(row as u64 + 1))
}

/// The weights of customers, read from a column of the joined table; none if no column is named.
pub(super) struct WeightColumn<'a> {
    column: Option<&'a str>,
    weights: Vec<f64>,
}

impl<'a> WeightColumn<'a> {
    /// Reads the column. `ids` are those of the customers.
    ///
    /// # Errors
    /// `invalid_parameter` without a joined table, or for one whose rows have days; the errors of the column.
    pub(super) fn read(joined: Option<(&Table, &str)>, column: Option<&'a str>, ids: &Strings) -> Result<Self> {
        let Some(name) = column else { return Ok(WeightColumn { column, weights: Vec::new() }) };
        let refused = |expected: &str| Err(invalid_parameter("weight", format!("{name:?}"), expected));
        let Some((table, customer_id)) = joined else {
            return refused("none: there is no joined table that could have such a column");
        };
        if table.valid_from()?.is_some() {
            return refused("a column of a joined table without valid_from: a customer has one weight at all cutoffs");
        }
        let (of_rows, ids_of_rows) = (row_weights(table, name)?, table.customer_ids(Some(customer_id))?);
        let mut weights = vec![f64::NAN; ids.len()];
        for (row, weight) in of_rows.into_iter().enumerate() {
            if let Some(customer) = ids.search(ids_of_rows.get(row)) {
                weights[customer] = weight;
            }
        }
        Ok(WeightColumn { column, weights })
    }

    pub(super) fn weights(&self) -> Option<CustomerWeights<'_>> {
        self.column.map(|column| CustomerWeights { column, weights: &self.weights })
    }
}
