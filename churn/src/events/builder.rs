//! Collects rows in any order and puts them into the canonical order: customers in byte order of their ids, rows by day.

use super::columns::{EventColumns, PackedColumn};
use super::ids::{IdHasher, IdTable, Names};
use super::ingest::{BadRow, IngestReport, Intake, Parsed, REPORTED_BAD_ROWS, conflict};
use super::merge::{DuplicateCounts, EventUnit, MergeRow, OrderKey, merge, sort, too_large};
use super::rows::{NO_TYPE, ParsedRows, Shard, Sink, Wants, shards};
use super::strings::{Texts, select, sorted};
use super::{Day, Events};
use crate::error::Result;
use crate::parallel;

/// Number of rows from memory that are taken over together.
pub(super) const ROWS_TOGETHER: usize = 8192;

/// Collects rows in any order and puts them into the canonical order.
pub(super) struct Builder {
    pub(super) hasher: IdHasher,
    shards: Vec<BuilderShard>,
    type_names: Names,
}

impl Default for Builder {
    fn default() -> Self {
        let hasher = IdHasher::default();
        let names = || IdTable::new(hasher.clone());
        let shard = |_| BuilderShard { ids: names(), orders: names(), ..BuilderShard::default() };
        Builder { shards: (0..shards()).map(shard).collect(), hasher, type_names: Names::default() }
    }
}

/// The rows of the customers of a shard.
#[derive(Default)]
pub(super) struct BuilderShard {
    ids: Names,
    orders: Names,
    by_day: bool,
    rows: ColumnChunks,
    labels: Vec<Option<bool>>,
    /// The rows with a label and their lines, which are needed to remove the rows if a conflict is found later.
    labelled: Vec<(usize, u64)>,
    conflicts: Vec<u32>,
}

/// Rows in input order, in chunks of equal size that are removed one by one. A freed chunk makes room for a chunk of another
/// list, so moving rows from list to list needs hardly any additional memory.
#[derive(Default)]
struct ColumnChunks(Vec<EventColumns>);

/// Number of rows of a chunk.
const CHUNK: usize = 1 << 12;
/// Approximate number of rows of a bucket, which is sorted as a whole.
const BUCKET: usize = 1 << 16;

impl ColumnChunks {
    fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    #[inline(always)]
    fn push(&mut self, customer: u32, order: u32, day: i32, event_type: u16, amount: f64) {
        if self.0.last().is_none_or(|last| last.len() == CHUNK) {
            self.0.push(EventColumns::with_capacity(CHUNK));
        }
        self.0.last_mut().expect("there is a chunk").push(customer, order, day, event_type, amount);
    }

    fn customers(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|chunk| chunk.customers.iter().copied())
    }

    fn customer(&self, row: usize) -> u32 {
        self.0[row / CHUNK].customers[row % CHUNK]
    }

    /// Removes all rows, and calls `f(row, customer, order, day, event type, amount)` for each.
    fn clear(&mut self, mut f: impl FnMut(usize, u32, u32, i32, u16, f64)) {
        let mut row = 0;
        for chunk in std::mem::take(&mut self.0) {
            for (i, &customer) in chunk.customers.iter().enumerate() {
                f(row, customer, chunk.order(i), chunk.days.get(i), chunk.types.get(i), chunk.amounts.get(i));
                row += 1;
            }
        }
    }
}

impl Sink for Builder {
    type Shard = BuilderShard;

    fn wants(&self) -> Wants {
        Wants { types: true, labels: true, merges: true, ..Wants::default() }
    }

    fn hasher(&self) -> &IdHasher {
        &self.hasher
    }

    fn parts(&mut self) -> (&mut [BuilderShard], &mut Names) {
        (&mut self.shards, &mut self.type_names)
    }
}

impl Shard for BuilderShard {
    fn take(&mut self, shard: usize, rows: &ParsedRows) -> Vec<BadRow> {
        let mut refused = Vec::new();
        let BuilderShard { ids, orders, by_day, rows: chunks, labels, labelled, conflicts } = self;
        *by_day |= rows.wants.unit == EventUnit::Day;
        let mut orders = rows.orders(shard, orders).into_iter();
        rows.upsert_into(shard, ids, |row, customer, _| {
            let order = orders.next().unwrap_or(0);
            if let Some(label) = rows.labels[row] {
                let line = rows.first_line + u64::from(rows.lines[row]);
                if labels.len() <= customer as usize {
                    labels.resize(customer as usize + 1, None);
                }
                match labels[customer as usize].replace(label) {
                    Some(earlier) if earlier != label => {
                        labels[customer as usize] = Some(earlier);
                        conflicts.push(customer);
                        refused.push((line, customer));
                        return;
                    }
                    _ => labelled.push((chunks.len(), line)),
                }
            }
            chunks.push(customer, order, rows.days[row], rows.types[row], rows.amounts[row]);
        });
        refused.into_iter().map(|(line, customer)| conflicting_row(ids, line, customer)).collect()
    }

