//! YAML into a tree: from the events of a parser, so that every place is known and every alias counted.

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::format::{MAX_BYTES, MAX_DEPTH, MAX_NODES, small};
use super::problem::{ConfigProblem, ConfigProblemKind};
use super::scalar;
use super::value::{Key, Node, Place, Value};

/// Reads one document of YAML; an empty text is an empty map.
pub(crate) fn parse(text: &str, source: &Arc<str>) -> Result<Node, ConfigProblem> {
    let mut build =
        Build { source, open: Vec::new(), anchors: HashMap::new(), nodes: 0, bytes: 0, root: None };
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => build.event(event, &span)?,
            Err(error) => {
                let mark = error.marker();
                let place = Place::new(source, small(mark.line()), small(mark.col() + 1));
                let kind = match error.kind() {
                    ErrorKind::RecursionLimitExceeded => ConfigProblemKind::TooDeep { limit: MAX_DEPTH },
                    // A fixed text, which quotes nothing.
                    kind => ConfigProblemKind::Syntax { message: format!("not YAML: {kind}") },
                };
                return Err(ConfigProblem::new(&place, "", kind));
            }
        }
    }
    match build.root {
        Some(Node { value: Value::Null, .. }) | None => Ok(Node::map(Place::new(source, 1, 1))),
        Some(node) => Ok(node),
    }
}

/// A list or a map whose end has not come yet.
struct Open {
    at: Place,
    anchor: usize,
    parts: Parts,
}

enum Parts {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// The key whose value comes next.
        key: Option<Key>,
        /// Where a `<<` stands, and what it brings.
        merged: Vec<Node>,
        merging: bool,
    },
}

struct Build<'a> {
    source: &'a Arc<str>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    /// The texts that aliases have brought.
    bytes: usize,
    root: Option<Node>,
}

impl Build<'_> {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), ConfigProblem> {
        let place = |mark: &Marker| Place::new(self.source, small(mark.line()), small(mark.col() + 1));
        let at = place(&span.start);
        let tagged = span.tag_start().map_or_else(|| at.clone(), |mark| place(&mark));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(1, &at)?;
                let plain = style == ScalarStyle::Plain;
                let is_key = self.wants_key();
                let value = match kind_of(tag.as_deref(), &tagged)? {
                    Kind::Text => Value::Text(text.into_owned()),
                    // A key is a name, whatever else it could be.
                    Kind::Any if plain && !is_key => scalar::resolve(&text),
                    Kind::Any => Value::Text(text.into_owned()),
                };
                let merge = plain && is_key && matches!(&value, Value::Text(name) if name == "<<");
                let node = Node { value, at };
                self.keep(anchor, &node);
                if merge { self.begin_merge() } else { self.put(node) }
            }
            Event::SequenceStart(_, anchor, tag) => {
                kind_of(tag.as_deref(), &tagged)?;
                self.begin(at, anchor, Parts::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                kind_of(tag.as_deref(), &tagged)?;
                let parts = Parts::Map { entries: Vec::new(), key: None, merged: Vec::new(), merging: false };
                self.begin(at, anchor, parts)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => self.alias(anchor, &at),
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(syntax(&at, "not YAML for us: more than one document"))
            }
            _ => Ok(()),
        }
    }

    fn count(&mut self, nodes: usize, at: &Place) -> Result<(), ConfigProblem> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(ConfigProblem::new(at, "", ConfigProblemKind::TooMany { limit: MAX_NODES }));
        }
        Ok(())
    }

    fn check_depth(&self, more: usize, at: &Place) -> Result<(), ConfigProblem> {
        if self.open.len() + more > MAX_DEPTH + 1 {
            return Err(ConfigProblem::new(at, "", ConfigProblemKind::TooDeep { limit: MAX_DEPTH }));
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { parts: Parts::Map { key: None, merging: false, .. }, .. }))
    }

    fn begin(&mut self, at: Place, anchor: usize, parts: Parts) -> Result<(), ConfigProblem> {
        self.count(1, &at)?;
        self.check_depth(1, &at)?;
        if self.wants_key() {
            return Err(syntax(&at, "a key that is a list or a map"));
        }
        self.open.push(Open { at, anchor, parts });
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConfigProblem> {
        let Some(Open { at, anchor, parts }) = self.open.pop() else { return Ok(()) };
        let value = match parts {
            Parts::List(items) => Value::List(items),
            Parts::Map { mut entries, merged, .. } => {
                for source in merged {
                    merge(&mut entries, source)?;
                }
                Value::Map(entries)
            }
        };
        let node = Node { value, at };
        self.keep(anchor, &node);
        self.put(node)
    }

    /// Remembers what an alias may ask for.
    fn keep(&mut self, anchor: usize, node: &Node) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn alias(&mut self, anchor: usize, at: &Place) -> Result<(), ConfigProblem> {
        if self.open.iter().any(|open| open.anchor == anchor) {
            return Err(ConfigProblem::new(at, "", ConfigProblemKind::Cycle));
        }
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(syntax(at, "an alias without an anchor"));
        };
        // Counted before it is copied.
        let (nodes, depth, bytes) = (node.count(), node.depth(), node.bytes());
        self.count(nodes, at)?;
        self.check_depth(depth, at)?;
        self.bytes += bytes;
        if self.bytes as u64 > MAX_BYTES {
            return Err(ConfigProblem::new(at, "", ConfigProblemKind::TooLarge { limit: MAX_BYTES }));
        }
        match self.anchors.get(&anchor).cloned() {
            Some(node) => self.put(node),
            None => Ok(()),
        }
    }

    fn begin_merge(&mut self) -> Result<(), ConfigProblem> {
        if let Some(Open { parts: Parts::Map { merging, .. }, .. }) = self.open.last_mut() {
            *merging = true;
        }
        Ok(())
    }

    /// Puts a node where it belongs.
    fn put(&mut self, node: Node) -> Result<(), ConfigProblem> {
        match self.open.last_mut().map(|open| &mut open.parts) {
            None => self.root = Some(node),
            Some(Parts::List(items)) => items.push(node),
            Some(Parts::Map { merged, merging, .. }) if *merging => {
                *merging = false;
                merged.push(node);
            }
            Some(Parts::Map { entries, key, .. }) => match key.take() {
                Some(key) => entries.push((key, node)),
                None => match node.value {
                    Value::Text(name) => *key = Some(Key { name, at: node.at }),
                    _ => return Err(syntax(&node.at, "a key that is no text")),
                },
            },
        }
        Ok(())
    }
}

