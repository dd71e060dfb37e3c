//! How nouns become columns and columns nouns. `migrations/` says what the columns mean.

mod flow;

pub(super) use flow::{FLOW, closed_by, flow, flow_type, protocol, state, tls};

use crate::flow::FlowId;

/// A message's key.
pub(super) fn key(flow: FlowId, sequence: u32) -> i64 {
    i64::from(flow.0) << 32 | i64::from(sequence)
}

/// The flow and sequence of a message's key.
pub(super) fn unkey(key: i64) -> (FlowId, u32) {
    let flow = u32::try_from(key >> 32).unwrap_or(u32::MAX);
    let sequence = u32::try_from(key & 0xffff_ffff).unwrap_or(u32::MAX);
    (FlowId(flow), sequence)
}

/// Numbers beyond what a column holds are kept as the largest one that it does.
pub(super) fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The number that [`clamp`] kept.
fn clamped(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
