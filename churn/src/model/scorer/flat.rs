//! Trees of any shape as one list of small nodes. A node stores the index of its left child; the right child is the next node.
//! A leaf leads to itself. So a walk takes as many steps as the tree is deep, and needs no test for the end. Several walks
//! run side by side, so that one does not wait for the memory accesses of another.
//!
//! A row is first converted to *keys*: integers in the order of the numbers. A missing value is below or above all others,
//! depending on the direction that the split gives it.

use crate::model::tree::{LevelSet, Rule, Split, Tree};
use crate::scratch::with_buffer;

/// Number of walks that run side by side.
const ABREAST: usize = 8;

/// Approximate number of keys of the rows that are walked together: they fill half of a first-level cache.
const KEYS: usize = 2048;

pub(super) struct Flat {
    nodes: Vec<FlatNode>,
    /// The value of each node.
    values: Vec<f64>,
    roots: Vec<Root>,
    keys: Vec<KeyEncoder>,
    /// Bit sets of levels: a bit for each level, and for [`MISSING`], that is set if it goes left.
    sets: Vec<[u64; 5]>,
}

#[derive(Clone, Copy)]
struct FlatNode {
    /// The threshold: a key above it goes right. For a split by levels, the index in `sets`.
    test: i64,
    /// The index of the key, with the bit [`LEVELS`] for a split by levels.
    key: u32,
    left: u32,
}

/// The bit that marks a split by a set of levels.
const LEVELS: u32 = 1 << 31;

struct Root {
    node: u32,
    depth: u32,
}

/// The conversion of a feature to a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct KeyEncoder {
    feature: u32,
    kind: KeyKind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum KeyKind {
    MissingLeft,
    MissingRight,
    Level,
}

const KINDS: [KeyKind; 3] = [KeyKind::MissingLeft, KeyKind::MissingRight, KeyKind::Level];

/// The key of a missing category.
const MISSING: i64 = 256;

/// Maps a number to an integer that has the same order. −0 is mapped like 0.
#[inline(always)]
pub(super) fn order(value: f64) -> i64 {
    let bits = (value + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) & i64::MAX)
}

impl KeyEncoder {
    #[inline(always)]
    fn of(self, value: f64) -> i64 {
        match self.kind {
            KeyKind::Level => {
                if value.is_nan() {
                    MISSING
                } else {
                    i64::from(value as u8)
                }
            }
            _ if !value.is_nan() => order(value),
            KeyKind::MissingLeft => i64::MIN,
            KeyKind::MissingRight => i64::MAX,
        }
    }
}

