//! What a filter can ask for: one entry a field.

use super::facts::{Facts, Value};
use crate::flow::{Direction, Fate, FlowType, Kind, Protocol, State, Word};

/// What kind of values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Bool,
    Time,
    /// Whatever stands there.
    Json,
}

impl Type {
    /// With its article, as a sentence has it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "true or false",
            Self::Time => "a time",
            Self::Json => "JSON",
        }
    }
}

/// When the value of a field is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// With the flow: the same for all of its messages.
    Flow,
    /// With the message.
    Message,
    /// Of the flow, and changes while it goes on.
    FlowLater,
    /// Of the message, when it is decided what becomes of it.
    MessageLater,
}

/// A fact by its name.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) of: Type,
    pub(super) known: Known,
    /// The words it may have, where they are few.
    pub(super) words: fn() -> Vec<&'static str>,
    pub(super) get: for<'f> fn(&'f Facts<'_>) -> Value<'f>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn none() -> Vec<&'static str> {
    Vec::new()
}

fn words<T: Word>() -> Vec<&'static str> {
    T::WORDS.iter().map(|(_, word)| *word).collect()
}

macro_rules! fields {
    ($($name:literal: $known:ident $of:ident $(($words:ty))? = $get:expr;)*) => {
        &[$(Field {
            name: $name,
            known: Known::$known,
            of: Type::$of,
            words: fields!(@words $($words)?),
            get: $get,
        }),*]
    };
    (@words) => { none };
    (@words $words:ty) => { words::<$words> };
}

/// All fields, in the order in which they are documented.
pub(super) const FIELDS: &[Field] = fields! {
    "url": Flow Text = |facts| facts.opening().url.as_str().into();
    "scheme": Flow Text = |facts| facts.scheme().into();
    "host": Flow Text = |facts| facts.host().into();
    "port": Flow Number = |facts| facts.port().into();
    "path": Flow Text = |facts| facts.path().into();
    "subprotocol": Flow Text = |facts| facts.opening().subprotocol.as_deref().into();
    "extensions": Flow Text = |facts| facts.opening().extensions.as_deref().into();
    "mode": Flow Text = |facts| facts.opening().mode.as_str().into();
    "client_ip": Flow Text = |facts| facts.client_ip().into();
    "client_addr": Flow Text = |facts| facts.opening().client_addr.as_str().into();
    "server_addr": Flow Text = |facts| facts.opening().server_addr.as_deref().into();
    "protocol": Flow Text(Protocol) = |facts| facts.opening().protocol.word().into();
    "flow_type": Flow Text(FlowType) = |facts| facts.opening().flow_type.word().into();
    "started_at": Flow Time = |facts| facts.opening().started_at.into();
    "state": FlowLater Text(State) = |facts| facts.state().word().into();
    "direction": Message Text(Direction) = |facts| facts.message(|message| message.direction.word()).into();
    "kind": Message Text(Kind) = |facts| facts.message(|message| message.kind.word()).into();
    "opcode": Message Number = |facts| facts.message(|message| message.opcode.map(u64::from)).flatten().into();
    "sequence": Message Number = |facts| facts.message(|message| u64::from(message.sequence)).into();
    "time": Message Time = |facts| facts.message(|message| message.at).into();
    "size": Message Number = |facts| facts.message(|message| message.size).into();
    "wire_bytes": Message Number = |facts| facts.message(|message| message.wire_bytes).into();
    "frames": Message Number = |facts| facts.message(|message| u64::from(message.frames)).into();
    "compressed": Message Bool = |facts| facts.message(|message| message.compressed).into();
    "head": Message Text = |facts| facts.message(|message| message.head).flatten().into();
    "body": Message Text = |facts| facts.message(|message| message.body).map_or(Value::Missing, Value::Text);
    "json": Message Json = |facts| facts.json().map_or(Value::Missing, Value::Json);
    "fate": MessageLater Text(Fate) = |facts| facts.message(|message| message.fate.map(Word::word)).flatten().into();
    "decided_by": MessageLater Text = |facts| facts.message(|message| message.decided_by).flatten().into();
    "violation": MessageLater Text = |facts| facts.message(|message| message.violation).flatten().into();
};

/// The field of that name.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}
