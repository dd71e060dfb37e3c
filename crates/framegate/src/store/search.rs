//! Full-text search: what people type, what the index has, and what it does not have yet.
//!
//! The rest that is not indexed, and the text around each hit, go through an index of the same kind in memory, so that
//! both answer by exactly the same rules.

use std::ops::{ControlFlow, Range};

use rusqlite::{Connection, params};

use super::block::{self, Packed};
use super::reader::first;
use super::{StoreError, columns};
use crate::flow::FlowId;

/// How much of what is not indexed is searched, in messages and in bytes of text.
const REST_ROWS: usize = 20_000;
const REST_BYTES: usize = 16 << 20;

/// How far into a message the text around a hit is looked for at first.
const NEAR_BYTES: usize = 64 << 10;

/// How much text is shown around a hit, in words and in bytes.
const SHOWN_WORDS: u32 = 24;
const SHOWN_BYTES: usize = 400;

/// Stand around a word that matched. Unicode reserves both for such uses; text must not contain them.
const OPEN: char = '\u{fdd0}';
const CLOSE: char = '\u{fdd1}';

const WHAT: &str = "search the record";

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its flow.
    pub flow: FlowId,
    /// Its place in the flow.
    pub sequence: u32,
    /// The text around what matched; "…" where something was left out.
    pub snippet: String,
    /// Where in the snippet the words are that matched, in bytes; in order, not overlapping.
    pub matches: Vec<Range<usize>>,
}

/// Searches; see [`super::Reader::search`].
pub(super) fn search(connection: &Connection, words: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let expression = expression(words);
    if expression.is_empty() || limit == 0 {
        return Ok(Vec::new());
    }
    // One moment for the index and the rest: between two statements a message could go from one into the other.
    let moment = connection.unchecked_transaction().map_err(StoreError::sqlite(WHAT))?;
    let hits = search_at(&moment, &expression, limit).map_err(StoreError::sqlite(WHAT))?;
    drop(moment);
    Ok(hits)
}

fn search_at(connection: &Connection, expression: &str, limit: usize) -> rusqlite::Result<Vec<Hit>> {
    let scratch = scratch()?;
    let mut found = indexed(connection, expression, limit)?;
    copy_rest(connection, &scratch)?;
    found.extend(matches(&scratch, expression, limit)?);
    found.sort_by(|(a, a_rank), (b, b_rank)| a_rank.total_cmp(b_rank).then(b.cmp(a)));
    found.truncate(limit);
    let mut hits = Vec::with_capacity(found.len());
    for (id, _) in found {
        let (flow, sequence) = columns::unkey(id);
        let (snippet, matches) = around(connection, &scratch, expression, id)?;
        hits.push(Hit {
            flow,
            sequence,
            snippet,
            matches,
        });
    }
    Ok(hits)
}

/// What a person typed as an expression of FTS5, in which every word and phrase is quoted; empty if there is none.
fn expression(words: &str) -> String {
    let mut expression = String::new();
    // Odd pieces stood between quotes. A quote that is never closed reaches to the end.
    for (n, piece) in words.split('"').enumerate() {
        let quoted = n % 2 == 1;
        let parts: Vec<&str> = if quoted {
            vec![piece]
        } else {
            piece.split_whitespace().collect()
        };
        for part in parts {
            // NUL would end the expression early; it separates words in any case.
            let part = part.replace('\0', " ");
            if part.chars().any(char::is_alphanumeric) {
                let space = if expression.is_empty() { "" } else { " " };
                expression.push_str(&format!("{space}\"{part}\""));
            }
        }
    }
    expression
}

