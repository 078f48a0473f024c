//! What the growth of a tree obeys, and what it would have given had it stopped earlier.

use super::bins::{BinKind, BinnedColumn, MISSING};
use crate::model::tree::{Rule, Tree};

/// What the growth of a tree obeys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) max_depth: usize,
    /// λ, added to the curvature of every node.
    pub(crate) l2: f64,
    /// The least curvature on either side of a split.
    pub(crate) min_child_weight: f64,
}

impl Tree {
    /// Calls `take(row, which, value)` with the value of each row's node at each of the rising `depths` (its leaf, where that
    /// lies higher): what the tree would give had it been grown only so deep.
    pub(crate) fn values_at(
        &self,
        columns: &[BinnedColumn],
        rows: impl IntoIterator<Item = usize>,
        depths: &[usize],
        mut take: impl FnMut(usize, usize, f64),
    ) {
        for row in rows {
            let mut node = &self.nodes[0];
            let mut depth = 0;
            for (which, &until) in depths.iter().enumerate() {
                while depth < until
                    && let Some(split) = &node.split
                {
                    let column = &columns[split.feature as usize];
                    let code = column.codes[row];
                    let left = match &split.rule {
                        _ if code == MISSING => split.missing_left,
                        Rule::AtMost(threshold) => match &column.kind {
                            // Bin b holds values up to edges[b], so it lies left of every threshold from there on.
                            BinKind::Numeric { edges } => {
                                edges.get(usize::from(code)).is_some_and(|edge| edge <= threshold)
                            }
                            BinKind::Categorical { .. } => false,
                        },
                        Rule::Levels(levels) => levels.contains(code),
                    };
                    node = &self.nodes[if left { split.left } else { split.right } as usize];
                    depth += 1;
                }
                take(row, which, node.value);
            }
        }
    }
}
