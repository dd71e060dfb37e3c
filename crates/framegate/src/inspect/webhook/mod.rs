//! The webhook judge: an HTTP endpoint, such as that of a web application firewall, gets each message as a request, and
//! its status says whether the message goes on.
//!
//! Reading order: `judge` (one direction of one connection, with what is under way) · `handshake` (what requests repeat of
//! the client's upgrade) · `request` (the head that goes out) · `body` (what the hook reads) · `ask` (one question, tried
//! again where that is safe, until its `deadline`) · `answer` (what the hook has said) · `pool` (each thread's connections) · `link` (one of
//! them) · `breaker`, `cache`, `hooks` (what the threads share) · `probe` (the same questions without a message).

mod judge;
mod handshake;
mod request;
mod body;
mod ask;
mod deadline;
mod answer;
mod pool;
mod link;
mod breaker;
mod cache;
mod hooks;
pub(crate) mod probe;

pub(crate) use handshake::Handshake;
pub use hooks::Hooks;
pub(super) use judge::Webhook;
pub(super) use request::SigningKey;

use std::sync::Arc;

use crate::config::{self, Terms};

/// What a hook's answer has at the most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerLimits {
    /// Of HTTP/1.1.
    pub(crate) head: wire::http::Limits,
    /// Nothing larger can take a message's place.
    pub(crate) replacement_bytes_max: u64,
}

impl AnswerLimits {
    pub(crate) fn new(limits: &config::Limits, terms: &Terms) -> Self {
        Self {
            head: limits.head(),
            replacement_bytes_max: limits.message_bytes_max.min(terms.message_bytes_max),
        }
    }
}

/// What a connection's webhooks go by.
#[derive(Clone, Debug)]
pub(crate) struct Hooked {
    /// Which hooks it has.
    pub(crate) terms: Arc<Terms>,
    /// What they are told of the client.
    pub(crate) handshake: Arc<Handshake>,
    /// What all connections share.
    pub(crate) hooks: Arc<Hooks>,
}
