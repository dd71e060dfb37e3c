//! What the session has counted goes to the counts of the thread.

use wire::session::{Counted, Entry, Fate, Output, Sort};

use super::websocket::Conversation;
use crate::flow::Direction;
use crate::telemetry::{self, became};

impl Conversation {
    /// Counts what has a fate by now. `out` has, of each message that was judged, what goes on record.
    pub(super) fn count(&mut self, out: &[Output]) {
        let Self {
            session,
            judges,
            retired,
            ..
        } = self;
        let counts = telemetry::counts();
        session.tally().take(|direction, sort, counted| {
            let blocked = match counted.dropped {
                0 => 0,
                _ => {
                    let chains = || retired.iter().chain(judges.as_deref());
                    stopped(out, direction, sort, |ticket| {
                        chains().any(|chain| chain.blocks(ticket))
                    })
                }
            };
            let Counted {
                payload_bytes,
                wire_bytes,
                ..
            } = counted;
            for (fate, messages) in became(&counted, blocked) {
                if messages > 0 {
                    counts.messages.add((direction, sort, fate), u64::from(messages));
                }
            }
            counts.payload_bytes.add((direction, sort), payload_bytes);
            counts.wire_bytes.add((direction, sort), wire_bytes);
        });
    }
}

/// How many of the messages that did not leave were stopped by a rule.
fn stopped(out: &[Output], direction: Direction, sort: Sort, blocks: impl Fn(wire::session::Ticket) -> bool) -> u32 {
    let is_stopped = |output: &&Output| match output {
        Output::Record(Entry::Message(recorded)) => {
            recorded.fate == Fate::Dropped
                && (recorded.facts.direction, Sort::of(recorded.facts.opcode)) == (direction, sort)
                && recorded.ticket.is_some_and(&blocks)
        }
        _ => false,
    };
    u32::try_from(out.iter().filter(is_stopped).count()).unwrap_or(u32::MAX)
}
