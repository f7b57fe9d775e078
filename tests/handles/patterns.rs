//! Several patterns are one subscription: all or none, and each event once.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use trolleybus::SubscribeError;

use crate::bus;
use crate::eventually::eventually;
use crate::kinds::KINDS;
use crate::support::{PATIENCE, watchdog};

#[test]
fn v5_several_patterns_are_subscribed_all_or_none() {
    let bus = bus(1);
    for bad in ["a..b", "", "a*b"] {
        let error = bus.subscribe_many::<u32, _>(["good.*", "good", bad]).receiver().unwrap_err();
        assert!(matches!(error, SubscribeError::InvalidPattern(_)), "{error}");
    }
    let none = bus.subscribe_many::<u32, _>(Vec::<&str>::new()).receiver().unwrap_err();
    assert!(matches!(none, SubscribeError::NoPattern));
    assert_eq!(bus.topics(), []);
    assert_eq!(bus.publish("good", 1_u32).expect("publish").matched(), 0);
    assert!(bus.stats().subscriptions.is_empty());
}

#[test]
fn v5_an_event_that_matches_several_patterns_comes_once() {
    let _watchdog = watchdog("v5 once");
    let bus = bus(1);
    let patterns = ["a.b", "a.*", "a.+", "**", "a.b"];
    for kind in KINDS {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let subscription = kind.handle(bus.subscribe_many::<u32, _>(patterns), move |_| {
            count.fetch_add(1, SeqCst);
        });
        assert_eq!(bus.publish("a.b", 1_u32).expect("publish").offered(), 1);
        assert!(subscription.drain(PATIENCE).wait().complete);
        assert_eq!(calls.load(SeqCst), 1, "{kind:?}");
    }
}

#[test]
fn v5_a_publish_never_sees_half_of_a_subscription() {
    let _watchdog = watchdog("v5 half");
    let bus = bus(1);
    for round in 0..300_u32 {
        // The order in which the patterns are entered must not show.
        let patterns = [["first", "second"], ["second", "*"], ["second", "first"]][round as usize % 3];
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                let count = |topic| bus.publish(topic, round).expect("publish").matched();
                eventually("it is subscribed", || count("first") == 1);
                assert_eq!(count("second"), 1, "half of {patterns:?} was there");
                start.wait();
            });
            start.wait();
            let receiver = bus.subscribe_many::<u32, _>(patterns).capacity(1).receiver().expect("subscribe");
            start.wait();
            drop(receiver);
        });
    }
}
