//! From those who tell to those who listen.
//!
//! Whoever tells puts the event into a bounded queue, under a short lock and without waiting; one thread takes them out
//! and calls the listeners, in the order in which they were told.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use event_listener::{Event as Listeners, EventListener, IntoNotification};

use super::LifecycleEvent;
use crate::guard::guarded;
use crate::sync::clock::Deadline;
use crate::sync::latch::Latch;
use crate::sync::park::{Wait, block_on};
use crate::sync::{Mutex, thread};

/// Who listens.
pub(crate) type Listener = Box<dyn Fn(&LifecycleEvent) + Send + Sync>;

/// The most events that wait to be told.
const LIMIT: usize = 8192;

/// The queue between those who tell and those who listen.
pub(crate) struct Feed {
    state: Mutex<State>,
    /// The thread waits for something to tell.
    work: Listeners,
    /// The thread has ended.
    ended: Latch,
}

#[derive(Default)]
struct State {
    queue: VecDeque<LifecycleEvent>,
    dropped: u64,
    closed: bool,
}

impl Feed {
    fn new() -> Self {
        Self { state: Mutex::new(State::default()), work: Listeners::new(), ended: Latch::default() }
    }

    /// Starts to tell those listeners.
    pub(crate) fn start(listeners: Vec<Listener>) -> std::io::Result<Arc<Self>> {
        let feed = Arc::new(Self::new());
        let telling = Arc::clone(&feed);
        // It ends by itself when the feed is closed and empty.
        drop(thread::Builder::new().name("lifecycle".to_owned()).spawn(move || telling.run(listeners))?);
        Ok(feed)
    }

    /// Tells an event. Never waits for a listener.
    pub(crate) fn tell(&self, event: LifecycleEvent) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if state.queue.len() == LIMIT {
            state.dropped += 1;
            return;
        }
        state.queue.push_back(event);
        drop(state);
        self.work.notify(1.additional());
    }

    /// How many events were not told, because too many waited.
    pub(crate) fn dropped(&self) -> u64 {
        self.state.lock().dropped
    }

    /// Takes no more events, and waits until the rest has been told, at most until the deadline. Not in a listener, which
    /// would wait for itself.
    pub(crate) fn close(&self, deadline: Deadline) {
        self.state.lock().closed = true;
        self.work.notify(usize::MAX);
        if !IS_TELLING.with(std::cell::Cell::get) {
            // One that takes longer goes on by itself.
            let _ = self.ended.wait(deadline);
        }
    }

    /// The life of the thread, which has the listeners for itself: with the last event they go, and with them what they hold.
    fn run(&self, listeners: Vec<Listener>) {
        IS_TELLING.with(|telling| telling.set(true));
        while let Some(event) = block_on(&mut Next { feed: self, listener: None }) {
            for listener in &listeners {
                guarded(|| listener(&event));
            }
        }
        for listener in listeners {
            // The application's code.
            guarded(|| drop(listener));
        }
        self.ended.set();
    }
}

thread::thread_local! {
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's macro has no const form")]
    /// This thread calls listeners.
    static IS_TELLING: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

/// Waits for the next event; nothing when there will be none.
struct Next<'a> {
    feed: &'a Feed,
    listener: Option<EventListener>,
}

impl Wait for Next<'_> {
    type Output = Option<LifecycleEvent>;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            {
                let mut state = self.feed.state.lock();
                match state.queue.pop_front() {
                    Some(event) => return Poll::Ready(Some(event)),
                    None if state.closed => return Poll::Ready(None),
                    None => {}
                }
            }
            match &mut self.listener {
                // Look, listen, look again, wait.
                None => self.listener = Some(self.feed.work.listen()),
                Some(listener) => match Pin::new(listener).poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline::NEVER
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod models {
    use loom::thread::{JoinHandle, spawn};

    use super::*;
    use crate::dispatch::models::support::Figure;

    fn event() -> LifecycleEvent {
        LifecycleEvent::new("t", "model")
    }

    /// A feed whose one listener counts, and its thread.
    fn feed(told: &Figure) -> (Arc<Feed>, JoinHandle<()>) {
        let feed = Arc::new(Feed::new());
        let (telling, told) = (Arc::clone(&feed), told.clone());
        (feed, spawn(move || telling.run(vec![Box::new(move |_| told.raise())])))
    }

    /// Events are told while the thread looks for one and goes to sleep: both are told before the end.
    ///
    /// Broken by a `tell` or a `close` that does not notify, by a thread that does not look again after it has begun to
    /// listen, and by one that ends when it finds the feed closed before it finds it empty.
    #[test]
    fn x2_telling_against_the_thread_that_goes_to_sleep() {
        loom::model(|| {
            let told = Figure::default();
            let (feed, thread) = feed(&told);
            feed.tell(event());
            feed.tell(event());
            feed.close(Deadline::NEVER);
            assert_eq!(told.get(), 2);
            thread.join().expect("the thread");
        });
    }

    /// Somebody tells an event while the feed is closed: it is told before the close returns, or not at all.
    ///
    /// Broken by a `tell` that looks whether the feed is closed in a lock of its own.
    #[test]
    fn x2_telling_against_the_close() {
        loom::model(|| {
            let told = Figure::default();
            let (feed, thread) = feed(&told);
            let teller = {
                let feed = Arc::clone(&feed);
                spawn(move || feed.tell(event()))
            };
            feed.close(Deadline::NEVER);
            let before = told.get();
            teller.join().expect("the teller");
            thread.join().expect("the thread");
            assert_eq!(told.get(), before, "it was told after the end");
            assert!(feed.state.lock().queue.is_empty(), "it is neither told nor refused");
        });
    }
}
