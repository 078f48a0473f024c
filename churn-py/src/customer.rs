//! A single customer given as a dict, and the dict of a single prediction.

use std::borrow::Cow;

use churn::{CustomerId, Day, Transaction};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDate, PyDict, PyInt, PyString};

use crate::convert::{day, json, quote_for_message};
use crate::error::invalid;
use crate::ids::{Ids, id_of};

/// Returns today's date in UTC.
pub(crate) fn today() -> PyResult<Day> {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    i32::try_from(seconds / 86_400)
        .ok()
        .and_then(Day::new)
        .ok_or_else(|| invalid("the clock of this machine is wrong; expected as_of"))
}

/// Reads a customer from a dict, and the type of the id.
pub(crate) fn one(customer: &Bound<'_, PyAny>) -> PyResult<(churn::Customer, Ids)> {
    let py = customer.py();
    let Ok(customer) = customer.cast::<PyDict>() else {
        let expected = "expected a dict with customer_id and transactions";
        return Err(invalid(format!("the customer is {}; {expected}", quote_for_message(customer))));
    };
    let needed = |name: &str, value: Option<Bound<'_, PyAny>>| {
        value
            .map(Bound::unbind)
            .ok_or_else(|| invalid(format!("the customer has no {name:?}; expected customer_id and transactions")))
    };
    let customer_id = needed("customer_id", customer.get_item(intern!(py, "customer_id"))?)?.into_bound(py);
    let transactions = needed("transactions", customer.get_item(intern!(py, "transactions"))?)?.into_bound(py);
    let attributes = customer.get_item(intern!(py, "attributes"))?;
    let read = 2 + usize::from(attributes.is_some());
    let attributes = attributes.filter(|attributes| !attributes.is_none());
    known_keys(customer, read, &["customer_id", "transactions", "attributes"])?;
    let Ok(rows) = transactions.try_iter() else {
        return Err(invalid(format!("transactions is {}; expected a list of dicts", quote_for_message(&transactions))));
    };
    let attributes = match attributes {
        None => Default::default(),
        Some(attributes) => serde_json::from_value(json(&attributes, "attributes", 0)?)
            .map_err(|_| invalid("attributes has a value that is neither a number, True, False, text nor None"))?,
    };
    let (customer_id, ids) = id_of(&customer_id)?;
    let customer = churn::Customer {
        customer_id,
        transactions: rows.enumerate().map(|(row, value)| transaction(&value?, row)).collect::<PyResult<Vec<_>>>()?,
        attributes,
    };
    Ok((customer, ids))
}

/// Reads a customer of a subscription from a dict, and the type of the id.
pub(crate) fn subscriber(subscriber: &Bound<'_, PyAny>) -> PyResult<(churn::Subscriber, Ids)> {
    let expected = "expected customer_id and periods";
    let Ok(dict) = subscriber.cast::<PyDict>() else {
        return Err(invalid(format!("the customer is {}; {expected} in a dict", quote_for_message(subscriber))));
    };
    let Some(customer_id) = dict.get_item(intern!(dict.py(), "customer_id"))? else {
        return Err(invalid(format!("the customer has no \"customer_id\"; {expected}")));
    };
    let (customer_id, ids) = id_of(&customer_id)?;
    // The id may be of a type that is no JSON.
    let rest = dict.copy()?;
    rest.set_item(intern!(dict.py(), "customer_id"), customer_id)?;
    let read = serde_json::from_value(json(&rest, "the customer", 0)?);
    Ok((read.map_err(|error| invalid(format!("the customer: {error}")))?, ids))
}

/// Reads an id or an event type: text, or the digits of a whole number of Python or numpy.
fn word(value: &Bound<'_, PyAny>) -> Option<String> {
    match value.cast::<PyString>() {
        Ok(text) => text.extract().ok(),
        // Integers of more than 64 bits, which JSON cannot hold, also become their digits.
        Err(_) if value.is_exact_instance_of::<PyInt>() => value.str().ok()?.extract().ok(),
        Err(_) => {
            let value = json(value, "it", 0).ok()?;
            serde_json::from_value(value).ok().map(|CustomerId(text)| text)
        }
    }
}

