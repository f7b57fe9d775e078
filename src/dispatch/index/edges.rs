//! The steps of a trie that have a text, in one hash table.

use ahash::RandomState;
use hashbrown::HashTable;

use super::NodeId;

/// A step from one node to another.
#[derive(Debug)]
struct Edge {
    parent: NodeId,
    child: NodeId,
    text: Box<str>,
}

/// Steps by the node where they start and their text.
///
/// One table for all nodes: most nodes have one step or none, and a table each would cost more than the rest
/// of the trie. The hash of the text comes from outside, so that a look-up computes it once per segment,
/// whatever the number of nodes it asks.
#[derive(Debug, Default)]
pub(super) struct Edges {
    table: HashTable<Edge>,
}

impl Edges {
    /// Returns where a step leads.
    pub(super) fn get(&self, parent: NodeId, text: &str, text_hash: u64) -> Option<NodeId> {
        self.table.find(mix(parent, text_hash), |edge| edge.is(parent, text)).map(|edge| edge.child)
    }

    /// Adds a step that is not there yet.
    pub(super) fn insert(&mut self, parent: NodeId, text: &str, child: NodeId, hasher: &RandomState) {
        let hash = mix(parent, hasher.hash_one(text));
        self.table.insert_unique(hash, Edge { parent, child, text: text.into() }, |edge| {
            mix(edge.parent, hasher.hash_one(&*edge.text))
        });
    }

    /// Takes a step away.
    pub(super) fn remove(&mut self, parent: NodeId, text: &str, text_hash: u64) {
        if let Ok(entry) = self.table.find_entry(mix(parent, text_hash), |edge| edge.is(parent, text)) {
            entry.remove();
        }
    }
}

impl Edge {
    fn is(&self, parent: NodeId, text: &str) -> bool {
        self.parent == parent && *self.text == *text
    }
}

/// The hash of a step. The text's hash is keyed and good; the factor (2^64 over the golden ratio) spreads
/// the node over all bits.
fn mix(parent: NodeId, text_hash: u64) -> u64 {
    text_hash ^ u64::from(parent).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
