//! A future that hands the thread back once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Pending once, and woken while it is polled: what awaits it hops through the pool twice.
#[derive(Default)]
pub(crate) struct YieldOnce(bool);

impl Future for YieldOnce {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
