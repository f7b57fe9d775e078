//! JSON into a tree. Whether it is JSON is said by `serde_json`; the walk after that only finds the places.

use std::sync::Arc;

use serde::de::IgnoredAny;

use super::format::{Lines, MAX_DEPTH, MAX_NODES};
use super::problem::{ConfigProblem, ConfigProblemKind};
use super::scalar;
use super::value::{Key, Node, Place, Value};

/// Reads JSON; an empty text is an empty map.
pub(crate) fn parse(text: &str, source: &Arc<str>) -> Result<Node, ConfigProblem> {
    if text.trim().is_empty() {
        return Ok(Node::map(Place::new(source, 1, 1)));
    }
    // Its errors are fixed texts, and quote nothing.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        // Its columns are bytes.
        let before: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let place = Lines::new(text, source).at(before + error.column().saturating_sub(1));
        let message = error.to_string();
        let kind = if message.starts_with("recursion limit") {
            ConfigProblemKind::TooDeep { limit: MAX_DEPTH }
        } else {
            let cause = message.split(" at line ").next().unwrap_or_default();
            ConfigProblemKind::Syntax { message: format!("not JSON: {cause}") }
        };
        return Err(ConfigProblem::new(&place, "", kind));
    }
    Walk { text, at: 0, lines: Lines::new(text, source), nodes: 0 }.value(0)
}

/// A walk through a text that is known to be JSON.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    lines: Lines<'a>,
    nodes: usize,
}

impl Walk<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, ConfigProblem> {
        self.space();
        let place = self.lines.at(self.at);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(ConfigProblem::new(&place, "", ConfigProblemKind::TooDeep { limit: MAX_DEPTH }));
        }
        if self.nodes > MAX_NODES {
            return Err(ConfigProblem::new(&place, "", ConfigProblemKind::TooMany { limit: MAX_NODES }));
        }
        let value = match self.peek() {
            Some(b'{') => {
                let mut entries = Vec::new();
                while self.next_item(b'}') {
                    let at = self.lines.at(self.at);
                    let name = self.text();
                    self.space();
                    self.at += 1; // the colon
                    entries.push((Key { name, at }, self.value(depth + 1)?));
                }
                Value::Map(entries)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                while self.next_item(b']') {
                    items.push(self.value(depth + 1)?);
                }
                Value::List(items)
            }
            Some(b'"') => Value::Text(self.text()),
            _ => {
                let rest = &self.text[self.at..];
                let end = rest.find(|c: char| ",]} \t\r\n".contains(c)).unwrap_or(rest.len());
                self.at += end;
                scalar::resolve(&rest[..end])
            }
        };
        Ok(Node { value, at: place })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// Goes over the opening bracket or the comma to the next item, or over the closing bracket.
    fn next_item(&mut self, end: u8) -> bool {
        self.space();
        if self.peek() != Some(end) {
            self.at += 1;
            self.space();
        }
        // The end of the text cannot come first; but a loop must end whatever happens.
        if self.peek().is_none_or(|byte| byte == end) {
            self.at += 1;
            return false;
        }
        true
    }

    /// Goes over a string.
    fn text(&mut self) -> String {
        let rest = &self.text[self.at..];
        let mut escaped = false;
        let end = rest.bytes().skip(1).position(|byte| {
            let last = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            last
        });
        let raw = &rest[..end.map_or(rest.len(), |end| end + 2)];
        self.at += raw.len();
        serde_json::from_str(raw).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        parse(text, &"t".into()).map_err(|problem| problem.to_string())
    }

    /// As `serde_json` reads it.
    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Int(number) => serde_json::from_str(&number.to_string()).expect("a number"),
            Value::Float(number) => (*number).into(),
            Value::Text(text) | Value::Untyped(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(plain).collect(),
            Value::Map(entries) => {
                entries.iter().map(|(key, node)| (key.name.clone(), plain(node))).collect()
            }
        }
    }

    #[test]
    fn the_tree_is_what_serde_json_reads() {
        for text in [
            r#"{}"#,
            r#"[]"#,
            r#" [ ] "#,
            r#" { "a" : [ ] , "b" : { } , "c":[[],[{}]] } "#,
            r#"{"a":1,"b":-2.5,"c":true,"d":null,"e":"x","f":[1,[2,{"g":false}],"",[]],"h":1e3}"#,
            "{\"a\"\n:\n1\n,\t\"b\"\r\n:2}",
            r#"{"quote \" and \\":"\\\"","\u00e9\ud83d\ude00":"\/\b\f\n\r\t","]":"}","a,b":"[{"}"#,
            r#""only a text""#,
            "-0.0",
            "18446744073709551615",
        ] {
            let node = read(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!(
                plain(&node),
                serde_json::from_str::<serde_json::Value>(text).expect("JSON"),
                "{text}"
            );
        }
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let node = read("{\n  \"a\": [1,\n   {\"é\": \"x\", \"c\": null}]\n}")
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((node.at.line, node.at.column), (1, 1));
        let Value::Map(entries) = &node.value else { panic!("a map") };
        assert_eq!((entries[0].0.at.line, entries[0].0.at.column), (2, 3));
        let Value::List(items) = &entries[0].1.value else { panic!("a list") };
        let Value::Map(inner) = &items[1].value else { panic!("a map") };
        assert_eq!((inner[0].1.at.line, inner[0].1.at.column), (3, 10));
        assert_eq!((inner[1].0.at.line, inner[1].0.at.column), (3, 15));
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_place() {
        for (text, expected) in [
            ("{\"a\": 1,}", "t:1:9: not JSON: key must be a string"),
            ("{\"a\": 1\n  \"b\": 2}", "t:2:3: not JSON: expected `,` or `}`"),
            ("{a: 1}", "t:1:2: not JSON: key must be a string"),
            ("{\"a\": hunter2}", "t:1:7: not JSON: expected value"),
            ("[1] 2", "t:1:5: not JSON: trailing characters"),
            (
                "{\"a\": \"x\ny\"}",
                "t:1:8: not JSON: control character (\\u0000-\\u001F) found while parsing a string",
            ),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(expected));
        }
        assert_eq!(read("").map(|node| node.count()), Ok(1));
    }

    #[test]
    fn nesting_and_numbers_of_values_are_bounded() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(33)).is_ok());
        for levels in [34, 127, 128, 129, 100_000, 500_000] {
            let problem = read(&nested(levels)).err().expect("too deep");
            assert!(problem.contains("nest deeper than 32"), "{levels}: {problem}");
        }
        let many = format!("[{}0]", "0,".repeat(20_000));
        assert_eq!(read(&many).err().as_deref(), Some("t:1:20000: more than 10000 values"));
    }
}