    fn withdraw_conflicts(&mut self) -> (u64, Vec<BadRow>) {
        self.conflicts.sort_unstable();
        self.conflicts.dedup();
        let conflicting = |customer: u32| self.conflicts.binary_search(&customer).is_ok();
        let mut withdrawn = vec![false; self.rows.len()];
        let (mut count, mut first) = (0, Vec::new());
        for &(row, line) in &self.labelled {
            let customer = self.rows.customer(row);
            if conflicting(customer) {
                withdrawn[row] = true;
                count += 1;
                if first.len() < REPORTED_BAD_ROWS {
                    first.push(conflicting_row(&self.ids, line, customer));
                }
            }
        }
        if count > 0 {
            let mut kept = ColumnChunks::default();
            self.rows.clear(|row, customer, order, day, event_type, amount| {
                if !withdrawn[row] {
                    kept.push(customer, order, day, event_type, amount);
                }
            });
            self.rows = kept;
        }
        for &customer in &self.conflicts {
            self.labels[customer as usize] = None;
        }
        (count, first)
    }
}

fn conflicting_row(ids: &Names, line: u64, customer: u32) -> BadRow {
    let (reason, message) = conflict(ids.text(customer as usize));
    BadRow { line, reason, message }
}

impl Builder {
    /// An empty piece for rows from memory.
    pub(super) fn piece(&self) -> Parsed {
        let wants = self.wants().of_source(EventUnit::Order);
        Parsed { rows: ParsedRows::new(wants, ROWS_TOGETHER), ..Parsed::default() }
    }

    pub(super) fn take(&mut self, mut piece: Parsed, intake: &mut Intake) -> Result<()> {
        piece.rows.partition(&self.hasher, self.shards.len());
        intake.take(&mut [piece], self)
    }

    /// # Errors
    /// `bad_rows` for an event whose sum of amounts is out of range.
    pub(super) fn finish(self, mut report: IngestReport) -> Result<Events> {
        let Builder { mut shards, type_names, .. } = self;
        // The empty order id gets a number too, but does not count as an order.
        let has_orders = |shard: &BuilderShard| shard.orders.texts().any(|id| !id.is_empty());
        let unit = if shards.iter().any(|shard| shard.by_day) {
            EventUnit::Day
        } else if shards.iter().any(has_orders) {
            EventUnit::Order
        } else {
            EventUnit::Row
        };
        for shard in &mut shards {
            shard.ids.drop_index();
            shard.orders = Names::default();
        }
        let type_order: Vec<u32> = sorted(&[&type_names], |_, _| true).into_iter().map(|(_, number)| number).collect();
        let mut type_rank = vec![0u16; type_order.len()];
        for (rank, &number) in type_order.iter().enumerate() {
            type_rank[number as usize] = rank as u16;
        }
        let rank = |number: u16| if number == NO_TYPE { NO_TYPE } else { type_rank[usize::from(number)] };

        // Customers whose rows were all removed are left out.
        let mut numbers = parallel::map(shards.len(), |s| {
            let mut counts = vec![0u32; shards[s].ids.len()];
            shards[s].rows.customers().for_each(|c| counts[c as usize] += 1);
            counts
        });
        let lists: Vec<&Names> = shards.iter().map(|shard| &shard.ids).collect();
        let order = sorted(&lists, |s, c| numbers[s][c] > 0);
        let ids = select(&lists, &order);
        let label = |&(s, c): &(u32, u32)| shards[s as usize].labels.get(c as usize).copied().flatten();
        let labelled = shards.iter().any(|shard| shard.labels.iter().any(Option::is_some));
        let labels = labelled.then(|| order.iter().map(label).collect());

        // Compute the start of each customer's rows, and replace the counts by the customers' positions in the order.
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut total = 0;
        for (place, &(s, c)) in order.iter().enumerate() {
            starts.push(total);
            total += std::mem::replace(&mut numbers[s as usize][c as usize], place as u32) as usize;
        }
        starts.push(total);
        drop(order);

        let mut buckets = Buckets::new(&starts);
        for (shard, places) in shards.iter_mut().zip(&numbers) {
            shard.ids = Names::default();
            shard.rows.clear(|_, customer, order, day, event_type, amount| {
                buckets.push(places[customer as usize], order, day, rank(event_type), amount);
            });
        }
        drop((shards, numbers));
        let by_day = unit == EventUnit::Day;
        let sorted = match unit {
            EventUnit::Order => buckets.sort::<u32>(&starts, by_day),
            EventUnit::Row | EventUnit::Day => buckets.sort::<()>(&starts, by_day),
        };
        let SortedColumns { days, types, amounts, first, last, counts, ends } = sorted;
        let ends = ends.map_err(|(customer, day, sum)| too_large(ids.get(customer), day, sum))?;
        if let Some(ends) = ends {
            starts = ends;
        }
        report.rows_sharing_day = Some(counts.sharing_day);
        report.duplicate_rows = Some(counts.duplicate);
        report.merged_rows = Some(total as u64 - starts[ids.len()] as u64);
        let bound = |day: i32| Day::new(day).expect("a log holds at least one event");
        Ok(Events {
            first_day: bound(first),
            last_day: bound(last),
            labels,
            ids,
            type_names: type_order.iter().map(|&number| type_names.text(number as usize)).collect(),
            starts,
            days,
            types,
            amounts,
            unit,
            report,
        })
    }
}

