//! One task per connection: two streams and whatever passes between them.
//!
//! [`websocket`] asks a [`wire::session::Session`] what must leave and does just that; [`tunnel`] passes bytes on
//! unread. After the 101 only this room writes to a peer.

mod leg;
mod terms;
mod allowance;
mod live;
mod judging;
mod rejudging;
mod ending;
mod counting;
mod websocket;
mod tunnel;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub(crate) use live::Orders;
pub use live::{Live, Order, OrderError};
pub use tunnel::tunnel;
pub use websocket::{WebSocket, websocket};

use crate::config::{Settings, Terms, Violations};
use crate::inspect::{Hooked, Judges};
use crate::net::Stream;

/// One side of a relayed connection.
#[derive(Debug)]
pub struct Leg {
    /// The stream to the peer.
    pub stream: Stream,
    /// What was read behind the head.
    pub early: bytes::Bytes,
}

/// How a connection is relayed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The settings of the connection.
    pub settings: Arc<Settings>,
    /// What happens to a violation, the door's own default applied.
    pub violations: Violations,
    /// What goes for the connection beyond the settings.
    pub terms: Option<Arc<Terms>>,
    /// What its webhooks go by.
    pub(crate) hooked: Option<Hooked>,
    /// Who judges; others may while the connection lives.
    pub judges_now: Arc<ArcSwap<Judges>>,
}

/// Bytes that a thread reads at once, from whichever connection has some: connections keep only what is left over.
const READ_BYTES: usize = 128 << 10;

thread_local! {
    static READ: std::cell::RefCell<Vec<u8>> = std::cell::RefCell::new(vec![0; READ_BYTES]);
}
