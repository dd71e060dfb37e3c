//! What the binary relays and records of WebSockets: over real sockets, frame by frame, at the edges of what peers do.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod ends;
mod limits;
mod peers;
mod sizes;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
