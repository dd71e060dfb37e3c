//! The nouns: what a flow is and what a message is.
//!
//! These types are not `Serialize`: the store, the JSON of the command line and each exchange format have their own
//! shapes, so that changing a noun never changes what a script or a database file relies on by accident.

mod decision;
mod message;
mod time;
mod words;

pub use decision::Decision;
pub use message::{Fate, Kind, Message, Metadata, Payload};
pub use time::Timestamp;
pub(crate) use time::{millis, millis_at};
pub use wire::{Direction, Peer};
pub use words::Word;

use std::fmt;

/// Names one flow in one store. It is at most 2^31 - 1, so that flow and sequence fit one 63-bit key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowId(pub u32);

impl FlowId {
    /// The largest id that a store can hold.
    pub const MAX: Self = Self((1 << 31) - 1);

    /// Reads the decimal form that [`fmt::Display`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self).filter(|id| *id <= Self::MAX)
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a flow speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// An upgraded connection (RFC 6455).
    WebSocket,
    /// An HTTP exchange, a refused upgrade, or a tunnel that CONNECT opened.
    Http,
}

/// The shape of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowType {
    /// Messages both ways for as long as the connection lives: a WebSocket.
    Bidirectional,
    /// One request and one response.
    Unary,
    /// Bytes that were passed on unread; only their number is recorded.
    Tunnel,
}

/// Where a flow is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is still open.
    Active,
    /// It ended as its protocol wants it: a Close from a peer, a whole response.
    Complete,
    /// It broke, or the proxy ended it; [`Flow::error`] says which.
    Error,
}

/// Who ended a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client's Close came first.
    Client,
    /// The server's Close came first.
    Server,
    /// The proxy ended it: a limit, a violation, a verdict, idleness, the drain.
    Proxy,
}

/// The first Close of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Whose it was.
    pub by: ClosedBy,
    /// Its status code; `None` if the frame was empty (RFC 6455 §7.1.5).
    pub code: Option<u16>,
    /// Its reason, invalid UTF-8 replaced.
    pub reason: String,
}

/// What is known of the TLS of one leg.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsLeg {
    /// Such as "TLSv1.3".
    pub version: String,
    /// Such as "TLS13_AES_256_GCM_SHA384".
    pub cipher: String,
    /// The server name that was asked for (SNI), if any.
    pub server_name: Option<String>,
    /// The subject of the peer's certificate in RFC 4514 form; `None` on the client's leg.
    pub subject: Option<String>,
    /// The negotiated application protocol, if any.
    pub alpn: Option<String>,
}

/// The TLS of both legs of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Between the client and the proxy; `None`: plain.
    pub client: Option<TlsLeg>,
    /// Between the proxy and the server; `None`: plain.
    pub server: Option<TlsLeg>,
}

/// Everything known of a flow when it opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// What it speaks.
    pub protocol: Protocol,
    /// Its shape.
    pub flow_type: FlowType,
    /// When the proxy had the request.
    pub started_at: Timestamp,
    /// The whole URL: `ws://host/path?query`, `wss://…`, `http://…`, `https://…`, or `host:port` of a tunnel.
    pub url: String,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// The `Sec-WebSocket-Extensions` that the server chose, as sent.
    pub extensions: Option<String>,
    /// The door it came through, such as "regular".
    pub mode: String,
    /// The client's address and port.
    pub client_addr: String,
    /// The server's address and port; `None` if it was never reached.
    pub server_addr: Option<String>,
    /// `None`: both legs are plain.
    pub tls: Option<Tls>,
}

/// How a flow ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// When.
    pub ended_at: Timestamp,
    /// [`State::Complete`] or [`State::Error`].
    pub state: State,
    /// What went wrong, in a few words; always there when the state is [`State::Error`].
    pub error: Option<String>,
    /// The first Close, of a WebSocket that had one.
    pub close: Option<Close>,
}

/// What a flow has carried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages from client to server, control frames included, the upgrade excluded.
    pub messages_sent: u64,
    /// Messages from server to client, control frames included, the upgrade excluded.
    pub messages_received: u64,
    /// Bytes from client to server on the wire after the upgrade; of an HTTP exchange, the body's.
    pub bytes_sent: u64,
    /// Bytes from server to client on the wire after the upgrade; of an HTTP exchange, the body's.
    pub bytes_received: u64,
    /// Messages that arrived and are not on record, because the queue was full (`record.on_full = "shed"`) or the
    /// store failed (`store.on_error = "relay"`).
    pub messages_lost: u64,
}

/// One connection's conversation, or one HTTP exchange, as it is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its name.
    pub id: FlowId,
    /// How it began.
    pub opening: Opening,
    /// What it carried.
    pub counts: Counts,
    /// `None`: it is still active.
    pub ending: Option<Ending>,
}

impl Flow {
    /// Where the flow is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        self.ending.as_ref().map_or(State::Active, |ending| ending.state)
    }
}
