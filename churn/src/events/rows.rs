//! Checked rows on their way from a source to whatever keeps or sums them: columns side by side, some thousands at a time.

use super::Day;
use super::ids::{Id, Names, Record, Spread, Table};
use super::ingest::{BadRow, ReadOptions};
use super::merge::EventUnit;
use super::strings::Strings;
use crate::error::{Error, ErrorKind, Result};
use crate::parallel;

/// More kinds of event than this are no kinds: the column is some id.
pub(crate) const MAX_EVENT_TYPES: usize = 10_000;

/// The type number of an event without a type.
pub(crate) const NO_TYPE: u16 = u16::MAX;

/// What a sink wants to know of a row besides customer, day and amount.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants {
    pub(crate) types: bool,
    /// The churn_label column, and the line of each row, for the message about labels that differ.
    pub(crate) labels: bool,
    /// Rows that are one event, as one: their orders where there are any, and the types that tell events apart.
    pub(crate) merges: bool,
    /// One event, where the sink merges rows.
    pub(crate) unit: EventUnit,
    /// The days whose rows are used.
    pub(crate) days: Days,
}

/// A span of days, both ends included.
#[derive(Clone, Copy)]
pub(crate) struct Days {
    first: Day,
    last: Day,
}

impl Default for Days {
    fn default() -> Self {
        Days { first: Day::MIN, last: Day::MAX }
    }
}

impl Wants {
    /// The wants for a source whose events are these.
    pub(crate) fn of_source(self, unit: EventUnit) -> Wants {
        let unit = if self.merges { unit } else { EventUnit::Row };
        Wants { types: self.types || unit != EventUnit::Row, unit, ..self }
    }

    /// The wants where the options leave days out.
    pub(crate) fn within(self, options: &ReadOptions) -> Wants {
        let days = Days { first: options.first_day.unwrap_or(Day::MIN), last: options.last_day.unwrap_or(Day::MAX) };
        Wants { days, ..self }
    }
}

/// A row that is good, beside its customer.
pub(crate) struct GoodRow<'a> {
    pub(crate) day: Day,
    /// NaN where there is none.
    pub(crate) amount: f64,
    /// Empty where there is none.
    pub(crate) event_type: &'a [u8],
    /// Empty where there is none.
    pub(crate) order: &'a [u8],
    pub(crate) label: Option<bool>,
    /// From the first line of the piece on.
    pub(crate) line: u32,
}

/// Good rows of one piece of a source.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) wants: Wants,
    pub(crate) ids: Vec<Id>,
    pub(crate) long_ids: Strings,
    pub(crate) days: Vec<i32>,
    /// NaN where there is none.
    pub(crate) amounts: Vec<f64>,
    /// Where wanted, as numbers of `type_names`; after [`Rows::number_types`] as numbers of the sink.
    pub(crate) types: Vec<u16>,
    pub(crate) type_names: Names,
    /// Where events are orders.
    orders: Vec<Id>,
    long_orders: Strings,
    pub(crate) labels: Vec<Option<bool>>,
    /// From `first_line` on.
    pub(crate) lines: Vec<u32>,
    pub(crate) first_line: u64,
    /// Rows left out because of their day.
    pub(crate) outside: u64,
    /// Where there are several shards, the rows by shard, and where those of each end.
    order: Vec<u32>,
    shard_ends: Vec<usize>,
}

impl Rows {
    /// Room for about so many rows.
    pub(crate) fn new(wants: Wants, capacity: usize) -> Self {
        Rows {
            wants,
            ids: Vec::with_capacity(capacity),
            days: Vec::with_capacity(capacity),
            amounts: Vec::with_capacity(capacity),
            types: Vec::with_capacity(if wants.types { capacity } else { 0 }),
            labels: Vec::with_capacity(if wants.labels { capacity } else { 0 }),
            lines: Vec::with_capacity(if wants.labels { capacity } else { 0 }),
            ..Rows::default()
        }
    }

