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
    /// Starts to tell those listeners.
    pub(crate) fn start(listeners: Vec<Listener>) -> std::io::Result<Arc<Self>> {
        let feed = Arc::new(Self {
            state: Mutex::new(State::default()),
            work: Listeners::new(),
            ended: Latch::default(),
        });
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
