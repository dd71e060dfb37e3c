//! What a session is held to, from the settings.

use wire::session::Config;

use super::Policy;
use crate::config::Violations;
use crate::record::FlowTap;

/// What the session is held to.
pub(super) fn config(policy: &Policy, flow: &FlowTap) -> Config {
    let limits = &policy.settings.limits;
    Config {
        close_on_violation: policy.violations == Violations::Close,
        validate_utf8: policy.settings.wire.validate_utf8,
        frame_bytes_max: limits.frame_bytes_max,
        message_bytes_max: limits.message_bytes_max,
        inflate_ratio_max: limits.inflate_ratio_max,
        held_max: limits.held_messages_max,
        held_bytes_max: limits.held_bytes_max,
        idle_ms: limits.idle_ms,
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
