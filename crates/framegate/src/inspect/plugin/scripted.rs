//! A plugin as a judge.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use super::{Hook, OnError, Plugin, PluginState, Stage};
use crate::flow::Decision;
use crate::telemetry::JudgeKind;

/// Close code of a conversation that cannot go on for a fault on this side (RFC 6455 §7.4.1).
const INTERNAL_ERROR: u16 = 1011;

/// One plugin at one of the two stages of a message's way: when it has come, or before it leaves.
#[derive(Debug)]
pub(in crate::inspect) struct Scripted {
    plugin: Arc<Plugin>,
    stage: Stage,
    /// What it keeps for this flow: one for both stages and both directions.
    state: Rc<RefCell<PluginState>>,
}

impl Scripted {
    pub(in crate::inspect) fn boxed(
        plugin: &Arc<Plugin>,
        stage: Stage,
        state: &Rc<RefCell<PluginState>>,
    ) -> Box<dyn Judge> {
        Box::new(Self {
            plugin: Arc::clone(plugin),
            stage,
            state: Rc::clone(state),
        })
    }
}

impl Judge for Scripted {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Plugin
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer {
        let hook = Hook::of(subject.facts.direction, self.stage);
        let plugin = &self.plugin;
        if !plugin.has(hook) {
            return Answer::Pass;
        }
        let by = || format!("plugin:{}", plugin.id());
        match plugin.call(hook, &flow.facts, flow.id, subject, &mut self.state.borrow_mut()) {
            Ok(Opinion::Pass) => Answer::Pass,
            Ok(opinion) => Answer::Decided(Decided { opinion, by: by() }),
            Err(error) => {
                decision.fact("plugin_failed", format!("{}: {error}", plugin.id()));
                match plugin.spec().on_error {
                    OnError::Skip => Answer::Pass,
                    OnError::Close => Answer::Decided(Decided {
                        opinion: Opinion::Close {
                            code: INTERNAL_ERROR,
                            reason: "a plugin failed".to_owned(),
                        },
                        by: by(),
                    }),
                }
            }
        }
    }
}
