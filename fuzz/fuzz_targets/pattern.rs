//! Topics and patterns: parsing, matching, the algebra and the trie, against the oracle and each other.
#![no_main]

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use trolleybus::fuzzing::Index;
use trolleybus::{Topic, TopicPattern};

#[path = "../../tests/support/grammar.rs"]
mod grammar;
#[path = "../../tests/support/oracle.rs"]
mod oracle;

/// A text in which what patterns are made of is common and anything is possible.
#[derive(Debug)]
struct Text(String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        const PARTS: &[&str] =
            &["a", "b", "ab", "é", ".", ".", ".", ".a", ".+", ".*", ".**", "**.", "+.", "*", "+", "**.a.**."];
        let mut text = String::new();
        for _ in 0..u.int_in_range(0..=40)? {
            if u.ratio(1, 16)? {
                text.push(u.arbitrary()?);
            } else {
                text.push_str(u.choose(PARTS)?);
            }
        }
        // Half of the time without the empty segments, which would spoil nearly every text.
        if u.arbitrary()? {
            text = text.split('.').filter(|segment| !segment.is_empty()).collect::<Vec<_>>().join(".");
        }
        Ok(Self(text))
    }
}

#[derive(Arbitrary, Debug)]
struct Input {
    patterns: Vec<Text>,
    topics: Vec<Text>,
    removed: Vec<u8>,
}

fn segments(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

/// Checks what a text is taken for, as a topic and as a pattern.
fn check_parsing(text: &str) {
    let within = |text: &str| !text.is_empty() && text.len() <= 256 && segments(text).len() <= 32;
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    let named = within(text) && text.chars().all(plain) && segments(text).iter().all(|s| !s.is_empty());
    assert_eq!(Topic::new(text).is_ok(), named && !text.contains(['*', '+']), "{text:?}");
    let deep = segments(text).iter().filter(|s| **s == "**").count();
    let is_pattern = named && grammar::is_pattern(&segments(text)) && deep <= TopicPattern::MAX_DEEP;
    assert_eq!(TopicPattern::new(text).is_ok(), is_pattern, "{text:?}");

    if let Err(error) = TopicPattern::new(text) {
        assert!(error.to_string().chars().all(plain_or_space), "{error}");
    }
    if let Err(error) = Topic::new(text) {
        assert!(error.to_string().chars().all(plain_or_space), "{error}");
    }
}

fn plain_or_space(c: char) -> bool {
    c.is_ascii_graphic() || c == ' '
}

fn check_pair(p: &TopicPattern, q: &TopicPattern, topics: &[Topic]) {
    let (intersects, covers) = (p.intersects(q), p.covers(q));
    assert_eq!(intersects, q.intersects(p), "{p} {q}");
    // Every pattern within the limits has a topic: its wildcards need not be longer than they are.
    assert!(intersects || !covers, "{p} covers {q} without meeting it");
    for topic in topics {
        assert!(!covers || !q.matches(topic) || p.matches(topic), "{p} covers {q}, but not at {topic}");
        assert!(intersects || !(p.matches(topic) && q.matches(topic)), "{p} and {q} meet at {topic}");
    }
    if covers && q.covers(p) {
        assert!(topics.iter().all(|topic| p.matches(topic) == q.matches(topic)), "{p} {q}");
    }
}

fuzz_target!(|input: Input| {
    for Text(text) in input.patterns.iter().chain(&input.topics) {
        check_parsing(text);
    }
    let topics: Vec<Topic> = input.topics.iter().filter_map(|text| Topic::new(&text.0).ok()).collect();
    let patterns: Vec<TopicPattern> =
        input.patterns.iter().filter_map(|text| TopicPattern::new(&text.0).ok()).collect();

    for pattern in &patterns {
        assert_eq!(pattern.to_string().parse().as_ref(), Ok(pattern));
        assert!(pattern.covers(pattern) && pattern.intersects(pattern));
        for topic in &topics {
            let expected = oracle::matches(&segments(pattern.as_str()), &segments(topic.as_str()));
            assert_eq!(pattern.matches(topic), expected, "{pattern} {topic}");
            // A topic is a pattern, too.
            let literal = TopicPattern::from(topic);
            assert_eq!(pattern.covers(&literal), expected, "{pattern} {topic}");
            assert_eq!(pattern.intersects(&literal), expected, "{pattern} {topic}");
        }
    }
    for (i, p) in patterns.iter().take(6).enumerate() {
        for (_, q) in patterns.iter().take(6).enumerate().filter(|(j, _)| *j != i) {
            check_pair(p, q, &topics);
        }
    }

    // The trie against a linear scan; the model holds each text once, under its first number.
    let mut index = Index::default();
    let mut model: Vec<(usize, &TopicPattern)> = vec![];
    for (number, pattern) in patterns.iter().enumerate() {
        let known = model.iter().find(|(_, known)| *known == pattern).map(|(number, _)| *number);
        assert_eq!(index.insert(pattern, number), known.unwrap_or(number));
        if known.is_none() {
            model.push((number, pattern));
        }
    }
    let check = |index: &Index, model: &[(usize, &TopicPattern)]| {
        assert_eq!(index.count(), model.len());
        for topic in &topics {
            let scan: Vec<_> = model
                .iter()
                .filter(|(_, pattern)| pattern.matches(topic))
                .map(|(number, _)| *number)
                .collect();
            assert_eq!(index.matches(topic), scan, "{topic}");
        }
    };
    check(&index, &model);
    for &at in &input.removed {
        if !model.is_empty() {
            let (number, pattern) = model.remove(usize::from(at) % model.len());
            assert_eq!(index.remove(pattern), Some(number));
            assert_eq!(index.remove(pattern), None);
        }
    }
    check(&index, &model);
});
