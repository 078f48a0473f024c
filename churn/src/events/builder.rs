//! Collects rows in any order into the canonical one: customers by the bytes of their id, rows by day.

use super::ids::{BATCH, Names, Spread, Table};
use super::ingest::{BadRow, IngestReport, Intake, Parsed, REPORTED_BAD_ROWS, conflict};
use super::rows::{NO_TYPE, Rows, Shard, Sink, Wants, shards};
use super::strings::{Texts, select, sorted};
use super::{Day, Events};
use crate::error::Result;
use crate::parallel;

/// Rows of memory that are taken over together.
pub(super) const ROWS_TOGETHER: usize = 8192;

/// Collects rows in any order into the canonical one.
pub(super) struct Builder {
    pub(super) spread: Spread,
    shards: Vec<BuilderShard>,
    type_names: Names,
}

impl Default for Builder {
    fn default() -> Self {
        let spread = Spread::default();
        let shard = |_| BuilderShard { ids: Table::new(spread.clone()), ..BuilderShard::default() };
        Builder { shards: (0..shards()).map(shard).collect(), spread, type_names: Names::default() }
    }
}

/// The rows of some of the customers.
#[derive(Default)]
pub(super) struct BuilderShard {
    ids: Names,
    customers: Vec<u32>,
    days: Vec<i32>,
    amounts: Vec<f64>,
    types: Vec<u16>,
    labels: Vec<Option<bool>>,
    /// Rows that carried a label, with their lines: a conflict found later takes them back.
    labelled: Vec<(usize, u64)>,
    conflicts: Vec<u32>,
}

impl Sink for Builder {
    type Shard = BuilderShard;

    fn wants(&self) -> Wants {
        Wants { types: true, labels: true }
    }

    fn spread(&self) -> &Spread {
        &self.spread
    }

    fn parts(&mut self) -> (&mut [BuilderShard], &mut Names) {
        (&mut self.shards, &mut self.type_names)
    }
}

impl Shard for BuilderShard {
    fn take(&mut self, shard: usize, rows: &Rows) -> Vec<BadRow> {
        let mut refused = Vec::new();
        let BuilderShard { ids, customers, days, amounts, types, labels, labelled, conflicts } = self;
        rows.visit(shard, ids, |row, customer, _| {
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
                    _ => labelled.push((days.len(), line)),
                }
            }
            customers.push(customer);
            days.push(rows.days[row]);
            amounts.push(rows.amounts[row]);
            types.push(rows.types[row]);
        });
        refused.into_iter().map(|(line, customer)| conflicting_row(ids, line, customer)).collect()
    }

    fn withdraw_conflicts(&mut self) -> (u64, Vec<BadRow>) {
        self.conflicts.sort_unstable();
        self.conflicts.dedup();
        let conflicting = |customer: u32| self.conflicts.binary_search(&customer).is_ok();
        let mut withdrawn = vec![false; self.days.len()];
        let (mut count, mut first) = (0, Vec::new());
        for &(row, line) in &self.labelled {
            let customer = self.customers[row];
            if conflicting(customer) {
                withdrawn[row] = true;
                count += 1;
                if first.len() < REPORTED_BAD_ROWS {
                    first.push(conflicting_row(&self.ids, line, customer));
                }
            }
        }
        if count > 0 {
            fn keep<T>(column: &mut Vec<T>, withdrawn: &[bool]) {
                let mut row = 0;
                column.retain(|_| {
                    row += 1;
                    !withdrawn[row - 1]
                });
            }
            keep(&mut self.customers, &withdrawn);
            keep(&mut self.days, &withdrawn);
            keep(&mut self.amounts, &withdrawn);
            keep(&mut self.types, &withdrawn);
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
    /// An empty piece for rows of memory.
    pub(super) fn piece(&self) -> Parsed {
        Parsed { rows: Rows::new(self.wants(), ROWS_TOGETHER), ..Parsed::default() }
    }

    pub(super) fn take(&mut self, mut piece: Parsed, intake: &mut Intake) -> Result<()> {
        piece.rows.deal(&self.spread, self.shards.len());
        intake.take(&mut [piece], self)
    }

    pub(super) fn finish(self, report: IngestReport) -> Events {
        let Builder { shards, type_names, .. } = self;
        let type_order: Vec<u32> = sorted(&[&type_names], |_, _| true).into_iter().map(|(_, number)| number).collect();
        let mut type_rank = vec![0u16; type_order.len()];
        for (rank, &number) in type_order.iter().enumerate() {
            type_rank[number as usize] = rank as u16;
        }
        let rank = |number: u16| if number == NO_TYPE { NO_TYPE } else { type_rank[usize::from(number)] };

        // Customers whose every row was withdrawn are gone.
        let counts = parallel::map(shards.len(), |s| {
            let mut counts = vec![0u32; shards[s].ids.len()];
            shards[s].customers.iter().for_each(|&c| counts[c as usize] += 1);
            counts
        });
        let lists: Vec<&Names> = shards.iter().map(|shard| &shard.ids).collect();
        let order = sorted(&lists, |s, c| counts[s][c] > 0);

        // A counting sort by customer, then each customer's rows by everything that tells rows apart.
        let mut starts = Vec::with_capacity(order.len() + 1);
        let mut next: Vec<Vec<usize>> = counts.iter().map(|counts| vec![0; counts.len()]).collect();
        let mut total = 0;
        for &(s, c) in &order {
            starts.push(total);
            next[s as usize][c as usize] = total;
            total += counts[s as usize][c as usize] as usize;
        }
        starts.push(total);
        let mut rows: Vec<(i32, u16, f64)> = vec![(0, 0, 0.0); total];
        for (shard, next) in shards.iter().zip(&mut next) {
            // Some at a time, their targets read once beforehand: those reads do not wait for one another.
            for from in (0..shard.days.len()).step_by(BATCH) {
                let batch = from..(from + BATCH).min(shard.days.len());
                let touched =
                    batch.clone().fold(0, |sum, i| sum ^ rows[next[shard.customers[i] as usize].min(total - 1)].0);
                std::hint::black_box(touched);
                for i in batch {
                    let slot = &mut next[shard.customers[i] as usize];
                    rows[*slot] = (shard.days[i], rank(shard.types[i]), shard.amounts[i]);
                    *slot += 1;
                }
            }
        }
        for window in starts.windows(2) {
            rows[window[0]..window[1]]
                .sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| a.2.total_cmp(&b.2)));
        }
        let bound = |day: Option<i32>| day.and_then(Day::new).expect("a log holds at least one event");
        let label = |&(s, c): &(u32, u32)| shards[s as usize].labels.get(c as usize).copied().flatten();
        let labelled = shards.iter().any(|shard| shard.labels.iter().any(Option::is_some));
        Events {
            first_day: bound(rows.iter().map(|row| row.0).min()),
            last_day: bound(rows.iter().map(|row| row.0).max()),
            labels: labelled.then(|| order.iter().map(label).collect()),
            ids: select(&lists, &order),
            type_names: type_order.iter().map(|&number| type_names.text(number as usize)).collect(),
            starts,
            days: rows.iter().map(|row| row.0).collect(),
            types: rows.iter().map(|row| row.1).collect(),
            amounts: rows.iter().map(|row| row.2).collect(),
            report,
        }
    }
}
