//! An event that is offered once more, to one subscription that could not handle it.
//!
//! It is the event itself: the same id, key, metadata and payload, for payloads need not be `Clone`. (What came from a broker and
//! was not decoded is decoded for who can, under the same head.) What changes is from when its age counts, or one that died because it was too old would do so again.

use std::sync::Arc;

use super::arrive::decoded;
use super::frames::Nested;
use super::hooks::Hooks;
use super::pass::{Pass, Patience};
use super::passing::{Passing, Source, Untyped};
use super::receipt::{Count, Receipt};
use super::slot::Slot;
use crate::envelope::{DecodeError, Encoded};
use crate::event::{AnyEvent, PayloadKind};

/// Offers the event to that subscription; an inline handler runs in this thread. The receipt also holds its queue, if that is
/// to be waited for.
pub(crate) fn redeliver(
    event: &AnyEvent,
    slot: &Arc<Slot>,
    nested: Option<&Nested>,
    hooks: &Hooks,
) -> Receipt {
    let head = event.head();
    head.begin_anew(hooks.time.tick());
    // Whoever waits for it may have heard that it is over: from then on this is of no account.
    if let Some(completion) = head.completion() {
        completion.reopen();
    }
    let receipt = match form_for(event, slot) {
        Ok(form) => {
            let mut pass = Pass::of(Passing::of(&*form), Patience::Wait, nested, Receipt::default());
            pass.offer_to(slot);
            pass.into_receipt()
        }
        Err(error) => {
            slot.skip_undecodable(head.topic(), &error);
            let mut receipt = Receipt::default();
            receipt.count(Count::Skipped);
            receipt
        }
    };
    hooks.passed_on(head.engine(), &receipt);
    if let Some(completion) = head.completion() {
        hooks.completed(completion.withdraw());
    }
    receipt
}

/// The event as that subscription takes it: as it is, unless that is encoded and the subscription's type is not.
fn form_for<'a>(event: &'a AnyEvent, slot: &Slot) -> Result<Box<dyn Source + 'a>, DecodeError> {
    let decode = slot.spec.wants.and_then(|wanted| wanted.decode);
    if let (Some(encoded), Some(decode)) = (event.payload::<Encoded>(), decode) {
        return decoded(decode, encoded, event.head().of_form(PayloadKind::Serde));
    }
    Ok(Box::new(Untyped::new(event)))
}