impl Flat {
    pub(super) fn new(trees: &[Tree]) -> Self {
        let splits = || trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| node.split.as_ref());
        let key = |split: &Split| KeyEncoder {
            feature: split.feature,
            kind: match split.rule {
                Rule::Levels(_) => KeyKind::Level,
                Rule::AtMost(_) if split.missing_left => KeyKind::MissingLeft,
                Rule::AtMost(_) => KeyKind::MissingRight,
            },
        };
        let features = splits().map(|split| split.feature + 1).max().unwrap_or(0);
        let mut asked = vec![[false; KINDS.len()]; features as usize];
        for split in splits() {
            let key = key(split);
            asked[key.feature as usize][key.kind as usize] = true;
        }
        let all = (0..features).flat_map(|feature| KINDS.map(|kind| KeyEncoder { feature, kind }));
        let mut keys: Vec<KeyEncoder> = all.filter(|key| asked[key.feature as usize][key.kind as usize]).collect();
        let place = |wanted: KeyEncoder| keys.binary_search(&wanted).expect("the key of every split was listed") as u32;
        let total = trees.iter().map(|tree| tree.nodes.len()).sum();
        let (mut nodes, mut values) = (Vec::with_capacity(total), Vec::with_capacity(total));
        let (mut roots, mut sets) = (Vec::with_capacity(trees.len()), Vec::new());
        for tree in trees {
            let first = nodes.len();
            roots.push(Root { node: first as u32, depth: tree.depth() as u32 });
            // Breadth first, so that siblings are adjacent. `waiting[i]` is the index in the tree of the i-th node here.
            let mut waiting = vec![0usize];
            let mut done = 0;
            while done < waiting.len() {
                let node = &tree.nodes[waiting[done]];
                let own = (first + done) as u32;
                values.push(node.value);
                nodes.push(match &node.split {
                    None => FlatNode { test: i64::MAX, key: 0, left: own },
                    Some(split) => {
                        let left = (first + waiting.len()) as u32;
                        waiting.extend([split.left as usize, split.right as usize]);
                        let key = place(key(split));
                        match &split.rule {
                            Rule::AtMost(threshold) => FlatNode { test: order(*threshold), key, left },
                            Rule::Levels(levels) => {
                                sets.push(bits(levels, split.missing_left));
                                FlatNode { test: sets.len() as i64 - 1, key: key | LEVELS, left }
                            }
                        }
                    }
                });
                done += 1;
            }
        }
        // A leaf reads a key too, so there must be at least one.
        if keys.is_empty() {
            keys.push(KeyEncoder { feature: 0, kind: KeyKind::MissingLeft });
        }
        Flat { nodes, values, roots, keys, sets }
    }

    /// The number of trees.
    pub(super) fn trees(&self) -> usize {
        self.roots.len()
    }

    /// Returns `start` plus the values of all trees for a row, added tree by tree.
    pub(super) fn sum(&self, start: f64, row: &[f64]) -> f64 {
        with_buffer(self.keys.len(), 0, |keys| {
            keys.iter_mut().zip(&self.keys).for_each(|(key, of)| *key = of.of(row[of.feature as usize]));
            self.sum_of(start, keys)
        })
    }

    fn sum_of(&self, start: f64, keys: &[i64]) -> f64 {
        let mut sum = start;
        for roots in self.roots.chunks(ABREAST) {
            let mut at = [roots[0].node; ABREAST];
            let mut depth = 0;
            for (at, root) in at.iter_mut().zip(roots) {
                *at = root.node;
                depth = depth.max(root.depth);
            }
            self.walk(&mut at, depth, |_| keys);
            at[..roots.len()].iter().for_each(|&at| sum += self.values[at as usize]);
        }
        sum
    }

    /// Adds the trees' values of each row to the sum of the same index, tree by tree.
    pub(super) fn add(&self, rows: &[f64], width: usize, sums: &mut [f64]) {
        let stride = self.keys.len();
        let together = (KEYS / stride).clamp(1, 64).next_multiple_of(ABREAST);
        let mut keys = vec![0; together.min(sums.len().next_multiple_of(ABREAST)) * stride];
        for (rows, sums) in rows.chunks(together * width).zip(sums.chunks_mut(together)) {
            for (keys, row) in keys.chunks_exact_mut(stride).zip(rows.chunks_exact(width)) {
                keys.iter_mut().zip(&self.keys).for_each(|(key, of)| *key = of.of(row[of.feature as usize]));
            }
            for root in &self.roots {
                // After the last row the buffer holds keys of earlier rows, or zeros. They are walked too, and ignored.
                for (keys, sums) in keys.chunks_exact(ABREAST * stride).zip(sums.chunks_mut(ABREAST)) {
                    let mut at = [root.node; ABREAST];
                    self.walk(&mut at, root.depth, |lane| &keys[lane * stride..(lane + 1) * stride]);
                    sums.iter_mut().zip(at).for_each(|(sum, at)| *sum += self.values[at as usize]);
                }
            }
        }
    }

    #[inline(always)]
    fn walk<'k>(&self, at: &mut [u32; ABREAST], depth: u32, keys: impl Fn(usize) -> &'k [i64]) {
        if self.sets.is_empty() {
            self.walk_with(at, depth, keys, |node, key| key > node.test);
        } else {
            self.walk_with(at, depth, keys, |node, key| {
                // Both tests are computed, because a branch would be mispredicted often.
                let is_set = node.key & LEVELS != 0;
                let set = &self.sets[if is_set { node.test as usize } else { 0 }];
                let left = set[(key as u64 >> 6).min(4) as usize] >> (key & 63) & 1 == 1;
                if is_set { !left } else { key > node.test }
            });
        }
    }

    #[inline(always)]
    fn walk_with<'k>(
        &self,
        at: &mut [u32; ABREAST],
        depth: u32,
        keys: impl Fn(usize) -> &'k [i64],
        goes_right: impl Fn(&FlatNode, i64) -> bool,
    ) {
        for _ in 0..depth {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = &self.nodes[*at as usize];
                *at = node.left + u32::from(goes_right(node, keys(lane)[(node.key & !LEVELS) as usize]));
            }
        }
    }
}

fn bits(levels: &LevelSet, missing_left: bool) -> [u64; 5] {
    let mut bits = [0; 5];
    levels.levels().for_each(|level| bits[usize::from(level / 64)] |= 1 << (level % 64));
    bits[4] = u64::from(missing_left);
    bits
}
