//! What a publish call says of its payload.

use std::time::Duration;

use super::form::Form;
use crate::event::Extras;
use crate::tenant::Tenant;

/// How a payload goes into the bus: two words, which travel in registers. (With the payload in it, that would be copied once
/// more.)
pub(super) struct Manner<T: 'static> {
    pub(super) form: &'static Form<T>,
    pub(super) extras: Option<Box<Extras>>,
}

impl<T: 'static> Manner<T> {
    /// Without more.
    #[inline]
    pub(super) fn of(form: &'static Form<T>) -> Self {
        Self { form, extras: None }
    }

    /// As an event of that tenant, if it is one, that is worth delivering so long if it does not say.
    pub(super) fn by(mut self, tenant: Option<&Tenant>, ttl: Option<Duration>) -> Self {
        if let Some(ttl) = ttl {
            self.extras.get_or_insert_default().ttl.get_or_insert(ttl);
        }
        if let Some(tenant) = tenant {
            self.extras.get_or_insert_default().tenant = Some(tenant.clone());
        }
        self
    }
}
