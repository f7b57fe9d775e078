//! The trie against a linear scan.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::topic::Topic;

fn pattern(text: &str) -> TopicPattern {
    TopicPattern::new(text).expect("a pattern")
}

fn index(texts: &[&str]) -> PatternIndex<String> {
    let mut index = PatternIndex::new();
    for text in texts {
        index.insert_with(&pattern(text), || (*text).to_owned());
    }
    index
}

fn matches<'a>(index: &'a PatternIndex<String>, topic: &str) -> Vec<&'a str> {
    let mut found = vec![];
    index.for_each_match(topic, |value| found.push(value.as_str()));
    found.sort_unstable();
    found
}

/// All texts of 1 to `len` characters.
fn texts(alphabet: &str, len: usize) -> Vec<String> {
    let mut all = vec![];
    let mut longest = vec![String::new()];
    for _ in 0..len {
        longest =
            longest.iter().flat_map(|text| alphabet.chars().map(move |c| format!("{text}{c}"))).collect();
        all.extend_from_slice(&longest);
    }
    all
}

#[test]
fn m1_the_trie_agrees_with_a_linear_scan_exhaustively() {
    let patterns: Vec<_> = texts("ab.*+", 6).iter().filter_map(|text| TopicPattern::new(text).ok()).collect();
    let topics: Vec<_> = texts("ab.", 7).iter().filter_map(|text| Topic::new(text).ok()).collect();
    let mut index = PatternIndex::new();
    for pattern in &patterns {
        index.insert_with(pattern, || pattern.to_string());
    }
    assert_eq!(index.len(), patterns.len());
    // Full, and again with every second pattern gone.
    for round in 0..2 {
        for topic in &topics {
            let mut scan: Vec<_> = (patterns.iter().step_by(round + 1))
                .filter(|pattern| pattern.matches(topic))
                .map(TopicPattern::as_str)
                .collect();
            scan.sort_unstable();
            assert_eq!(matches(&index, topic.as_str()), scan, "{topic}");
        }
        for gone in patterns.iter().skip(1).step_by(2) {
            assert_eq!(index.remove(gone).is_some(), round == 0, "{gone}");
        }
    }
}

#[test]
fn the_same_text_reaches_the_same_value_and_another_text_its_own() {
    let mut index = index(&["a.+.b", "a.*.b"]);
    assert_eq!(index.len(), 2, "they mean the same, but are two");
    index.insert_with(&pattern("a.+.b"), || unreachable!("known")).push('!');
    index.get_mut(&pattern("a.*.b")).expect("known").push('?');
    assert_eq!(matches(&index, "a.x.b"), ["a.*.b?", "a.+.b!"]);
    assert_eq!(index.get_mut(&pattern("a.**.b")), None);
    assert_eq!(index.get_mut(&pattern("a.+")), None);
    assert_eq!(index.remove(&pattern("a.+.b")).as_deref(), Some("a.+.b!"));
    assert_eq!(index.remove(&pattern("a.+.b")), None);
    assert_eq!(matches(&index, "a.x.b"), ["a.*.b?"]);
}

#[test]
fn a_value_comes_once_however_many_ways_lead_to_it() {
    let deep = ["**.a.**", "**.a.**.a.**", "**.a.*", "**.a.**.a.*", "**.a*", "**.a.**.a*", "**.+.**.a", "**"];
    let index = index(&deep);
    let mut all = deep;
    all.sort_unstable();
    assert_eq!(matches(&index, "a.a.a.a.a.a"), all);
    assert_eq!(matches(&index, "b.b"), ["**"]);
}

#[test]
fn a_look_up_remembers_more_than_a_few_ways() {
    // More places at once than `Seen` keeps in its list.
    let texts: Vec<_> =
        (0..100).map(|i| format!("**.{}.**.x{}*", ["+", "a"][i % 2], &"y".repeat(i))).collect();
    let index = index(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    let topic = format!("a.a.x{0}.x{0}", "y".repeat(99));
    assert_eq!(matches(&index, &topic).len(), 100);
}

#[test]
fn what_is_removed_leaves_nothing_behind() {
    let texts = ["a.b.*", "a.b.c*", "a.b.cd*", "a.+.c", "a.**.c", "*", "**", "a.b.ce*", "a.b.c.d"];
    let mut index = index(&texts);
    let nodes = index.nodes.len();
    for _ in 0..3 {
        for text in texts {
            assert_eq!(index.remove(&pattern(text)).as_deref(), Some(text));
        }
        assert!(index.is_empty() && index.iter().next().is_none());
        assert!(index.nodes[ROOT as usize].is_bare());
        assert_eq!(index.free.len(), index.nodes.len() - 1);
        for text in texts {
            index.insert_with(&pattern(text), || text.to_owned());
        }
        assert_eq!((index.len(), index.nodes.len()), (texts.len(), nodes), "freed nodes are used again");
    }
}

#[test]
fn iter_yields_every_pattern_with_its_value() {
    let texts = ["*", "**", "a.*", "a.+.c", "a.b", "a.b*"];
    let index = index(&texts);
    let mut all: Vec<_> = index.iter().map(|(pattern, value)| (pattern.as_str(), value.as_str())).collect();
    all.sort_unstable();
    assert_eq!(all, texts.map(|text| (text, text)));
}

/// A pattern or a topic, of segments that meet often.
fn name(segments: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(segments), 1..6).prop_map(|segments| segments.join("."))
}

proptest! {
    #[test]
    fn m1_the_trie_agrees_with_a_linear_scan_through_changes(
        changes in prop::collection::vec(
            (any::<bool>(), name(&["a", "é", "+", "*", "**", "**", "éa"]), prop::sample::select(&["", "*", ".a*", ".é*"])),
            1..60,
        ),
        topics in prop::collection::vec(name(&["a", "é", "éa", "è"]), 1..20),
    ) {
        let mut index = PatternIndex::new();
        let mut model = BTreeMap::new();
        for (add, text, suffix) in changes {
            let Ok(pattern) = TopicPattern::new(text + suffix) else { continue };
            let text = pattern.as_str().to_owned();
            if add {
                index.insert_with(&pattern, || text.clone());
                model.insert(text, pattern);
            } else {
                prop_assert_eq!(index.remove(&pattern).is_some(), model.remove(&text).is_some());
            }
            prop_assert_eq!(index.len(), model.len());
        }
        for topic in topics {
            let scan: Vec<_> = model
                .values()
                .filter(|pattern| pattern.matches_str(&topic))
                .map(TopicPattern::as_str)
                .collect();
            prop_assert_eq!(matches(&index, &topic), scan);
        }
    }
}
