//! The one connection that writes.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, params};

use super::block::Block;
use super::lock::Lock;
use super::schema::Migrations;
use super::{Row, StoreError, columns, recovery, schema};
use crate::flow::{Counts, Ending, FlowId, Opening};

/// Writes the record. It lives on one thread; no second process can have one for the same database.
///
/// The first write begins a transaction, [`Writer::commit`] ends it. When a method fails, everything since the last
/// commit is undone and the writer stays usable: the caller may write it again later, once there is room on the disk.
#[derive(Debug)]
pub struct Writer {
    pub(super) connection: Connection,
    /// What the index has still to do, of every flow that may get further messages.
    pub(super) pending: HashMap<FlowId, Pending>,
    /// The messages that are not in the database yet, though in the transaction.
    block: Block,
    /// The flows that were opened since the last commit.
    opened: Vec<FlowId>,
    next: u32,
    began: bool,
    _lock: Lock,
}

/// What the index has still to do for one flow; the twin of a row in `unindexed`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    /// The first sequence that is not in the index.
    pub(super) sequence: u32,
    /// Something was written since the index looked.
    pub(super) dirty: bool,
    /// One more than the highest sequence on record, if that is known.
    pub(super) next: Option<u32>,
}

impl Pending {
    /// Everything from `sequence` on has still to be indexed.
    pub(super) fn from(sequence: u32) -> Self {
        Self {
            sequence,
            dirty: true,
            next: None,
        }
    }
}

impl Writer {
    /// Opens the database at `path`; creates it, with its directory, if it is not there.
    ///
    /// Flows that a crash left active end as errors that begin with "interrupted".
    ///
    /// # Errors
    /// [`StoreError::Locked`] while another writer has it, [`StoreError::Foreign`] and [`StoreError::Newer`] if the
    /// file is not one that this version may write to, otherwise what the disk said.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, schema::MIGRATIONS)
    }

    /// As a version would that has these migrations.
    pub(super) fn open_with(path: &Path, migrations: Migrations) -> Result<Self, StoreError> {
        schema::create_directory(path)?;
        let lock = Lock::take(path)?;
        let connection = schema::open_for_writing(path, migrations)?;
        recovery::end_interrupted(&connection)?;
        let pending = recovery::pending(&connection)?;
        let next = recovery::next_flow(&connection)?;
        Ok(Self {
            connection,
            pending,
            block: Block::default(),
            opened: Vec::new(),
            next,
            began: false,
            _lock: lock,
        })
    }

    /// The first id that no flow has or has had. It changes only when a flow is opened or imported; an id beyond
    /// [`FlowId::MAX`] is refused there.
    #[must_use]
    pub fn next_flow_id(&self) -> FlowId {
        FlowId(self.next)
    }

    /// Puts a flow on record. Opening one that is on record already, to write again what a failed commit undid,
    /// replaces what is known of its opening and nothing else.
    ///
    /// # Errors
    /// [`StoreError::OutOfIds`] beyond [`FlowId::MAX`], otherwise what SQLite said.
    pub fn open_flow(&mut self, id: FlowId, opening: &Opening) -> Result<(), StoreError> {
        if id > FlowId::MAX {
            return Err(StoreError::OutOfIds);
        }
        self.write("write a flow", |connection| insert_flow(connection, id, opening))?;
        self.pending.entry(id).or_insert_with(|| {
            self.opened.push(id);
            Pending {
                dirty: false,
                ..Pending::from(0)
            }
        });
        self.reserve(id);
        Ok(())
    }

    /// Puts a message of an open flow on record. `Ok(false)`: the store does not know the flow, because its opening was
    /// undone or it has ended; nothing was written.
    ///
    /// # Errors
    /// What SQLite said; also when the flow has a message with this sequence already.
    pub fn message(&mut self, row: &Row<'_>) -> Result<bool, StoreError> {
        let mut written = false;
        self.messages(row.flow, |rows| {
            written = rows.insert(row)?;
            Ok(())
        })?;
        Ok(written)
    }

    /// Puts messages of one flow on record, as many as `work` inserts: what all of them need is looked up once.
    ///
    /// # Errors
    /// The one of `work`. What SQLite said.
    pub fn messages(
        &mut self,
        flow: FlowId,
        work: impl FnOnce(&mut Rows<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        self.begin()?;
        let written = work(&mut Rows {
            connection: &self.connection,
            block: &mut self.block,
            pending: self.pending.get_mut(&flow),
        });
        written.map_err(|source| self.undo("write a message", source))
    }

    /// Puts on record what a flow has carried so far. `Ok(false)`: the store does not know the flow.
    ///
    /// Written in the same transaction as the messages that it counts, it needs no repair after a crash.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn progress(&mut self, id: FlowId, counts: &Counts) -> Result<bool, StoreError> {
        let changed = self.write("write a flow", |connection| update_counts(connection, id, counts))?;
        Ok(changed > 0)
    }

    /// Puts on record how a flow ended. Its messages come before it. `Ok(false)`: the store does not know the flow.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn end_flow(&mut self, id: FlowId, counts: &Counts, ending: &Ending) -> Result<bool, StoreError> {
        let changed = self.write("write a flow", |connection| {
            update_counts(connection, id, counts)?;
            update_ending(connection, id, ending)
        })?;
        if let Some(pending) = self.pending.get_mut(&id) {
            pending.dirty = true;
        }
        Ok(changed > 0)
    }

    /// Makes everything written so far durable against a crash of the process. After a crash of the machine the last
    /// commits may be missing, but the database is whole (`synchronous = NORMAL`).
    ///
    /// # Errors
    /// What SQLite said.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        if self.began {
            let committed = self
                .block
                .write(&self.connection)
                .and_then(|()| self.connection.prepare_cached("COMMIT")?.execute([]));
            committed.map_err(|source| self.undo("write to the database", source))?;
            self.began = false;
            self.opened.clear();
        }
        Ok(())
    }

    /// Keeps an id from being given out again.
    pub(super) fn reserve(&mut self, id: FlowId) {
        self.next = self.next.max(id.0.saturating_add(1));
    }

    /// Begins a transaction unless there is one, does `work` in it, and undoes everything if it fails.
    pub(super) fn write<T>(
        &mut self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.begin()?;
        work(&self.connection).map_err(|source| self.undo(what, source))
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.began {
            let began = self
                .connection
                .prepare_cached("BEGIN IMMEDIATE")
                .and_then(|mut begin| begin.execute([]));
            began.map_err(|source| self.undo("write to the database", source))?;
            self.began = true;
        }
        Ok(())
    }

    /// Rolls back after an error, and makes an error of ours of it.
    fn undo(&mut self, what: &'static str, source: rusqlite::Error) -> StoreError {
        // SQLite rolls back by itself after some errors, a full disk among them.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rolling back the record failed");
        }
        self.began = false;
        self.block.clear();
        for id in self.opened.drain(..) {
            self.pending.remove(&id);
        }
        for pending in self.pending.values_mut() {
            pending.next = None;
        }
        StoreError::sqlite(what)(source)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Best effort: whoever wants to know whether it succeeded has called it before.
        let _ = self.commit();
    }
}

