//! The engine: one connection, a thread that reads it, and one that hands over.
//!
//! A frame says who sent it and its number there, and holds the event. It comes back to its sender, who knows then
//! that the hub has sent it to everybody. While a connection is away, what others publish passes by: this is at most
//! once, and in order.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use trolleybus::SubscriptionId;
use trolleybus::engine::{
    Arrival, BoxFuture, Capabilities, Engine, EngineError, EngineErrorKind, EngineState, Handover, Ingress,
    Position, Scope, SubscriptionSpec,
};
use trolleybus::envelope::{Codec, Envelope};

use super::hub::{read_frame, write_frame};

/// How many events may wait to be handed over. What comes beyond is rejected, and counted: the reader never waits,
/// for the answers to publish calls come the same way.
const MAX_WAITING: usize = 65_536;

/// An engine that speaks to a hub.
pub(crate) struct SocketEngine {
    link: Arc<Link>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the engine and its threads share.
struct Link {
    hub: SocketAddr,
    /// Who we are, in each frame.
    own: u64,
    codec: Codec,
    /// The connection, while there is one. Its lock is held while a frame is written.
    writer: Mutex<Option<TcpStream>>,
    state: Mutex<State>,
    /// There is something to hand over, or nothing will come.
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    connected: bool,
    stops: bool,
    /// How many threads run.
    running: usize,
    /// The number of the last frame.
    number: u64,
    /// Publish calls that wait for their frame; `None` until it has come back, or is lost.
    publishing: HashMap<u64, Option<Result<(), EngineError>>>,
    arrivals: VecDeque<Envelope>,
    /// Who waits for something of this to change.
    wakers: Vec<Waker>,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes those who wait.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let changed = change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.arrived.notify_all();
        changed
    }

    /// Waits for something to be there.
    async fn when<R>(&self, mut look: impl FnMut(&mut State) -> Option<R>) -> R {
        poll_fn(|cx| {
            let mut state = self.lock();
            let found = look(&mut state);
            if found.is_none() {
                state.wakers.push(cx.waker().clone());
            }
            found.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The life of the first thread: connects, again and again, and reads.
    fn read(&self, ingress: &Ingress) {
        let mut pause = Duration::from_millis(10);
        while !self.lock().stops {
            if let Ok(connection) = TcpStream::connect_timeout(&self.hub, Duration::from_secs(5)) {
                let frames = self.read_from(&connection, ingress);
                if frames > 0 {
                    pause = Duration::from_millis(10);
                }
                // What waits for its frame may have been sent on or not. No publish call writes any more when this
                // is settled: who has written is among those who wait.
                let _ = connection.shutdown(Shutdown::Both);
                *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
                self.change(|state| {
                    state.connected = false;
                    let waiting = state.publishing.values_mut().filter(|answer| answer.is_none());
                    waiting
                        .for_each(|answer| *answer = Some(Err(lost("the connection broke").may_be_stored())));
                });
            }
            // Up to twice as long each time, until the hub is back or the engine is stopped.
            let state = self.lock();
            if !state.stops {
                ingress.set_state(EngineState::Connecting);
                let jitter = RandomState::new().hash_one(pause) % 1000;
                let waits = pause / 2 + pause * u32::try_from(jitter).unwrap_or(0) / 1000;
                drop(self.arrived.wait_timeout_while(state, waits, |state| !state.stops));
                pause = (pause * 2).min(Duration::from_secs(5));
            }
        }
    }

    /// Reads until the connection breaks. Returns how many frames came.
    fn read_from(&self, connection: &TcpStream, ingress: &Ingress) -> u64 {
        let mut frames = 0;
        while let Ok(frame) = read_frame(&mut &*connection) {
            frames += 1;
            if frames == 1 {
                // The hub has us on its list. It may have cut us off again, which is the next thing that is read.
                let _ = connection.set_nodelay(true);
                let Ok(writer) = connection.try_clone() else { return 0 };
                *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(writer);
                ingress.set_state(EngineState::Connected);
                self.change(|state| state.connected = true);
                continue;
            }
            let Some((header, event)) = frame.split_first_chunk::<16>() else { return frames };
            let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|byte| header[at + byte]));
            let envelope = self.codec.decode(event.to_vec());
            self.change(|state| {
                match envelope {
                    Ok(_) if state.arrivals.len() >= MAX_WAITING => ingress.reject(&"too many events wait"),
                    Ok(envelope) => state.arrivals.push_back(envelope),
                    Err(error) => ingress.reject(&error),
                }
                if let (true, Some(answer)) = (number(0) == self.own, state.publishing.get_mut(&number(8))) {
                    *answer = Some(Ok(()));
                }
            });
        }
        frames
    }

    /// The life of the second thread: hands over what has come, and waits for it in the end.
    fn hand_over(&self, ingress: &Ingress) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut handed_over: VecDeque<Handover> = VecDeque::new();
        loop {
            let state = self.lock();
            let idle = |state: &mut State| state.arrivals.is_empty() && !(state.stops && state.running == 1);
            let state = self.arrived.wait_while(state, idle);
            let arrival = state.unwrap_or_else(PoisonError::into_inner).arrivals.pop_front();
            let Some(envelope) = arrival else { break };
            // If not, the bus is gone.
            let Ok(handover) = ingress.deliver(Arrival::new(envelope, Scope::Everyone)).wait() else {
                return;
            };
            handed_over.push_back(handover);
            while handed_over.front_mut().is_some_and(|first| Pin::new(first).poll(&mut cx).is_ready()) {
                handed_over.pop_front();
            }
        }
        handed_over.into_iter().for_each(|handover| _ = handover.wait());
    }
}

