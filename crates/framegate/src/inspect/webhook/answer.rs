//! What a hook's answer says.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;
use hyper::http::response::Parts;
use wire::frame::Opcode;
use wire::http::ResponseHead;

use crate::config::HookBody;
use crate::flow::{Direction, Word};
use crate::telemetry::{self, HookFailure, HookVerdict};
use crate::tls;

/// What a hook has said of a message, or why it has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It goes on.
    Pass(u16),
    /// It ends the conversation.
    Block(u16),
    /// A firewall could not read it.
    Uninspected(u16),
    /// Another goes on in its place.
    Replace {
        status: u16,
        /// `None`: as it was.
        opcode: Option<Opcode>,
        payload: Bytes,
    },
    /// It goes no further, and the conversation goes on.
    Drop(u16),
    /// Nothing was said of it.
    Failed(Failure),
}

/// Why a hook has not said anything of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Timeout,
    /// Its name leads nowhere.
    NoHost(String),
    Connect(String),
    Tls(tls::Reason, String),
    Protocol(String),
    Status(u16),
    Breaker,
    /// It leads where a hook that a header field names may not be.
    Reach(String),
    /// It leads to the proxy itself.
    OwnDoor(SocketAddr),
}

/// The head of an answer.
#[derive(Debug)]
pub(super) enum Head {
    /// Of HTTP/1.1.
    One(ResponseHead),
    /// Of HTTP/2.
    Many(Parts),
}

impl Head {
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::One(head) => head.status(),
            Self::Many(head) => head.status.as_u16(),
        }
    }

    /// The values of the first two fields of that name.
    fn values(&self, name: &str) -> (Option<&[u8]>, Option<&[u8]>) {
        match self {
            Self::One(head) => {
                let mut values = head.values(name);
                (values.next(), values.next())
            }
            Self::Many(head) => {
                let mut values = head.headers.get_all(name).iter().map(|value| value.as_bytes());
                (values.next(), values.next())
            }
        }
    }

    /// The names of its fields, in lower case.
    pub(super) fn names(&self) -> BTreeSet<String> {
        match self {
            Self::One(head) => head.headers().map(|field| field.name.to_ascii_lowercase()).collect(),
            Self::Many(head) => head.headers.keys().map(|name| name.as_str().to_owned()).collect(),
        }
    }

    /// The value of the first field of that name.
    pub(super) fn value(&self, name: &str) -> Option<&[u8]> {
        self.values(name).0
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// This, whatever the body is.
    Now(Outcome),
    /// This, once the answer is whole.
    Whole(Outcome),
    /// The body takes the message's place.
    Body { status: u16, opcode: Option<Opcode> },
}

impl Said {
    pub(super) fn of(head: &Head, shape: HookBody) -> Self {
        let status = head.status();
        let wrong = |what: &str| Self::Now(Outcome::Failed(Failure::Protocol(what.to_owned())));
        let (action, other) = head.values("x-framegate-action");
        match (status, action) {
            (429 | 500.., _) => Self::Now(Outcome::Failed(Failure::Status(status))),
            (400 | 413, _) if shape == HookBody::Waf => Self::Now(Outcome::Uninspected(status)),
            (200..=299, _) if other.is_some() => wrong("it has more than one x-framegate-action"),
            (200..=204, None) => Self::Whole(Outcome::Pass(status)),
            (200..=299, Some(b"drop")) => Self::Whole(Outcome::Drop(status)),
            (200..=299, Some(b"replace")) => match head.value("x-framegate-opcode") {
                None => Self::Body { status, opcode: None },
                Some(b"text") => Self::Body {
                    status,
                    opcode: Some(Opcode::Text),
                },
                Some(b"binary") => Self::Body {
                    status,
                    opcode: Some(Opcode::Binary),
                },
                Some(_) => wrong("its x-framegate-opcode is neither text nor binary"),
            },
            (200..=299, Some(_)) => wrong("its x-framegate-action is neither replace nor drop"),
            _ => Self::Now(Outcome::Block(status)),
        }
    }
}

impl Outcome {
    /// What metrics call it.
    fn label(&self) -> Result<HookVerdict, HookFailure> {
        match self {
            Self::Pass(_) => Ok(HookVerdict::Passed),
            Self::Block(_) => Ok(HookVerdict::Blocked),
            Self::Uninspected(_) => Ok(HookVerdict::Uninspected),
            Self::Replace { .. } => Ok(HookVerdict::Replaced),
            Self::Drop(_) => Ok(HookVerdict::Dropped),
            Self::Failed(failure) => Err(failure.label()),
        }
    }

