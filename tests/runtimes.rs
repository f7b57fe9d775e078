//! The same code under plain threads, tokio of both flavours, and smol: publishers that await room,
//! receivers, streams, `expect`, handlers that await the runtime's timers, and the shutdown. Also that
//! nothing of the bus keeps a runtime's other tasks from running.

mod support;

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use smol::future::zip;
use smol::stream::StreamExt;
use support::{PATIENCE, watchdog};
use trolleybus::{BusBuilder, DeliveryMode, DropReason, EventBus, RecvTimeoutError};

/// A timer of the runtime under test.
type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Long enough to be a real wait, short enough to do it a hundred times.
const NAP: Duration = Duration::from_micros(300);

/// Everything that an application awaits on a bus.
async fn scenario(builder: BusBuilder, sleep: fn(Duration) -> Sleep) {
    let bus = builder.build().expect("build");

    // An async handler awaits a timer, and `Block` makes the publisher await the handler.
    let naps = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&naps);
    let napping = bus
        .subscribe::<u64>("nap.*")
        .capacity(2)
        .delivery(DeliveryMode::Block)
        .handle_async(move |_| {
            let counter = Arc::clone(&counter);
            async move {
                sleep(NAP).await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        })
        .expect("subscribe");
    for n in 0..40_u64 {
        let receipt = bus.publish_async("nap.short", n).await.expect("publish");
        assert_eq!((receipt.queued(), receipt.dropped()), (1, 0));
    }

    // A queue that nobody empties: the publisher awaits room, for as long as was agreed.
    let wait = Duration::from_millis(5);
    let full = bus
        .subscribe::<u64>("full")
        .capacity(1)
        .delivery(DeliveryMode::Timeout(wait))
        .receiver()
        .expect("subscribe");
    assert_eq!(bus.publish_async("full", 1_u64).await.expect("publish").queued(), 1);
    let began = Instant::now();
    let receipt = bus.publish_async("full", 2_u64).await.expect("publish");
    assert_eq!(receipt.dropped_by().by(DropReason::Timeout), 1);
    assert!(began.elapsed() >= wait, "gave up before its time");
    drop(full);

    // Publisher and receiver wake each other, at most four events apart.
    let mut receiver =
        bus.subscribe::<u64>("pull").capacity(4).delivery(DeliveryMode::Block).receiver().expect("subscribe");
    let send = async {
        for n in 0..500_u64 {
            bus.publish_async("pull", n).await.expect("publish");
        }
    };
    let receive = async {
        for n in 0..500 {
            assert_eq!(*receiver.recv_async().await.expect("an event"), n);
        }
    };
    zip(send, receive).await;
    drop(receiver);

    // One event that is expected and comes, one that does not come.
    let expected = bus.expect::<u64>("answer.*", PATIENCE).expect("subscribe");
    let (answer, _) = zip(expected, bus.publish_async("answer.7", 42_u64)).await;
    assert_eq!(*answer.expect("the answer"), 42);
    let missing = bus.expect::<u64>("answer.*", NAP).expect("subscribe");
    assert!(matches!(missing.await, Err(RecvTimeoutError::Timeout)));

    // A stream ends with the bus; what was queued before the shutdown still comes.
    let mut stream = bus
        .subscribe::<u64>("stream")
        .delivery(DeliveryMode::Block)
        .receiver()
        .expect("subscribe")
        .into_stream();
    for n in 0..100_u64 {
        bus.publish_async("stream", n).await.expect("publish");
    }
    let consume = async {
        let mut seen = Vec::new();
        while let Some(event) = stream.next().await {
            seen.push(*event);
        }
        seen
    };
    let (seen, report) = zip(consume, bus.shutdown(PATIENCE)).await;
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
    assert!(report.complete, "{report:?}");
    assert_eq!((naps.load(Ordering::Relaxed), napping.stats().delivered), (40, 40));

    // A publish that comes too late gives its payload back, at the first poll.
    let error = bus.publish_async("nap.short", 7_u64).await.expect_err("the bus is shut down");
    assert!(error.is_shut_down());
    assert_eq!(error.into_payload(), 7);
    let total = bus.stats().total;
    assert!(total.is_balanced() && total.queued + total.running == 0, "{total:?}");
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The smallest executor there is.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// A timer that is a thread.
fn thread_sleep(time: Duration) -> Sleep {
    Box::pin(async move {
        let woken = Arc::new(AtomicBool::new(false));
        let mut started = false;
        std::future::poll_fn(move |cx| {
            if woken.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if !std::mem::replace(&mut started, true) {
                let (woken, waker) = (Arc::clone(&woken), cx.waker().clone());
                thread::spawn(move || {
                    // No wait of the test's: this is the timer, and handlers that await timers are what is tested.
                    thread::sleep(time);
                    woken.store(true, Ordering::Release);
                    waker.wake();
                });
            }
            Poll::Pending
        })
        .await;
    })
}

fn tokio_sleep(time: Duration) -> Sleep {
    // The timer that the handlers await. Panics outside of tokio: this is what `around_workers` is for.
    Box::pin(async move { tokio::time::sleep(time).await })
}

fn smol_sleep(time: Duration) -> Sleep {
    Box::pin(async move {
        smol::Timer::after(time).await;
    })
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn multi_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

/// Handlers on the bus's own workers, which have entered tokio.
fn entered(runtime: &tokio::runtime::Runtime) -> BusBuilder {
    let handle = runtime.handle().clone();
    EventBus::builder().workers(2).around_workers(move |work| {
        let _tokio = handle.enter();
        work();
    })
}

/// Handlers as tasks of tokio: the bus needs no worker.
fn spawned(runtime: &tokio::runtime::Runtime) -> BusBuilder {
    let handle = runtime.handle().clone();
    EventBus::builder().workers(0).spawn_with(move |lane| drop(handle.spawn(lane)))
}

#[test]
fn everything_works_with_plain_threads() {
    let _watchdog = watchdog("everything_works_with_plain_threads");
    block_on(scenario(EventBus::builder().workers(2), thread_sleep));
}

#[test]
fn everything_works_on_tokio_current_thread_with_workers_that_entered_it() {
    let _watchdog = watchdog("everything_works_on_tokio_current_thread_with_workers_that_entered_it");
    let runtime = current_thread();
    runtime.block_on(scenario(entered(&runtime), tokio_sleep));
}

#[test]
fn everything_works_on_tokio_current_thread_with_handlers_spawned_on_it() {
    let _watchdog = watchdog("everything_works_on_tokio_current_thread_with_handlers_spawned_on_it");
    let runtime = current_thread();
    runtime.block_on(scenario(spawned(&runtime), tokio_sleep));
}

#[test]
fn everything_works_on_tokio_multi_thread_with_workers_that_entered_it() {
    let _watchdog = watchdog("everything_works_on_tokio_multi_thread_with_workers_that_entered_it");
    let runtime = multi_thread();
    let scenario = scenario(entered(&runtime), tokio_sleep);
    // As a task of its own: what is awaited must be `Send`.
    runtime.block_on(async { tokio::spawn(scenario).await.expect("no panic") });
}

#[test]
fn everything_works_on_tokio_multi_thread_with_handlers_spawned_on_it() {
    let _watchdog = watchdog("everything_works_on_tokio_multi_thread_with_handlers_spawned_on_it");
    let runtime = multi_thread();
    let scenario = scenario(spawned(&runtime), tokio_sleep);
    runtime.block_on(async { tokio::spawn(scenario).await.expect("no panic") });
}

#[test]
fn everything_works_on_smol_with_the_workers_of_the_bus() {
    let _watchdog = watchdog("everything_works_on_smol_with_the_workers_of_the_bus");
    smol::block_on(scenario(EventBus::builder().workers(2), smol_sleep));
}

#[test]
fn everything_works_on_smol_with_handlers_spawned_on_it() {
    let _watchdog = watchdog("everything_works_on_smol_with_handlers_spawned_on_it");
    let builder = EventBus::builder().workers(0).spawn_with(|lane| smol::spawn(lane).detach());
    smol::block_on(smol::spawn(scenario(builder, smol_sleep)));
}

/// Runs a loop that is never pending for a reason of its own, on a runtime with one thread, until a task
/// beside it has seen its timer of 10 ms fire ten times.
fn beside_a_timer<F: Future<Output = ()>>(hot: impl FnOnce(Hot) -> F) {
    let runtime = current_thread();
    let fired = Rc::new(Cell::new(0_u32));
    let counter = Rc::clone(&fired);
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let timer = tokio::task::spawn_local(async move {
            for _ in 0..10 {
                // The timer that is to fire beside the hot loop, which ends when it has, or at a deadline.
                tokio::time::sleep(Duration::from_millis(10)).await;
                counter.set(counter.get() + 1);
            }
        });
        hot(Hot { fired: Rc::clone(&fired), deadline: Instant::now() + PATIENCE }).await;
        assert_eq!(fired.get(), 10, "the timer's task was starved");
        timer.await.expect("no panic");
    });
}

