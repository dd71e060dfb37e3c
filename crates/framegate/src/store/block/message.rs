//! One message as bytes: what a block is made of.
//!
//! In this order, numbers with the lowest byte first and lengths as LEB128: `bits` (4 bytes), the time in microseconds
//! since 1970-01-01 UTC (8 bytes), the bytes on the wire (LEB128), then as far as `bits` says so the size and the number
//! of frames (LEB128), facts, head and original (each its length and its bytes), and last the payload (its length and its
//! bytes).
//!
//! `bits`, from the lowest:
//!
//! | bits | mean |
//! |---|---|
//! | 0 to 3 | kind: 0 upgrade request, 1 upgrade response, 2 text, 3 binary, 4 Close, 5 Ping, 6 Pong, 7 unknown, 8 request, 9 response |
//! | 4 | direction: 0 client to server, 1 server to client |
//! | 5 to 7 | fate: 0 sent, 1 replaced, 2 dropped, 3 blocked, 4 injected |
//! | 8, 9 | masked, compressed |
//! | 10, 11 | not UTF-8 though sent as text, cut |
//! | 12 | the opcode is the one that belongs to the kind (text 1, binary 2, Close 8, Ping 9, Pong 10) |
//! | 13 | the opcode stands in bits 16 to 23; neither 12 nor 13: there is none |
//! | 14, 15 | the payload, the original is text |
//! | 24 | a size follows; else it is the payload's length |
//! | 25 | a number of frames follows; else it is 1 |
//! | 26 | facts follow: JSON `{"decided_by":..,"violation":..,"more":{..}}`, absent ones left out |
//! | 27, 28 | a head, an original follows |

use serde::{Deserialize, Serialize};

use crate::flow::{Direction, Fate, FlowId, Kind, Message, Metadata, Payload, Timestamp};
use crate::store::Row;

const KINDS: [Kind; 10] = [
    Kind::UpgradeRequest,
    Kind::UpgradeResponse,
    Kind::Text,
    Kind::Binary,
    Kind::Close,
    Kind::Ping,
    Kind::Pong,
    Kind::Unknown,
    Kind::Request,
    Kind::Response,
];
const FATES: [Fate; 5] = [Fate::Sent, Fate::Replaced, Fate::Dropped, Fate::Blocked, Fate::Injected];

const KIND: u32 = 0xf;
const RECEIVE: u32 = 1 << 4;
const FATE_SHIFT: u32 = 5;
const MASKED: u32 = 1 << 8;
const COMPRESSED: u32 = 1 << 9;
const INVALID_UTF8: u32 = 1 << 10;
const TRUNCATED: u32 = 1 << 11;
const OPCODE_OF_KIND: u32 = 1 << 12;
const OPCODE_HERE: u32 = 1 << 13;
const TEXT: u32 = 1 << 14;
const ORIGINAL_TEXT: u32 = 1 << 15;
const OPCODE_SHIFT: u32 = 16;
const HAS_SIZE: u32 = 1 << 24;
const HAS_FRAMES: u32 = 1 << 25;
const HAS_FACTS: u32 = 1 << 26;
const HAS_HEAD: u32 = 1 << 27;
const HAS_ORIGINAL: u32 = 1 << 28;

