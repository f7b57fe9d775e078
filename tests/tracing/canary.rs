//! Secrets are told to nobody.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use trolleybus::{DeliveryMode, EventBus, EventId, Raw};

use crate::support::{PATIENCE, watchdog};
use crate::{Collector, eventually, only};

const CANARY: &str = "canary-7f3a";

#[derive(Debug, Serialize, Deserialize)]
struct Secret {
    text: String,
}

fn secret() -> Secret {
    Secret { text: CANARY.to_owned() }
}

/// Goes by every way on which something is told: spans and events, of successes and failures.
#[test]
fn payloads_keys_metadata_and_settings_are_told_to_nobody() {
    let _watchdog = watchdog("canary");
    let collector = Collector::default().install();
    let limit = NonZeroU32::MIN;
    let builder = EventBus::builder().workers(1).traced().quarantine_after(limit).capacity(1);
    #[cfg(feature = "json")]
    let remote = crate::faulty_engine::Remote::default();
    #[cfg(feature = "json")]
    let builder = builder.engine("vault", WithSettings(remote.engine(), CANARY)).route("vault", ["vault.*"]);
    let bus = builder.start().wait().expect("it starts");
    let _inline = bus.subscribe::<Secret>("canary.*").handle_inline(|_| ()).expect("subscribe");
    let _panics = bus
        .subscribe::<Secret>("canary.*")
        .handle(|_| assert!(CANARY.is_empty(), "as told"))
        .expect("subscribe");
    let _tasks = bus.subscribe::<Secret>("canary.*").handle_async(|_| async {}).expect("subscribe");
    let _other = bus.subscribe::<u32>("canary.*").handle_inline(|_| ()).expect("subscribe");
    let _filter = bus
        .subscribe::<Secret>("canary.*")
        .filter(|_| panic!("as told"))
        .handle_inline(|_| ())
        .expect("subscribe");
    let _full = bus
        .subscribe::<Secret>("canary.*")
        .delivery(DeliveryMode::Timeout(std::time::Duration::ZERO))
        .receiver()
        .expect("subscribe");
    for _ in 0..3 {
        let event = bus.event("canary.a", secret()).key(CANARY).id(EventId::from_u128(1));
        let event = event.meta("authorization", CANARY).meta(CANARY, "x").meta("correlationid", CANARY);
        event.meta("traceparent", CANARY).meta("tracestate", CANARY).publish().expect("published");
    }
    bus.publish_raw("canary.raw", Raw::from(CANARY)).expect("published");
    bus.event("canary.a", secret()).meta("", CANARY).publish().expect_err("no name");
    #[cfg(feature = "json")]
    {
        use crate::faulty_engine::block_on;
        use trolleybus::engine::{Encoded, Envelope, Scope};

        let _typed = bus.subscribe::<u32>("vault.*").handle_inline(|_| ()).expect("subscribe");
        bus.event("vault.a", secret()).key(CANARY).meta("m", CANARY).publish().expect("taken");
        bus.publish_local("vault.a", secret()).expect_err("it stays");
        let envelope = remote.published().pop().expect("one");
        block_on(remote.arrive(envelope, Scope::Everyone)).expect("offered");
        let raw = Envelope::new(trolleybus::topic!("vault.b"), Encoded::raw(CANARY)).with_key(CANARY);
        block_on(remote.arrive(raw, Scope::Everyone)).expect("offered");
        remote.change(|plan| plan.publish = crate::faulty_engine::Does::Panics);
        bus.publish("vault.c", secret()).expect_err("as told");
        assert_eq!(only(collector, "publish", "vault.c").field("outcome"), "refused");
    }
    eventually("all are told", || {
        let spans = collector.spans();
        spans.iter().filter(|span| span.field("topic").starts_with("canary.")).all(|span| span.closed)
    });
    let _ = bus.shutdown(PATIENCE).discarding().wait();
    // Other tests have canaries of their own.
    let all = format!("{:?} {:?}", collector.spans(), collector.events());
    assert!(all.contains("canary.a") && all.contains("quarantine"), "it was told of");
    assert!(!all.contains(CANARY), "{}", &all[all.find(CANARY).unwrap_or(0).saturating_sub(400)..]);
}

/// An engine that prints its settings.
#[cfg(feature = "json")]
#[derive(Debug)]
#[expect(dead_code, reason = "its `Debug` reads it")]
struct WithSettings<E>(E, &'static str);

#[cfg(feature = "json")]
mod settings {
    use std::time::Instant;

    use trolleybus::SubscriptionId;
    use trolleybus::engine::{
        BoxFuture, Capabilities, Engine, EngineError, Envelope, Ingress, Position, SubscriptionSpec,
    };

    use super::WithSettings;

    impl<E: Engine> Engine for WithSettings<E> {
        fn kind(&self) -> &'static str {
            self.0.kind()
        }

        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }

        fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
            self.0.start(ingress)
        }

        fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
            self.0.publish(envelope)
        }

        fn subscribe<'a>(&'a self, spec: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
            self.0.subscribe(spec)
        }

        fn unsubscribe(&self, id: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
            self.0.unsubscribe(id)
        }

        fn shutdown(&self, deadline: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
            self.0.shutdown(deadline)
        }
    }
}
