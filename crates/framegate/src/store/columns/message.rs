//! Messages.

use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use super::{clamped, unkey};
use crate::flow::{Direction, Fate, Kind, Message, Metadata, Payload, Timestamp};
use crate::store::{PayloadRef, Row, StoreError};

/// The columns that [`message`] reads, in its order.
pub(in crate::store) const MESSAGE: &str = "id, at, bits, wire_bytes, size, frames, facts, head, original, payload";

/// Whether a message counts as one of a WebSocket: all but the upgrade and HTTP.
pub(in crate::store) const COUNTED: &str = "bits & 15 BETWEEN 2 AND 7";

/// What of message `m` belongs in the index: text that is not the head of an upgrade; NULL if nothing does.
pub(in crate::store) const BODY: &str = "CASE WHEN typeof(m.payload) = 'text' AND m.bits & 15 > 1 THEN m.payload END";

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

const RECEIVE: i64 = 1 << 4;
const FATE_SHIFT: u32 = 5;
const MASKED: i64 = 1 << 8;
const COMPRESSED: i64 = 1 << 9;
const INVALID_UTF8: i64 = 1 << 10;
const TRUNCATED: i64 = 1 << 11;
const OPCODE_OF_KIND: i64 = 1 << 12;
const OPCODE_HERE: i64 = 1 << 13;
const OPCODE_SHIFT: u32 = 16;

/// The `bits` column.
pub(in crate::store) fn bits(row: &Row<'_>) -> i64 {
    // `Kind` and `Fate` have no fields and are listed in the order of their declaration.
    let mut bits = kind_number(row.kind) | (fate_number(row.fate) << FATE_SHIFT);
    let flags = [
        (row.direction == Direction::Receive, RECEIVE),
        (row.masked, MASKED),
        (row.compressed, COMPRESSED),
        (row.invalid_utf8, INVALID_UTF8),
        (row.truncated, TRUNCATED),
    ];
    for (set, flag) in flags {
        if set {
            bits |= flag;
        }
    }
    match row.opcode {
        None => bits,
        Some(opcode) if opcode_of(row.kind) == Some(opcode) => bits | OPCODE_OF_KIND,
        Some(opcode) => bits | OPCODE_HERE | i64::from(opcode) << OPCODE_SHIFT,
    }
}

fn kind_number(kind: Kind) -> i64 {
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

fn fate_number(fate: Fate) -> i64 {
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

/// The `facts` column.
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

/// The `facts` column; `None`, and nothing allocated, for the many messages that have none.
pub(in crate::store) fn facts(row: &Row<'_>) -> Option<String> {
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

/// A payload, bound without a copy of ours.
pub(in crate::store) fn payload<'a>(payload: PayloadRef<'a>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(match payload {
        PayloadRef::Text(text) => ValueRef::Text(text.as_bytes()),
        PayloadRef::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// The message that the columns [`MESSAGE`] hold.
pub(in crate::store) fn message(row: &rusqlite::Row<'_>) -> Result<Message, StoreError> {
    let failed = StoreError::sqlite;
    let (flow, sequence) = unkey(row.get(0).map_err(failed(READ))?);
    let damaged = |what: &str| StoreError::Damaged(format!("message {sequence} of flow {flow} has {what}"));
    let bits: i64 = row.get(2).map_err(failed(READ))?;
    let kind = *usize::try_from(bits & 0xf)
        .ok()
        .and_then(|kind| KINDS.get(kind))
        .ok_or_else(|| damaged("an unknown kind"))?;
    let fate = *usize::try_from(bits >> FATE_SHIFT & 7)
        .ok()
        .and_then(|fate| FATES.get(fate))
        .ok_or_else(|| damaged("an unknown fate"))?;
    let opcode = match bits & (OPCODE_OF_KIND | OPCODE_HERE) {
        OPCODE_OF_KIND => opcode_of(kind),
        OPCODE_HERE => u8::try_from(bits >> OPCODE_SHIFT & 0xff).ok(),
        _ => None,
    };
    let facts = match row.get_ref(6).map_err(failed(READ))? {
        ValueRef::Text(json) => serde_json::from_slice(json).map_err(|_| damaged("facts that are not JSON"))?,
        _ => Facts::default(),
    };
    let payload = read_payload(row, 9)?.ok_or_else(|| damaged("no payload"))?;
    let size = row.get::<_, Option<i64>>(4).map_err(failed(READ))?;
    Ok(Message {
        flow,
        sequence,
        direction: if bits & RECEIVE == 0 {
            Direction::Send
        } else {
            Direction::Receive
        },
        at: Timestamp(row.get(1).map_err(failed(READ))?),
        kind,
        head: row.get(7).map_err(failed(READ))?,
        size: size.map_or(payload.as_bytes().len() as u64, clamped),
        payload,
        wire_bytes: clamped(row.get(3).map_err(failed(READ))?),
        frames: row.get::<_, Option<u32>>(5).map_err(failed(READ))?.unwrap_or(1),
        truncated: bits & TRUNCATED != 0,
        fate,
        decided_by: facts.decided_by,
        original: read_payload(row, 8)?,
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

const READ: &str = "read a message";

fn string((name, value): (String, serde_json::Value)) -> Option<(String, String)> {
    match value {
        serde_json::Value::String(value) => Some((name, value)),
        _ => None,
    }
}

fn read_payload(row: &rusqlite::Row<'_>, column: usize) -> Result<Option<Payload>, StoreError> {
    Ok(match row.get_ref(column).map_err(StoreError::sqlite(READ))? {
        // TEXT that is not UTF-8 was never written by us, but it is still readable as bytes.
        ValueRef::Text(text) => Some(match std::str::from_utf8(text) {
            Ok(text) => Payload::Text(text.to_owned()),
            Err(_) => Payload::Bytes(text.to_owned()),
        }),
        ValueRef::Blob(bytes) => Some(Payload::Bytes(bytes.to_owned())),
        _ => None,
    })
}
