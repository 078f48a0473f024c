//! Scoring of many rows by shallow trees. Every split is evaluated for every row, with byte comparisons that the compiler
//! vectorises to sixteen or more at a time. So there is no walk that waits for loads from memory.
//!
//! The features of a block of rows are converted to columns of bytes once. The byte is the number of the model's thresholds
//! for the feature that lie below the value, so `value ≤ threshold` is a comparison of bytes. A missing value is the lowest
//! or the highest byte, depending on the direction that the split gives it. Each tree is filled up to a perfect binary tree.
//! The leaf that a row reaches is chosen from the bottom up, three levels at a time.

use super::flat::order;
use crate::model::tree::{LevelSet, Rule, Split, Tree};

/// Number of rows of a block.
pub(super) const ROWS: usize = 256;

/// Largest depth of a tree. Deeper trees use `flat`, because the work here doubles with each level.
const MAX_DEPTH: usize = 6;

/// The largest number of leaves of a tree.
const LEAVES: usize = 1 << MAX_DEPTH;

/// Largest number of columns; more would not stay in the cache.
const MAX_COLUMNS: usize = 1024;

/// Largest number of thresholds in a column: a byte can distinguish no more.
const MAX_CUTS: usize = 255;

/// Number of trees whose values are added in one pass, so that the sums are read and written less often.
const TOGETHER: usize = 4;

/// Number of binary searches that run side by side.
const ABREAST: usize = 8;

/// Vector instructions compare signed bytes. Flipping this bit makes the unsigned 0 the lowest.
const SIGN: u8 = 0x80;

type RankColumn = [i8; ROWS];

pub(super) struct Lanes {
    numbers: Vec<Number>,
    sets: Vec<Set>,
    columns: usize,
    trees: Vec<Perfect>,
}

/// Up to [`MAX_CUTS`] thresholds of a feature, and the columns made of it.
struct Number {
    feature: usize,
    /// The thresholds by [`rank`], padded with a value above all numbers, as a perfect binary search tree of `levels` levels.
    /// Node i has the children 2i and 2i + 1.
    search: Box<[u64; MAX_CUTS + 1]>,
    levels: u32,
    missing_left: Option<usize>,
    missing_right: Option<usize>,
}

/// A set of levels of a feature, and the column that is 1 for rows whose level is not in the set.
struct Set {
    feature: usize,
    column: usize,
    levels: LevelSet,
    missing_left: bool,
}

/// A tree, filled up to a perfect binary tree of 3 to 6 levels.
struct Perfect {
    depth: usize,
    /// Node i has the children 2i + 1 and 2i + 2.
    tests: Vec<Test>,
    /// The values of the leaves from left to right.
    values: Box<[f64; LEAVES]>,
}

#[derive(Clone, Copy)]
struct Test {
    column: u16,
    /// A byte above this goes right.
    above: i8,
}

/// Buffers for choosing the leaves of each row.
struct Choice {
    parts: [[u8; ROWS]; 8],
    leaves: [[u8; ROWS]; TOGETHER],
}

/// Returns true if the processor can compare 32 bytes at a time (AVX2).
pub(super) fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

fn byte(value: u8) -> i8 {
    (value ^ SIGN) as i8
}

/// Maps a number to an unsigned integer that has the same order. −0 is mapped like 0.
#[inline(always)]
fn rank(value: f64) -> u64 {
    order(value) as u64 ^ 1 << 63
}

/// Maps −0 to 0, so that equal numbers have equal bits.
fn plain(threshold: f64) -> f64 {
    threshold + 0.0
}

