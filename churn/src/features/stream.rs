//! Features in one pass over readers of any size. Memory grows with the number of customers, not with the number of rows. If
//! rows are merged into events, it grows with the numbers of customers and events.

use std::collections::BTreeMap;
use std::io::Read;

use super::open::{OpenEvents, TooLarge, first_too_large};
use super::state::{Behavior, Clock, Compact, Rfm};
use super::{FeatureConfig, FeatureTable, build_table, fit_scales, most_frequent, type_slots};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{
    BadRow, EventUnit, IdHasher, IdKey, IdRecord, IdTable, IngestReport, NO_TYPE, Names, ParsedRows, ReadOptions,
    Shard, Sink, Texts, Wants, prefetch, read_csv, select, shards, sorted, type_number,
};
use crate::parallel;
use crate::progress::Observer;

/// Computes features in one pass over one or more sources, with one state per customer. Streams over parts of the rows (other
/// files, threads or machines) can be filled separately and merged; the result has the same bits.
///
/// The churn_label column is not read, because labels are not features. If rows are lines of orders, or are merged by day
/// ([`ReadOptions`]), every event is kept until the end, in about 100 bytes, because its rows may be anywhere, even in several
/// sources. The report counts the rows up to as_of that were merged into an event of this stream. It does not count other
/// rows that share their columns, which would take memory for each row.
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
    config: FeatureConfig,
    hasher: IdHasher,
    shards: Vec<States>,
    type_names: Names,
}

/// The states of the customers of a shard.
pub(crate) struct States {
    clock: Clock,
    customers: CustomerStates,
    /// Parts of the states that did not fit into the compact records, by customer.
    spilled: BTreeMap<u32, Rfm>,
    types: TypeCounts,
    open: OpenEvents,
}

/// One record per customer, as small as the feature set allows, so that an event touches few cache lines.
enum CustomerStates {
    Rfm(IdTable<Compact>),
    Behavioral(IdTable<Wide>),
}

/// The record of a customer for the behavioral set.
struct Wide {
    compact: Compact,
    behavior: Behavior,
    /// Number of events of the first types.
    types: [u32; FIRST_TYPES],
}

impl Wide {
    /// Adds an event up to as_of. Returns the state of the compact part if it did not fit any more.
    #[inline(always)]
    #[must_use]
    fn add(&mut self, clock: &Clock, (customer, types): (u32, &mut TypeCounts), event: (i32, u16, f64)) -> Option<Rfm> {
        let (day, event_type, amount) = event;
        self.behavior.add(clock, day, amount);
        match self.types.get_mut(place(event_type)) {
            Some(sum) => *sum = sum.saturating_add(1),
            None => types.add(customer, event_type, 1),
        }
        self.compact.add(clock, day, amount)
    }
}

impl IdRecord for Wide {
    fn new(key: IdKey) -> Self {
        Wide { compact: Compact::new(key), behavior: Behavior::default(), types: [0; FIRST_TYPES] }
    }

    fn key(&self) -> &IdKey {
        self.compact.key()
    }
}

/// Number of types that are counted in the record itself: no type, and the first names.
const FIRST_TYPES: usize = 8;

/// Counts of the events of the other types, by customer. Only at the end it is known which types get a column.
#[derive(Default)]
struct TypeCounts {
    /// Number of counters per customer.
    width: usize,
    counts: Vec<u32>,
    /// Counts of the types beyond `width`, by customer and type.
    rare: BTreeMap<(u32, u16), u32>,
}

/// Largest number of counters per customer. More would take memory that most customers do not use.
const MAX_WIDTH: usize = 32;

/// The index of a type among the counters of a customer.
#[inline(always)]
fn place(number: u16) -> usize {
    usize::from(number.wrapping_add(1))
}

/// The type of a counter.
fn type_at(place: usize) -> u16 {
    (place as u16).wrapping_sub(1)
}

impl TypeCounts {
    #[cold]
    fn add(&mut self, customer: u32, number: u16, count: u32) {
        let place = place(number) - FIRST_TYPES;
        let at = customer as usize * self.width + place;
        let sum = match self.counts.get_mut(at) {
            Some(sum) if place < self.width => sum,
            _ if place < MAX_WIDTH => {
                self.make_room(customer, place);
                &mut self.counts[customer as usize * self.width + place]
            }
            _ => self.rare.entry((customer, number)).or_default(),
        };
        *sum = sum.saturating_add(count);
    }

