//! Hooks over HTTP that judge messages, seen from both ends of a WebSocket, from the hook and on record.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod failures;
mod multiplexed;
mod order;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod requests;
mod scripted;
mod served;
mod smuggling;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
mod verdicts;
