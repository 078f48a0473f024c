//! Features in one pass over readers of any size: memory grows with the customers, never with the rows.

use std::collections::HashMap;
use std::io::Read;

use super::state::{Behavior, Clock, Rfm};
use super::{FeatureConfig, FeatureTable, fit_scales, most_frequent, tabulate, type_slots};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{Accepted, IngestReport, Interner, NO_TYPE, ReadOptions, Row, Sink, read_csv, type_number};
use crate::progress::Observer;

/// Takes rows from one or more sources and keeps one state a customer. Streams over parts of the rows can be filled apart
/// (other files, other threads, other machines' partitions) and merged; the result has the same bits.
///
/// The churn_label column is not read here: labels are no features.
///
/// ```
/// use churn::{FeatureConfig, FeatureStream, ReadOptions};
/// let as_of = "2024-02-05".parse()?;
/// let (config, options) = (FeatureConfig::default(), ReadOptions::default());
/// let mut january = FeatureStream::new(as_of, &config)?;
/// january.read_csv("customer_id,event_date\nanna,2024-01-15\n".as_bytes(), &options)?;
/// let mut february = FeatureStream::new(as_of, &config)?;
/// february.read_csv("customer_id,event_date\nanna,2024-02-01\nbert,2024-02-01\n".as_bytes(), &options)?;
/// january.merge(&february)?;
/// let table = january.finish()?;
/// assert_eq!(table.row("anna").unwrap()[4], 21.0); // tenure_days
/// # Ok::<(), churn::Error>(())
/// ```
pub struct FeatureStream {
    as_of: Day,
    clock: Clock,
    config: FeatureConfig,
    ids: Interner,
    rfm: Vec<Rfm>,
    /// One a customer if the set needs them, else empty.
    behavior: Vec<Behavior>,
    type_names: Interner,
    /// Events of a customer of a type; which types get a column is known only at the end.
    types: HashMap<(u32, u16), u32>,
}

