//! Tenants: nothing crosses from one to another, whatever the pattern and the kind of subscription. (On engines: `engines/tenants.rs`.)

#[path = "tenants/apart.rs"]
mod apart;
#[path = "tenants/bounds.rs"]
mod bounds;
#[path = "support/eventually.rs"]
mod eventually;
mod support;
