//! What the webhooks of all connections share.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;

use super::breaker::Breaker;
use crate::config::HookUrl;
use crate::tls::Tls;

/// What the webhooks of all connections share.
pub struct Hooks {
    /// For hooks that are spoken to in TLS.
    pub(super) tls: Arc<ArcSwap<Tls>>,
    /// By the hooks' authorities; locked when a connection begins, never for a message.
    breakers: Mutex<HashMap<String, Arc<Breaker>>>,
    around: OnceLock<Around>,
}

/// What is known once the doors are open.
#[derive(Debug)]
struct Around {
    threads: usize,
    doors: Vec<SocketAddr>,
}

impl Hooks {
    /// With the TLS that connections to servers have.
    #[must_use]
    pub fn new(tls: Arc<ArcSwap<Tls>>) -> Self {
        Self {
            tls,
            breakers: Mutex::default(),
            around: OnceLock::new(),
        }
    }

    /// How many threads share the connections to hooks, and the doors of this process that no hook can be.
    pub(crate) fn surround(&self, threads: usize, doors: Vec<SocketAddr>) {
        // The doors are opened once.
        let _ = self.around.set(Around { threads, doors });
    }

    /// Scheme, host and port of each hook that connections have had, and whether its breaker is open.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, bool)> {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = breakers
            .iter()
            .map(|(hook, breaker)| (hook.clone(), breaker.is_open()))
            .collect();
        all.sort();
        all
    }

    pub(super) fn breaker(&self, hook: &HookUrl) -> Arc<Breaker> {
        let scheme = if hook.tls { "https" } else { "http" };
        let key = format!("{scheme}://{}", hook.authority());
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if breakers.len() >= BREAKERS_MAX {
            // Header fields may name ever new hooks.
            breakers.retain(|_, breaker| Arc::strong_count(breaker) > 1);
        }
        Arc::clone(breakers.entry(key).or_default())
    }

    /// One thread's share of so many connections.
    pub(super) fn share(&self, pool_size: usize) -> usize {
        let threads = self.around.get().map_or(1, |around| around.threads);
        (pool_size / threads.max(1)).max(1)
    }

    /// Whether that is a door of this process.
    pub(super) fn is_own_door(&self, addr: SocketAddr) -> bool {
        let doors = self.around.get().map_or(&[][..], |around| &around.doors);
        doors.iter().any(|door| crate::net::is_at(*door, addr))
    }
}

/// Breakers of hooks that nobody has any more are given up when there are so many.
const BREAKERS_MAX: usize = 1024;

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("breakers", &self.breakers())
            .finish_non_exhaustive()
    }
}
