//! Many events through a publisher handle, in runs.

use std::any::TypeId;

use super::Publisher;
use super::publish::{admit, refuse, stamp, wait};
use crate::dispatch::{EventRun, LONGEST_RUN, Receipt, Rest, SubscriberList, pass_run};
use crate::error::PublishError;
use crate::event::{Event, Head};
use crate::sync::clock::Deadline;

/// Publishes events in their order. See [`Publisher::publish_batch`].
pub(super) fn publish<T: Send + Sync + 'static>(
    publisher: &Publisher<T>,
    mut payloads: impl Iterator<Item = T>,
) -> Result<Receipt, PublishError<T>> {
    let mut total = Receipt::default();
    let mut pulled = Vec::new();
    loop {
        let refused = pull(publisher, &mut payloads, &mut pulled);
        let is_over = pulled.is_empty();
        match publish_run(publisher, &mut pulled) {
            Some((receipt, rest)) => {
                total.add(receipt);
                for offer in rest.offers() {
                    let settled = offer.is_settled();
                    total.add(if settled {
                        offer
                    } else {
                        wait(&publisher.realm.hub, offer, Deadline::NEVER)
                    });
                }
            }
            // One by one. What comes after one that is refused goes with the vector.
            None => {
                for payload in pulled.drain(..) {
                    total.add(publisher.publish(payload)?);
                }
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
        if is_over {
            return Ok(total);
        }
    }
}

/// Takes the payloads of the next run out of an iterator: those that it promises, so that nothing waits for what is not
/// there yet, or else one. Ends with one that is refused.
fn pull<T: Send + Sync + 'static>(
    publisher: &Publisher<T>,
    payloads: &mut impl Iterator<Item = T>,
    pulled: &mut Vec<T>,
) -> Option<PublishError<T>> {
    let promised = payloads.size_hint().0.clamp(1, LONGEST_RUN);
    for payload in payloads.take(promised) {
        if let Err(refusal) = admit(&publisher.realm.hub, &payload) {
            return Some(refuse(&publisher.realm, publisher.topic().as_str(), refusal, payload));
        }
        pulled.push(payload);
    }
    None
}

/// Publishes payloads as one run; `None` if they have to go one by one, and then they are still there.
fn publish_run<T: Send + Sync + 'static>(
    publisher: &Publisher<T>,
    payloads: &mut Vec<T>,
) -> Option<(Receipt, Rest<T>)> {
    let Publisher { realm, entry, form, .. } = publisher;
    let (hub, table) = (&realm.hub, &realm.table);
    // A literal is published as a `String`.
    if payloads.len() < 2 || hub.options.rotate || TypeId::of::<T>() == TypeId::of::<&'static str>() {
        return None;
    }
    let list = entry.list.load();
    let list = table.current(&list).filter(|list: &&SubscriberList| list.is_of_queues())?;
    let stamp = stamp(hub);
    let event =
        |payload| Event::allocate(Head::new(list.topic.clone(), stamp, form.kind.into(), None), payload);
    let events: EventRun<T> = payloads.drain(..).map(event).collect();
    Some(pass_run(events, list))
}
