//! From a topic's name to the list of its subscribers.
//!
//! ```text
//! name --hash--> bucket (snapshot) --> SubscriberList
//! ```
//!
//! Publishers read snapshots and take no lock. Whoever changes subscriptions holds the one writer
//! lock. A literal subscription changes its topic's list at once; a pattern only raises the
//! generation, and each topic's list is brought up to date by the first publish that finds it outdated.
//! An unseen topic is resolved without a trace the first time, and gets an entry the second time, so
//! that a flood of names that never come again does not wash the table out.

mod changes;
mod resolve;
mod shared;

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use smallvec::SmallVec;

use super::buckets::{Bucket, Buckets, Place};
use super::carriers::{Carriage, Carriers};
use super::chunks::Chunks;
use super::history::{Keeper, Log, Logs};
use super::index::PatternIndex;
use super::list::SubscriberList;
use super::slot::Slot;
use super::spec::Group;
use super::ttl::{Ttl, Ttls};
use crate::lifecycle::{Feed, LifecycleEvent};
use crate::pattern::TopicPattern;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sync::snapshot::{Loaded, Snapshot};
use crate::sync::{Line, Mutex, hash_keys};
use crate::tenant::Tenant;
use crate::topic::{Topic, TopicError};
use shared::{SharedTrees, on_top};

/// Remembered hashes of topics that were published once and have no entry yet.
const SEEN: usize = if cfg!(loom) { 2 } else { 1024 };

/// So many subscriptions that raised the generation are remembered. A list that is not older is only looked through for
/// those of them that it lacks, instead of resolved.
const RECENT: usize = if cfg!(loom) { 2 } else { 256 };

/// With more than so many, or one of more patterns, a list is resolved all the same.
const FEW: usize = 8;

/// A topic that is published or subscribed to: what writers and publisher handles know of it.
#[derive(Debug)]
pub(crate) struct TopicEntry {
    /// The list of which the topic's bucket has a copy: handles have a shorter way to it.
    pub(crate) list: Snapshot<SubscriberList>,
    pub(crate) topic: Topic,
    hash: u64,
    /// Only touched under the writer lock.
    needs: Mutex<Needs>,
}

/// What an entry is needed for.
#[derive(Debug, Default)]
struct Needs {
    plain: Chunks,
    grouped: Vec<Arc<Slot>>,
    /// Publisher handles that hold on to the entry.
    pins: usize,
}

impl Needs {
    /// Nothing but its use keeps the entry: no literal subscription, no handle.
    fn is_none(&self) -> bool {
        self.plain.is_empty() && self.grouped.is_empty() && self.pins == 0
    }
}

/// The topics of a bus, or of one of its tenants, and who subscribes to them.
#[derive(Debug)]
pub(crate) struct TopicTable {
    hasher: ahash::RandomState,
    buckets: Buckets,
    /// Raised when a pattern is added; lists of an older generation are brought up to date.
    generation: Line<AtomicU64>,
    seen: Box<[AtomicU32]>,
    writer: Mutex<Writer>,
    /// The most entries that no literal subscription and no publisher handle needs.
    cap: usize,
    /// How often an entry was wanted and there was no room.
    refusals: AtomicU64,
    /// The engines, if there are others than the memory engine.
    carriers: Option<Arc<dyn Carriers>>,
    /// Who hears of topics, if somebody does.
    feed: Option<Arc<Feed>>,
    /// Somebody hears of each publish call.
    observed: bool,
    /// How long events are worth delivering, if not for ever.
    ttls: Option<Arc<Ttls>>,
    /// What is kept of the events, if something is.
    logs: Option<Logs>,
    /// Whose topics they are, if they are a tenant's.
    tenant: Option<Tenant>,
}

#[derive(Debug, Default)]
struct Writer {
    patterns: PatternIndex<Vec<Arc<Slot>>>,
    groups: Vec<Arc<Group>>,
    shared: SharedTrees,
    /// Entries in all buckets,
    entries: usize,
    /// and those among them that nothing needs.
    loose: usize,
    /// The bucket where the next sweep begins.
    hand: usize,
    /// The bus has ended, and no subscription enters any more.
    closed: bool,
    /// The subscriptions that raised the generation, each by one, the latest last. `None`: it has left since.
    recent: VecDeque<Option<Arc<Slot>>>,
}

