//! The subscriptions that a test holds, and how the events that they get are described to the model.

use serde::{Deserialize, Serialize};
use trolleybus::{AnyEvent, Delivered, Event, Receiver, Subscription, TryRecvError};

use super::records::{Payload, Seen};

/// A payload that nobody asks for by its type.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Other(pub(crate) u64);

/// How the test holds a subscription.
pub(crate) enum Held {
    Handle(Subscription),
    Any(Receiver<AnyEvent>),
    Number(Receiver<Event<u32>>),
    Text(Receiver<Event<String>>),
    /// Dropped or detached.
    Gone,
}

impl Held {
    pub(crate) fn subscription(&self) -> Option<&Subscription> {
        match self {
            Self::Handle(handle) => Some(handle),
            Self::Any(receiver) => Some(receiver.subscription()),
            Self::Number(receiver) => Some(receiver.subscription()),
            Self::Text(receiver) => Some(receiver.subscription()),
            Self::Gone => None,
        }
    }

    pub(crate) fn len(&self) -> Option<usize> {
        match self {
            Self::Any(receiver) => Some(receiver.len()),
            Self::Number(receiver) => Some(receiver.len()),
            Self::Text(receiver) => Some(receiver.len()),
            Self::Handle(_) | Self::Gone => None,
        }
    }

    pub(crate) fn try_recv(&mut self) -> Option<Result<Seen, TryRecvError>> {
        match self {
            Self::Any(receiver) => Some(receiver.try_recv().map(|event| event.seen())),
            Self::Number(receiver) => Some(receiver.try_recv().map(|event| event.seen())),
            Self::Text(receiver) => Some(receiver.try_recv().map(|event| event.seen())),
            Self::Handle(_) | Self::Gone => None,
        }
    }
}

/// Both forms of an event, as the model describes it.
pub(crate) trait Look: Delivered {
    fn seen(&self) -> Seen;
}

impl Look for AnyEvent {
    fn seen(&self) -> Seen {
        let payload = if let Some(number) = self.payload::<u32>() {
            Payload::Number(*number)
        } else if let Some(text) = self.payload::<String>() {
            Payload::Text(text.clone())
        } else if let Some(raw) = self.raw() {
            Payload::Raw(raw.len())
        } else {
            Payload::Other(self.payload::<Other>().expect("a type of this test").0)
        };
        seen(self.topic().as_str(), payload, self.key(), self.meta("m"))
    }
}

impl Look for Event<u32> {
    fn seen(&self) -> Seen {
        seen(self.topic().as_str(), Payload::Number(**self), self.key(), self.meta("m"))
    }
}

impl Look for Event<String> {
    fn seen(&self) -> Seen {
        seen(self.topic().as_str(), Payload::Text(self.to_string()), self.key(), self.meta("m"))
    }
}

pub(crate) fn seen(topic: &str, payload: Payload, key: Option<&str>, meta: Option<&str>) -> Seen {
    Seen { topic: topic.to_owned(), payload, key: key.map(str::to_owned), meta: meta.map(str::to_owned) }
}
