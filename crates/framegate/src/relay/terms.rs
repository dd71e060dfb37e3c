//! What a session is held to, from the settings.

use wire::session::Config;

use super::Policy;
use crate::config::Violations;
use crate::record::FlowTap;

/// What the session is held to.
pub(super) fn config(policy: &Policy, flow: &FlowTap) -> Config {
    let limits = &policy.settings.limits;
    let terms = policy.terms.as_deref();
    // The limits of the proxy as a whole go for everybody.
    let most = |limit: u64| terms.map_or(limit, |terms| limit.min(terms.message_bytes_max));
    Config {
        close_on_violation: policy.violations == Violations::Close,
        validate_utf8: terms.map_or(policy.settings.wire.validate_utf8, |terms| terms.validate_utf8),
        frame_bytes_max: most(limits.frame_bytes_max),
        message_bytes_max: most(limits.message_bytes_max),
        inflate_ratio_max: limits.inflate_ratio_max,
        held_max: limits.held_messages_max,
        held_bytes_max: limits.held_bytes_max,
        idle_ms: terms.map_or(limits.idle_ms, |terms| terms.idle_ms),
        close_ms: limits.close_ms,
        record_bytes_max: flow.wanted_bytes_max(),
        mask_key,
    }
}

/// A masking key that nobody can predict (RFC 6455 §5.3).
fn mask_key() -> [u8; 4] {
    let mut key = [0; 4];
    // Without entropy there is no TLS either; a frame with a known key is still a right one.
    let _ = getrandom::fill(&mut key);
    key
}
