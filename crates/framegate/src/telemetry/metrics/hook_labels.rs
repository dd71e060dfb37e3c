//! What is told apart of hooks.

use super::labels::Label;
use crate::flow::Word;

/// What a hook has said of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookVerdict {
    Passed,
    Blocked,
    /// A web application firewall could not read it: 400 or 413.
    Uninspected,
    Replaced,
    Dropped,
}

/// Why a hook has not said anything of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookFailure {
    Timeout,
    Connect,
    Tls,
    Protocol,
    Status,
    Breaker,
    Reach,
}

/// Why a message goes on without a verdict on the whole of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookSkipped {
    /// The hook has failed.
    Open,
    /// It goes before the hook is asked.
    Shadow,
    /// It goes unasked in `shadow`, because enough are under way.
    Full,
    /// The hook sees the beginning.
    Truncated,
    /// It is too long.
    Oversize,
    /// It is binary.
    Binary,
    /// The hook sees it in base64 alone, in which it finds little.
    Opaque,
}

/// Why a message ends the conversation without its hook having been asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookClosed {
    Binary,
    Oversize,
}

impl Label for HookVerdict {
    const NAME: &'static str = "outcome";
}

impl Word for HookVerdict {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Passed, "passed"),
        (Self::Blocked, "blocked"),
        (Self::Uninspected, "uninspected"),
        (Self::Replaced, "replaced"),
        (Self::Dropped, "dropped"),
    ];
}

impl Label for HookFailure {
    const NAME: &'static str = "kind";
}

impl Word for HookFailure {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Timeout, "timeout"),
        (Self::Connect, "connect"),
        (Self::Tls, "tls"),
        (Self::Protocol, "protocol"),
        (Self::Status, "status"),
        (Self::Breaker, "breaker"),
        (Self::Reach, "reach"),
    ];
}

impl Label for HookSkipped {
    const NAME: &'static str = "reason";
}

impl Word for HookSkipped {
    const WORDS: &'static [(Self, &'static str)] = &[
        (Self::Open, "open"),
        (Self::Shadow, "shadow"),
        (Self::Full, "full"),
        (Self::Truncated, "truncated"),
        (Self::Oversize, "oversize"),
        (Self::Binary, "binary"),
        (Self::Opaque, "opaque"),
    ];
}

impl Label for HookClosed {
    const NAME: &'static str = "reason";
}

impl Word for HookClosed {
    const WORDS: &'static [(Self, &'static str)] = &[(Self::Binary, "binary"), (Self::Oversize, "oversize")];
}
