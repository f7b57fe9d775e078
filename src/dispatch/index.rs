//! Which wildcard patterns match a topic: a trie over segments.
//!
//! A pattern in its normal form (see `pattern/parse.rs`) is a path from the root, one node per atom, with
//! two short cuts for what most patterns end in:
//!
//! ```text
//! user.*          root -user-> n            n.below
//! user.cr*        root -user-> n -cr*-> p   p.here
//! user.+.done     root -user-> n -+-> o -done-> d   d.here
//! a.**.z          root -a-> n -**-> x -z-> y        y.here
//! ```
//!
//! A look-up walks all paths that fit at once, one segment per round. Literal steps and raw prefixes are found
//! in one hash table each for the whole trie; a node knows the lengths of its prefixes and asks once per
//! length. So the cost depends on how many paths fit, not on how many patterns there are.
//!
//! # Each value once
//!
//! A node has one parent, hence it is reached once per round, except that the node of a `**` stays reached
//! and must not be reached again from its parent. Over the rounds only nodes at or below a `**` are
//! reached more than once (`Node::repeats`); only for them the walk remembers what it has seen.

mod edges;
#[cfg(test)]
mod tests;

use std::fmt;

use ahash::RandomState;
use smallvec::SmallVec;

use crate::pattern::{Atom, Atoms, TopicPattern, split};
use edges::Edges;

/// A node by its place in the arena.
type NodeId = u32;

/// Where every path starts.
const ROOT: NodeId = 0;

/// Patterns that end at the same place, each with its value. Mostly one: two texts end at one place only if
/// they mean the same, like `a.+.b` and `a.*.b`.
type Ends<V> = SmallVec<[(TopicPattern, V); 1]>;

/// A place in the trie.
struct Node<V> {
    /// Patterns whose path ends here.
    here: Ends<V>,
    /// Patterns that go on with one segment or more from here: a trailing `*`.
    below: Ends<V>,
    /// The step over any one segment.
    one: Option<NodeId>,
    /// The step over any number of segments.
    deep: Option<NodeId>,
    /// How many literal steps start here.
    literals: u32,
    /// Lengths of the raw prefixes that start here, ascending, each with how many there are.
    prefixes: Vec<(usize, u32)>,
    /// The step to this node was a `**`: it is left by reading segments, and stays.
    is_deep: bool,
    /// There is a `**` on the way, the last step included: a topic may come here by several ways.
    repeats: bool,
}

impl<V> Node<V> {
    fn new(is_deep: bool, repeats: bool) -> Self {
        Self {
            here: Ends::new(),
            below: Ends::new(),
            one: None,
            deep: None,
            literals: 0,
            prefixes: Vec::new(),
            is_deep,
            repeats,
        }
    }

    /// Tells whether nothing ends here and nothing goes on from here.
    fn is_bare(&self) -> bool {
        self.here.is_empty()
            && self.below.is_empty()
            && self.one.is_none()
            && self.deep.is_none()
            && self.literals == 0
            && self.prefixes.is_empty()
    }

    fn ends(&mut self, below: bool) -> &mut Ends<V> {
        if below { &mut self.below } else { &mut self.here }
    }
}

/// Values by pattern, found by the topics that match.
pub(crate) struct PatternIndex<V> {
    /// The root is the first. Nodes on the free list are bare.
    nodes: Vec<Node<V>>,
    free: Vec<NodeId>,
    literals: Edges,
    prefixes: Edges,
    hasher: RandomState,
    len: usize,
}

impl<V> PatternIndex<V> {
    /// An index without patterns.
    pub(crate) fn new() -> Self {
        Self {
            nodes: vec![Node::new(false, false)],
            free: Vec::new(),
            literals: Edges::default(),
            prefixes: Edges::default(),
            hasher: crate::sync::hash_keys(),
            len: 0,
        }
    }