impl FeatureStream {
    /// An empty stream of features seen from the end of a day.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn new(as_of: Day, config: &FeatureConfig) -> Result<Self> {
        config.check()?;
        Ok(FeatureStream {
            as_of,
            clock: Clock::new(as_of, config.windows),
            config: config.clone(),
            ids: Interner::default(),
            rfm: Vec::new(),
            behavior: Vec::new(),
            type_names: Interner::default(),
            types: HashMap::new(),
        })
    }

    /// Takes all rows of a CSV source.
    ///
    /// # Errors
    /// Those of [`Events::from_csv`](crate::Events::from_csv). After an error the stream holds a part of the rows: drop it.
    pub fn read_csv(&mut self, reader: impl Read, options: &ReadOptions) -> Result<IngestReport> {
        self.read_csv_observed(reader, options, &())
    }

    /// [`FeatureStream::read_csv`] with an observer of its progress (stage `"read"`, in bytes).
    ///
    /// # Errors
    /// Those of [`FeatureStream::read_csv`], and `cancelled`.
    pub fn read_csv_observed(
        &mut self,
        reader: impl Read,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<IngestReport> {
        read_csv(reader, options, self, observer)
    }

    /// Takes all rows of Arrow record batches.
    ///
    /// # Errors
    /// Those of `Events::from_arrow`. After an error the stream holds a part of the rows: drop it.
    #[cfg(feature = "arrow")]
    pub fn read_arrow<B>(&mut self, batches: impl IntoIterator<Item = B>, options: &ReadOptions) -> Result<IngestReport>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        crate::events::read_arrow(batches.into_iter().map(Ok), options, self, &())
    }

    /// Takes all rows of a Parquet file, reading only the columns that are needed.
    ///
    /// # Errors
    /// Those of `Events::from_parquet`. After an error the stream holds a part of the rows: drop it.
    #[cfg(feature = "parquet")]
    pub fn read_parquet(
        &mut self,
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &ReadOptions,
    ) -> Result<IngestReport> {
        crate::events::read_parquet(file, options, self, &())
    }

    /// Adds what another stream holds.
    ///
    /// # Errors
    /// `invalid_parameter` unless both have the same as_of and configuration; `too_many_values`.
    pub fn merge(&mut self, other: &FeatureStream) -> Result<()> {
        if self.as_of != other.as_of || self.config != other.config {
            return Err(invalid_parameter(
                "the other stream",
                "of another as_of or configuration",
                "the same for both",
            ));
        }
        let mut numbers = Vec::with_capacity(other.type_names.len());
        for name in other.type_names.strings().iter() {
            numbers.push(type_number(&mut self.type_names, name)?);
        }
        let mut customers = Vec::with_capacity(other.ids.len());
        for (i, id) in other.ids.strings().iter().enumerate() {
            let customer = self.customer(id);
            self.rfm[customer].merge(&other.rfm[i]);
            if let Some(behavior) = self.behavior.get_mut(customer) {
                behavior.merge(&other.behavior[i]);
            }
            customers.push(customer as u32);
        }
        for (&(customer, number), &count) in &other.types {
            let number = if number == NO_TYPE { NO_TYPE } else { numbers[usize::from(number)] };
            let sum = self.types.entry((customers[customer as usize], number)).or_default();
            *sum = sum.saturating_add(count);
        }
        Ok(())
    }

    /// The features of every customer with an event by as_of, in byte order of their ids: the same bits as
    /// [`features`](crate::features()) over the same rows in memory.
    ///
    /// # Errors
    /// `no_customers` if there is none.
    pub fn finish(self) -> Result<FeatureTable> {
        if self.ids.len() == 0 {
            return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {}", self.as_of)));
        }
        let mut fitted = self.config.clone();
        if fitted.scales.is_none() {
            let activity: Vec<(f64, f64)> =
                self.rfm.iter().map(|state| (f64::from(state.activity), state.activity_amounts.value())).collect();
            fitted.scales = Some(fit_scales(&activity));
        }
        let names = self.type_names.strings();
        if fitted.counts_types() && fitted.event_type_columns.is_none() {
            let mut counts = vec![0u64; names.len()];
            for (&(_, number), &count) in self.types.iter().filter(|((_, number), _)| *number != NO_TYPE) {
                counts[usize::from(number)] += u64::from(count);
            }
            fitted.event_type_columns = Some(most_frequent(&counts, |i| names.get(i), fitted.top_event_types));
        }
        let listed = fitted.event_type_columns.as_deref().unwrap_or(&[]);
        let slots = type_slots(names, listed);
        let mut type_counts = vec![0u32; if fitted.counts_types() { self.ids.len() * (listed.len() + 1) } else { 0 }];
        for (&(customer, number), &count) in &self.types {
            let slot = if number == NO_TYPE { listed.len() } else { slots[usize::from(number)] };
            let cell = &mut type_counts[customer as usize * (listed.len() + 1) + slot];
            *cell = cell.saturating_add(count);
        }
        let order = self.ids.strings().sorted();
        let ids = self.ids.strings().select(order.iter().copied());
        let width = listed.len() + 1;
        tabulate(ids, self.as_of, &fitted, |i, scratch| {
            let customer = order[i] as usize;
            scratch.rfm = self.rfm[customer].clone();
            if let Some(behavior) = self.behavior.get(customer) {
                scratch.behavior = behavior.clone();
                scratch.types.copy_from_slice(&type_counts[customer * width..(customer + 1) * width]);
            }
        })
    }

    /// The number of this customer, with empty states if they are new.
    fn customer(&mut self, id: &str) -> usize {
        let customer = self.ids.intern(id) as usize;
        if customer == self.rfm.len() {
            self.rfm.push(Rfm::default());
            if self.config.counts_types() {
                self.behavior.push(Behavior::default());
            }
        }
        customer
    }
}

impl Sink for FeatureStream {
    const LABELS: bool = false;

    fn push(&mut self, row: Row<'_>) -> Result<Accepted> {
        if row.day <= self.as_of {
            let customer = self.customer(row.customer);
            self.rfm[customer].add(&self.clock, row.day.number(), row.amount);
            if let Some(behavior) = self.behavior.get_mut(customer) {
                behavior.add(&self.clock, row.day.number(), row.amount);
                let number = type_number(&mut self.type_names, row.event_type)?;
                let count = self.types.entry((customer as u32, number)).or_default();
                *count = count.saturating_add(1);
            }
        }
        Ok(Accepted::Yes)
    }
}
