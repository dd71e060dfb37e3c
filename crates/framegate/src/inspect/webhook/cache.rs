//! Verdicts that are kept, so that a message like one before needs none of its own. Each thread has its own.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};

/// What a verdict is kept for: a SHA-256 of the hook, the request's head as far as it is the same for every message of a
/// connection, and the message.
pub(super) type Key = [u8; 32];

/// A verdict that can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    Pass(u16),
    Block(u16),
    Drop(u16),
}

struct Cache {
    entries: usize,
    kept: quick_cache::unsync::Cache<Key, (Kept, Instant)>,
}

thread_local! {
    static CACHE: RefCell<Option<Cache>> = const { RefCell::new(None) };
}

/// Each part is of any length: none can run into the next.
pub(super) fn key<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut key = Key::default();
    key.copy_from_slice(digest.finish().as_ref());
    key
}

/// The verdict that is kept for the key, if it is not older than `age_ms`.
pub(super) fn get(key: &Key, age_ms: u64) -> Option<Kept> {
    CACHE.with_borrow(|cache| {
        let (kept, since) = cache.as_ref()?.kept.get(key).copied()?;
        (since.elapsed() < Duration::from_millis(age_ms)).then_some(kept)
    })
}

/// Keeps a verdict among at most so many `entries`.
pub(super) fn put(key: Key, verdict: Kept, entries: usize) {
    CACHE.with_borrow_mut(|cache| {
        if cache.as_ref().is_none_or(|cache| cache.entries != entries) {
            *cache = Some(Cache {
                entries,
                kept: quick_cache::unsync::Cache::new(entries),
            });
        }
        if let Some(cache) = cache {
            cache.kept.insert(key, (verdict, Instant::now()));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::{Kept, get, key, put};

    #[test]
    fn a_verdict_is_kept_for_the_same_question_only() {
        let one = key([&b"hook"[..], b"ab", b"c"]);
        let other = key([&b"hook"[..], b"a", b"bc"]);
        assert_ne!(one, other);
        put(one, Kept::Block(403), 10);
        assert_eq!(get(&one, 60_000), Some(Kept::Block(403)));
        assert_eq!(get(&other, 60_000), None);
        assert_eq!(get(&one, 0), None);
    }

    #[test]
    fn there_are_never_more_than_asked_for() {
        let keys: Vec<_> = (0..100u8).map(|at| key([&[at][..]])).collect();
        for key in &keys {
            put(*key, Kept::Pass(200), 10);
        }
        let kept = keys.iter().filter(|key| get(key, 60_000).is_some()).count();
        assert!(kept <= 10, "{kept}");
    }
}
