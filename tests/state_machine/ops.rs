//! What can be asked of a bus, as plain data that proptest makes and shrinks.

use proptest::prelude::*;

/// The topics that are published to.
pub(crate) const TOPICS: [&str; 6] = ["a", "a.b", "a.c", "a.b.c", "x.y", "x.b.c"];

/// The patterns that are subscribed to: literal, prefix, one segment, any number of segments.
pub(crate) const PATTERNS: [&str; 12] =
    ["a", "a.b", "x.y", "*", "a.*", "a.b*", "+.b", "a.+", "x.*.c", "**.c", "a.**", "a.**.c"];

/// The largest raw payload that the bus under test takes.
pub(crate) const MAX_RAW: usize = 4;

/// What a subscription asks of an event's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Any,
    Number,
    Text,
}

/// How a subscription gets its events. A failing handler fails for every third event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Inline { fails: bool },
    Receiver,
}

/// What a full queue does. `Timeout` is a timeout of zero, `Patient` one that lasts for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Drop,
    DropOldest,
    Block,
    Timeout,
    Patient,
}

/// A subscription to be made.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) patterns: Vec<usize>,
    pub(crate) want: Want,
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    pub(crate) capacity: usize,
    pub(crate) even: bool,
    pub(crate) take: Option<u64>,
    /// In the group with this number.
    pub(crate) group: Option<usize>,
    pub(crate) named: bool,
}

/// What is published; every event's number is different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Number,
    Text,
    /// A `&'static str`, which arrives as a `String`.
    Literal,
    Raw(usize),
    /// A type that only `subscribe_any` takes.
    Other,
}

/// How it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// `publish`, `publish_raw` or `publish_local`. Where that would wait for ever, as `Deadline`.
    Plain,
    Try,
    /// By a handle of the topic. Where that would wait for ever, as `Try`.
    Handle,
    /// By the event builder, with a deadline of zero.
    Deadline,
    /// `publish_async`, polled once and dropped.
    PollOnce,
}

/// What an event carries besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) key: bool,
    pub(crate) meta: bool,
    pub(crate) completion: bool,
}

/// One step. Numbers are taken modulo the number of what is there.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Subscribe(Spec),
    Publish {
        topic: usize,
        what: What,
        how: How,
        extras: Option<Extras>,
    },
    Batch {
        topic: usize,
        events: u32,
    },
    Receive(usize),
    ReceiveAll(usize),
    Pause(usize),
    Resume(usize),
    Cancel(usize),
    /// `drain` with no grace.
    Drain(usize),
    /// `drain` for ever, given up at once: what is queued can still be taken.
    Close(usize),
    Drop(usize),
    Detach(usize),
    DropPublisher(usize),
    CloneBus,
    DropBus,
    Upgrade,
    /// `shutdown` without patience.
    Shutdown,
    ShutdownDiscarding,
    /// `shutdown` for ever, given up at once: what is queued can still be taken.
    ShutdownOpen,
}

fn spec() -> impl Strategy<Value = Spec> {
    let patterns = prop_oneof![
        4 => proptest::collection::vec(0..PATTERNS.len(), 1),
        1 => proptest::collection::vec(0..PATTERNS.len(), 2..4),
    ];
    let want = prop_oneof![2 => Just(Want::Any), 3 => Just(Want::Number), 2 => Just(Want::Text)];
    let kind = prop_oneof![
        2 => Just(Kind::Inline { fails: false }),
        1 => Just(Kind::Inline { fails: true }),
        5 => Just(Kind::Receiver),
    ];
    let mode = prop_oneof![
        2 => Just(Mode::Drop),
        2 => Just(Mode::DropOldest),
        2 => Just(Mode::Block),
        2 => Just(Mode::Timeout),
        1 => Just(Mode::Patient),
    ];
    let take = prop_oneof![3 => Just(None), 1 => (1_u64..4).prop_map(Some)];
    let group = prop_oneof![2 => Just(None), 1 => (0_usize..2).prop_map(Some)];
    let flags = (prop::bool::weighted(0.25), any::<bool>());
    (patterns, want, kind, mode, 1_usize..5, take, group, flags).prop_map(
        |(patterns, want, kind, mode, capacity, take, group, (even, named))| Spec {
            patterns,
            want,
            kind,
            mode,
            capacity,
            even,
            take,
            group,
            named,
        },
    )
}

fn publish() -> impl Strategy<Value = Op> {
    let what = prop_oneof![
        6 => Just(What::Number),
        2 => Just(What::Text),
        1 => Just(What::Literal),
        1 => (0..=MAX_RAW + 1).prop_map(What::Raw),
        1 => Just(What::Other),
    ];
    let how = prop_oneof![
        4 => Just(How::Plain),
        2 => Just(How::Try),
        2 => Just(How::Handle),
        2 => Just(How::Deadline),
        2 => Just(How::PollOnce),
    ];
    let extras = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.75))
        .prop_map(|(key, meta, completion)| Extras { key, meta, completion });
    (0..TOPICS.len(), what, how, prop::option::weighted(0.4, extras))
        .prop_map(|(topic, what, how, extras)| Op::Publish { topic, what, how, extras })
}

fn op() -> impl Strategy<Value = Op> {
    let which = 0_usize..32;
    prop_oneof![
        180 => spec().prop_map(Op::Subscribe),
        500 => publish(),
        30 => (0..TOPICS.len(), 0_u32..5).prop_map(|(topic, events)| Op::Batch { topic, events }),
        140 => which.clone().prop_map(Op::Receive),
        20 => which.clone().prop_map(Op::ReceiveAll),
        30 => which.clone().prop_map(Op::Pause),
        30 => which.clone().prop_map(Op::Resume),
        20 => which.clone().prop_map(Op::Cancel),
        10 => which.clone().prop_map(Op::Drain),
        10 => which.clone().prop_map(Op::Close),
        10 => which.clone().prop_map(Op::Drop),
        10 => which.prop_map(Op::Detach),
        10 => (0..TOPICS.len()).prop_map(Op::DropPublisher),
        10 => Just(Op::CloneBus),
        6 => Just(Op::DropBus),
        5 => Just(Op::Upgrade),
        2 => Just(Op::Shutdown),
        2 => Just(Op::ShutdownDiscarding),
        2 => Just(Op::ShutdownOpen),
    ]
}

/// A whole life of a bus.
pub(crate) fn life() -> impl Strategy<Value = Vec<Op>> {
    proptest::collection::vec(op(), 1..120)
}
