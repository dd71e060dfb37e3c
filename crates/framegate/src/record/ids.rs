//! The ids that flows get, given out by the taps of all threads without a question to the store.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::flow::FlowId;

/// Ids from one on that is free in the store, each once, up to [`FlowId::MAX`].
#[derive(Debug)]
pub(super) struct Ids {
    next: AtomicU32,
    told: AtomicBool,
}

impl From<FlowId> for Ids {
    fn from(first: FlowId) -> Self {
        Self {
            next: AtomicU32::new(first.0),
            told: AtomicBool::new(false),
        }
    }
}

impl Ids {
    /// The next id; `None`: a store can hold none beyond those that were given out.
    pub(super) fn take(&self) -> Option<FlowId> {
        // Never counted further than one beyond the last: a counter that wraps would give out the first ids again.
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
                (next <= FlowId::MAX.0).then(|| next + 1)
            })
            .ok()
            .map(FlowId)
    }

    /// Whether nobody has said yet that there are none left: true once.
    pub(super) fn to_tell(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_last_id_there_is_none_and_that_is_said_once() {
        let ids = Ids::from(FlowId(FlowId::MAX.0 - 1));
        let last = [FlowId(FlowId::MAX.0 - 1), FlowId::MAX];
        assert_eq!([ids.take(), ids.take()], last.map(Some));
        assert_eq!([ids.take(), ids.take()], [None, None]);
        assert!(ids.to_tell());
        assert!(!ids.to_tell());
        assert_eq!(Ids::from(FlowId(u32::MAX)).take(), None);
    }
}
