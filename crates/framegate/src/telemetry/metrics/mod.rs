//! Counts, and how they are handed out.
//!
//! Whatever happens is counted by the thread on which it happens, in cells that no other thread writes to:
//!
//! ```ignore
//! telemetry::counts().upgrades_refused.one((By::Proxy, Class::of(502)));
//! ```
//!
//! That is an addition in memory of the thread's own, without a lock and without a cache line that wanders. Whoever
//! scrapes adds up the cells of all threads. A label is an `enum` with a word for each value, so that nothing a peer
//! says can become one.
//!
//! Reading order: `counts` (everything that is counted, one entry each) · `labels`, `hook_labels` · `cells` (counters, gauges of what is
//! open, histograms) · `threads` (whose cells are whose) · `render` (the text, and what is not counted but looked up).

mod counts;
mod labels;
mod hook_labels;
mod cells;
mod threads;
mod render;

pub(crate) use cells::Entered;
pub(crate) use hook_labels::{HookClosed, HookFailure, HookSkipped, HookVerdict};
pub(crate) use labels::{By, Class, Door, EndedBy, JudgeKind, LostBy, Outcome, became};
pub(crate) use render::{Now, PluginNow, SafetyNow, StoreNow, render};
pub(crate) use threads::counts;
