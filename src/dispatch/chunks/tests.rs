use super::*;
use crate::EventBus;

/// Slots as a bus makes them, with what keeps them open.
fn slots(count: usize) -> (Vec<Arc<Slot>>, Box<dyn std::any::Any>) {
    let bus = EventBus::new();
    let receivers: Vec<_> =
        (0..count).map(|_| bus.subscribe_any("a").receiver().expect("a receiver")).collect();
    let slots = receivers.iter().map(|receiver| Arc::clone(receiver.subscription().slot())).collect();
    (slots, Box::new((bus, receivers)))
}

fn check(chunks: &Chunks) {
    assert_eq!(chunks.iter().count(), chunks.len());
    assert!(chunks.iter().is_sorted_by(|one, next| one.id < next.id));
    let mut visited = Vec::new();
    chunks.for_each_part(|slots, _| visited.extend(slots.get().iter().map(|slot| slot.id)));
    assert!(visited.into_iter().eq(chunks.iter().map(|slot| slot.id)));
    for block in chunks.blocks.iter().flat_map(|blocks| blocks.iter()) {
        assert!((1..=BLOCK).contains(&block.len()));
        assert!(block.iter().all(|chunk| (1..=CHUNK).contains(&chunk.slots.len())));
    }
}

#[test]
fn v4_slots_that_come_out_of_order_are_found_again() {
    let (slots, _kept) = slots(2 * CHUNK * BLOCK + 5);
    // Neighbours change places, as when two threads subscribe at the same time; and two are very late.
    let mut order: Vec<_> = (0..slots.len()).collect();
    order.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1));
    order.rotate_left(2);
    let mut chunks = Chunks::default();
    for number in order {
        chunks = chunks.with(Arc::clone(&slots[number]));
    }
    check(&chunks);
    assert!(chunks.iter().map(|slot| slot.id).eq(slots.iter().map(|slot| slot.id)));
    for slot in &slots {
        chunks = chunks.without(slot).expect("it is in the list");
        assert!(chunks.iter().all(|other| other.id != slot.id) && chunks.without(slot).is_none());
    }
    check(&chunks);
    assert!(chunks.is_empty());
}

#[test]
fn any_order_of_leaving_keeps_the_rest_in_order() {
    let (slots, _kept) = slots(700);
    // Steps that have no divisor in common with the count: each visits every slot once.
    for step in [1, 257, 699] {
        let mut chunks = Chunks::from_sorted(&slots);
        for turn in 0..slots.len() {
            chunks = chunks.without(&slots[turn * step % slots.len()]).expect("it is in the list");
            if turn % 50 == 0 || chunks.len() < 5 {
                check(&chunks);
            }
        }
        assert!(chunks.is_empty());
    }
}

#[test]
fn any_order_of_entering_keeps_all_in_order_and_the_sets_are_the_same() {
    let (slots, _kept) = slots(600);
    let whole = Chunks::from_sorted(&slots);
    for step in [1, 7, 257, 599] {
        let mut chunks = Chunks::default();
        for turn in 0..slots.len() {
            assert!(!chunks.has_same(&whole));
            chunks = chunks.with(Arc::clone(&slots[turn * step % slots.len()]));
            if turn % 50 == 0 || chunks.len() < 5 {
                check(&chunks);
            }
        }
        check(&chunks);
        assert!(chunks.has_same(&whole) && whole.has_same(&chunks) && !chunks.is_same(&whole));
        for slot in &slots {
            assert!(chunks.contains(slot.id));
            let rest = chunks.without(slot).expect("it is in the list");
            assert!(!rest.contains(slot.id) && !rest.has_same(&whole));
        }
    }
}

#[test]
fn one_slot_more_or_less_leaves_all_chunks_but_one_as_they_are() {
    let (slots, _kept) = slots(500);
    let parts = |chunks: &Chunks| {
        let blocks = chunks.blocks.iter().flat_map(|blocks| blocks.iter());
        blocks.flat_map(|block| block.iter()).map(Arc::as_ptr).collect::<std::collections::HashSet<_>>()
    };
    for number in [0, 1, 15, 16, 17, 250, 498, 499] {
        let slot = &slots[number];
        let rest: Vec<_> = slots.iter().filter(|other| !Arc::ptr_eq(other, slot)).collect();
        let rest = Chunks::from_sorted(&rest);
        let grown = rest.with(Arc::clone(slot));
        check(&grown);
        assert!(parts(&rest).difference(&parts(&grown)).count() <= 1, "with number {number}");
        let shrunk = grown.without(slot).expect("it is in the list");
        assert!(shrunk.has_same(&rest));
        assert!(parts(&grown).difference(&parts(&shrunk)).count() <= 2, "without number {number}");
    }
}

#[test]
fn sets_of_the_same_size_are_told_apart() {
    let (slots, _kept) = slots(60);
    let without = |number: usize| Chunks::from_sorted(&slots).without(&slots[number]).expect("it is there");
    for one in 0..slots.len() {
        for other in 0..slots.len() {
            assert_eq!(without(one).has_same(&without(other)), one == other);
        }
    }
}