/// Adds what a `<<` brings: keys that are not there yet.
fn merge(entries: &mut Vec<(Key, Node)>, source: Node) -> Result<(), ConfigProblem> {
    match source.value {
        Value::Map(brought) => {
            let own: Vec<String> = entries.iter().map(|(key, _)| key.name.clone()).collect();
            entries.extend(brought.into_iter().filter(|(key, _)| !own.contains(&key.name)));
            Ok(())
        }
        Value::List(sources) => sources.into_iter().try_for_each(|source| merge(entries, source)),
        _ => Err(syntax(&source.at, "a merge key needs a map or a list of maps")),
    }
}

/// What a tag makes of a value.
enum Kind {
    Any,
    Text,
}

fn kind_of(tag: Option<&Tag>, at: &Place) -> Result<Kind, ConfigProblem> {
    let Some(tag) = tag else { return Ok(Kind::Any) };
    match (tag.handle(), tag.suffix()) {
        ("tag:yaml.org,2002:", "str") => Ok(Kind::Text),
        ("tag:yaml.org,2002:", "map" | "seq") => Ok(Kind::Any),
        // Not what it says: it may be the beginning of a password without quotes.
        _ => Err(syntax(at, "a tag, such as !include: there is none but !!str, !!map and !!seq")),
    }
}

