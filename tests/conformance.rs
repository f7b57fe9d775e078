//! The conformance suite, run on the engines of this crate and on a broker that is made for it.

#[path = "conformance/local.rs"]
mod local;
#[path = "support/mod.rs"]
mod support;
