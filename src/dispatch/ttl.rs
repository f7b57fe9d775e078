//! How long events are worth delivering, by their topics.

use std::sync::Arc;
use std::time::Duration;

use crate::pattern::TopicPattern;

/// Rules for times to live: the first that matches decides, and else the default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ttls {
    pub(crate) default: Option<Duration>,
    pub(crate) rules: Vec<(TopicPattern, Duration)>,
}

impl Ttls {
    /// For the tables of a bus; `None` if events live for ever.
    pub(crate) fn shared(&self) -> Option<Arc<Self>> {
        (self.default.is_some() || !self.rules.is_empty()).then(|| Arc::new(self.clone()))
    }

    /// That of a topic.
    pub(super) fn of(&self, topic: &str) -> Ttl {
        let rule = self.rules.iter().find(|(pattern, _)| pattern.matches_str(topic));
        rule.map(|(_, ttl)| *ttl).or(self.default).map_or(Ttl::NONE, Ttl::of)
    }
}

/// A time to live in milliseconds, or none. A list of subscribers has one, in half the room of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ttl(u32);

impl Ttl {
    pub(crate) const NONE: Self = Self(u32::MAX);

    /// Begun milliseconds count. What is longer than ages can be told, 24 days, is for ever.
    fn of(ttl: Duration) -> Self {
        let millis = ttl.as_nanos().div_ceil(1_000_000);
        u32::try_from(millis).ok().filter(|millis| *millis <= u32::MAX / 2).map_or(Self::NONE, Self)
    }

    pub(crate) fn get(self) -> Option<Duration> {
        (self != Self::NONE).then(|| Duration::from_millis(self.0.into()))
    }
}

impl Default for Ttl {
    fn default() -> Self {
        Self::NONE
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn t3_the_first_rule_goes_before_the_default_and_what_is_absurd_is_for_ever() {
        let pattern = |text| TopicPattern::new(text).expect("a pattern");
        let second = Duration::from_secs(1);
        let rules =
            vec![(pattern("a.*"), second), (pattern("a.b"), 2 * second), (pattern("c"), Duration::MAX)];
        let ttls = Ttls { default: Some(Duration::ZERO), rules };
        let of = |topic| ttls.of(topic).get();
        assert_eq!((of("a.b"), of("x"), of("c")), (Some(second), Some(Duration::ZERO), None));
        assert_eq!(Ttls::default().of("a").get(), None);
        assert!(Ttls::default().shared().is_none());
        assert_eq!(Ttl::of(Duration::from_nanos(1)).get(), Some(Duration::from_millis(1)));
    }
}
