//! Features in one pass over readers of any size: memory grows with the customers, never with the rows.

use std::collections::BTreeMap;
use std::io::Read;

use super::state::{Behavior, Clock, Rfm};
use super::{FeatureConfig, FeatureTable, fit_scales, most_frequent, tabulate, type_slots};
use crate::day::Day;
use crate::error::{Error, ErrorKind, Result, invalid_parameter};
use crate::events::{
    BadRow, Ids, IngestReport, Interner, NO_TYPE, ReadOptions, Rows, Shard, Sink, Spread, Strings, Wants, read_csv,
    shards, type_number,
};
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
    config: FeatureConfig,
    spread: Spread,
    shards: Vec<States>,
    type_names: Interner,
}

/// The states of some of the customers, and what adds to them.
pub(crate) struct States {
    clock: Clock,
    ids: Ids,
    rfm: Vec<Rfm>,
    /// One a customer if the set needs them, else none.
    behavior: Option<Vec<Behavior>>,
    types: TypeCounts,
}

/// Events of a customer of a type; which types get a column is known only at the end.
#[derive(Default)]
struct TypeCounts {
    /// So many counts a customer: of no type, then of the first types.
    width: usize,
    counts: Vec<u32>,
    /// Of the types beyond: by customer and type.
    rare: BTreeMap<(u32, u16), u32>,
}

/// Types that are counted in a row of numbers a customer; more would cost memory that most customers do not use.
const MAX_WIDTH: usize = 32;

impl TypeCounts {
    /// The place of a type in a customer's row.
    #[inline(always)]
    fn place(number: u16) -> usize {
        usize::from(number.wrapping_add(1))
    }

    fn add(&mut self, customer: u32, number: u16, count: u32) {
        let place = TypeCounts::place(number);
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

    /// Every count above 0 of a customer: type number and count.
    fn of(&self, customer: u32) -> impl Iterator<Item = (u16, u32)> {
        let from = customer as usize * self.width;
        let row = self.counts.get(from..from + self.width).unwrap_or(&[]);
        let first = row.iter().enumerate().map(|(place, &count)| ((place as u16).wrapping_sub(1), count));
        let rare = self.rare.range((customer, 0)..=(customer, u16::MAX)).map(|(&(_, number), &count)| (number, count));
        first.chain(rare).filter(|&(_, count)| count > 0)
    }
}

impl States {
    fn new(clock: Clock, spread: Spread, config: &FeatureConfig) -> Self {
        let behavior = config.counts_types().then(Vec::new);
        States { clock, ids: Ids::new(spread), rfm: Vec::new(), behavior, types: TypeCounts::default() }
    }

