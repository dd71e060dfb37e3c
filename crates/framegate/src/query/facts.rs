//! What a filter looks at: a flow and one of its messages, recorded or under way.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value as Json;

use crate::flow::{Direction, Fate, Flow, Kind, Message, Opening, State, Timestamp};

/// A flow as filters see it. Made once for all of its messages.
#[derive(Clone, Debug)]
pub struct FlowFacts<'a> {
    /// How it began.
    pub opening: Cow<'a, Opening>,
    /// Where it is in its life.
    pub state: State,
    host: String,
}

impl<'a> FlowFacts<'a> {
    /// The facts of a flow that is still open.
    #[must_use]
    pub fn open(opening: Cow<'a, Opening>) -> Self {
        let (host, _) = host_and_port(authority(&opening.url).0);
        // Hosts are names of the DNS: neither case nor the root's dot makes another one of them.
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        Self {
            opening,
            state: State::Active,
            host,
        }
    }

    /// The scheme of its URL; a tunnel has none.
    pub(crate) fn scheme(&self) -> Option<&str> {
        scheme(&self.opening.url)
    }

    /// The host: in lower case, without the port and without a dot at its end.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port of its URL, or the scheme's own.
    pub(crate) fn port(&self) -> Option<u64> {
        let url = &self.opening.url;
        let (_, port) = host_and_port(authority(url).0);
        port.and_then(|port| port.parse().ok()).or_else(|| match scheme(url)? {
            "ws" | "http" => Some(80),
            "wss" | "https" => Some(443),
            _ => None,
        })
    }

    /// The path without the query; a tunnel has none.
    pub(crate) fn path(&self) -> Option<&str> {
        let url = &self.opening.url;
        scheme(url)?;
        let path = authority(url).1;
        Some(path.split_once('?').map_or(path, |(path, _)| path))
    }

    /// The client's address without its port.
    pub(crate) fn client_ip(&self) -> &str {
        host_and_port(&self.opening.client_addr).0
    }

    /// The same, for longer than the flow is at hand.
    #[must_use]
    pub fn into_owned(self) -> FlowFacts<'static> {
        FlowFacts {
            opening: Cow::Owned(self.opening.into_owned()),
            state: self.state,
            host: self.host,
        }
    }
}

impl<'a> From<&'a Flow> for FlowFacts<'a> {
    fn from(flow: &'a Flow) -> Self {
        Self {
            state: flow.state(),
            ..Self::open(Cow::Borrowed(&flow.opening))
        }
    }
}

/// A message as filters see it.
#[derive(Clone, Copy, Debug)]
pub struct MessageFacts<'a> {
    /// Its place in the flow.
    pub sequence: u32,
    /// Which way it goes.
    pub direction: Direction,
    /// When it was complete.
    pub at: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// The frame's opcode; `None` for the upgrade and for HTTP.
    pub opcode: Option<u8>,
    /// It came compressed.
    pub compressed: bool,
    /// Start line and header fields, of HTTP.
    pub head: Option<&'a str>,
    /// The payload: assembled, inflated, and of a recorded message as far as it is kept.
    pub body: &'a [u8],
    /// Bytes of the whole payload.
    pub size: u64,
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// How many frames it came in.
    pub frames: u32,
    /// What became of it; `None` before that is decided.
    pub fate: Option<Fate>,
    /// Who decided that.
    pub decided_by: Option<&'a str>,
    /// What its sender did against the RFCs.
    pub violation: Option<&'a str>,
}

impl MessageFacts<'_> {
    /// The facts of a message that nobody has sent yet: all that there is to say is what it would be.
    #[must_use]
    pub fn unsent() -> Self {
        Self {
            sequence: 0,
            direction: Direction::Send,
            at: Timestamp::now(),
            kind: Kind::Text,
            opcode: None,
            compressed: false,
            head: None,
            body: &[],
            size: 0,
            wire_bytes: 0,
            frames: 1,
            fate: None,
            decided_by: None,
            violation: None,
        }
    }
}

impl<'a> From<&'a Message> for MessageFacts<'a> {
    fn from(message: &'a Message) -> Self {
        Self {
            sequence: message.sequence,
            direction: message.direction,
            at: message.at,
            kind: message.kind,
            opcode: message.metadata.opcode,
            compressed: message.metadata.compressed,
            head: message.head.as_deref(),
            body: message.payload.as_bytes(),
            size: message.size,
            wire_bytes: message.wire_bytes,
            frames: message.frames,
            fate: Some(message.fate),
            decided_by: message.decided_by.as_deref(),
            violation: message.metadata.violation.as_deref(),
        }
    }
}

/// A flow with one of its messages, or none. Made once for all filters that are asked about it: a body is read as JSON
/// once, and only if somebody asks.
#[derive(Debug)]
pub struct Facts<'a> {
    flow: &'a FlowFacts<'a>,
    message: Option<MessageFacts<'a>>,
    json: OnceCell<Option<Json>>,
}

/// What a field has here. Texts are bytes: a body need not be UTF-8.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// The field has none.
    Missing,
    Text(&'a [u8]),
    Int(i64),
    Float(f64),
    Bool(bool),
    Time(Timestamp),
    Json(&'a Json),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.as_bytes())
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(at: Timestamp) -> Self {
        Self::Time(at)
    }
}

impl From<bool> for Value<'_> {
    fn from(is: bool) -> Self {
        Self::Bool(is)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Self::Missing, Into::into)
    }
}

impl<'a> Facts<'a> {
    /// A message of a flow.
    #[must_use]
    pub const fn new(flow: &'a FlowFacts<'a>, message: MessageFacts<'a>) -> Self {
        Self {
            flow,
            message: Some(message),
            json: OnceCell::new(),
        }
    }

    pub(super) const fn without_message(flow: &'a FlowFacts<'a>) -> Self {
        Self {
            flow,
            message: None,
            json: OnceCell::new(),
        }
    }

    pub(super) fn opening(&self) -> &Opening {
        &self.flow.opening
    }

    pub(super) fn state(&self) -> State {
        self.flow.state
    }

    pub(super) fn host(&self) -> &str {
        self.flow.host()
    }

    pub(super) fn port(&self) -> Option<u64> {
        self.flow.port()
    }

    pub(super) fn path(&self) -> Option<&str> {
        self.flow.path()
    }

    pub(super) fn scheme(&self) -> Option<&str> {
        self.flow.scheme()
    }

    pub(super) fn client_ip(&self) -> &str {
        self.flow.client_ip()
    }

    /// What `of` says of the message, if there is one.
    pub(super) fn message<T>(&self, of: impl FnOnce(&MessageFacts<'a>) -> T) -> Option<T> {
        self.message.as_ref().map(of)
    }

    pub(super) fn has_message(&self) -> bool {
        self.message.is_some()
    }

    /// The text or body read as JSON.
    pub(super) fn json(&self) -> Option<&Json> {
        let body = self.message.as_ref()?.body;
        self.json.get_or_init(|| serde_json::from_slice(body).ok()).as_ref()
    }
}

/// A URL's scheme; a tunnel's `host:port` has none.
fn scheme(url: &str) -> Option<&str> {
    url.split_once("://").map(|(scheme, _)| scheme)
}

/// What stands between scheme and path, and the path with all behind it.
fn authority(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// `host:port`, `[v6]:port`, or a host alone.
fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}
