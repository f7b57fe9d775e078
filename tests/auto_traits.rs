//! Which public types are `Send`, `Sync`, `Unpin`, `UnwindSafe` and `RefUnwindSafe`: a fixed table, so
//! that a change of a private field changes none of it by accident (X3).
//!
//! Generic types stand with a payload that is `Send` and `Sync`, and with one that is not where they can
//! exist at all.

#![cfg(all(
    feature = "cloudevents",
    feature = "config",
    feature = "datadog",
    feature = "conformance",
    feature = "prometheus",
    feature = "tracing"
))]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use trolleybus::conformance::*;
use trolleybus::engine::custom::*;
use trolleybus::engine::*;
use trolleybus::envelope::{
    AttributeProblem, Binding, Codec, ContentTypeError, Headers, Limits, MediaType, SourceError,
};
use trolleybus::lifecycle::*;
use trolleybus::metrics::datadog::{DatadogBuilder, DatadogError, DatadogExporter, DatadogStats};
use trolleybus::metrics::prometheus::{Format, NamespaceError, PrometheusCollector};
use trolleybus::trace::{InScope, TraceContext, Tracer};
use trolleybus::*;

/// Says whether a type has a trait: an inherent constant wins over that of a trait, if its bound holds.
struct Probe<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
    const UNPIN: bool = false;
    const UNWIND: bool = false;
    const REF_UNWIND: bool = false;
}

impl<T: ?Sized> Otherwise for Probe<T> {}

impl<T: ?Sized + Send> Probe<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Probe<T> {
    const SYNC: bool = true;
}

impl<T: ?Sized + Unpin> Probe<T> {
    const UNPIN: bool = true;
}

impl<T: ?Sized + UnwindSafe> Probe<T> {
    const UNWIND: bool = true;
}

impl<T: ?Sized + RefUnwindSafe> Probe<T> {
    const REF_UNWIND: bool = true;
}

/// One row: `+` has the trait, `-` has not: Send, Sync, Unpin, `UnwindSafe`, `RefUnwindSafe`.
type Row = [bool; 5];

macro_rules! has {
    (+) => {
        true
    };
    (-) => {
        false
    };
}

/// The type of a row: the name alone, or the type that stands beside it.
macro_rules! named {
    ($name:ident) => {
        $name
    };
    ($name:ident as $type:ty) => {
        $type
    };
}

/// The table, which is written by hand. Each row is asserted when this file compiles, and its type's name
/// is kept for the comparison with src/lib.rs.
macro_rules! table {
    ($($send:tt $sync:tt $unpin:tt $unwind:tt $ref_unwind:tt $name:ident $(as $type:ty)?;)*) => {
        $(const _: () = {
            type T = named!($name $(as $type)?);
            const ROW: Row = [
                Probe::<T>::SEND,
                Probe::<T>::SYNC,
                Probe::<T>::UNPIN,
                Probe::<T>::UNWIND,
                Probe::<T>::REF_UNWIND,
            ];
            assert!(ROW[0] == has!($send), concat!(stringify!($name), ": Send"));
            assert!(ROW[1] == has!($sync), concat!(stringify!($name), ": Sync"));
            assert!(ROW[2] == has!($unpin), concat!(stringify!($name), ": Unpin"));
            assert!(ROW[3] == has!($unwind), concat!(stringify!($name), ": UnwindSafe"));
            assert!(ROW[4] == has!($ref_unwind), concat!(stringify!($name), ": RefUnwindSafe"));
        };)*
        /// The types in the table.
        const TABLE: &[&str] = &[$(stringify!($name)),*];
    };
}

type Plain = Event<u64>;
/// `Send`, not `Sync`: such a payload can be named and never be published.
type Celled = Cell<u64>;