/// Refuses unknown keys. `read` is the number of known keys in the dict.
fn known_keys(dict: &Bound<'_, PyDict>, read: usize, known: &[&str]) -> PyResult<()> {
    if dict.len() == read {
        return Ok(());
    }
    for (key, _) in dict {
        if !key.extract::<Cow<'_, str>>().is_ok_and(|key| known.contains(&key.as_ref())) {
            return Err(invalid(format!("unknown key {}; expected {}", quote_for_message(&key), known.join(", "))));
        }
    }
    Ok(())
}

fn transaction<'py>(value: &Bound<'py, PyAny>, row: usize) -> PyResult<Transaction> {
    let py = value.py();
    let wrong = |what: &str, value: &Bound<'_, PyAny>, expected: &str| {
        invalid(format!("transaction {}: {what} is {}; expected {expected}", row + 1, quote_for_message(value)))
    };
    let Ok(dict) = value.cast::<PyDict>() else {
        return Err(wrong("it", value, "a dict with event_date, amount and event_type"));
    };
    // A row may have other columns, as in a file.
    let get = |name: &Bound<'py, PyString>| -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(dict.get_item(name)?.filter(|value| !missing(value)))
    };
    let Some(event_date) = get(intern!(py, "event_date"))? else {
        return Err(invalid(format!("transaction {}: event_date is missing", row + 1)));
    };
    let (amount, event_type) = (get(intern!(py, "amount"))?, get(intern!(py, "event_type"))?);
    let order_id = get(intern!(py, "order_id"))?;
    let about = |error: PyErr| invalid(format!("transaction {}: {}", row + 1, error.value(py)));
    Ok(Transaction {
        event_date: match event_date.cast::<PyString>() {
            Ok(text) => {
                let text = text.to_cow()?;
                // All date formats of the CSV reader are accepted; the usual one is parsed directly.
                text.parse().or_else(|_| {
                    serde_json::from_value::<Transaction>(serde_json::json!({ "event_date": text }))
                        .map(|transaction| transaction.event_date)
                        .map_err(|error| invalid(format!("transaction {}: {error}", row + 1)))
                })?
            }
            Err(_) => day(&event_date).map_err(about)?,
        },
        amount: amount
            .map(|amount| amount.extract().map_err(|_| wrong("amount", &amount, "a number or None")))
            .transpose()?,
        event_type: event_type
            .map(|kind| word(&kind).ok_or_else(|| wrong("event_type", &kind, "text, a whole number or None")))
            .transpose()?,
        order_id: order_id
            .map(|order| word(&order).ok_or_else(|| wrong("order_id", &order, "text, a whole number or None")))
            .transpose()?,
    })
}

/// Returns true for None or NaN of any type.
fn missing(value: &Bound<'_, PyAny>) -> bool {
    // Text and dates are excluded first, because a failed conversion to a number would cost as much as all other work.
    !value.is_instance_of::<PyString>()
        && (value.is_none() || (!value.is_instance_of::<PyDate>() && value.extract::<f64>().is_ok_and(f64::is_nan)))
}

pub(crate) fn prediction_dict<'py>(
    py: Python<'py>,
    prediction: &churn::Prediction,
    ids: &Ids,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item(intern!(py, "customer_id"), ids.value(py, &prediction.customer_id)?)?;
    dict.set_item(intern!(py, "churn_probability"), prediction.churn_probability)?;
    dict.set_item(intern!(py, "risk_segment"), prediction.risk_segment.name())?;
    dict.set_item(intern!(py, "covered"), prediction.covered)?;
    if let Some(note) = &prediction.note {
        dict.set_item(intern!(py, "note"), note)?;
    }
    Ok(dict)
}
