//! TOML into a tree.

use std::sync::Arc;

use ::toml::de::{DeTable, DeValue};
use ::toml::{Spanned, de};

use super::format::{Lines, MAX_DEPTH, MAX_NODES};
use super::problem::{ConfigProblem, ConfigProblemKind};
use super::scalar;
use super::value::{Key, Node, Value};

/// Reads TOML. Its parser goes on after an error, so there may be several.
pub(crate) fn parse(text: &str, source: &Arc<str>) -> Result<Node, Vec<ConfigProblem>> {
    let lines = Lines::new(text, source);
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let mut problems: Vec<_> = errors.iter().map(|error| problem(error, &lines)).collect();
        // What it says after that is the echo of the first ones.
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems.truncate(20);
        return Err(problems);
    }
    let mut walk = Walk { lines, nodes: 0 };
    let at = walk.lines.at(0);
    let value = walk.table(table.get_ref(), 0).map_err(|problem| vec![problem])?;
    Ok(Node { value, at })
}

fn problem(error: &de::Error, lines: &Lines<'_>) -> ConfigProblem {
    let place = lines.at(error.span().map_or(0, |span| span.start));
    let message = error.message();
    let kind = if message.starts_with("cannot recurse") || message.starts_with("recursion limit") {
        ConfigProblemKind::TooDeep { limit: MAX_DEPTH }
    } else {
        // Not its `Display`, which quotes the line.
        ConfigProblemKind::Syntax { message: message.to_owned() }
    };
    ConfigProblem::new(&place, "", kind)
}

struct Walk<'a> {
    lines: Lines<'a>,
    nodes: usize,
}

impl Walk<'_> {
    fn node(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Result<Node, ConfigProblem> {
        let at = self.lines.at(value.span().start);
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return Err(ConfigProblem::new(&at, "", ConfigProblemKind::TooDeep { limit: MAX_DEPTH }));
        }
        if self.nodes > MAX_NODES {
            return Err(ConfigProblem::new(&at, "", ConfigProblemKind::TooMany { limit: MAX_NODES }));
        }
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Int(number),
                Err(_) => Value::Float(f64::INFINITY),
            },
            DeValue::Float(number) => match number.as_str() {
                "inf" | "+inf" => Value::Float(f64::INFINITY),
                "-inf" => Value::Float(f64::NEG_INFINITY),
                "nan" | "+nan" | "-nan" => Value::Float(f64::NAN),
                text => match scalar::number(text) {
                    Some(Value::Int(_)) | None => Value::Float(text.parse().unwrap_or(f64::NAN)),
                    Some(number) => number,
                },
            },
            DeValue::Boolean(flag) => Value::Bool(*flag),
            // No key of ours is a date.
            DeValue::Datetime(date) => Value::Text(date.to_string()),
            DeValue::Array(items) => {
                Value::List(items.iter().map(|item| self.node(item, depth + 1)).collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => self.table(table, depth)?,
        };
        Ok(Node { value, at })
    }

    fn table(&mut self, table: &DeTable<'_>, depth: usize) -> Result<Value, ConfigProblem> {
        let mut entries = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().clone().into_owned();
            entries.push((Key { name, at: self.lines.at(key.span().start) }, self.node(value, depth + 1)?));
        }
        // The parser sorts by name.
        entries.sort_by(|(a, _), (b, _)| a.at.cmp(&b.at));
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Vec<String>> {
        parse(text, &"t".into()).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_key_and_value_has_its_place() {
        let text = "a = 1\n[b]\nc = [true,\n  \"é\", 0x1F]\n[[d]]\ne.f = 1.5\n[[d]]\ng = 1979-05-27\n";
        let node = read(text).unwrap_or_else(|problems| panic!("{problems:?}"));
        let place = |node: &Node| (node.at.line, node.at.column);
        assert_eq!(node.get("a").map(place), Some((1, 5)));
        let c = node.get("b").and_then(|b| b.get("c")).expect("b.c");
        let Value::List(items) = &c.value else { panic!("a list") };
        assert_eq!((place(c), place(&items[1]), place(&items[2])), ((3, 5), (4, 3), (4, 8)));
        assert!(matches!(items[2].value, Value::Int(31)));
        let Some(Value::List(d)) = node.get("d").map(|d| &d.value) else { panic!("a list") };
        let Value::Map(first) = &d[0].value else { panic!("a map") };
        assert_eq!((first[0].0.at.line, first[0].0.at.column), (6, 1));
        assert!(matches!(&d[1].get("g").expect("g").value, Value::Text(date) if date == "1979-05-27"));
    }

    #[test]
    fn numbers_are_what_they_are() {
        let node = read("a = 1_000\nb = 1_0.5\nc = inf\nd = -nan\ne = 1e3\nf = 99999999999999999999\n");
        let node = node.unwrap_or_else(|problems| panic!("{problems:?}"));
        let value = |name: &str| &node.get(name).expect("there").value;
        assert!(matches!(value("a"), Value::Int(1000)));
        assert!(matches!(value("b"), Value::Float(x) if *x == 10.5));
        assert!(matches!(value("c"), Value::Float(x) if x.is_infinite()));
        assert!(matches!(value("d"), Value::Float(x) if x.is_nan()));
        assert!(matches!(value("e"), Value::Float(x) if *x == 1000.0));
        assert!(matches!(value("f"), Value::Int(99_999_999_999_999_999_999)));
    }

    #[test]
    fn all_errors_are_said_at_once_and_none_quotes_the_text() {
        let problems = read("a = \nb = hunter2\nc = 3\nc = 4\n[d\n").err().expect("refused");
        assert!(problems.len() >= 4, "{problems:?}");
        assert!(problems.iter().all(|problem| !problem.contains("hunter2")), "{problems:?}");
        assert!(problems[0].starts_with("t:1:"), "{problems:?}");
    }

    #[test]
    fn nesting_and_numbers_of_values_are_bounded() {
        let nested = |levels: usize| format!("a = {}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(30)).is_ok());
        for levels in [40, 79, 100, 100_000, 500_000] {
            let problems = read(&nested(levels)).err().expect("too deep");
            assert!(problems[0].contains("nest deeper than 32"), "{levels}: {problems:?}");
        }
        let dotted = format!("a{} = 1", ".a".repeat(200_000));
        assert!(read(&dotted).err().expect("too deep")[0].contains("nest deeper than 32"));
        let many = format!("a = [{}0]", "0,".repeat(20_000));
        assert!(read(&many).err().expect("too many")[0].contains("more than 10000 values"));
    }
}
