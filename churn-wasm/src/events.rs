//! Reading of logs, features and labels.

use churn::{Customer, CustomerId, Day, FeatureConfig, FromJson, Json, Merge, Transaction};
#[cfg(feature = "training")]
use churn::{LabelConfig, ReadOptions};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use crate::convert::{Options, config, results, rows, text_array};
use crate::error::{BindingError, Result};
#[cfg(feature = "training")]
use crate::source::Source;
#[cfg(feature = "training")]
use crate::watch::JsObserver;

/// The log itself. Where it may be the usage of subscriptions, both the log of JavaScript and the running call hold it: a call
/// cannot borrow an argument that is optional.
#[cfg(feature = "subscriptions")]
type Log = std::rc::Rc<churn::Events>;
#[cfg(not(feature = "subscriptions"))]
type Log = churn::Events;

/// A log of events in memory.
#[wasm_bindgen]
pub struct Events(pub(crate) Log);

impl Events {
    pub(crate) fn log(&self) -> &churn::Events {
        &self.0
    }
}

impl From<churn::Events> for Events {
    fn from(log: churn::Events) -> Self {
        Events(log.into())
    }
}

#[cfg(feature = "subscriptions")]
#[wasm_bindgen]
impl Events {
    /// Returns the same log for a call that takes it over.
    pub fn share(&self) -> Events {
        Events(self.0.clone())
    }
}

/// Reads a CSV log from text, bytes or, in a Web Worker, a `File`.
#[cfg(feature = "training")]
#[wasm_bindgen(js_name = readCsv)]
pub fn read_csv(source: &JsValue, options: &JsValue, observe: &JsValue) -> Result<Events> {
    let options: ReadOptions = config(options, "options")?;
    let (watch, _guard) = JsObserver::start(observe, false)?;
    Ok(churn::Events::from_csv_observed(Source::new(source)?, &options, &watch)?.into())
}

/// Reader for a CSV log that arrives in pieces.
#[cfg(feature = "training")]
#[wasm_bindgen]
pub struct CsvReading(Option<churn::CsvReading>);

#[cfg(feature = "training")]
#[wasm_bindgen]
impl CsvReading {
    /// Creates a reader.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<CsvReading> {
        Ok(CsvReading(Some(churn::CsvReading::new(&config(options, "options")?)?)))
    }

    /// Reads the next bytes.
    pub fn push(&mut self, bytes: &JsValue, observe: &JsValue) -> Result<()> {
        let reading = self.0.as_mut().ok_or_else(ended)?;
        let (watch, _guard) = JsObserver::start(observe, false)?;
        let mut piece = Source::new(bytes)?;
        let mut some = vec![0; 1 << 16];
        loop {
            match std::io::Read::read(&mut piece, &mut some) {
                Ok(0) => return Ok(()),
                Ok(count) => reading.push(&some[..count], &watch)?,
                Err(error) => return Err(BindingError::parameter(error.to_string())),
            }
        }
    }

    /// Ends the reading and returns the log.
    pub fn finish(&mut self, observe: &JsValue) -> Result<Events> {
        let reading = self.0.take().ok_or_else(ended)?;
        let (watch, _guard) = JsObserver::start(observe, false)?;
        Ok(reading.finish(&watch)?.into())
    }
}

#[cfg(feature = "training")]
fn ended() -> BindingError {
    BindingError::parameter("this log has been read to its end; expected another one")
}

