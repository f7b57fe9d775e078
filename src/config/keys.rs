//! The one table of keys: what is read, what the environment calls it, what is printed in the documentation.

/// A key of the configuration.
#[derive(Debug)]
pub(crate) struct KeySpec {
    /// Its path; `[]` stands for an index.
    pub(crate) path: &'static str,
    /// Its name in the environment, without `EVENTBUS_`; `<n>` and `<m>` stand for indices.
    pub(crate) env: &'static str,
    pub(crate) kind: Kind,
    /// What holds when it is absent.
    pub(crate) default: &'static str,
    /// What the original has, where that is something else; for keys of our own `None`.
    pub(crate) original: Option<&'static str>,
    pub(crate) effect: &'static str,
    pub(crate) support: Support,
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// A whole number, from and to.
    Count(u64, u64),
    /// Bytes: a number or a text with a unit; from and to.
    Size(u64, u64),
    /// A time in nanoseconds: seconds as a number or a text with units; from and to.
    Time(u64, u64),
    Flag,
    Choice(&'static [&'static str]),
    /// A type of engine: those that the loader knows.
    EngineType,
    /// From 1 byte to so many, without control characters.
    Text(usize),
    Secret,
    /// The settings of an engine.
    Settings,
    /// A list of patterns.
    Patterns,
    /// A topic.
    Topic,
    /// A list of names of tenants.
    Tenants,
}

/// Whether a key does something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Support {
    Yes,
    /// It is read and checked, then refused. To lift it: `Yes` here, and a field that `Config::set` fills.
    NotYet(&'static str),
}

/// What begins every name in the environment.
pub(crate) const PREFIX: &str = "EVENTBUS_";

/// The engine types of brokers: known by name, and not there yet.
pub(crate) const BROKERS: [&str; 4] = ["redis", "kafka", "kinesis", "nats"];

const BROKER: Support =
    Support::NotYet("only a broker engine (redis, kafka, kinesis, nats) uses it, and there is none yet");

const SECOND: u64 = 1_000_000_000;
/// 365.25 days, as humantime has it.
const YEAR: u64 = 31_557_600 * SECOND;

/// The most bytes of names.
const NAME: usize = 64;

/// The largest capacity of a queue.
pub(crate) const CAPACITY: u64 = crate::subscribe::MAX_CAPACITY as u64;

