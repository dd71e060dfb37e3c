//! How nouns become columns and columns nouns. `migrations/` says what the columns mean.

use rusqlite::types::{ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

use super::{PayloadRef, Row, StoreError};
use crate::flow::{
    Close, ClosedBy, Counts, Direction, Ending, Fate, Flow, FlowId, FlowType, Kind, Message, Metadata, Opening,
    Payload, Protocol, State, Timestamp, Tls, TlsLeg,
};

/// The columns that [`message`] reads, in its order.
pub(super) const MESSAGE: &str = "id, at, bits, wire_bytes, size, frames, facts, head, original, payload";

/// The columns that [`flow`] reads, in its order.
pub(super) const FLOW: &str = "id, protocol, flow_type, started_at, url, subprotocol, extensions, mode, client_addr, \
    server_addr, tls, messages_sent, messages_received, bytes_sent, bytes_received, messages_lost, ended_at, state, \
    error, close_by, close_code, close_reason";

/// Whether a message counts as one of a WebSocket: all but the upgrade and HTTP.
pub(super) const COUNTED: &str = "bits & 15 BETWEEN 2 AND 7";

/// What of message `m` belongs in the index: text that is not the head of an upgrade; NULL if nothing does.
pub(super) const BODY: &str = "CASE WHEN typeof(m.payload) = 'text' AND m.bits & 15 > 1 THEN m.payload END";

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

/// A message's key.
pub(super) fn key(flow: FlowId, sequence: u32) -> i64 {
    i64::from(flow.0) << 32 | i64::from(sequence)
}

/// The flow and sequence of a message's key.
pub(super) fn unkey(key: i64) -> (FlowId, u32) {
    let flow = u32::try_from(key >> 32).unwrap_or(u32::MAX);
    let sequence = u32::try_from(key & 0xffff_ffff).unwrap_or(u32::MAX);
    (FlowId(flow), sequence)
}

/// Numbers beyond what a column holds are kept as the largest one that it does.
pub(super) fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unclamp(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The `bits` column.
pub(super) fn bits(row: &Row<'_>) -> i64 {
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
pub(super) fn facts(row: &Row<'_>) -> Option<String> {
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
pub(super) fn payload<'a>(payload: PayloadRef<'a>) -> ToSqlOutput<'a> {
    ToSqlOutput::Borrowed(match payload {
        PayloadRef::Text(text) => ValueRef::Text(text.as_bytes()),
        PayloadRef::Bytes(bytes) => ValueRef::Blob(bytes),
    })
}

/// The message that the columns [`MESSAGE`] hold.
pub(super) fn message(row: &rusqlite::Row<'_>) -> Result<Message, StoreError> {
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
        size: size.map_or(payload.as_bytes().len() as u64, unclamp),
        payload,
        wire_bytes: unclamp(row.get(3).map_err(failed(READ))?),
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

/// The flow that the columns [`FLOW`] hold.
pub(super) fn flow(row: &rusqlite::Row<'_>) -> Result<Flow, StoreError> {
    let id: u32 = row.get(0).map_err(StoreError::sqlite("read a flow"))?;
    read_flow(FlowId(id), row)
        .map_err(StoreError::sqlite("read a flow"))?
        .ok_or_else(|| StoreError::Damaged(format!("flow {id} has a word that no version of framegate writes")))
}

/// `None`: one of the words is none of ours.
fn read_flow(id: FlowId, row: &rusqlite::Row<'_>) -> Result<Option<Flow>, rusqlite::Error> {
    let number = |column: usize| row.get::<_, i64>(column).map(unclamp);
    let (Some(protocol), Some(flow_type)) = (
        protocol_of(row.get_ref(1)?.as_str()?),
        flow_type_of(row.get_ref(2)?.as_str()?),
    ) else {
        return Ok(None);
    };
    let tls = match row.get::<_, Option<String>>(10)? {
        None => None,
        Some(json) => match serde_json::from_str::<TlsColumn>(&json) {
            Ok(tls) => Some(tls.into()),
            Err(_) => return Ok(None),
        },
    };
    let opening = Opening {
        protocol,
        flow_type,
        started_at: Timestamp(row.get(3)?),
        url: row.get(4)?,
        subprotocol: row.get(5)?,
        extensions: row.get(6)?,
        mode: row.get(7)?,
        client_addr: row.get(8)?,
        server_addr: row.get(9)?,
        tls,
    };
    let counts = Counts {
        messages_sent: number(11)?,
        messages_received: number(12)?,
        bytes_sent: number(13)?,
        bytes_received: number(14)?,
        messages_lost: number(15)?,
    };
    let ending = match row.get::<_, Option<i64>>(16)? {
        None => None,
        Some(ended_at) => match read_ending(ended_at, row)? {
            None => return Ok(None),
            ending => ending,
        },
    };
    Ok(Some(Flow {
        id,
        opening,
        counts,
        ending,
    }))
}

fn read_ending(ended_at: i64, row: &rusqlite::Row<'_>) -> Result<Option<Ending>, rusqlite::Error> {
    let state = match row.get_ref(17)?.as_str_or_null()? {
        Some("complete") => State::Complete,
        Some("error") => State::Error,
        _ => return Ok(None),
    };
    let close = match row.get_ref(19)?.as_str_or_null()? {
        None => None,
        Some(by) => {
            let Some(by) = closed_by_of(by) else { return Ok(None) };
            Some(Close {
                by,
                code: row.get(20)?,
                reason: row.get::<_, Option<String>>(21)?.unwrap_or_default(),
            })
        }
    };
    Ok(Some(Ending {
        ended_at: Timestamp(ended_at),
        state,
        error: row.get(18)?,
        close,
    }))
}

/// The `protocol` column.
pub(super) fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::WebSocket => "websocket",
        Protocol::Http => "http",
    }
}

fn protocol_of(word: &str) -> Option<Protocol> {
    [Protocol::WebSocket, Protocol::Http]
        .into_iter()
        .find(|it| protocol(*it) == word)
}

/// The `flow_type` column.
pub(super) fn flow_type(flow_type: FlowType) -> &'static str {
    match flow_type {
        FlowType::Bidirectional => "bidirectional",
        FlowType::Unary => "unary",
        FlowType::Tunnel => "tunnel",
    }
}