    /// Forgets the rows, but neither the memory they stood in nor the names of their types.
    pub(crate) fn clear(&mut self) {
        let Rows { wants: _, ids, long_ids, days, amounts, types, type_names: _, .. } = self;
        let Rows { orders, long_orders, labels, lines, .. } = self;
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

    /// Adds a row of a customer, whose id is UTF-8 as the row's order is.
    #[inline(always)]
    pub(crate) fn push(&mut self, customer: &[u8], spread: &Spread, row: GoodRow<'_>) -> Result<()> {
        if row.day < self.wants.days.first || row.day > self.wants.days.last {
            self.outside += 1;
            return Ok(());
        }
        self.ids.push(id(customer, &mut self.long_ids, spread));
        self.days.push(row.day.number());
        self.amounts.push(row.amount);
        if self.wants.types {
            self.types.push(type_number(&mut self.type_names, row.event_type)?);
        }
        if self.wants.unit == EventUnit::Order {
            self.orders.push(id(row.order, &mut self.long_orders, spread));
        }
        if self.wants.labels {
            self.labels.push(row.label);
            self.lines.push(row.line);
        }
        Ok(())
    }

    /// The first and the last day of these rows, each with the line of a row of that day; none where lines are not kept.
    pub(crate) fn ends(&self) -> Option<[(i32, u64); 2]> {
        let line = |row: usize| self.first_line + u64::from(self.lines[row]);
        let row = |best: i32| self.days.iter().position(|&day| day == best).expect("the day of a row");
        let (first, last) = (self.days.iter().copied().min()?, self.days.iter().copied().max()?);
        (self.lines.len() == self.days.len()).then(|| [(first, line(row(first))), (last, line(row(last)))])
    }

    /// Deals the rows out to so many shards, a power of two.
    pub(crate) fn deal(&mut self, spread: &Spread, shards: usize) {
        if shards == 1 {
            return;
        }
        let shard_of: Vec<u8> = self.ids.iter().map(|&id| spread.shard(id, shards) as u8).collect();
        self.shard_ends = vec![0; shards + 1];
        shard_of.iter().for_each(|&shard| self.shard_ends[usize::from(shard) + 1] += 1);
        for shard in 0..shards {
            self.shard_ends[shard + 1] += self.shard_ends[shard];
        }
        // Each end begins where its shard does and moves up row by row.
        self.order = vec![0; self.len()];
        for (row, &shard) in shard_of.iter().enumerate() {
            let end = &mut self.shard_ends[usize::from(shard)];
            self.order[*end] = row as u32;
            *end += 1;
        }
    }

    /// Gives the types the numbers that they have in the whole log.
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

    /// Calls `update(row, number, record)` for the rows of a shard, with the records of their customers.
    #[inline(always)]
    pub(crate) fn visit<R: Record>(&self, shard: usize, table: &mut Table<R>, update: impl FnMut(usize, u32, &mut R)) {
        self.visit_ids((&self.ids, &self.long_ids), shard, table, update);
    }

    /// The orders of the rows of a shard, in the order of [`Rows::visit`], by their numbers in the names from 1 on; 0 is a row
    /// without an order, and there are no numbers at all where events are no orders.
    pub(crate) fn orders(&self, shard: usize, names: &mut Names) -> Vec<u32> {
        let mut numbers = Vec::new();
        if self.wants.unit == EventUnit::Order {
            self.visit_ids((&self.orders, &self.long_orders), shard, names, |row, number, _| {
                numbers.push(if self.orders[row].is_empty() { 0 } else { number + 1 });
            });
        }
        numbers
    }

    #[inline(always)]
    fn visit_ids<R: Record>(
        &self,
        (ids, long): (&[Id], &Strings),
        shard: usize,
        table: &mut Table<R>,
        mut update: impl FnMut(usize, u32, &mut R),
    ) {
        if self.shard_ends.is_empty() {
            return table.visit(self.len(), |row| ids[row], long, update);
        }
        let from = if shard == 0 { 0 } else { self.shard_ends[shard - 1] };
        let own = &self.order[from..self.shard_ends[shard]];
        table.visit(
            own.len(),
            |i| ids[own[i] as usize],
            long,
            |i, number, record| {
                update(own[i] as usize, number, record);
            },
        );
    }
}

/// The id of a text that is UTF-8; a long one is kept with the rows.
#[inline(always)]
fn id(text: &[u8], long: &mut Strings, spread: &Spread) -> Id {
    Id::short(text).unwrap_or_else(|| {
        long.push(std::str::from_utf8(text).expect("ids are checked where they come in"));
        spread.long(text, long.len() - 1)
    })
}

/// Takes the good rows of a source.
pub(crate) trait Sink: Send {
    type Shard: Shard;

    fn wants(&self) -> Wants;

    fn spread(&self) -> &Spread;

    /// The parts that share the customers among them, a power of two, and the names of the event types.
    fn parts(&mut self) -> (&mut [Self::Shard], &mut Names);
}

/// The part of a sink that some of the customers belong to.
pub(crate) trait Shard: Send {
    /// Takes its rows out of these; those whose label differs from an earlier one of their customer are returned.
    fn take(&mut self, shard: usize, rows: &Rows) -> Vec<BadRow>;

    /// Takes back accepted rows because labels of their customer differ: how many, and the first of them by line.
    fn withdraw_conflicts(&mut self) -> (u64, Vec<BadRow>) {
        (0, Vec::new())
    }
}

/// How many shards share the customers: enough that every core has work when some are done early, a power of two.
pub(crate) fn shards() -> usize {
    match parallel::threads() {
        1 => 1,
        threads => (4 * threads).next_power_of_two().min(256),
    }
}

/// The number of an event type; an empty one has none.
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
    let message =
        format!("event_type has more than {MAX_EVENT_TYPES} distinct values: map it to a column of kinds, or to none");
    Error::new(ErrorKind::TooManyValues, message)
}