    /// How many patterns there are.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Tells whether there are no patterns.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Iterates over the patterns and their values, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TopicPattern, &V)> {
        self.nodes
            .iter()
            .flat_map(|node| node.here.iter().chain(&node.below))
            .map(|(pattern, value)| (pattern, value))
    }

    /// Returns the value of a pattern, made on the spot if the pattern is new. Patterns are told apart by their
    /// texts.
    pub(crate) fn insert_with(&mut self, pattern: &TopicPattern, make: impl FnOnce() -> V) -> &mut V {
        let atoms = pattern.atoms();
        let (path, below) = path(&atoms);
        let mut node = ROOT;
        for &atom in path {
            node = match self.child(node, atom) {
                Some(child) => child,
                None => self.add_child(node, atom),
            };
        }
        let ends = self.nodes[node as usize].ends(below);
        let known = ends.iter().position(|(known, _)| known == pattern);
        let at = known.unwrap_or_else(|| {
            ends.push((pattern.clone(), make()));
            self.len += 1;
            ends.len() - 1
        });
        &mut ends[at].1
    }

    /// Returns the value of a pattern.
    pub(crate) fn get_mut(&mut self, pattern: &TopicPattern) -> Option<&mut V> {
        let atoms = pattern.atoms();
        let (path, below) = path(&atoms);
        let node = path.iter().try_fold(ROOT, |node, &atom| self.child(node, atom))?;
        let ends = self.nodes[node as usize].ends(below);
        ends.iter_mut().find(|(known, _)| known == pattern).map(|(_, value)| value)
    }

    /// Takes a pattern out, with all nodes that only it needed.
    pub(crate) fn remove(&mut self, pattern: &TopicPattern) -> Option<V> {
        let atoms = pattern.atoms();
        let (path, below) = path(&atoms);
        let mut node = ROOT;
        let mut steps: SmallVec<[(NodeId, Atom<'_>, NodeId); 8]> = SmallVec::new();
        for &atom in path {
            let child = self.child(node, atom)?;
            steps.push((node, atom, child));
            node = child;
        }
        let ends = self.nodes[node as usize].ends(below);
        let at = ends.iter().position(|(known, _)| known == pattern)?;
        let (_, value) = ends.swap_remove(at);
        self.len -= 1;
        while let Some((parent, atom, child)) = steps.pop() {
            if !self.nodes[child as usize].is_bare() {
                break;
            }
            self.remove_child(parent, atom, child);
        }
        Some(value)
    }

    /// Calls `visit` once for the value of each pattern that matches, in no particular order. The name must be a
    /// topic.
    pub(crate) fn for_each_match<'a>(&'a self, topic: &str, mut visit: impl FnMut(&'a V)) {
        let mut emit = |ends: &'a Ends<V>| ends.iter().for_each(|(_, value)| visit(value));
        let mut seen = Seen::default();
        let mut reached: SmallVec<[NodeId; 16]> = SmallVec::from_slice(&[ROOT]);
        let mut next = SmallVec::new();
        self.skip_nothing(&mut reached, &mut seen);
        let mut rest = Some(topic);
        while let Some(tail) = rest {
            let (segment, after) = split(tail);
            let hash = self.hasher.hash_one(segment);
            for &id in &reached {
                let node = &self.nodes[id as usize];
                if !node.below.is_empty() && (!node.repeats || seen.insert(id, true)) {
                    emit(&node.below);
                }
                for &(len, _) in node.prefixes.iter().take_while(|(len, _)| *len <= segment.len()) {
                    // No prefix ends inside a character.
                    let Some(prefix) = segment.get(..len) else { continue };
                    let Some(child) = self.prefixes.get(id, prefix, self.hasher.hash_one(prefix)) else {
                        continue;
                    };
                    if !node.repeats || seen.insert(child, false) {
                        emit(&self.nodes[child as usize].here);
                    }
                }
                if node.is_deep {
                    next.push(id);
                }
                next.extend(node.one);
                if node.literals > 0 {
                    next.extend(self.literals.get(id, segment, hash));
                }
            }
            self.skip_nothing(&mut next, &mut seen);
            std::mem::swap(&mut reached, &mut next);
            next.clear();
            if reached.is_empty() {
                return;
            }
            rest = after;
        }
        for id in reached {
            emit(&self.nodes[id as usize].here);
        }
    }

    /// Adds the nodes that are reached by a `**` that takes no segment.
    fn skip_nothing(&self, reached: &mut SmallVec<[NodeId; 16]>, seen: &mut Seen) {
        let mut at = 0;
        while let Some(&id) = reached.get(at) {
            let node = &self.nodes[id as usize];
            if let Some(deep) = node.deep
                && (!node.repeats || seen.insert(deep, false))
            {
                reached.push(deep);
            }
            at += 1;
        }
    }

    /// Returns the node that a step leads to.
    fn child(&self, parent: NodeId, atom: Atom<'_>) -> Option<NodeId> {
        let node = &self.nodes[parent as usize];
        match atom {
            Atom::One => node.one,
            Atom::Deep => node.deep,
            Atom::Literal(text) => self.literals.get(parent, text, self.hasher.hash_one(text)),
            Atom::Prefix(text) => self.prefixes.get(parent, text, self.hasher.hash_one(text)),
        }
    }

    /// Makes a step where there is none.
    fn add_child(&mut self, parent: NodeId, atom: Atom<'_>) -> NodeId {
        let is_deep = atom == Atom::Deep;
        let fresh = Node::new(is_deep, is_deep || self.nodes[parent as usize].repeats);
        let child = if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = fresh;
            id
        } else {
            self.nodes.push(fresh);
            NodeId::try_from(self.nodes.len() - 1).expect("memory ends before four thousand million nodes")
        };
        let node = &mut self.nodes[parent as usize];
        match atom {
            Atom::One => node.one = Some(child),
            Atom::Deep => node.deep = Some(child),
            Atom::Literal(text) => {
                node.literals += 1;
                self.literals.insert(parent, text, child, &self.hasher);
            }
            Atom::Prefix(text) => {
                match node.prefixes.binary_search_by_key(&text.len(), |(len, _)| *len) {
                    Ok(at) => node.prefixes[at].1 += 1,
                    Err(at) => node.prefixes.insert(at, (text.len(), 1)),
                }
                self.prefixes.insert(parent, text, child, &self.hasher);
            }
        }
        child
    }

    /// Takes away a step to a node that is bare.
    fn remove_child(&mut self, parent: NodeId, atom: Atom<'_>, child: NodeId) {
        let node = &mut self.nodes[parent as usize];
        match atom {
            Atom::One => node.one = None,
            Atom::Deep => node.deep = None,
            Atom::Literal(text) => {
                node.literals -= 1;
                self.literals.remove(parent, text, self.hasher.hash_one(text));
            }
            Atom::Prefix(text) => {
                if let Ok(at) = node.prefixes.binary_search_by_key(&text.len(), |(len, _)| *len) {
                    node.prefixes[at].1 -= 1;
                    if node.prefixes[at].1 == 0 {
                        node.prefixes.remove(at);
                    }
                }
                self.prefixes.remove(parent, text, self.hasher.hash_one(text));
            }
        }
        self.free.push(child);
    }
}

