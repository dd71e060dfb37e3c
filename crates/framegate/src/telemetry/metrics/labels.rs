//! What counts are told apart by. Each label is one of a few words that are written here or with the nouns.

use wire::session::{Cause, Counted, Reason, Sort};

use crate::flow::{Direction, Fate, Peer, Word};
use crate::limit::Limit;

/// A label: a noun with a word for each value, and the name under which metrics have it.
pub(super) trait Label: Word {
    /// The label's name.
    const NAME: &'static str;
}

/// The door that a connection came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Regular,
    Gateway,
    Reverse,
    /// A door that has no word here.
    Other,
}

impl Door {
    /// By the word of its mode.
    pub(crate) fn named(mode: &str) -> Self {
        Self::of_word(mode).unwrap_or(Self::Other)
    }
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Proxy,
    Server,
}

/// The class of a status (RFC 9110 §15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Success,
    Redirection,
    ClientError,
    ServerError,
    Other,
}

impl Class {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            500..=599 => Self::ServerError,
            _ => Self::Other,
        }
    }
}

/// What ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndedBy {
    ClientClose,
    ServerClose,
    ClientBroken,
    ServerBroken,
    Limit,
    Violation,
    Verdict,
    Command,
    Idle,
    Drain,
    /// It was let go before it had ended.
    Aborted,
}

impl EndedBy {
    /// `None`: it has not ended.
    pub(crate) fn of(cause: Option<&Cause>) -> Self {
        match cause {
            None => Self::Aborted,
            Some(Cause::Closed(Peer::Client)) => Self::ClientClose,
            Some(Cause::Closed(Peer::Server)) => Self::ServerClose,
            Some(Cause::Broken(Peer::Client, _)) => Self::ClientBroken,
            Some(Cause::Broken(Peer::Server, _)) => Self::ServerBroken,
            Some(Cause::Proxy(reason)) => match reason {
                Reason::Violation(violation) if violation.rule.is_limit() => Self::Limit,
                Reason::Violation(_) => Self::Violation,
                Reason::Verdict { .. } => Self::Verdict,
                Reason::Command { .. } => Self::Command,
                Reason::Lifetime => Self::Limit,
                Reason::Idle => Self::Idle,
                Reason::Drain => Self::Drain,
            },
        }
    }
}

/// Why a message is not on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LostBy {
    /// The queue was full.
    Shed,
    /// The store did not take it.
    Store,
}

/// Which of the judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JudgeKind {
    Safety,
    Plugin,
    Schema,
    Rewrite,
    Intercept,
    Hook,
}

/// What a judge decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Expressly let pass, as by a person who releases it.
    Passed,
    Replaced,
    Dropped,
    Closed,
    /// Its replacement could not be sent.
    Discarded,
}

/// How many of what was counted together became what; `blocked` of those that did not leave were stopped by a rule.
pub(crate) fn became(counted: &Counted, blocked: u32) -> [(Fate, u32); 5] {
    [
        (Fate::Sent, counted.sent),
        (Fate::Replaced, counted.replaced),
        (Fate::Dropped, counted.dropped.saturating_sub(blocked)),
        (Fate::Blocked, blocked),
        (Fate::Injected, counted.injected),
    ]
}

impl Label for Direction {
    const NAME: &'static str = "direction";
}

impl Label for Fate {
    const NAME: &'static str = "fate";
}

impl Label for Limit {
    const NAME: &'static str = "limit";
}

impl Label for Sort {
    const NAME: &'static str = "kind";
}

impl Word for Sort {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Text, "text"),
        (Self::Binary, "binary"),
        (Self::Control, "control"),
        (Self::Unknown, "unknown"),
    ];
}

impl Label for Door {
    const NAME: &'static str = "mode";
}

impl Word for Door {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Regular, "regular"),
        (Self::Gateway, "gateway"),
        (Self::Reverse, "reverse"),
        (Self::Other, "other"),
    ];
}

impl Label for By {
    const NAME: &'static str = "by";
}

impl Word for By {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Proxy, "proxy"), (Self::Server, "server")];
}

impl Label for Class {
    const NAME: &'static str = "status";
}

impl Word for Class {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Success, "2xx"),
        (Self::Redirection, "3xx"),
        (Self::ClientError, "4xx"),
        (Self::ServerError, "5xx"),
        (Self::Other, "other"),
    ];
}

impl Label for EndedBy {
    const NAME: &'static str = "cause";
}

impl Word for EndedBy {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::ClientClose, "client_close"),
        (Self::ServerClose, "server_close"),
        (Self::ClientBroken, "client_broken"),
        (Self::ServerBroken, "server_broken"),
        (Self::Limit, "limit"),
        (Self::Violation, "violation"),
        (Self::Verdict, "verdict"),
        (Self::Command, "command"),
        (Self::Idle, "idle"),
        (Self::Drain, "drain"),
        (Self::Aborted, "aborted"),
    ];
}

impl Label for LostBy {
    const NAME: &'static str = "reason";
}

impl Word for LostBy {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Shed, "shed"), (Self::Store, "store")];
}

impl Label for JudgeKind {
    const NAME: &'static str = "judge";
}

impl Word for JudgeKind {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Safety, "safety"),
        (Self::Plugin, "plugin"),
        (Self::Schema, "schema"),
        (Self::Rewrite, "rewrite"),
        (Self::Intercept, "intercept"),
        (Self::Hook, "hook"),
    ];
}

impl Label for Outcome {
    const NAME: &'static str = "outcome";
}

impl Word for Outcome {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Passed, "passed"),
        (Self::Replaced, "replaced"),
        (Self::Dropped, "dropped"),
        (Self::Closed, "closed"),
        (Self::Discarded, "discarded"),
    ];
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Mode;

    #[test]
    fn every_door_has_a_word() {
        for mode in [
            "regular@127.0.0.1:0",
            "gateway@127.0.0.1:0",
            "reverse:http://127.0.0.1:1@127.0.0.1:0",
        ] {
            let mode: Mode = mode.parse().unwrap();
            assert_ne!(Door::named(mode.name()), Door::Other, "{mode}");
        }
        assert_eq!(Door::named("none"), Door::Other);
    }

    #[test]
    fn what_a_rule_stopped_is_not_counted_as_dropped_too() {
        let counted = Counted {
            dropped: 3,
            ..Counted::default()
        };
        let became: Vec<_> = became(&counted, 2).into_iter().filter(|it| it.1 > 0).collect();
        assert_eq!(became, [(Fate::Dropped, 1), (Fate::Blocked, 2)]);
    }
}