pub(super) fn insert_flow(connection: &Connection, id: FlowId, opening: &Opening) -> rusqlite::Result<()> {
    let sql = "INSERT INTO flows (id, protocol, flow_type, started_at, url, subprotocol, extensions, mode,
            client_addr, server_addr, tls)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT (id) DO UPDATE SET (protocol, flow_type, started_at, url, subprotocol, extensions, mode,
            client_addr, server_addr, tls) = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        id.0,
        columns::protocol(opening.protocol),
        columns::flow_type(opening.flow_type),
        opening.started_at.0,
        opening.url,
        opening.subprotocol,
        opening.extensions,
        opening.mode,
        opening.client_addr,
        opening.server_addr,
        opening.tls.as_ref().map(columns::tls),
    ])?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO unindexed (flow, sequence) VALUES (?1, 0)")?
        .execute([id.0])
        .map(drop)
}

/// The way of one flow's messages into the record.
#[derive(Debug)]
pub struct Rows<'a> {
    connection: &'a Connection,
    block: &'a mut Block,
    /// `None`: the store does not know the flow.
    pending: Option<&'a mut Pending>,
}

impl Rows<'_> {
    /// Puts one on record. `Ok(false)`: the store does not know the flow; nothing was written.
    ///
    /// # Errors
    /// What SQLite said; also when the flow has a message with this sequence already.
    pub fn insert(&mut self, row: &Row<'_>) -> rusqlite::Result<bool> {
        let Some(pending) = &mut self.pending else {
            return Ok(false);
        };
        self.block.insert(self.connection, row, &mut pending.next)?;
        pending.dirty = true;
        if row.sequence < pending.sequence {
            insert_latecomer(self.connection, row)?;
        }
        Ok(true)
    }
}

fn insert_latecomer(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
    let id = columns::key(row.flow, row.sequence);
    connection
        .prepare_cached("INSERT OR IGNORE INTO latecomers (id) VALUES (?1)")?
        .execute([id])
        .map(drop)
}

pub(super) fn update_counts(connection: &Connection, id: FlowId, counts: &Counts) -> rusqlite::Result<usize> {
    let sql = "UPDATE flows SET messages_sent = ?2, messages_received = ?3, bytes_sent = ?4, bytes_received = ?5,
        messages_lost = ?6 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        id.0,
        columns::clamp(counts.messages_sent),
        columns::clamp(counts.messages_received),
        columns::clamp(counts.bytes_sent),
        columns::clamp(counts.bytes_received),
        columns::clamp(counts.messages_lost),
    ])
}

pub(super) fn update_ending(connection: &Connection, id: FlowId, ending: &Ending) -> rusqlite::Result<usize> {
    let sql = "UPDATE flows SET ended_at = ?2, state = ?3, error = ?4, close_by = ?5, close_code = ?6,
        close_reason = ?7 WHERE id = ?1";
    let close = ending.close.as_ref();
    connection.prepare_cached(sql)?.execute(params![
        id.0,
        ending.ended_at.0,
        columns::state(ending.state),
        ending.error,
        close.map(|close| columns::closed_by(close.by)),
        close.and_then(|close| close.code),
        close.map(|close| &close.reason),
    ])
}
