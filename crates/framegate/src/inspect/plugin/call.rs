//! One call of a hook: a heap of its own, the limits, and what the hook answered.

use std::panic::{AssertUnwindSafe, catch_unwind};

use starlark::ErrorKind;
use starlark::environment::Module;
use starlark::eval::{BeforeStmtFunc, Evaluator};
use starlark::values::{Heap, OwnedFrozenValue, ValueLike};

use super::error::CallError;
use super::meter::{self, CALL_STACK_MAX, Limit, Limits, Watch};
use super::program::Program;
use super::state::{self, PluginState};
use super::values::{Answer, Caller, Message};
use crate::inspect::{Opinion, Subject};

/// What a call needs besides the message.
pub(super) struct Call<'a> {
    pub(super) program: &'a Program,
    pub(super) hook: &'a OwnedFrozenValue,
    pub(super) limits: Limits,
    pub(super) state_bytes: usize,
    pub(super) caller: Caller<'a>,
}

impl Call<'_> {
    /// Calls the hook. The state changes if all went well, and only then.
    pub(super) fn run(&self, subject: &Subject, state: &mut PluginState) -> Result<Opinion, CallError> {
        // Whatever the interpreter does with a message, the connection must not end by it.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            Module::with_temp_heap(|module| self.run_in(module, subject, state))
        }));
        let (opinion, kept) = ran.unwrap_or_else(|_| Err(CallError::new(None, None, "the interpreter broke")))?;
        if let Some(kept) = kept {
            state.kept = kept;
        }
        Ok(opinion)
    }

    fn run_in(
        &self,
        module: Module<'_>,
        subject: &Subject,
        state: &PluginState,
    ) -> Result<(Opinion, Option<state::Kept>), CallError> {
        let heap: Heap<'_> = module.heap();
        meter::start(self.limits);
        let mut eval = Evaluator::new(&module);
        // All of the heap goes with the call; a collection would cost more than it frees.
        eval.disable_gc();
        eval.extra = Some(&self.caller);
        let prepared = eval
            .set_max_callstack_size(CALL_STACK_MAX)
            .and_then(|()| eval.set_max_tick_count(self.limits.ticks_max.max(1)));
        prepared.map_err(|error| CallError::new(None, None, error.to_string()))?;
        eval.set_check_cancelled(Box::new(move || {
            meter::check(heap).is_err() || meter::check_time().is_err()
        }));
        eval.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Watch)));

        let hook = heap.access_owned_frozen_value(self.hook);
        let message = heap.alloc_complex_no_freeze(Message::new(subject, &state.kept, state.flow.clone()));
        let returned = eval
            .eval_function(hook, &[message], &[])
            .map_err(|error| self.failed(&error, &eval))?;
        let opinion = Answer::opinion(returned, subject).map_err(|what| CallError::new(None, None, what))?;
        let touched = message.downcast_ref::<Message<'_>>().and_then(Message::touched_state);
        let kept = touched.map(|touched| state::store(touched, self.state_bytes));
        let kept = kept.transpose().map_err(|error| self.failed(&error, &eval))?;
        Ok((opinion, kept))
    }

    fn failed(&self, error: &starlark::Error, eval: &Evaluator<'_, '_, '_>) -> CallError {
        let limit = match error.kind() {
            ErrorKind::StackOverflow(_) => Some(Limit::CallStack),
            _ if meter::stopped().is_some() => meter::stopped(),
            _ if eval.get_total_tick_count() > self.limits.ticks_max => Some(Limit::Ticks),
            _ => None,
        };
        let said = error.without_diagnostic().to_string();
        let what = match limit {
            Some(Limit::State) if !said.starts_with("stopped") => said,
            Some(limit) => format!("stopped by {limit}"),
            None => said.trim().to_owned(),
        };
        CallError::new(limit, self.program.place(error), what)
    }
}
