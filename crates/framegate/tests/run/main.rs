//! The binary's `run` and `demo`: from the start to the exit, over real sockets and with real signals.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod control;
mod conversation;
#[cfg(target_os = "linux")] // it mounts a small file system
mod crash;
mod end;
#[cfg(target_os = "linux")] // it looks into /proc
mod exhausted;
mod handshake;
mod reload;
mod stage;
mod start;
