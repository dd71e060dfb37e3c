//! Plugins: files in Starlark whose functions are called with messages.
//!
//! A file is read once and frozen, so that every thread may call its hooks. A call has a heap of its own, which goes
//! with it: nothing passes from one flow to another, and the one thing that stays is the flow's own [`PluginState`].
//! `docs/plugins.md` is the description for those who write them.
//!
//! This room says what a hook answered, or that it failed. What a failure means for the message is with the caller:
//! [`PluginSpec::on_error`].

mod program;
mod nesting;
mod guard;
mod globals;
mod call;
mod meter;
mod timer;
mod measure;
#[expect(
    unsafe_code,
    reason = "the interpreter's derive macros write `unsafe impl`; there is none of our own"
)]
mod values;
mod state;
mod json;
mod pattern;
mod voice;
mod error;
mod scripted;

pub(crate) use error::{CallError, LoadError};
pub(super) use scripted::Scripted;
pub(crate) use state::PluginState;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::{Opinion, Subject};
use crate::flow::{Direction, FlowId};
use crate::query::FlowFacts;
use call::Call;
use meter::Limits;
use program::Program;
use values::{Caller, Flow, VoiceOf};
use voice::Voice;

/// The largest file of a plugin.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// A plugin as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PluginSpec {
    /// Its name in the record and in the log.
    pub(crate) id: String,
    /// Its file.
    pub(crate) path: PathBuf,
    /// What a failed call means.
    pub(crate) on_error: OnError,
    /// How long a call may take, in ms.
    pub(crate) time_ms: u64,
    /// How many rounds of loops and calls of functions a call may make.
    pub(crate) ticks_max: u64,
    /// How much a call may make on its heap, in bytes.
    pub(crate) memory_bytes: usize,
    /// How much may be kept of a flow, in bytes.
    pub(crate) state_bytes: usize,
    /// What a failed call says may have something of a message in it, and is told to nobody.
    pub(crate) discreet: bool,
}

/// What the failure of a call means for the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnError {
    /// It goes on as if the plugin had said nothing.
    Skip,
    /// The conversation ends with 1011.
    Close,
}

/// When a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before all other judges.
    Receive,
    /// After them.
    BeforeSend,
}

/// A function that a plugin may define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// `on_receive_from_client`.
    ReceiveFromClient,
    /// `on_before_send_to_server`.
    BeforeSendToServer,
    /// `on_receive_from_server`.
    ReceiveFromServer,
    /// `on_before_send_to_client`.
    BeforeSendToClient,
}

impl Hook {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [
        Self::ReceiveFromClient,
        Self::BeforeSendToServer,
        Self::ReceiveFromServer,
        Self::BeforeSendToClient,
    ];

    /// The hook for messages of this direction at this stage.
    pub(crate) const fn of(direction: Direction, stage: Stage) -> Self {
        match (direction, stage) {
            (Direction::Send, Stage::Receive) => Self::ReceiveFromClient,
            (Direction::Send, Stage::BeforeSend) => Self::BeforeSendToServer,
            (Direction::Receive, Stage::Receive) => Self::ReceiveFromServer,
            (Direction::Receive, Stage::BeforeSend) => Self::BeforeSendToClient,
        }
    }

    /// The function's name.
    pub(crate) const fn function(self) -> &'static str {
        match self {
            Self::ReceiveFromClient => "on_receive_from_client",
            Self::BeforeSendToServer => "on_before_send_to_server",
            Self::ReceiveFromServer => "on_receive_from_server",
            Self::BeforeSendToClient => "on_before_send_to_client",
        }
    }
}

/// What a plugin has done since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PluginCounts {
    /// Calls of its hooks.
    pub calls: u64,
    /// Those that came to nothing.
    pub failures: u64,
    /// Those that replaced the message.
    pub replaced: u64,
    /// Those that dropped it.
    pub dropped: u64,
    /// Those that ended the conversation.
    pub closed: u64,
}

/// A plugin that is in force. Shared by all threads; a call locks nothing.
#[derive(Debug)]
pub(crate) struct Plugin {
    spec: PluginSpec,
    program: ArcSwap<Program>,
    seen: Mutex<Option<Stamp>>,
    voice: VoiceOf,
    counters: Counters,
}

/// How a file looked from outside when it was last read: changed when, and how long. `None`: it was not there.
type Stamp = (Option<SystemTime>, u64);

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    failures: AtomicU64,
    replaced: AtomicU64,
    dropped: AtomicU64,
    closed: AtomicU64,
}

