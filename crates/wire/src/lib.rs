//! A sans-I/O WebSocket *relay* engine.
//!
//! Most WebSocket libraries stand at one end of a connection. This one stands in the middle: it reads what two peers
//! send each other, says what the bytes mean, and says what must go out, so that whatever nobody changed leaves byte
//! for byte as it came. It performs no I/O: there is no socket, clock, thread, async or global in here; time and
//! entropy are handed in.
//!
//! Reading order, the way a connection travels: [`http`] (heads and bodies of HTTP/1.1) · [`upgrade`] (is it one? key,
//! accept, extension offers) · [`frame`] · [`mask`] · [`deflate`] · [`message`] (assembly, UTF-8) · [`close`] ·
//! [`session`] (one relayed connection as a state machine) · [`error`].

#![forbid(unsafe_code)]

pub mod peer;
pub mod http;
pub mod upgrade;
pub mod frame;
pub mod mask;
pub mod deflate;
pub mod message;
pub mod close;
pub mod session;
pub mod error;

pub use peer::{Direction, Peer};
