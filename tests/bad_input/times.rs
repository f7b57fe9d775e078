//! Durations of nothing and of all time.

use std::time::Duration;

use trolleybus::{DeliveryMode, EventBus, RecvTimeoutError};

use crate::support::watchdog;

#[test]
fn l6_durations_of_zero_and_of_all_time_are_taken_everywhere() {
    let _watchdog = watchdog("l6_durations_of_zero_and_of_all_time_are_taken_everywhere");
    for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let bus =
            EventBus::builder().workers(1).spin(duration.min(Duration::from_secs(1))).build().expect("build");
        let mode = DeliveryMode::Timeout(duration);
        let mut numbers = bus.subscribe::<u32>("n").capacity(1).delivery(mode).receiver().expect("subscribe");
        let receipt = bus.event("n", 1_u32).deadline(duration).publish().expect("there is room");
        assert_eq!(receipt.queued(), 1);
        assert!(numbers.recv_timeout(duration).is_ok());
        let mut aging = bus.subscribe::<u32>("t").receiver().expect("subscribe");
        bus.event("t", 1_u32).ttl(duration).publish().expect("there is room");
        let taken = aging.try_recv().map(|event| event.ttl());
        // Of a nanosecond the clock tells nothing for sure.
        if duration.is_zero() || duration == Duration::MAX {
            assert_eq!(taken.ok().flatten(), (!duration.is_zero()).then_some(duration));
        }
        drop(aging);
        if duration < Duration::from_secs(1) {
            assert_eq!(numbers.recv_timeout(duration).err(), Some(RecvTimeoutError::Timeout));
            bus.publish("n", 2_u32).expect("publish");
            assert_eq!(bus.publish("n", 3_u32).expect("publish").dropped_by().timeout, 1);
            let late = bus.expect::<u32>("other", duration).expect("subscribe");
            assert_eq!(late.wait().err(), Some(RecvTimeoutError::Timeout));
        }
        let expected = bus.expect::<u32>("n", duration).expect("subscribe");
        bus.try_publish("n", 4_u32).expect("publish");
        assert_eq!(*expected.wait().expect("it came before"), 4);
        while numbers.try_recv().is_ok() {}
        assert!(numbers.subscription().drain(duration).wait().complete);
        assert!(bus.shutdown(duration).wait().complete);
    }
}

#[test]
fn l6_a_worker_that_spins_for_ever_still_stops() {
    let _watchdog = watchdog("l6_a_worker_that_spins_for_ever_still_stops");
    let bus = EventBus::builder().workers(1).spin(Duration::MAX).build().expect("build");
    let handled = bus.subscribe::<u32>("n").handle(|_| ()).expect("subscribe");
    bus.publish("n", 1_u32).expect("publish");
    let report = bus.shutdown(Duration::from_secs(20)).wait();
    assert!(report.complete, "{report:?}");
    assert_eq!((handled.stats().delivered, report.threads_running), (1, 0));
}
