//! From when on a subscription gets events.

use std::sync::mpsc;
use std::thread;

use trolleybus::TryRecvError;

use crate::bus;
use crate::support::{PATIENCE, watchdog};

#[test]
fn v1_a_publish_after_subscribe_returned_reaches_the_subscription() {
    let _watchdog = watchdog("v1");
    let bus = bus(1);
    let publisher = bus.publisher::<u32>("a.b").expect("publisher");
    let (tell, told) = mpsc::channel::<u32>();
    let (reply, replied) = mpsc::channel();
    let other = {
        let bus = bus.clone();
        thread::spawn(move || {
            // It published before, so it has whatever a publisher may keep.
            bus.publish("a.b", 0_u32).expect("publish");
            publisher.publish(0).expect("publish");
            reply.send((1, 1)).expect("reply");
            for number in told {
                let by_name = bus.publish("a.b", number).expect("publish").matched();
                let by_handle = publisher.publish(number).expect("publish").matched();
                reply.send((by_name, by_handle)).expect("reply");
            }
        })
    };
    assert_eq!(replied.recv_timeout(PATIENCE), Ok((1, 1)));
    for number in 0..600_u32 {
        let patterns: &[&str] =
            [&["a.b"][..], &["a.*"], &["**"], &["x", "a.b"], &["+.b", "a.*"]][number as usize % 5];
        let mut receiver =
            bus.subscribe_many::<u32, _>(patterns.iter().copied()).receiver().expect("subscribe");
        // The other thread knows of the subscription by this message alone.
        tell.send(number).expect("tell");
        assert_eq!(replied.recv_timeout(PATIENCE), Ok((1, 1)), "{patterns:?}");
        let got: Vec<u32> = receiver.try_iter().map(|event| *event).collect();
        assert_eq!(got, [number, number], "{patterns:?}");
    }
    drop(tell);
    other.join().expect("join");
}

#[test]
fn v2_a_publish_that_returned_before_subscribe_is_not_delivered() {
    let _watchdog = watchdog("v2");
    let bus = bus(2);
    for number in 0..200_u32 {
        for pattern in ["a.b", "a.*", "**"] {
            bus.publish("a.b", number).expect("publish");
            let mut receiver = bus.subscribe::<u32>(pattern).receiver().expect("subscribe");
            assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Empty);
            bus.publish("a.b", number + 1).expect("publish");
            assert_eq!(*receiver.try_recv().expect("the second"), number + 1);
            assert_eq!(receiver.subscription().stats().offered, 1);
        }
    }
}
