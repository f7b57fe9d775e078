//! Rules that say which engine carries a topic.

use crate::pattern::TopicPattern;
use crate::topic::Topic;

/// A rule: topics that match one of the patterns go by that engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) patterns: Vec<TopicPattern>,
    /// The engine's number on its bus.
    pub(crate) engine: u8,
}

/// All rules of a bus, in their order: the first that matches decides, and engine 0 where none does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Router {
    rules: Vec<Rule>,
}

impl Router {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    /// The number of the rule that decides about a topic, from 0; `None` if none does.
    pub(crate) fn deciding(&self, topic: &str) -> Option<usize> {
        self.rules.iter().position(|rule| rule.patterns.iter().any(|pattern| pattern.matches_str(topic)))
    }

    /// The engine of a topic.
    pub(crate) fn route(&self, topic: &str) -> u8 {
        self.deciding(topic).map_or(0, |rule| self.rules[rule].engine)
    }

    /// The engines that carry some topic which a pattern matches, each a bit.
    ///
    /// May name one too many, where only several earlier rules together leave nothing for a later one: a subscription
    /// that joins an engine in vain hears nothing from it. It never names one too few.
    pub(crate) fn reached_by(&self, pattern: &TopicPattern) -> u64 {
        let topic = pattern.as_topic().map(Topic::as_str);
        if let Some(topic) = topic {
            return 1 << self.route(topic);
        }
        let mut earlier: Vec<&TopicPattern> = Vec::new();
        let mut reached = 0;
        for rule in &self.rules {
            for of_rule in &rule.patterns {
                let hidden = || earlier.iter().any(|earlier| earlier.covers(of_rule));
                if of_rule.intersects(pattern) && !hidden() {
                    reached |= 1 << rule.engine;
                }
                if of_rule.covers(pattern) {
                    // Nothing is left for what comes later.
                    return reached;
                }
                earlier.push(of_rule);
            }
        }
        reached | 1
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::new(text).expect("a pattern")
    }

    fn router(rules: &[(&[&str], u8)]) -> Router {
        let rule = |(patterns, engine): &(&[&str], u8)| Rule {
            patterns: patterns.iter().map(|text| pattern(text)).collect(),
            engine: *engine,
        };
        Router::new(rules.iter().map(rule).collect())
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_the_first_engine_gets_the_rest() {
        let router = router(&[(&["user.*", "auth.*"], 1), (&["user.created"], 2), (&["order.**"], 3)]);
        let routes =
            ["user.created", "auth.login", "order", "order.7", "other"].map(|topic| router.route(topic));
        assert_eq!(routes, [1, 1, 3, 3, 0]);
        assert_eq!(router.deciding("order.7"), Some(2));
        assert_eq!(router.deciding("other"), None);
    }

    #[test]
    fn d_rtr_2_a_pattern_reaches_every_engine_that_has_a_topic_of_it() {
        let router = router(&[(&["user.created"], 1), (&["user.*"], 2), (&["*"], 3)]);
        assert_eq!(router.reached_by(&pattern("user.*")), 0b110);
        assert_eq!(router.reached_by(&pattern("*")), 0b1110);
        assert_eq!(router.reached_by(&pattern("user.created")), 0b10);
        assert_eq!(router.reached_by(&pattern("user.deleted.*")), 0b100);
        assert_eq!(router.reached_by(&pattern("order.+")), 0b1000);
    }

    #[test]
    fn a_rule_that_earlier_ones_hide_is_not_reached() {
        let router = router(&[(&["user.**"], 1), (&["user.created", "user.+"], 2)]);
        assert_eq!(router.reached_by(&pattern("user.*")), 0b10);
        assert_eq!(router.reached_by(&pattern("**")), 0b11);
    }

    fn patterns() -> impl Strategy<Value = String> {
        let segment = prop::sample::select(vec!["a", "b", "+", "**", "*"]);
        prop::collection::vec(segment, 1..4)
            .prop_map(|segments| segments.join("."))
            .prop_filter("a pattern", |text| TopicPattern::new(text).is_ok())
    }

    /// All topics of one to three segments.
    fn topics() -> Vec<String> {
        let mut all = Vec::new();
        for first in ["a", "b", "c"] {
            all.push(first.to_owned());
            for second in ["a", "b", "c"] {
                all.push(format!("{first}.{second}"));
                all.extend(["a", "b", "c"].map(|third| format!("{first}.{second}.{third}")));
            }
        }
        all
    }

    proptest! {
        #[test]
        fn m4_routes_agree_with_a_linear_look_and_no_reached_engine_is_missed(
            rules in prop::collection::vec((prop::collection::vec(patterns(), 1..3), 0_u8..5), 0..6),
            subscribed in patterns(),
        ) {
            let of_rule = |(texts, engine): &(Vec<String>, u8)| Rule {
                patterns: texts.iter().map(|text| pattern(text)).collect(),
                engine: *engine,
            };
            let router = Router::new(rules.iter().map(of_rule).collect());
            let reached = router.reached_by(&pattern(&subscribed));
            for topic in topics() {
                let mut expected = 0;
                'rules: for (texts, engine) in &rules {
                    for text in texts {
                        if pattern(text).matches_str(&topic) {
                            expected = *engine;
                            break 'rules;
                        }
                    }
                }
                prop_assert_eq!(router.route(&topic), expected);
                if pattern(&subscribed).matches_str(&topic) {
                    prop_assert!(reached & (1 << expected) != 0, "{} misses engine {}", topic, expected);
                }
            }
        }
    }
}
