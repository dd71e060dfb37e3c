//! What can go wrong with the store, in words that say what to do.

use std::path::PathBuf;

use rusqlite::ErrorCode;

use super::block;
use crate::flow::FlowId;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no database at this path.
    #[error("nothing is on record yet: there is no {}", .0.display())]
    Missing(PathBuf),
    /// The file is not a database of framegate, and is left alone.
    #[error("{} is not a framegate database; it is left as it is", .0.display())]
    Foreign(PathBuf),
    /// The database was written by a later version, and is left alone.
    #[error(
        "{} has schema {found}, this framegate knows schemas up to {known}: use a newer framegate or another data \
         directory",
        .path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The latest schema that this version knows.
        known: i64,
    },
    /// The database has an earlier schema, which only a writer may bring up to date.
    #[error("{} has the earlier schema {found}: `framegate run` brings it up to date", .path.display())]
    Older {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// Another process writes to the database.
    #[error("another framegate {}writes to {}", .pid.map_or(String::new(), |pid| format!("(process {pid}) ")), .path.display())]
    Locked {
        /// The database.
        path: PathBuf,
        /// The process, if it could be told.
        pid: Option<u32>,
    },
    /// A file or directory could not be created or opened.
    #[error("cannot {what} {}: {source}", .path.display())]
    Io {
        /// What was tried, as in "create".
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("cannot {what}: {}", words(.source))]
    Sqlite {
        /// What was tried, as in "write a message".
        what: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// A row holds what no version of framegate writes.
    #[error("the record is damaged: {0}")]
    Damaged(String),
    /// All 2^31 - 1 flow ids have been given out.
    #[error("the store has no free flow id left: start a new data directory")]
    OutOfIds,
    /// A flow with this id is on record already.
    #[error("flow {0} is on record already")]
    Duplicate(FlowId),
}

impl StoreError {
    /// For `map_err` on what SQLite returns.
    pub(super) fn sqlite(what: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| match block::damage(&source) {
            Some(damage) => Self::Damaged(damage),
            None => Self::Sqlite { what, source },
        }
    }

    /// The disk, or the space that the database may use, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
            || matches!(self, Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }

    /// The database may not be written: file permissions or a read-only file system.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.code() == Some(ErrorCode::ReadOnly)
    }

    /// There is no database: nothing has been recorded yet.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing(_))
    }

    /// Another process holds the database.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. }) || self.code() == Some(ErrorCode::DatabaseBusy)
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Sqlite { source, .. } => source.sqlite_error_code(),
            _ => None,
        }
    }
}

/// SQLite's own words, with ours in front of those that do not say what a person could do.
fn words(error: &rusqlite::Error) -> String {
    let ours = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "no space left for the database",
        Some(ErrorCode::SystemIoFailure) => "the disk failed",
        Some(ErrorCode::ReadOnly) => "the database may not be written",
        Some(ErrorCode::DatabaseCorrupt) => "the database file is damaged",
        Some(ErrorCode::DatabaseBusy) => "another process keeps the database busy",
        _ => return error.to_string(),
    };
    format!("{ours} ({error})")
}