/// When a hot loop may end.
struct Hot {
    fired: Rc<Cell<u32>>,
    deadline: Instant,
}

impl Hot {
    fn goes_on(&self) -> bool {
        self.fired.get() < 10 && Instant::now() < self.deadline
    }
}

#[test]
fn i4_a_hot_publisher_lets_a_timer_fire_beside_it() {
    let _watchdog = watchdog("i4_a_hot_publisher_lets_a_timer_fire_beside_it");
    let bus = EventBus::new();
    let _seen = bus.subscribe::<u64>("hot").handle_inline(|_| ()).expect("subscribe");
    let ticks = bus.publisher::<u64>("hot").expect("publisher");
    beside_a_timer(async |hot| {
        while hot.goes_on() {
            bus.publish_async("hot", 1_u64).await.expect("publish");
            ticks.publish_async(2).await.expect("publish");
        }
    });
}

#[test]
fn i4_a_hot_consumer_lets_a_timer_fire_beside_it() {
    let _watchdog = watchdog("i4_a_hot_consumer_lets_a_timer_fire_beside_it");
    let bus = EventBus::new();
    let mut receiver = bus.subscribe::<u64>("hot").receiver().expect("subscribe");
    beside_a_timer(async |hot| {
        while hot.goes_on() {
            // Not awaited, so that only the receiving can give way.
            bus.publish("hot", 1_u64).expect("publish");
            receiver.recv_async().await.expect("an event");
        }
    });
}