/// Puts a message behind those that are in `out`.
pub(super) fn pack(row: &Row<'_>, out: &mut Vec<u8>) {
    let facts = facts(row);
    let bits = bits(row, facts.is_some());
    // All that has a fixed or small size, in one reservation.
    out.reserve(64 + row.payload.len());
    out.extend_from_slice(&bits.to_le_bytes());
    out.extend_from_slice(&row.at.0.to_le_bytes());
    number(row.wire_bytes, out);
    if bits & HAS_SIZE != 0 {
        number(row.size, out);
    }
    if bits & HAS_FRAMES != 0 {
        number(row.frames.into(), out);
    }
    let original = row.original.map(|original| original.as_bytes());
    let some = [
        facts.as_deref().map(str::as_bytes),
        row.head.map(str::as_bytes),
        original,
    ];
    for part in some.into_iter().flatten() {
        bytes(part, out);
    }
    bytes(row.payload.as_bytes(), out);
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn bits(row: &Row<'_>, has_facts: bool) -> u32 {
    // `Kind` and `Fate` have no fields and are listed in the order of their declaration.
    let mut bits = kind_number(row.kind) | (fate_number(row.fate) << FATE_SHIFT);
    let flags = [
        (row.direction == Direction::Receive, RECEIVE),
        (row.masked, MASKED),
        (row.compressed, COMPRESSED),
        (row.invalid_utf8, INVALID_UTF8),
        (row.truncated, TRUNCATED),
        (row.payload.is_text(), TEXT),
        (row.original.is_some_and(|original| original.is_text()), ORIGINAL_TEXT),
        (row.size != row.payload.len() as u64, HAS_SIZE),
        (row.frames != 1, HAS_FRAMES),
        (has_facts, HAS_FACTS),
        (row.head.is_some(), HAS_HEAD),
        (row.original.is_some(), HAS_ORIGINAL),
    ];
    for (set, flag) in flags {
        if set {
            bits |= flag;
        }
    }
    match row.opcode {
        None => bits,
        Some(opcode) if opcode_of(row.kind) == Some(opcode) => bits | OPCODE_OF_KIND,
        Some(opcode) => bits | OPCODE_HERE | u32::from(opcode) << OPCODE_SHIFT,
    }
}

fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::UpgradeRequest => 0,
        Kind::UpgradeResponse => 1,
        Kind::Text => 2,
        Kind::Binary => 3,
        Kind::Close => 4,
        Kind::Ping => 5,
        Kind::Pong => 6,
        Kind::Unknown => 7,
        Kind::Request => 8,
        Kind::Response => 9,
    }
}

fn fate_number(fate: Fate) -> u32 {
    match fate {
        Fate::Sent => 0,
        Fate::Replaced => 1,
        Fate::Dropped => 2,
        Fate::Blocked => 3,
        Fate::Injected => 4,
    }
}

fn opcode_of(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Text => Some(1),
        Kind::Binary => Some(2),
        Kind::Close => Some(8),
        Kind::Ping => Some(9),
        Kind::Pong => Some(10),
        _ => None,
    }
}

/// What few messages have.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Facts {
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    violation: Option<String>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    more: serde_json::Map<String, serde_json::Value>,
}

/// `None`, and nothing allocated, for the many messages that have none.
fn facts(row: &Row<'_>) -> Option<String> {
    if row.decided_by.is_none() && row.violation.is_none() && row.more.is_empty() {
        return None;
    }
    let more = row
        .more
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()));
    let facts = Facts {
        decided_by: row.decided_by.map(str::to_owned),
        violation: row.violation.map(str::to_owned),
        more: more.collect(),
    };
    Some(serde_json::to_string(&facts).expect("strings and maps of strings are JSON"))
}