/// Creates a log from an array of `{customer_id, event_date, amount, event_type, order_id}`. The option `merge` is the same as
/// in `readCsv`.
#[wasm_bindgen(js_name = eventsFromRows)]
pub fn events_from_rows(array: &JsValue, options: &JsValue) -> Result<Events> {
    let mut options = Options::new(options)?;
    let merge: Merge = options.setting("merge")?.unwrap_or_default();
    options.end("merge")?;
    let mut all: Vec<(String, Transaction)> = Vec::new();
    rows(array, |row, mut pairs| {
        let at = pairs.iter().position(|(key, _)| key == "customer_id");
        let Some((_, customer)) = at.map(|at| pairs.swap_remove(at)) else {
            return Err(BindingError::row(row, "customer_id is missing"));
        };
        let CustomerId(customer) = CustomerId::from_json(&customer)
            .map_err(|error| BindingError::row(row, format!("customer_id: {error}")))?;
        let transaction =
            Transaction::from_json(&Json::Object(pairs)).map_err(|error| BindingError::row(row, error))?;
        all.push((customer, transaction));
        Ok(())
    })?;
    let rows = all.into_iter().map(|(id, mut transaction)| {
        // With `merge: "day"`, order ids are ignored, as in all other readers.
        transaction.order_id = transaction.order_id.filter(|_| merge == Merge::None);
        (id, transaction)
    });
    let rows: Vec<(String, Transaction)> = rows.collect();
    let events = churn::Events::from_rows(rows.iter().map(|(id, transaction)| (id.as_str(), transaction.clone())))?;
    Ok(if merge == Merge::Day { events.merged_by_day()? } else { events }.into())
}

#[wasm_bindgen]
impl Events {
    /// The number of events.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        self.0.len() as f64
    }

    /// The number of customers.
    #[wasm_bindgen(getter)]
    pub fn customers(&self) -> f64 {
        self.0.customers() as f64
    }

    /// The customer ids, in byte order.
    #[wasm_bindgen(getter)]
    pub fn customer_ids(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The day of the first event.
    #[wasm_bindgen(getter)]
    pub fn first_day(&self) -> String {
        self.0.first_day().to_string()
    }

    /// The day of the last event.
    #[wasm_bindgen(getter)]
    pub fn last_day(&self) -> String {
        self.0.last_day().to_string()
    }

    /// The distinct event types, in byte order.
    #[wasm_bindgen(getter)]
    pub fn event_types(&self) -> JsValue {
        text_array(self.0.event_types())
    }

    /// The rows of the source that form one event: `row`, `order` or `day`.
    #[wasm_bindgen(getter)]
    pub fn unit(&self) -> String {
        self.0.unit().name().to_owned()
    }

    /// The report on the rows that were read and those that were left out.
    #[wasm_bindgen(getter)]
    pub fn report(&self) -> Result<JsValue> {
        results(self.0.report())
    }

    /// Returns a customer with all their events, in the form that `predictOne` accepts; undefined if there is no such customer.
    pub fn customer(&self, customer_id: &str) -> Result<JsValue> {
        let transactions: Vec<EventFields<'_>> = self
            .0
            .iter()
            .filter(|event| event.0 == customer_id)
            .map(|(_, event_date, amount, event_type)| EventFields { event_date, amount, event_type })
            .collect();
        if transactions.is_empty() {
            return Ok(JsValue::UNDEFINED);
        }
        results(&One { customer_id, transactions })
    }
}

/// A customer in the form that `predictOne` accepts.
#[derive(Serialize)]
struct One<'a> {
    customer_id: &'a str,
    transactions: Vec<EventFields<'a>>,
}

#[derive(Serialize)]
struct EventFields<'a> {
    event_date: Day,
    amount: Option<f64>,
    event_type: Option<&'a str>,
}

/// A table of customers × features.
#[wasm_bindgen]
pub struct FeatureTable(pub(crate) churn::FeatureTable);

/// Computes the features of every customer with an event up to `as_of`, by default the last day of the log.
#[wasm_bindgen]
pub fn features(events: &Events, options: &JsValue) -> Result<FeatureTable> {
    let mut options = Options::new(options)?;
    let as_of = options.day("as_of")?.unwrap_or(events.0.last_day());
    let (history, _) = events.0.split_at(as_of);
    Ok(FeatureTable(churn::features(&history, &options.rest::<FeatureConfig>()?)?))
}

