//! What the growth of a tree obeys, how its rows are divided, and the tree that it would have been had it stopped earlier.

use crate::model::tree::{Node, Split, Tree};

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
    /// The tree, had it been grown only so deep.
    pub(crate) fn cut(&self, depth: usize) -> Tree {
        let mut tree = Tree::default();
        self.copy_to(&mut tree, 0, depth);
        tree
    }

    /// Adds a node with what lies at most `depth` below it; returns its place.
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

/// Moves the rows that go left to the front, keeping the order on both sides; returns how many there are.
pub(crate) fn partition<T: Copy>(rows: &mut [T], buffer: &mut [T], goes_left: impl Fn(T) -> bool) -> usize {
    let (mut left, mut right) = (0, 0);
    for at in 0..rows.len() {
        let row = rows[at];
        let is_left = usize::from(goes_left(row));
        // Both are written and one is kept: which way a row goes cannot be foreseen, so a branch would cost more.
        rows[left] = row;
        buffer[right] = row;
        left += is_left;
        right += 1 - is_left;
    }
    rows[left..].copy_from_slice(&buffer[..right]);
    left
}