impl Events {
    /// Returns the log with the rows of a customer that share their day and event type merged into one event, as with
    /// [`Merge::Day`](super::Merge::Day).
    ///
    /// ```
    /// use churn::{Events, ReadOptions};
    /// let csv = "customer_id,event_date,amount\nanna,2024-01-05,12.50\nanna,2024-01-05,2.10\nanna,2024-01-06,\n";
    /// let events = Events::from_csv(csv.as_bytes(), &ReadOptions::default())?.merged_by_day()?;
    /// let amounts: Vec<Option<f64>> = events.iter().map(|(_, _, amount, _)| amount).collect();
    /// assert_eq!(amounts, [Some(14.6), None]);
    /// assert_eq!(events.report().merged_rows, Some(1));
    /// # Ok::<(), churn::Error>(())
    /// ```
    ///
    /// # Errors
    /// `bad_rows` for an event whose sum of amounts is out of range.
    pub fn merged_by_day(&self) -> Result<Events> {
        let mut buckets = Buckets::new(&self.starts);
        for customer in 0..self.customers() {
            for row in self.rows_of(customer) {
                let (day, event_type, amount) = (self.days.get(row), self.types.get(row), self.amounts.get(row));
                buckets.push(customer as u32, 0, day, event_type, amount);
            }
        }
        let SortedColumns { days, types, amounts, ends, .. } = buckets.sort::<()>(&self.starts, true);
        let ends = ends.map_err(|(customer, day, sum)| too_large(self.ids.get(customer), day, sum))?;
        let mut events = Events {
            starts: ends.expect("days are merged"),
            days,
            types,
            amounts,
            ids: self.ids.clone(),
            type_names: self.type_names.clone(),
            labels: self.labels.clone(),
            first_day: self.first_day,
            last_day: self.last_day,
            unit: EventUnit::Day,
            report: self.report.clone(),
        };
        events.report.merged_rows = Some(self.report.merged_rows.unwrap_or(0) + (self.len() - events.len()) as u64);
        Ok(events)
    }
}

/// Rows partitioned by the position of their customer. A bucket is sorted as a whole, and fits into the cache.
struct Buckets {
    buckets: Vec<ColumnChunks>,
    /// Binary logarithm of the number of customers of a bucket.
    shift: u32,
}

/// The columns in the canonical order, the first and the last day, and the counts of similar rows before merging.
struct SortedColumns {
    days: PackedColumn<i32>,
    types: PackedColumn<u16>,
    amounts: PackedColumn<f64>,
    first: i32,
    last: i32,
    counts: DuplicateCounts,
    /// If rows were merged, the end of each customer's rows, which is the start of the next customer's. `Err` with the
    /// customer, the day and the sum of an event whose sum is out of range.
    ends: std::result::Result<Option<Vec<usize>>, (usize, i32, f64)>,
}

