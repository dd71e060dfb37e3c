//! What can be set, typed, each with its safe default and its documentation.
//!
//! A setting has one dotted name everywhere: `limits.frame_bytes_max` in the file, in `--set` and, as
//! `FRAMEGATE_LIMITS__FRAME_BYTES_MAX`, in the environment. A limit has its unit in its name.
//!
//! Each line of the list below is `name: type = default, which values it takes;`. The comments are the users'
//! reference as well: `docs/configuration.md` is made of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::forms::{ADDR, DOOR, HOST_PATTERN, PEM_FILE, STORE_URL};
use super::mode::Mode;
use super::schema::Kind::{Flag, List, MaybeWord, Number, Text, Word};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const GIB: i64 = 1 << 30;

super::schema::settings! {
    /// Where clients and users reach the proxy.
    listen: Listen {
        /// The doors. The command line's `--mode` replaces the whole list.
        modes: Vec<Mode> = vec![Mode::Regular { addr: loopback(8080) }], List(DOOR);
        /// The address of the HTTP API; the command line's `--control`. Port 0: a free one.
        control: SocketAddr = loopback(8081), Text(ADDR);
        /// Threads that carry connections. 0: as many as there are processor cores.
        threads: usize = 0, Number(0, 1024);
    }

    /// What the proxy takes upon itself at the most.
    limits: Limits {
        /// One frame's payload; Close 1009 beyond it.
        frame_bytes_max: u64 = 16 << 20, Number(125, 1024 * GIB);
        /// One message, assembled and inflated; Close 1009 beyond it. Where `wire.violations` is `relay`, nobody
        /// inflates a message before it leaves, and the payload of its frames on the wire is what counts; if it inflates
        /// beyond the limit, it passes, and is cut there in the record and flagged.
        message_bytes_max: u64 = 64 << 20, Number(125, 1024 * GIB);
        /// Inflated to compressed size of one message, held once it has inflated to more than 64 KiB: after every
        /// 16 KiB of compressed bytes, and at its end; Close 1009 beyond it. Where `wire.violations` is `relay`, nobody inflates a message before it leaves, and it passes. The
        /// recorder holds it against what goes beyond `limits.message_bytes_max` only: such a message is given up, cut
        /// in the record and flagged, and under context takeover the compressed messages behind it in that direction
        /// are kept as they came, flagged as not inflated.
        inflate_ratio_max: u32 = 200, Number(1, 1_000_000);
        /// Client connections open at once, over all doors; further ones wait to be accepted.
        connections_max: usize = 10_000, Number(1, 10_000_000);
        /// Close 1001 to both peers when neither has sent a byte for so long. 0: never.
        idle_ms: u64 = 0, Number(0, 365 * DAY_MS);
        /// For a request head, a TLS handshake, a dial, an answer to an upgrade: each.
        handshake_ms: u64 = 10_000, Number(1, DAY_MS);
        /// For the second Close, and for the end of the stream after it.
        close_ms: u64 = 5_000, Number(1, DAY_MS);
        /// How long open connections may go on after SIGTERM before they are closed with 1001.
        drain_ms: u64 = 5_000, Number(0, DAY_MS);
        /// Start line and header fields of one request or response.
        head_bytes_max: usize = 64 << 10, Number(1024, 16 << 20);
        /// Header fields of one request or response.
        headers_max: usize = 128, Number(8, 10_000);
        /// How long CONNECT waits for the client's first bytes before it takes the tunnel for a protocol in which the
        /// server speaks first.
        sniff_ms: u64 = 500, Number(0, DAY_MS);
        /// After so long without a byte from a peer, TCP asks whether it is still there, four times within as long
        /// again: so a peer whose machine or network is gone is noticed. 0: never. While bytes are on their way to such a
        /// peer, TCP does not ask but sends them again, for as long as the system has it: some 15 minutes on Linux.
        tcp_keepalive_ms: u64 = 60_000, Number(0, DAY_MS);
        /// How long a client's connection may wait for its next HTTP request.
        keep_alive_ms: u64 = 75_000, Number(1, DAY_MS);
        /// How long an HTTP exchange may stand still, without a byte either way: then a client whose server has not begun
        /// to answer gets 504, one that does not finish its own request 408, and what has begun ends. 0: for ever.
        http_idle_ms: u64 = 300_000, Number(0, DAY_MS);
        /// A client that ends its stream so soon after its request still wants the response; later, it has left, and the
        /// server's connection ends too. 0: it has always left.
        half_close_ms: u64 = 1_000, Number(0, DAY_MS);
    }

    /// How strictly RFC 6455 and RFC 7692 are held.
    wire: Wire {
        /// What happens to a peer's violation: `relay` passes the bytes on and flags the record, `close` sends both
        /// peers a Close. Unset: each door's own default.
        violations: Option<Violations> = None, MaybeWord(&["relay", "close"]);
        /// Text messages and close reasons must be UTF-8; otherwise it is a violation (1007).
        validate_utf8: bool = false, Flag;
    }

    /// What goes on record.
    record: Record {
        /// Whether anything does.
        enabled: bool = true, Flag;
        /// A longer payload is cut in the record, and flagged.
        payload_bytes_max: usize = 1 << 20, Number(0, GIB);
        /// What happens when messages come faster than they can be stored: with `slow` the relay waits and nothing is
        /// lost, with `shed` messages are passed on unrecorded and counted on their flow.
        on_full: OnFull = OnFull::Slow, Word(&["slow", "shed"]);
        /// How much may wait to be stored.
        queue_bytes_max: usize = 64 << 20, Number(1024, 64 * GIB);
    }

    /// Where the record is kept, and for how long.
    store: Store {
        /// Empty: SQLite in the data directory.
        url: String = String::new(), Text(STORE_URL);
        /// What is on record is on disk after so long.
        flush_ms: u64 = 100, Number(1, 60_000);
        /// Whether the words of text messages are put into an index, behind the messages and while little else is to do.
        /// It costs several times what storing the message does; without it a search reads 20,000 messages and no more.
        full_text: bool = true, Flag;
        /// Flows that ended longer ago are deleted. 0: never.
        keep_days: u32 = 0, Number(0, 36_500);
        /// The oldest flows are deleted when the store grows beyond it. 0: no limit.
        bytes_max: u64 = 0, Number(0, i64::MAX);
        /// What happens when the store fails, for example because the disk is full: with `relay` messages are passed on
        /// unrecorded and counted on their flow, with `stop` the proxy drains and exits.
        on_error: OnError = OnError::Relay, Word(&["relay", "stop"]);
    }

    /// TLS on both legs.
    tls: Tls {
        /// A PEM bundle that is trusted besides the platform's roots. Empty: none.
        upstream_ca: String = String::new(), Text(PEM_FILE);
        /// Host patterns whose certificate is not verified.
        insecure_hosts: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// Host patterns whose TLS is tunnelled untouched.
        passthrough: Vec<String> = Vec::new(), List(HOST_PATTERN);
        /// How the proxy's own ClientHello looks: `standard` is as rustls makes it.
        profile: Profile = Profile::Standard, Word(&["standard"]);
    }

    /// What the proxy tells of itself on standard error.
    log: Log {
        /// How much. The variable `FRAMEGATE_LOG` goes before it, and takes levels for single parts as well, such as
        /// `warn,framegate::tls=debug`.
        level: LogLevel = LogLevel::Info, Word(&["off", "error", "warn", "info", "debug", "trace"]);
        /// A line of text or a JSON object for each event.
        format: LogFormat = LogFormat::Text, Word(&["text", "json"]);
    }
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

/// What happens when messages come faster than they can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnFull {
    /// The relay waits: nothing is lost.
    Slow,
    /// Messages are passed on unrecorded, and counted on their flow.
    Shed,
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

/// How the proxy's own ClientHello looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// As rustls makes it.
    Standard,
}

/// How much the proxy tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text.
    Text,
    /// A JSON object on one line.
    Json,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
