//! The list of all subscriptions that match one topic, in registration order, groups apart.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::carriers::Carriage;
use super::chunks::{Chunks, Summary};
use super::history::Log;
use super::slot::Slot;
use super::spec::Group;
use super::views::View;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::topic::Topic;

/// Members of a group that match the topic: one entry of a list.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    group: Arc<Group>,
    members: Arc<[Arc<Slot>]>,
}

impl Target {
    /// Whose turn it is.
    pub(super) fn next_turn(&self) -> usize {
        // Relaxed: turns need not be in step with anything.
        self.group.turn.fetch_add(1, Ordering::Relaxed) as usize % self.members.len()
    }

    /// What engines know the group by.
    pub(super) fn shared_name(&self) -> &str {
        &self.group.shared
    }

    pub(super) fn members(&self) -> &[Arc<Slot>] {
        &self.members
    }

    /// The group with only these of its members.
    pub(super) fn of_members(&self, members: Vec<Arc<Slot>>) -> Self {
        Self { group: Arc::clone(&self.group), members: members.into() }
    }

    pub(super) fn members_from(&self, first: usize) -> impl Iterator<Item = &Arc<Slot>> {
        self.members[first..].iter().chain(&self.members[..first])
    }
}

/// Sorts members of groups by their groups, in the order of their ids.
pub(super) fn targets(mut grouped: Vec<&Arc<Slot>>) -> Box<[Target]> {
    grouped.sort_unstable_by_key(|slot| slot.id);
    grouped.dedup_by_key(|slot| slot.id);
    let mut targets: Vec<(&Arc<Group>, Vec<Arc<Slot>>)> = Vec::new();
    for slot in grouped {
        let Some(group) = &slot.spec.group else { continue };
        match targets.iter_mut().find(|(known, _)| Arc::ptr_eq(known, group)) {
            Some((_, members)) => members.push(Arc::clone(slot)),
            None => targets.push((group, vec![Arc::clone(slot)])),
        }
    }
    let target = |(group, members): (_, Vec<_>)| Target { group: Arc::clone(group), members: members.into() };
    targets.into_iter().map(target).collect()
}

impl Clone for SubscriberList {
    fn clone(&self) -> Self {
        self.changed(self.chunks.clone(), self.targets.clone())
    }
}

/// What a topic's publishers walk over: everything that matches, resolved once.
///
/// The fields are in the order in which a publish by name reads them.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SubscriberList {
    /// The topic's name once more: to compare it by way of the topic would be two more pointers to follow.
    name: SmallVec<[u8; 24]>,
    /// The state of the patterns that it is right for.
    generation: AtomicU64,
    /// The topic, interned if there is an entry for it: what its events carry.
    pub(crate) topic: Topic,
    /// What the summary of the chunks says, once more: it stands further away.
    queues: bool,
    inline: bool,
    timed: bool,
    groups: bool,
    inline_groups: bool,
    /// By which engine the events go. With another one than the bus's own memory engine the five above are false, so that a
    /// publish call which goes by that one is not asked for more.
    carriage: Carriage,
    /// Published to since the last sweep: the entry stays when room is made.
    used: AtomicBool,
    /// All that are in no group.
    pub(super) chunks: Chunks,
    pub(super) targets: Box<[Target]>,
    /// The list as publish calls see it that go by another memory engine than the first, that somebody hears of, or of a
    /// tenant.
    detour: Option<Box<Detour>>,
}

/// The way of those publish calls.
#[derive(Debug)]
struct Detour {
    list: SubscriberList,
    /// Where the events are kept, if they are.
    log: Option<Arc<Log>>,
}

/// What a list is made of.
#[derive(Clone)]
struct Parts {
    carriage: Carriage,
    name: SmallVec<[u8; 24]>,
    generation: u64,
    topic: Topic,
    used: bool,
    chunks: Chunks,
    targets: Box<[Target]>,
    log: Option<Arc<Log>>,
}

impl SubscriberList {
    /// A list of plain subscriptions and groups.
    pub(super) fn of(
        generation: u64,
        topic: Topic,
        (carriage, log): (Carriage, Option<Arc<Log>>),
        chunks: Chunks,
        targets: Box<[Target]>,
    ) -> Self {
        let name = SmallVec::from_slice(topic.as_str().as_bytes());
        Self::made_of(Parts { carriage, name, generation, topic, used: true, chunks, targets, log })
    }

