//! What the answers about short messages mean.

use super::{ATTACK, ATTACK_JSON, Case, Check, Replies};
use crate::config::{HookBody, HookFail, HookTarget};
use crate::inspect::probe::{Failure, Outcome, Page, Reply};

/// Whether the message, or another in its place, goes on.
pub(super) fn goes_on(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Pass(_) | Outcome::Replace { .. })
}

/// Whether the hook says that the message goes no further.
pub(super) fn is_stopped(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Block(_) | Outcome::Uninspected(_) | Outcome::Drop(_))
}

/// What was sent and what came back.
pub(super) fn seen(what: &str, reply: &Reply) -> String {
    let shape = match reply.content_type {
        None => "without a Content-Type",
        Some("application/json") => "as JSON",
        Some(_) => "as a form",
    };
    let came = match &reply.outcome {
        Outcome::Pass(status) if is_html(&reply.page) => format!("{status} with a page of HTML, it goes on"),
        Outcome::Pass(status) => format!("{status}, it goes on"),
        Outcome::Block(status) if !reply.page.location.is_empty() => {
            format!("{status} to {}, blocked", reply.page.location)
        }
        Outcome::Block(status) => format!("{status}, blocked"),
        Outcome::Uninspected(status) => format!("{status}, blocked as one that could not be read"),
        Outcome::Drop(status) => format!("{status} with x-framegate-action: drop, dropped"),
        Outcome::Replace { status, payload, .. } => {
            let len = payload.len();
            format!("{status} with x-framegate-action: replace, {len} bytes take its place")
        }
        Outcome::Failed(failure) => failure.to_string(),
    };
    format!("{what} {shape}: {came} ({} ms)", reply.took.as_millis())
}

impl Case<'_> {
    /// A message that has to go on.
    pub(super) fn harmless(&self, name: &str, text: &str, reply: &Reply) -> Check {
        let seen = seen(&quoted(text), reply);
        match &reply.outcome {
            Outcome::Pass(_) => Check::ok(name, seen),
            Outcome::Replace { .. } => Check::warn(name, seen).advise("the hook changes what is harmless"),
            Outcome::Drop(_) => Check::fail(name, seen).advise("the hook drops what is harmless"),
            Outcome::Failed(failure) => Check::fail(name, seen).advise(self.after(failure)),
            Outcome::Block(status) | Outcome::Uninspected(status) => {
                Check::fail(name, seen).advise(self.refused(*status, reply))
            }
        }
    }

    /// Why a harmless message may have been refused.
    fn refused(&self, status: u16, reply: &Reply) -> String {
        let (method, target) = (&self.manner.method, &self.manner.target);
        let path = target.split('?').next().unwrap_or_default();
        match status {
            400 => self.unreadable(reply),
            401 | 407 => {
                "it wants credentials: send_hook_headers and receive_hook_headers of the route have them".to_owned()
            }
            403 | 406 => self.forbidden(reply),
            404 | 410 if self.settings.hook.target == HookTarget::Handshake => format!(
                "it has nothing at {path}, the path of the client: hook.target = \"url\" asks at that of the hook's URL"
            ),
            404 | 410 => format!("it has nothing at {path}: correct the path of the hook's URL"),
            405 => format!(
                "it takes no {method} at {path}: send_hook_method and receive_hook_method of the route have the method"
            ),
            413 => format!("it takes no body of {} bytes: raise client_max_body_size", reply.len),
            415 if reply.content_type.is_none() => no_type(),
            415 => "it does not take the Content-Type: look at hook.body".to_owned(),
            300..=399 => {
                "a redirection is not followed: the hook must lead to no page for logging in, and its URL says https:// \
                 itself where that is meant"
                    .to_owned()
            }
            _ => "only 200 to 204 let a message go on".to_owned(),
        }
    }

    fn unreadable(&self, reply: &Reply) -> String {
        let why = match reply.content_type {
            None => no_type(),
            Some(_) => "its error log says why (rule 200002: the body breaks its type)".to_owned(),
        };
        format!("it could not read the request: {why}{}", self.or_tls())
    }

    /// The usual reasons of rules that know nothing against the message itself.
    fn forbidden(&self, reply: &Reply) -> String {
        let mut reasons = Vec::new();
        if reply.content_type.is_none() {
            reasons.push("the body has no Content-Type (920340): set hook.body = \"waf\"".to_owned());
        }
        if self.manner.method != "POST" {
            let method = &self.manner.method;
            reasons.push(format!(
                "the method is {method} (911100, 920170 for GET and HEAD): POST is what rules expect"
            ));
        }
        if is_address(&self.manner.host) {
            let host = &self.manner.host;
            let whose = match self.settings.hook.target {
                HookTarget::Url => "hook.target = \"handshake\" has the client's",
                HookTarget::Handshake => "clients ask for a name",
            };
            reasons.push(format!("Host is an address, {host} (920350): {whose}"));
        }
        if !self.manner.user_agent {
            reasons.push("there is no User-Agent (920320): hook.handshake_headers repeats the client's".to_owned());
        }
        if reasons.is_empty() {
            reasons.push("its rules may not allow the Content-Type (920420) or the method (911100)".to_owned());
        }
        format!("{}; its audit log names the rule", reasons.join("; "))
    }

    pub(super) fn attack_in_text(&self, replies: &Replies) -> Check {
        let (attack, harmless) = (&replies.attack, &replies.harmless);
        let other = is_stopped(&replies.attack_json.outcome) && goes_on(&replies.harmless_json.outcome);
        let advice = "it stops the attack in JSON: it does not look into forms";
        self.attack(
            "attack in text",
            ATTACK,
            attack,
            harmless,
            other.then_some(advice),
            replies,
        )
    }

    pub(super) fn attack_in_json(&self, replies: &Replies) -> Check {
        let (attack, harmless) = (&replies.attack_json, &replies.harmless_json);
        let other = is_stopped(&replies.attack.outcome) && goes_on(&replies.harmless.outcome);
        let advice = match self.settings.hook.body {
            HookBody::Json => {
                "within the object the message is a string, and its escapes stay as they are: hook.body = \"waf\" sends it itself"
            }
            HookBody::Raw | HookBody::Waf => {
                "it stops the attack in text: it does not read JSON as such. Rule 200001 of modsecurity.conf has to give it to its \
                 reader (ctl:requestBodyProcessor=JSON)"
            }
        };
        self.attack(
            "attack in JSON",
            ATTACK_JSON,
            attack,
            harmless,
            other.then_some(advice),
            replies,
        )
    }

    /// A message that must not go on. `other`: what is to be said of it because the other attack was stopped.
    fn attack(
        &self,
        name: &str,
        text: &str,
        attack: &Reply,
        harmless: &Reply,
        other: Option<&str>,
        replies: &Replies,
    ) -> Check {
        let seen = seen(&quoted(text), attack);
        match &attack.outcome {
            outcome if is_stopped(outcome) && is_stopped(&harmless.outcome) => {
                Check::warn(name, seen).advise("so is the harmless one: that says nothing of its rules")
            }
            Outcome::Block(_) | Outcome::Drop(_) => Check::ok(name, seen),
            Outcome::Uninspected(_) => Check::ok(name, seen)
                .advise("a firewall that has found an attack says 403; its error log says what this was"),
            Outcome::Replace { .. } => Check::ok(name, seen),
            Outcome::Failed(Failure::Status(status)) if goes_on(&harmless.outcome) => {
                self.fails_at(*status, name, seen)
            }
            Outcome::Failed(failure) => Check::fail(name, seen).advise(self.after(failure)),
            Outcome::Pass(_) => Check::fail(name, seen).advise(self.why_it_passes(attack, harmless, other, replies)),
        }
    }

    /// It lets the harmless go, and says of an attack that it has failed.
    fn fails_at(&self, status: u16, name: &str, seen: String) -> Check {
        let advice = format!(
            "if {status} is how it blocks, have it answer 403: 429 and 5xx are failures, of which {} decides",
            self.fail_key()
        );
        match self.fail {
            HookFail::Closed => Check::warn(name, seen).advise(advice),
            HookFail::Open | HookFail::Shadow => Check::fail(name, seen).advise(advice),
        }
    }

    fn why_it_passes(&self, attack: &Reply, harmless: &Reply, other: Option<&str>, replies: &Replies) -> String {
        let all_harmless = [&replies.harmless.page, &replies.harmless_json.page];
        if goes_on(&harmless.outcome) && tells_apart(&attack.page, &harmless.page, all_harmless) {
            return "its page is another than that of the harmless message, or has other header fields: it seems to block with it, and \
                    the status is the verdict. Have it answer 403 (in nginx without \"error_page 403 =200\")"
                .to_owned();
        }
        if self.settings.hook.body == HookBody::Raw {
            return no_type();
        }
        if let Some(advice) = other {
            return advice.to_owned();
        }
        "the firewall answers as to the harmless one. Its rules only detect (SecRuleEngine DetectionOnly, as Debian ships it), \
         are not included (Include …/rules/*.conf), may not see bodies (SecRequestBodyAccess), or its location answers before \
         them (return 200 instead of proxy_pass)"
            .to_owned()
    }
}