impl SocketEngine {
    /// An engine that will speak to the hub at this address.
    pub(crate) fn new(hub: SocketAddr) -> Self {
        let link = Link {
            hub,
            own: RandomState::new().hash_one(std::process::id()),
            codec: Codec::new(),
            writer: Mutex::default(),
            state: Mutex::default(),
            arrived: Condvar::new(),
        };
        Self { link: Arc::new(link), threads: Mutex::default() }
    }

    /// Starts a thread.
    fn spawn(&self, run: impl FnOnce(&Link) + Send + 'static) {
        let link = Arc::clone(&self.link);
        self.link.change(|state| state.running += 1);
        let thread = thread::spawn(move || {
            run(&link);
            link.change(|state| state.running -= 1);
        });
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    /// Sends a frame; `None` if there is no connection.
    fn send(&self, number: u64, event: &[u8]) -> Option<std::io::Result<()>> {
        let mut writer = self.link.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let header = [self.link.own.to_be_bytes(), number.to_be_bytes()].concat();
        let sent = write_frame(writer.as_mut()?, &[&header, event]);
        // Of this one nobody knows. The next ones need not go the same way.
        if sent.is_err()
            && let Some(broken) = writer.take()
        {
            let _ = broken.shutdown(Shutdown::Both);
        }
        Some(sent)
    }
}

impl Engine for SocketEngine {
    fn kind(&self) -> &'static str {
        "socket"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new().ordered()
    }

    fn start(&self, ingress: Ingress) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            let reads = ingress.clone();
            self.spawn(move |link| link.read(&reads));
            self.spawn(move |link| link.hand_over(&ingress));
            self.link.when(|state| state.connected.then_some(())).await;
            Ok(())
        })
    }

    fn publish<'a>(&'a self, envelope: &'a Envelope) -> BoxFuture<'a, Result<Position, EngineError>> {
        Box::pin(async move {
            let event = self.link.codec.encode_structured(envelope).map_err(|error| {
                EngineError::new(EngineErrorKind::Rejected, error.to_string()).because(error)
            })?;
            let number = self.link.change(|state| {
                state.number += 1;
                state.publishing.insert(state.number, None);
                state.number
            });
            // Whoever stops waiting takes its place along.
            let waiting = Waiting { link: &self.link, number };
            match self.send(number, &event) {
                None => return Err(lost("there is no connection")),
                Some(Err(error)) => return Err(lost("the connection broke").because(error).may_be_stored()),
                Some(Ok(())) => {}
            }
            self.link.when(|state| state.publishing.get_mut(&waiting.number)?.take()).await?;
            Ok(Position::none())
        })
    }

    fn subscribe<'a>(&'a self, _: &'a SubscriptionSpec) -> BoxFuture<'a, Result<(), EngineError>> {
        // Whoever is connected gets everything.
        Box::pin(async move {
            self.link.when(|state| state.connected.then_some(())).await;
            Ok(())
        })
    }

    fn unsubscribe(&self, _: SubscriptionId) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async { Ok(()) })
    }

    fn shutdown(&self, _: Instant) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(async move {
            self.link.change(|state| state.stops = true);
            if let Some(connection) = &*self.link.writer.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = connection.shutdown(Shutdown::Both);
            }
            self.link.when(|state| (state.running == 0).then_some(())).await;
            let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
            threads.into_iter().for_each(|thread| _ = thread.join());
            Ok(())
        })
    }
}

impl fmt::Debug for SocketEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SocketEngine").field("hub", &self.link.hub).finish_non_exhaustive()
    }
}

/// A publish call that waits for its frame.
struct Waiting<'a> {
    link: &'a Link,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.link.lock().publishing.remove(&self.number);
    }
}

fn lost(message: &str) -> EngineError {
    EngineError::new(EngineErrorKind::Connection, message)
}
