//! The judges: whoever may look at a whole, inflated message and say what becomes of it.
//!
//! This room returns verdicts and never touches the wire: [`relay`](crate::relay) asks it about each message that the
//! session holds, and tells the session what it said. Control frames never reach a judge.

mod judge;
mod plugin;

pub(crate) use judge::{Opinion, Subject};
