//! What the tests of every broker's engine share.
//!
//! | file | what it holds |
//! |---|---|
//! | `proxy.rs` | between a client and a server: does to the bytes what networks do |
//! | `server.rs` | a server that can be killed, stopped for a while and started again on its port and its data |
//! | `verdict.rs` | what was lost, came twice, in a wrong order, or out of nowhere |

pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod verdict;
