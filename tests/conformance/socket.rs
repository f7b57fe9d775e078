//! The engine of the example `socket`, with its hub.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trolleybus::conformance::{self, Features, Subject};
use trolleybus::engine::Engine;
use trolleybus::{BusBuilder, EventBus, StartError};

use super::eventually::eventually;
use super::support::watchdog;

#[path = "../../examples/socket/engine.rs"]
mod engine;
#[path = "../../examples/socket/hub.rs"]
mod hub;

use engine::SocketEngine;
use hub::Hub;

/// A hub, which can be gone for a moment.
struct Socket(Mutex<Option<Hub>>);

impl Socket {
    fn lock(&self) -> MutexGuard<'_, Option<Hub>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn engine(&self) -> SocketEngine {
        SocketEngine::new(self.lock().as_ref().expect("a hub").address())
    }
}

impl Subject for Socket {
    fn connect(&self, builder: BusBuilder) -> Result<EventBus, StartError> {
        builder.engine("socket", self.engine()).default_engine("socket").start().wait()
    }

    fn features(&self) -> Features {
        // At most once: nothing comes twice, whatever fails.
        Features::of(self.engine().capabilities()).clients().drains().cuts(0).restarts(0)
    }

    fn cut(&self) -> Result<(), Box<dyn Error>> {
        self.lock().as_ref().expect("a hub").cut();
        Ok(())
    }

    fn restart(&self) -> Result<(), Box<dyn Error>> {
        let mut hub = self.lock();
        let port = hub.take().expect("a hub").address().port();
        *hub = Some(Hub::open(port)?);
        Ok(())
    }
}

#[test]
fn the_socket_engine_conforms() {
    let _watchdog = watchdog("the_socket_engine_conforms");
    let hub = Hub::open(0).expect("a port");
    let socket = Socket(Mutex::new(Some(hub)));
    let report = conformance::run(&socket);
    println!("{report}");
    report.assert_passed();
    eventually("no connection is left", || socket.lock().as_ref().is_some_and(|hub| hub.connections() == 0));
}
