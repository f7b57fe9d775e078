//! Arbitrary sequences of calls on the memory bus: nothing panics, and at the end every event is
//! accounted for.
#![no_main]

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use trolleybus::{
    AnyEvent, BuildError, DeliveryMode, Event, EventBus, HandlerError, Observer, Publisher, Raw, Receipt,
    Receiver, Start, Subscribe, SubscribeError, Subscription, WeakEventBus,
};

/// The most calls in one sequence.
const MOST: usize = 64;

/// The largest raw payload of the buses made here.
const MAX_RAW: usize = 64;

/// How often handlers may still publish in this sequence.
static LEFT: AtomicUsize = AtomicUsize::new(0);

/// A topic or a pattern, of few names so that they meet, and sometimes of anything.
#[derive(Debug)]
struct Text(String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        // The good ones first: that is what an input that has run out of bytes chooses.
        const GOOD: &[&str] =
            &["a", "a.b", "a.b.c", "x", "*", "a.*", "a.+", "+.b", "**", "a.**", "**.c", "a*", "a.*.c", "é.ü"];
        const HOSTILE: &[&str] = &["", ".", "a..b", "a b", "a\r\nPUB", "\0", "a.b*.c", "\u{2028}"];
        Ok(Self(match u.int_in_range(0..=31)? {
            31 => u.arbitrary()?,
            // At and beyond the limits of length and segments.
            30 => "l".repeat(u.int_in_range(250..=260)?),
            29 => vec!["s"; u.int_in_range(30..=34)?].join("."),
            28 => (*u.choose(HOSTILE)?).to_owned(),
            _ => (*u.choose(GOOD)?).to_owned(),
        }))
    }
}

/// A duration from nothing to the end of time. Those that something waits for are cut short.
#[derive(Clone, Copy, Debug)]
struct Span(Duration);

impl<'a> Arbitrary<'a> for Span {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let nanos = Duration::from_nanos(u64::from(u.arbitrary::<u16>()?));
        Ok(Self(*u.choose(&[Duration::ZERO, Duration::from_nanos(1), nanos, Duration::MAX])?))
    }
}

impl Span {
    fn short(self) -> Duration {
        self.0.min(Duration::from_millis(1))
    }
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Mode {
    Drop,
    DropOldest,
    Block,
    Timeout(Span),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Inline,
    Pooled,
    Async,
    Receiver,
}

/// What a handler does.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Deed {
    Nothing,
    Fail,
    /// Publishes to the topic of the event, and so perhaps to itself.
    PublishAgain,
    Stats,
    Shutdown,
    CancelledAsk,
}

#[derive(Arbitrary, Debug)]
struct Spec {
    pattern: Text,
    more: Option<Vec<Text>>,
    kind: Kind,
    any: bool,
    capacity: Option<Size>,
    mode: Option<Mode>,
    concurrency: Option<Size>,
    filter: Option<bool>,
    take: Option<Size>,
    group: Option<u8>,
    start: bool,
    deed: Deed,
    detach: bool,
}

/// A number that is 0, small, or huge.
#[derive(Clone, Copy, Debug)]
struct Size(usize);

impl<'a> Arbitrary<'a> for Size {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(match u.int_in_range(0..=19)? {
            19 => 0,
            18 => usize::MAX,
            17 => u.arbitrary()?,
            _ => u.int_in_range(1..=4)?,
        }))
    }
}

#[derive(Arbitrary, Debug)]
struct Setup {
    workers: u8,
    capacity: Option<Size>,
    depth: Option<Size>,
    mode: Option<Mode>,
    spin: Span,
    quarantine: Option<NonZeroU32>,
    rotate: bool,
    precise: bool,
    cache: Option<Size>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Subscribe(Spec),
    Publish { topic: Text, number: u32 },
    PublishText { topic: Text, text: String },
    PublishRaw { topic: Text, len: u8 },
    TryPublish { topic: Text, number: u32 },
    PollOnce { topic: Text, number: u32 },
    Build(Box<Build>),
    Publisher(Text),
    ByHandle { which: u8, events: u8, attempt: bool },
    Expect { pattern: Text, timeout: Span },
    Receive { which: u8, timeout: Option<Span> },
    Pause(u8),
    Resume(u8),
    Cancel { which: u8, wait: bool },
    Drain { which: u8, grace: Span, wait: bool },
    Drop(u8),
    Look(Text),
    Clone,
    Downgrade,
    Shutdown { timeout: Span, discard: bool, wait: bool },
}

