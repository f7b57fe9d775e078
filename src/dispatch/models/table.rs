//! Subscribing and cancelling against publishers that look for their subscribers.

use std::sync::Arc;

use loom::sync::atomic::AtomicBool;
use loom::thread::spawn;

use super::support::{Bell, ends, slot_in, spec};
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::dispatch::{Roster, TopicTable};
use crate::event::DropReason;
use crate::sync::atomic::Ordering;
use crate::topic::Topic;

/// A table, a slot for these patterns that is not in it yet, and topics that have entries.
struct Tables {
    table: Arc<TopicTable>,
    slot: Arc<Slot>,
}

impl Tables {
    fn new(patterns: &[&str], topics: &[&str]) -> Self {
        Self::of(&Arc::default(), patterns, topics)
    }

    fn of(roster: &Arc<Roster>, patterns: &[&str], topics: &[&str]) -> Self {
        let table = Arc::new(TopicTable::new(16, None, None));
        for topic in topics {
            let entry = table.pin(&Topic::new(topic).expect("a topic"));
            table.unpin(&entry);
        }
        let slot = Self::slot(&table, roster, patterns);
        Self { table, slot }
    }

    /// A slot that is not in the table yet.
    fn slot(table: &Arc<TopicTable>, roster: &Arc<Roster>, patterns: &[&str]) -> Arc<Slot> {
        let ends = |_: &_| ends(1, Bell::default());
        slot_in(&Arc::downgrade(table), roster, spec(patterns, 1, DeliveryMode::Drop), ends)
    }

    /// How often the slot stands in the list of a topic.
    fn count(table: &Arc<TopicTable>, slot: &Arc<Slot>, topic: &str) -> usize {
        let hash = table.hash(topic);
        let bucket = table.bucket(hash);
        let list = match table.named(&bucket, hash, topic) {
            Some(list) => list,
            None => &*table.resolve_unseen(topic).expect("a topic"),
        };
        list.all().filter(|other| other.id == slot.id).count()
    }

    /// Inserts the slot in a thread of its own; the flag is set when that is done.
    fn insert(&self) -> (loom::thread::JoinHandle<()>, Arc<AtomicBool>) {
        let subscribed = Arc::new(AtomicBool::new(false));
        let (table, slot, done) = (Arc::clone(&self.table), Arc::clone(&self.slot), Arc::clone(&subscribed));
        let thread = spawn(move || {
            table.insert(&slot);
            done.store(true, Ordering::Release);
        });
        (thread, subscribed)
    }

    /// A publish on that topic sees the slot if it was subscribed before, and once at most.
    fn look(&self, topic: &str, subscribed: &AtomicBool) -> usize {
        let before = subscribed.load(Ordering::Acquire);
        let count = Self::count(&self.table, &self.slot, topic);
        assert!(count <= 1, "in the list {count} times");
        assert!(count == 1 || !before, "a publish after the subscribe missed it");
        count
    }

    /// Cancelled, the slot is in no list, and nothing keeps it.
    fn close(self, topics: &[&str]) {
        for topic in topics {
            assert_eq!(Self::count(&self.table, &self.slot, topic), 1, "not subscribed in the end");
        }
        self.slot.cancel(DropReason::Cancelled);
        self.is_gone(topics);
    }

    /// Cancels the slot in a thread of its own.
    fn cancel(&self) -> loom::thread::JoinHandle<()> {
        let slot = Arc::clone(&self.slot);
        spawn(move || {
            slot.cancel(DropReason::Cancelled);
        })
    }

    /// The slot is in no list, and nothing keeps it.
    fn is_gone(&self, topics: &[&str]) {
        for topic in topics {
            assert_eq!(Self::count(&self.table, &self.slot, topic), 0, "still in the list of {topic}");
        }
        assert_eq!(Arc::strong_count(&self.slot), 1, "somebody keeps the slot");
    }
}

/// A publish against a subscribe to that very topic.
///
/// Broken by an `insert` that does not replace the list.
#[test]
fn v1_a_publish_against_a_subscribe() {
    loom::model(|| {
        let tables = Tables::new(&["a"], &["a"]);
        let (thread, subscribed) = tables.insert();
        tables.look("a", &subscribed);
        thread.join().expect("subscriber");
        tables.close(&["a"]);
    });
}

/// A publish against a subscribe to a pattern: the topic's list is outdated by the generation alone.
///
/// Broken by an `insert` that does not raise the generation.
#[test]
fn v1_a_publish_against_a_subscribe_to_a_pattern() {
    loom::model(|| {
        let tables = Tables::new(&["*"], &["a"]);
        let (thread, subscribed) = tables.insert();
        tables.look("a", &subscribed);
        thread.join().expect("subscriber");
        tables.close(&["a"]);
    });
}

