//! Handlers that fail, and payloads that cannot be decoded.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Test;
use super::client::{Recorded, ledger, waiting};
use super::ground::{Ground, Outcome, ensure};
use super::history::{History, Rules};
use super::many::publish_many;
use crate::HandlerError;

pub(super) const TESTS: &[Test] = &[
    Test { name: "errors_and_panics_do_not_end_a_stream", skips: |_| None, run: the_stream_goes_on },
    Test {
        name: "a_failed_event_comes_again",
        skips: |features| (!features.redelivers).then_some("no redelivery is claimed"),
        run: comes_again,
    },
    Test { name: "what_cannot_be_decoded_is_skipped", skips: |_| None, run: undecodable_is_skipped },
];

/// The first time that an event comes, its handler fails in one way or another.
fn the_stream_goes_on(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let (topic, history) = (ground.topic("fails"), History::default());
    let first = AtomicU64::new(0);
    let fails = Recorded::with(there.listen(&[&topic]), move |event, _| {
        let bit = 1_u64.checked_shl(u32::try_from(event.1).unwrap_or(u32::MAX)).unwrap_or(0);
        let seen = first.fetch_or(bit, Ordering::Relaxed) & bit != 0;
        match event.1 % 4 {
            0 if !seen => Err(HandlerError::new("as the test wants")),
            1 if !seen => std::panic::resume_unwind(Box::new("as the test wants")),
            _ => Ok(()),
        }
    })?;
    let well = there.record(&[&topic])?;
    publish_many(ground, &here, &history, &topic, 0..1, 60)?;
    for recorded in [&fails, &well] {
        ground.wait(|| history.missing(&[&recorded.log]))?;
    }
    ground.until("the end of all handlers", || {
        [&fails, &well].iter().all(|recorded| {
            let stats = recorded.subscription.stats();
            stats.queued + stats.running == 0
        })
    })?;
    let stats = fails.subscription.stats();
    ensure!(stats.failed == 30, "30 handlers should have failed: {}", ledger(&fails.subscription));
    let again = if ground.features.redelivers { 30 } else { 0 };
    history.judge(ground, &fails.log, Rules { duplicates: again, ..Rules::default() })?;
    // One that comes again for one subscription may come to others, too.
    history.judge(ground, &well.log, Rules { duplicates: again, ..Rules::default() })
}

/// An event whose handler failed comes again, until it is handled; others are not held back for ever.
fn comes_again(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    for (publisher, group) in [(0, None), (1, Some(ground.name("again")))] {
        let topic = ground.topic(format!("again.{publisher}"));
        let (history, failed) = (History::default(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&failed);
        let mut subscribe = there.listen(&[&topic]);
        if let Some(group) = &group {
            subscribe = subscribe.group(group.clone());
        }
        let recorded = Recorded::with(subscribe, move |event, _| {
            let bit = 1_u64.checked_shl(u32::try_from(event.1).unwrap_or(u32::MAX)).unwrap_or(0);
            if event.1.is_multiple_of(10) && counted.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                return Err(HandlerError::new("as the test wants"));
            }
            Ok(())
        })?;
        publish_many(ground, &here, &history, &topic, publisher..publisher + 1, 50)?;
        ground.wait(|| {
            let once: Vec<u64> =
                (0..50).step_by(10).filter(|number| recorded.log.count((publisher, *number)) < 2).collect();
            let who = if group.is_some() { "a group" } else { "a subscription" };
            (!once.is_empty()).then(|| format!("the failed events {once:?} did not come again to {who}"))
        })?;
        ground.wait(|| history.missing(&[&recorded.log]))?;
        history.judge(ground, &recorded.log, Rules { duplicates: 5, ..Rules::default() })?;
    }
    Ok(())
}

/// A payload that a subscription cannot decode is skipped there and counted; the others get it, and the stream goes on.
fn undecodable_is_skipped(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let topic = ground.topic("undecodable");
    let typed = there.record(&[&topic])?;
    let any = waiting(there.bus.subscribe_any(&*topic)).handle(|_| ())?;
    for number in 0..20 {
        here.publish(ground, &topic, (1, number))?;
        here.bus.publish(&topic, format!("no number {number}"))?;
    }
    typed.wait_for(ground, 20)?;
    // An engine that tries again what was not taken may bring it more than once.
    ground.wait(|| {
        let (skipped, handled) = (typed.subscription.stats().skipped, any.stats().delivered);
        (skipped < 20 || handled < 40).then(|| format!("{skipped} of 20 skipped, {handled} of 40 handled"))
    })?;
    let items: Vec<u64> = typed.log.items().into_iter().map(|(_, number)| number).collect();
    let mut sorted = items.clone();
    sorted.sort_unstable();
    ensure!(sorted == (0..20).collect::<Vec<_>>(), "the numbers that came are {items:?}");
    ensure!(!there.said.warnings().is_empty(), "nobody was warned of a payload that cannot be decoded");
    Ok(())
}
