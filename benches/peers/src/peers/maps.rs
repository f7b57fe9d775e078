//! What people write by hand: a map behind a read lock, a linear scan, copy-on-write registries.

use std::collections::HashMap;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use arc_swap::ArcSwap;

use crate::event::{Event, topic};
use crate::harness::Case;

type Handler = Box<dyn Fn(&Event) + Send + Sync>;

fn handler() -> Handler {
    Box::new(Event::read)
}

/// S1: `RwLock<HashMap>` of the standard library, with its default hasher. With `fresh` an event is built for each
/// publish; without, one event is reused and only lookup and call remain.
pub fn rwlock(topics: usize, subscribers: usize, fresh: bool) -> Case {
    let names: Vec<String> = (0..topics).map(topic).collect();
    let handlers = |_| (0..subscribers).map(|_| handler()).collect::<Vec<_>>();
    let map: HashMap<String, Vec<Handler>> = names.iter().cloned().zip((0..topics).map(handlers)).collect();
    let map = RwLock::new(map);
    let reused = Event::build(&names[0], 0);
    let mut at = 0;
    let name = if fresh { "RwLock<HashMap> + event" } else { "RwLock<HashMap>" };
    Case::cpu(name, move |n| {
        for i in 0..n {
            at = if at + 1 == names.len() { 0 } else { at + 1 };
            let built;
            let event = if fresh {
                built = Event::shared(&names[at], i as u64);
                &*built
            } else {
                &reused
            };
            let map = map.read().expect("no handler panics");
            for handler in map.get(&names[at]).into_iter().flatten() {
                handler(event);
            }
        }
        n as u64
    })
}

/// S1w: every pattern is compared with every topic.
pub fn linear_scan(prefixes: Vec<String>) -> Case {
    let subscriptions: Vec<(String, Handler)> =
        prefixes.into_iter().map(|prefix| (prefix, handler())).collect();
    let name = topic(42);
    Case::cpu("linear scan", move |n| {
        for i in 0..n {
            let event = Event::shared(&name, i as u64);
            for (prefix, handler) in &subscriptions {
                if name.starts_with(prefix.as_str()) {
                    handler(&event);
                }
            }
        }
        n as u64
    })
}

/// S6 wide: one map of all topics behind an `ArcSwap`, copied whole by every change.
pub fn whole_map_copy(topics: usize) -> Case {
    let names: Vec<Arc<str>> = (0..topics).map(|i| topic(i).into()).collect();
    let list = |_: &Arc<str>| -> Arc<[Arc<Handler>]> { vec![Arc::new(handler())].into() };
    let map: HashMap<Arc<str>, Arc<[Arc<Handler>]>> =
        names.iter().map(|name| (name.clone(), list(name))).collect();
    let map = ArcSwap::from_pointee(map);
    let mut at = 0;
    Case::cpu("whole-map copy", move |n| {
        for _ in 0..n {
            at = (at + 7) % names.len();
            let added = Arc::new(handler());
            let mut grown = HashMap::clone(&map.load());
            if let Some(list) = grown.get_mut(&names[at]) {
                *list = list.iter().cloned().chain([Arc::clone(&added)]).collect();
            }
            map.store(Arc::new(grown));
            let mut shrunk = HashMap::clone(&map.load());
            if let Some(list) = shrunk.get_mut(&names[at]) {
                *list = list.iter().filter(|one| !Arc::ptr_eq(one, &added)).cloned().collect();
            }
            map.store(Arc::new(shrunk));
        }
        n as u64
    })
}

/// S6 deep: one topic's list of `Arc`s behind an `ArcSwap`, copied by every change.
pub fn list_copy(subscriptions: usize) -> Case {
    let list: Vec<Arc<Handler>> = (0..subscriptions).map(|_| Arc::new(handler())).collect();
    let list = ArcSwap::from_pointee(list);
    Case::cpu("Vec<Arc> copy", move |n| {
        for _ in 0..n {
            let added = Arc::new(handler());
            let mut grown = Vec::clone(&list.load());
            grown.push(Arc::clone(&added));
            list.store(Arc::new(grown));
            let mut shrunk = Vec::clone(&list.load());
            shrunk.retain(|one| !Arc::ptr_eq(one, &added));
            list.store(Arc::new(shrunk));
        }
        n as u64
    })
}

/// A subscriber of the plain list: a handler behind a pointer, and its own account.
struct Subscriber {
    handler: Handler,
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl Subscriber {
    fn new() -> Self {
        Self { handler: handler(), delivered: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    #[inline]
    fn deliver(&self, event: &Event) {
        let ended = catch_unwind(AssertUnwindSafe(|| (self.handler)(event)));
        let count = if ended.is_ok() { &self.delivered } else { &self.failed };
        // One publisher: it loads and stores, without a read-modify-write.
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

/// S6 deep: goes through a plain list, per subscriber, and does for each the least that a bus must do: it calls the
/// handler through a pointer, keeps its panic from the others, and counts its end. As on our side the event is built
/// once for each publish. Nothing is looked up, and nobody can join, leave or publish meanwhile: what is compared is
/// the iterating.
pub fn list_call(subscriptions: usize) -> Case {
    let list: Vec<Arc<Subscriber>> = (0..subscriptions).map(|_| Arc::new(Subscriber::new())).collect();
    let name = topic(42);
    let mut published = 0;
    Case::cpu("plain list", move |n| {
        for i in 0..n {
            let event = Event::shared(&name, i as u64);
            for subscriber in black_box(&list) {
                subscriber.deliver(&event);
            }
        }
        published += n as u64;
        // The last one only: to ask them all would be one more pass over the list.
        let delivered = list.last().map(|subscriber| subscriber.delivered.load(Ordering::Relaxed));
        assert_eq!(delivered, Some(published), "a delivery was not counted");
        (n * list.len()) as u64
    })
}