/// A message in a block.
pub(in crate::store) struct Packed<'a> {
    bits: u32,
    pub(in crate::store) at: Timestamp,
    wire_bytes: u64,
    size: Option<u64>,
    frames: u32,
    facts: Option<&'a [u8]>,
    head: Option<&'a [u8]>,
    original: Option<&'a [u8]>,
    payload: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Takes the first message off `rest`; `None` if there is no whole one.
    pub(super) fn unpack(rest: &mut &'a [u8]) -> Option<Self> {
        let (bits, tail) = rest.split_first_chunk()?;
        let (at, tail) = tail.split_first_chunk()?;
        *rest = tail;
        let bits = u32::from_le_bytes(*bits);
        let has = |flag| bits & flag != 0;
        Some(Self {
            bits,
            at: Timestamp(i64::from_le_bytes(*at)),
            wire_bytes: take_number(rest)?,
            size: if has(HAS_SIZE) { Some(take_number(rest)?) } else { None },
            frames: if has(HAS_FRAMES) {
                u32::try_from(take_number(rest)?).ok()?
            } else {
                1
            },
            facts: if has(HAS_FACTS) { Some(take_bytes(rest)?) } else { None },
            head: if has(HAS_HEAD) { Some(take_bytes(rest)?) } else { None },
            original: if has(HAS_ORIGINAL) {
                Some(take_bytes(rest)?)
            } else {
                None
            },
            payload: take_bytes(rest)?,
        })
    }

    /// What of it belongs in the index: text that is not the head of an upgrade.
    pub(in crate::store) fn body(&self) -> Option<&'a [u8]> {
        (self.bits & TEXT != 0 && self.bits & KIND > 1).then_some(self.payload)
    }

    /// The message, or what is wrong with it.
    pub(super) fn read(&self, flow: FlowId, sequence: u32) -> Result<Message, &'static str> {
        let bits = self.bits;
        let kind = *KINDS.get((bits & KIND) as usize).ok_or("an unknown kind")?;
        let fate = *FATES.get((bits >> FATE_SHIFT & 7) as usize).ok_or("an unknown fate")?;
        let opcode = match bits & (OPCODE_OF_KIND | OPCODE_HERE) {
            OPCODE_OF_KIND => opcode_of(kind),
            OPCODE_HERE => u8::try_from(bits >> OPCODE_SHIFT & 0xff).ok(),
            _ => None,
        };
        let facts: Facts = match self.facts {
            Some(json) => serde_json::from_slice(json).map_err(|_| "facts that are not JSON")?,
            None => Facts::default(),
        };
        let head = match self.head {
            Some(head) => Some(String::from_utf8(head.to_owned()).map_err(|_| "a head that is not text")?),
            None => None,
        };
        Ok(Message {
            flow,
            sequence,
            direction: if bits & RECEIVE == 0 {
                Direction::Send
            } else {
                Direction::Receive
            },
            at: self.at,
            kind,
            head,
            size: self.size.unwrap_or(self.payload.len() as u64),
            payload: payload(self.payload, bits & TEXT != 0),
            wire_bytes: self.wire_bytes,
            frames: self.frames,
            truncated: bits & TRUNCATED != 0,
            fate,
            decided_by: facts.decided_by,
            original: self.original.map(|bytes| payload(bytes, bits & ORIGINAL_TEXT != 0)),
            metadata: Metadata {
                opcode,
                masked: bits & MASKED != 0,
                compressed: bits & COMPRESSED != 0,
                invalid_utf8: bits & INVALID_UTF8 != 0,
                violation: facts.violation,
                more: facts.more.into_iter().filter_map(string).collect(),
            },
        })
    }
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_number(rest)?).ok()?;
    let (bytes, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(bytes)
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        let low = u64::from(byte & 0x7f);
        if low << shift >> shift != low {
            return None;
        }
        number |= low << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Text that is not UTF-8 was never written by us, but it is still readable as bytes.
fn payload(bytes: &[u8], is_text: bool) -> Payload {
    match std::str::from_utf8(bytes) {
        Ok(text) if is_text => Payload::Text(text.to_owned()),
        _ => Payload::Bytes(bytes.to_owned()),
    }
}

fn string((name, value): (String, serde_json::Value)) -> Option<(String, String)> {
    match value {
        serde_json::Value::String(value) => Some((name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_read_as_they_were_written(numbers: Vec<u64>) {
            let mut out = Vec::new();
            for one in &numbers {
                number(*one, &mut out);
            }
            let mut rest = &out[..];
            for one in &numbers {
                prop_assert_eq!(take_number(&mut rest), Some(*one));
            }
            prop_assert_eq!(take_number(&mut rest), None);
        }

        #[test]
        fn whatever_a_damaged_block_holds_is_read_or_refused(bytes: Vec<u8>) {
            let mut rest = &bytes[..];
            while let Some(packed) = Packed::unpack(&mut rest) {
                let _ = (packed.body(), packed.read(FlowId(1), 0));
            }
        }
    }
}