impl Writer {
    /// Notes a subscription that is about to raise the generation.
    fn note_recent(&mut self, slot: &Arc<Slot>, garbage: &mut Garbage) {
        if self.recent.len() == RECENT {
            garbage.slots.extend(self.recent.pop_front().flatten());
        }
        self.recent.push_back(Some(Arc::clone(slot)));
    }

    /// A subscription has left.
    fn forget_recent(&mut self, slot: &Slot, garbage: &mut Garbage) {
        let is_it =
            |recent: &&mut Option<Arc<Slot>>| recent.as_ref().is_some_and(|recent| recent.id == slot.id);
        garbage.slots.extend(self.recent.iter_mut().find(is_it).and_then(Option::take));
    }

    /// The subscriptions that a topic's list of generation `then` lacks, if all there is to do is to add them.
    fn news(&self, topic: &str, then: u64, now: u64) -> Option<SmallVec<[Arc<Slot>; FEW]>> {
        let count = usize::try_from(now.checked_sub(then)?).ok()?;
        let first = self.recent.len().checked_sub(count)?;
        let mut news = SmallVec::new();
        for slot in self.recent.iter().skip(first).flatten() {
            if slot.spec.patterns.len() > FEW {
                // The trie tells sooner.
                return None;
            }
            if slot.matches(topic) {
                if slot.spec.group.is_some() || news.len() == FEW {
                    return None;
                }
                news.push(Arc::clone(slot));
            }
        }
        Some(news)
    }
}

/// What a change leaves behind. Dropped outside the writer lock, for it may hold the last reference
/// to user code (R5).
#[derive(Default)]
struct Garbage {
    lists: SmallVec<[Arc<SubscriberList>; 2]>,
    buckets: SmallVec<[Arc<Bucket>; 4]>,
    slots: SmallVec<[Arc<Slot>; 1]>,
    trees: SmallVec<[Chunks; 2]>,
    logs: Vec<Arc<Log>>,
}

impl TopicTable {
    pub(crate) fn new(cap: usize, carriers: Option<Arc<dyn Carriers>>, feed: Option<Arc<Feed>>) -> Self {
        Self {
            hasher: hash_keys(),
            buckets: Buckets::new(),
            generation: Line(AtomicU64::new(0)),
            seen: (0..SEEN).map(|_| AtomicU32::new(0)).collect(),
            writer: Mutex::new(Writer::default()),
            cap,
            refusals: AtomicU64::new(0),
            carriers,
            observed: feed.is_some(),
            feed,
            ttls: None,
            logs: None,
            tenant: None,
        }
    }

    /// The same of a bus whose events expire.
    pub(super) fn with_ttls(self, ttls: Option<Arc<Ttls>>) -> Self {
        Self { ttls, ..self }
    }

    /// The same of a bus that keeps events.
    pub(super) fn keeping(self, keeper: Option<Arc<Keeper>>) -> Self {
        Self { logs: keeper.map(Logs::new), ..self }
    }

    /// What is kept of the events, if something is.
    pub(crate) fn logs(&self) -> Option<&Logs> {
        self.logs.as_ref()
    }

    /// A subscription has ended: it follows nothing any more.
    pub(super) fn leave_logs(&self, slot: &Slot) {
        if let Some(logs) = &self.logs {
            logs.leave(slot);
        }
    }

    /// The same of a bus of which somebody hears of each publish call, or nobody.
    pub(super) fn observed(self, observed: bool) -> Self {
        Self { observed, ..self }
    }

    /// The table of a tenant's topics.
    pub(super) fn of_tenant(self, tenant: Option<Tenant>) -> Self {
        Self { tenant, ..self }
    }

    /// Whose topics they are, if they are a tenant's.
    #[inline]
    pub(crate) fn tenant(&self) -> Option<&Tenant> {
        self.tenant.as_ref()
    }

    /// Says whether nobody subscribes to anything here, and no publisher handle is held.
    pub(super) fn is_vacant(&self) -> bool {
        let writer = self.writer.lock();
        writer.entries == writer.loose && writer.patterns.is_empty()
    }

