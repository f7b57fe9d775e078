//! A model with something in each place, which never changes.

use std::time::Duration;

use trolleybus::engine::EngineState;
use trolleybus::{DropReason, SubscriptionKind};

use super::model::{BusRow, Counter, EngineRow, Model, SubscriptionRow, TransportRow};

/// A counter that grows by so many events per second.
pub(crate) fn at(rate: u64, total: u64) -> Counter {
    Counter { total, tenths: rate * 10 }
}

fn engine(name: &str, kind: &str, state: EngineState) -> EngineRow {
    EngineRow {
        name: name.to_owned(),
        kind: kind.to_owned(),
        state,
        offered: Counter::default(),
        delivered: Counter::default(),
        dropped: Counter::default(),
        failed: Counter::default(),
        in_flight: 0,
        transport: None,
    }
}

pub(crate) fn subscription(name: &str, patterns: &str, kind: SubscriptionKind) -> SubscriptionRow {
    SubscriptionRow {
        name: name.to_owned(),
        patterns: patterns.to_owned(),
        kind,
        offered: Counter::default(),
        delivered: Counter::default(),
        failed: Counter::default(),
        dropped: Vec::new(),
        queued: 0,
        capacity: 1024,
        running: 0,
        oldest: None,
        paused: false,
    }
}

fn subscriptions() -> Vec<SubscriptionRow> {
    let meter = subscription("meter", "order.*, auth.*, metric.*", SubscriptionKind::Inline);
    let billing = subscription("billing", "order.paid", SubscriptionKind::Pooled);
    let search = subscription("search", "order.**", SubscriptionKind::Async);
    let scan = subscription("scan", "order.*", SubscriptionKind::Pooled);
    let nightly = subscription("nightly", "auth.*", SubscriptionKind::Pooled);
    let archive = subscription("archive", "auth.**", SubscriptionKind::Receiver);
    let numbered = subscription("#7", "metric.+", SubscriptionKind::Async);
    vec![
        SubscriptionRow { offered: at(4310, 812_345), delivered: at(4310, 812_344), running: 1, ..meter },
        SubscriptionRow {
            offered: at(1030, 180_511),
            delivered: at(1030, 180_509),
            failed: at(11, 1861),
            running: 2,
            capacity: 256,
            ..billing
        },
        SubscriptionRow {
            offered: at(3090, 541_533),
            delivered: at(3070, 540_021),
            dropped: vec![(DropReason::Oldest, at(0, 1490))],
            queued: 22,
            capacity: 128,
            oldest: Some(Duration::from_millis(7)),
            ..search
        },
        SubscriptionRow {
            offered: at(3090, 541_533),
            delivered: at(470, 90_214),
            dropped: vec![(DropReason::Full, at(2620, 451_254))],
            queued: 64,
            capacity: 64,
            running: 1,
            oldest: Some(Duration::from_millis(138)),
            ..scan
        },
        SubscriptionRow {
            offered: at(310, 70_120),
            delivered: at(0, 64_770),
            queued: 5350,
            capacity: 8192,
            oldest: Some(Duration::from_millis(9420)),
            paused: true,
            ..nightly
        },
        SubscriptionRow { offered: at(310, 70_120), delivered: at(310, 70_120), capacity: 512, ..archive },
        SubscriptionRow {
            offered: Counter { total: 200_692, tenths: 4 },
            delivered: Counter { total: 200_692, tenths: 4 },
            dropped: vec![(DropReason::Full, at(0, 3)), (DropReason::Timeout, at(2, 41))],
            ..numbered
        },
    ]
}

/// What the golden screens show.
pub(crate) fn model() -> Model {
    let memory = engine("memory", "memory", EngineState::Connected);
    let audit = engine("audit", "memory", EngineState::Connected);
    let sensors = engine("sensors", "custom", EngineState::Degraded);
    Model {
        interval: Duration::from_millis(1002),
        bus: BusRow {
            published: Some(at(4320, 815_410)),
            unmatched: Some(at(12, 2041)),
            refused: Some(at(900, 6210)),
            offered: at(12_140, 2_416_854),
            delivered: at(9190, 1_958_670),
            dropped: at(2622, 452_788),
            failed: at(11, 1861),
            lifecycle_dropped: at(0, 0),
            queued: 5436,
            running: 4,
            topics: 8,
        },
        engines: vec![
            EngineRow {
                offered: at(10_300, 1_875_900),
                delivered: at(7660, 1_423_080),
                dropped: at(2620, 452_744),
                failed: at(11, 1861),
                in_flight: 89,
                ..memory
            },
            EngineRow { offered: at(930, 210_360), delivered: at(620, 205_010), in_flight: 5350, ..audit },
            EngineRow {
                offered: at(0, 401_384),
                delivered: at(0, 401_384),
                dropped: at(2, 44),
                transport: Some(TransportRow {
                    published: at(0, 200_690),
                    refused: at(900, 6210),
                    unknown: at(0, 0),
                    rejected: at(0, 0),
                    arriving: 0,
                    members: 2,
                }),
                ..sensors
            },
        ],
        subscriptions: subscriptions(),
    }
}
