//! What judges do to messages, seen from both ends of a WebSocket, from the command line and on record.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod api;
mod compressed;
mod crowd;
mod evasion;
mod inject;
mod intercept;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod plugin;
mod redact;
mod rejudge;
mod rewrite;
mod safety;
mod schema;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
mod traces;
mod unreadable;
