//! Rules that say which engine carries a topic.

use crate::pattern::TopicPattern;
use crate::tenant::Tenant;
use crate::topic::Topic;

/// A rule: topics that match one of the patterns go by that engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) patterns: Vec<TopicPattern>,
    /// Whose events alone it is about; `None`: everybody's, and those of no tenant.
    pub(crate) tenants: Option<Vec<Tenant>>,
    /// The engine's number on its bus.
    pub(crate) engine: u8,
}

impl Rule {
    /// Says whether it is about events of that tenant, or of none.
    fn is_about(&self, tenant: Option<&Tenant>) -> bool {
        match (&self.tenants, tenant) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(tenants), Some(tenant)) => tenants.contains(tenant),
        }
    }
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
    pub(crate) fn deciding(&self, tenant: Option<&Tenant>, topic: &str) -> Option<usize> {
        self.rules.iter().position(|rule| {
            rule.is_about(tenant) && rule.patterns.iter().any(|pattern| pattern.matches_str(topic))
        })
    }

    /// The engine of a topic.
    pub(crate) fn route(&self, tenant: Option<&Tenant>, topic: &str) -> u8 {
        self.deciding(tenant, topic).map_or(0, |rule| self.rules[rule].engine)
    }

    /// The engines that carry some topic of a tenant, or of none, which a pattern matches, each a bit.
    ///
    /// May name one too many, where only several earlier rules together leave nothing for a later one: a subscription
    /// that joins an engine in vain hears nothing from it. It never names one too few.
    pub(crate) fn reached_by(&self, tenant: Option<&Tenant>, pattern: &TopicPattern) -> u64 {
        let topic = pattern.as_topic().map(Topic::as_str);
        if let Some(topic) = topic {
            return 1 << self.route(tenant, topic);
        }
        let mut earlier: Vec<&TopicPattern> = Vec::new();
        let mut reached = 0;
        for rule in self.rules.iter().filter(|rule| rule.is_about(tenant)) {
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
            tenants: None,
            engine: *engine,
        };
        Router::new(rules.iter().map(rule).collect())
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_the_first_engine_gets_the_rest() {
        let router = router(&[(&["user.*", "auth.*"], 1), (&["user.created"], 2), (&["order.**"], 3)]);
        let routes = ["user.created", "auth.login", "order", "order.7", "other"]
            .map(|topic| router.route(None, topic));
        assert_eq!(routes, [1, 1, 3, 3, 0]);
        assert_eq!(router.deciding(None, "order.7"), Some(2));
        assert_eq!(router.deciding(None, "other"), None);
    }

    #[test]
    fn d_rtr_2_a_pattern_reaches_every_engine_that_has_a_topic_of_it() {
        let router = router(&[(&["user.created"], 1), (&["user.*"], 2), (&["*"], 3)]);
        assert_eq!(router.reached_by(None, &pattern("user.*")), 0b110);
        assert_eq!(router.reached_by(None, &pattern("*")), 0b1110);
        assert_eq!(router.reached_by(None, &pattern("user.created")), 0b10);
        assert_eq!(router.reached_by(None, &pattern("user.deleted.*")), 0b100);
        assert_eq!(router.reached_by(None, &pattern("order.+")), 0b1000);
    }

    #[test]
    fn a_rule_for_tenants_hides_nothing_from_others() {
        let [acme, other] = ["acme", "other"].map(tenant);
        let of_acme = Rule { patterns: vec![pattern("*")], tenants: Some(vec![acme.clone()]), engine: 1 };
        let rest = Rule { patterns: vec![pattern("user.*")], tenants: None, engine: 2 };
        let router = Router::new(vec![of_acme, rest]);
        let reached = |tenant| router.reached_by(tenant, &pattern("*"));
        assert_eq!((reached(Some(&acme)), reached(Some(&other)), reached(None)), (0b10, 0b101, 0b101));
        assert_eq!(router.route(Some(&acme), "user.created"), 1);
        assert_eq!(router.route(None, "user.created"), 2);
    }

    #[test]
    fn a_rule_that_earlier_ones_hide_is_not_reached() {
        let router = router(&[(&["user.**"], 1), (&["user.created", "user.+"], 2)]);
        assert_eq!(router.reached_by(None, &pattern("user.*")), 0b10);
        assert_eq!(router.reached_by(None, &pattern("**")), 0b11);
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

    type Given = (Vec<String>, Option<Vec<&'static str>>, u8);

    /// Some rules are about tenants.
    fn given() -> impl Strategy<Value = Given> {
        let tenants = prop::option::of(prop::sample::subsequence(vec!["x", "y"], 1..=2));
        (prop::collection::vec(patterns(), 1..3), tenants, 0_u8..5)
    }

    fn tenant(name: &str) -> Tenant {
        Tenant::new(name).expect("a tenant")
    }

    proptest! {
        #[test]
        fn m4_routes_agree_with_a_linear_look_and_no_reached_engine_is_missed(
            rules in prop::collection::vec(given(), 0..6),
            subscribed in patterns(),
            of in prop::sample::select(vec![None, Some("x"), Some("y"), Some("z")]),
        ) {
            let of_rule = |(texts, tenants, engine): &Given| Rule {
                patterns: texts.iter().map(|text| pattern(text)).collect(),
                tenants: tenants.as_ref().map(|names| names.iter().map(|name| tenant(name)).collect()),
                engine: *engine,
            };
            let router = Router::new(rules.iter().map(of_rule).collect());
            let whose = of.map(tenant);
            let reached = router.reached_by(whose.as_ref(), &pattern(&subscribed));
            for topic in topics() {
                let mut expected = 0;
                'rules: for (texts, tenants, engine) in &rules {
                    for text in texts {
                        let is_about = tenants.as_ref().is_none_or(|names| of.is_some_and(|of| names.contains(&of)));
                        if is_about && pattern(text).matches_str(&topic) {
                            expected = *engine;
                            break 'rules;
                        }
                    }
                }
                prop_assert_eq!(router.route(whose.as_ref(), &topic), expected);
                if pattern(&subscribed).matches_str(&topic) {
                    prop_assert!(reached & (1 << expected) != 0, "{} misses engine {}", topic, expected);
                }
            }
        }
    }
}