    /// One more has come of a question.
    pub(super) fn count(&self, direction: Direction) {
        let counts = telemetry::counts();
        match self.label() {
            Ok(verdict) => counts.hook_verdicts.one((direction, verdict)),
            Err(failure) => counts.hook_failures.one((direction, failure)),
        }
    }

    /// In one word, for the log.
    pub(super) fn word(&self) -> &'static str {
        self.label().map_or("failed", HookVerdict::word)
    }
}

impl Failure {
    fn label(&self) -> HookFailure {
        match self {
            Self::Timeout => HookFailure::Timeout,
            Self::Connect(_) | Self::NoHost(_) => HookFailure::Connect,
            Self::Tls(..) => HookFailure::Tls,
            Self::Protocol(_) => HookFailure::Protocol,
            Self::Status(_) => HookFailure::Status,
            Self::Breaker => HookFailure::Breaker,
            Self::Reach(_) | Self::OwnDoor(_) => HookFailure::Reach,
        }
    }

    /// In one word, for the record.
    pub(super) fn word(&self) -> &'static str {
        self.label().word()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("it did not answer within hook.timeout_ms"),
            Self::Connect(why) | Self::NoHost(why) => write!(f, "no connection: {why}"),
            Self::Tls(_, why) => write!(f, "no TLS: {why}"),
            Self::Protocol(why) => write!(f, "its answer is none: {why}"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::Breaker => f.write_str("it has failed again and again"),
            Self::Reach(why) => f.write_str(why),
            Self::OwnDoor(addr) => write!(f, "it leads to {addr}, a door of this proxy itself"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fmt::Write as _;

    use hyper::Response;
    use wire::frame::Opcode;
    use wire::http::{Limits, ResponseHead};

    use super::{Failure, Head, Outcome, Said};
    use crate::config::HookBody;

    /// The same in both versions.
    fn heads(status: u16, fields: &[(&str, &str)]) -> [Head; 2] {
        let mut text = format!("HTTP/1.1 {status} X\r\n");
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            write!(text, "{name}: {value}\r\n").unwrap();
            response = response.header(*name, *value);
        }
        text += "\r\n";
        let one = ResponseHead::parse(text.as_bytes(), &Limits::default());
        let (many, ()) = response.body(()).unwrap().into_parts();
        [Head::One(one.unwrap().unwrap()), Head::Many(many)]
    }

    fn said(status: u16, fields: &[(&str, &str)]) -> Said {
        let [one, many] = heads(status, fields).map(|head| Said::of(&head, HookBody::Raw));
        assert_eq!(one, many);
        one
    }

    #[test]
    fn the_status_says_whether_it_goes_on() {
        for status in 200..=204 {
            assert_eq!(said(status, &[]), Said::Whole(Outcome::Pass(status)));
        }
        for status in [101, 205, 206, 299, 300, 302, 304, 400, 401, 403, 404, 413, 451, 499] {
            assert_eq!(said(status, &[]), Said::Now(Outcome::Block(status)), "{status}");
        }
        for status in [429, 500, 502, 503, 504, 599, 999] {
            let failed = Said::Now(Outcome::Failed(Failure::Status(status)));
            assert_eq!(said(status, &[]), failed);
        }
    }

    #[test]
    fn a_firewall_that_could_not_read_it_has_not_judged_it() {
        for status in [400, 413] {
            for head in heads(status, &[]) {
                let said = Said::of(&head, HookBody::Waf);
                assert_eq!(said, Said::Now(Outcome::Uninspected(status)));
            }
        }
    }

    #[test]
    fn an_action_counts_only_where_the_message_would_go_on() {
        let action = "x-framegate-action";
        assert_eq!(said(200, &[(action, "drop")]), Said::Whole(Outcome::Drop(200)));
        let replaced = Said::Body {
            status: 200,
            opcode: Some(Opcode::Binary),
        };
        assert_eq!(
            said(200, &[(action, "replace"), ("x-framegate-opcode", "binary")]),
            replaced
        );
        for fields in [&[(action, "replace")][..], &[(action, "drop"), (action, "drop")]] {
            assert_eq!(said(403, fields), Said::Now(Outcome::Block(403)));
        }
        for wrong in [
            &[(action, "pass")][..],
            &[(action, "drop"), (action, "replace")],
            &[(action, "replace"), ("x-framegate-opcode", "ping")],
        ] {
            let said = said(200, wrong);
            assert!(
                matches!(said, Said::Now(Outcome::Failed(Failure::Protocol(_)))),
                "{said:?}"
            );
        }
    }
}
