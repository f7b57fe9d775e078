//! A run of events that goes into a queue in one step.

use std::sync::Arc;

use loom::thread::spawn;

use super::support::{Figure, close_account, list_of, publish, queue, serve, serve_woken};
use crate::dispatch::batch::pass_run;
use crate::dispatch::receipt::Receipt;
use crate::dispatch::slot::Slot;
use crate::dispatch::spec::DeliveryMode;
use crate::event::{DropReason, Event, PayloadKind};
use crate::sync::clock::Stamp;
use crate::topic::Topic;

/// Publishes payloads as a run, and offers what is left of it one by one.
fn publish_run<T: Send + Sync + 'static>(slot: &Arc<Slot>, payloads: impl IntoIterator<Item = T>) -> Receipt {
    let topic = Topic::new("t").expect("a topic");
    let list = list_of(std::slice::from_ref(slot));
    let event = |payload| Event::build(topic.clone(), Stamp::coarse(), PayloadKind::Local, None, payload);
    let (mut receipt, rest) = pass_run(payloads.into_iter().map(event).collect(), &list);
    rest.offers().for_each(|offer| receipt.add(offer));
    receipt
}

/// A run is appended while the consumer comes to the end of the queue: it does not rest over it.
///
/// Broken by a `Run::put` that does not rouse a consumer that was asleep.
#[test]
fn l1_a_run_appended_while_the_consumer_goes_to_rest_is_handled() {
    loom::model(|| {
        let (slot, bell) = queue(4, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        bell.0.take();
        let consumer = {
            let slot = Arc::clone(&slot);
            spawn(move || serve(&slot))
        };
        assert_eq!(publish_run(&slot, [2_u64, 3]).queued(), 2);
        let mut handled = consumer.join().expect("consumer");
        handled.extend(serve_woken(&slot, &bell));
        assert_eq!(handled, [1, 2, 3]);
        close_account(slot, 3, 3);
    });
}

/// A run that does not fit is appended while the consumer takes: what goes in later comes later, and nothing twice.
///
/// Broken by a `Rest` that begins with the first event again.
#[test]
fn o1_a_run_that_does_not_fit_against_a_take() {
    loom::model(|| {
        let (slot, bell) = queue(1, DeliveryMode::Drop);
        publish(&slot, 1_u64);
        bell.0.take();
        // The thread that may only look comes second: loom would not see that it could look later.
        let publisher = {
            let slot = Arc::clone(&slot);
            spawn(move || publish_run(&slot, [2_u64, 3]))
        };
        let mut handled = serve(&slot);
        let receipt = publisher.join().expect("publisher");
        handled.extend(serve_woken(&slot, &bell));
        assert_eq!((receipt.queued() + 1, receipt.matched()), (handled.len(), 2));
        assert!(handled.is_sorted_by(|one, next| one < next), "{handled:?}");
        close_account(slot, 3, handled.len() as u64);
    });
}

/// A subscription is cancelled while a run is appended that does not fit: each event is counted that was offered, and
/// every payload is dropped once.
///
/// Broken by a `Run::put` that counts what a closed queue has not taken.
#[test]
fn c1_a_run_against_a_cancel() {
    loom::model(|| {
        let drops = Figure::default();
        let (slot, _bell) = queue(1, DeliveryMode::Drop);
        let publisher = {
            let (slot, payloads) = (Arc::clone(&slot), [drops.payload(1), drops.payload(2)]);
            spawn(move || publish_run(&slot, payloads))
        };
        slot.cancel(DropReason::Cancelled);
        let receipt = publisher.join().expect("publisher");
        let dropped = slot.ledger().dropped;
        assert_eq!((dropped.cancelled, dropped.full), (receipt.queued() as u64, receipt.dropped() as u64));
        close_account(slot, receipt.matched() as u64, 0);
        assert_eq!(drops.get(), 2);
    });
}
