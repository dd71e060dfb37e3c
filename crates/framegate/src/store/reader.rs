//! Answers questions about the record.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};

use super::schema::Migrations;
use super::{Hit, StoreError, block, columns, schema, search};
use crate::flow::{Flow, FlowId, Message};

/// Connections that are kept open for the next question.
const IDLE_MAX: usize = 4;

/// One page of messages ends once it has so many bytes of payload.
const PAGE_BYTES: usize = 8 << 20;

/// Reads the record. May be shared by any number of threads, and works while a writer, here or in another process,
/// writes; each answer is of one moment. It sees what has been committed.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    migrations: Migrations,
    idle: Mutex<Vec<Connection>>,
}

/// Which flows, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowQuery {
    /// At most so many.
    pub limit: usize,
    /// Those with the highest ids first.
    pub newest_first: bool,
    /// Only what follows this flow in that order: the last one of the page before.
    pub after: Option<FlowId>,
}

impl Default for FlowQuery {
    /// All, the newest first.
    fn default() -> Self {
        Self {
            limit: usize::MAX,
            newest_first: true,
            after: None,
        }
    }
}

impl Reader {
    /// Opens the database at `path`. Never creates or changes anything.
    ///
    /// # Errors
    /// [`StoreError::Missing`] if nothing was ever recorded there, [`StoreError::Foreign`], [`StoreError::Newer`] and
    /// [`StoreError::Older`] if this version cannot read it, otherwise what SQLite said.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, schema::MIGRATIONS)
    }

    /// As a version would that has these migrations.
    pub(super) fn open_with(path: &Path, migrations: Migrations) -> Result<Self, StoreError> {
        let connection = schema::open_for_reading(path, migrations)?;
        Ok(Self {
            path: path.to_owned(),
            migrations,
            idle: Mutex::new(vec![connection]),
        })
    }

    /// The flows that `query` asks for.
    ///
    /// # Errors
    /// What SQLite said, and [`StoreError::Damaged`].
    pub fn flows(&self, query: &FlowQuery) -> Result<Vec<Flow>, StoreError> {
        let columns = columns::FLOW;
        let (sql, after) = if query.newest_first {
            let sql = format!("SELECT {columns} FROM flows WHERE id < ?1 ORDER BY id DESC LIMIT ?2");
            (sql, query.after.map_or(i64::MAX, |id| id.0.into()))
        } else {
            let sql = format!("SELECT {columns} FROM flows WHERE id > ?1 ORDER BY id LIMIT ?2");
            (sql, query.after.map_or(-1, |id| id.0.into()))
        };
        let limit = columns::clamp(query.limit as u64);
        self.with(|connection| collect(connection, &sql, &[after, limit], columns::flow))
    }

    /// One flow; `None` if there is none with this id.
    ///
    /// # Errors
    /// What SQLite said, and [`StoreError::Damaged`].
    pub fn flow(&self, id: FlowId) -> Result<Option<Flow>, StoreError> {
        let sql = format!("SELECT {} FROM flows WHERE id = ?1", columns::FLOW);
        self.with(|connection| {
            let mut found = collect(connection, &sql, &[id.0.into()], columns::flow)?;
            Ok(found.pop())
        })
    }

    /// A page of the messages of flow `id`, in their order: from `from_sequence` on, at most `limit`, fewer when they are
    /// long. The next page begins one behind the last message's sequence; an empty page is the end. Of a flow that
    /// does not exist there are none.
    ///
    /// # Errors
    /// What SQLite said, and [`StoreError::Damaged`].
    pub fn messages(&self, id: FlowId, from_sequence: u32, limit: usize) -> Result<Vec<Message>, StoreError> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        if limit == 0 {
            return Ok(found);
        }
        self.with(|connection| {
            let read = block::walk(connection, id, from_sequence, |sequence, packed| {
                let message = block::message(id, sequence, packed)?;
                bytes += message.payload.as_bytes().len();
                bytes += message
                    .original
                    .as_ref()
                    .map_or(0, |original| original.as_bytes().len());
                found.push(message);
                Ok(if bytes >= PAGE_BYTES || found.len() == limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            });
            read.map_err(StoreError::sqlite(READ))
        })?;
        Ok(found)
    }

    /// One message; `None` if there is none.
    ///
    /// # Errors
    /// What SQLite said, and [`StoreError::Damaged`].
    pub fn message(&self, id: FlowId, sequence: u32) -> Result<Option<Message>, StoreError> {
        self.with(|connection| {
            block::one(connection, id, sequence, |packed| block::message(id, sequence, packed))
                .map_err(StoreError::sqlite(READ))
        })
    }

    /// The messages whose text has all of `words`, at most `limit`, best first.
    ///
    /// Words are separated by white space; what stands between double quotes is a phrase, whose words follow one
    /// another. Letters are compared without case and diacritics; other characters separate words and are otherwise
    /// ignored, so that `{"a":1}` finds "a" followed by "1". Nothing else has a special meaning.
    ///
    /// What the index does not have yet is searched as well, newest flows first, but no more than 20,000 messages or
    /// 16 MiB of text of it: whoever has the [`super::Writer`] lets it index first.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn search(&self, words: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
        self.with(|connection| search::search(connection, words, limit))
    }

    /// Lends a connection: one that is idle, or else a new one.
    fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let connection = match taken {
            Some(connection) => connection,
            None => schema::open_for_reading(&self.path, self.migrations)?,
        };
        let answer = work(&connection)?;
        let mut idle = idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// Runs a query and reads its rows.
fn collect<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[i64],
    read: impl Fn(&rusqlite::Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let failed = StoreError::sqlite;
    let mut statement = connection.prepare_cached(sql).map_err(failed(READ))?;
    let mut rows = statement
        .query(rusqlite::params_from_iter(parameters))
        .map_err(failed(READ))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed(READ))? {
        found.push(read(row)?);
    }
    Ok(found)
}

const READ: &str = "read the record";

/// One value of the first row, if there is a row.
pub(super) fn first<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Option<T>> {
    connection
        .prepare_cached(sql)?
        .query_row(parameters, |row| row.get(0))
        .optional()
}
