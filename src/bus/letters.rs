//! How dead letters get onto the bus again.

use std::sync::{Arc, Weak};

use super::form::Form;
use super::manner::Manner;
use super::publish;
use crate::dispatch::{DeadLetter, Mail, Patience};
use crate::guard::drop_guarded;
use crate::subscribe::{Hub, Realm};
use crate::tenant::Tenant;
use crate::topic::Topic;

/// The inside of a bus that can be shared, and posts its letters.
pub(super) fn with_mail(hub: Hub) -> Arc<Hub> {
    let hub = Arc::new(hub);
    if let Some(dead_letters) = &hub.hooks.dead_letters {
        dead_letters.post_by(Box::new(Post(Arc::downgrade(&hub))));
    }
    hub
}

/// Weak: the bus holds its hooks, and they this.
struct Post(Weak<Hub>);

impl Mail for Post {
    fn post(&self, tenant: Option<&Tenant>, topic: &Topic, letter: DeadLetter) -> bool {
        let Some(hub) = self.0.upgrade() else { return false };
        let common = Realm::common(hub);
        match tenant {
            None => send(&common, topic, letter),
            // It was let in, or there would be no event of its.
            Some(tenant) => send(&common.of_tenant_regardless(tenant), topic, letter),
        }
    }
}

/// A bus that shuts down takes letters as long as subscriptions are open: what engines brought before is still handled then.
fn send(realm: &Realm, topic: &Topic, letter: DeadLetter) -> bool {
    match publish::run_admitted(realm, topic.as_str(), letter, Manner::of(Form::LOCAL), Patience::Never) {
        Ok(receipt) => {
            let is_kept = || realm.table.logs().is_some_and(|logs| logs.has(topic.as_str()));
            receipt.delivered() + receipt.queued() > 0 || is_kept()
        }
        Err(detour) => {
            drop_guarded(detour.refused());
            false
        }
    }
}
