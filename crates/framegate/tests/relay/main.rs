//! What the binary relays and records of WebSockets: over real sockets, frame by frame, at the edges of what peers do.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod compression;
mod ends;
#[cfg(target_os = "linux")] // it looks into /proc
mod hostile;
mod limits;
mod many;
#[allow(dead_code)] // the tests of `judge` use more of it
mod peers;
#[cfg(target_os = "linux")] // it looks into /proc
mod pressure;
mod rates;
mod record;
mod sizes;
mod sources;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
mod store;
