//! `framegate doctor waf`, before hooks that are set up well and badly: a test for each thing that it can find.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod answers;
mod failures;
mod hooks;
mod lengths;
#[allow(dead_code)] // the tests of `relay` use more of it
#[path = "../relay/peers.rs"]
mod peers;
mod report;
#[allow(dead_code)] // the tests of `hook` use more of it
#[path = "../hook/scripted.rs"]
mod scripted;
#[allow(dead_code)] // the tests of `hook` use more of it
#[path = "../hook/served.rs"]
mod served;
mod settings;
#[allow(dead_code)] // the tests of `run` use more of it
#[path = "../run/stage.rs"]
mod stage;