    fn make_room(&mut self, customer: u32, place: usize) {
        if place >= self.width {
            let width = (place + 1).next_power_of_two().max(4);
            let customers = self.counts.len().checked_div(self.width).unwrap_or(0);
            let mut wider = vec![0; customers * width];
            for (to, from) in wider.chunks_exact_mut(width).zip(self.counts.chunks_exact(self.width.max(1))) {
                to[..self.width].copy_from_slice(from);
            }
            (self.width, self.counts) = (width, wider);
        }
        let customers = (customer as usize + 1).max(self.counts.len() / self.width);
        self.counts.resize(customers * self.width, 0);
    }

    /// Iterates over the counts above 0 of a customer, as type number and count.
    fn of(&self, customer: u32) -> impl Iterator<Item = (u16, u32)> {
        let from = customer as usize * self.width;
        let row = self.counts.get(from..from + self.width).unwrap_or(&[]);
        let first = row.iter().enumerate().map(|(place, &count)| (type_at(FIRST_TYPES + place), count));
        let rare = self.rare.range((customer, 0)..=(customer, u16::MAX)).map(|(&(_, number), &count)| (number, count));
        first.chain(rare).filter(|&(_, count)| count > 0)
    }
}

impl States {
    fn new(clock: Clock, hasher: IdHasher, config: &FeatureConfig) -> Self {
        let customers = match config.counts_types() {
            true => CustomerStates::Behavioral(IdTable::new(hasher.clone())),
            false => CustomerStates::Rfm(IdTable::new(hasher.clone())),
        };
        let (spilled, types) = (BTreeMap::new(), TypeCounts::default());
        States { clock, customers, spilled, types, open: OpenEvents::new(hasher) }
    }

    /// Counts the open events after the last row. Returns the events whose sum is out of range.
    fn count_open_events(&mut self) -> Vec<TooLarge> {
        let mut failed = Vec::new();
        for (key, amount) in self.open.drain() {
            match amount {
                Ok(amount) => self.add(key.customer, key.day, key.event_type, amount),
                Err(sum) => {
                    let customer = String::from_utf8_lossy(self.bytes(key.customer as usize)).into_owned();
                    failed.push((customer, key.day, sum));
                }
            }
        }
        failed
    }

    /// Returns the number of a customer; a new customer gets the next one.
    fn number(&mut self, id: &[u8]) -> u32 {
        match &mut self.customers {
            CustomerStates::Rfm(table) => table.number(id),
            CustomerStates::Behavioral(table) => table.number(id),
        }
    }

    /// Adds an event up to as_of of a customer, given by number.
    fn add(&mut self, customer: u32, day: i32, event_type: u16, amount: f64) {
        let States { clock, customers, spilled, types, .. } = self;
        let over = match customers {
            CustomerStates::Rfm(table) => table.at_mut(customer as usize).add(clock, day, amount),
            CustomerStates::Behavioral(table) => {
                table.at_mut(customer as usize).add(clock, (customer, types), (day, event_type, amount))
            }
        };
        spill(spilled, customer, over);
    }

    fn compact(&self, customer: u32) -> &Compact {
        match &self.customers {
            CustomerStates::Rfm(table) => table.at(customer as usize),
            CustomerStates::Behavioral(table) => &table.at(customer as usize).compact,
        }
    }

    fn rfm(&self, customer: u32) -> Rfm {
        let mut rfm = self.compact(customer).rfm();
        if let Some(spilled) = self.spilled.get(&customer) {
            rfm.merge(spilled);
        }
        rfm
    }

    /// Returns true if the customer has an event up to as_of. A customer with later events only has a number, but no state.
    fn is_seen(&self, customer: u32) -> bool {
        !self.compact(customer).is_empty() || self.spilled.contains_key(&customer)
    }

    fn behavior(&self, customer: u32) -> Option<&Behavior> {
        match &self.customers {
            CustomerStates::Rfm(_) => None,
            CustomerStates::Behavioral(table) => Some(&table.at(customer as usize).behavior),
        }
    }

    /// Iterates over the counts above 0 of a customer, as type number and count.
    fn types(&self, customer: u32) -> impl Iterator<Item = (u16, u32)> {
        let first: &[u32] = match &self.customers {
            CustomerStates::Rfm(_) => &[],
            CustomerStates::Behavioral(table) => &table.at(customer as usize).types,
        };
        let first = first.iter().enumerate().map(|(place, &count)| (type_at(place), count));
        first.filter(|&(_, count)| count > 0).chain(self.types.of(customer))
    }

