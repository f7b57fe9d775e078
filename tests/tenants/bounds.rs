//! Accounts of tenants, and how many there are.

use trolleybus::{DropReason, EventBus, Tenant, TenantError, TenantStats};

fn account(bus: &EventBus, name: &str) -> Option<TenantStats> {
    bus.stats().tenants.into_iter().find(|account| account.tenant.as_str() == name)
}

#[test]
fn c1_each_tenant_has_an_account_that_balances_and_outlives_subscriptions() {
    let bus = EventBus::new();
    let [acme, globex] = ["acme", "globex"].map(|name| bus.tenant(name).expect("a tenant"));
    let mut small = acme.subscribe_any("*").capacity(2).receiver().expect("a receiver");
    let _other = globex.subscribe_any("*").handle_inline(|_| ()).expect("subscribe");
    let _common = bus.subscribe_any("*").handle_inline(|_| ()).expect("subscribe");
    for number in 0..5_u32 {
        acme.publish("n", number).expect("open");
        globex.publish("n", number).expect("open");
    }
    bus.publish("n", 9_u32).expect("open");
    small.try_recv().expect("queued");
    let now = account(&bus, "acme").expect("known");
    assert_eq!((now.subscriptions, now.total.offered, now.total.delivered, now.total.queued), (1, 5, 1, 1));
    assert_eq!(now.total.dropped.by(DropReason::Full), 3);
    assert!(now.total.is_balanced());
    assert_eq!(account(&bus, "globex").expect("known").total.delivered, 5);
    let stats = bus.stats();
    assert_eq!((stats.total.offered, stats.tenants.len()), (11, 2));
    let whose: Vec<_> =
        stats.subscriptions.iter().map(|one| one.tenant.as_ref().map(ToString::to_string)).collect();
    assert_eq!(whose, [Some("acme".to_owned()), Some("globex".to_owned()), None]);

    drop(small);
    let gone = account(&bus, "acme").expect("known");
    assert_eq!((gone.subscriptions, gone.total.offered, gone.total.delivered), (0, 5, 1));
    assert_eq!((gone.total.dropped.by(DropReason::Cancelled), gone.total.queued), (1, 0));
    assert!(gone.total.is_balanced());
}

#[test]
fn z1_there_are_not_more_tenants_than_allowed_and_those_in_use_stay() {
    let bus = EventBus::builder().max_tenants(3).build().expect("valid");
    let handle = bus.tenant("handle").expect("the first");
    let subscription = bus
        .tenant("subscription")
        .expect("the second")
        .subscribe_any("*")
        .handle_inline(|_| ())
        .expect("subscribe");
    let publisher = bus.tenant("publisher").expect("the third").publisher::<u32>("n").expect("a topic");
    for _ in 0..2 {
        let refused = bus.tenant("one-more").expect_err("all three are in use");
        assert_eq!(refused, TenantError::TooMany { limit: 3 });
        assert_eq!(refused.to_string(), "the bus serves 3 tenants already, and no more are allowed");
    }
    assert!(bus.tenant("handle").is_ok(), "who is known is not one more");

    // Each of the three goes when nobody needs it any more, and one comes in its place.
    drop(handle);
    bus.tenant("second").expect("there is room");
    drop(publisher);
    let second = bus.tenant("second").expect("nobody else came meanwhile");
    bus.tenant("third").expect("there is room");
    let third = bus.tenant("third").expect("nobody else came meanwhile");
    assert!(bus.tenant("fourth").is_err());
    subscription.cancel();
    bus.tenant("fourth").expect("there is room");
    let names: Vec<_> = bus.stats().tenants.iter().map(|account| account.tenant.to_string()).collect();
    assert_eq!(names, ["fourth", "second", "third"]);
    drop((second, third));
}

#[test]
fn z1_ten_thousand_tenants_one_after_the_other_leave_no_more_than_allowed() {
    let bus = EventBus::builder().max_tenants(10).build().expect("valid");
    for number in 0..10_000_u32 {
        let tenant = bus.tenant(format!("tenant-{number}")).expect("nobody is in use");
        let got = tenant.subscribe_any("*").receiver().expect("a receiver");
        assert_eq!(tenant.publish("n", number).expect("open").queued(), 1);
        drop(got);
    }
    let stats = bus.stats();
    assert!(stats.tenants.len() <= 10, "{}", stats.tenants.len());
    assert_eq!((stats.total.offered, stats.total.dropped.by(DropReason::Cancelled)), (10_000, 10_000));
    assert!(stats.subscriptions.is_empty());
}

#[test]
fn a_weak_handle_finds_its_tenant_again_although_he_was_forgotten() {
    let bus = EventBus::builder().max_tenants(1).build().expect("valid");
    let weak = bus.tenant("first").expect("there is room").downgrade();
    let second = bus.tenant("second").expect("nobody uses the first");
    let first = weak.upgrade().expect("the bus lives");
    assert_eq!(first.current_tenant().map(Tenant::as_str), Some("first"));
    let mut got = first.subscribe_any("*").receiver().expect("a receiver");
    second.publish("n", 1_u32).expect("open");
    first.publish("n", 2_u32).expect("open");
    assert_eq!(got.try_recv().expect("his own").payload::<u32>(), Some(&2));
    assert!(got.try_recv().is_err());
}
