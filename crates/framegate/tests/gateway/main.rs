//! The gateway door, seen from the proxy in front of it and from the servers behind.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod compress;
mod fields;
mod onward;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod reverse;
mod routes;
mod scene;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
mod terms;
mod trust;
