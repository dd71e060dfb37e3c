//! What a new writer finds: flows that a crash left active, and what the index had still to do.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use super::writer::Pending;
use super::{StoreError, block};
use crate::flow::FlowId;

/// Ends the flows that are still active as errors, at the time of their last message. Their counts are right: they were
/// committed with the messages that they count.
pub(super) fn end_interrupted(connection: &Connection) -> Result<(), StoreError> {
    let end = || {
        let sql = "SELECT id, started_at FROM flows WHERE id IN (SELECT flow FROM unindexed) AND ended_at IS NULL";
        let mut statement = connection.prepare(sql)?;
        let active: Vec<(u32, i64)> = statement
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut update = connection.prepare(
            "UPDATE flows SET ended_at = ?2, state = 'error',
                error = 'interrupted: framegate ended before the connection did' WHERE id = ?1",
        )?;
        let transaction = connection.unchecked_transaction()?;
        for (id, started_at) in active {
            let last = block::last(connection, FlowId(id))?.map_or(started_at, |last| last.0);
            update.execute([i64::from(id), last.max(started_at)])?;
        }
        transaction.commit()
    };
    end().map_err(StoreError::sqlite("end the flows that were interrupted"))
}

/// What the index has still to do.
pub(super) fn pending(connection: &Connection) -> Result<HashMap<FlowId, Pending>, StoreError> {
    let read = || {
        let mut statement = connection.prepare("SELECT flow, sequence FROM unindexed")?;
        let rows = statement.query_map([], |row| {
            let sequence = row.get(1)?;
            Ok((FlowId(row.get(0)?), Pending::from(sequence)))
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
