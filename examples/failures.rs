//! What becomes of an event that a handler cannot handle: it is tried again, then set aside as a dead letter, and sent once
//! more when the cause is gone. Its id makes sure that nobody is charged twice.
//!
//!     cargo run --example failures

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trolleybus::{DeathCause, EventBus, HandlerError, IdempotencyWindow, Retention, Retry};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::builder()
        .dead_letters(["payment.*"], "dead.payment")
        .retain(["dead.*"], Retention::new().count(1_000))
        .build()?;

    let bank_is_open = Arc::new(AtomicBool::new(false));
    let open = Arc::clone(&bank_is_open);
    let payments = bus
        .subscribe::<u32>("payment.due")
        .name("payments")
        .retry(Retry::new(3).backoff(Duration::from_millis(5)))
        .idempotent(IdempotencyWindow::new(10_000))
        .handle_with(move |amount, delivery| {
            println!("charges {} (attempt {})", **amount, delivery.attempt());
            match **amount {
                0 => Err(HandlerError::new("nothing to pay").permanent()),
                _ if !open.load(Ordering::Acquire) => Err(HandlerError::new("the bank is closed")),
                _ => Ok(()),
            }
        })?;

    bus.publish("payment.due", 0_u32)?;
    let event = bus.event("payment.due", 100_u32);
    event.on_complete(|outcome| println!("100: kept as a dead letter: {}", outcome.is_kept())).publish()?;
    wait_until(|| bus.history("dead.payment").is_ok_and(|letters| letters.iter().count() == 2));

    for letter in bus.history("dead.payment")?.iter().filter_map(|event| event.downcast().ok()) {
        let letter: &trolleybus::DeadLetter = &letter;
        println!("dead after {} attempts: {}", letter.attempts(), letter.cause());
    }

    bank_is_open.store(true, Ordering::Release);
    let failed_for_now = |cause: &DeathCause| matches!(cause, DeathCause::Failed { permanent: false, .. });
    let redriven = bus.history("dead.payment")?.redrive(|letter| failed_for_now(letter.cause()));
    println!("sent once more: {}", redriven.sent);

    let report = bus.shutdown(Duration::from_secs(5)).wait();
    assert!(report.complete, "{report:?}");
    let stats = payments.stats();
    assert_eq!((redriven.sent, stats.delivered, stats.failed, stats.retried), (1, 3, 2, 2));
    Ok(())
}

fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "it takes too long");
        std::thread::yield_now();
    }
}
