//! Rules that are replaced while a topic is published to.

use std::sync::Arc;

use loom::thread::spawn;

use crate::dispatch::models::support::{Bell, ends, slot_in, spec};
use crate::dispatch::{Carriage, Carriers, DeliveryMode, TopicTable};
use crate::event::{DropReason, SubscriptionId};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// Routes by a word.
#[derive(Debug)]
struct Flips(AtomicU32);

impl Carriers for Flips {
    fn route(&self, _: Option<&Tenant>, _: &str) -> Carriage {
        let engine = u8::try_from(self.0.load(Ordering::Acquire)).expect("0 or 1");
        Carriage { engine, carried: engine == 1, ..Carriage::default() }
    }

    fn left(&self, _: SubscriptionId, _: u64) {}
}

fn engine_of(table: &TopicTable, topic: &str) -> u8 {
    let hash = table.hash(topic);
    let bucket = table.bucket(hash);
    match table.named(&bucket, hash, topic) {
        Some(list) => list.engine(),
        None => table.resolve_unseen(topic).expect("a topic").engine(),
    }
}

/// The rules are replaced while a topic is published to: who publishes after that goes by the new ones, and who has gone
/// by the new ones does not go back.
///
/// Broken by a `reroute` that does not raise the generation, and by one that raises it without the writer lock and leaves
/// what was remembered of subscriptions (a list of the old rules is brought up to date by them).
#[test]
fn v1_a_publish_against_rules_that_are_replaced() {
    loom::model(|| {
        let flips = Arc::new(Flips(AtomicU32::new(0)));
        let table = Arc::new(TopicTable::new(4, Some(Arc::clone(&flips) as Arc<dyn Carriers>), None));
        let entry = table.pin(&Topic::new("t").expect("a topic"));
        // A pattern that was subscribed to lately, so that lists are brought up to date in small steps.
        let roster = Arc::default();
        let ends = |_: &_| ends(1, Bell::default());
        let wild = slot_in(&Arc::downgrade(&table), &roster, spec(&["*"], 1, DeliveryMode::Drop), ends);
        table.insert(&wild);
        assert_eq!(engine_of(&table, "t"), 0);
        let rules = {
            let (table, flips) = (Arc::clone(&table), Arc::clone(&flips));
            spawn(move || {
                flips.0.store(1, Ordering::Release);
                table.reroute();
            })
        };
        let first = engine_of(&table, "t");
        let second = engine_of(&table, "t");
        assert!(first <= second, "it went back to the old rules");
        rules.join().expect("the rules");
        assert_eq!(engine_of(&table, "t"), 1, "the new rules do not hold");
        table.unpin(&entry);
        wild.cancel(DropReason::Cancelled);
    });
}
