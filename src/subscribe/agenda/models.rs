//! loom models of the agenda. Each says which change breaks it, and was seen to fail with that change.
//!
//! As in `worker/lane_models.rs` no worker runs in them, and lanes are driven only if somebody queued them. Nor does a timer:
//! that the time of an alarm has come is played by a thread.

use std::sync::Arc;
use std::task::{Context, Wake};
use std::time::Duration;

use loom::thread::spawn;

use super::super::handler::{Feed, SyncBody};
use super::super::retry::Retry;
use super::{Agenda, Order, Terms};
use crate::dispatch::models::support::{close_account, number, publish, slot_with, spec, waker};
use crate::dispatch::{Aside, DeliveryMode, Hooks, Observer, Quiet, Sink, Slot};
use crate::error::HandlerError;
use crate::event::{AnyEvent, DropReason};
use crate::queue::Ring;
use crate::sync::Mutex;
use crate::sync::alarm::Alarm;
use crate::sync::clock::model;
use crate::sync::timer::Timer;
use crate::worker::lane_support::{drive, driver};
use crate::worker::{Lane, Lanes, Place, Spawned};

const DELAY: Duration = Duration::from_millis(10);

/// Hears of failures, so that they are not printed.
struct Deaf;

impl Observer for Deaf {}

struct Ground {
    slot: Arc<Slot>,
    lanes: Vec<Arc<Lane>>,
    agenda: Arc<Agenda<AnyEvent>>,
}

/// A slot with that many lanes, whose handler is told event and attempt.
fn ground(
    count: usize,
    order: Order,
    handler: impl Fn(u64, u32) -> Result<(), HandlerError> + Send + Sync + 'static,
) -> Ground {
    model::pass(Duration::ZERO);
    let (mut lanes, mut made) = (Vec::new(), None);
    let mut spec = spec(&["t"], 2, DeliveryMode::Drop);
    spec.concurrency = count;
    let handler = Arc::new(move |_: &Arc<Slot>, event: &AnyEvent, attempt| handler(number(event), attempt));
    let hooks = Hooks::new(Some(Arc::new(Deaf)), None, Box::default(), None);
    let slot = slot_with(hooks, spec, |weak| {
        let terms = Terms {
            order,
            key_of: (order == Order::ByKey).then(|| Arc::new(|_: &AnyEvent| Some(1_u64)) as _),
            retry: Some(Retry::new(2).backoff(DELAY).jitter(0.0)),
            circuit: None,
            limit: 2,
        };
        let agenda = Agenda::new(weak.clone(), terms, Alarm::new(Default::default(), Arc::new(Timer::new())));
        let queue = Arc::new(Ring::<AnyEvent>::new(2));
        let feed = Feed { queue: Arc::clone(&queue), agenda: Some(Arc::clone(&agenda)) };
        lanes = (0..count)
            .map(|home| {
                let body = SyncBody::new(Arc::clone(&handler), feed.clone());
                Lane::new(weak.clone(), Box::new(body), Place::Spawned(Spawned::default()), home)
            })
            .collect();
        made = Some(Arc::clone(&agenda));
        (Sink::Queue(queue), Some(Box::new(Lanes::new(lanes.iter().cloned().collect(), Some(agenda)))))
    });
    Ground { slot, lanes, agenda: made.expect("made") }
}

/// Everything that its end leaves behind.
fn close(ground: Ground, offered: u64, delivered: u64) {
    let Ground { slot, lanes, agenda } = ground;
    assert_eq!(agenda.len(), 0);
    drop((lanes, agenda));
    close_account(slot, offered, delivered);
}

/// The time of a retry comes while its lane goes idle: the retry is made.
///
/// Broken by a lane that does not ask, after it said that it is idle, whether something is due (the alarm found it running,
/// and could not queue it): where it may look into the queue meanwhile, and where it may not.
fn alarm_against_a_lane_that_goes_idle(order: Order) {
    loom::model(move || {
        let ground = ground(1, order, |_, attempt| match attempt {
            1 => Err(HandlerError::new("not yet")),
            _ => Ok(()),
        });
        publish(&ground.slot, 1_u64);
        drive(&ground.lanes[0]);
        // Woken for nothing, so that it looks, and goes idle again.
        ground.slot.wake_consumer();
        let driver = driver(&ground.lanes[0]);
        // A step of this thread, so that the time comes at any step of the lane's.
        drop(ground.agenda.plan.lock());
        model::pass(DELAY);
        ground.slot.wake_consumer();
        driver.join().expect("driver");
        drive(&ground.lanes[0]);
        assert_eq!(ground.slot.ledger().retried, 1);
        close(ground, 1, 1);
    });
}

#[test]
fn l1_the_alarm_of_a_retry_against_a_lane_that_goes_idle() {
    alarm_against_a_lane_that_goes_idle(Order::None);
}

#[test]
fn l1_the_alarm_of_a_retry_against_a_lane_that_waits_with_it() {
    alarm_against_a_lane_that_goes_idle(Order::All);
}

