//! The core: who gets an event, how it is handed over, and what is counted. See `README.md`.
//!
//! | file | idea |
//! |---|---|
//! | `tables.rs`, `table.rs`, `buckets.rs`, `index.rs`, `list.rs`, `chunks.rs` | from a topic's name to the list of its subscribers |
//! | `pass.rs`, `batch.rs`, `offer.rs`, `wait.rs` | the publishers' side |
//! | `deadlock.rs` | which handlers wait for one another |
//! | `ttl.rs`, `dead_letter.rs` | how long events are worth delivering; where those go that a subscription could not handle |
//! | `window.rs`, `duplicate.rs` | which events were handled already; what a subscription does with redelivered ones |
//! | `spec.rs`, `slot.rs`, `inlet.rs` | what was asked for; a subscription; its queue (`../queue`) without the type of its events |
//! | `take.rs`, `aside.rs`, `close.rs` | the consumers' side: take and handle, set aside and try again; and the end |
//! | `tally.rs`, `stripe.rs`, `times.rs`, `roster.rs` | counters and their consistent reading |
//! | `redeliver.rs` | an event that is offered to one subscription once more |
//! | `receipt.rs`, `observer.rs` | what publishers and observers are told |
//! | `hooks/` | how that gets to observers, feeds and collectors |
//! | `history/` | what topics keep of their events, and subscriptions that replay it |
//! | `passing.rs`, `views.rs` | the event on its way; how events of one type get to a chunk of subscribers |
//! | `rounds.rs`, `homes.rs` | the inline handlers of a chunk, counted together; by which threads |
//! | `frames.rs`, `scope.rs` | which inline handlers run where; which lanes this thread is in |

mod arrive;
mod aside;
mod batch;
mod buckets;
mod carriers;
mod chunks;
mod close;
mod dead_letter;
mod deadlock;
mod duplicate;
mod engine_tally;
mod frames;
mod history;
mod homes;
mod hooks;
mod index;
mod inlet;
mod list;
#[cfg(all(test, loom))]
pub(crate) mod models;
mod observer;
mod offer;
mod pass;
mod passing;
mod receipt;
mod redeliver;
mod roster;
mod rounds;
mod scope;
mod slot;
mod spec;
mod stripe;
mod table;
mod tables;
mod take;
mod tally;
mod times;
mod ttl;
mod views;
mod wait;
mod window;

pub use arrive::Scope;
pub(crate) use arrive::{Arriving, arrive, nobody_is_left};
pub use aside::CircuitState;
pub(crate) use aside::{Aside, Attempt};
pub(crate) use batch::{EventRun, LONGEST_RUN, Rest, pass_run};
pub(crate) use carriers::{Carriage, Carriers, MAX_ENGINES};
pub use carriers::{EngineState, Position};
pub(crate) use close::Quiet;
pub use dead_letter::{DeadLetter, DeadLetterStats, DeathCause};
pub(crate) use dead_letter::{DeadLetters, Mail};
pub(crate) use engine_tally::{EngineTally, Figure};
pub(crate) use frames::{MAX_DEPTH, Nested, Stage};
pub(crate) use history::{Beginning, Follower, Keeper, Log, Origin, StartError};
pub use history::{Gap, HistoryStats};
pub(crate) use hooks::{Hooks, Timing};
#[cfg(fuzzing)]
pub(crate) use index::PatternIndex;
pub(crate) use inlet::Queued;
pub(crate) use list::SubscriberList;
pub use observer::{HandledDelivery, Observer};
pub(crate) use offer::Inline;
pub(crate) use pass::{Patience, pass, pass_kept};
pub(crate) use passing::{Passing, Whole};
pub use receipt::{Accepted, NotDelivered, Problem, Receipt};
pub(crate) use redeliver::redeliver;
pub(crate) use roster::{Accounts, Roster, TenantAccount};
pub(crate) use rounds::Attendance;
pub(crate) use scope::{Occupied, Running};
pub(crate) use slot::{Consumer, Handle, InlineHandler, Sink, Slot, SlotParts};
pub use spec::{DeliveryMode, SubscriptionKind};
pub(crate) use spec::{Filter, Group, Spec, Wanted};
pub(crate) use table::{TopicEntry, TopicTable};
pub(crate) use tables::{MakeTable, Tables};
pub(crate) use take::Next;
pub use tally::{Dropped, Ledger};
pub use times::HandlingTimes;
pub(crate) use ttl::Ttls;
pub(crate) use wait::Waits;
pub use window::IdempotencyWindow;
pub(crate) use window::Window;
