//! The JSON objects of a flow and of a message, which scripts rely on: written by the command line, the HTTP API and
//! JSONL files, and read back from them.
//!
//! Every key is always there, `null` where nothing is known, except `original` (only of a replaced message) and `head`
//! (only of an HTTP request or response). Reading ignores keys that it does not know.

mod flow;
mod message;
mod held;

use crate::flow::Word;
pub use flow::FlowObject;
pub use held::HeldObject;
pub use message::MessageObject;

use crate::flow::{Flow, Message, Timestamp};
use crate::inspect::HeldMessage;

/// An object that is no flow or no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ShapeError(String);

impl ShapeError {
    /// Says what is wrong with the object.
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A flow's object, to be serialised.
#[must_use]
pub fn flow(flow: &Flow) -> FlowObject<'_> {
    FlowObject::of(flow)
}

/// A message's object, to be serialised.
#[must_use]
pub fn message(message: &Message) -> MessageObject<'_> {
    MessageObject::of(message)
}

/// Reads a flow's object.
///
/// # Errors
/// Says which key is missing or holds what it must not.
pub fn parse_flow(json: &[u8]) -> Result<Flow, ShapeError> {
    parse::<FlowObject<'static>>(json)?.into_flow()
}

/// Reads a message's object.
///
/// # Errors
/// Says which key is missing or holds what it must not.
pub fn parse_message(json: &[u8]) -> Result<Message, ShapeError> {
    parse::<MessageObject<'static>>(json)?.into_message()
}

/// A held message's object, to be serialised.
#[must_use]
pub fn held(held: &HeldMessage) -> HeldObject<'_> {
    HeldObject::of(held)
}

/// Reads a held message's object.
///
/// # Errors
/// Says which key is missing or holds what it must not.
pub fn parse_held(json: &[u8]) -> Result<HeldMessage, ShapeError> {
    parse::<HeldObject<'static>>(json)?.into_held()
}

fn parse<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, ShapeError> {
    serde_json::from_slice(json).map_err(|error| ShapeError(error.to_string()))
}

fn value_of<T: Word>(key: &str, text: &str) -> Result<T, ShapeError> {
    T::of_word(text).ok_or_else(|| ShapeError(format!("`{key}` is {text:?}, which is none of: {}", T::all_words())))
}

fn time_of(key: &str, text: &str) -> Result<Timestamp, ShapeError> {
    Timestamp::parse(text).ok_or_else(|| ShapeError(format!("`{key}` is {text:?}, which is no RFC 3339 time")))
}

fn flow_id_of(text: &str) -> Result<crate::flow::FlowId, ShapeError> {
    crate::flow::FlowId::parse(text).ok_or_else(|| ShapeError(format!("`flow_id` is {text:?}, which names no flow")))
}
