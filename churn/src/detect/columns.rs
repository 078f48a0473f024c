//! Which column of a file is the customer, the day, the amount, the event type and the order: by the columns of documented
//! exports, or by the names and the values.

use std::collections::{HashMap, HashSet};

use super::names::{AMOUNT, CUSTOMER, DATE, EVENT_TYPE, EXPORTS, Export, OF_CUSTOMERS, ORDER, PERIOD};
use super::shape::Shape;
use super::{dates, numbers};
use crate::error::Result;
use crate::events::{Merge, ReadOptions, find_column};

/// The column of a role.
pub(super) enum Role {
    Found {
        column: usize,
        reason: &'static str,
    },
    /// The name stands in the header more than once.
    Twice(String),
    Missing,
}

impl Role {
    pub(super) fn column(&self) -> Option<usize> {
        match self {
            Role::Found { column, .. } => Some(*column),
            Role::Twice(_) | Role::Missing => None,
        }
    }
}

pub(super) struct Roles {
    pub(super) customer: Role,
    pub(super) date: Role,
    pub(super) amount: Role,
    pub(super) event_type: Role,
    pub(super) order: Role,
    /// The system that exports files with these columns.
    pub(super) export: Option<&'static str>,
    /// The columns of numbers.
    pub(super) numeric: Vec<usize>,
    /// A question between two columns for one role, with the option that answers it.
    rivals: Option<(&'static str, String)>,
    /// True if the columns are those of a list of customers.
    pub(super) of_customers: bool,
    /// True if the columns are those of subscription periods, and none was named as the day of an event.
    pub(super) of_periods: bool,
}

/// A name in lower case, with one space for everything that is no letter and no digit.
fn simple(name: &str) -> String {
    let separated: String = name.chars().map(|c| if c.is_alphanumeric() || c == '#' { c } else { ' ' }).collect();
    // An accent that stands alone after a letter, like the degree sign of N°, is gone with the other signs.
    separated.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The roles of the columns; those that are given stay.
///
/// # Errors
/// As reading, if a given column is not in the header or stands there twice.
pub(super) fn roles(shape: &Shape, given: &ReadOptions) -> Result<Roles> {
    let columns = &given.columns;
    for (own, name) in [
        ("customer_id", &columns.customer_id),
        ("event_date", &columns.event_date),
        ("amount", &columns.amount),
        ("event_type", &columns.event_type),
        ("order_id", &columns.order_id),
    ] {
        if name.is_some() {
            find_column(&shape.header, name.as_deref(), own, false)?;
        }
    }
    let names: Vec<String> = shape.header.iter().map(|name| simple(name)).collect();
    let values = |column: usize| -> Vec<&str> {
        let filled = shape.rows.iter().map(|row| row[column].as_str()).filter(|value| !value.is_empty());
        filled.take(2_000).collect()
    };
    // Found for a column when its name asks for it, because a file may have thousands of columns.
    let is_date = |column: usize| dates::are_dates(&values(column));
    let is_clear_date = |column: usize| dates::are_clear_dates(&values(column));
    let is_number = |column: usize| numbers::are_numbers(&values(column));
    let distinct = |column: usize| values(column).into_iter().collect::<HashSet<&str>>().len();

    let has = |name: &&str| name.is_empty() || shape.header.iter().any(|column| column == name);
    let export = EXPORTS.iter().find(|export| {
        let own = [export.customer, export.date, export.amount, export.event_type, export.order];
        own.iter().chain(export.columns).all(has)
    });
    // By name; a column of a fitting name counts only if its values fit too.
    let named = |known: &[&str], fits: &dyn Fn(usize) -> bool| {
        let places = |name: &&str| {
            let same = (0..names.len()).filter(|&column| names[column] == **name && fits(column));
            Some(same.collect::<Vec<usize>>()).filter(|places| !places.is_empty())
        };
        match known.iter().find_map(places).as_deref() {
            Some([column]) => {
                Role::Found { column: *column, reason: "the name and the values are those of this column" }
            }
            Some([first, ..]) => Role::Twice(shape.header[*first].clone()),
            _ => Role::Missing,
        }
    };
    let find =
        |given: &Option<String>, own: &str, of_export: Option<&str>, known: &[&str], fits: &dyn Fn(usize) -> bool| {
            let exact = |name: &str, reason: &'static str| {
                let mut places = (0..shape.header.len()).filter(|&column| shape.header[column] == name);
                match (places.next(), places.next()) {
                    (Some(column), None) => Role::Found { column, reason },
                    (Some(_), Some(_)) => Role::Twice(name.to_owned()),
                    (None, _) => Role::Missing,
                }
            };
            if let Some(name) = given {
                // An empty name leaves the column out.
                return if name.is_empty() { Role::Missing } else { exact(name, "it was given") };
            }
            match (exact(own, "the name is that of this column"), of_export) {
                (Role::Missing, Some("")) => Role::Missing,
                (Role::Missing, Some(name)) => exact(name, "the column of this export"),
                (Role::Missing, None) => named(known, fits),
                // An export may have a column of the library's own name that means another thing, as `customer_id` of WooCommerce.
                (_, Some(name)) if !name.is_empty() && name != own => exact(name, "the column of this export"),
                (own, _) => own,
            }
        };
    let of_export = |name: fn(&Export) -> &'static str| export.map(name);
    let date = find(&columns.event_date, "event_date", of_export(|export| export.date), DATE, &is_date);
    let customer =
        find(&columns.customer_id, "customer_id", of_export(|export| export.customer), CUSTOMER, &|column| {
            Some(column) != date.column() && !is_clear_date(column)
        });
    let free = |column: usize| Some(column) != date.column() && Some(column) != customer.column();
    // A flag or the way of ordering is no number of an order.
    let many = |column: usize| shape.rows.len() < 20 || distinct(column) > 4;
    // Merging by day leaves no use for orders.
    let by_day = given.merge == Merge::Day && columns.order_id.is_none();
    let order = if by_day {
        Role::Missing
    } else {
        find(&columns.order_id, "order_id", of_export(|export| export.order), ORDER, &|column| {
            free(column) && !is_clear_date(column) && many(column)
        })
    };
    let event_type =
        find(&columns.event_type, "event_type", of_export(|export| export.event_type), EVENT_TYPE, &|column| {
            free(column) && !is_date(column) && !is_number(column)
        });
    let amount = find(&columns.amount, "amount", of_export(|export| export.amount), AMOUNT, &|column| {
        free(column)
            && Some(column) != order.column()
            && !is_clear_date(column)
            && (is_number(column) || mostly_numbers(&values(column)))
    });
    let is_unused = |column: &usize| free(*column) && Some(*column) != order.column() && is_number(*column);
    let numeric = match amount {
        Role::Missing if columns.amount.is_none() => (0..names.len().min(50)).filter(is_unused).collect(),
        _ => Vec::new(),
    };
    let mut roles = Roles {
        numeric,
        of_customers: export.is_none()
            && names.iter().filter(|name| OF_CUSTOMERS.contains(&name.as_str())).count() >= 2,
        of_periods: export.is_none()
            && columns.event_date.is_none()
            && !shape.header.iter().any(|name| name == "event_date")
            && PERIOD.iter().all(|known| names.iter().any(|name| known.contains(&name.as_str()))),
        export: export.map(|export| export.name),
        rivals: None,
        customer,
        date,
        amount,
        event_type,
        order,
    };
    // What was chosen by its name alone may be another thing, if a column of a similar name is a better one.
    let others = |known: &'static [&'static str], chosen: usize| {
        let names = &names;
        (0..names.len()).filter(move |&column| column != chosen && known.contains(&names[column].as_str()))
    };
    if export.is_none()
        && let Some(customer) = roles.customer.column()
    {
        let found = distinct(customer);
        let by_name = columns.customer_id.is_none() && shape.header[customer] != "customer_id";
        let better = |&column: &usize| {
            Some(column) != roles.date.column() && !is_clear_date(column) && distinct(column) > 2 * found
        };
        if by_name && let Some(other) = others(CUSTOMER, customer).find(better) {
            let message = format!(
                "which column is the customer: {:?} with {found} values in the sample, or {:?} with {}?",
                shape.header[customer],
                shape.header[other],
                distinct(other)
            );
            roles.rivals = Some(("customer_id", message));
        }
        if let Some(date) = roles.date.column() {
            let by_name = columns.event_date.is_none() && shape.header[date] != "event_date";
            let better = |&column: &usize| column != customer && is_date(column) && changes(shape, customer, column);
            if by_name
                && !changes(shape, customer, date)
                && let Some(other) = others(DATE, date).find(better)
            {
                let message = format!(
                    "which column is the day of the event: {:?}, which never changes for a customer, or {:?}?",
                    shape.header[date], shape.header[other]
                );
                roles.rivals = Some(("event_date", message));
            }
        }
    }
    Ok(roles)
}