impl Lanes {
    /// Prepares trees. Returns none if a tree is too deep, or there are too many columns.
    pub(super) fn new(trees: &[Tree]) -> Option<Self> {
        if trees.iter().any(|tree| tree.depth() > MAX_DEPTH) {
            return None;
        }
        let splits = || trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| node.split.as_ref());
        let features = splits().map(|split| split.feature as usize + 1).max().unwrap_or(0);
        let mut cuts: Vec<Vec<f64>> = vec![Vec::new(); features];
        for split in splits() {
            if let Rule::AtMost(threshold) = split.rule {
                cuts[split.feature as usize].push(plain(threshold));
            }
        }
        for cuts in &mut cuts {
            cuts.sort_unstable_by(f64::total_cmp);
            cuts.dedup();
        }
        let content = |split: &Split| match &split.rule {
            Rule::AtMost(threshold) => {
                let rank = cuts[split.feature as usize].partition_point(|&cut| cut < plain(*threshold));
                (
                    ColumnContent::Number(split.feature, rank / MAX_CUTS, split.missing_left),
                    byte((rank % MAX_CUTS) as u8),
                )
            }
            Rule::Levels(levels) => (ColumnContent::Set(split.feature, levels.clone(), split.missing_left), byte(0)),
        };
        let mut contents: Vec<ColumnContent> = Vec::new();
        for split in splits() {
            let content = content(split).0;
            if let Err(at) = contents.binary_search(&content) {
                contents.insert(at, content);
            }
            if contents.len() > MAX_COLUMNS {
                return None;
            }
        }
        let test = |split: &Split| {
            let (content, above) = content(split);
            Test {
                column: contents.binary_search(&content).expect("the content of every split was listed") as u16,
                above,
            }
        };
        let (trees, count) = (trees.iter().map(|tree| Perfect::new(tree, &test)).collect(), contents.len().max(1));
        let (mut numbers, mut sets, mut last) = (Vec::new(), Vec::new(), None);
        for (column, content) in contents.into_iter().enumerate() {
            match content {
                ColumnContent::Number(feature, chunk, missing_left) => {
                    let own = cuts[feature as usize].chunks(MAX_CUTS).nth(chunk).expect("the chunk of a cut");
                    // The two columns of the same thresholds, which differ in the missing value, are adjacent.
                    let same = (feature, chunk);
                    if last != Some(same) {
                        numbers.push(Number::new(feature as usize, own));
                        last = Some(same);
                    }
                    let number = numbers.last_mut().expect("one was just added");
                    *if missing_left { &mut number.missing_left } else { &mut number.missing_right } = Some(column);
                }
                ColumnContent::Set(feature, levels, missing_left) => {
                    sets.push(Set { feature: feature as usize, column, levels, missing_left });
                }
            }
        }
        // A tree that is a single leaf tests the first column too, without effect on the result.
        Some(Lanes { numbers, sets, columns: count, trees })
    }

    /// Adds the trees' values of each row to the sum of the same index, tree by tree. At most [`ROWS`] rows.
    pub(super) fn add(&self, rows: &[f64], width: usize, sums: &mut [f64]) {
        self.add_by(rows, width, sums, wide());
    }

    /// [`Lanes::add`] with AVX2 instructions if `wide`, else with those of the target's baseline. Both have the same bits.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is one way only"))]
    pub(super) fn add_by(&self, rows: &[f64], width: usize, sums: &mut [f64], wide: bool) {
        // Rows beyond the end have zeros.
        let mut columns = vec![[0i8; ROWS]; self.columns];
        for number in &self.numbers {
            number.fill(rows, width, &mut columns);
        }
        for set in &self.sets {
            for (code, row) in columns[set.column].iter_mut().zip(rows.chunks_exact(width)) {
                let value = row[set.feature];
                let left = if value.is_nan() { set.missing_left } else { set.levels.contains(value as u8) };
                *code = byte(u8::from(!left));
            }
        }
        let mut all = [0.0; ROWS];
        all[..sums.len()].copy_from_slice(sums);
        let mut choice = Choice { parts: [[0; ROWS]; 8], leaves: [[0; ROWS]; TOGETHER] };
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "bytes compared 32 at a time, not 16: a batch takes a quarter less time")]
        if wide && self::wide() {
            // SAFETY: `self::wide()` has checked that the processor has the instructions.
            unsafe { self.add_trees_wide(&columns, &mut choice, &mut all) };
            sums.copy_from_slice(&all[..sums.len()]);
            return;
        }
        self.add_trees(&columns, &mut choice, &mut all);
        sums.copy_from_slice(&all[..sums.len()]);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn add_trees_wide(&self, columns: &[RankColumn], choice: &mut Choice, sums: &mut [f64; ROWS]) {
        self.add_trees(columns, choice, sums);
    }

    #[inline(always)]
    fn add_trees(&self, columns: &[RankColumn], choice: &mut Choice, sums: &mut [f64; ROWS]) {
        for trees in self.trees.chunks(TOGETHER) {
            for (tree, leaves) in trees.iter().zip(&mut choice.leaves) {
                tree.choose(columns, &mut choice.parts, leaves);
            }
            let value = |tree: usize, row: usize| trees[tree].values[usize::from(choice.leaves[tree][row]) % LEAVES];
            if trees.len() == TOGETHER {
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = *sum + value(0, row) + value(1, row) + value(2, row) + value(3, row);
                }
            } else {
                for tree in 0..trees.len() {
                    sums.iter_mut().enumerate().for_each(|(row, sum)| *sum += value(tree, row));
                }
            }
        }
    }
}

