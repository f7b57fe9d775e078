//! The conformance suite, run on the engines of this crate and on a broker that is made for it.

#[path = "support/mod.rs"]
mod support;

#[path = "support/fake_broker/mod.rs"]
mod fake_broker;

#[path = "conformance/fake.rs"]
mod fake;

#[path = "conformance/local.rs"]
mod local;

#[path = "support/quiet_engine.rs"]
mod quiet_engine;

#[cfg(feature = "cloudevents")]
#[path = "support/eventually.rs"]
mod eventually;

#[cfg(feature = "cloudevents")]
#[path = "conformance/socket.rs"]
mod socket;
