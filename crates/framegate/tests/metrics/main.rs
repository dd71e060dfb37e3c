//! What `GET /metrics` says after a known conversation, held against the format and against its page.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod conversations;
mod hooks;
mod limits;
#[cfg(target_os = "linux")] // it sets limits of another process
mod lost;
mod page;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod scrape;
#[allow(dead_code)] // the tests of `hook` use more of it
#[path = "../hook/scripted.rs"]
mod scripted;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