table! {
    // Send Sync Unpin UnwindSafe RefUnwindSafe
    + + + - - BusBuilder;
    + + + + + BusStats;
    + + + - - EventBuilder as EventBuilder<u64>;
    + - + - - EventBuilder as EventBuilder<Celled>;
    + + + + + EventBus;
    + + + + + Explained;
    + + + + + Explanation;
    + + + - - Publish as Publish<u64>;
    + - + - - Publish as Publish<Celled>;
    + + + + + Publisher as Publisher<u64>;
    + + + + + Publisher as Publisher<Celled>;
    + + + - - Shutdown;
    + + + + + ShutdownReport;
    + + + + + SubscriptionStats;
    + + + + + TopicInfo;
    + + + + + Unfinished;
    + + + + + Verdict;
    + + + + + WeakEventBus;
    + + + + + DeliveryMode;
    + + + + + Dropped;
    + + + - - HandledDelivery as HandledDelivery<'static>;
    + + + + + Ledger;
    + + + + + NotDelivered;
    + + + - - Problem;
    + + + + + IdempotencyWindow;
    + + + + + Receipt;
    + + + + + SubscriptionKind;
    + + + - - BuildError;
    + + + - - HandlerError;
    + + + + + PublishError as PublishError<u64>;
    + - + + - PublishError as PublishError<Celled>;
    + + + + + PublishRefusal;
    + + + + + RecvError;
    + + + + + RecvTimeoutError;
    + + + - - SubscribeError;
    + + + + + TryRecvError;
    + + + - - AnyEvent;
    + + + + + DropReason;
    + + + + + Event as Event<u64>;
    - - + - - Event as Event<Celled>;
    + + + + + EventId;
    + + + + + Metadata;
    + + + + + MetadataError;
    + + + + + Outcome;
    + + + + + ParseEventIdError;
    + + + + + PayloadKind;
    + + + + + Raw;
    + + + + + SubscriptionId;
    + + + + + PatternError;
    + + + + + TopicPattern;
    + + + - - CancelAndWait;
    + + + - - Cancelled;
    + + + - - Delivery;
    + + + - - Drain;
    + + + + + DrainReport;
    + + + + + EventStream as EventStream<Plain>;
    + + + - - Expect as Expect<Plain>;
    + + + + + IntoIter as IntoIter<Plain>;
    + + + - + Iter as Iter<'static, Plain>;
    + + + + + Receiver as Receiver<Plain>;
    + + + - - Recv as Recv<'static, Plain>;
    + + + + + Start;
    + + + - - Subscribe as Subscribe<Plain>;
    + + + + + Subscription;
    + + + - + TryIter as TryIter<'static, Plain>;
    + + + + + Tenant;
    + + + + + TenantError;
    + + + + + Topic;
    + + + + + TopicError;
    + + + + + Config;
    + + + + + ConfigError;
    + + + + + ConfigLoader;
    + + + + + ConfigProblem;
    + + + + + ConfigProblemKind;
    + + + + + DuplicateEngineType;
    + + + - - EngineRegistry;
    + + + + + HumanDuration;
    + + + + + EngineSettings;
    + + + + + Format as trolleybus::Format;
    + + + + + Rule;
    + + + + + Secret;
    + + + + + Settings;
    + + + + + Accepted;
    + + + + + EngineFailure;
    + + + + + EngineStats;
    + + + + + TenantStats;
    + + + + + TestClock;
    + + + - - DeadLetter;
    + + + + + CircuitBreaker;
    + + + + + CircuitBreakerError;
    + + + + + CircuitState;
    + + + + + DeadLetterStats;
    + + + + + Gap;
    + + + - - Redrive;
    + + + + + RedriveError;
    + + + + + Redriven;
    + + + - - History;
    + + + + + HistoryError;
    + + + - - HistoryIter;
    + + + + + HistoryStats;
    + + + + + Received as Received<Plain>;
    + + + - - RecvOrGap as RecvOrGap<'static, Plain>;
    + + + + + Retention;
    + + + + + DeathCause;
    + + + + + MemoryEngine;
    + + + - - Joined;
    + + + - - Retry;
    + + + + + RetryError;
    + + + + + HandlingTimes;
    + + + - - RerouteError;
    + + + - - Rerouting;
    + + + + + Routes;
    + + + - - StartError;
    + + + - - Starting;
    + + + + + TransportStats;
    + + + + + Abandoned;
    + + + + + Arrival;
    + + + + + Capabilities;
    + + + + + LifecycleEvent;
    + + + + + LifecycleValue;
    + + + + + AttributeProblem;
    + + + + + Binding;
    + + + + + Codec;
    + + + + + ContentType;
    + + + + + ContentTypeError;
    + + + + + Headers;
    + + + + + Limits;
    + + + + + MediaType;
    + + + + + SourceError;
    + + + - - CustomEngine;
    + + + - - CustomSettings;
    + + + + + DecodeError;
    + + + - - Deliver;
    + + + + + EncodeError;
    + + + + + Encoded;
    + + + + + EngineError;
    + + + + + EngineErrorKind;
    + + + + + EngineMetrics;
    + + + + + EngineState;
    + + + + + Envelope;
    + + + + + Groups;
    + + + - - Handover;
    + + + - - Ingress;
    + + + + + IngressClosed;
    + + + + + InvalidSettings;
    + + + + + MetricsHandle;
    + + + + + Position;
    + + + + + Scope;
    + + + + + StartKinds;
    + + + + + SubscriptionSpec;
    + + + + + TopicPrefixFilter;
    + + + + + Features;
    + + + + + Report;
    + + + + + TestReport;
    + + + + + TestVerdict;
    + + + - - DatadogBuilder;
    + + + - - DatadogError;
    + + + + + DatadogExporter;
    + + + + + DatadogStats;
    + + + + + Format;
    + + + + + NamespaceError;
    + + + + + PrometheusCollector;
    + + + - - InScope as InScope<u64>;
    + + + - - Scope as trace::Scope;
    + + + + + TraceContext;
    + + + - - Tracer;
}

