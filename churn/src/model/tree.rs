//! A fitted tree, and what the growth of one obeys.
//!
//! **Structure.** A binary tree; a number goes left if it is at most the threshold, a category if its level is in the
//! node's set, a missing value by a direction learned at each split. **Algorithm.** Each row has a gradient g and a
//! curvature h; a split is worth GL²/(HL + λ) + GR²/(HR + λ) − G²/(H + λ) over the sums of its sides, a leaf's value is
//! G/(H + λ). With g = y and h = 1 that is the variance (Gini) criterion of a classification tree and the leaf is a
//! rate; with the log-loss's derivatives it is a Newton boosting step. Splits are searched over 255 bins a feature
//! (`learn/gain.rs`); a category's levels are sorted by G/H first, so that the best set is a prefix (Fisher 1958). `learn/grow.rs` grows
//! a boosting tree level by level, `learn/forest.rs` a tree of a forest. **Constraints.** Gradients are integers, so that sums do
//! not depend on order and threads; they cannot overflow below 2^33 rows.

/// No tree is deeper.
pub(crate) const MAX_DEPTH: usize = 32;

/// A fitted tree. Children stand behind their parent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
}

/// A split, or a leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) split: Option<Split>,
    /// The value of a leaf; for a split what the node would give as one.
    pub(crate) value: f64,
    /// Sum of curvatures in training: for a forest the weight of its rows.
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
    /// value ≤ threshold goes left.
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

    /// The number of edges on the longest way down.
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
