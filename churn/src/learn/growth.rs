//! What the growth of a tree obeys, and the tree that it would have been had it stopped earlier.

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
