//! Subscriptions that do not wait for engines.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use trolleybus::EventBus;
use trolleybus::engine::EngineErrorKind;

use crate::eventually::eventually;
use crate::faulty_engine::{Call, Does, Plan, Remote};
use crate::support::watchdog;

fn bus_of(remote: &Remote, timeout: Duration) -> EventBus {
    let builder = EventBus::builder().engine("far", remote.engine()).route("far", ["far.*"]);
    builder.engine_timeout(timeout).start().wait().expect("it starts")
}

fn is_pending(future: impl Future) -> bool {
    pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn a_subscription_that_joins_later_is_there_at_once_and_told_when_it_has_joined() {
    let _watchdog = watchdog("later");
    let remote = Remote::default();
    let bus = bus_of(&remote, Duration::from_secs(20));
    let later = bus.subscribe::<u32>("*").join_later().handle(|_| ()).expect("subscribe");
    smol::block_on(later.joined()).expect("it lets everybody in");
    assert!(remote.calls().contains(&Call::Subscribe(later.id(), None)));
    // Twice, and where there is nothing to wait for.
    later.joined().wait().expect("it has joined");
    let near = bus.subscribe::<u32>("near.*").join_later().receiver().expect("subscribe");
    near.subscription().joined().wait().expect("no engine");
    let at_once = bus.subscribe::<u32>("*").handle_inline(|_| ()).expect("subscribe");
    assert!(!is_pending(at_once.joined()));
}

#[test]
fn an_engine_that_does_not_answer_holds_nobody_up_and_ends_the_subscription_in_time() {
    let _watchdog = watchdog("no answer");
    let remote = Remote::new(Plan { subscribe: Does::Hangs, ..Plan::default() });
    let bus = bus_of(&remote, Duration::from_millis(100));
    let mut later = bus.subscribe::<u32>("*").join_later().receiver().expect("it does not wait");
    let waits = later.subscription().joined();
    bus.publish("near.a", 1_u32).expect("open");
    assert_eq!(*later.try_recv().expect("other topics are not held up"), 1);
    let failure = waits.wait().expect_err("no answer");
    assert_eq!((failure.engine.as_str(), failure.error.kind()), ("far", EngineErrorKind::Timeout));
    assert!(later.subscription().is_closed());
    assert_eq!(later.subscription().joined().wait().expect_err("still"), failure);
}

#[test]
fn an_engine_that_refuses_or_panics_ends_the_subscription() {
    let _watchdog = watchdog("refuses");
    for (does, kind) in [(Does::Fails, EngineErrorKind::Rejected), (Does::Panics, EngineErrorKind::Panicked)]
    {
        let remote = Remote::new(Plan { subscribe: does, ..Plan::default() });
        let bus = bus_of(&remote, Duration::from_secs(20));
        let later =
            bus.subscribe::<u32>("far.*").join_later().handle_inline(|_| ()).expect("it does not wait");
        assert_eq!(smol::block_on(later.joined()).expect_err("refused").error.kind(), kind);
        eventually("it has ended", || later.is_closed());
        assert_eq!(bus.subscriber_count("far.a"), Ok(0));
    }
}

#[test]
fn the_end_of_the_bus_ends_the_wait() {
    let _watchdog = watchdog("end");
    let remote = Remote::new(Plan { subscribe: Does::Hangs, ..Plan::default() });
    let bus = bus_of(&remote, Duration::from_secs(3600));
    let later = bus.subscribe::<u32>("far.*").join_later().handle_inline(|_| ()).expect("it does not wait");
    let waits = later.joined();
    drop(bus);
    assert_eq!(waits.wait().expect_err("it ended").error.kind(), EngineErrorKind::Stopped);
}