/// The content of a column: bytes for thresholds of a feature, or for a set of levels.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum ColumnContent {
    /// The feature, the index of the chunk of [`MAX_CUTS`] of its thresholds, and true if a missing value goes left.
    Number(u32, usize, bool),
    Set(u32, LevelSet, bool),
}

impl Number {
    fn new(feature: usize, cuts: &[f64]) -> Self {
        let levels = (cuts.len() + 1).next_power_of_two().ilog2();
        let mut search = Box::new([u64::MAX; MAX_CUTS + 1]);
        for (node, at) in search.iter_mut().enumerate().take(1 << levels).skip(1) {
            // The middle one of the thresholds in the subtree of the node.
            let level = node.ilog2();
            let middle = ((2 * (node - (1 << level)) + 1) << (levels - 1 - level)) - 1;
            *at = cuts.get(middle).map_or(u64::MAX, |&cut| rank(cut));
        }
        Number { feature, search, levels, missing_left: None, missing_right: None }
    }

    /// Fills the columns for a block of rows.
    fn fill(&self, rows: &[f64], width: usize, columns: &mut [RankColumn]) {
        let (mut ranks, mut missing) = ([0u64; ROWS], [false; ROWS]);
        for ((rank_of, missing), row) in ranks.iter_mut().zip(&mut missing).zip(rows.chunks_exact(width)) {
            let value = row[self.feature];
            (*rank_of, *missing) = (rank(value), value.is_nan());
        }
        let mut below = [0u8; ROWS];
        for (below, ranks) in below.chunks_exact_mut(ABREAST).zip(ranks.chunks_exact(ABREAST)) {
            let mut node = [1usize; ABREAST];
            for _ in 0..self.levels {
                for (node, &rank) in node.iter_mut().zip(ranks) {
                    *node = 2 * *node + usize::from(self.search[*node % (MAX_CUTS + 1)] < rank);
                }
            }
            below.iter_mut().zip(node).for_each(|(below, node)| *below = (node - (1 << self.levels)) as u8);
        }
        for (column, of_missing) in [(self.missing_left, 0), (self.missing_right, u8::MAX)] {
            let Some(column) = column else { continue };
            for ((code, &below), &missing) in columns[column].iter_mut().zip(&below).zip(&missing) {
                *code = byte(if missing { of_missing } else { below });
            }
        }
    }
}

impl Perfect {
    fn new(tree: &Tree, test: &impl Fn(&Split) -> Test) -> Self {
        let depth = tree.depth().max(3);
        // No byte is above the largest one, so a filled-up node without a split goes left.
        let mut tests = vec![Test { column: 0, above: i8::MAX }; (1 << depth) - 1];
        let mut values = Box::new([0.0; LEAVES]);
        // (index in the tree, index here)
        let mut waiting = vec![(0usize, 0usize)];
        while let Some((from, to)) = waiting.pop() {
            let node = &tree.nodes[from];
            match &node.split {
                Some(split) => {
                    tests[to] = test(split);
                    waiting.extend([(split.left as usize, 2 * to + 1), (split.right as usize, 2 * to + 2)]);
                }
                None => {
                    let mut leaf = to;
                    while leaf < tests.len() {
                        leaf = 2 * leaf + 1;
                    }
                    values[leaf - tests.len()] = node.value;
                }
            }
        }
        Perfect { depth, tests, values }
    }

