//! The contestants that are not ours, one file per peer or family.

pub mod agent;
pub mod channels;
pub mod eventador;
pub mod maps;
pub mod pubsub;
pub mod qubit;
pub mod rings;
pub mod tokio_channels;
pub mod tokio_events;
