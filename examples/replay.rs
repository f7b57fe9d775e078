//! Events that are kept, and subscriptions that begin with them: nothing is missing between what was and what comes.
//!
//!     cargo run --example replay

use std::error::Error;

use trolleybus::{EventBus, Received, Retention, Start};

fn main() -> Result<(), Box<dyn Error>> {
    let bus = EventBus::builder()
        .retain(["price.*"], Retention::new().count(4))
        .max_history_topics(1_000)
        .build()?;
    let publish = |topic: &str, key: &str, cents: u32| bus.event(topic, cents).key(key).publish();
    for (key, cents) in
        [("tea", 210), ("coffee", 250), ("tea", 220), ("milk", 90), ("tea", 230), ("milk", 95)]
    {
        publish("price.drinks", key, cents)?;
    }
    publish("price.food", "cake", 400)?;

    // All that is kept, and then what is published: in order, each once.
    let mut all = bus.subscribe::<u32>("price.*").from(Start::Beginning).receiver()?;
    publish("price.food", "bread", 350)?;
    let seen: Vec<_> = all.try_iter().map(|event| *event).collect();
    println!("kept, and then live: {seen:?}");
    assert_eq!(seen, [220, 90, 230, 95, 400, 350]);

    // The last price of each thing.
    let last = bus.subscribe::<u32>("price.drinks").from(Start::LastPerKey).receiver()?;
    let prices: Vec<_> =
        last.into_iter().take(2).map(|event| (event.key().map(String::from), *event)).collect();
    println!("the last of each key: {prices:?}");
    assert_eq!(prices, [(Some("tea".into()), 230), (Some("milk".into()), 95)]);

    // Who was away for too long is told what is missing.
    let mut back = bus.subscribe::<u32>("price.drinks").from(Start::Sequence(2)).receiver()?;
    let Received::Gap(gap) = back.try_recv_or_gap()? else { return Err("there is a gap".into()) };
    println!("{gap}");
    assert_eq!((gap.first, gap.last), (2, 2));
    assert_eq!(*back.try_recv()?, 220);

    // A look for people, while the bus goes on.
    for event in &bus.history("price.*")?.key("milk") {
        println!("{} number {:?}: {:?}", event.topic(), event.sequence(), event.payload::<u32>());
    }
    Ok(())
}