    /// By which engine the events of a topic go now, and where they are kept. Under the writer lock.
    fn carriage(&self, topic: &str, garbage: &mut Garbage) -> (Carriage, Option<Arc<Log>>) {
        let carriage = self
            .carriers
            .as_ref()
            .map_or_else(Carriage::default, |carriers| carriers.route(self.tenant(), topic));
        let ttl = self.ttls.as_ref().map_or(Ttl::NONE, |ttls| ttls.of(topic));
        // What an engine carries, it may keep itself.
        let logs = self.logs.as_ref().filter(|_| !carriage.carried);
        let log = logs.and_then(|logs| logs.of(topic, &mut garbage.logs));
        let (of_tenant, retained) = (self.tenant.is_some(), log.is_some());
        (Carriage { observed: self.observed, of_tenant, retained, ttl, ..carriage }, log)
    }

    /// Tells of a topic, or a pattern: the first subscription to it has come, or the last one has gone. Under the writer lock,
    /// so that the two are told in their order; to tell takes a short lock and runs nothing of the application's.
    fn tell(&self, event_type: &'static str, pattern: &TopicPattern) {
        if let Some(feed) = &self.feed {
            let event = LifecycleEvent::of_bus(event_type).with("topic", pattern.as_str().to_owned());
            feed.tell(event.of_tenant(self.tenant()));
        }
    }

    /// A subscription has ended: it leaves the engines that it has joined.
    pub(super) fn leave(&self, slot: &Slot) {
        if let Some(carriers) = &self.carriers {
            let joined = slot.end_joining();
            if joined != 0 {
                carriers.left(slot.id, joined);
            }
        }
    }

    /// The routing rules have changed: every topic is resolved anew before it is published to again.
    pub(crate) fn reroute(&self) {
        let mut garbage = Garbage::default();
        let mut writer = self.writer.lock();
        // Who looks for what a list lacks finds that too much has happened.
        garbage.slots.extend(writer.recent.drain(..).flatten());
        // Release: with the rules.
        self.generation.fetch_add(1, Ordering::Release);
    }