    /// Chooses the leaf of every row.
    #[inline(always)]
    fn choose(&self, columns: &[RankColumn], parts: &mut [[u8; ROWS]; 8], leaves: &mut [u8; ROWS]) {
        // The lowest three levels are subtrees of eight leaves; the levels above choose among them.
        let above = self.depth - 3;
        let subtrees = 1 << above;
        let test = |node: usize| {
            let Test { column, above } = self.tests[node];
            (&columns[usize::from(column)], above)
        };
        #[allow(clippy::needless_range_loop, reason = "where there is one subtree it has no part")]
        for part in 0..subtrees {
            let node = subtrees - 1 + part;
            let (left, right) = (2 * node + 1, 2 * node + 2);
            let tests = [node, left, right, 2 * left + 1, 2 * left + 2, 2 * right + 1, 2 * right + 2].map(test);
            let out = if above == 0 { &mut *leaves } else { &mut parts[part] };
            leaf_of_eight(tests, 8 * part as u8, out);
        }
        match above {
            0 => (),
            1 => select_of_two(test(0), [0, 1].map(|i| &parts[i]), leaves),
            2 => select_of_four([0, 1, 2].map(test), [0, 1, 2, 3].map(|i| &parts[i]), leaves),
            _ => {
                let mut halves = [[0; ROWS]; 2];
                let [left, right] = &mut halves;
                select_of_four([1, 3, 4].map(test), [0, 1, 2, 3].map(|i| &parts[i]), left);
                select_of_four([2, 5, 6].map(test), [4, 5, 6, 7].map(|i| &parts[i]), right);
                select_of_two(test(0), [left, right], leaves);
            }
        }
    }
}

/// Returns all ones if a row goes right, else 0. It has no branch, so that the compiler can vectorise it.
#[inline(always)]
fn right((column, above): (&RankColumn, i8), row: usize) -> u8 {
    0u8.wrapping_sub(u8::from(column[row] > above))
}

/// Returns `a` if the mask is zero, `b` if it is all ones.
#[inline(always)]
fn pick(right: u8, a: u8, b: u8) -> u8 {
    a ^ (right & (a ^ b))
}

/// Chooses among eight leaves by seven tests: the node, its children from left to right, and their children.
#[inline(always)]
fn leaf_of_eight(tests: [(&RankColumn, i8); 7], first: u8, out: &mut [u8; ROWS]) {
    let [a, b, c, d, e, f, g] = tests;
    for (i, out) in out.iter_mut().enumerate() {
        let (a, b, c) = (right(a, i), right(b, i), right(c, i));
        let lowest = pick(a, pick(b, right(d, i), right(e, i)), pick(c, right(f, i), right(g, i)));
        *out = first | (a & 4) | (pick(a, b, c) & 2) | (lowest & 1);
    }
}

/// Chooses between two subtrees by the test of a node.
#[inline(always)]
fn select_of_two(test: (&RankColumn, i8), parts: [&[u8; ROWS]; 2], out: &mut [u8; ROWS]) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = pick(right(test, i), parts[0][i], parts[1][i]);
    }
}

/// Chooses among four subtrees by the tests of the node and its children.
#[inline(always)]
fn select_of_four(tests: [(&RankColumn, i8); 3], parts: [&[u8; ROWS]; 4], out: &mut [u8; ROWS]) {
    let [a, b, c] = tests;
    for (i, out) in out.iter_mut().enumerate() {
        let of_left = pick(right(b, i), parts[0][i], parts[1][i]);
        let of_right = pick(right(c, i), parts[2][i], parts[3][i]);
        *out = pick(right(a, i), of_left, of_right);
    }
}
