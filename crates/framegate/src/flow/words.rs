//! The words for what the nouns enumerate, as the JSON objects and filters have them.

use super::{ClosedBy, Direction, Fate, FlowType, Kind, Protocol, State};

/// A noun with one word for each of its values.
pub trait Word: Copy + PartialEq + 'static {
    /// Every value beside its word.
    const WORDS: &'static [(Self, &'static str)];

    /// The value's word.
    fn word(self) -> &'static str {
        let entry = Self::WORDS.iter().find(|(value, _)| *value == self);
        entry.map_or("unknown", |(_, word)| word)
    }

    /// The value that a word stands for; `None` if it stands for none.
    fn of_word(text: &str) -> Option<Self> {
        let entry = Self::WORDS.iter().find(|(_, word)| *word == text);
        entry.map(|(value, _)| *value)
    }

    /// All words, for a person who used none of them.
    fn all_words() -> String {
        let words: Vec<&str> = Self::WORDS.iter().map(|(_, word)| *word).collect();
        words.join(", ")
    }
}

impl Word for Protocol {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::WebSocket, "WebSocket"), (Self::Http, "HTTP")];
}

impl Word for FlowType {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Bidirectional, "bidirectional"),
        (Self::Unary, "unary"),
        (Self::Tunnel, "tunnel"),
    ];
}

impl Word for State {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Active, "active"),
        (Self::Complete, "complete"),
        (Self::Error, "error"),
    ];
}

impl Word for ClosedBy {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Client, "client"),
        (Self::Server, "server"),
        (Self::Proxy, "proxy"),
    ];
}

impl Word for Direction {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Send, "send"), (Self::Receive, "receive")];
}

impl Word for Kind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::UpgradeRequest, "upgrade_request"),
        (Self::UpgradeResponse, "upgrade_response"),
        (Self::Text, "text"),
        (Self::Binary, "binary"),
        (Self::Close, "close"),
        (Self::Ping, "ping"),
        (Self::Pong, "pong"),
        (Self::Unknown, "unknown"),
        (Self::Request, "request"),
        (Self::Response, "response"),
    ];
}

impl Word for Fate {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Sent, "sent"),
        (Self::Replaced, "replaced"),
        (Self::Dropped, "dropped"),
        (Self::Blocked, "blocked"),
        (Self::Injected, "injected"),
    ];
}
