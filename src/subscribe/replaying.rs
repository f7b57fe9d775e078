//! A subscription that begins with what is kept: may it, and where is that?

use std::time::{Duration, SystemTime};

use super::builder::Start;
use super::hub::Realm;
use crate::dispatch::{Beginning, Follower, Origin, Slot, StartError, SubscriptionKind};
use crate::error::SubscribeError;
use crate::pattern::TopicPattern;

/// Clocks of two threads may differ by so much, and a start "now" is none in the future.
const SLACK: Duration = Duration::from_secs(60);

/// Says what is wrong with a start, whoever is to do it.
pub(super) fn check(start: Start, patterns: &[TopicPattern], now: SystemTime) -> Result<(), SubscribeError> {
    let what = match start {
        Start::LastN(0) => "there is no last event of none",
        Start::Sequence(0) => "events are numbered from 1",
        Start::Sequence(_) if !matches!(patterns, [pattern] if pattern.as_topic().is_some()) => {
            "numbers are those of one topic"
        }
        Start::Time(time) if time.duration_since(now).is_ok_and(|ahead| ahead > SLACK) => {
            "that is yet to come"
        }
        _ => return Ok(()),
    };
    Err(SubscribeError::InvalidStart { start, what })
}

/// What a subscription has that replays: if it does, and something may be kept of its topics.
pub(super) fn follower(
    realm: &Realm,
    (start, patterns): (Start, &[TopicPattern]),
    (kind, grouped): (SubscriptionKind, bool),
    (capacity, tells): (usize, bool),
) -> Result<Option<Follower>, SubscribeError> {
    let keeper = realm.hub.tables.keeper();
    if start == Start::Now || !keeper.is_some_and(|keeper| keeper.reach(patterns)) {
        return Ok(None);
    }
    let (engines, tenant) = (realm.hub.engines.as_ref(), realm.table.tenant());
    if engines.is_some_and(|engines| !engines.reach_memory(tenant, patterns)) {
        // Nothing is kept here of what other engines carry: they say themselves whether they can.
        return Ok(None);
    }
    let what = match kind {
        SubscriptionKind::Inline => "a handler in the publishers' threads has no order of its own",
        _ if grouped => "members of a group share one position",
        _ => return Ok(Some(Follower::new(capacity, tells))),
    };
    Err(SubscribeError::InvalidStart { start, what })
}

/// Lets a subscription follow what is kept, from there on.
pub(super) fn begin(realm: &Realm, slot: &std::sync::Arc<Slot>, start: Start) -> Result<(), SubscribeError> {
    let Some(logs) = realm.table.logs() else { return Ok(()) };
    let beginning = match start {
        Start::Now => return Ok(()),
        Start::Beginning => Beginning::Each(Origin::Beginning),
        Start::LastN(most) => Beginning::LastN(most),
        Start::Sequence(sequence) => Beginning::Each(Origin::Sequence(sequence)),
        Start::Time(time) => Beginning::Each(Origin::Time(time)),
        Start::LastPerTopic => Beginning::Each(Origin::Last),
        Start::LastPerKey => Beginning::Each(Origin::LastPerKey),
    };
    logs.follow(slot, beginning)
        .map_err(|StartError::BeyondEnd { sequence, next }| SubscribeError::BeyondEnd { sequence, next })
}