#[test]
fn i4_a_hot_stream_lets_a_timer_fire_beside_it() {
    let _watchdog = watchdog("i4_a_hot_stream_lets_a_timer_fire_beside_it");
    let bus = EventBus::new();
    let mut stream = bus.subscribe::<u64>("hot").receiver().expect("subscribe").into_stream();
    beside_a_timer(async |hot| {
        while hot.goes_on() {
            bus.publish("hot", 1_u64).expect("publish");
            stream.next().await.expect("an event");
        }
    });
}

#[test]
fn i4_a_hot_handler_lets_a_timer_fire_beside_it() {
    let _watchdog = watchdog("i4_a_hot_handler_lets_a_timer_fire_beside_it");
    beside_a_timer(async |hot| {
        let handle = tokio::runtime::Handle::current();
        let builder = EventBus::builder().workers(0).spawn_with(move |lane| drop(handle.spawn(lane)));
        let bus = builder.build().expect("build");
        let weak = bus.downgrade();
        // Each event brings the next: the handler's queue never runs dry.
        let _echo = bus
            .subscribe::<u64>("hot")
            .handle_async(move |n| {
                let bus = weak.upgrade();
                async move {
                    if let Some(bus) = bus {
                        let _ = bus.publish("hot", *n + 1);
                    }
                }
            })
            .expect("subscribe");
        bus.publish("hot", 0_u64).expect("publish");
        while hot.goes_on() {
            tokio::task::yield_now().await;
        }
    });
}