/// All keys, as the documentation lists them.
pub(crate) const KEYS: &[KeySpec] = &[
    KeySpec {
        path: "engine",
        env: "ENGINE",
        kind: Kind::EngineType,
        default: "memory",
        original: Some(""),
        effect: "the type of the only engine; not together with `engines`",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxEventQueueSize",
        env: "MAX_EVENT_QUEUE_SIZE",
        kind: Kind::Count(1, CAPACITY),
        default: "16777216",
        original: Some("1000, per topic"),
        effect: "the largest capacity that a subscription may have",
        support: Support::Yes,
    },
    KeySpec {
        path: "defaultEventBufferSize",
        env: "DEFAULT_EVENT_BUFFER_SIZE",
        kind: Kind::Count(1, CAPACITY),
        default: "1024, or `maxEventQueueSize` if that is less",
        original: Some("10"),
        effect: "the capacity of a subscription that does not say its own",
        support: Support::Yes,
    },
    KeySpec {
        path: "workerCount",
        env: "WORKER_COUNT",
        kind: Kind::Count(0, 1024),
        default: "one per core",
        original: Some("5; at least 1"),
        effect: "the number of worker threads; with 0 pooled handlers are refused",
        support: Support::Yes,
    },
    KeySpec {
        path: "deliveryMode",
        env: "DELIVERY_MODE",
        kind: Kind::Choice(&["drop", "dropOldest", "block", "timeout"]),
        default: "drop",
        original: Some("drop; without `dropOldest`"),
        effect: "what happens to an event that finds a queue full",
        support: Support::Yes,
    },
    KeySpec {
        path: "publishBlockTimeout",
        env: "PUBLISH_BLOCK_TIMEOUT",
        kind: Kind::Time(0, YEAR),
        default: "none: `timeout` needs it, the other modes refuse it",
        original: Some("0, and ignored by the other modes"),
        effect: "how long a publisher waits for room in the mode `timeout`",
        support: Support::Yes,
    },
    KeySpec {
        path: "rotateSubscriberOrder",
        env: "ROTATE_SUBSCRIBER_ORDER",
        kind: Kind::Flag,
        default: "false",
        original: Some("false; later releases force true"),
        effect: "another subscriber is first at every publish",
        support: Support::Yes,
    },
    KeySpec {
        path: "eventTTL",
        env: "EVENT_TTL",
        kind: Kind::Time(1_000_000, 100 * YEAR),
        default: "none: events do not expire",
        original: Some("1h, and ignored"),
        effect: "how long events are worth delivering that do not say so themselves",
        support: Support::Yes,
    },
    KeySpec {
        path: "topicTTL[].topics",
        env: "TOPIC_TTL_<n>_TOPICS_<m>",
        kind: Kind::Patterns,
        default: "required",
        original: None,
        effect: "the patterns of the topics that the rule is for; the first rule that matches wins",
        support: Support::Yes,
    },
    KeySpec {
        path: "topicTTL[].ttl",
        env: "TOPIC_TTL_<n>_TTL",
        kind: Kind::Time(0, 100 * YEAR),
        default: "required",
        original: None,
        effect: "how long events on these topics are worth delivering that do not say so themselves",
        support: Support::Yes,
    },
    KeySpec {
        path: "deadLetters[].topics",
        env: "DEAD_LETTERS_<n>_TOPICS_<m>",
        kind: Kind::Patterns,
        default: "required",
        original: None,
        effect: "the patterns of the topics that the rule is for; the first rule that matches wins",
        support: Support::Yes,
    },
    KeySpec {
        path: "deadLetters[].to",
        env: "DEAD_LETTERS_<n>_TO",
        kind: Kind::Topic,
        default: "required",
        original: None,
        effect: "the topic of the dead letters of events that subscriptions could not handle",
        support: Support::Yes,
    },
    KeySpec {
        path: "retentionDays",
        env: "RETENTION_DAYS",
        kind: Kind::Count(1, 36_500),
        default: "none: there is no history but for `retention`",
        original: Some("7"),
        effect: "events of all topics that no rule of `retention` is about are kept for so many days",
        support: Support::Yes,
    },
    KeySpec {
        path: "retention[].topics",
        env: "RETENTION_<n>_TOPICS_<m>",
        kind: Kind::Patterns,
        default: "required",
        original: None,
        effect: "the patterns of the topics that the rule is for; the first rule that matches wins",
        support: Support::Yes,
    },
    KeySpec {
        path: "retention[].count",
        env: "RETENTION_<n>_COUNT",
        kind: Kind::Count(0, 1 << 40),
        default: "as many as the limits allow",
        original: None,
        effect: "how many events of each topic are kept; 0: none",
        support: Support::Yes,
    },
    KeySpec {
        path: "retention[].bytes",
        env: "RETENTION_<n>_BYTES",
        kind: Kind::Size(1, 1 << 40),
        default: "as many as the limits allow",
        original: None,
        effect: "how many bytes of events of each topic are kept, 256 for each event and its length if that is known",
        support: Support::Yes,
    },
    KeySpec {
        path: "retention[].age",
        env: "RETENTION_<n>_AGE",
        kind: Kind::Time(1_000_000, 100 * YEAR),
        default: "as long as the limits allow",
        original: None,
        effect: "how long the events of each topic are kept",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxHistoryEvents",
        env: "MAX_HISTORY_EVENTS",
        kind: Kind::Count(1, 1 << 40),
        default: "1048576",
        original: None,
        effect: "how many events are kept altogether; then the topic goes that was published to least recently",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxHistoryBytes",
        env: "MAX_HISTORY_BYTES",
        kind: Kind::Size(1, 1 << 40),
        default: "256MiB",
        original: None,
        effect: "how many bytes of events are kept altogether",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxHistoryTopics",
        env: "MAX_HISTORY_TOPICS",
        kind: Kind::Count(1, 1 << 32),
        default: "65536",
        original: None,
        effect: "of how many topics events are kept at a time",
        support: Support::Yes,
    },
    KeySpec {
        path: "externalBrokerURL",
        env: "EXTERNAL_BROKER_URL",
        kind: Kind::Secret,
        default: "none",
        original: Some("none, and ignored by the engine `memory`"),
        effect: "none yet: the key is refused",
        support: BROKER,
    },
    KeySpec {
        path: "externalBrokerUser",
        env: "EXTERNAL_BROKER_USER",
        kind: Kind::Secret,
        default: "none",
        original: Some("none, and ignored by the engine `memory`"),
        effect: "none yet: the key is refused",
        support: BROKER,
    },
    KeySpec {
        path: "externalBrokerPassword",
        env: "EXTERNAL_BROKER_PASSWORD",
        kind: Kind::Secret,
        default: "none",
        original: Some("none, and ignored by the engine `memory`"),
        effect: "none yet: the key is refused",
        support: BROKER,
    },
    KeySpec {
        path: "engines[].name",
        env: "ENGINES_<n>_NAME",
        kind: Kind::Text(NAME),
        default: "required",
        original: Some(""),
        effect: "the name by which rules find the engine",
        support: Support::Yes,
    },
    KeySpec {
        path: "engines[].type",
        env: "ENGINES_<n>_TYPE",
        kind: Kind::EngineType,
        default: "required",
        original: Some(""),
        effect: "which engine it is",
        support: Support::Yes,
    },
    KeySpec {
        path: "engines[].config",
        env: "ENGINES_<n>_CONFIG_<KEY>",
        kind: Kind::Settings,
        default: "no settings",
        original: Some(""),
        effect: "the settings of the engine, which it reads itself",
        support: Support::Yes,
    },
    KeySpec {
        path: "routing[].topics",
        env: "ROUTING_<n>_TOPICS_<m>",
        kind: Kind::Patterns,
        default: "required",
        original: Some(""),
        effect: "the patterns of the topics that the rule is for; the first rule that matches wins",
        support: Support::Yes,
    },
    KeySpec {
        path: "routing[].tenants",
        env: "ROUTING_<n>_TENANTS_<m>",
        kind: Kind::Tenants,
        default: "everybody's events, and those of no tenant",
        original: None,
        effect: "whose events alone the rule is for",
        support: Support::Yes,
    },
    KeySpec {
        path: "routing[].engine",
        env: "ROUTING_<n>_ENGINE",
        kind: Kind::Text(NAME),
        default: "required",
        original: Some(""),
        effect: "the name of the engine that gets these topics",
        support: Support::Yes,
    },
    KeySpec {
        path: "spin",
        env: "SPIN",
        kind: Kind::Time(0, SECOND),
        default: "100us",
        original: None,
        effect: "how long an idle worker looks for work before it sleeps",
        support: Support::Yes,
    },
    KeySpec {
        path: "threadName",
        env: "THREAD_NAME",
        kind: Kind::Text(NAME),
        default: "trolleybus",
        original: None,
        effect: "the name of the worker threads, to which each adds its number",
        support: Support::Yes,
    },
    KeySpec {
        path: "inlineDepth",
        env: "INLINE_DEPTH",
        kind: Kind::Count(1, 128),
        default: "64",
        original: None,
        effect: "how deep inline handlers may nest that publish to one another",
        support: Support::Yes,
    },
    KeySpec {
        path: "preciseTime",
        env: "PRECISE_TIME",
        kind: Kind::Flag,
        default: "false",
        original: None,
        effect: "events get their time from the precise clock",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxRawPayload",
        env: "MAX_RAW_PAYLOAD",
        kind: Kind::Size(0, 1 << 30),
        default: "16MiB",
        original: None,
        effect: "the largest raw payload that is published",
        support: Support::Yes,
    },
    KeySpec {
        path: "topicCache",
        env: "TOPIC_CACHE",
        kind: Kind::Count(0, CAPACITY),
        default: "65536",
        original: None,
        effect: "how many topics are remembered that nobody has subscribed to by name",
        support: Support::Yes,
    },
    KeySpec {
        path: "maxTenants",
        env: "MAX_TENANTS",
        kind: Kind::Count(0, 1 << 20),
        default: "1024",
        original: None,
        effect: "how many tenants the bus serves at a time",
        support: Support::Yes,
    },
    KeySpec {
        path: "quarantineAfter",
        env: "QUARANTINE_AFTER",
        kind: Kind::Count(1, u32::MAX as u64),
        default: "never",
        original: None,
        effect: "after so many panics in a row a subscription is paused",
        support: Support::Yes,
    },
];

