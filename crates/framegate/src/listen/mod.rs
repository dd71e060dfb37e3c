//! The doors: where clients come in.
//!
//! Reading order, the way a connection travels: `start` (bind, one thread per core) · `accept` (take a client, within
//! the limit) · `connection` (from the first byte to the last) · `regular`, `gateway`, `reverse` (where does a request
//! go) · `rules`, `routes` (who says so for the latter two) · `connect` (what is in a tunnel). A door decides only where
//! a request goes and how its head is rewritten; reading requests is `http`'s.

mod accept;
mod connect;
mod connection;
mod gateway;
mod regular;
mod reverse;
mod routes;
mod rules;
mod threads;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

pub use accept::Slots;
pub use rules::Rules;

use crate::config::{Mode, Settings};
use crate::inspect::{Hooks, Judges};
use crate::limit::Sources;
use crate::record::Recorder;
use crate::relay::Live;
use crate::tls::{Ca, Tls};

/// What all connections share. Cheap to clone.
#[derive(Clone)]
pub struct World {
    /// A connection lives with the settings of the moment at which it was accepted.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Made from the settings.
    pub tls: Arc<ArcSwap<Tls>>,
    /// Who judges messages; made from the settings.
    pub judges: Arc<ArcSwap<Judges>>,
    /// What webhooks share.
    pub hooks: Arc<Hooks>,
    /// What the gateway and reverse doors go by; made from the settings.
    pub gateway: Arc<ArcSwap<Rules>>,
    /// The WebSockets that are open.
    pub live: Arc<Live>,
    /// What is counted of where clients come from, and of limits.
    pub sources: Arc<Sources>,
    /// Who is let in; to be told of a new `limits.connections_max`.
    pub slots: Arc<Slots>,
    /// Where flows go on record.
    pub recorder: Recorder,
    /// Whose certificate clients can get at `http://framegate.local/`.
    pub ca: Arc<Ca>,
    /// Cancelled, no further client is taken, and connections that wait for their next request end.
    pub stop_accepting: CancellationToken,
    /// Cancelled, every connection ends at once.
    pub close_now: CancellationToken,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Doors that are open.
#[derive(Debug)]
pub struct Listening {
    /// Each door and the address it really has: port 0 has become the port that was free.
    pub doors: Vec<(Mode, SocketAddr)>,
    threads: threads::Threads,
}

impl Listening {
    /// Waits until all connections have ended and the threads are done: for ever, unless [`World::stop_accepting`] is
    /// cancelled. It blocks, so it is not for async code.
    pub fn join(self) {
        self.threads.join();
    }
}

/// Why the doors could not be opened. None is open then.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// An address cannot be listened on.
    #[error("cannot listen on {} for {mode}: {source}", mode.addr())]
    Bind {
        /// The door.
        mode: Box<Mode>,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread, or no means to wait for its sockets.
    #[error("cannot start a thread for connections: {0}")]
    Thread(#[source] io::Error),
}

/// Opens the doors: binds every address first, then starts the threads, each with a listener of its own for each door.
/// `threads` 0 means one.
///
/// # Errors
///
/// If an address is taken or cannot be bound, or a thread cannot be started.
pub fn start(modes: &[Mode], threads: usize, world: World) -> Result<Listening, ListenError> {
    let threads = threads.max(1);
    let doors = accept::bind(modes, threads)?;
    let bound = doors.iter().map(|door| (door.mode.clone(), door.addr)).collect();
    let no_hooks = doors.iter().filter(|door| !matches!(door.mode, Mode::Reverse { .. }));
    world.hooks.surround(threads, no_hooks.map(|door| door.addr).collect());
    let threads = threads::start(doors, threads, world)?;
    Ok(Listening { doors: bound, threads })
}

#[cfg(test)]
mod tests;
