//! Every way to publish, and publish calls that nobody waits for any more.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::Test;
use super::ground::{Failure, Ground, Item, Outcome, ensure};
use crate::PublishRefusal;

pub(super) const TESTS: &[Test] = &[
    Test { name: "every_way_to_publish_works", skips: |_| None, run: every_way_to_publish_works },
    Test { name: "what_cannot_be_carried_is_refused", skips: |_| None, run: what_cannot_be_carried },
    Test { name: "a_publish_that_nobody_awaits_disturbs_nobody", skips: |_| None, run: nobody_awaits },
];

/// The events of one publisher. The memory engine knows the types of numbers apart.
fn item(number: u64) -> Item {
    (1, number)
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future in this thread, until the deadline.
fn wait_for<F: Future>(ground: &Ground<'_>, future: F) -> Outcome<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let (mut cx, mut future, deadline) = (Context::from_waker(&waker), pin!(future), ground.deadline());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Ok(output);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(left > Duration::ZERO, "a future was not ready within {:?}", ground.features.deadline);
        std::thread::park_timeout(left);
    }
}

/// Publishes in all ways that take the thread, the task or a batch; each event comes once, in order if that is claimed.
fn every_way_to_publish_works(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let topic = ground.topic("ways");
    let recorded = there.record(&[&topic])?;
    let publisher = here.bus.publisher::<Item>(&topic)?;
    here.bus.publish(&topic, item(0))?;
    wait_for(ground, here.bus.publish_async(&topic, item(1)))??;
    publisher.publish(item(2))?;
    wait_for(ground, publisher.publish_async(item(3)))??;
    here.bus.event(&topic, item(4)).deadline(ground.features.deadline).publish()?;
    wait_for(ground, here.bus.event(&topic, item(5)).publish_async())??;
    let receipt = publisher.publish_batch((6..20).map(item))?;
    ensure!(receipt.accepted().is_some() == ground.features.carried, "a batch came to {receipt:?}");
    recorded.wait_for(ground, 20)?;
    let (mut items, expected) = (recorded.log.items(), (0..20).map(item).collect::<Vec<_>>());
    if !ground.features.is_ordered() {
        items.sort_unstable();
    }
    ensure!(items == expected, "20 events came as {items:?}");
    Ok(())
}

/// A call that does not wait, and a payload that cannot travel: refused by whoever has to carry the event, taken else.
fn what_cannot_be_carried(ground: &Ground<'_>) -> Outcome {
    /// It has no serde.
    #[derive(Debug)]
    struct Local;

    let client = ground.client()?;
    let topic = ground.topic("local");
    let recorded = client.record(&[&topic])?;
    let (tried, local) = (client.bus.try_publish(&topic, item(0)), client.bus.publish_local(&topic, Local));
    if ground.features.carried {
        let refused = tried.as_ref().is_err_and(|error| {
            matches!(error.refusal(), PublishRefusal::WouldWait { .. }) && *error.payload() == item(0)
        });
        ensure!(refused, "a publish that does not wait came to {tried:?}");
        let refused =
            local.as_ref().is_err_and(|error| matches!(error.refusal(), PublishRefusal::StaysLocal { .. }));
        ensure!(refused, "a payload that cannot travel came to {local:?}");
    } else {
        tried?;
        local?;
    }
    let before = usize::from(!ground.features.carried);
    client.publish(ground, &topic, item(1))?;
    recorded.wait_for(ground, 1 + before)?;
    ensure!(recorded.log.count(item(1)) == 1, "{:?} came", recorded.log.items());
    Ok(())
}

/// Publish calls that are dropped after one step leave nothing behind that is in the way of others.
fn nobody_awaits(ground: &Ground<'_>) -> Outcome {
    let [here, there] = ground.two_clients()?;
    let topic = ground.topic("dropped");
    let recorded = there.record(&[&topic])?;
    for number in 0..50 {
        let mut publish = here.bus.event(&topic, item(number)).publish_async();
        if number % 2 == 0 {
            let _ = Pin::new(&mut publish).poll(&mut Context::from_waker(Waker::noop()));
        }
        drop(publish);
    }
    for number in 0..50 {
        here.publish(ground, &topic, (2, number))?;
    }
    ground.wait(|| {
        let come = (0..50).filter(|number| recorded.log.count((2, *number)) == 1).count();
        (come < 50).then(|| format!("{come} of 50 events came after others were dropped"))
    })?;
    let twice = (0..50).find(|number| recorded.log.count(item(*number)) > 1);
    let unpolled = (0..50).find(|number| number % 2 == 1 && recorded.log.count(item(*number)) > 0);
    match (twice, unpolled) {
        (None, None) => Ok(()),
        (Some(number), _) => Err(Failure::new(format!("event {number}, which was dropped, came twice"))),
        (_, Some(number)) => Err(Failure::new(format!("event {number} came, whose publish had not begun"))),
    }
}
