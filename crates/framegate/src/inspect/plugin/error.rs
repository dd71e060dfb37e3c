//! What goes wrong with a plugin, and where in its file.

use std::fmt;
use std::path::PathBuf;

use super::meter::Limit;

/// The longest text of an error, in bytes: a plugin's `fail` may say anything.
const WHAT_BYTES_MAX: usize = 500;

/// A place in a plugin's file, from 1 on; columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line.
    pub(crate) line: usize,
    /// The column.
    pub(crate) column: usize,
}

/// Why a file is no plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoadError {
    /// The file.
    pub(crate) path: PathBuf,
    /// Where in it, if at one place.
    pub(crate) place: Option<Place>,
    /// In a few words.
    pub(crate) what: String,
}

impl LoadError {
    pub(super) fn new(path: impl Into<PathBuf>, place: Option<Place>, what: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            place,
            what: short(what.into()),
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.path.display())?;
        if let Some(Place { line, column }) = self.place {
            write!(f, "{line}:{column}:")?;
        }
        write!(f, " {}", self.what)
    }
}

impl std::error::Error for LoadError {}

/// Why a call of a hook came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CallError {
    /// The limit that stopped it, if one did.
    pub(crate) limit: Option<Limit>,
    /// Where in the plugin's file, as far as it is known.
    pub(crate) place: Option<Place>,
    /// In a few words.
    pub(crate) what: String,
}

impl CallError {
    pub(super) fn new(limit: Option<Limit>, place: Option<Place>, what: impl Into<String>) -> Self {
        Self {
            limit,
            place,
            what: short(what.into()),
        }
    }

    /// The same without what Starlark or the plugin said, in which a message may be quoted.
    pub(super) fn discreet(mut self) -> Self {
        if self.limit.is_none() {
            self.what = "[redacted]".to_owned();
        }
        self
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for CallError {}

fn short(mut what: String) -> String {
    if what.len() > WHAT_BYTES_MAX {
        what.truncate(what.floor_char_boundary(WHAT_BYTES_MAX));
        what.push('…');
    }
    what
}
