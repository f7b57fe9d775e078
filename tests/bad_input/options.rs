//! Options out of their range are refused when the bus or the subscription is made.

use std::time::Duration;

use trolleybus::{BuildError, DeliveryMode, EventBus, IdempotencyWindow, Start, SubscribeError};

use crate::faces::{check_display, refused};

#[test]
fn z1_options_of_a_subscription_out_of_their_range_are_refused_by_every_kind() {
    let bus = EventBus::new();
    let new = || bus.subscribe::<u32>("a");
    refused(|| new().capacity(0), |error| matches!(error, SubscribeError::ZeroCapacity));
    for capacity in [(1 << 24) + 1, usize::MAX] {
        refused(
            || new().capacity(capacity),
            |error| matches!(error, SubscribeError::CapacityTooLarge { capacity: said, limit } if *said == capacity && *limit == 1 << 24),
        );
    }
    for handlers in [0, 1025, usize::MAX] {
        refused(
            || new().concurrency(handlers),
            |error| matches!(error, SubscribeError::InvalidConcurrency { concurrency, .. } if *concurrency == handlers),
        );
    }
    refused(|| new().take(0), |error| matches!(error, SubscribeError::TakesNothing));
    refused(|| new().group(""), |error| matches!(error, SubscribeError::EmptyGroupName));
    let largest = IdempotencyWindow::MAX_EVENTS;
    for events in [0, largest + 1, usize::MAX] {
        refused(
            || new().idempotent(IdempotencyWindow::new(events)),
            |error| matches!(error, SubscribeError::InvalidWindowSize { events: said, limit } if *said == events && *limit == 1 << 24),
        );
    }
    let longest = IdempotencyWindow::MAX_AGE;
    for age in [Duration::ZERO, longest + Duration::from_nanos(1), Duration::MAX] {
        refused(
            || new().idempotent(IdempotencyWindow::new(1).max_age(age)),
            |error| matches!(error, SubscribeError::InvalidWindowAge { age: said, limit } if *said == age && *limit == longest),
        );
    }
    for start in [Start::Beginning, Start::LastN(usize::MAX), Start::LastPerTopic, Start::Sequence(1)] {
        refused(|| new().from(start), |error| matches!(error, SubscribeError::NoHistory));
    }
    for start in [Start::LastN(0), Start::Sequence(0)] {
        refused(|| new().from(start), |error| matches!(error, SubscribeError::InvalidStart { .. }));
    }
    assert!(bus.topics().is_empty() && bus.stats().subscriptions.is_empty(), "nothing was made");
    // The limits themselves are fine, and allocate nothing before the first event.
    let held = [
        new().capacity(1 << 24).receiver().expect("the largest capacity"),
        new().capacity(1).take(u64::MAX).group("g").from(Start::Now).receiver().expect("the smallest"),
        new()
            .idempotent(IdempotencyWindow::new(largest).max_age(longest))
            .receiver()
            .expect("the largest window"),
        new()
            .idempotent(IdempotencyWindow::new(1).max_age(Duration::from_nanos(1)))
            .receiver()
            .expect("the smallest"),
    ];
    assert_eq!(bus.subscriber_count("a"), Ok(held.len()));
}

#[test]
fn z1_the_largest_capacity_of_a_bus_holds_for_every_kind() {
    let bus = EventBus::builder().capacity(2).max_capacity(8).build().expect("build");
    refused(
        || bus.subscribe::<u32>("a").capacity(9),
        |error| matches!(error, SubscribeError::CapacityTooLarge { capacity: 9, limit: 8 }),
    );
    let _held = bus.subscribe::<u32>("a").capacity(8).receiver().expect("the largest capacity");
}