/// A text between quotes; JSON has its own.
fn quoted(text: &str) -> String {
    match text.starts_with('{') {
        true => text.to_owned(),
        false => format!("\"{text}\""),
    }
}

/// Whether the page about the attack is another, or has other fields, and those about harmless messages are the same.
fn tells_apart(attack: &Page, harmless: &Page, [one, other]: [&Page; 2]) -> bool {
    let only_html = is_html(attack) && !is_html(harmless);
    // Each for itself: one may differ every time, and the other not.
    let other_fields = one.names == other.names && attack.names != harmless.names;
    let shown = |page: &Page| (page.content_type.clone(), page.location.clone(), page.beginning.clone());
    only_html || other_fields || (shown(one) == shown(other) && shown(attack) != shown(harmless))
}

fn is_html(page: &Page) -> bool {
    let start: Vec<u8> = page.beginning.trim_ascii_start().iter().take(5).copied().collect();
    let start = start.to_ascii_lowercase();
    !page.beginning.is_empty() && (page.content_type.contains("html") || start == b"<html" || start == b"<!doc")
}

fn is_address(host: &str) -> bool {
    let bare = |host: &str| host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    bare(host) || host.rsplit_once(':').is_some_and(|(host, _)| bare(host))
}

fn no_type() -> String {
    "hook.body is \"raw\": the body has no Content-Type, so that rules find nothing to look into. Set hook.body = \"waf\"".to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Page, tells_apart};

    #[test]
    fn other_fields_tell_where_those_about_the_harmless_are_the_same() {
        let page = |name: &str, body: &str| Page {
            names: [name.to_owned()].into(),
            beginning: body.into(),
            ..Page::default()
        };
        let (one, other, attack) = (page("a", "1"), page("a", "2"), page("b", "3"));
        assert!(tells_apart(&attack, &one, [&one, &other]));
        assert!(!tells_apart(&page("a", "3"), &one, [&one, &other]));
        assert!(!tells_apart(&attack, &one, [&one, &page("c", "2")]));
    }
}
