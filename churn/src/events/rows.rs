//! Batches of some thousands of checked rows, as columns, which sources pass to sinks.

use super::Day;
use super::ids::{Id, IdHasher, IdRecord, IdTable, Names};
use super::ingest::BadRow;
use super::merge::EventUnit;
use super::options::ReadOptions;
use super::strings::Strings;
use crate::error::{Error, ErrorKind, Result};
use crate::parallel;

/// Largest number of event types. If there are more, the column is not a type but some id.
pub(crate) const MAX_EVENT_TYPES: usize = 10_000;

/// The type number of an event without a type.
pub(crate) const NO_TYPE: u16 = u16::MAX;

/// The data that a sink needs of a row in addition to customer, day and amount.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants {
    pub(crate) types: bool,
    /// True for the churn_label column and the line of each row, which the message about differing labels needs.
    pub(crate) labels: bool,
    /// True if rows of one event are merged. It needs their orders, if there are any, and their types.
    pub(crate) merges: bool,
    /// The unit of an event, if the sink merges rows.
    pub(crate) unit: EventUnit,
    /// The days whose rows are used.
    pub(crate) days: DayRange,
}

/// A span of days, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct DayRange {
    first: Day,
    last: Day,
}

impl Default for DayRange {
    fn default() -> Self {
        DayRange { first: Day::MIN, last: Day::MAX }
    }
}

impl Wants {
    /// The needs for a source with this unit of an event.
    pub(crate) fn of_source(self, unit: EventUnit) -> Wants {
        let unit = if self.merges { unit } else { EventUnit::Row };
        Wants { types: self.types || unit != EventUnit::Row, unit, ..self }
    }

    /// The needs with the days of the options.
    pub(crate) fn within(self, options: &ReadOptions) -> Wants {
        let days =
            DayRange { first: options.first_day.unwrap_or(Day::MIN), last: options.last_day.unwrap_or(Day::MAX) };
        Wants { days, ..self }
    }
}

/// A good row, without its customer.
pub(crate) struct GoodRow<'a> {
    pub(crate) day: Day,
    /// NaN if there is no amount.
    pub(crate) amount: f64,
    /// Empty if there is none.
    pub(crate) event_type: &'a [u8],
    /// Empty if there is none.
    pub(crate) order: &'a [u8],
    pub(crate) label: Option<bool>,
    /// The line, counted from the first line of the piece.
    pub(crate) line: u32,
}

/// The good rows of one piece of a source.
#[derive(Default)]
pub(crate) struct ParsedRows {
    pub(crate) wants: Wants,
    pub(crate) ids: Vec<Id>,
    pub(crate) long_ids: Strings,
    pub(crate) days: Vec<i32>,
    /// NaN if there is no amount.
    pub(crate) amounts: Vec<f64>,
    /// The event types, if needed, as numbers of `type_names`; after [`ParsedRows::number_types`], as numbers of the sink.
    pub(crate) types: Vec<u16>,
    pub(crate) type_names: Names,
    /// The order ids, if an event is an order.
    orders: Vec<Id>,
    long_orders: Strings,
    pub(crate) labels: Vec<Option<bool>>,
    /// The lines of the rows, counted from `first_line`.
    pub(crate) lines: Vec<u32>,
    pub(crate) first_line: u64,
    /// Number of rows left out because of their day.
    pub(crate) outside: u64,
    /// The indices of the rows by shard, if there are several; `shard_ends` has the end of each shard.
    order: Vec<u32>,
    shard_ends: Vec<usize>,
}

impl ParsedRows {
    /// Creates an empty batch with room for about `capacity` rows.
    pub(crate) fn new(wants: Wants, capacity: usize) -> Self {
        ParsedRows {
            wants,
            ids: Vec::with_capacity(capacity),
            days: Vec::with_capacity(capacity),
            amounts: Vec::with_capacity(capacity),
            types: Vec::with_capacity(if wants.types { capacity } else { 0 }),
            labels: Vec::with_capacity(if wants.labels { capacity } else { 0 }),
            lines: Vec::with_capacity(if wants.labels { capacity } else { 0 }),
            ..ParsedRows::default()
        }
    }