/// True if a customer has rows with different values of a column.
fn changes(shape: &Shape, customer: usize, column: usize) -> bool {
    let mut first: HashMap<&str, &str> = HashMap::new();
    shape.rows.iter().any(|row| *first.entry(&row[customer]).or_insert(&row[column]) != row[column])
}

/// True if more than half of the values have a digit and no more than four letters, as an amount of any form has.
fn mostly_numbers(values: &[&str]) -> bool {
    let letters = |value: &str| value.chars().filter(|c| c.is_alphabetic()).count();
    let like = |value: &&&str| value.contains(|c: char| c.is_ascii_digit()) && letters(value) <= 4;
    values.iter().filter(like).count() * 2 > values.len()
}

impl Roles {
    /// The question that only the owner of the file can answer, with the option that answers it if there is one; none if the
    /// columns are clear.
    pub(super) fn question(&self, shape: &Shape) -> Option<(Option<&'static str>, String)> {
        let header = || {
            let shown: Vec<String> = shape.header.iter().take(30).map(|name| format!("{name:?}")).collect();
            shown.join(", ")
        };
        if self.of_customers {
            let message = "the columns are those of a list of customers, with one row for each; a log of events is needed, with a \
                           row for every purchase, visit or other event";
            return Some((None, message.to_owned()));
        }
        if self.of_periods {
            let message = "the columns are those of subscription periods, with a start and an end, which are read as subscriptions \
                           and not as a log of events; if each row is an event all the same, which column is its day?";
            return Some((Some("event_date"), format!("{message} The header has {}", header())));
        }
        for (role, own) in [
            (&self.customer, "customer_id"),
            (&self.date, "event_date"),
            (&self.amount, "amount"),
            (&self.event_type, "event_type"),
            (&self.order, "order_id"),
        ] {
            match role {
                Role::Twice(name) => {
                    let message =
                        format!("the column {name:?} stands in the header twice; rename the one that is not the {own}");
                    return Some((None, message));
                }
                Role::Missing if own == "customer_id" || own == "event_date" => {
                    let what = if own == "customer_id" { "the customer" } else { "the day of the event" };
                    return Some((Some(own), format!("which column is {what}? The header has {}", header())));
                }
                Role::Missing | Role::Found { .. } => (),
            }
        }
        self.rivals.clone().map(|(option, message)| (Some(option), message))
    }
}