/// An attempt fails, and is to be made again, while somebody cancels the subscription and waits for the end: the event is
/// discarded, or that attempt was the last; no handler starts after the end, and who waits is told.
///
/// Broken by a plan that keeps an event after it was ended, and by a discard that forgets what is set aside.
#[test]
fn v3_a_retry_against_cancel_and_wait() {
    loom::model(|| {
        let over = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let ground = ground(1, Order::All, move |_, _| {
            assert!(!is_over.load(loom::sync::atomic::Ordering::Relaxed), "a handler started after the end");
            Err(HandlerError::new("not yet"))
        });
        publish(&ground.slot, 1_u64);
        let driver = driver(&ground.lanes[0]);
        model::pass(DELAY);
        ground.slot.cancel(DropReason::Cancelled);
        let (woken, waker) = waker();
        let mut quiet = Quiet::of(Arc::clone(&ground.slot));
        let ready = quiet.poll(&mut Context::from_waker(&waker)).is_ready();
        if ready {
            over.store(true, loom::sync::atomic::Ordering::Relaxed);
        }
        driver.join().expect("driver");
        ground.slot.wake_consumer();
        drive(&ground.lanes[0]);
        assert!(ready || woken.get() > 0, "nobody told of the end");
        drop(quiet);
        let ledger = ground.slot.ledger();
        assert_eq!(ledger.delivered + ledger.dropped.cancelled, 1, "{ledger:?}");
        close(ground, 1, ledger.delivered);
    });
}

/// A retry is due while the subscription is paused: no handler starts in the pause, and one does after it.
///
/// Broken by a pause that does not wait for whoever decides about a start.
#[test]
fn v3_a_retry_against_a_pause() {
    loom::model(|| {
        let paused = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let (is_paused, late) = (Arc::clone(&paused), Arc::new(Mutex::new(0)));
        let starts = Arc::clone(&late);
        let ground = ground(1, Order::All, move |_, attempt| {
            if attempt == 1 {
                return Err(HandlerError::new("not yet"));
            }
            *starts.lock() += u32::from(is_paused.load(loom::sync::atomic::Ordering::SeqCst));
            Ok(())
        });
        publish(&ground.slot, 1_u64);
        drive(&ground.lanes[0]);
        model::pass(DELAY);
        ground.slot.wake_consumer();
        let driver = driver(&ground.lanes[0]);
        ground.slot.pause();
        // What has started by now counts as running.
        let started = ground.slot.ledger().running + ground.slot.ledger().delivered;
        paused.store(true, loom::sync::atomic::Ordering::SeqCst);
        driver.join().expect("driver");
        let late = if started > 0 { 0 } else { *late.lock() };
        assert_eq!(late, 0, "a handler started in the pause");
        paused.store(false, loom::sync::atomic::Ordering::SeqCst);
        ground.slot.resume();
        drive(&ground.lanes[0]);
        close(ground, 1, 1);
    });
}

/// Two lanes come for two events of one key: they are handled in their order, and not at a time.
///
/// Broken by lanes that look into the queue at a time (the one with the second event is the first to say so), and by a lane
/// that wakes no other when it begins.
#[test]
fn o2_two_lanes_handle_the_events_of_a_key_in_their_order() {
    loom::model(|| {
        let handled = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&handled);
        let ground = ground(2, Order::ByKey, move |number, _| {
            log.lock().push(number);
            Ok(())
        });
        publish(&ground.slot, 1_u64);
        publish(&ground.slot, 2_u64);
        Wake::wake_by_ref(&Arc::clone(&ground.lanes[1]));
        ground.slot.wake_consumer();
        let driver = driver(&ground.lanes[0]);
        drive(&ground.lanes[1]);
        driver.join().expect("driver");
        ground.lanes.iter().for_each(drive);
        assert_eq!(*handled.lock(), [1, 2]);
        close(ground, 2, 2);
    });
}

/// A reader of the ledger while an event is set aside, and taken up again: nothing is counted twice, or not at all.
///
/// Broken by a count of what is set aside that is read before the ends.
#[test]
fn c2_a_reader_during_a_retry() {
    loom::model(|| {
        let ground = ground(1, Order::All, |_, attempt| match attempt {
            1 => Err(HandlerError::new("not yet")),
            _ => Ok(()),
        });
        publish(&ground.slot, 1_u64);
        let reader = {
            let slot = Arc::clone(&ground.slot);
            spawn(move || {
                let ledger = slot.ledger();
                assert!(ledger.is_balanced() && ledger.offered == 1, "{ledger:?}");
                // Each by itself: of two that are wrong, one may be less than nothing.
                assert!(ledger.queued <= 1 && ledger.running <= 1 && ledger.delivered <= 1, "{ledger:?}");
            })
        };
        drive(&ground.lanes[0]);
        model::pass(DELAY);
        ground.slot.wake_consumer();
        drive(&ground.lanes[0]);
        reader.join().expect("reader");
        close(ground, 1, 1);
    });
}