#[derive(Arbitrary, Debug)]
struct Build {
    topic: Text,
    number: u32,
    key: Option<String>,
    meta: Vec<(String, String)>,
    ttl: Option<Span>,
    deadline: Option<Span>,
    complete: Option<bool>,
    face: u8,
}

#[derive(Arbitrary, Debug)]
struct Input {
    setup: Setup,
    ops: Vec<Op>,
}

/// Keeps failures and warnings off standard error.
struct Deaf;

impl Observer for Deaf {}

/// How a subscription is held.
enum Held {
    Handle(Subscription),
    Any(Receiver<AnyEvent>),
    Number(Receiver<Event<u32>>),
}

impl Held {
    fn subscription(&self) -> &Subscription {
        match self {
            Self::Handle(handle) => handle,
            Self::Any(receiver) => receiver.subscription(),
            Self::Number(receiver) => receiver.subscription(),
        }
    }
}

fn mode(mode: Mode) -> DeliveryMode {
    match mode {
        Mode::Drop => DeliveryMode::Drop,
        Mode::DropOldest => DeliveryMode::DropOldest,
        // `Block` would wait for receivers that only this thread empties: each publish has a deadline.
        Mode::Block => DeliveryMode::Block,
        Mode::Timeout(span) => DeliveryMode::Timeout(span.short()),
    }
}

fn build_bus(setup: &Setup) -> core::result::Result<EventBus, BuildError> {
    let mut builder = EventBus::builder()
        .workers(usize::from(setup.workers % 3))
        .spin(setup.spin.short())
        .max_raw_payload(MAX_RAW)
        .observer(Deaf);
    if let Some(Size(capacity)) = setup.capacity {
        builder = builder.capacity(capacity);
    }
    if let Some(Size(depth)) = setup.depth {
        // Deep recursion with the stack frames of ASan: not what is looked for here.
        builder = builder.inline_depth(if depth <= 1024 { depth.min(16) } else { depth });
    }
    if let Some(chosen) = setup.mode {
        builder = builder.delivery(mode(chosen));
    }
    if let Some(panics) = setup.quarantine {
        builder = builder.quarantine_after(panics);
    }
    if let Some(Size(topics)) = setup.cache {
        builder = builder.topic_cache(topics);
    }
    if setup.rotate {
        builder = builder.rotate_order();
    }
    if setup.precise {
        builder = builder.precise_time();
    }
    builder.build()
}

/// What a handler does, whatever its kind.
fn act(deed: Deed, bus: &WeakEventBus, topic: &str) -> core::result::Result<(), HandlerError> {
    let Some(bus) = bus.upgrade() else { return Ok(()) };
    match deed {
        Deed::Nothing | Deed::CancelledAsk => {}
        Deed::Fail => return Err(HandlerError::new("as asked").permanent()),
        Deed::PublishAgain => {
            // Handlers that publish to one another have children, and those have children.
            let left = LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
            match left {
                Ok(left) if left % 4 == 0 => {
                    let event = bus.event(topic, 1_u32).deadline(Duration::from_millis(1));
                    check(event.publish().ok().as_ref());
                }
                Ok(_) => check(bus.try_publish(topic, 1_u32).ok().as_ref()),
                Err(_) => {}
            }
        }
        Deed::Stats => assert!(bus.stats().subscriptions.len() < 1000),
        Deed::Shutdown => drop(bus.shutdown(Duration::ZERO)),
    }
    Ok(())
}

fn check(receipt: Option<&Receipt>) {
    let Some(receipt) = receipt else { return };
    assert_eq!(receipt.matched(), receipt.offered() + receipt.filtered() + receipt.skipped(), "{receipt:?}");
    assert_eq!(receipt.problems().len(), receipt.dropped() + receipt.failed(), "{receipt:?}");
    assert_eq!(receipt.dropped_by().total(), receipt.dropped() as u64);
    assert!(!format!("{receipt:?}").is_empty());
}

