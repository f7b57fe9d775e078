//! Tenants on engines: rules about them, events that travel, and arrivals.

use std::time::Duration;

use trolleybus::engine::{Capabilities, Encoded, Envelope, Groups, Scope};
use trolleybus::{BuildError, EventBus, Receiver, Routes, Tenant, TenantError, Topic};

use crate::eventually::eventually;
use crate::faulty_engine::{Call, Plan, Remote, block_on};
use crate::support::watchdog;

fn envelope(tenant: Option<&str>, number: u32) -> Envelope {
    let envelope =
        Envelope::new(Topic::new("far.a").expect("a topic"), Encoded::json(&number).expect("a number"));
    match tenant {
        Some(name) => envelope.with_tenant(Tenant::new(name).expect("a tenant")),
        None => envelope,
    }
}

fn bus_of(remote: &Remote, routes: Routes) -> EventBus {
    let builder = EventBus::builder().engine("far", remote.engine()).memory_engine("near").routes(routes);
    builder.engine_timeout(Duration::from_millis(200)).start().wait().expect("it starts")
}

fn all(receiver: &mut Receiver<trolleybus::Event<u32>>) -> Vec<u32> {
    receiver.try_iter().map(|event| *event).collect()
}

#[test]
fn the_first_rule_about_a_tenant_and_a_topic_decides() {
    let _watchdog = watchdog("rules");
    let remote = Remote::default();
    let routes = Routes::new()
        .route_tenants("near", ["globex"], ["*"])
        .route_tenants("far", ["acme", "globex"], ["order.*"])
        .route("near", ["audit.*"]);
    let bus = bus_of(&remote, routes);
    let engine_of = |tenant: Option<&str>, topic: &str| {
        let handle = tenant.map_or_else(|| bus.clone(), |name| bus.tenant(name).expect("a tenant"));
        let explained = handle.explain(topic).expect("a topic");
        (explained.engine, explained.rule)
    };
    let route = |engine: &str, rule| (engine.to_owned(), rule);
    assert_eq!(engine_of(Some("globex"), "order.7"), route("near", Some(0)));
    assert_eq!(engine_of(Some("acme"), "order.7"), route("far", Some(1)));
    assert_eq!(engine_of(Some("acme"), "user.7"), route("memory", None));
    assert_eq!(engine_of(Some("other"), "order.7"), route("memory", None));
    assert_eq!(engine_of(None, "order.7"), route("memory", None));
    assert_eq!(engine_of(None, "audit.7"), route("near", Some(2)));

    // It is not only said.
    let acme = bus.tenant("acme").expect("a tenant");
    assert!(acme.publish("order.7", 1_u32).expect("taken").accepted().is_some());
    assert!(bus.publish("order.7", 2_u32).expect("open").accepted().is_none());
    let sent = remote.published();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].tenant().map(Tenant::as_str), Some("acme"));

    bus.replace_routes(Routes::new().route_tenants("near", ["acme"], ["*"])).wait().expect("right");
    assert_eq!(engine_of(Some("acme"), "order.7"), route("near", Some(0)));
    acme.publish("order.7", 3_u32).expect("open");
    assert_eq!(remote.published().len(), 1);
}

#[test]
fn a_subscription_joins_the_engines_that_carry_its_tenants_topics() {
    let _watchdog = watchdog("joins");
    let remote = Remote::default();
    let bus = bus_of(&remote, Routes::new().route_tenants("far", ["acme"], ["far.*"]));
    let _none = bus.subscribe::<u32>("*").receiver().expect("subscribe");
    let _other =
        bus.tenant("globex").expect("a tenant").subscribe::<u32>("far.a").receiver().expect("subscribe");
    let acme = bus.tenant("acme").expect("a tenant").subscribe::<u32>("*").receiver().expect("subscribe");
    let joined: Vec<_> =
        remote.calls().into_iter().filter(|call| matches!(call, Call::Subscribe(..))).collect();
    assert_eq!(joined, [Call::Subscribe(acme.subscription().id(), None)]);
}