#[wasm_bindgen]
impl FeatureTable {
    /// The number of rows, one per customer.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> f64 {
        self.0.rows() as f64
    }

    /// The customer ids, one per row.
    #[wasm_bindgen(getter)]
    pub fn customer_ids(&self) -> JsValue {
        text_array(self.0.customer_ids())
    }

    /// The column names.
    #[wasm_bindgen(getter)]
    pub fn names(&self) -> JsValue {
        text_array(self.0.names())
    }

    /// The scales used, fitted or given.
    #[wasm_bindgen(getter)]
    pub fn scales(&self) -> Result<JsValue> {
        results(&self.0.scales())
    }

    /// The configuration, including all fitted values.
    #[wasm_bindgen(getter)]
    pub fn fitted_config(&self) -> Result<JsValue> {
        results(&self.0.fitted_config())
    }

    /// The day at which the features were computed.
    #[wasm_bindgen(getter)]
    pub fn as_of(&self) -> Option<String> {
        self.0.as_of().map(|day| day.to_string())
    }

    /// Returns all values, row by row. Missing values are NaN.
    #[wasm_bindgen(js_name = toFloat64Array)]
    pub fn to_float64_array(&self) -> Vec<f64> {
        self.0.values().iter().copied().collect()
    }

    /// Returns one column; undefined if there is none of this name. Missing values are NaN; a category is the index of its
    /// level.
    pub fn column(&self, name: &str) -> Option<Vec<f64>> {
        let at = self.0.names().position(|known| known == name)?;
        Some(self.0.values().column(at).to_vec())
    }

    /// Returns the features of a customer in the order of the names; undefined if there is no such customer.
    pub fn row(&self, customer_id: &str) -> Option<Vec<f64>> {
        self.0.row(customer_id).map(|row| row.to_vec())
    }

    /// Returns a table with the rows at these indices, in this order.
    pub fn select(&self, places: &[u32]) -> Result<FeatureTable> {
        let places: Vec<usize> = places.iter().map(|&place| place as usize).collect();
        match places.iter().find(|&&place| place >= self.0.rows()) {
            Some(place) => {
                Err(BindingError::parameter(format!("there is no row {place}; the table has {} rows", self.0.rows())))
            }
            None => Ok(FeatureTable(self.0.select(&places))),
        }
    }

    /// Returns the table as CSV.
    #[wasm_bindgen(js_name = toCsv)]
    pub fn to_csv(&self) -> Result<String> {
        csv(|writer| self.0.write_csv(writer))
    }
}

/// Returns the output of a writer of the core as text.
pub(crate) fn csv(write: impl FnOnce(&mut Vec<u8>) -> churn::Result<()>) -> Result<String> {
    let mut bytes = Vec::new();
    write(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| BindingError::parameter("what was written is not UTF-8"))
}

/// Labels the customers who churned after a cutoff. Returns `{customer_id, churned}`, two columns.
#[cfg(feature = "training")]
#[wasm_bindgen]
pub fn labels(events: &Events, options: &JsValue) -> Result<JsValue> {
    let mut options = Options::new(options)?;
    let cutoff =
        options.day("cutoff")?.ok_or_else(|| BindingError::parameter("cutoff is missing; expected YYYY-MM-DD"))?;
    let (history, outcome) = events.0.split_at(cutoff);
    let labels = churn::labels(&history, &outcome, &options.rest::<LabelConfig>()?)?;
    let churned: Vec<u8> = labels.iter().map(|(_, churned)| u8::from(churned)).collect();
    let table = js_sys::Object::new();
    set(&table, "customer_id", &text_array(labels.iter().map(|(id, _)| id)));
    set(&table, "churned", &js_sys::Uint8Array::from(churned.as_slice()));
    Ok(table.into())
}

/// Sets a key of a new object, which cannot fail.
#[cfg(feature = "training")]
pub(crate) fn set(object: &JsValue, key: &str, value: &JsValue) {
    let _ = js_sys::Reflect::set(object, &key.into(), value);
}

/// Reads a customer from a JavaScript value.
pub(crate) fn customer(value: &JsValue) -> Result<Customer> {
    config(value, "customer")
}