impl<V> Default for PatternIndex<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> fmt::Debug for PatternIndex<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternIndex").field("len", &self.len).field("nodes", &self.nodes.len()).finish()
    }
}

/// The steps to the node where a pattern ends, and whether it ends below that.
fn path<'p, 'a>(atoms: &'p Atoms<'a>) -> (&'p [Atom<'a>], bool) {
    match atoms.as_slice() {
        [path @ .., Atom::One, Atom::Deep] => (path, true),
        // A raw prefix always has its `Deep`: its node says it all.
        [path @ .., Atom::Deep] if matches!(path.last(), Some(Atom::Prefix(_))) => (path, false),
        path => (path, false),
    }
}

/// What a look-up has met already; empty and unused while no `**` is on the way.
#[derive(Default)]
struct Seen {
    few: SmallVec<[(NodeId, bool); 16]>,
    /// Takes over when `few` is full: then a linear search would cost more.
    many: hashbrown::HashSet<(NodeId, bool), RandomState>,
}

impl Seen {
    /// Remembers a node, or what is below it, and tells whether it is new.
    fn insert(&mut self, node: NodeId, below: bool) -> bool {
        let place = (node, below);
        if !self.many.is_empty() {
            return self.many.insert(place);
        }
        if self.few.contains(&place) {
            return false;
        }
        if self.few.len() < self.few.inline_size() {
            self.few.push(place);
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(place);
        }
        true
    }
}
