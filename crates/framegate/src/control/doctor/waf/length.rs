//! Long messages: whether the firewall takes as much as framegate would send, and looks at all of it.

use super::meaning::{goes_on, is_stopped, seen};
use super::{ATTACK, Case, Check, Replies};
use crate::config::HookFail;
use crate::inspect::probe::{Failure, Outcome, Prober, Reply};

/// More is not sent, even where `hook.body_bytes_max` is more.
const LONGEST: usize = 16 << 20;

/// The least that `hook.body_bytes_max` can be.
const SHORTEST: usize = 1024;

/// Asks about a harmless message whose body is as long as one may be, and about the same with an attack at its end.
pub(super) async fn checks(case: &Case<'_>, prober: &Prober, replies: &Replies) -> Vec<Check> {
    let max = case.settings.hook.body_bytes_max.min(LONGEST);
    let reply = prober.ask(&prober.of_length(max, "")).await;
    let mut checks = Vec::new();
    let mut taken = Some(max);
    if goes_on(&reply.outcome) {
        checks.push(Check::ok("long text", seen(&sent(&reply), &reply)));
    } else {
        taken = match &reply.outcome {
            // Each attempt at one that takes its time, or breaks off, would cost as much again.
            Outcome::Failed(_) => None,
            _ => longest(prober, max).await,
        };
        checks.push(case.too_long(&reply, taken));
    }
    // An attack that goes on alone, or is stopped as everything is, says nothing of where it stands.
    if let Some(len) = taken
        && is_stopped(&replies.attack.outcome)
    {
        let reply = prober.ask(&prober.of_length(len, ATTACK)).await;
        checks.push(case.attack_behind(&reply));
    }
    checks
}

/// The greatest length of a body with which a harmless message goes on, below `max`; `None`: there is none from
/// [`SHORTEST`] on.
async fn longest(prober: &Prober, max: usize) -> Option<usize> {
    let (mut taken, mut refused) = (None, max);
    let mut low = SHORTEST;
    while low < refused {
        let middle = if taken.is_none() {
            low
        } else {
            low + (refused - low) / 2
        };
        let reply = prober.ask(&prober.of_length(middle, "")).await;
        if goes_on(&reply.outcome) {
            taken = Some(middle);
            low = middle + 1;
        } else if taken.is_none() {
            return None;
        } else {
            refused = middle;
        }
    }
    taken
}

fn sent(reply: &Reply) -> String {
    format!("{} bytes", reply.len)
}

impl Case<'_> {
    /// Less than framegate would send is too much for it.
    fn too_long(&self, reply: &Reply, taken: Option<usize>) -> Check {
        let seen = seen(&sent(reply), reply);
        let max = self.settings.hook.body_bytes_max;
        let lower = match taken {
            Some(taken) => format!("the longest that it takes has {taken}: set hook.body_bytes_max = {taken}"),
            None => format!("lower hook.body_bytes_max, which is {max}"),
        };
        let advice = match &reply.outcome {
            Outcome::Uninspected(413) | Outcome::Block(413) => {
                format!("{lower}, or raise client_max_body_size of nginx (or SecRequestBodyLimit)")
            }
            Outcome::Uninspected(_) | Outcome::Block(400) => {
                format!("{lower}, or raise SecRequestBodyNoFilesLimit of modsecurity.conf")
            }
            Outcome::Failed(Failure::Timeout) => format!(
                "it takes longer than hook.timeout_ms, {} ms: raise that, or {lower}",
                self.settings.hook.timeout_ms
            ),
            Outcome::Failed(Failure::Status(status)) => format!("it fails at long bodies with {status}: {lower}"),
            Outcome::Failed(_) => {
                format!(
                    "it ends the connection before it has read the body: raise client_max_body_size of nginx, or {lower}"
                )
            }
            _ => format!("it refuses what is long: {lower}"),
        };
        let unjudged = matches!(reply.outcome, Outcome::Failed(_)) && self.fail == HookFail::Open;
        match unjudged {
            true => Check::fail("long text", seen).advise(format!(
                "with {} = \"open\" whoever makes a message long has it go on unjudged: {advice}",
                self.fail_key()
            )),
            false => Check::warn("long text", seen).advise(advice),
        }
    }

    fn attack_behind(&self, reply: &Reply) -> Check {
        let name = "attack behind it";
        let seen = seen(&format!("{} with an attack at their end,", sent(reply)), reply);
        match &reply.outcome {
            Outcome::Failed(failure) => Check::warn(name, seen).advise(self.after(failure)),
            Outcome::Pass(_) => Check::fail(name, seen).advise(
                "it looks at the beginning of a body alone (SecRequestBodyLimitAction ProcessPartial, or the limit of a service): \
                 set hook.body_bytes_max to what it looks at, with hook.on_oversize = \"block\"",
            ),
            _ => Check::ok(name, seen),
        }
    }
}
