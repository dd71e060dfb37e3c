//! Hooks over HTTP that judge messages, seen from both ends of a WebSocket, from the hook and on record.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod crowd;
mod drain;
mod failures;
mod hostile;
mod multiplexed;
mod order;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod requests;
#[allow(dead_code)] // the tests of `metrics` use more of it
#[path = "../metrics/scrape.rs"]
mod scrape;
mod scripted;
mod served;
mod smuggling;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
mod verdicts;
