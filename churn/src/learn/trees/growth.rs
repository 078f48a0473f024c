//! Limits of the growth of a tree, the partition of its rows, and cutting a tree at a smaller depth.

use crate::model::tree::{Node, Split, Tree};

/// Limits of the growth of a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Growth {
    pub(crate) max_depth: usize,
    /// λ, added to the curvature of every node.
    pub(crate) l2: f64,
    /// The smallest curvature on either side of a split.
    pub(crate) min_child_weight: f64,
    /// The variance of a sum of gradients of rows without information, per unit of their variance if each row were on its own and
    /// had the weight 1. It is above 1 if rows are repeated: as customers at several cutoffs, or in the sample of a tree.
    pub(crate) noise: f64,
}

impl Tree {
    /// Returns the tree cut at this depth, which is the tree that growing to this depth would give.
    pub(crate) fn cut(&self, depth: usize) -> Tree {
        let mut tree = Tree::default();
        self.copy_to(&mut tree, 0, depth);
        tree
    }

    /// Adds a copy of a node and of at most `depth` levels below it. Returns its index.
    fn copy_to(&self, tree: &mut Tree, node: u32, depth: usize) -> u32 {
        let place = tree.nodes.len();
        let node = &self.nodes[node as usize];
        tree.nodes.push(Node { split: None, ..node.clone() });
        if let Some(split) = node.split.as_ref().filter(|_| depth > 0) {
            let left = self.copy_to(tree, split.left, depth - 1);
            let right = self.copy_to(tree, split.right, depth - 1);
            tree.nodes[place].split = Some(Split { left, right, ..split.clone() });
        }
        place as u32
    }
}

/// Moves the rows that go left to the front, and keeps the order on both sides. Returns the number of these rows.
pub(crate) fn partition<T: Copy>(rows: &mut [T], buffer: &mut [T], goes_left: impl Fn(T) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let is_left = usize::from(goes_left(row));
        // Without a branch, which would be mispredicted often: both positions are written, and only one index advances.
        rows[left] = row;
        buffer[right] = row;
        left += is_left;
        right += 1 - is_left;
    }
    rows[left..].copy_from_slice(&buffer[..right]);
    left
}
