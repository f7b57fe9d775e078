//! Tenants, alone and on engines of their own.

use trolleybus::{Event, EventBus, Receiver, Tenant};

use crate::eventually::eventually;
use crate::support::{PATIENCE, watchdog};
use crate::{configured, started};

fn tenants(bus: &EventBus) -> [EventBus; 2] {
    ["tenant1", "tenant2"].map(|name| bus.tenant(name).expect("a tenant"))
}

/// The next event, which has to come: whose it is, what it holds, and who says to have carried it.
fn next(receiver: &mut Receiver<Event<String>>) -> (String, String, Option<String>) {
    let event = receiver.recv_timeout(PATIENCE).expect("an event");
    let tenant = event.tenant().map(Tenant::to_string).expect("a tenant's");
    (tenant, (*event).clone(), event.meta("engine").map(str::to_owned))
}

#[test]
fn tenant_aware_event_routing() {
    let bus = configured("engine: memory", &trolleybus::EngineRegistry::new()).build().expect("valid");
    let tenants = tenants(&bus);
    // Both subscribe first: the original publishes before the other one could hear it.
    let mut receivers =
        tenants.each_ref().map(|tenant| tenant.subscribe::<String>("user.*").receiver().expect("subscribe"));
    let receipt = tenants[0].publish("user.login", "ann").expect("publish");
    assert_eq!((receipt.matched(), receipt.queued()), (1, 1));
    assert_eq!(next(&mut receivers[0]), ("tenant1".to_owned(), "ann".to_owned(), None));
    assert!(receivers[1].try_recv().is_err(), "the other tenant hears of it");
    tenants[1].publish("user.login", "bob").expect("publish");
    assert_eq!(next(&mut receivers[1]), ("tenant2".to_owned(), "bob".to_owned(), None));
    assert!(receivers[0].try_recv().is_err(), "the other tenant hears of it");
    let offered: Vec<_> =
        bus.stats().tenants.iter().map(|one| (one.tenant.to_string(), one.total.offered)).collect();
    assert_eq!(offered, [("tenant1".to_owned(), 1), ("tenant2".to_owned(), 1)]);
}

#[test]
fn tenant_specific_engine_routing() {
    let _watchdog = watchdog("tenant_specific_engine_routing");
    let bus = started(
        "
engines:
  - {name: rest, type: memory}
  - {name: near, type: memory}
  - {name: far, type: custom}
routing:
  - {topics: ['*'], tenants: [tenant1], engine: near}
  - {topics: ['*'], tenants: [tenant2], engine: far}
",
    );
    let tenants = tenants(&bus);
    let mut receivers =
        tenants.each_ref().map(|tenant| tenant.subscribe::<String>("user.*").receiver().expect("subscribe"));
    for (tenant, (engine, rule)) in tenants.iter().zip([("near", 0), ("far", 1)]) {
        let explained = tenant.explain("user.login").expect("a topic");
        assert_eq!((explained.engine.as_str(), explained.rule), (engine, Some(rule)));
    }
    assert_eq!(bus.explain("user.login").expect("a topic").engine, "rest");
    assert!(tenants[0].publish("user.login", "ann").expect("publish").accepted().is_none());
    let far = tenants[1].publish("user.login", "bob").expect("publish");
    assert_eq!(far.accepted().map(|accepted| &*accepted.engine), Some("far"));
    assert_eq!(next(&mut receivers[0]), ("tenant1".to_owned(), "ann".to_owned(), None));
    let mark = Some("custom-memory".to_owned());
    assert_eq!(next(&mut receivers[1]), ("tenant2".to_owned(), "bob".to_owned(), mark));
    assert!(receivers.iter_mut().all(|receiver| receiver.try_recv().is_err()));
    let offered = || bus.stats().engines.iter().map(|engine| engine.offered).collect::<Vec<_>>();
    eventually("each engine has carried its own", || offered() == [0, 1, 1]);
}
