//! Events of engines that are too old to be delivered.

use std::time::Duration;

use trolleybus::engine::{Encoded, Envelope, Scope};
use trolleybus::{EventBus, TestClock, Topic};

use crate::eventually::eventually;
use crate::faulty_engine::{Remote, block_on};
use crate::support::watchdog;

const MS: Duration = Duration::from_millis(1);

#[test]
fn what_arrives_from_an_engine_expires_from_its_arrival_on() {
    let _watchdog = watchdog("arrivals");
    let (remote, clock) = (Remote::default(), TestClock::new());
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["n"]).ttl(20 * MS);
    let bus = builder.clock(clock.clone()).start().wait().expect("it starts");
    let mut receiver = bus.subscribe::<u32>("n").receiver().expect("subscribe");
    bus.event("n", 1_u32).ttl(10 * MS).publish().expect("taken");
    bus.publish("n", 2_u32).expect("taken");
    let sent: Vec<_> = remote.published().iter().map(Envelope::ttl).collect();
    assert_eq!(sent, [Some(10 * MS), Some(20 * MS)], "engines carry it along");
    let envelope = |number: u32| {
        let payload = Encoded::json(&number).expect("a number");
        Envelope::new(Topic::new("n").expect("a topic"), payload)
    };
    // One that says so itself, and one of a publisher that has no rules.
    let handovers =
        [envelope(1).with_ttl(10 * MS), envelope(2)].map(|one| remote.arrive(one, Scope::Everyone));
    eventually("both are queued", || receiver.subscription().stats().queued == 2);
    clock.advance(10 * MS);
    assert_eq!(*receiver.try_recv().expect("the second"), 2);
    let outcomes = handovers.map(|handover| block_on(handover).expect("offered"));
    assert_eq!((outcomes[0].expired.len(), outcomes[1].done), (1, 1));
    assert_eq!(bus.stats().engines[1].expired, 1);
    assert_eq!(remote.calls().len(), 4);
}
