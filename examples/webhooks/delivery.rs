//! The typed event: what a webhook's JSON comes down to, and the topic that it is published on.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// One delivery of a webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// What it is about: `issues`, `push`.
    pub(crate) event: String,
    /// What happened to it: `opened`; some events have none.
    pub(crate) action: Option<String>,
    /// The repository as `owner/name`.
    pub(crate) repository: Option<String>,
    /// The login of who did it.
    pub(crate) sender: Option<String>,
    /// The number of the issue, pull request or discussion.
    pub(crate) number: Option<u64>,
    /// The title of the same, or the first line of the message of a push.
    pub(crate) title: Option<String>,
    /// Bytes of the payload.
    pub(crate) size: usize,
    /// The payload itself, shared between all events that are made of one delivery.
    pub(crate) body: Body,
}

/// A payload as JSON text; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Body(Arc<str>);

impl Body {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

/// The parts of a payload that have a number and a title.
const SUBJECTS: [&str; 4] = ["issue", "pull_request", "discussion", "milestone"];

impl Delivery {
    /// Takes from a payload what the subscriptions look at. What a payload lacks stays empty: every kind
    /// of event has another form, and new ones come without notice.
    pub(crate) fn new(event: String, payload: &Value) -> Self {
        let text = |pointer: &str| payload.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let subject = SUBJECTS.iter().find_map(|name| payload.get(name));
        let of_subject = |name| subject.and_then(|subject| subject.get(name));
        let message = || text("/head_commit/message").map(|text| first_line(&text).to_owned());
        let body: Arc<str> = payload.to_string().into();
        Self {
            action: text("/action"),
            repository: text("/repository/full_name"),
            sender: text("/sender/login"),
            number: of_subject("number").or_else(|| payload.get("number")).and_then(Value::as_u64),
            title: of_subject("title").and_then(Value::as_str).map(str::to_owned).or_else(message),
            size: body.len(),
            body: Body(body),
            event,
        }
    }

    /// Returns the name of the topic: `github.<event>.<action>`, or `github.<event>`.
    ///
    /// The names come from outside. Dots and white space would change the number of segments or are not
    /// allowed; they become `_`. All else is left for the bus to judge: it refuses what is no topic (a
    /// wildcard, a control character, an empty or endless name) with an error that says why.
    pub(crate) fn topic(&self) -> String {
        let mut topic = format!("github.{}", segment(&self.event));
        if let Some(action) = &self.action {
            topic.push('.');
            topic.push_str(&segment(action));
        }
        topic
    }
}

fn segment(name: &str) -> String {
    name.replace(['.', ' '], "_")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
