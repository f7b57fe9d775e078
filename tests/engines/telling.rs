//! What other engines tell of a bus's life.

use std::sync::mpsc;

use trolleybus::engine::{Encoded, EngineState, Envelope, Scope};
use trolleybus::lifecycle::LifecycleEvent;
use trolleybus::{EventBus, HandlerError, Topic};

use crate::faulty_engine::{Does, Remote, block_on};
use crate::support::{PATIENCE, watchdog};

#[test]
fn d_all_11_other_engines_tell_what_the_memory_engine_tells() {
    let _watchdog = watchdog("engines");
    let remote = Remote::default();
    let (told, heard) = mpsc::channel();
    let bus = EventBus::builder()
        .on_lifecycle(move |event| drop(told.send(event.clone())))
        .engine("far", remote.engine())
        .route("far", ["far.*"])
        .start()
        .wait()
        .expect("it starts");
    let _fails = bus
        .subscribe::<u32>("far.*")
        .handle_inline(|_| Err::<(), _>(HandlerError::new("no")))
        .expect("subscribe");
    bus.publish("far.a", 1_u32).expect("taken");
    let topic = Topic::new("far.a").expect("a topic");
    let envelope = Envelope::new(topic, Encoded::json(&1_u32).expect("JSON"));
    block_on(remote.arrive(envelope, Scope::Everyone)).expect("offered");
    remote.change(|plan| plan.publish = Does::Fails);
    bus.publish("far.a", 1_u32).expect_err("as told");
    remote.ingress().set_state(EngineState::Degraded);
    assert_eq!(remote.published().len(), 2);
    assert!(bus.shutdown(PATIENCE).wait().complete);
    let events: Vec<LifecycleEvent> = heard.iter().collect();
    let names: Vec<&str> =
        events.iter().filter_map(|event| event.event_type().strip_prefix("com.modular.eventbus.")).collect();
    let expected = [
        "engine.state",
        "bus.started",
        "subscription.created",
        "topic.created",
        "message.published",
        "message.received",
        "message.failed",
        "message.failed",
        "engine.state",
        "engine.state",
        "subscription.removed",
        "bus.stopped",
    ];
    assert_eq!(names, expected);
    assert_eq!(events[4].text("engine"), Some("far"));
    assert_eq!(events[5].text("engine"), Some("far"));
    assert!(events[7].text("error").is_some_and(|error| error.contains("as told")));
    assert_eq!((events[8].text("state"), events[9].text("state")), (Some("degraded"), Some("stopped")));
}
