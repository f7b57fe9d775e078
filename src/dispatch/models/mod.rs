//! loom models of the core. Each says which change breaks it, and was seen to fail with that change.
//!
//! Nothing sleeps in them: consumers and waiting publishers are driven by hand, and when all threads are
//! done, only by whoever was woken. So a lost wake-up shows as something left over, and a model stays
//! small enough for the bound of three preemptions.
//!
//! One blind spot of loom shapes some of them: it remembers one last access of an atomic, so a thread that
//! loads a word and then changes it hides the loads that others made before. Readers (`counters.rs`) are
//! therefore threads of their own that come after the writers.
//!
//! | file | what is modelled |
//! |---|---|
//! | `queue.rs` | push, take, rest, pause and close of one queue |
//! | `batch.rs` | a run of events that goes into a queue in one step |
//! | `cancel.rs` | cancellation against publishers, handlers, pauses, completions |
//! | `inline.rs` | inline handlers: their words and their counts |
//! | `wait.rs` | publishers that wait for room |
//! | `table.rs` | subscribing and cancelling against publishers that look for their subscribers |
//! | `groups.rs` | members of a group against publishers |
//! | `quarantine.rs` | panics in a row, counted by several threads |
//! | `deadlock.rs` | handlers that would wait for one another |
//! | `window.rs` | events that come again, to lanes and inline handlers that remember them |
//! | `counters.rs` | reading the account while it changes |

mod batch;
mod cancel;
mod counters;
mod deadlock;
mod groups;
mod inline;
mod quarantine;
mod queue;
pub(crate) mod support;
mod table;
mod wait;
mod window;
