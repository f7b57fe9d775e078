//! The end of an engine, which it is told of once, however many shut its bus down, and however often.

use event_listener::Event as Listeners;

use super::EngineError;
use crate::sync::Mutex;
use crate::sync::clock::Deadline;

/// How far an engine has come in stopping.
///
/// Who waits listens, looks, and waits then; who ends an attempt notifies after the change.
#[derive(Default)]
pub(super) struct Stopping {
    stage: Mutex<Stage>,
    changed: Listeners,
}

#[derive(Default)]
enum Stage {
    #[default]
    NotYet,
    UnderWay,
    Ended(Result<(), EngineError>),
}

impl Stopping {
    /// Begins, if nobody has; or waits for the end that another attempt brings about, and returns that.
    pub(super) async fn begin(&self, deadline: Deadline) -> Result<Attempt<'_>, Result<(), EngineError>> {
        loop {
            let listener = self.changed.listen();
            {
                let mut stage = self.stage.lock();
                match &*stage {
                    Stage::Ended(end) => return Err(end.clone()),
                    Stage::UnderWay => {}
                    Stage::NotYet => {
                        *stage = Stage::UnderWay;
                        return Ok(Attempt { stopping: self, deadline, is_over: false });
                    }
                }
            }
            listener.await;
        }
    }

    fn change(&self, stage: Stage) {
        *self.stage.lock() = stage;
        self.changed.notify(usize::MAX);
    }
}

/// An engine is being stopped.
pub(super) struct Attempt<'a> {
    stopping: &'a Stopping,
    deadline: Deadline,
    is_over: bool,
}

impl Attempt<'_> {
    /// The engine has said how it went.
    pub(super) fn end(mut self, result: Result<(), EngineError>) -> Result<(), EngineError> {
        self.is_over = true;
        self.stopping.change(Stage::Ended(result.clone()));
        result
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let what = "its shutdown";
        self.stopping.change(if std::thread::panicking() {
            Stage::Ended(Err(EngineError::panicked(what, "see the first report")))
        } else if self.deadline.has_passed() {
            Stage::Ended(Err(EngineError::timed_out(what)))
        } else {
            // Whoever shut the bus down has lost interest. The next one finishes it.
            Stage::NotYet
        });
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use loom::thread::spawn;

    use super::*;
    use crate::dispatch::models::support::Figure;
    use crate::sync::park::{Wait, block_on};

    /// Waits for a future as threads do.
    struct Waiting<F>(F);

    impl<F: Future + Unpin> Wait for Waiting<F> {
        type Output = F::Output;

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
            std::pin::Pin::new(&mut self.0).poll(cx)
        }

        fn deadline(&self) -> Deadline {
            Deadline::NEVER
        }
    }

    /// Stops an engine, or waits until another does.
    fn stop(stopping: &Stopping, told: &Figure) {
        let attempt = block_on(&mut Waiting(pin!(stopping.begin(Deadline::NEVER))));
        match attempt {
            Ok(attempt) => {
                told.raise();
                attempt.end(Ok(())).expect("it ends well");
            }
            Err(end) => end.expect("it ended well"),
        }
    }

    /// Two shut a bus down at a time: the engine is told once, and both see its end.
    ///
    /// Broken by a `begin` that looks and begins in two steps, and by an `end` that does not notify.
    #[test]
    fn s1_two_shutdowns_of_one_engine() {
        loom::model(|| {
            let (stopping, told) = (Arc::new(Stopping::default()), Figure::default());
            let other = {
                let (stopping, told) = (Arc::clone(&stopping), told.clone());
                spawn(move || stop(&stopping, &told))
            };
            stop(&stopping, &told);
            other.join().expect("the other");
            assert_eq!(told.get(), 1);
        });
    }

    /// One shuts a bus down and loses interest while another waits for the end: the other takes over.
    ///
    /// Broken by an attempt that is dropped without a change, or without a notification of it.
    #[test]
    fn s1_a_shutdown_that_is_given_up_against_another() {
        loom::model(|| {
            let (stopping, told) = (Arc::new(Stopping::default()), Figure::default());
            let gives_up = {
                let stopping = Arc::clone(&stopping);
                spawn(move || {
                    let mut cx = Context::from_waker(Waker::noop());
                    drop(pin!(stopping.begin(Deadline::NEVER)).poll(&mut cx));
                })
            };
            stop(&stopping, &told);
            gives_up.join().expect("who gives up");
            assert_eq!(told.get(), 1);
        });
    }
}
