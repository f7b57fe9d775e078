//! What a bus tells of itself: messages, topics and subscriptions that come and go, start and stop.
//!
//! [`BusBuilder::on_lifecycle`](crate::BusBuilder::on_lifecycle) sets who hears of it. Events are told in their order by a
//! thread of their own, from a bounded queue: an observer that is slow, hangs or panics holds nobody up, and what does not
//! fit is counted ([`BusStats::lifecycle_dropped`](crate::BusStats::lifecycle_dropped)). Nothing is made when nobody
//! listens.
//!
//! | type, after `com.modular.eventbus.` | when | data |
//! |---|---|---|
//! | `message.published` | a publish call was taken: by the subscriptions, or by the engine that carries the topic | `topic`, `engine`, `duration_ms` |
//! | `message.received` | a handler is about to start, or a receiver has taken an event | `topic`, `subscription_id`, `engine` |
//! | `message.failed` | a publish call was refused | `topic`, `error` |
//! | `message.failed` | a handler failed | `topic`, `subscription_id`, `error`, `engine` |
//! | `topic.created` | the first subscription to a pattern | `topic` |
//! | `topic.deleted` | the last one has ended, but not with the bus | `topic` |
//! | `subscription.created` | | `topic`, `subscription_id`, `async` |
//! | `subscription.removed` | it has ended, in whatever way | `topic`, `subscription_id` |
//! | `bus.started` | | `engine`, `workers` |
//! | `bus.stopped` | | `engine` |
//! | `config.loaded` | a configuration was read | `engine`, `max_queue_size`, `worker_count`, `event_ttl`, `retention_days` |
//! | `engine.state` | an engine says how it is doing | `engine`, `state` |
//! | `subscription.quarantined` | a handler has panicked too often | `subscription_id`, `panics` |
//! | `topic.refused` | a topic was not kept, for the table is full; the first time, the second, the fourth, ... | `topic`, `refusals` |
//!
//! The last three are not among those of the original bus.
//!
//! | file | idea |
//! |---|---|
//! | `event.rs` | [`LifecycleEvent`] |
//! | `feed.rs` | from those who tell to those who listen |

mod event;
mod feed;

pub use event::{LifecycleEvent, LifecycleValue};

pub(crate) use event::types;
pub(crate) use feed::{Feed, Listener};
