//! CSV (RFC 4180): one row a message, for spreadsheets. Out only: it leaves out what has no column, and a cell that a
//! spreadsheet would take for a formula gets an apostrophe in front.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{ExportError, Source, each_flow, each_message};
use crate::flow::Word;
use crate::flow::{Flow, Message, Payload};

/// The first row.
const COLUMNS: &str = "flow_id,url,sequence,timestamp,direction,kind,opcode,size,wire_bytes,frames,truncated,fate,\
                       decided_by,body,raw_bytes";

/// Writes every message of `source`.
///
/// # Errors
/// The source's failure, or that of `out`.
pub fn export(source: &mut dyn Source, out: &mut dyn Write) -> Result<(), ExportError> {
    write!(out, "{COLUMNS}\r\n")?;
    let mut row = String::new();
    each_flow(source, &mut |source, flow| {
        each_message(source, flow.id, &mut |message| {
            row.clear();
            write_row(&mut row, flow, message);
            out.write_all(row.as_bytes())?;
            Ok(())
        })
    })
}

fn write_row(row: &mut String, flow: &Flow, message: &Message) {
    let (body, raw_bytes) = match &message.payload {
        Payload::Text(text) => (text.as_str(), String::new()),
        Payload::Bytes(bytes) => ("", BASE64.encode(bytes)),
    };
    let opcode = message.metadata.opcode.map(|opcode| opcode.to_string());
    let cells: [&str; 15] = [
        &flow.id.to_string(),
        &flow.opening.url,
        &message.sequence.to_string(),
        &message.at.rfc3339(),
        message.direction.word(),
        message.kind.word(),
        opcode.as_deref().unwrap_or_default(),
        &message.size.to_string(),
        &message.wire_bytes.to_string(),
        &message.frames.to_string(),
        if message.truncated { "true" } else { "false" },
        message.fate.word(),
        message.decided_by.as_deref().unwrap_or_default(),
        body,
        &raw_bytes,
    ];
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            row.push(',');
        }
        write_cell(row, cell);
    }
    row.push_str("\r\n");
}

/// A formula begins with one of the first four in every spreadsheet; tab and carriage return are skipped by some
/// before they look, and the full-width forms are read as the narrow ones.
fn write_cell(row: &mut String, cell: &str) {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if !formula && !cell.contains([',', '"', '\r', '\n']) {
        row.push_str(cell);
        return;
    }
    row.push('"');
    if formula {
        row.push('\'');
    }
    for part in cell.split_inclusive('"') {
        row.push_str(part);
        if part.ends_with('"') {
            row.push('"');
        }
    }
    row.push('"');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::Memory;
    use super::*;

    #[test]
    fn a_row_has_every_column() {
        let mut out = Vec::new();
        export(&mut Memory::samples(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("flow_id,url,sequence,"));
        assert!(text.contains(
            "\r\n8,wss://example.com/chat,2,2026-01-31T08:15:01.250000Z,send,text,1,13,19,1,false,sent,,\
             \"hello, wörld\",\r\n"
        ));
        assert!(text.contains(",receive,binary,2,3,5,2,false,sent,,,AP+A\r\n"));
        assert!(text.contains(",true,sent,,\"'=1+1\",\r\n"), "a formula is defused");
        assert!(text.ends_with(",it worked,\r\n"));
    }

    #[test]
    fn a_cell_is_quoted_and_defused() {
        for (cell, written) in [
            ("plain", "plain"),
            ("", ""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("a,b", "\"a,b\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("=cmd|' /C calc'!A0", "\"'=cmd|' /C calc'!A0\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "\"'＝1\""),
        ] {
            let mut row = String::new();
            write_cell(&mut row, cell);
            assert_eq!(row, written);
        }
    }
}
