//! A subscription is put into quarantine after so many panics in a row, where that is asked for.

use std::num::NonZeroU32;
use std::sync::{Mutex, mpsc};

use trolleybus::{EventBus, Observer, SubscriptionId};

use crate::eventually::eventually;
use crate::kinds::{KINDS, Kind};
use crate::support::{PATIENCE, watchdog};
use crate::wanted::{bus, quietly};

#[test]
fn p4_quarantine_after_so_many_panics_in_a_row() {
    struct Tell(Mutex<mpsc::Sender<(SubscriptionId, u32)>>);
    impl Observer for Tell {
        fn quarantined(&self, subscription: SubscriptionId, panics: u32) {
            self.0.lock().expect("lock").send((subscription, panics)).expect("send");
        }
    }
    let _watchdog = watchdog("p4");
    quietly();
    for kind in KINDS {
        let (send, told) = mpsc::channel();
        let bus = EventBus::builder()
            .workers(1)
            .quarantine_after(NonZeroU32::new(3).expect("not zero"))
            .observer(Tell(Mutex::new(send)))
            .build()
            .expect("build");
        let bad = kind.handle(bus.subscribe::<u32>("n"), |number| {
            assert!(number != 0, "wanted: a handler's panic");
        });
        let publish = |number: u32| drop(bus.publish("n", number).expect("publish"));
        // Two in a row, a success, two in a row: not yet.
        [0, 0, 1, 0, 0].into_iter().for_each(publish);
        eventually("these are handled", || bad.stats().delivered == 5);
        assert!(!bad.is_paused(), "{kind:?}");
        publish(0);
        assert_eq!(told.recv_timeout(PATIENCE), Ok((bad.id(), 3)));
        eventually("it is in quarantine", || bad.is_paused());
        publish(1);
        publish(1);
        assert_eq!(bad.stats().delivered, 6, "{kind:?}");
        let (skipped, queued) = if kind == Kind::Inline { (2, 0) } else { (0, 2) };
        assert_eq!((bad.stats().skipped, bad.stats().queued), (skipped, queued), "{kind:?}");
        bad.resume();
        publish(1);
        let all = 7 + if kind == Kind::Inline { 0 } else { 2 };
        eventually("it works again", || bad.stats().delivered == all);
        assert!(bad.stats().is_balanced() && told.try_recv().is_err());
    }
}

#[test]
fn p4_there_is_no_quarantine_unless_asked_for() {
    let _watchdog = watchdog("p4 off");
    let bus = bus(1);
    for kind in KINDS {
        let bad = kind.handle(bus.subscribe::<u32>("n"), |_| panic!("wanted: a handler's panic"));
        for number in 0..100_u32 {
            bus.publish("n", number).expect("publish");
        }
        eventually("all are handled", || bad.stats().delivered == 100);
        assert!(!bad.is_paused() && bad.stats().failed == 100, "{kind:?}");
    }
}