    /// The number of this customer, with empty states if they are new.
    fn customer(&mut self, spread: &Spread, id: &str) -> usize {
        let customer = self.ids.number(spread.id(id), id) as usize;
        self.rfm.resize_with(self.ids.len(), Rfm::default);
        if let Some(behavior) = &mut self.behavior {
            behavior.resize_with(self.ids.len(), Behavior::default);
        }
        customer
    }
}

impl FeatureStream {
    /// An empty stream of features seen from the end of a day.
    ///
    /// # Errors
    /// `invalid_parameter`.
    pub fn new(as_of: Day, config: &FeatureConfig) -> Result<Self> {
        config.check()?;
        let (spread, clock) = (Spread::default(), Clock::new(as_of, config.windows));
        Ok(FeatureStream {
            as_of,
            config: config.clone(),
            shards: (0..shards()).map(|_| States::new(clock.clone(), spread.clone(), config)).collect(),
            spread,
            type_names: Interner::default(),
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
        let shards = self.shards.len();
        for theirs in &other.shards {
            for (i, id) in theirs.ids.strings().iter().enumerate() {
                let ours = &mut self.shards[self.spread.shard(self.spread.id(id), shards)];
                let customer = ours.customer(&self.spread, id);
                ours.rfm[customer].merge(&theirs.rfm[i]);
                if let (Some(ours), Some(theirs)) = (&mut ours.behavior, &theirs.behavior) {
                    ours[customer].merge(&theirs[i]);
                }
                for (number, count) in theirs.types.of(i as u32) {
                    let number = if number == NO_TYPE { NO_TYPE } else { numbers[usize::from(number)] };
                    ours.types.add(customer as u32, number, count);
                }
            }
        }
        Ok(())
    }

    /// The features of every customer with an event by as_of, in byte order of their ids: the same bits as
    /// [`features`](crate::features()) over the same rows in memory.
    ///
    /// # Errors
    /// `no_customers` if there is none.
    pub fn finish(self) -> Result<FeatureTable> {
        let FeatureStream { as_of, config: mut fitted, shards, type_names, .. } = self;
        // A customer whose every event lies after as_of has been numbered, but not counted.
        if shards.iter().all(|shard| shard.rfm.iter().all(|state| state.events == 0)) {
            return Err(Error::new(ErrorKind::NoCustomers, format!("no event on or before {as_of}")));
        }
        if fitted.scales.is_none() {
            let states = shards.iter().flat_map(|shard| &shard.rfm).filter(|state| state.events > 0);
            let activity: Vec<(f64, f64)> =
                states.map(|state| (f64::from(state.activity), state.activity_amounts.value())).collect();
            fitted.scales = Some(fit_scales(&activity));
        }
        let names = type_names.strings();
        if fitted.counts_types() && fitted.event_type_columns.is_none() {
            let mut counts = vec![0u64; names.len()];
            for shard in &shards {
                for (number, count) in (0..shard.ids.len() as u32).flat_map(|customer| shard.types.of(customer)) {
                    if number != NO_TYPE {
                        counts[usize::from(number)] += u64::from(count);
                    }
                }
            }
            fitted.event_type_columns = Some(most_frequent(&counts, |i| names.get(i), fitted.top_event_types));
        }
        let listed = fitted.event_type_columns.as_deref().unwrap_or(&[]);
        let slots = type_slots(names, listed);
        // The tables that find the ids are dropped before the features take their place.
        let (ids, states): (Vec<Strings>, Vec<_>) =
            shards.into_iter().map(|s| (s.ids.into_strings(), (s.rfm, s.behavior, s.types))).unzip();
        let lists: Vec<&Strings> = ids.iter().collect();
        let mut order = Strings::sorted_together(&lists);
        order.retain(|&(s, i)| states[s as usize].0[i as usize].events > 0);
        let selected = Strings::select_together(&lists, &order);
        drop(ids);
        let ahead = |rows: std::ops::Range<usize>| {
            let touched = order[rows].iter().fold(0, |sum, &(s, i)| sum ^ states[s as usize].0[i as usize].events);
            std::hint::black_box(touched);
        };
        tabulate(selected, as_of, &fitted, ahead, |row, scratch| {
            let (s, customer) = order[row];
            let (rfm, behavior, types) = &states[s as usize];
            scratch.rfm = rfm[customer as usize].clone();
            if let Some(behavior) = behavior {
                scratch.behavior = behavior[customer as usize].clone();
                for (number, count) in types.of(customer) {
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
        Wants { types: self.config.counts_types(), labels: false }
    }

    fn spread(&self) -> &Spread {
        &self.spread
    }

    fn parts(&mut self) -> (&mut [States], &mut Interner) {
        (&mut self.shards, &mut self.type_names)
    }
}

impl Shard for States {
    fn take(&mut self, shard: usize, rows: &Rows) -> Vec<BadRow> {
        let States { clock, ids, rfm, behavior, types } = self;
        rows.batches(shard, ids, |batch, customers, ids| {
            if rfm.len() < ids.len() {
                rfm.resize_with(ids.len(), Rfm::default);
                if let Some(behavior) = behavior {
                    behavior.resize_with(ids.len(), Behavior::default);
                }
            }
            // Reads every state once before any is changed: these reads do not wait for one another.
            let touched = customers.iter().fold(0, |sum, &customer| sum ^ rfm[customer as usize].events);
            std::hint::black_box(touched);
            for (&row, &customer) in batch.iter().zip(customers) {
                let (day, amount) = (rows.days[row as usize], rows.amounts[row as usize]);
                if day <= clock.as_of {
                    rfm[customer as usize].add(clock, day, amount);
                }
            }
            if let Some(behavior) = behavior {
                let touched = customers.iter().fold(0, |sum, &customer| sum ^ behavior[customer as usize].touch());
                std::hint::black_box(touched);
                for (&row, &customer) in batch.iter().zip(customers) {
                    let row = row as usize;
                    if rows.days[row] <= clock.as_of {
                        behavior[customer as usize].add(clock, rows.days[row], rows.amounts[row]);
                        types.add(customer, rows.types[row], 1);
                    }
                }
            }
        });
        Vec::new()
    }
}
