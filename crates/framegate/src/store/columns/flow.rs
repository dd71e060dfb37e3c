//! Flows.

use serde::{Deserialize, Serialize};

use super::clamped;
use crate::flow::{
    Close, ClosedBy, Counts, Ending, Flow, FlowId, FlowType, Opening, Protocol, State, Timestamp, Tls, TlsLeg,
};
use crate::store::StoreError;

/// The columns that [`flow`] reads, in its order.
pub(in crate::store) const FLOW: &str = "id, protocol, flow_type, started_at, url, subprotocol, extensions, mode, client_addr, \
    server_addr, tls, messages_sent, messages_received, bytes_sent, bytes_received, messages_lost, ended_at, state, \
    error, close_by, close_code, close_reason";

/// The flow that the columns [`FLOW`] hold.
pub(in crate::store) fn flow(row: &rusqlite::Row<'_>) -> Result<Flow, StoreError> {
    let id: u32 = row.get(0).map_err(StoreError::sqlite("read a flow"))?;
    read_flow(FlowId(id), row)
        .map_err(StoreError::sqlite("read a flow"))?
        .ok_or_else(|| StoreError::Damaged(format!("flow {id} has a word that no version of framegate writes")))
}

/// `None`: one of the words is none of ours.
fn read_flow(id: FlowId, row: &rusqlite::Row<'_>) -> Result<Option<Flow>, rusqlite::Error> {
    let number = |column: usize| row.get::<_, i64>(column).map(clamped);
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
pub(in crate::store) fn protocol(protocol: Protocol) -> &'static str {
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
pub(in crate::store) fn flow_type(flow_type: FlowType) -> &'static str {
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
pub(in crate::store) fn state(state: State) -> &'static str {
    match state {
        State::Complete => "complete",
        // An ending that says "active" is the caller's mistake; the flow did not end as it should.
        State::Error | State::Active => "error",
    }
}

/// The `close_by` column.
pub(in crate::store) fn closed_by(by: ClosedBy) -> &'static str {
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
pub(in crate::store) fn tls(tls: &Tls) -> String {
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