    /// Adds the states of a customer of another stream. `numbers` maps its types to the numbers in this stream.
    fn merge(&mut self, id: &[u8], theirs: &States, customer: u32, numbers: &[u16]) {
        let ours = match &mut self.customers {
            CustomerStates::Rfm(table) => table.number(id),
            CustomerStates::Behavioral(table) => {
                let (ours, record) = table.record(id);
                if let Some(behavior) = theirs.behavior(customer) {
                    record.behavior.merge(behavior);
                }
                for (number, count) in theirs.types(customer) {
                    let number = if number == NO_TYPE { NO_TYPE } else { numbers[usize::from(number)] };
                    match record.types.get_mut(place(number)) {
                        Some(sum) => *sum = sum.saturating_add(count),
                        None => self.types.add(ours, number, count),
                    }
                }
                ours
            }
        };
        let mut rfm = self.rfm(ours);
        rfm.merge(&theirs.rfm(customer));
        let compact = match &mut self.customers {
            CustomerStates::Rfm(table) => table.record(id).1,
            CustomerStates::Behavioral(table) => &mut table.record(id).1.compact,
        };
        if compact.store(&rfm) {
            self.spilled.remove(&ours);
        } else {
            *compact = Compact::new(*compact.key());
            self.spilled.insert(ours, rfm);
        }
    }
}

/// Stores the state that did not fit into a record.
#[inline(always)]
fn spill(spilled: &mut BTreeMap<u32, Rfm>, customer: u32, over: Option<Rfm>) {
    if let Some(rfm) = over {
        spilled.entry(customer).or_default().merge(&rfm);
    }
}

impl Texts for States {
    fn len(&self) -> usize {
        match &self.customers {
            CustomerStates::Rfm(table) => table.len(),
            CustomerStates::Behavioral(table) => table.len(),
        }
    }

    fn bytes(&self, customer: usize) -> &[u8] {
        match &self.customers {
            CustomerStates::Rfm(table) => table.bytes(customer),
            CustomerStates::Behavioral(table) => table.bytes(customer),
        }
    }

    fn prefetch(&self, customer: usize) {
        prefetch(self.compact(customer as u32));
    }
}