/// The key of a path such as `engines[].name`.
pub(crate) fn spec(path: &str) -> Option<&'static KeySpec> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names of the keys directly below a path that ends in `.`, or at the top.
pub(crate) fn names(parent: &str) -> Vec<&'static str> {
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| key.path.strip_prefix(parent))
        .map(|rest| rest.split_once("[]").map_or(rest, |(list, _)| list))
        .collect();
    names.dedup();
    names
}

impl Kind {
    /// What a value must be, in words.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Count(..) => format!("a whole number {}", self.range()),
            Self::Size(..) => format!("a size {}, such as 16MiB", self.range()),
            Self::Time(..) => format!("a time {}, such as 30s or 5m, or a number of seconds", self.range()),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(choices) => format!("one of {}", choices.join(", ")),
            Self::EngineType => "a type of engine".to_owned(),
            Self::Text(most) => format!("a text of 1 to {most} bytes, without control characters"),
            Self::Secret => "a text".to_owned(),
            Self::Settings => "a map".to_owned(),
            Self::Patterns => "a list of patterns".to_owned(),
            Self::Topic => "a topic".to_owned(),
            Self::Tenants => "a list of tenants".to_owned(),
        }
    }

    /// The range of a number, in words.
    pub(crate) fn range(self) -> String {
        let time = |nanos| super::scalar::print_duration(std::time::Duration::from_nanos(nanos));
        match self {
            Self::Count(least, most) => format!("from {least} to {most}"),
            Self::Size(least, most) => {
                format!("from {} to {}", super::scalar::print_size(least), super::scalar::print_size(most))
            }
            Self::Time(least, most) => format!("from {} to {}", time(least), time(most)),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_there_once_and_say_the_same_in_both_spellings() {
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        let variables: BTreeSet<_> = KEYS.iter().map(|key| key.env).collect();
        assert_eq!((paths.len(), variables.len()), (KEYS.len(), KEYS.len()));
        for key in KEYS {
            let plain = |text: &str| text.replace(['_', '[', ']', '.', '<', '>'], "").to_lowercase();
            let expected = key.env.replace("<n>", "").replace("<m>", "").replace("<KEY>", "");
            assert_eq!(plain(key.path), plain(&expected), "{key:?}");
        }
    }

    #[test]
    fn names_below_a_path_are_found() {
        assert_eq!(names("engines[]."), ["name", "type", "config"]);
        assert_eq!(names("routing[]."), ["topics", "tenants", "engine"]);
        assert_eq!(
            (names("topicTTL[]."), names("deadLetters[]."), names("retention[].")),
            (vec!["topics", "ttl"], vec!["topics", "to"], vec!["topics", "count", "bytes", "age"])
        );
        let top = names("");
        assert!(top.contains(&"engines") && top.contains(&"routing") && !top.contains(&"name"), "{top:?}");
        assert_eq!(top.iter().collect::<BTreeSet<_>>().len(), top.len());
    }
}
