//! Retention: deletes what ended first, whole flows only, in steps that are short enough to stand between two batches.

use rusqlite::{Connection, OptionalExtension};

use super::{StoreError, Writer, columns};
use crate::flow::{FlowId, Timestamp};

/// Messages that one step deletes, and the bytes of payload after which it ends in any case.
const STEP_ROWS: u64 = 2_000;
const STEP_BYTES: u64 = 4 << 20;

/// Pages that one step gives back to the file system.
const STEP_PAGES: i64 = 250;

/// Free pages that stay in the file, because the next messages need them.
const SPARE_PAGES: i64 = 250;

const MICROS_PER_DAY: i64 = 24 * 60 * 60 * 1_000_000;

const WHAT: &str = "delete old flows";

impl Writer {
    /// Does one step of deleting the flows that ended more than `keep_days` days before `now` (0: keep them for ever),
    /// and of those that ended first as long as the database has more than `bytes_max` bytes in use (0: no limit). The
    /// write-ahead log does not count. Active flows are never deleted. Commits what was written before, and then
    /// itself. `Ok(true)`: there is more to do.
    ///
    /// # Errors
    /// What SQLite said; what earlier steps deleted stays deleted.
    pub fn retain(&mut self, keep_days: u32, bytes_max: u64, now: Timestamp) -> Result<bool, StoreError> {
        self.commit()?;
        let ended_before = match keep_days {
            0 => i64::MIN,
            days => now.0.saturating_sub(i64::from(days) * MICROS_PER_DAY),
        };
        let bytes_max = if bytes_max == 0 {
            i64::MAX
        } else {
            columns::clamp(bytes_max)
        };
        let mut gone = Vec::new();
        let mut step = Step {
            rows: STEP_ROWS,
            bytes: STEP_BYTES,
        };
        while !step.is_over() {
            let next = match unfinished(&self.connection).map_err(StoreError::sqlite(WHAT))? {
                Some(flow) => flow,
                None => match due(&self.connection, ended_before, bytes_max).map_err(StoreError::sqlite(WHAT))? {
                    None => break,
                    Some(flow) => {
                        self.write(WHAT, |connection| expire(connection, flow))?;
                        gone.push(flow);
                        flow
                    }
                },
            };
            self.write(WHAT, |connection| delete_messages(connection, next, &mut step))?;
        }
        self.commit()?;
        for flow in gone {
            self.pending.remove(&flow);
        }
        let shrinking = self.shrink().map_err(StoreError::sqlite("shrink the database"))?;
        Ok(step.is_over() || shrinking)
    }

    /// The bytes of the database that are in use: what `store.bytes_max` is held against. Neither free pages of the
    /// file nor the write-ahead log count.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn bytes_used(&self) -> Result<u64, StoreError> {
        bytes_used(&self.connection)
            .map(|bytes| u64::try_from(bytes).unwrap_or(0))
            .map_err(StoreError::sqlite("read the size of the database"))
    }

    /// Gives free pages back to the file system; true if there are more.
    fn shrink(&self) -> rusqlite::Result<bool> {
        let free = number(&self.connection, "PRAGMA freelist_count")?;
        if free <= SPARE_PAGES {
            return Ok(false);
        }
        let pages = STEP_PAGES.min(free - SPARE_PAGES);
        // Each row is one page: only who reads them all frees them all.
        let mut statement = self
            .connection
            .prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
        let mut rows = statement.query([])?;
        while rows.next()?.is_some() {}
        Ok(free - pages > SPARE_PAGES)
    }
}

/// What one step may still delete.
struct Step {
    rows: u64,
    bytes: u64,
}

impl Step {
    fn is_over(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

fn bytes_used(connection: &Connection) -> rusqlite::Result<i64> {
    let pages = number(connection, "PRAGMA page_count")? - number(connection, "PRAGMA freelist_count")?;
    Ok(pages * number(connection, "PRAGMA page_size")?)
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

/// A flow whose messages are being deleted.
fn unfinished(connection: &Connection) -> rusqlite::Result<Option<FlowId>> {
    connection
        .prepare_cached("SELECT flow FROM expired LIMIT 1")?
        .query_row([], |row| row.get(0).map(FlowId))
        .optional()
}

/// The next flow to delete.
fn due(connection: &Connection, ended_before: i64, bytes_max: i64) -> rusqlite::Result<Option<FlowId>> {
    let oldest = "SELECT id, ended_at FROM flows WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT 1";
    let oldest = connection
        .prepare_cached(oldest)?
        .query_row([], |row| Ok((FlowId(row.get(0)?), row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(match oldest {
        Some((flow, ended_at)) if ended_at < ended_before || bytes_used(connection)? > bytes_max => Some(flow),
        _ => None,
    })
}

/// Takes a flow out of everybody's sight; its messages follow step by step, also after a crash.
fn expire(connection: &Connection, flow: FlowId) -> rusqlite::Result<()> {
    for sql in [
        "INSERT INTO expired (flow) VALUES (?1)",
        "DELETE FROM unindexed WHERE flow = ?1",
        "DELETE FROM flows WHERE id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([flow.0])?;
    }
    Ok(())
}

/// Deletes blocks of a flow that is out of sight, as many as the step allows, and forgets it with the last one.
fn delete_messages(connection: &Connection, flow: FlowId, step: &mut Step) -> rusqlite::Result<()> {
    let first = columns::key(flow, 0);
    // The length stands in the row's header, so that the messages are not read.
    let lengths =
        "SELECT id + count - 1, count, octet_length(messages) FROM blocks WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    let mut statement = connection.prepare_cached(lengths)?;
    let mut rows = statement.query([first, columns::key(flow, u32::MAX)])?;
    let mut up_to = None;
    let all = loop {
        if step.is_over() {
            break false;
        }
        let Some(row) = rows.next()? else { break true };
        up_to = Some(row.get::<_, i64>(0)?);
        let left = |of: u64, taken: i64| of.saturating_sub(u64::try_from(taken).unwrap_or(0));
        step.rows = left(step.rows, row.get(1)?);
        step.bytes = left(step.bytes, row.get(2)?);
    };
    drop(rows);
    if let Some(up_to) = up_to {
        for sql in [
            "DELETE FROM words WHERE rowid BETWEEN ?1 AND ?2",
            "DELETE FROM latecomers WHERE id BETWEEN ?1 AND ?2",
            "DELETE FROM blocks WHERE id BETWEEN ?1 AND ?2",
        ] {
            connection.prepare_cached(sql)?.execute([first, up_to])?;
        }
    }
    if all {
        connection
            .prepare_cached("DELETE FROM expired WHERE flow = ?1")?
            .execute([flow.0])?;
        // A flow without messages is work as well.
        step.rows = step.rows.saturating_sub(1);
    }
    Ok(())
}
