//! Tests of the store over real files.
#![allow(clippy::unwrap_used)]

mod blocks;
mod cost;
mod files;
mod full;
mod recovery;
mod retention;
mod round_trip;
mod search;

use std::path::PathBuf;

use tempfile::TempDir;

use super::{PayloadRef, Reader, Row, Writer};
use crate::flow::{Counts, Direction, Ending, Fate, FlowId, FlowType, Kind, Opening, Protocol, State, Timestamp};

/// A database in a directory of its own.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("framegate.db")
    }

    fn writer(&self) -> Writer {
        Writer::open(&self.path()).unwrap()
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    /// What a crash at this moment would leave behind, in another place. The lock and the shared memory file die with
    /// the process, so they are not copied.
    fn crash(&self) -> Self {
        let copy = Self::new();
        for end in ["", "-wal"] {
            let name = format!("framegate.db{end}");
            let from = self.directory.path().join(&name);
            if from.exists() {
                std::fs::copy(from, copy.directory.path().join(&name)).unwrap();
            }
        }
        copy
    }
}

fn opening() -> Opening {
    Opening {
        protocol: Protocol::WebSocket,
        flow_type: FlowType::Bidirectional,
        started_at: Timestamp(1_000),
        url: "ws://example.test/chat".to_owned(),
        subprotocol: None,
        extensions: None,
        mode: "regular".to_owned(),
        client_addr: "127.0.0.1:50000".to_owned(),
        server_addr: None,
        tls: None,
    }
}

fn complete(ended_at: i64) -> Ending {
    Ending {
        ended_at: Timestamp(ended_at),
        state: State::Complete,
        error: None,
        close: None,
    }
}

/// A text message from the client; its time is 10,000 + sequence.
fn text(flow: FlowId, sequence: u32, text: &str) -> Row<'_> {
    Row {
        flow,
        sequence,
        direction: Direction::Send,
        at: Timestamp(10_000 + i64::from(sequence)),
        kind: Kind::Text,
        head: None,
        payload: PayloadRef::Text(text),
        size: text.len() as u64,
        wire_bytes: text.len() as u64 + 6,
        frames: 1,
        truncated: false,
        fate: Fate::Sent,
        decided_by: None,
        original: None,
        opcode: Some(1),
        masked: true,
        compressed: false,
        invalid_utf8: false,
        violation: None,
        more: &[],
    }
}

/// Opens the next flow.
fn open(writer: &mut Writer) -> FlowId {
    let id = writer.next_flow_id();
    writer.open_flow(id, &opening()).unwrap();
    id
}

/// Puts a whole flow of these texts on record, with sequences from 2 on.
fn conversation(writer: &mut Writer, texts: &[&str], ended_at: i64) -> FlowId {
    let id = open(writer);
    for (sequence, body) in (2..).zip(texts) {
        assert!(writer.message(&text(id, sequence, body)).unwrap());
    }
    assert!(writer.end_flow(id, &Counts::default(), &complete(ended_at)).unwrap());
    writer.commit().unwrap();
    id
}

fn index_all(writer: &mut Writer) {
    while writer.index_some(1_000).unwrap() {}
}

/// How many rows a table has, as the writer sees it.
fn rows(writer: &Writer, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    writer.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

/// Fails unless SQLite finds the file sound and the index agrees with itself.
fn assert_sound(writer: &Writer) {
    let verdict: String = writer
        .connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(verdict, "ok");
}