/// Ends a builder of either kind.
fn finish<E: trolleybus::Delivered>(
    mut builder: Subscribe<E>,
    spec: &Spec,
    bus: &WeakEventBus,
    topic: fn(&E) -> &str,
    receiver: fn(Receiver<E>) -> Held,
) -> core::result::Result<Held, SubscribeError> {
    if let Some(Size(capacity)) = spec.capacity {
        // A large ring would be allocated in full by its first push.
        builder = builder.capacity(if capacity <= 1 << 24 { capacity.min(64) } else { capacity });
    }
    if let Some(chosen) = spec.mode {
        builder = builder.delivery(mode(chosen));
    }
    if let Some(Size(handlers)) = spec.concurrency {
        builder = builder.concurrency(handlers);
    }
    if let Some(admits) = spec.filter {
        builder = builder.filter(move |_| admits);
    }
    if let Some(Size(events)) = spec.take {
        builder = builder.take(events as u64);
    }
    if let Some(group) = spec.group {
        builder = builder.group(["g", "h", "g", "h", "g", "h", "g", ""][usize::from(group % 8)]);
    }
    if spec.start {
        builder = builder.from(Start::LastN(1)).from(Start::Now).name("once more");
    }
    let (deed, bus) = (spec.deed, bus.clone());
    assert!(!format!("{builder:?}").is_empty());
    match spec.kind {
        Kind::Inline => builder.handle_inline(move |event| act(deed, &bus, topic(event))).map(Held::Handle),
        Kind::Pooled => builder
            .handle_with(
                move |event, delivery| {
                    if delivery.is_cancelled() { Ok(()) } else { act(deed, &bus, topic(event)) }
                },
            )
            .map(Held::Handle),
        Kind::Async => builder
            .handle_async_with(move |event, delivery| {
                let bus = bus.clone();
                async move {
                    if matches!(deed, Deed::CancelledAsk) {
                        delivery.cancelled().await;
                    }
                    act(deed, &bus, topic(&event))
                }
            })
            .map(Held::Handle),
        Kind::Receiver => builder.receiver().map(receiver),
    }
}

fn subscribe(bus: &EventBus, spec: &Spec) -> core::result::Result<Held, SubscribeError> {
    let weak = bus.downgrade();
    let all = || std::iter::once(&spec.pattern).chain(spec.more.iter().flatten());
    let patterns = || all().take(8).map(|text| text.0.as_str());
    if spec.any {
        finish(bus.subscribe_any_many(patterns()), spec, &weak, |event| event.topic().as_str(), Held::Any)
    } else {
        let builder = bus.subscribe_many::<u32, _>(patterns());
        finish(builder, spec, &weak, |event| event.topic().as_str(), Held::Number)
    }
}

fn publish_built(bus: &EventBus, build: Build) {
    let Build { topic, number, key, meta, ttl, deadline, complete, face } = build;
    let mut event = bus.event(topic.0, number).deadline(deadline.map_or(Duration::ZERO, Span::short));
    if let Some(key) = key {
        event = event.key(key);
    }
    for (name, value) in meta {
        event = event.meta(name, value);
    }
    if let Some(ttl) = ttl {
        event = event.ttl(ttl.0);
    }
    if let Some(panics) = complete {
        event = event.on_complete(move |outcome| {
            assert!(!format!("{outcome:?}").is_empty());
            if panics {
                // Caught by the bus; `resume_unwind` so that the fuzzer's panic hook does not abort.
                std::panic::resume_unwind(Box::new("as asked"));
            }
        });
    }
    match face % 4 {
        0 => check(event.publish().ok().as_ref()),
        1 => check(event.publish_local().ok().as_ref()),
        2 => check(event.try_publish().ok().as_ref()),
        _ => poll_once(event.publish_async()),
    }
}

fn poll_once<T: Send + Sync + Unpin + 'static>(future: trolleybus::Publish<T>) {
    if let std::task::Poll::Ready(Ok(receipt)) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        check(Some(&receipt));
    }
}

/// Everything that a sequence of calls works on.
struct World {
    buses: Vec<EventBus>,
    held: Vec<Held>,
    publishers: Vec<Publisher<u32>>,
}

impl World {
    fn held(&mut self, which: u8) -> Option<&mut Held> {
        let len = self.held.len();
        (len > 0).then(|| &mut self.held[usize::from(which) % len])
    }

