//! What one client connection is and may do: everything that its requests have in common.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use super::Origin;
use crate::config::{Settings, Terms, Violations};
use crate::flow::TlsLeg;
use crate::inspect::{Hooked, Hooks, Judges};
use crate::limit::Sources;
use crate::record::Tap;
use crate::relay::{Live, Policy};
use crate::tls::{Ca, Tls};

/// A door of this process, as whoever might dial it has to know it.
#[derive(Clone, Debug)]
pub(crate) struct OwnDoor {
    pub(crate) addr: SocketAddr,
    /// Where all its requests go; `None`: wherever they want.
    pub(crate) server: Option<Origin>,
}

/// One accepted connection's surroundings. The settings are those of the moment it was accepted.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) settings: Arc<Settings>,
    pub(crate) tls: Arc<Tls>,
    pub(crate) ca: Arc<Ca>,
    pub(crate) judges: Arc<Judges>,
    /// The judges as they are now, which may be others by then.
    pub(crate) judges_now: Arc<ArcSwap<Judges>>,
    /// What webhooks share.
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) live: Arc<Live>,
    pub(crate) sources: Arc<Sources>,
    pub(crate) tap: Tap,
    /// The door's word, such as "regular".
    pub(crate) mode: &'static str,
    pub(crate) client_addr: SocketAddr,
    /// Where the client found the proxy.
    pub(crate) local_addr: SocketAddr,
    /// Of the stream that requests are read from now.
    pub(crate) client_tls: Option<TlsLeg>,
    /// Every door of this process.
    pub(crate) own_doors: Rc<[OwnDoor]>,
    /// The address of the one that the client came through.
    pub(crate) door: SocketAddr,
    pub(crate) stop_accepting: CancellationToken,
}

impl Context {
    /// The limits of heads.
    pub(crate) fn head_limits(&self) -> wire::http::Limits {
        self.settings.limits.head()
    }

    /// `limits.handshake_ms`.
    pub(crate) fn handshake(&self) -> Duration {
        Duration::from_millis(self.settings.limits.handshake_ms)
    }

    /// `limits.close_ms`.
    pub(crate) fn close(&self) -> Duration {
        Duration::from_millis(self.settings.limits.close_ms)
    }

    /// How many bytes of a body go on record.
    pub(crate) fn capture_max(&self) -> usize {
        let record = &self.settings.record;
        if record.enabled { record.payload_bytes_max } else { 0 }
    }

    /// How a connection that leaves HTTP is relayed; `terms`: what goes for it beyond the settings;
    /// `hooked`: what its webhooks go by.
    pub(crate) fn policy(&self, terms: Option<Arc<Terms>>, hooked: Option<Hooked>) -> Policy {
        // What a lenient server puts together otherwise than the rules saw it must not get past them.
        let default = match self.judges.block() || terms.is_some() {
            true => Violations::Close,
            false => Violations::Relay,
        };
        Policy {
            settings: Arc::clone(&self.settings),
            violations: self.settings.wire.violations.unwrap_or(default),
            judges_now: Arc::clone(&self.judges_now),
            terms,
            hooked,
        }
    }
}
