use super::*;
use crate::{EventBus, Receiver};

#[test]
fn groups_without_members_are_forgotten() {
    let table = TopicTable::new(0, None, None);
    let kept = table.group("kept");
    for number in 0..100 {
        drop(table.group(&number.to_string()));
    }
    assert!(table.writer.lock().groups.len() <= 2);
    assert!(Arc::ptr_eq(&kept, &table.group("kept")));
}

#[test]
fn v4_an_entry_that_went_in_a_sweep_is_off_the_account_of_lists() {
    let bus = EventBus::builder().topic_cache(1).build().expect("valid options");
    let first = bus.subscribe_any("*").receiver().expect("a receiver");
    let table = bus.hub().tables.common();
    let entry = |name| table.entry_or_refuse(&Topic::new(name).expect("a topic"));
    let swept = entry("a").expect("there is room for one");
    // The first sweep takes the mark of use away, the second the entry.
    assert!(entry("b").is_none() && entry("b").is_some());
    let second = bus.subscribe_any("*").receiver().expect("a receiver");
    assert_eq!(table.refreshed(&swept).plain_len(), 2, "it is resolved all the same");
    let listed = |slot: &Arc<Slot>| slot.listed.load(Ordering::Relaxed);
    assert_eq!(listed(first.subscription().slot()), 1, "it stands in the list of `b`");
    assert_eq!(listed(second.subscription().slot()), 0, "it stands in no list yet");
}

/// Numbers that look random, the same ones each time.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        // Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    }
}

/// Every list is as if it had just been resolved, and every slot knows in how many it stands.
fn check(bus: &EventBus) {
    let table = bus.hub().tables.common();
    let mut listed = std::collections::HashMap::new();
    let buckets: Vec<_> = table.buckets.iter().map(Snapshot::load_full).collect();
    for Place { list, entry, .. } in buckets.iter().flat_map(|bucket| bucket.iter()) {
        let is = |list: &SubscriberList| {
            let plain: Vec<_> = list.chunks.iter().map(|slot| slot.id).collect();
            let kinds = (list.has_queues(), list.has_inline(), list.is_empty());
            (list.generation(), plain, list.all().map(|slot| slot.id).collect::<Vec<_>>(), kinds)
        };
        assert_eq!(is(list), is(&entry.list.load()), "the two lists of {}", entry.topic);
        for slot in list.all() {
            *listed.entry(slot.id).or_insert(0) += 1;
        }
    }
    for slot in bus.hub().roster.held() {
        let count = slot.listed.load(Ordering::Relaxed);
        assert_eq!(count, listed.get(&slot.id).copied().unwrap_or(0), "lists of {}", slot.id);
    }
    for Place { entry, .. } in buckets.iter().flat_map(|bucket| bucket.iter()) {
        let ids = |list: &SubscriberList| {
            let mut ids: Vec<_> = list.all().map(|slot| slot.id).collect();
            ids[list.plain_len()..].sort_unstable();
            ids
        };
        let list = table.refreshed(entry);
        let anew = table.resolve(&mut table.writer.lock(), entry, &mut Garbage::default());
        assert_eq!(ids(&list), ids(&anew), "the list of {}", entry.topic);
        assert_eq!((list.generation(), list.is_empty()), (anew.generation(), anew.is_empty()));
    }
    check_trees(table);
}

/// Topics with the same subscriptions, and none of their own, have one tree in common; and no known tree has a
/// subscription that has left.
fn check_trees(table: &TopicTable) {
    for slot in table.writer.lock().shared.iter().flat_map(Chunks::iter) {
        assert!(!slot.gate.view().is_closed(), "a known tree keeps {}", slot.id);
    }
    let mut trees: Vec<Chunks> = Vec::new();
    let buckets: Vec<_> = table.buckets.iter().map(Snapshot::load_full).collect();
    for Place { entry, .. } in buckets.iter().flat_map(|bucket| bucket.iter()) {
        let list = table.refreshed(entry);
        if list.chunks.are_few() || !entry.needs.lock().plain.is_empty() {
            continue;
        }
        match trees.iter().find(|tree| tree.has_same(&list.chunks)) {
            Some(tree) => assert!(tree.is_same(&list.chunks), "{} has a tree of its own", entry.topic),
            None => trees.push(list.chunks.clone()),
        }
    }
}

#[test]
fn v1_lists_that_are_brought_up_to_date_are_those_that_would_be_resolved() {
    const TOPICS: [&str; 6] = ["a.b", "a.c", "a.b.c", "b", "b.c", "c.a"];
    const PATTERNS: [&str; 9] = ["*", "a.*", "a.b", "b", "b.+", "+.c", "c.a", "a.**.c", "nobody.*"];
    for seed in 0..40 {
        let mut number = numbers(seed);
        let bus =
            EventBus::builder().topic_cache(if seed % 4 == 0 { 2 } else { 100 }).build().expect("a bus");
        let mut receivers: Vec<Receiver<crate::AnyEvent>> = Vec::new();
        for _ in 0..150 {
            match number(20) {
                0..8 => drop(bus.publish(TOPICS[number(TOPICS.len())], 1_u8).expect("publish")),
                8..12 if !receivers.is_empty() => drop(receivers.swap_remove(number(receivers.len()))),
                // More than anybody remembers.
                12 => {
                    for _ in 0..=RECENT {
                        drop(bus.subscribe_any("nobody.*").receiver().expect("a receiver"));
                    }
                }
                13 => check(&bus),
                what => {
                    let patterns = (0..1 + number(3) / 2).map(|_| PATTERNS[number(PATTERNS.len())]);
                    let builder = bus.subscribe_any_many(patterns.collect::<Vec<_>>());
                    let builder = if what == 14 { builder.group("g") } else { builder };
                    receivers.push(builder.receiver().expect("a receiver"));
                }
            }
        }
        check(&bus);
        drop(receivers);
        check(&bus);
        assert!(bus.hub().roster.held().is_empty());
    }
}
