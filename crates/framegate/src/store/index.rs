//! The full-text pass: puts the words of text payloads into the index, after the fact and in steps.
//!
//! Writing a message costs the index nothing: each flow has a mark of its own up to which it is indexed, because the
//! messages of different flows come interleaved and one mark over all ids would pass over the slower ones. The mark
//! moves in the transaction that adds the words, so a crash leaves both where they were.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use super::block::{self, Packed};
use super::{StoreError, Writer, columns};
use crate::flow::FlowId;

/// One step reads no more text than this, so that few long messages do not take as long as many short ones do not.
const STEP_BYTES: usize = 4 << 20;

impl Writer {
    /// Indexes up to `rows_max` messages, fewer when they are long. Commits what was written before, and then itself.
    /// `Ok(true)`: there is more to do.
    ///
    /// # Errors
    /// What SQLite said; nothing of this step is indexed then, and the next call does it again.
    pub fn index_some(&mut self, rows_max: usize) -> Result<bool, StoreError> {
        self.commit()?;
        let mut flows: Vec<(FlowId, u32)> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.dirty)
            .map(|(id, pending)| (*id, pending.sequence))
            .collect();
        if flows.is_empty() && !self.has_latecomers()? {
            return Ok(false);
        }
        // Within one transaction the index wants its rows in rising order.
        flows.sort_unstable();
        let mut step = Step {
            rows: rows_max,
            bytes: STEP_BYTES,
        };
        let (done, late) = self.write("index the record", |connection| {
            let late = latecomers(connection, &mut step)?;
            let mut done = Vec::new();
            for &(flow, sequence) in &flows {
                if step.is_over() {
                    break;
                }
                done.push((flow, index_flow(connection, flow, sequence, &mut step)?));
            }
            Ok((done, late))
        })?;
        self.commit()?;
        let mut more = late || done.len() < flows.len();
        for (flow, outcome) in done {
            match outcome {
                Outcome::Ended => {
                    self.pending.remove(&flow);
                }
                Outcome::UpTo { sequence, dirty } => {
                    more |= dirty;
                    if let Some(pending) = self.pending.get_mut(&flow) {
                        (pending.sequence, pending.dirty) = (sequence, dirty);
                    }
                }
            }
        }
        Ok(more)
    }

    fn has_latecomers(&self) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT 1 FROM latecomers LIMIT 1")
            .and_then(|mut statement| statement.exists([]))
            .map_err(StoreError::sqlite("read what is not indexed"))
    }
}

/// What one step may still read.
struct Step {
    rows: usize,
    bytes: usize,
}

impl Step {
    fn is_over(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }

    fn add(&mut self, connection: &Connection, id: i64, message: &Packed<'_>) -> rusqlite::Result<()> {
        self.rows = self.rows.saturating_sub(1);
        if let Some(body) = message.body() {
            self.bytes = self.bytes.saturating_sub(body.len());
            let text = rusqlite::types::ValueRef::Text(body);
            connection
                .prepare_cached("INSERT INTO words (rowid, body) VALUES (?1, ?2)")?
                .execute(params![id, rusqlite::types::ToSqlOutput::Borrowed(text)])?;
        }
        Ok(())
    }
}

/// How far one flow came.
enum Outcome {
    /// All of it is indexed and nothing can follow.
    Ended,
    /// All before `sequence` is indexed; `dirty`: more is there.
    UpTo { sequence: u32, dirty: bool },
}

fn index_flow(connection: &Connection, flow: FlowId, from: u32, step: &mut Step) -> rusqlite::Result<Outcome> {
    let (mut sequence, mut dirty) = (from, false);
    let walked = block::walk(connection, flow, from, |at, message| {
        if step.is_over() {
            dirty = true;
            return Ok(ControlFlow::Break(()));
        }
        step.add(connection, columns::key(flow, at), message)?;
        sequence = at.saturating_add(1);
        Ok(ControlFlow::Continue(()))
    });
    // What cannot be read cannot be found; the others can.
    block::up_to_damage(walked)?;
    let ended = "DELETE FROM unindexed WHERE flow = ?1
        AND NOT EXISTS (SELECT 1 FROM flows WHERE id = ?1 AND ended_at IS NULL)";
    if !dirty && connection.prepare_cached(ended)?.execute([flow.0])? > 0 {
        return Ok(Outcome::Ended);
    }
    if sequence != from {
        connection
            .prepare_cached("UPDATE unindexed SET sequence = ?2 WHERE flow = ?1")?
            .execute([flow.0, sequence])?;
    }
    Ok(Outcome::UpTo { sequence, dirty })
}

/// Indexes what came too late for its place; true if there is more.
fn latecomers(connection: &Connection, step: &mut Step) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached("SELECT id FROM latecomers ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut last = None;
    let more = loop {
        if step.is_over() {
            break true;
        }
        let Some(row) = rows.next()? else { break false };
        let id: i64 = row.get(0)?;
        let (flow, sequence) = columns::unkey(id);
        let mut add = |message: &Packed<'_>| step.add(connection, id, message);
        block::up_to_damage(block::one(connection, flow, sequence, &mut add).map(drop))?;
        last = Some(id);
    };
    // Without a limit in the way, what is left has no message any more.
    let up_to = if more { last } else { Some(i64::MAX) };
    connection
        .prepare_cached("DELETE FROM latecomers WHERE id <= ?1")?
        .execute([up_to.unwrap_or(i64::MIN)])?;
    Ok(more)
}