/// The best matches of the index, with their rank: the lower the better.
fn indexed(connection: &Connection, expression: &str, limit: usize) -> rusqlite::Result<Vec<(i64, f64)>> {
    let sql = "SELECT words.rowid, words.rank FROM words
        WHERE words MATCH ?1 AND EXISTS (SELECT 1 FROM flows WHERE flows.id = words.rowid >> 32)
        ORDER BY words.rank LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![expression, columns::clamp(limit as u64)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// An index in memory, of the same kind as the one on disk.
fn scratch() -> rusqlite::Result<Connection> {
    let scratch = Connection::open_in_memory()?;
    let sql = "CREATE VIRTUAL TABLE rest USING fts5 (body, tokenize = 'unicode61 remove_diacritics 2')";
    scratch.execute_batch(sql)?;
    Ok(scratch)
}

/// Copies what is not indexed, within limits.
fn copy_rest(connection: &Connection, scratch: &Connection) -> rusqlite::Result<()> {
    let mut late = connection.prepare_cached("SELECT id FROM latecomers ORDER BY id DESC")?;
    let mut rest = connection.prepare_cached("SELECT flow << 32 | sequence FROM unindexed ORDER BY flow DESC")?;
    let late = late.query_map([], |row| Ok((row.get(0)?, true)))?;
    let rest = rest.query_map([], |row| Ok((row.get(0)?, false)))?;
    let (mut rows_left, mut bytes_left) = (REST_ROWS, REST_BYTES);
    scratch.execute_batch("BEGIN")?;
    for place in late.chain(rest) {
        let (place, is_alone): (i64, bool) = place?;
        let (flow, from) = columns::unkey(place);
        let walked = block::walk(connection, flow, from, |sequence, message| {
            if rows_left == 0 || bytes_left == 0 || is_alone && sequence != from {
                return Ok(ControlFlow::Break(()));
            }
            rows_left -= 1;
            if let Some(text) = message.body() {
                bytes_left = bytes_left.saturating_sub(text.len());
                insert(scratch, columns::key(flow, sequence), text)?;
            }
            Ok(ControlFlow::Continue(()))
        });
        // What cannot be read cannot be found; the others can.
        block::up_to_damage(walked)?;
        if rows_left == 0 || bytes_left == 0 {
            break;
        }
    }
    scratch.execute_batch("COMMIT")
}

fn insert(scratch: &Connection, id: i64, text: &[u8]) -> rusqlite::Result<()> {
    let text = rusqlite::types::ToSqlOutput::Borrowed(rusqlite::types::ValueRef::Text(text));
    scratch
        .prepare_cached("INSERT OR REPLACE INTO rest (rowid, body) VALUES (?1, ?2)")?
        .execute(params![id, text])
        .map(drop)
}

fn matches(scratch: &Connection, expression: &str, limit: usize) -> rusqlite::Result<Vec<(i64, f64)>> {
    let sql = "SELECT rowid, rank FROM rest WHERE rest MATCH ?1 ORDER BY rank LIMIT ?2";
    let mut statement = scratch.prepare(sql)?;
    let rows = statement.query_map(params![expression, columns::clamp(limit as u64)], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    rows.collect()
}

/// The text around what matched in one message.
fn around(
    connection: &Connection,
    scratch: &Connection,
    expression: &str,
    id: i64,
) -> rusqlite::Result<(String, Vec<Range<usize>>)> {
    if let Some(marked) = marked(scratch, expression, id)? {
        return Ok(unmark(&marked));
    }
    let (flow, sequence) = columns::unkey(id);
    let read = |message: &Packed<'_>| Ok(message.body().map(|text| String::from_utf8_lossy(text).into_owned()));
    let text = block::one(connection, flow, sequence, read)?
        .flatten()
        .unwrap_or_default();
    let near = &text[..text.floor_char_boundary(NEAR_BYTES)];
    for part in [near, &text] {
        insert(scratch, id, part.as_bytes())?;
        if let Some(marked) = marked(scratch, expression, id)? {
            return Ok(unmark(&marked));
        }
    }
    Ok(unmark(near))
}

fn marked(scratch: &Connection, expression: &str, id: i64) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT snippet(rest, 0, ?3, ?4, '…', ?5) FROM rest WHERE rest MATCH ?1 AND rowid = ?2";
    first(
        scratch,
        sql,
        params![expression, id, OPEN.to_string(), CLOSE.to_string(), SHOWN_WORDS],
    )
}

/// Takes the marks out of a text, notes where they were, and cuts what is too long to be shown.
fn unmark(marked: &str) -> (String, Vec<Range<usize>>) {
    let mut text = String::with_capacity(marked.len());
    let mut matches = Vec::new();
    let mut open = None;
    for c in marked.chars() {
        match c {
            OPEN => open = Some(text.len()),
            CLOSE => matches.extend(open.take().map(|start| start..text.len())),
            c => text.push(c),
        }
    }
    if text.len() > SHOWN_BYTES {
        shorten(&mut text, &mut matches);
    }
    (text, matches)
}

/// Keeps the surroundings of the first match.
fn shorten(text: &mut String, matches: &mut Vec<Range<usize>>) {
    const ELLIPSIS: &str = "…";
    let first = matches.first().map_or(0, |first| first.start);
    let start = text.floor_char_boundary(first.saturating_sub(SHOWN_BYTES / 4));
    let end = text.floor_char_boundary((start + SHOWN_BYTES).min(text.len()));
    let (before, after) = (
        if start > 0 { ELLIPSIS } else { "" },
        if end < text.len() { ELLIPSIS } else { "" },
    );
    matches.retain(|found| found.start < end);
    for found in matches.iter_mut() {
        let moved = |at: usize| at.min(end) - start + before.len();
        *found = moved(found.start)..moved(found.end);
    }
    *text = format!("{before}{}{after}", &text[start..end]);
}
