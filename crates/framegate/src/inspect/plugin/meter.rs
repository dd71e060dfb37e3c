//! What the call in progress on this thread has used of its limits, and the stop when it is too much.
//!
//! The interpreter looks at its own limits every thousand loop rounds and calls, which is late: `s += s` makes a
//! gigabyte in thirty. So memory is looked at before each statement and each operation that can multiply, here.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use starlark::codemap::FileSpanRef;
use starlark::eval::{BeforeStmtFuncDyn, Evaluator};
use starlark::values::Heap;

use super::timer::Timer;

/// How deep calls of functions may be nested. Each takes some KiB of the thread's own stack.
pub(super) const CALL_STACK_MAX: usize = 50;
/// The clocks are read every so many statements: they cost more than many a statement.
const STATEMENTS_PER_READING: u32 = 32;

/// The limits of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) time_ms: u64,
    pub(super) ticks_max: u64,
    pub(super) memory_bytes: usize,
}

/// A limit that stopped a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// `time_ms`: it took too much of the processor's time.
    Time,
    /// `ticks_max`: too many rounds of loops and calls of functions.
    Ticks,
    /// `memory_bytes`: it made too much, or was about to.
    Memory,
    /// Calls of functions were nested too deeply.
    CallStack,
    /// `state_bytes`: it wanted to keep too much, or something nested too deeply.
    State,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time => f.write_str("time_ms"),
            Self::Ticks => f.write_str("ticks_max"),
            Self::Memory => f.write_str("memory_bytes"),
            Self::CallStack => write!(f, "the limit of {CALL_STACK_MAX} nested calls"),
            Self::State => f.write_str("state_bytes"),
        }
    }
}

/// The error that ends a call at a limit.
#[derive(Debug)]
pub(super) struct Stopped(pub(super) Limit);

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by {}", self.0)
    }
}

impl std::error::Error for Stopped {}

struct Meter {
    memory_bytes: Cell<usize>,
    /// Of what the interpreter's heap does not count: the content of `bytes`.
    outside: Cell<usize>,
    range_max: Cell<usize>,
    timer: Cell<Timer>,
    statements: Cell<u32>,
    stopped: Cell<Option<Limit>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            memory_bytes: Cell::new(0),
            outside: Cell::new(0),
            range_max: Cell::new(0),
            timer: Cell::new(Timer::new(Duration::ZERO)),
            statements: Cell::new(0),
            stopped: Cell::new(None),
        }
    };
}

/// A call begins on this thread.
pub(super) fn start(limits: Limits) {
    METER.with(|meter| {
        meter.memory_bytes.set(limits.memory_bytes);
        meter.outside.set(0);
        // A list of it would take eight bytes a number, and a loop over it a tick.
        let ticks = usize::try_from(limits.ticks_max).unwrap_or(usize::MAX);
        meter.range_max.set(ticks.min(limits.memory_bytes / 16));
        meter.timer.set(Timer::new(Duration::from_millis(limits.time_ms)));
        meter.statements.set(0);
        meter.stopped.set(None);
    });
}

/// The limit at which the call was stopped, if it was.
pub(super) fn stopped() -> Option<Limit> {
    METER.with(|meter| meter.stopped.get())
}

/// The most numbers that a `range` may have.
pub(super) fn range_max() -> usize {
    METER.with(|meter| meter.range_max.get())
}

/// How many bytes are left.
pub(super) fn room(heap: Heap<'_>) -> usize {
    METER.with(|meter| {
        let used = heap.allocated_bytes().saturating_add(meter.outside.get());
        meter.memory_bytes.get().saturating_sub(used)
    })
}

/// Something of this size is about to be made.
///
/// # Errors
/// It does not fit; the call is to end.
pub(super) fn claim(heap: Heap<'_>, bytes: usize) -> starlark::Result<()> {
    if bytes > room(heap) {
        return Err(stop(Limit::Memory));
    }
    Ok(())
}

/// The same for what the interpreter's heap will not count.
pub(super) fn claim_outside(heap: Heap<'_>, bytes: usize) -> starlark::Result<()> {
    claim(heap, bytes)?;
    METER.with(|meter| meter.outside.set(meter.outside.get().saturating_add(bytes)));
    Ok(())
}

/// The call ends at this limit.
pub(super) fn stop(limit: Limit) -> starlark::Error {
    METER.with(|meter| meter.stopped.set(Some(limit)));
    starlark::Error::new_other(Stopped(limit))
}

/// Whether memory or time are used up; asked between statements.
pub(super) fn check(heap: Heap<'_>) -> starlark::Result<()> {
    METER.with(|meter| {
        let used = heap.allocated_bytes().saturating_add(meter.outside.get());
        if used > meter.memory_bytes.get() {
            return Err(stop(Limit::Memory));
        }
        let statements = meter.statements.get().wrapping_add(1);
        meter.statements.set(statements);
        if statements.is_multiple_of(STATEMENTS_PER_READING) {
            return check_time();
        }
        Ok(())
    })
}

/// Whether the time is used up.
pub(super) fn check_time() -> starlark::Result<()> {
    METER.with(|meter| {
        let mut timer = meter.timer.get();
        let up = timer.is_up();
        meter.timer.set(timer);
        if up { Err(stop(Limit::Time)) } else { Ok(()) }
    })
}

/// Looks before each statement.
pub(super) struct Watch;

impl<'e> BeforeStmtFuncDyn<'e> for Watch {
    fn call<'v>(
        &mut self,
        _at: FileSpanRef<'_>,
        _continued: bool,
        eval: &mut Evaluator<'v, '_, 'e>,
    ) -> starlark::Result<()> {
        check(eval.heap())
    }
}