/// A publish finds the list outdated and nothing new for it, against a subscribe to a pattern that matches.
///
/// Broken by an `up_to_date` that says of the list that it is right for the next generation.
#[test]
fn v1_a_publish_that_finds_nothing_new_against_a_subscribe_to_a_pattern() {
    loom::model(|| {
        let roster = Arc::default();
        let tables = Tables::of(&roster, &["*"], &["a"]);
        tables.table.insert(&Tables::slot(&tables.table, &roster, &["b.*"]));
        let (thread, subscribed) = tables.insert();
        tables.look("a", &subscribed);
        tables.look("a", &subscribed);
        thread.join().expect("subscriber");
        tables.close(&["a"]);
    });
}

/// Publishes to two topics, one after the other, against a subscribe to both: who saw it on the first
/// sees it on the second.
///
/// Broken by an `insert` that resolves each topic's list as it comes to it.
#[test]
fn v5_a_subscribe_to_two_topics_is_seen_on_both_or_none() {
    loom::model(|| {
        let tables = Tables::new(&["a", "b"], &["a", "b"]);
        let (thread, subscribed) = tables.insert();
        let first = tables.look("a", &subscribed);
        let second = tables.look("b", &subscribed);
        assert!(first <= second, "half of the subscription was seen");
        thread.join().expect("subscriber");
        tables.close(&["a", "b"]);
    });
}

/// A publish brings a list up to date while the subscription in it is cancelled: it is out of the list,
/// and nothing keeps it.
///
/// Broken by a `remove` that does not sweep the lists.
#[test]
fn v4_a_publish_that_refreshes_against_a_cancel() {
    loom::model(|| {
        let tables = Tables::new(&["*"], &["a"]);
        tables.table.insert(&tables.slot);
        let canceller = tables.cancel();
        Tables::count(&tables.table, &tables.slot, "a");
        canceller.join().expect("canceller");
        tables.is_gone(&["a"]);
    });
}

/// A subscription with a wildcard leaves three lists, the last one first and then a step for each, while another topic
/// comes, which has the table grow, and somebody publishes: it is out of all lists in the end, and nothing keeps it.
///
/// Broken by a `sweep_out` that looks only at as many buckets as there were at its first step.
#[test]
fn v4_a_cancel_in_steps_against_a_table_that_grows() {
    loom::model(|| {
        // Of six buckets `c` is in the first and `l` in the third; of eight, `l` is in the last but one.
        let topics = ["c", "l", "a"];
        let tables = Tables::new(&["*"], &topics);
        tables.table.insert(&tables.slot);
        for topic in topics {
            assert_eq!(Tables::count(&tables.table, &tables.slot, topic), 1);
        }
        let canceller = tables.cancel();
        tables.table.unpin(&tables.table.pin(&Topic::new("z").expect("a topic")));
        Tables::count(&tables.table, &tables.slot, "l");
        canceller.join().expect("canceller");
        tables.is_gone(&["c", "l", "a", "z"]);
    });
}

/// A subscription leaves two lists in steps, while one that it still stands in gets a subscription more: the tree of
/// these slots is known then, and forgotten in the end.
///
/// Broken by a `sweep_out` that does not forget the trees with the slot once more.
#[test]
fn v4_a_cancel_in_steps_against_a_list_that_grows() {
    loom::model(|| {
        let (roster, topics) = (Arc::default(), ["c", "l"]);
        let tables = Tables::of(&roster, &["*"], &topics);
        let another = || {
            let slot = Tables::slot(&tables.table, &roster, &["*"]);
            tables.table.insert(&slot);
        };
        another();
        tables.table.insert(&tables.slot);
        for topic in topics {
            assert_eq!(Tables::count(&tables.table, &tables.slot, topic), 1);
        }
        let canceller = tables.cancel();
        another();
        for topic in topics {
            Tables::count(&tables.table, &tables.slot, topic);
        }
        canceller.join().expect("canceller");
        tables.is_gone(&topics);
    });
}

/// A topic gets its entry by a publish while somebody subscribes to a pattern that matches it.
///
/// Broken by a `resolve` that stamps a list with a generation of the future.
#[test]
fn v1_a_first_publish_against_a_subscribe_to_a_pattern() {
    loom::model(|| {
        let tables = Tables::new(&["*"], &[]);
        // Seen once: the next publish makes an entry.
        let _ = tables.table.resolve_unseen("a").expect("a topic");
        let (thread, subscribed) = tables.insert();
        let _ = tables.table.resolve_unseen("a").expect("a topic");
        tables.look("a", &subscribed);
        thread.join().expect("subscriber");
        tables.close(&["a"]);
    });
}