    /// Removes the rows, but keeps the allocated memory and the names of the types.
    pub(crate) fn clear(&mut self) {
        let ParsedRows { wants: _, ids, long_ids, days, amounts, types, type_names: _, .. } = self;
        let ParsedRows { orders, long_orders, labels, lines, .. } = self;
        ids.clear();
        long_ids.clear();
        orders.clear();
        long_orders.clear();
        days.clear();
        amounts.clear();
        types.clear();
        labels.clear();
        lines.clear();
        self.outside = 0;
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds a row of a customer. The id and the row's order must be UTF-8.
    #[inline(always)]
    pub(crate) fn push(&mut self, customer: &[u8], hasher: &IdHasher, row: GoodRow<'_>) -> Result<()> {
        if row.day < self.wants.days.first || row.day > self.wants.days.last {
            self.outside += 1;
            return Ok(());
        }
        self.ids.push(id(customer, &mut self.long_ids, hasher));
        self.days.push(row.day.number());
        self.amounts.push(row.amount);
        if self.wants.types {
            self.types.push(type_number(&mut self.type_names, row.event_type)?);
        }
        if self.wants.unit == EventUnit::Order {
            self.orders.push(id(row.order, &mut self.long_orders, hasher));
        }
        if self.wants.labels {
            self.labels.push(row.label);
            self.lines.push(row.line);
        }
        Ok(())
    }

    /// The first and the last day of these rows, each with the line of a row of that day; none if lines are not kept.
    pub(crate) fn ends(&self) -> Option<[(i32, u64); 2]> {
        let line = |row: usize| self.first_line + u64::from(self.lines[row]);
        let row = |best: i32| self.days.iter().position(|&day| day == best).expect("the day of a row");
        let (first, last) = (self.days.iter().copied().min()?, self.days.iter().copied().max()?);
        (self.lines.len() == self.days.len()).then(|| [(first, line(row(first))), (last, line(row(last)))])
    }

    /// Assigns the rows to `shards` shards, a power of two, by the hash of the customer.
    pub(crate) fn partition(&mut self, hasher: &IdHasher, shards: usize) {
        if shards == 1 {
            return;
        }
        let shard_of: Vec<u8> = self.ids.iter().map(|&id| hasher.shard(id, shards) as u8).collect();
        self.shard_ends = vec![0; shards + 1];
        shard_of.iter().for_each(|&shard| self.shard_ends[usize::from(shard) + 1] += 1);
        for shard in 0..shards {
            self.shard_ends[shard + 1] += self.shard_ends[shard];
        }
        // Each end starts at the beginning of its shard and moves up row by row.
        self.order = vec![0; self.len()];
        for (row, &shard) in shard_of.iter().enumerate() {
            let end = &mut self.shard_ends[usize::from(shard)];
            self.order[*end] = row as u32;
            *end += 1;
        }
    }

    /// Replaces the numbers of the types by their numbers in the whole log.
    pub(crate) fn number_types(&mut self, names: &mut Names) -> Result<()> {
        let mut numbers = Vec::new();
        for name in self.type_names.texts() {
            numbers.push(type_number(names, name.as_bytes())?);
        }
        let changed = numbers.iter().enumerate().any(|(own, &number)| own != usize::from(number));
        if changed {
            for number in self.types.iter_mut().filter(|number| **number != NO_TYPE) {
                *number = numbers[usize::from(*number)];
            }
        }
        Ok(())
    }

    /// Calls `update(row, number, record)` for the rows of a shard, with the records of their customers. A new customer gets a
    /// record.
    #[inline(always)]
    pub(crate) fn upsert_into<R: IdRecord>(
        &self,
        shard: usize,
        table: &mut IdTable<R>,
        update: impl FnMut(usize, u32, &mut R),
    ) {
        self.upsert_ids((&self.ids, &self.long_ids), shard, table, update);
    }

    /// The order numbers of the rows of a shard, in the order of [`ParsedRows::upsert_into`]: 1 + the number in `names`, or 0
    /// for a row without an order. The list is empty if an event is not an order.
    pub(crate) fn orders(&self, shard: usize, names: &mut Names) -> Vec<u32> {
        let mut numbers = Vec::new();
        if self.wants.unit == EventUnit::Order {
            self.upsert_ids((&self.orders, &self.long_orders), shard, names, |row, number, _| {
                numbers.push(if self.orders[row].is_empty() { 0 } else { number + 1 });
            });
        }
        numbers
    }

    #[inline(always)]
    fn upsert_ids<R: IdRecord>(
        &self,
        (ids, long): (&[Id], &Strings),
        shard: usize,
        table: &mut IdTable<R>,
        mut update: impl FnMut(usize, u32, &mut R),
    ) {
        if self.shard_ends.is_empty() {
            return table.upsert_batch(self.len(), |row| ids[row], long, update);
        }
        let from = if shard == 0 { 0 } else { self.shard_ends[shard - 1] };
        let own = &self.order[from..self.shard_ends[shard]];
        table.upsert_batch(
            own.len(),
            |i| ids[own[i] as usize],
            long,
            |i, number, record| {
                update(own[i] as usize, number, record);
            },
        );
    }
}

/// The id of a text, which must be UTF-8. The text of a long id is stored with the rows.
#[inline(always)]
fn id(text: &[u8], long: &mut Strings, hasher: &IdHasher) -> Id {
    Id::short(text).unwrap_or_else(|| {
        long.push(std::str::from_utf8(text).expect("ids are checked where they come in"));
        hasher.long(text, long.len() - 1)
    })
}

/// A consumer of the good rows of a source.
pub(crate) trait Sink: Send {
    type Shard: Shard;

    fn wants(&self) -> Wants;

    fn hasher(&self) -> &IdHasher;

    /// The shards, whose number is a power of two, and the names of the event types.
    fn parts(&mut self) -> (&mut [Self::Shard], &mut Names);
}

/// The part of a sink with the rows of some of the customers.
pub(crate) trait Shard: Send {
    /// Takes the rows of this shard. Returns the rows whose label differs from an earlier label of the customer.
    fn take(&mut self, shard: usize, rows: &ParsedRows) -> Vec<BadRow>;

    /// Removes accepted rows of customers whose labels differ. Returns their number, and the first of them by line.
    fn withdraw_conflicts(&mut self) -> (u64, Vec<BadRow>) {
        (0, Vec::new())
    }
}

/// The number of shards, a power of two: enough that every core has work even if some shards are finished early.
pub(crate) fn shards() -> usize {
    match parallel::threads() {
        1 => 1,
        threads => (4 * threads).next_power_of_two().min(256),
    }
}

/// The number of an event type; [`NO_TYPE`] for an empty one.
#[inline(always)]
pub(crate) fn type_number(names: &mut Names, name: &[u8]) -> Result<u16> {
    if name.is_empty() {
        return Ok(NO_TYPE);
    }
    let number = names.number(name);
    if number as usize >= MAX_EVENT_TYPES {
        return Err(too_many_types());
    }
    Ok(number as u16)
}

pub(crate) fn too_many_types() -> Error {
    let message = format!(
        "event_type has more than {MAX_EVENT_TYPES} distinct values; name a column of kinds, or event_type = \"\" for none"
    );
    Error::new(ErrorKind::TooManyValues, message)
}