fn flow_type_of(word: &str) -> Option<FlowType> {
    let all = [FlowType::Bidirectional, FlowType::Unary, FlowType::Tunnel];
    all.into_iter().find(|it| flow_type(*it) == word)
}

/// The `state` column of a flow that has ended.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Complete => "complete",
        // An ending that says "active" is the caller's mistake; the flow did not end as it should.
        State::Error | State::Active => "error",
    }
}

/// The `close_by` column.
pub(super) fn closed_by(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::Client => "client",
        ClosedBy::Server => "server",
        ClosedBy::Proxy => "proxy",
    }
}

fn closed_by_of(word: &str) -> Option<ClosedBy> {
    let all = [ClosedBy::Client, ClosedBy::Server, ClosedBy::Proxy];
    all.into_iter().find(|it| closed_by(*it) == word)
}

/// The `tls` column.
#[derive(Deserialize, Serialize)]
struct TlsColumn {
    client: Option<LegColumn>,
    server: Option<LegColumn>,
}

#[derive(Deserialize, Serialize)]
struct LegColumn {
    version: String,
    cipher: String,
    server_name: Option<String>,
    subject: Option<String>,
    alpn: Option<String>,
}

/// The `tls` column.
pub(super) fn tls(tls: &Tls) -> String {
    let leg = |leg: &TlsLeg| LegColumn {
        version: leg.version.clone(),
        cipher: leg.cipher.clone(),
        server_name: leg.server_name.clone(),
        subject: leg.subject.clone(),
        alpn: leg.alpn.clone(),
    };
    let column = TlsColumn {
        client: tls.client.as_ref().map(leg),
        server: tls.server.as_ref().map(leg),
    };
    serde_json::to_string(&column).expect("strings are JSON")
}

impl From<TlsColumn> for Tls {
    fn from(column: TlsColumn) -> Self {
        let leg = |leg: LegColumn| TlsLeg {
            version: leg.version,
            cipher: leg.cipher,
            server_name: leg.server_name,
            subject: leg.subject,
            alpn: leg.alpn,
        };
        Self {
            client: column.client.map(leg),
            server: column.server.map(leg),
        }
    }
}