impl Plugin {
    /// Reads the plugin's file.
    ///
    /// # Errors
    /// It cannot be read, is no Starlark, fails when it is run, or defines no hook or an unknown one.
    pub(crate) fn load(spec: PluginSpec) -> Result<Self, LoadError> {
        let seen = stamp(&spec);
        let program = Program::load(&spec.path, program::read(&spec.path)?)?;
        Ok(Self {
            spec,
            program: ArcSwap::from_pointee(program),
            seen: Mutex::new(seen),
            voice: VoiceOf(Voice::new()),
            counters: Counters::default(),
        })
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.spec.id
    }

    /// How it is configured.
    pub(crate) fn spec(&self) -> &PluginSpec {
        &self.spec
    }

    /// Whether it defines the hook. A plugin that is loaded anew may define others than before.
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.program.load().hook(hook).is_some()
    }

    /// Asks the hook about the message; a hook that is not defined says nothing.
    ///
    /// The size of a replacement is not looked at here: `memory_bytes` bounds it, and the caller discards one that
    /// is larger than a message may be.
    ///
    /// # Errors
    /// The call came to nothing, and left the state as it was. It is counted and in the log.
    pub(crate) fn call(
        &self,
        hook: Hook,
        flow: &FlowFacts<'_>,
        flow_id: FlowId,
        subject: &Subject,
        state: &mut PluginState,
    ) -> Result<Opinion, CallError> {
        let program = self.program.load();
        let Some(function) = program.hook(hook) else {
            return Ok(Opinion::Pass);
        };
        if program.asks_flow && state.flow.is_none() {
            state.flow = Some(Flow::new(flow_id, flow));
        }
        let call = Call {
            program: &program,
            hook: function,
            limits: Limits {
                time_ms: self.spec.time_ms,
                ticks_max: self.spec.ticks_max,
                memory_bytes: self.spec.memory_bytes,
            },
            state_bytes: self.spec.state_bytes,
            caller: Caller {
                id: &self.spec.id,
                voice: &self.voice,
            },
        };
        let mut said = call.run(subject, state);
        if self.spec.discreet {
            said = said.map_err(CallError::discreet);
        }
        self.count(&said);
        if let Err(error) = &said {
            let (id, name) = (&self.spec.id, hook.function());
            let sequence = subject.facts.sequence;
            self.voice.0.say(|end| {
                tracing::warn!(
                    plugin = id,
                    hook = name,
                    flow = flow_id.0,
                    sequence,
                    "the plugin failed: {error}{end}"
                );
            });
        }
        said
    }

    /// Reads the file again if it changed on disk. `Ok(true)`: a new version is in force.
    ///
    /// # Errors
    /// The file is no plugin any more, or not there. The version before stays in force, and this is said once for each
    /// change.
    pub(crate) fn reload_if_changed(&self) -> Result<bool, LoadError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.spec);
        if *seen == now {
            return Ok(false);
        }
        *seen = now;
        let source = program::read(&self.spec.path)?;
        if source == self.program.load().source {
            return Ok(false);
        }
        self.program.store(Arc::new(Program::load(&self.spec.path, source)?));
        Ok(true)
    }

    /// What it has done so far.
    pub(crate) fn counts(&self) -> PluginCounts {
        PluginCounts {
            calls: self.counters.calls.load(Relaxed),
            failures: self.counters.failures.load(Relaxed),
            replaced: self.counters.replaced.load(Relaxed),
            dropped: self.counters.dropped.load(Relaxed),
            closed: self.counters.closed.load(Relaxed),
        }
    }

    fn count(&self, said: &Result<Opinion, CallError>) {
        self.counters.calls.fetch_add(1, Relaxed);
        let more = match said {
            Ok(Opinion::Pass) => return,
            Ok(Opinion::Replace { .. }) => &self.counters.replaced,
            Ok(Opinion::Drop) => &self.counters.dropped,
            Ok(Opinion::Close { .. }) => &self.counters.closed,
            Err(_) => &self.counters.failures,
        };
        more.fetch_add(1, Relaxed);
    }
}

fn stamp(spec: &PluginSpec) -> Option<Stamp> {
    let metadata = fs::metadata(&spec.path).ok()?;
    Some((metadata.modified().ok(), metadata.len()))
}

#[cfg(test)]
mod tests;
