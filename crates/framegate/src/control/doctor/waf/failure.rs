//! What it means that a hook has not said anything of a message, and what to do.

use super::Case;
use crate::config::{HookFail, HookHttp};
use crate::flow::Direction;
use crate::inspect::probe::Failure;
use crate::tls::Reason;

/// Whether every other question would fail in the same way.
pub(super) fn is_final(failure: &Failure) -> bool {
    !matches!(failure, Failure::Status(_))
}

impl Case<'_> {
    /// What to do about a failure, and what messages come to until then.
    pub(super) fn after(&self, failure: &Failure) -> String {
        let remedy = self.remedy(failure);
        let until = self.consequence();
        match remedy.is_empty() {
            true => until,
            false => format!("{remedy}; {until}"),
        }
    }

    /// The setting that says what becomes of messages whose hook has failed.
    pub(super) fn fail_key(&self) -> &'static str {
        match (self.asked.direction, self.settings.hook.fail_receive) {
            (Direction::Receive, Some(_)) => "hook.fail_receive",
            _ => "hook.fail",
        }
    }

    fn consequence(&self) -> String {
        let (key, peer) = (self.fail_key(), self.peer());
        match self.fail {
            HookFail::Closed => {
                format!("until then such a message of a {peer} ends its conversation ({key} = \"closed\")")
            }
            HookFail::Open => format!("until then such a message of a {peer} goes on unjudged ({key} = \"open\")"),
            HookFail::Shadow => format!("messages of a {peer} go on in any case ({key} = \"shadow\")"),
        }
    }

    fn remedy(&self, failure: &Failure) -> String {
        let hook = &self.settings.hook;
        match failure {
            Failure::Timeout => format!(
                "hook.timeout_ms is {}: find out what it waits for, or give it longer",
                hook.timeout_ms
            ),
            Failure::NoHost(_) => "correct the host in the URL, or what this machine asks for names".to_owned(),
            Failure::Connect(_) if hook.http == HookHttp::Http2 => {
                "look whether it is running, listens there, and speaks HTTP/2 (hook.http = \"2\")".to_owned()
            }
            Failure::Connect(_) => "look whether it is running, and listens there".to_owned(),
            Failure::Tls(reason, _) => tls(*reason).to_owned(),
            Failure::Protocol(why) if why.contains("x-framegate-") => {
                "an x-framegate-action is drop or replace, once, or it is left out".to_owned()
            }
            Failure::Protocol(_) => format!("what listens there is no HTTP server, or breaks off{}", self.or_tls()),
            Failure::Status(status) => self.status(*status),
            Failure::Reach(_) => {
                "a hook that x-wsproxy-inboundhook names has to be admitted there; that of a route may be anywhere"
                    .to_owned()
            }
            Failure::OwnDoor(_) => "the URL has to lead to the firewall".to_owned(),
            Failure::Breaker => String::new(),
        }
    }

    /// For what an HTTPS port may have said to plain HTTP.
    pub(super) fn or_tls(&self) -> &'static str {
        let hook = self.asked.terms.hook(self.asked.direction);
        match hook.is_some_and(|hook| hook.url.tls) {
            true => "",
            false => "; or the port is one for https://",
        }
    }

    fn status(&self, status: u16) -> String {
        match status {
            429 => "it limits how often it may be asked: exempt framegate from that".to_owned(),
            502 | 504 => {
                "behind its rules nobody answers: its proxy_pass must lead to something that says 200".to_owned()
            }
            503 => "it is overloaded or being started, or limits how often it may be asked (limit_req)".to_owned(),
            _ => "its error log says why".to_owned(),
        }
    }
}

fn tls(reason: Reason) -> &'static str {
    match reason {
        // What it says of itself has the settings already.
        Reason::UnknownIssuer => "",
        Reason::WrongHost => {
            "put a name into the URL that the certificate has, or list the host in tls.insecure_hosts to verify nothing"
        }
        Reason::Expired => "renew its certificate, and look at the clocks of both machines",
        Reason::Protocol | Reason::Interrupted => "where a port speaks no TLS, the URL begins with http://",
        Reason::NoCommonProtocol => "hook.http says which HTTP it has to speak",
        _ => "look at its certificate",
    }
}
