//! Two threads do not take from one receiver at once.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let mut receiver = bus.subscribe::<u32>("a").receiver().expect("a receiver");
    std::thread::scope(|scope| {
        scope.spawn(|| receiver.try_recv().is_ok());
        scope.spawn(|| receiver.try_recv().is_ok());
    });
}
