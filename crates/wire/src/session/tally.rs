//! What a session has counted since it was last asked: messages and their bytes, whether or not they go on record.

use super::output::{Facts, Fate};
use crate::Direction;
use crate::frame::Opcode;

/// What kind of message was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Opcode 1.
    Text,
    /// Opcode 2.
    Binary,
    /// Close, Ping and Pong.
    Control,
    /// A reserved opcode, or a continuation of nothing.
    Unknown,
}

impl Sort {
    /// How many there are.
    const COUNT: usize = 4;
    const ALL: [Self; Self::COUNT] = [Self::Text, Self::Binary, Self::Control, Self::Unknown];

    /// What a message with this opcode is counted as.
    #[must_use]
    pub const fn of(opcode: Opcode) -> Self {
        match opcode {
            Opcode::Text => Self::Text,
            Opcode::Binary => Self::Binary,
            opcode if opcode.is_control() => Self::Control,
            _ => Self::Unknown,
        }
    }
}

/// Messages of one direction and sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Those that left as they came.
    pub sent: u32,
    /// Those in whose place others left.
    pub replaced: u32,
    /// Those that did not leave.
    pub dropped: u32,
    /// Those that the proxy wrote.
    pub injected: u32,
    /// Payload bytes of all of them on the wire, as they came: compressed ones, where they came compressed.
    pub payload_bytes: u64,
    /// Bytes of all of them on the wire, headers included, as they came.
    pub wire_bytes: u64,
}

/// Counts of a session, to be taken out of it from time to time.
#[derive(Debug, Default)]
pub struct Tally {
    cells: [Counted; 2 * Sort::COUNT],
    /// A bit for each cell that is not empty: most have nothing when they are asked.
    touched: u8,
}

impl Tally {
    /// Counts a message whose fate is decided.
    #[inline]
    pub(super) fn count(&mut self, facts: &Facts, fate: &Fate) {
        let cell = self.cell(facts);
        match fate {
            Fate::Sent => cell.sent += 1,
            Fate::Replaced(_) => cell.replaced += 1,
            Fate::Dropped => cell.dropped += 1,
            Fate::Injected => cell.injected += 1,
        }
        cell.payload_bytes = cell.payload_bytes.saturating_add(facts.payload_bytes);
        cell.wire_bytes = cell.wire_bytes.saturating_add(facts.wire_bytes);
    }

    fn cell(&mut self, facts: &Facts) -> &mut Counted {
        let at = facts.direction.index() * Sort::COUNT + Sort::of(facts.opcode) as usize;
        self.touched |= 1 << at;
        &mut self.cells[at]
    }

    /// Hands over what was counted since the last time, and begins anew.
    #[inline]
    pub fn take(&mut self, mut each: impl FnMut(Direction, Sort, Counted)) {
        while self.touched != 0 {
            let at = self.touched.trailing_zeros() as usize;
            self.touched &= self.touched - 1;
            let (direction, sort) = (Direction::BOTH[at / Sort::COUNT], Sort::ALL[at % Sort::COUNT]);
            each(direction, sort, std::mem::take(&mut self.cells[at]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_handed_over_once() {
        let mut tally = Tally::default();
        let facts = Facts {
            payload_bytes: 5,
            wire_bytes: 11,
            ..Facts::unsent(Direction::Receive, Opcode::Ping)
        };
        tally.count(&facts, &Fate::Sent);
        tally.count(&facts, &Fate::Dropped);
        let expected = Counted {
            sent: 1,
            dropped: 1,
            payload_bytes: 10,
            wire_bytes: 22,
            ..Counted::default()
        };
        let mut taken = Vec::new();
        tally.take(|direction, sort, counted| taken.push((direction, sort, counted)));
        assert_eq!(taken, [(Direction::Receive, Sort::Control, expected)]);
        tally.take(|_, _, _| unreachable!("all of it has been taken"));
    }
}
