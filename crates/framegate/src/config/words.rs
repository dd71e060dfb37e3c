//! The words that settings take where there are few: each list of them a type.

use serde::{Deserialize, Serialize};

use crate::flow::Direction;

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

/// What becomes of a message in which a safety rule found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SafetyAction {
    /// It does not leave.
    Block,
    /// It passes, and the record is flagged.
    LogOnly,
}

/// What becomes of a message that has not the form of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaAction {
    /// It does not leave.
    Block,
    /// It does not leave, and the conversation ends.
    Close,
    /// It passes, and the record is flagged.
    LogOnly,
}

/// What a binary message is to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SchemaBinary {
    /// Not what it asks for.
    Violation,
    /// None of its business.
    Pass,
}

/// Where the rules of `safety.output` take out what they find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplyTo {
    /// In the record: the client gets the message as it came.
    Record,
    /// In the message that the client gets.
    Forward,
    /// In both.
    Both,
}

/// What happens when a plugin fails, or takes more than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnPluginError {
    /// The message goes on as if the plugin had not been there.
    Skip,
    /// The conversation ends.
    Close,
}

/// What becomes of a message that is not held, or not any longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnHold {
    /// It goes on as it is.
    Release,
    /// It does not leave.
    Drop,
}

/// Which way the messages go that a rule is for, as `direction` has it in filters, or in as many words.
pub(super) const DIRECTIONS: &[&str] = &["send", "receive", "both", "client_to_server", "server_to_client"];

/// Which way a message goes that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleDirection {
    /// From client to server.
    #[serde(alias = "client_to_server")]
    Send,
    /// From server to client.
    #[serde(alias = "server_to_client")]
    Receive,
    /// Either way.
    Both,
}

impl RuleDirection {
    /// Whether it is each of [`Direction::BOTH`].
    pub(crate) fn each(self) -> [bool; 2] {
        Direction::BOTH.map(|direction| match self {
            Self::Both => true,
            Self::Send => direction == Direction::Send,
            Self::Receive => direction == Direction::Receive,
        })
    }
}

/// What kind of message a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOpcode {
    /// Text.
    Text,
    /// Binary.
    Binary,
    /// Either.
    Any,
}

/// What becomes of a binary message while a hook judges its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBinary {
    /// The conversation ends.
    Close,
    /// The hook is asked about it too.
    Hook,
    /// It goes unjudged.
    Pass,
}

/// What becomes of a message whose hook has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookFail {
    /// The conversation ends.
    Closed,
    /// It goes on.
    Open,
    /// It goes on, and so does one that the hook does not let go.
    Shadow,
}

/// What the body of a hook's request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookBody {
    /// The payload.
    Raw,
    /// What a web application firewall reads.
    Waf,
    /// The message and what is known of it.
    Json,
}

/// What becomes of a message whose hook would get too long a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOversize {
    /// The conversation ends.
    Block,
    /// The hook is asked about its beginning.
    Truncate,
    /// It goes on.
    Pass,
}

/// Whose path and query a hook's requests have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookTarget {
    /// Those of the client's upgrade.
    Handshake,
    /// Those of the hook's own URL.
    Url,
}

/// Which HTTP hooks are spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum HookHttp {
    /// What the TLS handshake says, or else HTTP/1.1.
    #[serde(rename = "auto")]
    Auto,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http1,
    /// HTTP/2, without asking where there is no TLS.
    #[serde(rename = "2")]
    Http2,
}
