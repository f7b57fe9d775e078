//! Topics and patterns against their specification: invariants M1 and M3.

#[path = "support/grammar.rs"]
mod grammar;
#[path = "support/oracle.rs"]
mod oracle;

use trolleybus::{PatternError, Topic, TopicError, TopicPattern, topic};

/// All texts over an alphabet with 1 to `len` characters.
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

fn topics(alphabet: &str, len: usize) -> Vec<Topic> {
    texts(alphabet, len).iter().filter_map(|text| Topic::new(text).ok()).collect()
}

fn segments(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

fn pattern(text: &str) -> TopicPattern {
    TopicPattern::new(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn m1_matches_agrees_with_the_oracle_exhaustively() {
    let topics = topics("ab.", 8);
    let topics: Vec<_> = topics.iter().map(|topic| (topic, segments(topic.as_str()))).collect();
    let (mut patterns, mut matched) = (0, 0);
    for text in texts("ab.*+", 7) {
        let cut = segments(&text);
        let Ok(pattern) = TopicPattern::new(&text) else {
            assert!(!grammar::is_pattern(&cut), "{text} was refused");
            continue;
        };
        assert!(grammar::is_pattern(&cut), "{text} was taken");
        assert_eq!(pattern.as_str(), text);
        patterns += 1;
        for (topic, topic_cut) in &topics {
            let expected = oracle::matches(&cut, topic_cut);
            assert_eq!(pattern.matches(topic), expected, "{text} and {topic}");
            matched += usize::from(expected);
        }
    }
    assert!(patterns > 2_000 && matched > 100_000, "{patterns} patterns, {matched} matches");
}

#[test]
fn m1_intersects_and_covers_agree_with_brute_force() {
    // Patterns of five bytes need topics of at most eight to be told apart, among them a letter that no
    // pattern names. Were that too short, `covers` would be refuted here, not wrongly confirmed.
    let topics = topics("abc.", 8);
    let patterns: Vec<(TopicPattern, Vec<u64>)> = texts("ab.*+", 5)
        .iter()
        .filter_map(|text| TopicPattern::new(text).ok())
        .map(|pattern| {
            let mut matched = vec![0; topics.len().div_ceil(64)];
            for (i, topic) in topics.iter().enumerate() {
                matched[i / 64] |= u64::from(pattern.matches(topic)) << (i % 64);
            }
            (pattern, matched)
        })
        .collect();
    let (mut meeting, mut covering) = (0, 0);
    // The letters are symmetric: it is enough to look at pairs whose first names `a` before `b`.
    let a_first = |text: &str| text.find(['a', 'b']).is_none_or(|at| text[at..].starts_with('a'));
    for (p, p_topics) in patterns.iter().filter(|(p, _)| a_first(p.as_str())) {
        for (q, q_topics) in &patterns {
            let pairs = || p_topics.iter().zip(q_topics);
            let intersects = pairs().any(|(a, b)| a & b != 0);
            let covers = pairs().all(|(a, b)| b & !a == 0);
            assert_eq!(p.intersects(q), intersects, "{p} meets {q}");
            assert_eq!(p.covers(q), covers, "{p} covers {q}");
            meeting += usize::from(intersects);
            covering += usize::from(covers);
        }
    }
    assert!(meeting > 10_000 && covering > 4_000, "{meeting} meet, {covering} cover");
}

#[test]
fn m1_the_documented_examples_hold() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("user.created", &["user.created"], &["user", "user.created.v2", "user.create"]),
        ("*", &["user", "user.created"], &[]),
        ("**", &["user", "user.created"], &[]),
        ("user.*", &["user.created", "user.created.v2"], &["user", "users.created", "users"]),
        ("user.cr*", &["user.cr", "user.created", "user.created.v2"], &["user.c", "user", "user.c.cr"]),
        ("us*", &["us", "user", "user.created"], &["u", "a.us"]),
        ("user.+", &["user.created"], &["user", "user.created.v2"]),
        ("user.+.done", &["user.import.done"], &["user.done", "user.a.b.done"]),
        ("user.*.done", &["user.import.done"], &["user.done", "user.a.b.done"]),
        ("a.**", &["a", "a.b", "a.b.c"], &["b", "ab"]),
        ("a.**.z", &["a.z", "a.b.z", "a.b.c.z", "a.z.z"], &["a", "z", "a.z.b"]),
        ("+.*", &["a.b", "a.b.c"], &["a"]),
        ("*.*", &["a.b", "a.b.c"], &["a"]),
        ("**.*", &["a", "a.b"], &[]),
        ("+.ab*", &["x.ab", "x.abc.d"], &["ab", "x.a", "x.y.ab"]),
        ("**.ab*", &["ab", "x.abc", "x.y.ab.z"], &["x.a", "xab"]),
    ];
    for (text, yes, no) in table {
        let pattern = pattern(text);
        for topic in *yes {
            assert!(pattern.matches(&Topic::new(topic).expect("a topic")), "{text} and {topic}");
        }
        for topic in *no {
            assert!(!pattern.matches(&Topic::new(topic).expect("a topic")), "{text} and {topic}");
        }
    }
}

#[test]
fn m3_hostile_topics_are_refused() {
    use TopicError::{Control, Empty, EmptySegment, TooLong, TooManySegments, WhiteSpace, Wildcard};
    let too_many = ["a"; 33].join(".");
    let too_long = "a".repeat(257);
    let table = [
        ("", Empty, "the topic is empty"),
        (".", EmptySegment { position: 0 }, "empty segment at byte 0"),
        (".a", EmptySegment { position: 0 }, "empty segment at byte 0"),
        ("a.", EmptySegment { position: 2 }, "empty segment at byte 2"),
        ("a..b", EmptySegment { position: 2 }, "empty segment at byte 2"),
        ("a\r", Control { character: '\r', position: 1 }, r"control character '\r' at byte 1"),
        ("é\nb", Control { character: '\n', position: 2 }, r"control character '\n' at byte 2"),
        ("\0", Control { character: '\0', position: 0 }, r"control character '\u{0}' at byte 0"),
        ("a.\tb", Control { character: '\t', position: 2 }, r"control character '\t' at byte 2"),
        ("a\x7f", Control { character: '\x7f', position: 1 }, r"control character '\u{7f}' at byte 1"),
        ("a\u{85}", Control { character: '\u{85}', position: 1 }, r"control character '\u{85}' at byte 1"),
        ("a\u{9b}", Control { character: '\u{9b}', position: 1 }, r"control character '\u{9b}' at byte 1"),
        (
            "\u{2028}",
            Control { character: '\u{2028}', position: 0 },
            r"control character '\u{2028}' at byte 0",
        ),
        (
            "\u{2029}",
            Control { character: '\u{2029}', position: 0 },
            r"control character '\u{2029}' at byte 0",
        ),
        ("a b", WhiteSpace { character: ' ', position: 1 }, "white space ' ' at byte 1"),
        ("a\u{a0}", WhiteSpace { character: '\u{a0}', position: 1 }, r"white space '\u{a0}' at byte 1"),
        ("a\u{3000}", WhiteSpace { character: '\u{3000}', position: 1 }, r"white space '\u{3000}' at byte 1"),
        ("*", Wildcard { character: '*', position: 0 }, "wildcard '*' in a topic at byte 0"),
        ("a.b+", Wildcard { character: '+', position: 3 }, "wildcard '+' in a topic at byte 3"),
        (&too_long, TooLong { len: 257, max: 256 }, "the topic has 257 bytes, more than 256"),
        (
            &too_many,
            TooManySegments { position: 64, max: 32 },
            "more than 32 segments: one too many at byte 64",
        ),
    ];
    for (name, error, message) in table {
        assert_eq!(Topic::new(name), Err(error), "{name:?}");
        assert_eq!(error.to_string(), message);
        // A pattern refuses the same, wildcards aside, and says the same.
        if !matches!(error, Wildcard { .. }) {
            let pattern_error = TopicPattern::new(name).expect_err(name);
            assert_eq!(pattern_error, error.into());
            assert_eq!(pattern_error.to_string(), message.replace("the topic", "the pattern"));
        }
    }
}

#[test]
fn m3_the_exact_limits_pass() {
    let longest = "a".repeat(Topic::MAX_LEN);
    let most = ["a"; Topic::MAX_SEGMENTS].join(".");
    let both = format!("{}.{}", ["a.b"; 15].join("."), "é".repeat(97) + ".b");
    for name in [longest, most, both] {
        assert_eq!(Topic::new(&name).expect("a topic"), *name);
        assert!(pattern(&name).is_literal());
    }
    let most_deep = ["**"; TopicPattern::MAX_DEEP].join(".");
    assert!(pattern(&most_deep).matches(&topic!("a")));
    let one_more = format!("{most_deep}.a.**");
    assert_eq!(
        TopicPattern::new(one_more),
        Err(PatternError::TooManyDeep { position: 14, max: TopicPattern::MAX_DEEP })
    );
}

#[test]
fn m3_wildcards_inside_a_segment_are_refused() {
    let table = [
        ("a*.b", '*', 1),
        ("ab**", '*', 2),
        ("a.b**", '*', 3),
        ("a+", '+', 1),
        ("+a", '+', 0),
        ("*a", '*', 0),
        ("a.*b*", '*', 2),
        ("a*b", '*', 1),
        ("***", '*', 0),
        ("a.+*", '+', 2),
        ("*+", '*', 0),
        ("++", '+', 0),
        ("**a.b", '*', 0),
        ("é*é", '*', 2),
    ];
    for (text, character, position) in table {
        assert_eq!(TopicPattern::new(text), Err(PatternError::Wildcard { character, position }), "{text}");
    }
}

#[test]
fn a_literal_pattern_is_its_topic() {
    let topic = topic!("user.created");
    let literal = TopicPattern::from(&topic);
    assert_eq!(literal, pattern("user.created"));
    assert_eq!((literal.as_literal(), literal.as_topic()), (Some("user.created"), Some(&topic)));
    assert!(literal.is_literal() && literal.matches(&topic));
    assert_eq!((pattern("user.*").is_literal(), pattern("user.*").as_literal()), (false, None));
}

#[test]
fn topics_and_patterns_are_free_to_travel() {
    fn travels<T: Send + Sync + Unpin + Clone + std::panic::UnwindSafe + 'static>() {}
    travels::<Topic>();
    travels::<TopicPattern>();
    travels::<TopicError>();
    travels::<PatternError>();
}