    #[inline]
    pub(crate) fn hash(&self, name: &str) -> u64 {
        // The bytes alone: `str` adds one more, to be told apart from its neighbours, and that costs a round.
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name.as_bytes());
        hasher.finish()
    }

    /// The bucket of a hash, where [`named`](Self::named) looks. It stays with the
    /// caller: to hand it on would cost more than to find it.
    #[inline]
    pub(crate) fn bucket(&self, hash: u64) -> Loaded<Bucket> {
        self.buckets.of(hash).load()
    }

    /// The list of a topic by its name, if it is in the bucket and up to date.
    #[inline]
    pub(crate) fn named<'a>(&self, bucket: &'a Bucket, hash: u64, name: &str) -> Option<&'a SubscriberList> {
        self.current(&bucket.find(hash, name)?.list)
    }

    /// The list, if it is up to date.
    #[inline]
    pub(crate) fn current<'a>(&self, list: &'a SubscriberList) -> Option<&'a SubscriberList> {
        // Acquire: the patterns behind a generation are registered when it shows (V1). A list that
        // is replaced after this look was current at the moment of the look.
        let current = list.generation() == self.generation.load(Ordering::Acquire);
        current.then(|| {
            list.note_use();
            list
        })
    }

    /// The list of an entry, brought up to date if it is not.
    #[cold]
    pub(crate) fn refreshed(&self, entry: &Arc<TopicEntry>) -> Arc<SubscriberList> {
        let mut garbage = Garbage::default();
        self.up_to_date(&mut self.writer.lock(), entry, &mut garbage)
    }

    /// The list of an entry, brought up to date if it is not. Under the writer lock.
    fn up_to_date(
        &self,
        writer: &mut Writer,
        entry: &Arc<TopicEntry>,
        garbage: &mut Garbage,
    ) -> Arc<SubscriberList> {
        let here = entry.list.load_full();
        // Relaxed: only changed under the writer lock, which we hold.
        let now = self.generation.load(Ordering::Relaxed);
        if here.generation() == now {
            return here;
        }
        let bucket = self.bucket(entry.hash);
        let Some(place) = bucket.iter().find(|place| Arc::ptr_eq(&place.entry, entry)) else {
            // It went in a sweep, and has been taken off the account of where slots stand.
            return Arc::new(self.resolve(writer, entry, garbage));
        };
        let list = match writer.news(entry.topic.as_str(), here.generation(), now) {
            Some(news) if news.is_empty() => {
                here.stays_right(now);
                place.list.stays_right(now);
                return here;
            }
            Some(news) => {
                let grown = on_top(here.chunks.clone(), &news);
                let literals = &entry.needs.lock().plain;
                let chunks = writer.shared.list_of(entry.topic.as_str(), literals, grown, garbage);
                news.iter().for_each(|slot| count_one(slot, entry.hash));
                let grown = here.with_plain(chunks);
                grown.stays_right(now);
                Arc::new(grown)
            }
            None => {
                let list = self.resolve(writer, entry, garbage);
                list.all().for_each(|slot| count_one(slot, entry.hash));
                discount_listed(&here);
                Arc::new(list)
            }
        };
        self.put(entry, Arc::clone(&list), garbage);
        list
    }

    /// The topic of this name in the form that its events carry, if it has an entry.
    pub(crate) fn known_topic(&self, name: &str) -> Option<Topic> {
        let hash = self.hash(name);
        self.bucket(hash).find(hash, name).map(|place| place.list.topic.clone())
    }

    /// Puts a list in an entry's place; the caller keeps count of where the slots stand. Under the writer lock.
    fn put(&self, entry: &Arc<TopicEntry>, list: Arc<SubscriberList>, garbage: &mut Garbage) {
        let snapshot = self.buckets.of(entry.hash);
        let old = snapshot.load();
        if old.iter().any(|place| Arc::ptr_eq(&place.entry, entry)) {
            let changed = |place: &Place| {
                let current = if Arc::ptr_eq(&place.entry, entry) { &list } else { &place.list };
                Place {
                    hash: place.hash,
                    list: SubscriberList::clone(current),
                    entry: Arc::clone(&place.entry),
                }
            };
            let bucket: Bucket = old.iter().map(changed).collect();
            garbage.buckets.push(snapshot.swap(Arc::new(bucket)));
        }
        garbage.lists.push(entry.list.swap(list));
    }

    /// Who would get an event on this topic now.
    ///
    /// # Errors
    ///
    /// [`TopicError`] if the name is no topic.
    pub(crate) fn matching(&self, name: &str) -> Result<Vec<Arc<Slot>>, TopicError> {
        Topic::validate(name)?;
        let mut slots = Vec::new();
        {
            let writer = self.writer.lock();
            writer.patterns.for_each_match(name, |matching| slots.extend(matching.iter().cloned()));
            if let Some(entry) = self.known(self.hash(name), name) {
                let needs = entry.needs.lock();
                slots.extend(needs.plain.iter().cloned());
                slots.extend(needs.grouped.iter().cloned());
            }
        }
        slots.sort_unstable_by_key(|slot| slot.id);
        slots.dedup_by_key(|slot| slot.id);
        Ok(slots)
    }

    /// The patterns that somebody subscribes to, with the number of subscriptions, sorted.
    pub(crate) fn subscribed(&self) -> Vec<(TopicPattern, usize)> {
        let writer = self.writer.lock();
        let mut all: Vec<(TopicPattern, usize)> =
            writer.patterns.iter().map(|(pattern, slots)| (pattern.clone(), slots.len())).collect();
        for snapshot in self.buckets.iter() {
            for Place { entry, .. } in snapshot.load().iter() {
                let needs = entry.needs.lock();
                let count = needs.plain.len() + needs.grouped.len();
                if count > 0 {
                    all.push((TopicPattern::from(entry.topic.clone()), count));
                }
            }
        }
        all.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
        all
    }

    /// Entries in the table now, and how often one was refused for want of room.
    pub(crate) fn usage(&self) -> (usize, u64) {
        (self.writer.lock().entries, self.refusals.load(Ordering::Relaxed))
    }

    /// The entry of a topic. Under the writer lock.
    fn known(&self, hash: u64, name: &str) -> Option<Arc<TopicEntry>> {
        self.bucket(hash).find(hash, name).map(|place| Arc::clone(&place.entry))
    }
}

/// A slot enters the list of the topic of this hash. Under the writer lock, hence Relaxed, and no read-modify-write.
fn count_one(slot: &Slot, hash: u64) {
    slot.listed.store(slot.listed.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    slot.last_listed.store(hash, Ordering::Relaxed);
}

/// A slot leaves a list. As above.
fn discount_one(slot: &Slot) {
    slot.listed.store(slot.listed.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
}

/// A list leaves the table. As above.
fn discount_listed(list: &SubscriberList) {
    list.all().for_each(|slot| discount_one(slot));
}

#[cfg(all(test, not(loom)))]
mod tests;
