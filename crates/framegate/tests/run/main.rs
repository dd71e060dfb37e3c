//! The binary's `run` and `demo`: from the start to the exit, over real sockets and with real signals.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod conversation;
mod end;
mod reload;
mod stage;
mod start;
