//! Subscriptions as series of a monitoring system: not more of them than asked for, whatever the application does.
//!
//! A series costs a monitoring system memory for hours. A label is a subscription's name, or for want of one the place in
//! the source that made it, of which there are as many as the program has lines; subscriptions with the same label are
//! one series. The oldest labels have a series each, so that one that has its own keeps it; the rest are one series.

use std::collections::HashMap;
use std::time::Duration;

use super::snapshot::place;
use crate::bus::SubscriptionStats;
use crate::dispatch::SubscriptionKind;
use crate::sync::hash_keys;

/// The label of the subscriptions that have none of their own.
pub(super) const OTHER: &str = "other";

/// The longest label, in bytes.
const LONGEST: usize = 128;

/// What subscriptions with one label come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) label: String,
    /// Events in their queues.
    pub(super) queued: u64,
    /// Room in their queues, the taken places included.
    pub(super) capacity: u64,
    /// How old the oldest queued event is.
    pub(super) oldest: Duration,
}

/// Adds subscriptions up, those alone that have a queue, under at most `most` labels and that of the others.
pub(super) fn shares(subscriptions: &[SubscriptionStats], most: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    let mut known: HashMap<String, usize, _> = HashMap::with_hasher(hash_keys());
    let mut own = 0;
    // In the order of registration: a new subscription takes nobody's series away.
    for subscription in subscriptions.iter().filter(|one| one.kind != SubscriptionKind::Inline) {
        let mut label = label(subscription);
        if !known.contains_key(&label) {
            if own < most {
                own += 1;
            } else {
                OTHER.clone_into(&mut label);
            }
        }
        let at = *known.entry(label.clone()).or_insert(shares.len());
        if at == shares.len() {
            shares.push(Share { label, queued: 0, capacity: 0, oldest: Duration::ZERO });
        }
        let share = &mut shares[at];
        share.queued += subscription.ledger.queued;
        share.capacity = share.capacity.saturating_add(subscription.capacity as u64);
        share.oldest = share.oldest.max(subscription.oldest_age.unwrap_or_default());
    }
    shares
}

/// What a subscription is called.
fn label(subscription: &SubscriptionStats) -> String {
    let mut label = match &subscription.name {
        Some(name) if !name.is_empty() => name.clone(),
        _ => place(subscription.call_site),
    };
    let mut end = label.len().min(LONGEST);
    while !label.is_char_boundary(end) {
        end -= 1;
    }
    label.truncate(end);
    label
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::{EventBus, Receiver, Subscription};

    fn named(bus: &EventBus, name: &str) -> Receiver<crate::AnyEvent> {
        bus.subscribe_any("t").name(name).capacity(4).receiver().expect("a valid pattern")
    }

    fn labels(bus: &EventBus, most: usize) -> Vec<(String, u64)> {
        let shares = shares(&bus.stats().subscriptions, most);
        shares.into_iter().map(|share| (share.label, share.queued)).collect()
    }

    #[test]
    fn the_oldest_have_a_label_each_and_the_rest_share_one() {
        let bus = EventBus::new();
        let a = named(&bus, "a");
        let _rest = ["b", "c", "a", "d"].map(|name| named(&bus, name));
        bus.publish("t", 1_u32).unwrap();
        let is = |most, expected: &[(&str, u64)]| {
            let expected: Vec<_> =
                expected.iter().map(|(label, queued)| ((*label).to_owned(), *queued)).collect();
            assert_eq!(labels(&bus, most), expected, "{most} labels");
        };
        is(4, &[("a", 2), ("b", 1), ("c", 1), ("d", 1)]);
        is(2, &[("a", 2), ("b", 1), (OTHER, 2)]);
        is(0, &[(OTHER, 5)]);
        assert_eq!(shares(&bus.stats().subscriptions, 1)[1].capacity, 12);
        // Who had a label of its own keeps it when another goes.
        drop(a);
        is(2, &[("b", 1), ("c", 1), (OTHER, 2)]);
    }

    #[test]
    fn a_subscription_that_is_called_other_joins_the_others() {
        let bus = EventBus::new();
        let _subscriptions = ["a", OTHER, "b"].map(|name| named(&bus, name));
        bus.publish("t", 1_u32).unwrap();
        assert_eq!(labels(&bus, 2), [("a".to_owned(), 1), (OTHER.to_owned(), 2)]);
    }

    #[test]
    fn who_has_no_name_goes_by_its_place_and_inline_handlers_have_no_queue() {
        let bus = EventBus::new();
        let _inline = bus.subscribe_any("t").handle_inline(|_| ()).unwrap();
        let loops = |_| -> Subscription { bus.subscribe_any("t").handle(|_| ()).unwrap() };
        let _unnamed: Vec<_> = (0..3).map(loops).collect();
        let labels = labels(&bus, 100);
        assert_eq!(labels.len(), 1, "{labels:?}");
        assert!(labels[0].0.contains("shares.rs:"), "{labels:?}");
    }

    #[test]
    fn a_label_is_cut_between_two_characters() {
        let bus = EventBus::new();
        let _long = named(&bus, &format!("{}é", "a".repeat(LONGEST - 1)));
        assert_eq!(labels(&bus, 1)[0].0, "a".repeat(LONGEST - 1));
    }
}
