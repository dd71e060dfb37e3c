//! The gate of a direction: it shuts and opens between two messages, never inside one.

use super::super::gate::{Gate, Hold};
use super::super::output::Output;
use super::super::{Config, Cx};
use super::Half;
use crate::deflate::Inflater;

impl Half {
    /// What is wanted of the gate from now on. It is so at once if nothing is under way, otherwise behind the message
    /// that is; what is held already has who decides changed at once.
    pub(in crate::session) fn set_gate(&mut self, gate: Gate, cx: &mut Cx<'_>) {
        self.gate = gate;
        if let Some(hold) = &mut self.hold {
            hold.set_gate(gate);
        }
        self.turn(cx);
    }

    /// The gate is not what is wanted, and that waits for the frame or the message under way.
    pub(super) const fn is_turning(&self) -> bool {
        self.hold.is_none() != matches!(self.gate, Gate::Open)
    }

    /// Between two messages the gate becomes what is wanted, if it can.
    pub(in crate::session) fn turn(&mut self, cx: &mut Cx<'_>) {
        if self.frame.is_some() || self.message.is_some() || self.stalled || self.away || self.ended {
            return;
        }
        let open = self.gate == Gate::Open;
        match &self.hold {
            Some(hold) if open && hold.may_go() => self.hold = None,
            // Without context takeover no message refers to another, and a new inflater reads each.
            None if !open && self.uninflated && self.legs.take_over() => {
                self.stalled = true;
                let direction = self.direction;
                cx.out.push(Output::NeedsInflater { direction });
            }
            None if !open => self.shut(None),
            _ => {}
        }
    }

    /// Goes on behind [`Output::NeedsInflater`]. Gives the inflater back if the gate does not shut.
    pub(in crate::session) fn resume(&mut self, inflater: Option<Inflater>) -> Option<Inflater> {
        if !std::mem::take(&mut self.stalled) {
            return inflater;
        }
        match inflater {
            Some(inflater) if self.gate != Gate::Open && !inflater.has_failed() => {
                self.shut(Some(inflater.guarding()));
                None
            }
            unfit => {
                self.gate = Gate::Open;
                unfit
            }
        }
    }

    fn shut(&mut self, inflater: Option<Inflater>) {
        self.uninflated = false;
        self.hold = Some(Box::new(Hold::new(self.direction, self.gate, self.legs, inflater)));
    }

    pub(in crate::session) fn wants(&self, config: &Config) -> bool {
        !self.stalled && self.hold.as_ref().is_none_or(|hold| hold.wants(config))
    }
}
