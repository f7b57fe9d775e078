//! The order of the subscriptions.

use std::cmp::Reverse;

use super::model::{Counter, Model, SubscriptionRow};

/// What the subscriptions are sorted by. Numbers sort the highest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Registration,
    Name,
    Offered,
    Delivered,
    Queued,
    Oldest,
    Running,
    Failed,
    Dropped,
}

impl Sort {
    /// In the order in which a key goes through them: that of the columns.
    pub(crate) const ALL: [Self; 9] = [
        Self::Registration,
        Self::Name,
        Self::Offered,
        Self::Delivered,
        Self::Queued,
        Self::Oldest,
        Self::Running,
        Self::Failed,
        Self::Dropped,
    ];

    /// The next column, and after the last one the first.
    pub(crate) fn next(self) -> Self {
        Self::turn(Self::ALL.iter(), self)
    }

    /// The column before, and before the first one the last.
    pub(crate) fn previous(self) -> Self {
        Self::turn(Self::ALL.iter().rev(), self)
    }

    fn turn(all: impl Iterator<Item = &'static Self> + Clone, from: Self) -> Self {
        all.cycle().skip_while(|sort| **sort != from).nth(1).copied().unwrap_or_default()
    }

    /// In a word, for people.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Name => "name",
            Self::Offered => "offered",
            Self::Delivered => "delivered",
            Self::Queued => "queued",
            Self::Oldest => "oldest",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }

    /// The subscriptions in this order; those that are alike stay in the order of registration.
    pub(crate) fn of(self, model: &Model) -> Vec<&SubscriptionRow> {
        let mut rows: Vec<&SubscriptionRow> = model.subscriptions.iter().collect();
        let faster = |counter: Counter| Reverse((counter.tenths, counter.total));
        match self {
            Self::Registration => {}
            Self::Name => rows.sort_by(|one, other| one.name.cmp(&other.name)),
            Self::Offered => rows.sort_by_key(|row| faster(row.offered)),
            Self::Delivered => rows.sort_by_key(|row| faster(row.delivered)),
            Self::Queued => rows.sort_by_key(|row| Reverse(row.queued)),
            Self::Oldest => rows.sort_by_key(|row| Reverse(row.oldest)),
            Self::Running => rows.sort_by_key(|row| Reverse(row.running)),
            Self::Failed => rows.sort_by_key(|row| faster(row.failed)),
            Self::Dropped => rows.sort_by_key(|row| faster(row.dropped_total())),
        }
        rows
    }
}