fn syntax(at: &Place, message: &str) -> ConfigProblem {
    ConfigProblem::new(at, "", ConfigProblemKind::Syntax { message: message.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(text, &"t".into()).map_err(|problem| problem.to_string())
    }

    fn fine(text: &str) -> Node {
        read(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    fn refused(text: &str) -> String {
        read(text).err().unwrap_or_else(|| panic!("{text} was taken"))
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let node = fine("a: 1\nb:\n  - é: x\n    c: [1, true]\n  - ~\n");
        let Value::Map(entries) = &node.value else { panic!("a map") };
        assert_eq!((entries[0].1.at.line, entries[0].1.at.column), (1, 4));
        assert_eq!((entries[1].0.at.line, entries[1].0.at.column), (2, 1));
        let Value::List(items) = &entries[1].1.value else { panic!("a list") };
        let Value::Map(inner) = &items[0].value else { panic!("a map") };
        assert_eq!((inner[0].0.at.line, inner[0].0.at.column), (3, 5));
        assert_eq!((inner[0].1.at.line, inner[0].1.at.column), (3, 8));
        let Value::List(flow) = &inner[1].1.value else { panic!("a list") };
        assert_eq!((flow[1].at.line, flow[1].at.column), (4, 12));
        assert!(matches!((&flow[1].value, &items[1].value), (Value::Bool(true), Value::Null)));
    }

    #[test]
    fn quotes_and_tags_make_texts() {
        for text in ["a: '5'", "a: \"5\"", "a: !!str 5", "a: |-\n  5"] {
            assert!(
                matches!(&fine(text).get("a").expect("a").value, Value::Text(five) if five == "5"),
                "{text}"
            );
        }
        assert!(matches!(fine("5: x").get("5").expect("5").value, Value::Text(_)));
        assert!(matches!(fine("a: ").get("a").expect("a").value, Value::Null));
        for empty in ["", "\n# only a comment\n", "---\n", "~"] {
            assert!(matches!(fine(empty).value, Value::Map(entries) if entries.is_empty()), "{empty:?}");
        }
    }

    #[test]
    fn aliases_and_merge_keys_are_replaced() {
        let node = fine("x: &x {a: 1, b: 2}\ny: *x\nz:\n  b: 3\n  <<: *x\nw: {<<: [*x, {c: 4}], a: 5}\n");
        assert!(node.get("y") == node.get("x"));
        let get =
            |map: &str, key: &str| node.get(map).and_then(|map| map.get(key)).map(|node| node.value.clone());
        assert!(matches!((get("z", "a"), get("z", "b")), (Some(Value::Int(1)), Some(Value::Int(3)))));
        assert!(matches!((get("w", "a"), get("w", "b")), (Some(Value::Int(5)), Some(Value::Int(2)))));
        assert!(matches!(get("w", "c"), Some(Value::Int(4))));
        assert!(refused("a: {<<: 5}").contains("a merge key needs a map"));
    }

    #[test]
    fn bombs_are_typed_errors() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let last = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", [last.as_str(); 9].join(", "));
        }
        assert!(refused(&bomb).contains("more than 10000 values"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), ["*a"; 9_000].join(", "));
        assert!(refused(&long).contains("larger than 1048576 bytes"));
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for level in 1..40 {
            chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(refused(&chain).contains("nest deeper than 32"));
        let many = format!("[{}]", "x, ".repeat(20_000));
        assert!(refused(&many).contains("more than 10000 values"));
        for cycle in ["a: &a [*a]", "&a {b: *a}", "a: &a\n  b: {c: [1, *a]}"] {
            assert!(refused(cycle).contains("an alias inside its own anchor"), "{cycle}");
        }
    }

    #[test]
    fn nesting_is_bounded_in_every_style() {
        fine(&format!("{}{}", "[".repeat(33), "]".repeat(33)));
        for levels in [34, 200, 300, 200_000] {
            for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
                let text = format!("{}x{}", open.repeat(levels), close.repeat(levels));
                assert_eq!(
                    refused(&text).split(": ").nth(1),
                    Some("lists and maps nest deeper than 32"),
                    "{levels} {open}"
                );
            }
        }
    }

    #[test]
    fn what_we_do_not_read_is_said_and_nothing_is_quoted() {
        for (text, expected) in [
            (
                "a: !include other.yaml",
                "t:1:4: a tag, such as !include: there is none but !!str, !!map and !!seq",
            ),
            (
                "password: !hunter2 x",
                "t:1:11: a tag, such as !include: there is none but !!str, !!map and !!seq",
            ),
            ("a: 1\n---\nb: 2\n", "t:2:1: not YAML for us: more than one document"),
            ("[a, b]: 1", "t:1:1: a key that is a list or a map"),
        ] {
            assert_eq!(refused(text), expected);
        }
        for text in [
            "password: *hunter2",
            "password: @hunter2",
            "password: %hunter2",
            "a: [hunter2",
            "hunter2: a: b",
            "a: \"hunter2",
        ] {
            let problem = refused(text);
            assert!(problem.starts_with("t:1:") || problem.starts_with("t:2:"), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
