//! What the body of a hook's request is, by `hook.body`.

mod grammar;
mod reading;
mod form;
mod stomp;
mod waf;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde_json::{Map, Value};
use wire::frame::Opcode;

use crate::config::HookBody;
use crate::flow::Direction;

/// A body, and what its `Content-Type` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// `None`: it has none.
    pub(super) content_type: Option<&'static str>,
    pub(super) bytes: Bytes,
    /// It is in base64 alone, in which nobody finds much.
    pub(super) opaque: bool,
}

/// The message that a body is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Its flow on record; 0: it is not on record.
    pub(super) flow: u64,
    pub(super) sequence: u32,
    pub(super) direction: Direction,
    pub(super) opcode: Opcode,
    pub(super) payload: &'a Arc<Vec<u8>>,
}

impl Body {
    /// Of the whole message.
    pub(super) fn new(shape: HookBody, about: &About<'_>) -> Self {
        match shape {
            HookBody::Raw => Self::raw(Bytes::from_owner(Shared(Arc::clone(about.payload)))),
            HookBody::Json => Self::envelope(about, about.payload, false),
            HookBody::Waf => waf::body(about.opcode, about.payload),
        }
    }

    /// The same, unless it is longer than `max` bytes.
    pub(super) fn within(shape: HookBody, about: &About<'_>, max: usize) -> Option<Self> {
        // Hardly any is shorter than its message, and some are much longer: they are not made to be thrown away.
        (about.payload.len() <= max).then_some(())?;
        Some(Self::new(shape, about)).filter(|body| body.bytes.len() <= max)
    }

    /// Of the beginning of the message: as much of it as fits into `max` bytes, or nearly so.
    pub(super) fn truncated(shape: HookBody, about: &About<'_>, max: usize) -> Self {
        let mut len = about.payload.len().min(max);
        loop {
            let payload = &about.payload[..len];
            let body = match shape {
                HookBody::Raw => Self::raw(Bytes::copy_from_slice(payload)),
                HookBody::Json => Self::envelope(about, payload, true),
                HookBody::Waf => waf::beginning(about.opcode, payload),
            };
            let size = body.bytes.len();
            if size <= max || len == 0 {
                return body;
            }
            // What it has become longer by, it has become longer by everywhere, or nearly so.
            len = (len * max / size).min(len - 1);
        }
    }

    fn raw(bytes: Bytes) -> Self {
        Self {
            content_type: None,
            bytes,
            opaque: false,
        }
    }

    /// An object with the message and what is known of it.
    fn envelope(about: &About<'_>, payload: &[u8], truncated: bool) -> Self {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        let flow = (about.flow != 0).then(|| about.flow.to_string());
        put("flow_id", flow.into());
        put("sequence", about.sequence.into());
        put("direction", word(about.direction).into());
        put("opcode", kind(about.opcode).into());
        let text = simdutf8::basic::from_utf8(payload).ok();
        match text.filter(|_| about.opcode == Opcode::Text) {
            Some(text) => put("body", text.into()),
            None => put("raw_bytes", BASE64.encode(payload).into()),
        };
        if truncated {
            put("truncated", true.into());
        }
        Self {
            content_type: Some("application/json"),
            bytes: Value::Object(object).to_string().into(),
            opaque: false,
        }
    }
}

/// A direction in one word, as the record has it.
pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Send => "send",
        Direction::Receive => "receive",
    }
}

/// An opcode in one word.
pub(super) fn kind(opcode: Opcode) -> &'static str {
    if opcode == Opcode::Binary { "binary" } else { "text" }
}

/// A payload that is sent as it lies.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
