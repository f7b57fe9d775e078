//! What a topic that is remembered weighs, however many subscriptions match it.
//!
//! Bytes are counted as glibc's malloc rounds them.

#[path = "support/malloc.rs"]
mod malloc;

use malloc::tally;
use trolleybus::{EventBus, Subscription};

const TOPICS: usize = 1_000;
const SUBSCRIPTIONS: usize = 200;

/// So many bytes a topic may take by itself. With a list of its own it would take 17 KB here.
const MOST: isize = 2_560;

struct World {
    bus: EventBus,
    names: Vec<String>,
    everywhere: Vec<Subscription>,
    own: Vec<Subscription>,
}

impl World {
    /// Subscribes to all topics, and `own` times to each.
    fn new(own: usize) -> Self {
        let bus = EventBus::new();
        let names: Vec<_> = (0..TOPICS).map(|number| format!("weight.of.topic.{number}")).collect();
        let everywhere = (0..SUBSCRIPTIONS).map(|_| subscribe(&bus, "weight.*")).collect();
        let own = names.iter().flat_map(|name| vec![name; own]).map(|name| subscribe(&bus, name)).collect();
        Self { bus, names, everywhere, own }
    }

    /// Publishes to each topic, twice: the first time it is unseen.
    fn publish(&self) {
        let matching = self.everywhere.len() + self.own.len() / TOPICS;
        for name in self.names.iter().chain(&self.names) {
            assert_eq!(self.bus.publish(name, 1_u8).expect("publish").delivered(), matching);
        }
    }
}

fn subscribe(bus: &EventBus, pattern: &str) -> Subscription {
    bus.subscribe::<u8>(pattern).handle_inline(|_| ()).expect("subscribe")
}

/// The bytes that this leaves behind, for each topic.
fn weigh(work: impl FnOnce()) -> isize {
    let before = tally().held;
    work();
    (tally().held - before) / TOPICS as isize
}

#[test]
fn z2_a_topic_weighs_little_however_many_subscriptions_match_it() {
    for own in [0, 1, 5] {
        let mut world = World::new(own);
        let weight = weigh(|| world.publish());
        assert!(weight < MOST, "{weight} bytes for each topic with {own} of its own");
        // Subscriptions come and go, and the lists are still one.
        let churned = weigh(|| {
            for number in [0, 100, SUBSCRIPTIONS - 1, 50, 7] {
                drop(world.everywhere.remove(number));
                world.publish();
                world.everywhere.push(subscribe(&world.bus, "*"));
                world.publish();
            }
            world.everywhere.retain(|subscription| subscription.id().as_u64() % 50 != 1);
            world.publish();
        });
        assert!(churned < MOST, "{churned} bytes for each topic with {own} of its own after churn");
    }
}
