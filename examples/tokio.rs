//! tokio's timers and sockets inside async handlers: one line, in either of two ways.
//!
//!     cargo run --example tokio

use std::error::Error;
use std::time::Duration;

use trolleybus::{BusBuilder, DeliveryMode, EventBus};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Async handlers are polled by the workers of the bus. Without the line that enters tokio, the first
    // `sleep` in a handler would panic: "there is no reactor running".
    let tokio = tokio::runtime::Handle::current();
    let on_workers = EventBus::builder().workers(2).around_workers(move |work| {
        let _entered = tokio.enter();
        work();
    });
    run("on the workers of the bus", on_workers).await?;

    // Or else the handlers are tasks of tokio, and the bus needs no thread at all.
    let tokio = tokio::runtime::Handle::current();
    let on_tokio = EventBus::builder().workers(0).spawn_with(move |lane| drop(tokio.spawn(lane)));
    run("as tasks of tokio", on_tokio).await
}

async fn run(place: &str, builder: BusBuilder) -> Result<(), Box<dyn Error>> {
    let bus = builder.build()?;
    let mails = bus
        .subscribe::<String>("user.created")
        .capacity(4)
        .delivery(DeliveryMode::Block)
        .concurrency(4)
        .handle_async(async |name| {
            // The mail server takes its time.
            tokio::time::sleep(Duration::from_millis(10)).await;
            println!("welcome, {}", *name);
        })?;

    for name in ["ann", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"] {
        // Awaits room in the queue; `publish` would block the runtime's thread for it.
        bus.publish_async("user.created", name).await?;
    }

    let report = bus.shutdown(Duration::from_secs(5)).await;
    println!("{place}: {} mails sent\n", mails.stats().delivered);
    assert!(report.complete, "{report:?}");
    assert_eq!(mails.stats().delivered, 8);
    Ok(())
}
