//! What can be set, typed, each with its safe default.
//!
//! A setting has one dotted name everywhere: `limits.frame_bytes_max` in the file, in `--set` and, as
//! `FRAMEGATE_LIMITS__FRAME_BYTES_MAX`, in the environment. A limit has its unit in its name.

use serde::{Deserialize, Serialize};

/// Everything that can be set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// What the proxy takes upon itself at the most.
    pub limits: Limits,
    /// How strictly RFC 6455 and RFC 7692 are held.
    pub wire: Wire,
    /// What goes on record.
    pub record: Record,
    /// Where the record is kept, and for how long.
    pub store: Store,
    /// TLS on both legs.
    pub tls: Tls,
}

/// What the proxy takes upon itself at the most.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// One frame's payload; Close 1009 beyond it.
    pub frame_bytes_max: u64,
    /// One message, assembled and inflated; Close 1009 beyond it.
    pub message_bytes_max: u64,
    /// Inflated to compressed size of one message, counted above the first 64 KiB of it.
    pub inflate_ratio_max: u32,
    /// Client connections open at once, over all doors; further ones wait to be accepted.
    pub connections_max: usize,
    /// Close 1001 to both peers when neither has sent a byte for so long. 0: never.
    pub idle_ms: u64,
    /// For a request head, a TLS handshake, a dial, an answer to an upgrade: each.
    pub handshake_ms: u64,
    /// For the second Close, and for the end of the stream after it.
    pub close_ms: u64,
    /// How long open connections may go on after SIGTERM before they are closed with 1001.
    pub drain_ms: u64,
    /// Start line and header fields of one request or response.
    pub head_bytes_max: usize,
    /// Header fields of one request or response.
    pub headers_max: usize,
    /// How long CONNECT waits for the client's first bytes before it takes the tunnel for a protocol in which the
    /// server speaks first.
    pub sniff_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            message_bytes_max: 64 << 20,
            inflate_ratio_max: 200,
            connections_max: 10_000,
            idle_ms: 0,
            handshake_ms: 10_000,
            close_ms: 5_000,
            drain_ms: 5_000,
            head_bytes_max: 64 << 10,
            headers_max: 128,
            sniff_ms: 500,
        }
    }
}

/// How strictly RFC 6455 and RFC 7692 are held.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wire {
    /// What happens to a peer's violation; unset: each door's own default.
    pub violations: Option<Violations>,
    /// Text messages and close reasons must be UTF-8; otherwise it is a violation (1007).
    pub validate_utf8: bool,
}

/// What happens when a peer breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Violations {
    /// The bytes are passed on and the record is flagged.
    Relay,
    /// Both peers get a Close.
    Close,
}

/// What goes on record.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// Whether anything does.
    pub enabled: bool,
    /// A longer payload is cut in the record, and flagged.
    pub payload_bytes_max: usize,
    /// What happens when messages come faster than they can be stored.
    pub on_full: OnFull,
    /// How much may wait to be stored.
    pub queue_bytes_max: usize,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            enabled: true,
            payload_bytes_max: 1 << 20,
            on_full: OnFull::Slow,
            queue_bytes_max: 64 << 20,
        }
    }
}

/// What happens when messages come faster than they can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// The relay waits: nothing is lost.
    Slow,
    /// Messages are passed on unrecorded, and counted on their flow.
    Shed,
}

/// Where the record is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// Empty: SQLite in the data directory.
    pub url: String,
    /// What is on record is on disk after so long.
    pub flush_ms: u64,
    /// Flows that ended longer ago are deleted. 0: never.
    pub keep_days: u32,
    /// The oldest flows are deleted when the store grows beyond it. 0: no limit.
    pub bytes_max: u64,
    /// What happens when the store fails, for example because the disk is full.
    pub on_error: OnError,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: String::new(),
            flush_ms: 100,
            keep_days: 0,
            bytes_max: 0,
            on_error: OnError::Relay,
        }
    }
}

/// What happens when the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// Messages are passed on unrecorded, and counted on their flow.
    Relay,
    /// The proxy drains and exits.
    Stop,
}

/// TLS on both legs.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// A PEM bundle that is trusted besides the platform's roots. Empty: none.
    pub upstream_ca: String,
    /// Host patterns whose certificate is not verified.
    pub insecure_hosts: Vec<String>,
    /// Host patterns whose TLS is tunnelled untouched.
    pub passthrough: Vec<String>,
    /// How the proxy's own ClientHello looks.
    pub profile: Profile,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            upstream_ca: String::new(),
            insecure_hosts: Vec::new(),
            passthrough: Vec::new(),
            profile: Profile::Standard,
        }
    }
}

/// How the proxy's own ClientHello looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As rustls makes it.
    Standard,
}