impl FeatureStream {
    /// Creates an empty stream for features as of the end of a day.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn new(as_of: Day, config: &FeatureConfig) -> Result<Self> {
        config.check()?;
        let (hasher, clock) = (IdHasher::default(), Clock::new(as_of, config.windows));
        Ok(FeatureStream {
            as_of,
            config: config.clone(),
            shards: (0..shards()).map(|_| States::new(clock.clone(), hasher.clone(), config)).collect(),
            hasher,
            type_names: Names::default(),
        })
    }

    /// Reads all rows of a CSV source.
    ///
    /// # Errors
    /// The errors of [`Events::from_csv`](crate::Events::from_csv). After an error the stream holds a part of the rows: drop
    /// it.
    pub fn read_csv(&mut self, reader: impl Read, options: &ReadOptions) -> Result<IngestReport> {
        self.read_csv_observed(reader, options, &())
    }

    /// [`FeatureStream::read_csv`] with an observer of its progress (stage `"read"`, in bytes).
    ///
    /// # Errors
    /// The errors of [`FeatureStream::read_csv`], and `cancelled`.
    pub fn read_csv_observed(
        &mut self,
        reader: impl Read,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<IngestReport> {
        let report = read_csv(reader, options, self, observer)?;
        Ok(self.counted(report))
    }

    /// Reads all rows of Arrow record batches.
    ///
    /// # Errors
    /// The errors of `Events::from_arrow`. After an error the stream holds a part of the rows: drop it.
    #[cfg(feature = "arrow")]
    pub fn read_arrow<B>(&mut self, batches: impl IntoIterator<Item = B>, options: &ReadOptions) -> Result<IngestReport>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        self.read_arrow_observed(batches.into_iter().map(Ok), options, &())
    }

    /// [`FeatureStream::read_arrow`] for a source that may fail, with an observer of its progress (stage `"read"`, in rows).
    ///
    /// # Errors
    /// The errors of [`FeatureStream::read_arrow`] and of the source, and `cancelled`.
    #[cfg(feature = "arrow")]
    pub fn read_arrow_observed<B>(
        &mut self,
        batches: impl IntoIterator<Item = Result<B>>,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<IngestReport>
    where
        B: std::borrow::Borrow<arrow_array::RecordBatch>,
    {
        let report = crate::events::read_arrow(batches, options, self, observer)?;
        Ok(self.counted(report))
    }

    /// Reads all rows of a Parquet file, decoding only the required columns.
    ///
    /// # Errors
    /// The errors of `Events::from_parquet`. After an error the stream holds a part of the rows: drop it.
    #[cfg(feature = "parquet")]
    pub fn read_parquet(
        &mut self,
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &ReadOptions,
    ) -> Result<IngestReport> {
        self.read_parquet_observed(file, options, &())
    }

    /// [`FeatureStream::read_parquet`] with an observer of its progress (stage `"read"`, in rows).
    ///
    /// # Errors
    /// The errors of [`FeatureStream::read_parquet`], and `cancelled`.
    #[cfg(feature = "parquet")]
    pub fn read_parquet_observed(
        &mut self,
        file: impl ::parquet::file::reader::ChunkReader + 'static,
        options: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<IngestReport> {
        let report = crate::events::read_parquet(file, options, self, observer)?;
        Ok(self.counted(report))
    }

    /// Returns the report with the number of rows of its source that were merged.
    fn counted(&mut self, report: IngestReport) -> IngestReport {
        let merged_rows = Some(self.shards.iter_mut().map(|shard| shard.open.take_merged()).sum());
        IngestReport { merged_rows, ..report }
    }

    /// Adds the states of another stream.
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
        for name in other.type_names.texts() {
            numbers.push(type_number(&mut self.type_names, name.as_bytes())?);
        }
        let shards = self.shards.len();
        for theirs in &other.shards {
            for customer in 0..theirs.len() {
                let id = theirs.bytes(customer);
                let ours = &mut self.shards[self.hasher.shard(self.hasher.id(id), shards)];
                ours.merge(id, theirs, customer as u32, &numbers);
            }
            for (key, sum) in theirs.open.iter() {
                let id = theirs.bytes(key.customer as usize);
                let ours = &mut self.shards[self.hasher.shard(self.hasher.id(id), shards)];
                let event_type = if key.event_type == NO_TYPE { NO_TYPE } else { numbers[usize::from(key.event_type)] };
                let customer = ours.number(id);
                ours.open.merge(&theirs.open, key, sum, customer, event_type);
            }
        }
        Ok(())
    }

    /// Computes the features of every customer with an event up to as_of, in byte order of their ids. They have the same bits
    /// as [`features`](crate::features()) of the same rows in memory.
    ///
    /// # Errors
    /// `no_customers` if there is none; `bad_rows` for an event whose sum of amounts is out of range.
    pub fn finish(self) -> Result<FeatureTable> {
        let FeatureStream { as_of, config: mut fitted, mut shards, type_names, .. } = self;
        let failed = parallel::map_mut(&mut shards, |_, shard| shard.count_open_events());
        if let Some(error) = first_too_large(failed.into_iter().flatten()) {
            return Err(error);
        }
        let seen = |shard: &States| (0..shard.len() as u32).any(|customer| shard.is_seen(customer));
        if !shards.iter().any(seen) {
            return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {as_of}")));
        }
        // The hash tables of the ids are not needed any more; their memory is freed for the features.
        for shard in &mut shards {
            match &mut shard.customers {
                CustomerStates::Rfm(table) => table.drop_index(),
                CustomerStates::Behavioral(table) => table.drop_index(),
            }
        }
        if fitted.scales.is_none() {
            let activity = parallel::map(shards.len(), |s| {
                let shard = &shards[s];
                let (mut events, mut amounts) = (Vec::with_capacity(shard.len()), Vec::with_capacity(shard.len()));
                for customer in (0..shard.len() as u32).filter(|&customer| shard.is_seen(customer)) {
                    let state = shard.rfm(customer);
                    events.push(f64::from(state.activity));
                    amounts.push(state.activity_amounts.value());
                }
                (events, amounts)
            });
            fitted.scales = Some(fit_scales(activity));
        }
        if fitted.counts_types() && fitted.event_type_columns.is_none() {
            let mut counts = vec![0u64; type_names.len()];
            for shard in &shards {
                for (number, count) in (0..shard.len() as u32).flat_map(|customer| shard.types(customer)) {
                    if number != NO_TYPE {
                        counts[usize::from(number)] += u64::from(count);
                    }
                }
            }
            fitted.event_type_columns = Some(most_frequent(&counts, |i| type_names.text(i), fitted.top_event_types));
        }
        let listed = fitted.event_type_columns.as_deref().unwrap_or(&[]);
        let slots = type_slots(&type_names, listed);
        let lists: Vec<&States> = shards.iter().collect();
        let order = sorted(&lists, |s, customer| shards[s].is_seen(customer as u32));
        let ahead = |rows: std::ops::Range<usize>| {
            order[rows].iter().for_each(|&(s, customer)| match &shards[s as usize].customers {
                CustomerStates::Rfm(table) => prefetch(table.at(customer as usize)),
                CustomerStates::Behavioral(table) => prefetch(table.at(customer as usize)),
            });
        };
        let ids = select(&lists, &order);
        build_table(ids, as_of, &fitted, Some(fitted.fitted_scales()), ahead, |row, scratch| {
            let (s, customer) = order[row];
            let shard = &shards[s as usize];
            scratch.rfm = shard.rfm(customer);
            if let Some(behavior) = shard.behavior(customer) {
                scratch.behavior = behavior.clone();
                for (number, count) in shard.types(customer) {
                    let slot = if number == NO_TYPE { listed.len() } else { slots[usize::from(number)] };
                    scratch.types[slot] = scratch.types[slot].saturating_add(count);
                }
            }
        })
    }
}

