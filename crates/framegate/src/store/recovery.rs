//! What a new writer finds: flows that a crash left active, and what the index had still to do.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::writer::Pending;
use super::{StoreError, columns};
use crate::flow::FlowId;

/// Ends the flows that are still active as errors, at the time of their last message.
///
/// The counts of a WebSocket are raised to what is on record; they are lower if the last messages were committed
/// without them. Those of HTTP and of tunnels cannot be told from the messages, and stay.
pub(super) fn end_interrupted(connection: &Connection) -> Result<(), StoreError> {
    let counted = columns::COUNTED;
    let of_flow = "m.id BETWEEN f.id << 32 AND f.id << 32 | 0xffffffff";
    let tally = |what: &str, direction: u8| {
        format!(
            "CASE f.flow_type WHEN 'bidirectional' THEN (SELECT {what} FROM messages m \
             WHERE {of_flow} AND {counted} AND m.bits >> 4 & 1 = {direction}) ELSE 0 END"
        )
    };
    let sql = format!(
        "UPDATE flows AS f SET
            ended_at = max(f.started_at,
                coalesce((SELECT at FROM messages m WHERE {of_flow} ORDER BY m.id DESC LIMIT 1), f.started_at)),
            state = 'error',
            error = 'interrupted: framegate ended before the connection did',
            messages_sent = max(messages_sent, {}),
            messages_received = max(messages_received, {}),
            bytes_sent = max(bytes_sent, {}),
            bytes_received = max(bytes_received, {})
        WHERE f.id IN (SELECT flow FROM unindexed) AND f.ended_at IS NULL",
        tally("count(*)", 0),
        tally("count(*)", 1),
        tally("coalesce(sum(m.wire_bytes), 0)", 0),
        tally("coalesce(sum(m.wire_bytes), 0)", 1),
    );
    connection
        .execute(&sql, [])
        .map(drop)
        .map_err(StoreError::sqlite("end the flows that were interrupted"))
}

/// What the index has still to do.
pub(super) fn pending(connection: &Connection) -> Result<HashMap<FlowId, Pending>, StoreError> {
    let read = || {
        let mut statement = connection.prepare("SELECT flow, sequence FROM unindexed")?;
        let rows = statement.query_map([], |row| {
            let sequence = row.get(1)?;
            Ok((FlowId(row.get(0)?), Pending { sequence, dirty: true }))
        })?;
        rows.collect::<rusqlite::Result<_>>()
    };
    read().map_err(StoreError::sqlite("read what is not indexed"))
}

/// One more than the highest id that a flow has or has had.
pub(super) fn next_flow(connection: &Connection) -> Result<u32, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'flows'";
    let last: Option<u32> = connection
        .query_row(sql, [], |row| row.get(0))
        .optional()
        .map_err(StoreError::sqlite("read the last flow"))?;
    Ok(last.unwrap_or(0).saturating_add(1))
}
