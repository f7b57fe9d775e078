//! Ids of events from elsewhere, which need be no UUIDs.
//!
//! They are derived, by UUID version 5 in a namespace of ours, from what stays the same when an event is
//! delivered again, so that it is known again. That is an identity, not a proof of who sent it: whoever
//! knows the id of an event can send another with the same.

use uuid::Uuid;

use crate::event::EventId;

/// The namespace of ids that come with a source.
const SOURCE_AND_ID: Uuid = Uuid::from_u128(0x9f0c_3f5e_7d0b_4a55_8f4e_6a1d_2c93_b7e1);

/// The namespace of messages without an id.
const MESSAGE: Uuid = Uuid::from_u128(0x4b8d_61c7_02ea_4c1f_a3d9_f15b_8e70_94d2);

/// Returns the id of an event: the UUID that it names, in any notation, or one derived from source and id.
pub(super) fn of_event(source: &str, id: &str) -> EventId {
    id.parse().unwrap_or_else(|_| {
        // No attribute holds a NUL, so nothing else is put together to the same.
        let name = [source, id].join("\0");
        derived(&SOURCE_AND_ID, name.as_bytes())
    })
}

/// Returns the id of a message that has none: derived from all of its bytes.
pub(super) fn of_message(message: &[u8]) -> EventId {
    derived(&MESSAGE, message)
}

fn derived(namespace: &Uuid, name: &[u8]) -> EventId {
    EventId::from_u128(Uuid::new_v5(namespace, name).as_u128())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_itself_whatever_its_notation() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        for text in [id, "01890A5DAC96774BBCCEB302099A8057", "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057"]
        {
            assert_eq!(of_event("anywhere", text).to_string(), id);
        }
    }

    #[test]
    fn another_id_depends_on_the_source_and_is_always_the_same() {
        // Fixed for ever: a change would make every foreign event new once more.
        assert_eq!(
            of_event("/mycontext", "A234-1234-1234").to_string(),
            "be8f79aa-1f74-554f-a3f1-e61ccabb0f03"
        );
        assert_eq!(of_message(b"{}").to_string(), "b47b93bb-90b2-5302-9310-98e02ad2a116");
        assert_ne!(of_event("a", "bc"), of_event("ab", "c"));
        assert_ne!(of_event("a", "b"), of_event("c", "b"));
        assert_ne!(of_message(b"a\0b"), of_event("a", "b"));
    }
}
