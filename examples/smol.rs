//! The same with smol. Its timers work on any thread, so that handlers on the workers of the bus need
//! nothing; they can be tasks of smol as well.
//!
//!     cargo run --example smol

use std::error::Error;
use std::time::Duration;

use smol::Timer;
use trolleybus::{BusBuilder, DeliveryMode, EventBus};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        run("on the workers of the bus", EventBus::builder().workers(2)).await?;
        // The bus needs no thread of its own then.
        let on_smol = EventBus::builder().workers(0).spawn_with(|lane| smol::spawn(lane).detach());
        run("as tasks of smol", on_smol).await
    })
}

async fn run(place: &str, builder: BusBuilder) -> Result<(), Box<dyn Error>> {
    let bus = builder.build()?;
    let mails = bus
        .subscribe::<String>("user.created")
        .capacity(4)
        .delivery(DeliveryMode::Block)
        .concurrency(4)
        .handle_async(async |name| {
            Timer::after(Duration::from_millis(10)).await;
            println!("welcome, {}", *name);
        })?;

    for name in ["ann", "ben", "cleo", "dan", "eve", "fay", "gus", "hal"] {
        bus.publish_async("user.created", name).await?;
    }

    let report = bus.shutdown(Duration::from_secs(5)).await;
    println!("{place}: {} mails sent\n", mails.stats().delivered);
    assert!(report.complete, "{report:?}");
    assert_eq!(mails.stats().delivered, 8);
    Ok(())
}
