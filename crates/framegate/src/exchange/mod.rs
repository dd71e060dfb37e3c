//! Recorded flows as files, out and in: JSONL (lossless), HAR 1.2 with `_webSocketMessages`, and CSV (out only).
//!
//! Files are written and read piece by piece, so that a long recording needs little memory. An import reads its file
//! twice: first to see that all of it is sound, then to store it, so that a malformed file leaves nothing behind.

pub mod csv;
pub mod har;
pub mod jsonl;
mod detect;
#[cfg(test)]
pub(crate) mod samples;

pub use detect::{Detected, import};

use std::io;

use crate::flow::{Counts, Direction, Flow, FlowId, Message};

/// Where an export gets its flows and messages, a page at a time. Pages are small enough to be held in memory.
pub trait Source {
    /// The flows after `after`, by id; empty: there are no more.
    ///
    /// # Errors
    /// [`ExportError::Read`].
    fn flows(&mut self, after: Option<FlowId>) -> Result<Vec<Flow>, ExportError>;

    /// The messages of `flow` after the sequence `after`, in order; empty: there are no more.
    ///
    /// # Errors
    /// [`ExportError::Read`].
    fn messages(&mut self, flow: FlowId, after: Option<u32>) -> Result<Vec<Message>, ExportError>;
}

/// Hands each flow of `source` to `each`.
pub(crate) fn each_flow(
    source: &mut dyn Source,
    each: &mut dyn FnMut(&mut dyn Source, &Flow) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut after = None;
    loop {
        let page = source.flows(after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for flow in &page {
            each(source, flow)?;
        }
    }
}

/// Hands each message of `flow` to `each`.
pub(crate) fn each_message(
    source: &mut dyn Source,
    flow: FlowId,
    each: &mut dyn FnMut(&Message) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    let mut after = None;
    loop {
        let page = source.messages(flow, after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.sequence);
        page.iter().try_for_each(&mut *each)?;
    }
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What was written cannot be taken; a closed pipe is the usual case.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
    /// The store could not be read.
    #[error("cannot read the record: {0}")]
    Read(String),
}

/// Where an import puts its flows.
pub trait Intake {
    /// Stores a flow under an id of its own choice; the ids in `flow` and `messages` mean nothing here. Stores all of it
    /// or, if it fails, nothing. A flow without an ending ends as interrupted.
    ///
    /// # Errors
    /// The store's failure.
    fn flow(&mut self, flow: Flow, messages: Vec<Message>) -> Result<(), IntakeError>;
}

/// The store took no more.
#[derive(Debug, thiserror::Error)]
#[error("cannot store what is imported: {0}")]
pub struct IntakeError(pub String);

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Flows that were stored.
    pub flows: u64,
    /// Messages that were stored.
    pub messages: u64,
    /// Things in the file that were left out or repaired: how often, and what.
    pub warnings: Vec<(u64, String)>,
}

impl Imported {
    /// Stores a flow, and counts it.
    pub(crate) fn store(
        &mut self,
        intake: &mut dyn Intake,
        flow: Flow,
        messages: Vec<Message>,
    ) -> Result<(), IntakeError> {
        if flow.ending.is_none() {
            self.warn("flows that were active when they were exported are stored as interrupted");
        }
        let count = messages.len() as u64;
        intake.flow(flow, messages)?;
        self.flows += 1;
        self.messages += count;
        Ok(())
    }

    /// Counts something that was left out or repaired.
    pub(crate) fn warn(&mut self, what: &str) {
        match self.warnings.iter_mut().find(|(_, said)| said == what) {
            Some((count, _)) => *count += 1,
            None => self.warnings.push((1, what.to_owned())),
        }
    }
}

/// Why an import ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// The file is in none of the formats.
    #[error("{0}")]
    NoFormat(String),
    /// The file breaks its format.
    #[error("{place}: {why}")]
    Malformed {
        /// Where: "line 3" of a JSONL file, "entry 2" of a HAR file.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// The store took no more.
    #[error(transparent)]
    Store(#[from] IntakeError),
}

/// How much of a file may be in memory at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// One line of a JSONL file.
    pub line_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes_max: 512 << 20,
        }
    }
}

/// Takes everything and stores nothing: the first reading of an import.
#[derive(Debug, Default)]
pub(crate) struct Nowhere;

impl Intake for Nowhere {
    fn flow(&mut self, _: Flow, _: Vec<Message>) -> Result<(), IntakeError> {
        Ok(())
    }
}

/// Counts one message for its flow; the upgrade is none of a WebSocket's messages.
pub(crate) fn count(counts: &mut Counts, direction: Direction, bytes: u64) {
    match direction {
        Direction::Send => {
            counts.messages_sent += 1;
            counts.bytes_sent += bytes;
        }
        Direction::Receive => {
            counts.messages_received += 1;
            counts.bytes_received += bytes;
        }
    }
}
