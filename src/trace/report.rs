//! What people must know, as events.

use std::fmt;

use super::bus::Tracing;
use super::{TARGET, local};
use crate::dispatch::{EngineState, Slot};
use crate::event::SubscriptionId;
use crate::tenant::Tenant;

impl Tracing {
    /// Tells something, if it is to be told: of a bus that is traced, and not of what a collector does.
    fn tell(&self, event: impl FnOnce()) -> bool {
        let told = self.is_on() && !local::is_muted();
        if told {
            local::call(event);
        }
        told
    }

    /// Something that people should know. False if it was not told, and so below.
    pub(crate) fn warn(&self, words: &str) -> bool {
        self.tell(|| tracing::warn!(target: TARGET, "{words}"))
    }

    /// A subscription was put into quarantine.
    pub(crate) fn quarantined(&self, slot: &Slot, panics: u32) -> bool {
        self.tell(|| {
            tracing::error!(
                target: TARGET,
                subscription = %slot.id,
                subscription.name = slot.spec.name.as_deref(),
                panics,
                "subscription is in quarantine after panics in a row"
            );
        })
    }

    /// An engine's state has changed.
    pub(crate) fn engine_state(&self, engine: &str, state: EngineState) -> bool {
        self.tell(|| {
            if state == EngineState::Degraded {
                tracing::warn!(target: TARGET, engine, %state, "engine is degraded");
            } else {
                tracing::info!(target: TARGET, engine, %state, "engine has changed its state");
            }
        })
    }

    /// A publish call was refused.
    pub(crate) fn publish_failed(&self, tenant: Option<&Tenant>, topic: &str, error: &dyn fmt::Display) {
        let tenant = tenant.map(Tenant::as_str);
        self.tell(|| tracing::debug!(target: TARGET, tenant, topic, %error, "publish was refused"));
    }

    /// A subscription had not come to its end when a shutdown's time was over.
    pub(crate) fn unfinished(
        &self,
        subscription: SubscriptionId,
        name: Option<&str>,
        running: u64,
        discarded: u64,
    ) {
        self.tell(|| {
            tracing::warn!(
                target: TARGET,
                %subscription,
                subscription.name = name,
                running,
                discarded,
                "subscription has not come to its end before the shutdown's"
            );
        });
    }

    /// An engine did not stop in order.
    pub(crate) fn not_stopped(&self, engine: &str, error: &dyn fmt::Display) {
        self.tell(|| tracing::warn!(target: TARGET, engine, %error, "engine has not stopped in order"));
    }

    /// The bus has been shut down.
    pub(crate) fn shut_down(&self, complete: bool, discarded: u64, threads_running: usize) {
        self.tell(|| {
            if complete && threads_running == 0 {
                tracing::debug!(target: TARGET, "bus is shut down");
            } else {
                tracing::warn!(
                    target: TARGET,
                    complete,
                    discarded,
                    threads_running,
                    "bus is shut down, and not everything was handled"
                );
            }
        });
    }
}
