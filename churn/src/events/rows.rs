//! Checked rows on their way from a source to whatever keeps or sums them: columns side by side, some thousands at a time.

use super::ids::{BATCH, Id, Ids, Spread};
use super::ingest::{BadRow, BadRowReason, Refusal, shown};
use super::interner::{Interner, Strings};
use super::{Day, NO_TYPE};
use crate::error::Result;

/// What a sink wants to know of a row besides customer, day and amount.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wants {
    pub(crate) types: bool,
    /// The churn_label column, and the line of each row, for the message about labels that differ.
    pub(crate) labels: bool,
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
    pub(crate) type_names: Interner,
    pub(crate) labels: Vec<Option<bool>>,
    /// From `first_line` on.
    pub(crate) lines: Vec<u32>,
    pub(crate) first_line: u64,
    /// The rows of each shard, where there are several.
    shards: Vec<Vec<u32>>,
}

impl Rows {
    pub(crate) fn new(wants: Wants) -> Self {
        Rows { wants, ..Rows::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The id of a text; a long one is kept with the rows.
    #[inline(always)]
    pub(crate) fn id(&mut self, customer: &[u8], spread: &Spread) -> std::result::Result<Id, Refusal> {
        let not_utf8 = || (BadRowReason::InvalidUtf8, format!("customer_id {} is not UTF-8 text", shown(customer)));
        match Id::short(customer) {
            Some(id) if id.is_ascii() => Ok(id),
            Some(id) => std::str::from_utf8(customer).map(|_| id).map_err(|_| not_utf8()),
            None => {
                let text = std::str::from_utf8(customer).map_err(|_| not_utf8())?;
                self.long_ids.push(text);
                Ok(spread.long(customer, self.long_ids.len() - 1))
            }
        }
    }

    /// Adds a row. `line` counts from `first_line`.
    #[inline(always)]
    pub(crate) fn push(
        &mut self,
        id: Id,
        day: Day,
        amount: f64,
        event_type: &str,
        label: Option<bool>,
        line: u32,
    ) -> Result<()> {
        self.ids.push(id);
        self.days.push(day.number());
        self.amounts.push(amount);
        if self.wants.types {
            self.types.push(super::type_number(&mut self.type_names, event_type)?);
        }
        if self.wants.labels {
            self.labels.push(label);
            self.lines.push(line);
        }
        Ok(())
    }

    /// Deals the rows out to so many shards, a power of two.
    pub(crate) fn deal(&mut self, spread: &Spread, shards: usize) {
        if shards > 1 {
            self.shards.resize_with(shards, Vec::new);
            for (row, &id) in self.ids.iter().enumerate() {
                self.shards[spread.shard(id, shards)].push(row as u32);
            }
        }
    }

    /// Gives the types the numbers that they have in the whole log.
    pub(crate) fn number_types(&mut self, names: &mut Interner) -> Result<()> {
        let mut numbers = Vec::with_capacity(self.type_names.len());
        for name in self.type_names.strings().iter() {
            numbers.push(super::type_number(names, name)?);
        }
        let changed = numbers.iter().enumerate().any(|(own, &number)| own != usize::from(number));
        if changed {
            for number in self.types.iter_mut().filter(|number| **number != NO_TYPE) {
                *number = numbers[usize::from(*number)];
            }
        }
        Ok(())
    }

    /// Calls `take(rows, customers)` with the rows of a shard and the numbers of their customers, batch by batch.
    #[inline(always)]
    pub(crate) fn batches(&self, shard: usize, ids: &mut Ids, mut take: impl FnMut(&[u32], &[u32], &Ids)) {
        let (mut rows, mut batch, mut numbers) = ([0; BATCH], [Id::short(b"").expect("short"); BATCH], [0; BATCH]);
        let own = self.shards.get(shard);
        let total = own.map_or(self.len(), Vec::len);
        let mut from = 0;
        while from < total {
            let n = BATCH.min(total - from);
            match own {
                Some(own) => rows[..n].copy_from_slice(&own[from..from + n]),
                None => rows[..n].iter_mut().zip(from..).for_each(|(row, i)| *row = i as u32),
            }
            for (id, &row) in batch.iter_mut().zip(&rows[..n]) {
                *id = self.ids[row as usize];
            }
            ids.numbers(&batch[..n], &self.long_ids, &mut numbers);
            take(&rows[..n], &numbers[..n], ids);
            from += n;
        }
    }
}

/// Takes the good rows of a source.
pub(crate) trait Sink {
    type Shard: Shard;

    fn wants(&self) -> Wants;

    fn spread(&self) -> &Spread;

    /// The parts that share the customers among them, a power of two, and the names of the event types.
    fn parts(&mut self) -> (&mut [Self::Shard], &mut Interner);
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
