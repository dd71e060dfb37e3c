//! What the proxy tells of itself: logs, on standard error, and counts, which `GET /metrics` hands out.

mod log;
mod metrics;

pub use log::{BadDirectives, start};
pub(crate) use metrics::{
    By, Class, Door, EndedBy, Entered, HookClosed, HookFailure, HookSkipped, HookVerdict, JudgeKind, LostBy, Now,
    Outcome, PluginNow, SafetyNow, StoreNow, became, counts, render,
};
