//! How a conversation has ended, as it goes on record.

use wire::session::{Cause, End, Reason, Session};

use crate::flow::{Close, ClosedBy, Ending, Peer, State, Timestamp};

/// How the session ended, as it goes on record.
pub(super) fn ending(session: &Session) -> Ending {
    let ended_at = Timestamp::now();
    let Some(ending) = session.ending() else {
        let error = Some("the relay ended before the conversation".to_owned());
        return Ending {
            ended_at,
            state: State::Error,
            error,
            close: None,
        };
    };
    let (state, by, error) = match ending.cause {
        Cause::Closed(Peer::Client) => (State::Complete, ClosedBy::Client, None),
        Cause::Closed(Peer::Server) => (State::Complete, ClosedBy::Server, None),
        Cause::Proxy(reason) => (State::Error, ClosedBy::Proxy, Some(words(&reason))),
        Cause::Broken(peer, end) => {
            let how = match end {
                End::Fin => "ended the stream without a Close",
                End::Reset => "reset the connection",
                End::Lost => "is gone: it does not answer any more",
            };
            let by = if peer == Peer::Client {
                ClosedBy::Client
            } else {
                ClosedBy::Server
            };
            (State::Error, by, Some(format!("{peer} {how}")))
        }
    };
    let close = ending.close.map(|close| Close {
        by,
        code: close.code,
        reason: close.reason,
    });
    Ending {
        ended_at,
        state,
        error,
        close,
    }
}

fn words(reason: &Reason) -> String {
    match reason {
        Reason::Violation(violation) => violation.to_string(),
        Reason::Idle => "idle timeout".to_owned(),
        Reason::Lifetime => "lifetime over".to_owned(),
        Reason::Drain => "proxy shut down".to_owned(),
        Reason::Verdict { reason, .. } | Reason::Command { reason, .. } => reason.clone(),
    }
}
