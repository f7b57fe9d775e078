//! One tree out of several: later ones win.
//!
//! A key of a later file replaces the whole value of an earlier one, lists too. What the environment and the code
//! set are single values at a path, which go into the lists that are there.

use super::problem::{ConfigProblem, ConfigProblemKind};
use super::value::{Key, Node, Place, Value};

/// One step down in a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Index(usize),
    Key(String),
}

/// A value for a path.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) path: Vec<Step>,
    pub(crate) node: Node,
}

impl Assignment {
    /// The path as errors write it.
    pub(crate) fn path(path: &[Step]) -> String {
        let mut text = String::new();
        for step in path {
            text = match step {
                Step::Index(index) => format!("{text}[{index}]"),
                Step::Key(key) => super::problem::join(&text, key),
            };
        }
        text
    }
}

/// Lays a tree over another.
pub(crate) fn overlay(base: &mut Node, top: Node) {
    match (&mut base.value, top.value) {
        (Value::Map(entries), Value::Map(more)) => {
            for (key, node) in more {
                match entries.iter_mut().find(|(known, _)| known.name == key.name) {
                    Some(entry) => *entry = (key, node),
                    None => entries.push((key, node)),
                }
            }
        }
        // A file that is no map: it is refused when it is read.
        (_, value) => *base = Node { value, at: top.at },
    }
}

/// Sets single values, in the order of their paths, so that lists grow from their front.
pub(crate) fn assign(base: &mut Node, mut assignments: Vec<Assignment>, problems: &mut Vec<ConfigProblem>) {
    assignments.sort_by(|a, b| a.path.cmp(&b.path));
    for Assignment { path, node } in assignments {
        let at = node.at.clone();
        match find(base, &path, &at) {
            Ok(Some(place)) => *place = node,
            Ok(None) => {}
            Err((depth, kind)) => {
                problems.push(ConfigProblem::new(&at, Assignment::path(&path[..=depth]), kind));
            }
        }
    }
}

/// The node at a path, made if it is not there. `None` if something of another type stands in the way: that is
/// refused when it is read.
fn find<'a>(
    base: &'a mut Node,
    path: &[Step],
    at: &Place,
) -> Result<Option<&'a mut Node>, (usize, ConfigProblemKind)> {
    let mut node = base;
    for (depth, step) in path.iter().enumerate() {
        if matches!(node.value, Value::Null) {
            node.value = match step {
                Step::Index(_) => Value::List(Vec::new()),
                Step::Key(_) => Value::Map(Vec::new()),
            };
        }
        let empty = Node { value: Value::Null, at: at.clone() };
        node = match (step, &mut node.value) {
            (Step::Index(index), Value::List(items)) => {
                let (index, len) = (*index, items.len());
                if index > len {
                    return Err((depth, ConfigProblemKind::Gap { index, len }));
                }
                if index == len {
                    items.push(empty);
                }
                &mut items[index]
            }
            (Step::Key(name), Value::Map(entries)) => {
                let index = entries.iter().position(|(key, _)| key.name == *name).unwrap_or(entries.len());
                let key = Key { name: name.clone(), at: at.clone() };
                if index == entries.len() {
                    entries.push((key, empty));
                } else if depth + 1 == path.len() {
                    entries[index].0 = key;
                }
                &mut entries[index].1
            }
            _ => return Ok(None),
        };
    }
    Ok(Some(node))
}

#[cfg(test)]
mod tests {
    use super::super::format::Format;
    use super::*;

    fn tree(text: &str) -> Node {
        Format::Yaml.parse(text, &"t".into()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn set(path: &[Step], text: &str) -> Assignment {
        let node = Node { value: Value::Untyped(text.to_owned()), at: Place::whole("v") };
        Assignment { path: path.to_vec(), node }
    }

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn a_later_file_replaces_whole_values() {
        let mut base = tree("a: 1\nb: [1, 2]\nc: {x: 1}\n");
        overlay(&mut base, tree("b: [3]\nd: 4\n"));
        assert!(base == tree("{a: 1, b: [3], c: {x: 1}, d: 4}"));
        overlay(&mut base, tree("[1]"));
        assert!(base == tree("[1]"));
    }

    #[test]
    fn single_values_go_into_the_lists_that_are_there() {
        let mut base = tree("engines: [{name: a, type: memory}]\n");
        let mut problems = vec![];
        let given = vec![
            set(&[key("engines"), Step::Index(2), key("name")], "c"),
            set(&[key("engines"), Step::Index(1), key("name")], "b"),
            set(&[key("engines"), Step::Index(0), key("type")], "custom"),
            set(&[key("routing"), Step::Index(0), key("topics"), Step::Index(0)], "x"),
        ];
        assign(&mut base, given, &mut problems);
        assert_eq!(problems, []);
        let expected = "engines: [{name: a, type: custom}, {name: b}, {name: c}]\nrouting: [{topics: [x]}]";
        assert!(base == tree(expected));
    }

    #[test]
    fn a_gap_is_an_error_and_what_stands_in_the_way_is_left_for_the_reader() {
        let mut base = tree("engines: 5\n");
        let mut problems = vec![];
        let given = vec![
            set(&[key("engines"), Step::Index(0), key("name")], "a"),
            set(&[key("routing"), Step::Index(7), key("engine")], "a"),
        ];
        assign(&mut base, given, &mut problems);
        assert_eq!(problems.len(), 1);
        assert_eq!(
            problems[0].to_string(),
            "v: routing[7]: entry 7 is given and the list has 0: entries are numbered from 0, without gaps"
        );
        assert!(matches!(base.get("engines").map(|node| &node.value), Some(Value::Int(5))));
    }
}
