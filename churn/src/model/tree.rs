//! A fitted decision tree.
//!
//! **Structure.** The tree is binary. A number goes left if it is at most the threshold, and a category if its level is in
//! the node's set. A missing value goes in a direction learned at each split.
//!
//! **Algorithm.** Each row has a gradient g and a curvature h. The gain of a split is
//! GL²/(HL + λ) + GR²/(HR + λ) − G²/(H + λ), where G and H are the sums over the rows of each side. A leaf's value is
//! G/(H + λ). With g = y and h = 1 the gain is the variance (Gini) criterion of a classification tree, and the leaf is a
//! rate. With the derivatives of the log-loss it is a Newton boosting step. Splits are searched over 255 bins per feature
//! (`learn/gain.rs`). A category's levels are first sorted by G/H, so that the best set is a prefix (Fisher 1958).
//! `learn/grow.rs` grows a boosting tree level by level, `learn/forest.rs` a tree of a forest.
//!
//! **Constraints.** Gradients are integers, so the sums do not depend on the order of the rows or on the threads. They cannot
//! overflow below 2^33 rows.

/// The largest depth of a tree.
pub(crate) const MAX_DEPTH: usize = 32;

/// A fitted tree. Children come after their parent in the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A split, or a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) split: Option<Split>,
    /// The value of a leaf; for a split, the value that the node would have as a leaf.
    pub(crate) value: f64,
    /// Sum of the curvatures of its training rows; for a forest, the sum of their weights.
    pub(crate) cover: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Split {
    pub(crate) feature: u32,
    pub(crate) rule: Rule,
    pub(crate) missing_left: bool,
    pub(crate) left: u32,
    pub(crate) right: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rule {
    /// Values up to this threshold go left.
    AtMost(f64),
    /// These levels go left.
    Levels(LevelSet),
}

/// A set of levels 0..=254.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LevelSet([u64; 4]);

impl LevelSet {
    pub(crate) fn insert(&mut self, level: u8) {
        self.0[usize::from(level / 64)] |= 1 << (level % 64);
    }

    pub(crate) fn contains(&self, level: u8) -> bool {
        self.0[usize::from(level / 64)] >> (level % 64) & 1 == 1
    }

    pub(crate) fn levels(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=254).filter(|&level| self.contains(level))
    }
}

impl Split {
    pub(crate) fn goes_left(&self, value: f64) -> bool {
        if value.is_nan() {
            return self.missing_left;
        }
        match &self.rule {
            Rule::AtMost(threshold) => value <= *threshold,
            Rule::Levels(levels) => levels.contains(value as u8),
        }
    }
}

impl Tree {
    /// The value of the leaf that a row of features falls into.
    pub(crate) fn value(&self, row: ndarray::ArrayView1<'_, f64>) -> f64 {
        let mut node = &self.nodes[0];
        while let Some(split) = &node.split {
            let next = if split.goes_left(row[split.feature as usize]) { split.left } else { split.right };
            node = &self.nodes[next as usize];
        }
        node.value
    }

    /// The number of edges on the longest path from the root.
    pub(crate) fn depth(&self) -> usize {
        let mut depths = vec![0; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate() {
            if let Some(split) = &node.split {
                depths[split.left as usize] = depths[i] + 1;
                depths[split.right as usize] = depths[i] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }
}
