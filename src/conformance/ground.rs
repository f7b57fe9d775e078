//! What a test stands on: names of its own, waits with a deadline, failures.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::{Client, Features, Subject};
use crate::{BusBuilder, EventId};

/// A payload of the suite: who published it, and the how-manieth of theirs it is.
pub(super) type Item = (u32, u64);

/// How a test ends: with nothing, or with what was not as it should be.
pub(super) type Outcome<T = ()> = Result<T, Failure>;

/// What was not as it should be.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let told = error.to_string();
            if !text.contains(&told) {
                text = format!("{text}: {told}");
            }
            cause = error.source();
        }
        Self(text)
    }
}

/// Fails with a message unless something holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::ground::Failure::new(format!($($message)+)));
        }
    };
}
pub(super) use ensure;

/// Tells a run from all others, of this process and of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunId(u64);

impl RunId {
    pub(super) fn new() -> Self {
        // A hasher of the standard library has keys of its own, which are random.
        Self(RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now())))
    }
}

/// What a test stands on.
pub(super) struct Ground<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) features: Features,
    run: RunId,
    /// The number of the test.
    test: usize,
}

impl<'a> Ground<'a> {
    pub(super) fn new(subject: &'a dyn Subject, features: Features, run: RunId, test: usize) -> Self {
        Self { subject, features, run, test }
    }

    /// The first segment of all topics of this test.
    pub(super) fn prefix(&self) -> String {
        format!("conf-{:016x}-{}", self.run.0, self.test)
    }

    /// A topic, or a pattern, of this test.
    pub(super) fn topic(&self, rest: impl fmt::Display) -> String {
        format!("{}.{rest}", self.prefix())
    }

    /// A name that no other test has, of a group for example.
    pub(super) fn name(&self, rest: impl fmt::Display) -> String {
        format!("{}-{rest}", self.prefix())
    }

    /// The id of an event of this test. It has the bits of an id that an application may choose.
    pub(super) fn id(&self, (publisher, number): Item) -> EventId {
        let own = u128::from(u32::try_from(self.test).unwrap_or(u32::MAX)) << 56;
        let item = u128::from(publisher & 0xffff) << 40 | u128::from(number & 0xff_ffff_ffff);
        EventId::from_u128(u128::from(self.run.0) << 64 | own | item)
    }

    /// A client of the broker.
    pub(super) fn client(&self) -> Outcome<Client> {
        self.client_with(|builder| builder)
    }

    /// A client of the broker, with options.
    pub(super) fn client_with(&self, options: impl FnOnce(BusBuilder) -> BusBuilder) -> Outcome<Client> {
        Client::connect(self, options)
    }

    /// Two clients that reach each other: one and the same bus twice if clients do not.
    pub(super) fn two_clients(&self) -> Outcome<[Client; 2]> {
        let first = self.client()?;
        let second = if self.features.clients { self.client()? } else { first.share() };
        Ok([first, second])
    }

    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.features.deadline
    }

    /// Waits until nothing is missing any more; fails with what is missing at the deadline.
    pub(super) fn wait(&self, mut missing: impl FnMut() -> Option<String>) -> Outcome {
        let deadline = self.deadline();
        let mut looks = 0_u32;
        while let Some(missing) = missing() {
            if Instant::now() >= deadline {
                return Err(Failure::new(format!("not within {:?}: {missing}", self.features.deadline)));
            }
            // A pause between two looks: others need the processor more than this one needs to know.
            looks = looks.saturating_add(1);
            if looks < 20 {
                std::thread::yield_now();
            } else {
                std::thread::park_timeout(Duration::from_micros(500));
            }
        }
        Ok(())
    }

    /// Waits until something holds.
    pub(super) fn until(&self, what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
        self.wait(|| (!holds()).then(|| what.to_owned()))
    }
}

/// Runs jobs in threads of their own, all at once, and waits for them. The first failure counts.
pub(super) fn at_once<T: Send>(
    jobs: impl IntoIterator<Item = impl FnOnce() -> Outcome<T> + Send>,
) -> Outcome<Vec<T>> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = jobs.into_iter().map(|job| scope.spawn(job)).collect();
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        ended
            .into_iter()
            .map(|ended| match ended {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// A gate that handlers wait at until it is opened. Dropped, it is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate(std::sync::Arc<Bar>);

#[derive(Debug, Default)]
struct Bar {
    open: std::sync::Mutex<bool>,
    opened: std::sync::Condvar,
}

impl Gate {
    pub(super) fn open(&self) {
        *self.lock() = true;
        self.0.opened.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        // Nothing panics while it is locked.
        self.0.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Waits at the gate, at most for a time.
    pub(super) fn pass(&self, at_most: Duration) {
        let open = self.lock();
        drop(self.0.opened.wait_timeout_while(open, at_most, |open| !*open));
    }
}

/// Opens a gate when a test ends, however it does.
#[derive(Debug)]
pub(super) struct Opening(pub(super) Gate);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.open();
    }
}