#[test]
fn what_arrives_reaches_its_own_tenants_subscriptions_alone() {
    let _watchdog = watchdog("arrivals");
    let remote = Remote::default();
    let bus = bus_of(&remote, Routes::new().route("far", ["far.*"]));
    let [acme, globex] = ["acme", "globex"].map(|name| bus.tenant(name).expect("a tenant"));
    let receiver = |bus: &EventBus| bus.subscribe::<u32>("*").receiver().expect("subscribe");
    let [mut none, mut mine, mut other] = [&bus, &acme, &globex].map(receiver);
    let of_mine = Scope::Subscription(mine.subscription().id());
    let arrivals = [
        (None, Scope::Everyone),
        (Some("acme"), Scope::Everyone),
        (Some("globex"), Scope::Everyone),
        // The engine brought more than was asked for: of another tenant, and of one whom nobody knows.
        (Some("globex"), of_mine.clone()),
        (None, of_mine),
        (Some("nobody"), Scope::Everyone),
    ];
    let handovers: Vec<_> = (0..)
        .zip(arrivals)
        .map(|(number, (tenant, scope))| remote.arrive(envelope(tenant, number), scope))
        .collect();
    eventually("all three", || bus.stats().total.offered == 3);
    assert_eq!((all(&mut none), all(&mut mine), all(&mut other)), (vec![0], vec![1], vec![2]));
    let done: Vec<_> =
        handovers.into_iter().map(|handover| block_on(handover).expect("settled").done).collect();
    assert_eq!(done, [1, 1, 1, 0, 0, 0], "what is for nobody is done with at once");
}

#[test]
fn engines_know_groups_of_two_tenants_by_two_names() {
    let _watchdog = watchdog("groups");
    let capabilities = Capabilities::new().groups(Groups::Shared);
    let remote = Remote::new(Plan { capabilities, ..Plan::default() });
    let bus = bus_of(&remote, Routes::new().route("far", ["far.*"]));
    let acme = bus.tenant("acme").expect("a tenant");
    let member = |bus: &EventBus, group: &str| {
        bus.subscribe::<u32>("far.*").group(group).receiver().expect("subscribe")
    };
    let mut members = [
        member(&bus, "g"),
        member(&acme, "g"),
        member(&bus, "g@acme"),
        member(&acme, "g@x"),
        member(&bus, "@"),
    ];
    let names: Vec<_> = remote
        .calls()
        .into_iter()
        .filter_map(|call| if let Call::Subscribe(_, group) = call { group } else { None })
        .collect();
    assert_eq!(names, ["g", "g@acme", "g@acme@", "g@x@acme", "@@"]);

    for (number, (name, tenant)) in
        (0..).zip(names.iter().zip([None, Some("acme"), None, Some("acme"), None]))
    {
        let scope = Scope::Group(name.as_str().into());
        drop(remote.arrive(envelope(tenant, number), scope.clone()));
        // Of another tenant than the group: no member anywhere would get it.
        let other = if tenant.is_some() { None } else { Some("acme") };
        for whose in [other, Some("nobody")] {
            let outcome = block_on(remote.arrive(envelope(whose, 99), scope.clone()));
            assert_eq!(outcome.map(|outcome| outcome.done), Ok(0), "{name}, {whose:?}");
        }
    }
    for (number, member) in (0..).zip(&mut members) {
        assert_eq!(*member.recv().expect("it arrives"), number);
        assert!(all(member).is_empty());
    }
    // Without a member here it goes back, for one may be elsewhere; even if nobody here knows the tenant.
    drop(members);
    for (name, whose) in [("g", None), ("g@acme", Some("acme")), ("g@nobody", Some("nobody"))] {
        let abandoned = block_on(remote.arrive(envelope(whose, 7), Scope::Group(name.into())));
        assert!(abandoned.is_err(), "{name}");
    }
}

#[test]
fn a_rule_about_no_tenant_or_a_bad_name_is_refused() {
    let build = |routes| EventBus::builder().routes(routes).build().expect_err("refused");
    let none: [&str; 0] = [];
    assert!(matches!(
        build(Routes::new().route_tenants("memory", none, ["*"])),
        BuildError::EmptyRule { engine } if engine == "memory"
    ));
    let error = build(Routes::new().route_tenants("memory", ["acme", "a.b"], ["*"]));
    assert!(matches!(error, BuildError::InvalidTenant(TenantError::Character { position: 1 })), "{error}");
}