    /// This list with other subscribers.
    fn changed(&self, chunks: Chunks, targets: Box<[Target]>) -> Self {
        Self::made_of(Parts {
            carriage: self.carriage,
            name: SmallVec::from_slice(&self.name),
            generation: self.generation(),
            topic: self.topic.clone(),
            // Relaxed: a hint for the sweep.
            used: self.used.load(Ordering::Relaxed),
            chunks,
            targets,
            log: self.log().cloned(),
        })
    }

    fn made_of(parts: Parts) -> Self {
        let flags = Flags::of(&parts.chunks, &parts.targets);
        if parts.carriage == Carriage::default() {
            return Self::with(flags, None, parts);
        }
        // The same with what a publish call asks for, unless the engine takes it out of the call.
        let detour = (!parts.carriage.carried).then(|| {
            Box::new(Detour { list: Self::with(flags, None, parts.clone()), log: parts.log.clone() })
        });
        Self::with(Flags::default(), detour, parts)
    }

    fn with(flags: Flags, detour: Option<Box<Detour>>, parts: Parts) -> Self {
        let Flags { queues, inline, timed, groups, inline_groups } = flags;
        let Parts { carriage, name, generation, topic, used, chunks, targets, log: _ } = parts;
        Self {
            name,
            generation: AtomicU64::new(generation),
            topic,
            queues,
            inline,
            timed,
            groups,
            inline_groups,
            carriage,
            used: AtomicBool::new(used),
            chunks,
            targets,
            detour,
        }
    }

    /// Says whether this is the list of the topic of that name.
    #[inline]
    pub(super) fn is_named(&self, name: &str) -> bool {
        *self.name == *name.as_bytes()
    }

    /// The state of the patterns that it is right for.
    #[inline]
    pub(super) fn generation(&self) -> u64 {
        // Relaxed: what it holds never changes, and came with the snapshot.
        self.generation.load(Ordering::Relaxed)
    }

    /// Says that it is right for a later state of the patterns, too.
    pub(super) fn stays_right(&self, generation: u64) {
        // Relaxed: as above.
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Notes that somebody publishes to the topic.
    #[inline]
    pub(super) fn note_use(&self) {
        // Relaxed: a hint for the sweep; written only when it changes.
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Says whether anybody has published to the topic since the last call.
    pub(super) fn take_use(&self) -> bool {
        // Relaxed: as above.
        self.used.swap(false, Ordering::Relaxed)
    }

    /// This list with other subscriptions that are in no group.
    pub(super) fn with_plain(&self, chunks: Chunks) -> Self {
        self.changed(chunks, self.targets.clone())
    }

    /// This list without one member of a group; `None` if it is not there.
    pub(super) fn without_member(&self, slot: &Slot) -> Option<Self> {
        let id = slot.id;
        let at = self.targets.iter().position(|target| target.members.iter().any(|slot| slot.id == id))?;
        let mut targets = self.targets.to_vec();
        let members: Arc<[_]> = targets[at].members.iter().filter(|slot| slot.id != id).cloned().collect();
        if members.is_empty() {
            targets.remove(at);
        } else {
            targets[at].members = members;
        }
        Some(self.changed(self.chunks.clone(), targets.into()))
    }

    /// Says that a publish call has nobody to offer an event to: nobody subscribes, or another
    /// [carries](Self::is_carried) it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !(self.queues | self.inline | self.groups)
    }

    /// Says whether there is more to a publish than the bus's own memory engine: another engine, somebody who hears of it, a
    /// tenant.
    #[inline]
    pub(crate) fn is_routed(&self) -> bool {
        self.carriage != Carriage::default()
    }

    /// How long the topic's events are worth delivering if they do not say.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.carriage.ttl.get()
    }

    /// The detour, if another memory engine is all that there is to it.
    #[inline]
    pub(crate) fn plain_detour(&self) -> Option<&Self> {
        let Carriage { engine, carried, .. } = self.carriage;
        let plain = self.carriage == Carriage { engine, carried, ..Carriage::default() };
        self.detour().filter(|_| plain)
    }

    /// Says whether somebody hears of each publish call.
    pub(crate) fn is_observed(&self) -> bool {
        self.carriage.observed
    }