#[test]
fn z1_a_queue_of_one_event_holds_one_in_every_mode() {
    let bus = EventBus::new();
    let modes = [
        (DeliveryMode::Drop, 1),
        (DeliveryMode::DropOldest, 2),
        (DeliveryMode::Timeout(Duration::ZERO), 1),
        (DeliveryMode::Block, 1),
    ];
    for (mode, expected) in modes {
        let mut one = bus.subscribe::<u32>("n").capacity(1).delivery(mode).receiver().expect("subscribe");
        for number in 1..=2_u32 {
            bus.event("n", number).deadline(Duration::ZERO).publish().expect("publish");
        }
        assert_eq!(one.len(), 1, "{mode:?}");
        assert_eq!(one.try_recv().map(|number| *number), Ok(expected), "{mode:?}");
    }
}

#[test]
fn d_mem_8_options_of_a_bus_out_of_their_range_are_refused() {
    let builder = EventBus::builder;
    for workers in [1025, usize::MAX] {
        let error = builder().workers(workers).build().expect_err("too many workers");
        assert!(
            matches!(error, BuildError::TooManyWorkers { workers: said, limit: 1024 } if said == workers)
        );
        check_display(&error);
    }
    for capacity in [0, (1 << 24) + 1, usize::MAX] {
        let error = builder().capacity(capacity).build().expect_err("a capacity out of range");
        assert!(matches!(error, BuildError::InvalidCapacity { capacity: said, .. } if said == capacity));
        check_display(&error);
    }
    for largest in [0, (1 << 24) + 1, usize::MAX] {
        let error = builder().max_capacity(largest).build().expect_err("a largest capacity out of range");
        assert!(matches!(error, BuildError::InvalidMaxCapacity { capacity: said, .. } if said == largest));
        check_display(&error);
    }
    // The default, given or not, is not above the largest.
    for builder in [builder().max_capacity(1023), builder().max_capacity(1).capacity(2)] {
        let error = builder.build().expect_err("a default above the largest");
        assert!(matches!(error, BuildError::InvalidCapacity { capacity, limit } if capacity > limit));
        check_display(&error);
    }
    for depth in [0, 129, usize::MAX] {
        let error = builder().inline_depth(depth).build().expect_err("a depth out of range");
        assert!(matches!(error, BuildError::InvalidDepth { depth: said, limit: 128 } if said == depth));
        check_display(&error);
    }
    // What has no bad value: a cache without room, no limit of raw payloads.
    let bus = builder().workers(1024).capacity(1 << 24).inline_depth(128).topic_cache(0).build();
    let bus = bus.expect("the limits are fine");
    for _ in 0..3 {
        assert_eq!(bus.publish("a", 1_u32).expect("publish").matched(), 0);
    }
    builder().topic_cache(usize::MAX).max_raw_payload(usize::MAX).build().expect("the largest are fine");
}

#[test]
fn a_bus_without_workers_refuses_pooled_handlers_and_nothing_else() {
    let bus = EventBus::builder().workers(0).build().expect("build");
    let errors = [
        bus.subscribe::<u32>("a").handle(|_| ()).err(),
        bus.subscribe::<u32>("a").handle_with(|_, _| ()).err(),
        bus.subscribe::<u32>("a").handle_async(|_| async {}).err(),
        bus.subscribe::<u32>("a").handle_async_with(|_, _| async {}).err(),
    ];
    for error in errors {
        assert!(matches!(error, Some(SubscribeError::NoWorkers)), "{error:?}");
    }
    // What is wrong with the rest is said first: it would be wrong with workers, too.
    let error = bus.subscribe::<u32>("a b").handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::InvalidPattern(_))), "{error:?}");
    let none: [&str; 0] = [];
    let error = bus.subscribe_many::<u32, _>(none).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::NoPattern)), "{error:?}");
    let error = bus.subscribe::<u32>("a").capacity(0).handle(|_| ()).err();
    assert!(matches!(error, Some(SubscribeError::ZeroCapacity)), "{error:?}");
    let _inline = bus.subscribe::<u32>("a").handle_inline(|_| ()).expect("inline");
    let _receiver = bus.subscribe::<u32>("a").receiver().expect("a receiver");
}