impl Buckets {
    fn new(starts: &[usize]) -> Self {
        let (customers, rows) = (starts.len() - 1, starts[starts.len() - 1]);
        let each = (customers / rows.div_ceil(BUCKET).max(1)).max(1);
        let shift = each.ilog2();
        let buckets = (0..customers.div_ceil(1 << shift)).map(|_| ColumnChunks::default()).collect();
        Buckets { buckets, shift }
    }

    #[inline(always)]
    fn push(&mut self, customer: u32, order: u32, day: i32, event_type: u16, amount: f64) {
        self.buckets[(customer >> self.shift) as usize].push(customer, order, day, event_type, amount);
    }

    /// Sorts each customer's rows by all columns, and merges the rows of an event. `starts` are the starts of the customers'
    /// rows.
    fn sort<O: OrderKey>(mut self, starts: &[usize], by_day: bool) -> SortedColumns {
        let merges = by_day || size_of::<O>() > 0;
        let (customers, rows) = (starts.len() - 1, starts[starts.len() - 1]);
        let mut sorted = SortedColumns {
            days: PackedColumn::with_capacity(rows),
            types: PackedColumn::with_capacity(rows),
            amounts: PackedColumn::with_capacity(rows),
            first: i32::MAX,
            last: i32::MIN,
            counts: DuplicateCounts::default(),
            ends: Ok(None),
        };
        let (mut ends, mut end, mut failed) = (vec![0], 0, None);
        let together = 2 * parallel::threads();
        for (group, buckets) in self.buckets.chunks_mut(together).enumerate() {
            let ordered = parallel::map_mut(buckets, |i, bucket| {
                let first = (group * together + i) << self.shift;
                let starts = &starts[first..=(first + (1 << self.shift)).min(customers)];
                in_order::<O>(std::mem::take(bucket), first, starts, merges.then_some(by_day))
            });
            for bucket in ordered {
                sorted.counts = sorted.counts.plus(bucket.counts);
                failed = failed.or(bucket.failed);
                for kept in bucket.kept {
                    end += kept;
                    ends.push(end);
                }
                for MergeRow { day, event_type, amount, .. } in bucket.rows {
                    sorted.days.push(day);
                    sorted.types.push(event_type);
                    sorted.amounts.push(amount);
                    sorted.first = sorted.first.min(day);
                    sorted.last = sorted.last.max(day);
                }
            }
        }
        if merges {
            sorted.ends = failed.map_or(Ok(Some(ends)), Err);
            sorted.days.shrink();
            sorted.types.shrink();
            sorted.amounts.shrink();
        }
        sorted
    }
}

/// The sorted rows of a bucket.
struct Ordered<O> {
    rows: Vec<MergeRow<O>>,
    counts: DuplicateCounts,
    /// If rows are merged, the number of rows of each customer after merging.
    kept: Vec<usize>,
    /// The customer, the day and the sum of the first event whose sum is out of range.
    failed: Option<(usize, i32, f64)>,
}

/// Sorts the rows of a bucket, customer by customer, each from its start. `first` is the first customer of the bucket. With
/// `merged`, merges the rows of an event, by day if true, else by order.
fn in_order<O: OrderKey>(mut bucket: ColumnChunks, first: usize, starts: &[usize], merged: Option<bool>) -> Ordered<O> {
    let from = starts[0];
    let mut next: Vec<usize> = starts.iter().map(|start| start - from).collect();
    let mut rows = vec![MergeRow::default(); bucket.len()];
    bucket.clear(|_, customer, order, day, event_type, amount| {
        let slot = &mut next[customer as usize - first];
        rows[*slot] = MergeRow { day, event_type, order: O::of(order), amount };
        *slot += 1;
    });
    let mut ordered = Ordered { rows, counts: DuplicateCounts::default(), kept: Vec::new(), failed: None };
    let mut end = 0;
    for (customer, window) in (first..).zip(starts.windows(2)) {
        let own = window[0] - from..window[1] - from;
        sort(&mut ordered.rows[own.clone()], &mut ordered.counts);
        let Some(by_day) = merged else { continue };
        match merge(&mut ordered.rows[own.clone()], by_day) {
            Ok(kept) => {
                ordered.rows.copy_within(own.start..own.start + kept, end);
                ordered.kept.push(kept);
                end += kept;
            }
            Err((day, sum)) => ordered.failed = ordered.failed.or(Some((customer, day, sum))),
        }
    }
    if merged.is_some() {
        ordered.rows.truncate(end);
    }
    ordered
}