    /// Says whether an engine takes the events of the topic out of the publish call.
    #[inline]
    pub(crate) fn is_carried(&self) -> bool {
        self.carriage.carried
    }

    /// The list to go past if another memory engine than the first has the topic.
    pub(crate) fn detour(&self) -> Option<&Self> {
        self.detour.as_deref().map(|detour| &detour.list)
    }

    /// Where the events of the topic are kept, if they are.
    pub(crate) fn log(&self) -> Option<&Arc<Log>> {
        self.detour.as_deref()?.log.as_ref()
    }

    /// The number of the engine by which the events of the topic go.
    #[inline]
    pub(crate) fn engine(&self) -> u8 {
        self.carriage.engine
    }

    /// Says whether some subscriber that is in no group has a queue.
    #[inline]
    pub(super) fn has_queues(&self) -> bool {
        self.queues
    }

    /// Says whether some subscriber that is in no group runs inline.
    #[inline]
    pub(super) fn has_inline(&self) -> bool {
        self.inline
    }

    /// Says whether an inline handler may run, those of groups included.
    #[inline]
    pub(crate) fn may_run_inline(&self) -> bool {
        self.inline | self.inline_groups
    }

    /// Says whether the time of the call matters: a queue waits so long from there on, and inline handlers
    /// run in between.
    pub(super) fn needs_clock(&self) -> bool {
        self.timed && self.inline
    }

    #[inline]
    pub(super) fn groups(&self) -> &[Target] {
        if self.groups { &self.targets } else { &[] }
    }

    /// How many are in no group.
    pub(crate) fn plain_len(&self) -> usize {
        self.chunks.len()
    }

    /// Says whether there are subscribers, and all of them have queues and are in no group.
    #[inline]
    pub(crate) fn is_of_queues(&self) -> bool {
        self.queues & !(self.inline | self.groups)
    }

    /// The last slot, if all of them are queues, and in no group: so that nothing comes after it.
    #[inline]
    pub(super) fn last_of_queues(&self) -> Option<&Arc<Slot>> {
        if self.is_of_queues() { self.chunks.last() } else { None }
    }

    /// Every slot that is in no group, carried or not.
    pub(super) fn plain(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.chunks.iter()
    }

    /// All groups, carried or not.
    pub(super) fn all_groups(&self) -> &[Target] {
        &self.targets
    }

    /// Every slot, those of groups included.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.chunks.iter().chain(self.targets.iter().flat_map(|target| target.members.iter()))
    }

    /// Visits those in no group, beginning with number `start` and going round; one by one if not `typed`.
    #[inline(always)]
    pub(super) fn walk<'a, T: Send + Sync + 'static>(
        &'a self,
        start: usize,
        typed: bool,
        mut visit: impl FnMut(Part<'a, T>),
    ) {
        if start != 0 || !typed {
            let slots = self.chunks.iter().skip(start).chain(self.chunks.iter().take(start));
            return slots.for_each(|slot| visit(Part::Judged(slot)));
        }
        self.chunks.for_each_part(|slots, views| match views.of(slots) {
            Some(view) => visit(Part::Seen(view)),
            None => slots.get().iter().for_each(|slot| visit(Part::Judged(slot))),
        });
    }
}

/// What a publish call asks of a list first.
#[derive(Clone, Copy, Default)]
struct Flags {
    queues: bool,
    inline: bool,
    timed: bool,
    groups: bool,
    inline_groups: bool,
}

impl Flags {
    fn of(chunks: &Chunks, targets: &[Target]) -> Self {
        let Summary { queues, inline, timed, .. } = chunks.summary();
        let (groups, inline_groups) = about_groups(targets);
        Self { queues, inline, timed, groups, inline_groups }
    }
}

/// Whether there are groups, and whether some member of them runs inline.
fn about_groups(targets: &[Target]) -> (bool, bool) {
    let runs_inline = |target: &Target| target.members.iter().any(|slot| slot.is_inline());
    (!targets.is_empty(), targets.iter().any(runs_inline))
}

/// A part of a list, on the way of an `Event<T>` past it.
pub(super) enum Part<'a, T> {
    /// A subscription that is to be asked.
    Judged(&'a Arc<Slot>),
    /// Subscriptions, and how the event gets to each.
    Seen(&'a View<T>),
}