/// Public names that are no types of their own: traits and aliases.
const NO_TYPES: &[&str] = &[
    "BoxFuture",
    "Clock",
    "Delivered",
    "Engine",
    "EventFilter",
    "HandlerResult",
    "Observer",
    "Propagator",
    "Spawn",
];

/// Where public names are made public.
const SOURCES: [&str; 9] = [
    "lib.rs",
    "conformance/mod.rs",
    "engine/mod.rs",
    "engine/custom/mod.rs",
    "envelope/mod.rs",
    "lifecycle/mod.rs",
    "metrics/datadog/mod.rs",
    "metrics/prometheus/mod.rs",
    "trace/mod.rs",
];

#[test]
fn x3_every_public_type_is_in_the_table() {
    let sources = SOURCES.map(|file| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        std::fs::read_to_string(path).expect("the source is readable")
    });
    let exported: BTreeSet<&str> = sources.iter().flat_map(|source| exports(source)).collect();
    assert!(exported.contains("EventBus"), "the exports were not found: {exported:?}");
    let known: BTreeSet<&str> = TABLE.iter().chain(NO_TYPES).copied().collect();
    let missing: Vec<_> = exported.difference(&known).collect();
    assert!(missing.is_empty(), "not in the table of this file: {missing:?}");
    let gone: Vec<_> = known.difference(&exported).collect();
    assert!(gone.is_empty(), "in the table and no longer exported: {gone:?}");
}

/// The names that `pub use` at the top level of a file makes public.
fn exports(source: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for statement in source.split("\npub use ").skip(1) {
        let statement = statement.split(';').next().expect("a first part");
        let list = match statement.split_once('{') {
            Some((_, list)) => list.trim_end().trim_end_matches('}'),
            None => statement.rsplit("::").next().expect("a last part"),
        };
        names.extend(list.split(',').map(str::trim).filter(|name| name.starts_with(char::is_uppercase)));
    }
    names
}

#[test]
fn exports_are_found_in_lists_and_alone() {
    let source =
        "mod a;\npub use a::{B, C,\n    D,\n};\npub use topic::Topic;\npub use a::lower;\nuse a::Hidden;\n";
    assert_eq!(exports(source), BTreeSet::from(["B", "C", "D", "Topic"]));
}

#[test]
fn the_probe_tells_yes_from_no() {
    const { assert!(Probe::<u8>::SEND && Probe::<u8>::SYNC && Probe::<u8>::UNPIN) };
    const { assert!(!Probe::<std::rc::Rc<u8>>::SEND && Probe::<Cell<u8>>::SEND && !Probe::<Cell<u8>>::SYNC) };
    const { assert!(!Probe::<std::marker::PhantomPinned>::UNPIN) };
    const { assert!(!Probe::<&mut u8>::UNWIND && !Probe::<Cell<u8>>::REF_UNWIND) };
}