    fn step(&mut self, op: Op) {
        let bus = self.buses[0].clone();
        match op {
            Op::Subscribe(spec) => match subscribe(&bus, &spec) {
                Ok(Held::Handle(handle)) if spec.detach => drop(handle.detach()),
                Ok(held) => self.held.push(held),
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            // Without a deadline they could wait for a receiver for ever.
            Op::Publish { topic, number } => {
                let event = bus.event(topic.0, number).deadline(Duration::ZERO);
                match event.publish() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload(), number),
                }
            }
            Op::PublishText { topic, text } => {
                let event = bus.event(topic.0, text.clone()).deadline(Duration::ZERO);
                match event.publish() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload(), text),
                }
            }
            Op::PublishRaw { topic, len } => {
                let raw = Raw::from(vec![0; usize::from(len)]);
                match bus.event(topic.0, raw).deadline(Duration::ZERO).publish_local() {
                    Ok(receipt) => check(Some(&receipt)),
                    Err(error) => assert_eq!(error.into_payload().len(), usize::from(len)),
                }
            }
            Op::TryPublish { topic, number } => check(bus.try_publish(topic.0, number).ok().as_ref()),
            Op::PollOnce { topic, number } => poll_once(bus.publish_async(topic.0, number)),
            Op::Build(build) => publish_built(&bus, *build),
            Op::Publisher(topic) => {
                if let Ok(publisher) = bus.publisher(topic.0) {
                    self.publishers.push(publisher.clone());
                }
            }
            Op::ByHandle { which, events, attempt } => {
                let len = self.publishers.len();
                if len == 0 {
                    return;
                }
                let publisher = &self.publishers[usize::from(which) % len];
                for number in 0..u32::from(events % 8) {
                    if attempt {
                        check(publisher.try_publish(number).ok().as_ref());
                    } else {
                        poll_once(publisher.publish_async(number));
                    }
                }
            }
            Op::Expect { pattern, timeout } => {
                if let Ok(expect) = bus.expect::<u32>(pattern.0.as_str(), timeout.0) {
                    let _ = pin!(expect).poll(&mut Context::from_waker(Waker::noop()));
                }
            }
            Op::Receive { which, timeout } => match (self.held(which), timeout) {
                (Some(Held::Any(receiver)), Some(span)) => drop(receiver.recv_timeout(span.short())),
                (Some(Held::Any(receiver)), None) => drop(receiver.try_iter().count()),
                (Some(Held::Number(receiver)), Some(span)) => drop(receiver.recv_timeout(span.short())),
                (Some(Held::Number(receiver)), None) => drop(receiver.try_recv()),
                (Some(Held::Handle(_)) | None, _) => {}
            },
            Op::Pause(which) => self.held(which).map_or((), |held| held.subscription().pause()),
            Op::Resume(which) => self.held(which).map_or((), |held| held.subscription().resume()),
            Op::Cancel { which, wait } => {
                let Some(held) = self.held(which) else { return };
                if wait {
                    held.subscription().cancel_and_wait().wait();
                } else {
                    held.subscription().cancel();
                }
            }
            Op::Drain { which, grace, wait } => {
                let Some(held) = self.held(which) else { return };
                if wait {
                    let report = held.subscription().drain(grace.short()).wait();
                    assert!(!report.complete || report.discarded == 0);
                } else {
                    drop(held.subscription().drain(grace.0));
                }
            }
            Op::Drop(which) => {
                let len = self.held.len();
                if len > 0 {
                    drop(self.held.swap_remove(usize::from(which) % len));
                }
            }
            Op::Look(topic) => {
                let count = bus.subscriber_count(&topic.0);
                assert_eq!(bus.explain(&topic.0).is_ok(), count.is_ok());
                assert!(bus.topics().len() < 10_000 && !format!("{:?}", bus.stats()).is_empty());
                assert!(bus.stats().total.accounted() <= bus.stats().total.offered);
            }
            Op::Clone => self.buses.push(bus),
            Op::Downgrade => assert!(bus.downgrade().upgrade().is_some()),
            Op::Shutdown { timeout, discard, wait } => {
                let mut shutdown = bus.shutdown(if wait { timeout.short() } else { timeout.0 });
                if discard {
                    shutdown = shutdown.discarding();
                }
                if wait {
                    assert!(!format!("{:?}", shutdown.wait()).is_empty());
                }
            }
        }
    }

    /// Shuts everything down, and looks whether every event is accounted for.
    fn finish(mut self) {
        let bus = self.buses.swap_remove(0);
        drop(bus.shutdown(Duration::from_millis(1)).wait());
        self.held.clear();
        // A handler that had started may still be at its end.
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let total = bus.stats().total;
            if total.is_balanced() && total.queued == 0 && total.running == 0 {
                break;
            }
            assert!(Instant::now() < deadline, "not accounted for: {total:?}");
            std::thread::yield_now();
        }
        assert!(bus.publish("a", 1_u32).is_err_and(|error| error.is_shut_down()));
        for publisher in &self.publishers {
            assert!(publisher.publish(1).is_err_and(|error| error.is_shut_down()));
        }
        assert!(matches!(bus.subscribe::<u32>("a").receiver(), Err(SubscribeError::ShutDown)));
    }
}

fuzz_target!(|input: Input| {
    let Ok(bus) = build_bus(&input.setup) else { return };
    LEFT.store(200, Ordering::Relaxed);
    let mut world = World { buses: vec![bus], held: Vec::new(), publishers: Vec::new() };
    for op in input.ops.into_iter().take(MOST) {
        world.step(op);
    }
    world.finish();
});
