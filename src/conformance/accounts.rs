//! Every event is counted once, for each subscription and for the engine.

use super::Test;
use super::client::{Recorded, ledger, waiting};
use super::ground::{Gate, Ground, Opening, Outcome, ensure};
use super::history::History;
use super::many::publish_many;
use crate::{DeliveryMode, EngineStats, Ledger, Subscription};

pub(super) const TESTS: &[Test] =
    &[Test { name: "every_event_is_counted_once", skips: |_| None, run: every_event_is_counted_once }];

const EVENTS: u64 = 120;

/// Published x subscriptions = delivered + dropped + filtered + skipped, for subscriptions of all kinds.
fn every_event_is_counted_once(ground: &Ground<'_>) -> Outcome {
    let client = ground.client()?;
    let (topic, history) = (ground.topic("account"), History::default());
    let (gate, patience) = (Gate::default(), ground.features.deadline);
    let opening = Opening(gate.clone());
    let before = client.engine()?;
    let hold = move |_: &_, _| {
        gate.pass(patience);
        Ok(())
    };
    let waits = client.record(&[&topic])?;
    let drops =
        Recorded::with(client.listen(&[&topic]).delivery(DeliveryMode::Drop).capacity(1), hold.clone())?;
    let displaces = Recorded::with(
        client.listen(&[&topic]).delivery(DeliveryMode::DropOldest).capacity(3),
        hold.clone(),
    )?;
    let filters = Recorded::of(client.listen(&[&topic]).filter(|event| event.1.is_multiple_of(3)))?;
    let wild = ground.topic("*");
    let fails = Recorded::with(client.listen(&[&wild]), |event, _| {
        if event.1.is_multiple_of(4) { Err(crate::HandlerError::new("as the test wants")) } else { Ok(()) }
    })?;
    let inline = client.listen(&[&topic]).handle_inline(|_| ())?;
    let of_text = waiting(client.bus.subscribe::<String>(&*topic)).handle(|_| ())?;
    let any = waiting(client.bus.subscribe_any(&*topic)).handle_async(|_| async {})?;
    let subscriptions: [&Subscription; 8] = [
        &waits.subscription,
        &drops.subscription,
        &displaces.subscription,
        &filters.subscription,
        &fails.subscription,
        &inline,
        &of_text,
        &any,
    ];
    publish_many(ground, &client, &history, &topic, 0..2, EVENTS / 2)?;
    for subscription in subscriptions {
        ground.wait(|| {
            let stats = subscription.stats();
            let judged = stats.offered + stats.filtered + stats.skipped;
            (judged < EVENTS)
                .then(|| format!("{judged} of {EVENTS} events were judged: {}", ledger(subscription)))
        })?;
    }
    drop(opening);
    let look = || -> Outcome<Balance> {
        Ok(Balance::of(&client.engine()?, &before, &subscriptions.map(Subscription::stats)))
    };
    // An engine that tries again what was dropped, or failed, goes on for a while.
    ground.wait(|| match look() {
        Ok(balance) if balance.is_at_rest() => None,
        Ok(balance) => Some(format!("not at rest, or out of balance: {balance:?}")),
        Err(failure) => Some(failure.to_string()),
    })?;
    for subscription in subscriptions {
        let stats = subscription.stats();
        let accounted = stats.delivered + stats.dropped.total() + stats.filtered + stats.skipped;
        let right = is_right(ground, accounted, EVENTS);
        ensure!(right, "{accounted} of {EVENTS} events are accounted for: {}", ledger(subscription));
        ensure!(
            stats.is_balanced() && stats.queued + stats.running == 0,
            "at rest: {}",
            ledger(subscription)
        );
    }
    ensure!(drops.subscription.stats().dropped.full > 0, "nothing was dropped from a full queue");
    let skipped = of_text.stats().skipped;
    ensure!(is_right(ground, skipped, EVENTS), "numbers are no text: {}", ledger(&of_text));
    let filtered = filters.subscription.stats().filtered;
    ensure!(is_right(ground, filtered, EVENTS * 2 / 3), "{}", ledger(&filters.subscription));
    let failed = fails.subscription.stats().failed;
    ensure!(is_right(ground, failed, EVENTS / 4), "{failed} handlers failed");
    let Some(transport) = client.engine()?.transport else { return Ok(()) };
    let published = transport.published - before.transport.map_or(0, |before| before.published);
    ensure!(published == EVENTS, "the engine took {published} of {EVENTS} events");
    ensure!(transport.unknown == 0, "nobody knows of {} events", transport.unknown);
    Ok(())
}

/// Says whether something was counted as often as it should be; more often by an engine that tries again.
fn is_right(ground: &Ground<'_>, counted: u64, expected: u64) -> bool {
    counted == expected || ground.features.redelivers && counted > expected
}

/// The account of an engine, and that of all subscriptions: offered, delivered, failed, dropped, filtered, skipped.
#[derive(Debug)]
struct Balance {
    engine: [u64; 6],
    subscriptions: [u64; 6],
    in_flight: u64,
    /// What the engine says has not arrived yet.
    lag: Option<u64>,
}

impl Balance {
    fn of(now: &EngineStats, before: &EngineStats, subscriptions: &[Ledger]) -> Self {
        let counts = |stats: &EngineStats| {
            [stats.offered, stats.delivered, stats.failed, stats.dropped, stats.filtered, stats.skipped]
        };
        let (counted, earlier) = (counts(now), counts(before));
        let mut sums = [0; 6];
        for stats in subscriptions {
            let dropped = stats.dropped.total();
            let counts =
                [stats.offered, stats.delivered, stats.failed, dropped, stats.filtered, stats.skipped];
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let arrivals = now.transport.as_ref().map_or(0, |transport| transport.arrivals_in_flight as u64);
        Self {
            engine: std::array::from_fn(|at| counted[at].saturating_sub(earlier[at])),
            subscriptions: sums,
            in_flight: now.in_flight + arrivals,
            lag: now.transport.as_ref().and_then(|transport| transport.lag),
        }
    }

    fn is_at_rest(&self) -> bool {
        let [offered, delivered, _, dropped, _, _] = self.engine;
        let arrived = self.lag.is_none_or(|lag| lag == 0);
        arrived && self.in_flight == 0 && self.engine == self.subscriptions && offered == delivered + dropped
    }
}
