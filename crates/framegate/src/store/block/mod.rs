//! Blocks: messages of one flow whose sequences follow one another, packed into one row.
//!
//! A row costs SQLite about a microsecond whatever it holds, and a message is little: packed, they cost a fifth. The
//! blocks of a flow never overlap, and their keys are those of their first messages, so they are in order without a
//! second index. This module alone knows that messages lie in blocks.

mod message;

use std::ops::ControlFlow;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, ffi, params};

use super::{Row, columns};
use crate::flow::{FlowId, Message, Timestamp};

pub(super) use message::Packed;

/// A block takes no further message once it has so many bytes: whoever wants one message reads its whole block.
const BLOCK_BYTES: usize = 64 << 10;

/// A buffer that has grown beyond this is not kept for the next block.
const KEPT_BYTES: usize = 1 << 20;

/// The block that is being written. What is in it is not in the database before [`Block::write`].
#[derive(Debug)]
pub(super) struct Block {
    flow: FlowId,
    first: u32,
    count: u32,
    bytes: Vec<u8>,
}

impl Default for Block {
    fn default() -> Self {
        Self {
            flow: FlowId(0),
            first: 0,
            count: 0,
            bytes: Vec::new(),
        }
    }
}

impl Block {
    /// Puts a message into the block, if it follows those that are in it, or else into a new one. `next` is one more than
    /// the highest sequence that its flow has on record, `None` if that is not known; it is kept up.
    ///
    /// # Errors
    /// What SQLite said; a violated constraint when the flow has a message with this sequence already.
    pub(super) fn insert(
        &mut self,
        connection: &Connection,
        row: &Row<'_>,
        next: &mut Option<u32>,
    ) -> rusqlite::Result<()> {
        if !self.is_followed_by(row) {
            self.write(connection)?;
            (self.flow, self.first) = (row.flow, row.sequence);
            let known = match *next {
                Some(next) => next,
                None => next_sequence(connection, row.flow)?,
            };
            if row.sequence < known {
                return self.insert_late(connection, row);
            }
        }
        message::pack(row, &mut self.bytes);
        self.count += 1;
        *next = Some(row.sequence.saturating_add(1));
        Ok(())
    }

    fn is_followed_by(&self, row: &Row<'_>) -> bool {
        self.count > 0
            && self.flow == row.flow
            && self.first.checked_add(self.count) == Some(row.sequence)
            && self.bytes.len() < BLOCK_BYTES
    }

    /// A message that comes behind higher ones has a block of its own: one that grew could meet the next.
    fn insert_late(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
        if one(connection, row.flow, row.sequence, |_| Ok(()))?.is_some() {
            let error = ffi::Error::new(ffi::SQLITE_CONSTRAINT);
            let what = format!("flow {} has a message {} already", row.flow, row.sequence);
            return Err(rusqlite::Error::SqliteFailure(error, Some(what)));
        }
        message::pack(row, &mut self.bytes);
        self.count = 1;
        self.write(connection)
    }

    /// Puts what is in it into the database, and begins with nothing.
    ///
    /// # Errors
    /// What SQLite said.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.count > 0 {
            connection
                .prepare_cached("INSERT INTO blocks (id, count, messages) VALUES (?1, ?2, ?3)")?
                .execute(params![columns::key(self.flow, self.first), self.count, self.bytes])?;
        }
        self.clear();
        Ok(())
    }

    /// Forgets what is in it.
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
    }
}

