//! One thread takes from a receiver while another one looks at its subscription.
use trolleybus::EventBus;

fn main() {
    let bus = EventBus::new();
    let mut receiver = bus.subscribe::<u32>("a").receiver().expect("a receiver");
    std::thread::scope(|scope| {
        scope.spawn(|| receiver.try_recv().is_ok());
    });
    std::thread::scope(|scope| {
        scope.spawn(|| receiver.is_empty());
        scope.spawn(|| receiver.len());
    });
}