impl Sink for FeatureStream {
    type Shard = States;

    fn wants(&self) -> Wants {
        Wants { types: self.config.counts_types(), merges: true, ..Wants::default() }
    }

    fn hasher(&self) -> &IdHasher {
        &self.hasher
    }

    fn parts(&mut self) -> (&mut [States], &mut Names) {
        (&mut self.shards, &mut self.type_names)
    }
}

impl Shard for States {
    fn take(&mut self, shard: usize, rows: &ParsedRows) -> Vec<BadRow> {
        let States { clock, customers, spilled, types, open } = self;
        if rows.wants.unit != EventUnit::Row {
            let mut orders = open.orders(shard, rows);
            let mut alone = Vec::new();
            let mut take = |row: usize, customer: u32| {
                let order = orders.next().unwrap_or(0);
                match order {
                    _ if rows.days[row] > clock.as_of => (),
                    0 => alone.push((row, customer)),
                    _ => open.add(customer, order, rows.days[row], rows.types[row], rows.amounts[row]),
                }
            };
            match customers {
                CustomerStates::Rfm(table) => rows.upsert_into(shard, table, |row, customer, _| take(row, customer)),
                CustomerStates::Behavioral(table) => {
                    rows.upsert_into(shard, table, |row, customer, _| take(row, customer))
                }
            }
            for (row, customer) in alone {
                self.add(customer, rows.days[row], rows.types[row], rows.amounts[row]);
            }
            return Vec::new();
        }
        match customers {
            CustomerStates::Rfm(table) => rows.upsert_into(shard, table, |row, customer, compact| {
                if rows.days[row] <= clock.as_of {
                    spill(spilled, customer, compact.add(clock, rows.days[row], rows.amounts[row]));
                }
            }),
            CustomerStates::Behavioral(table) => rows.upsert_into(shard, table, |row, customer, record| {
                if rows.days[row] <= clock.as_of {
                    let event = (rows.days[row], rows.types[row], rows.amounts[row]);
                    spill(spilled, customer, record.add(clock, (customer, &mut *types), event));
                }
            }),
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three amounts of 10^12 are 3 · 10^12 · 2^55 > 2^96 units, more than fits into a record. Their mean is 10^12, and 0 with
    /// three refunds of the same size.
    #[test]
    fn sums_outgrow_their_record() {
        let (config, options) = (FeatureConfig::default(), ReadOptions::default());
        let rows = |amount: &str| {
            format!("customer_id,event_date,amount\n{}", format!("anna,2024-01-05,{amount}\n").repeat(3))
        };
        let as_of = "2024-01-07".parse().expect("a day");
        let stream = |csv: &str| {
            let mut stream = FeatureStream::new(as_of, &config).expect("a configuration");
            stream.read_csv(csv.as_bytes(), &options).expect("good rows");
            stream
        };
        let mean = |stream: FeatureStream| stream.finish().expect("a customer").row("anna").expect("anna")[6];
        assert_eq!(mean(stream(&rows("1000000000000"))), 1e12);
        let mut both = stream(&rows("1000000000000"));
        both.merge(&stream(&rows("-1000000000000"))).expect("the same configuration");
        assert_eq!(mean(both), 0.0);
        let mut small = stream(&rows("20.50"));
        small.merge(&stream(&rows("10.50"))).expect("the same configuration");
        assert_eq!(mean(small), 15.5);
    }
}