/// Shows `each` the messages of a flow from sequence `from` on, in their order, until it breaks off. Of a flow that is
/// not on record there are none.
///
/// # Errors
/// Those of `each`. What SQLite said. One that is [`damage`], if a block does not hold what it should.
pub(super) fn walk(
    connection: &Connection,
    flow: FlowId,
    from: u32,
    mut each: impl FnMut(u32, &Packed<'_>) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<()> {
    // The first message that is asked for may lie in the middle of a block.
    let sql = "SELECT id, count, messages FROM blocks
        WHERE id BETWEEN coalesce((SELECT max(id) FROM blocks WHERE id BETWEEN ?1 AND ?2), ?2) AND ?3
            AND EXISTS (SELECT 1 FROM flows WHERE flows.id = ?1 >> 32)
        ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let key = |sequence| columns::key(flow, sequence);
    let mut rows = statement.query([key(0), key(from), key(u32::MAX)])?;
    while let Some(row) = rows.next()? {
        let (_, first) = columns::unkey(row.get(0)?);
        let count: u32 = row.get(1)?;
        let mut rest = row.get_ref(2)?.as_blob()?;
        for sequence in (0..count).map_while(|nth| first.checked_add(nth)) {
            let packed =
                Packed::unpack(&mut rest).ok_or_else(|| damaged(flow, sequence, "its block ends before it"))?;
            if sequence >= from && each(sequence, &packed)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What `read` makes of one message; `None` if there is none.
///
/// # Errors
/// As [`walk`].
pub(super) fn one<T>(
    connection: &Connection,
    flow: FlowId,
    sequence: u32,
    mut read: impl FnMut(&Packed<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    let mut found = None;
    walk(connection, flow, sequence, |at, packed| {
        if at == sequence {
            found = Some(read(packed)?);
        }
        Ok(ControlFlow::Break(()))
    })?;
    Ok(found)
}

/// The message that a block holds.
///
/// # Errors
/// One that is [`damage`].
pub(super) fn message(flow: FlowId, sequence: u32, packed: &Packed<'_>) -> rusqlite::Result<Message> {
    packed
        .read(flow, sequence)
        .map_err(|what| damaged(flow, sequence, &format!("it has {what}")))
}

/// The time of a flow's last message. Of a block that is damaged, it is that of the last one that can be read.
pub(super) fn last(connection: &Connection, flow: FlowId) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT id FROM blocks WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
    let block: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row([columns::key(flow, 0), columns::key(flow, u32::MAX)], |row| row.get(0))
        .optional()?;
    let mut last = None;
    if let Some(block) = block {
        let walked = walk(connection, flow, columns::unkey(block).1, |_, packed| {
            last = Some(packed.at);
            Ok(ControlFlow::Continue(()))
        });
        up_to_damage(walked)?;
    }
    Ok(last)
}

/// One more than the highest sequence that a flow has on record.
fn next_sequence(connection: &Connection, flow: FlowId) -> rusqlite::Result<u32> {
    let sql = "SELECT id + count - 1 FROM blocks WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1";
    let last: Option<i64> = connection
        .prepare_cached(sql)?
        .query_row([columns::key(flow, 0), columns::key(flow, u32::MAX)], |row| row.get(0))
        .optional()?;
    Ok(last.map_or(0, |last| columns::unkey(last).1.saturating_add(1)))
}

/// Says which message of a block is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("message {sequence} of flow {flow}: {what}")]
struct Damaged {
    flow: FlowId,
    sequence: u32,
    what: String,
}

fn damaged(flow: FlowId, sequence: u32, what: &str) -> rusqlite::Error {
    let what = what.to_owned();
    rusqlite::Error::FromSqlConversionFailure(2, Type::Blob, Box::new(Damaged { flow, sequence, what }))
}

/// What is wrong with a block, if that and not SQLite is what failed.
pub(super) fn damage(error: &rusqlite::Error) -> Option<String> {
    match error {
        rusqlite::Error::FromSqlConversionFailure(_, _, source) => {
            source.downcast_ref::<Damaged>().map(ToString::to_string)
        }
        _ => None,
    }
}

/// Takes damage for the end of what can be read.
///
/// # Errors
/// What SQLite said.
pub(super) fn up_to_damage(walked: rusqlite::Result<()>) -> rusqlite::Result<()> {
    walked.or_else(|error| if damage(&error).is_some() { Ok(()) } else { Err(error) })
}
