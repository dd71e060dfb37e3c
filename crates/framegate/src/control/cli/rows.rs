//! Flows and messages as rows of a table, for people. Rows are written as they come: the columns have fixed widths.

use std::io::{self, Write};

use super::text::{escaped, fitted, hex};
use crate::control::operations::Item;
use crate::flow::Word;
use crate::flow::{Fate, Flow, Kind, Message, Payload, State, Timestamp};
use crate::inspect::HeldMessage;
use wire::frame::Opcode;

/// What a table has rows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    Flows,
    /// The messages of one flow.
    Messages,
    /// Messages that are held.
    Held,
    /// Messages of any flow, and what happens to flows: each row says which.
    Mixed,
}

/// A table that is being written.
pub(super) struct Table<'a> {
    of: Rows,
    out: &'a mut dyn Write,
    /// Columns of the terminal; `None`: there is none, rows are as long as they are.
    width: Option<usize>,
    written: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(of: Rows, out: &'a mut dyn Write, width: Option<usize>) -> Self {
        Self {
            of,
            out,
            width,
            written: 0,
        }
    }

    pub(super) fn row(&mut self, item: &Item) -> io::Result<()> {
        if self.written == 0 {
            self.line(&head(self.of))?;
        }
        self.written += 1;
        let mixed = self.of == Rows::Mixed;
        match item {
            Item::Flow(flow) if mixed => self.line(&flow_event(flow)),
            Item::Flow(flow) => self.line(&flow_cells(flow)),
            Item::Message(message) => self.line(&message_cells(message, mixed, &payload(message))),
            Item::Hit(message, snippet) => self.line(&message_cells(message, mixed, &escaped(snippet))),
            Item::Held(held) => self.line(&held_cells(held)),
            Item::Missed(count) => self.line(&format!("… {count} were missed: they came faster than they were shown")),
            Item::Status(_) | Item::Imported(_) | Item::Done | Item::Bytes(_) => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// So many rows have been written.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        let line = line.trim_end();
        match self.width {
            Some(width) => writeln!(self.out, "{}", fitted(line, width)),
            None => writeln!(self.out, "{line}"),
        }
    }
}

fn head(of: Rows) -> String {
    match of {
        Rows::Flows => flow_row([
            "flow",
            "started (UTC)",
            "state",
            "sent",
            "received",
            "bytes",
            "close",
            "url",
        ]),
        Rows::Messages => message_row(["#", "time (UTC)", "dir", "kind", "size", "fate", "payload"]),
        Rows::Held => held_row(["id", "flow#", "since (UTC)", "to", "kind", "size", "rules", "payload"]),
        Rows::Mixed => message_row(["flow#", "time (UTC)", "dir", "kind", "size", "fate", "payload"]),
    }
}

fn flow_row(cells: [&str; 8]) -> String {
    let [id, started, state, sent, received, bytes, close, url] = cells;
    format!("{id:>6}  {started:<19}  {state:<8}  {sent:>8}  {received:>8}  {bytes:>10}  {close:<5}  {url}")
}

fn flow_cells(flow: &Flow) -> String {
    let counts = &flow.counts;
    let close = flow.ending.as_ref().and_then(|ending| ending.close.as_ref());
    let close = close
        .and_then(|close| close.code)
        .map(|code| code.to_string())
        .unwrap_or_default();
    let mut url = escaped(&flow.opening.url);
    if let Some(error) = flow.ending.as_ref().and_then(|ending| ending.error.as_ref()) {
        url.push_str(&format!("  ({})", escaped(error)));
    }
    flow_row([
        &flow.id.to_string(),
        &to_the_second(flow.opening.started_at),
        flow.state().word(),
        &counts.messages_sent.to_string(),
        &counts.messages_received.to_string(),
        &counts.bytes_sent.saturating_add(counts.bytes_received).to_string(),
        &close,
        &url,
    ])
}

/// A flow in a live stream: that it opened, or how it ended.
fn flow_event(flow: &Flow) -> String {
    let (at, what) = match &flow.ending {
        None => (flow.opening.started_at, "open".to_owned()),
        Some(ending) => {
            let code = ending.close.as_ref().and_then(|close| close.code);
            let code = code.map(|code| format!(" {code}")).unwrap_or_default();
            let error = ending
                .error
                .as_ref()
                .map(|error| format!(" ({})", escaped(error)))
                .unwrap_or_default();
            let what = if ending.state == State::Error { "error" } else { "end" };
            (ending.ended_at, format!("{what}{code}{error}"))
        }
    };
    let url = escaped(&flow.opening.url);
    message_row([
        &flow.id.to_string(),
        &time(at),
        "",
        "flow",
        "",
        "",
        &format!("{what}  {url}"),
    ])
}

fn held_row(cells: [&str; 8]) -> String {
    let [id, place, since, to, kind, size, rules, payload] = cells;
    format!("{id:>6}  {place:>8}  {since:<15}  {to:<6}  {kind:<6}  {size:>8}  {rules:<16}  {payload}")
}

fn held_cells(held: &HeldMessage) -> String {
    let is_text = held.opcode != Opcode::Binary;
    let payload = match std::str::from_utf8(&held.payload) {
        Ok(text) if is_text => escaped(text),
        _ => hex(&held.payload),
    };
    held_row([
        &held.id.to_string(),
        &format!("{}#{}", held.flow, held.sequence),
        &time(held.held_since),
        &held.direction.to().to_string(),
        if is_text { "text" } else { "binary" },
        &held.payload.len().to_string(),
        &escaped(&held.rules.join(",")),
        &payload,
    ])
}

fn message_row(cells: [&str; 7]) -> String {
    let [place, time, direction, kind, size, fate, payload] = cells;
    format!("{place:>8}  {time:<15}  {direction:<7}  {kind:<16}  {size:>8}  {fate:<8}  {payload}")
}

fn message_cells(message: &Message, mixed: bool, payload: &str) -> String {
    let place = match mixed {
        true => format!("{}#{}", message.flow, message.sequence),
        false => message.sequence.to_string(),
    };
    // Nearly all are sent: only the others are worth a word.
    let fate = if message.fate == Fate::Sent {
        ""
    } else {
        message.fate.word()
    };
    message_row([
        &place,
        &time(message.at),
        message.direction.word(),
        message.kind.word(),
        &message.size.to_string(),
        fate,
        payload,
    ])
}

fn payload(message: &Message) -> String {
    let mut text = match (&message.payload, message.kind) {
        (Payload::Bytes(bytes), Kind::Close) => close(bytes),
        (Payload::Text(text), _) => escaped(text),
        (Payload::Bytes(bytes), _) => hex(bytes),
    };
    if let Some(start_line) = message.head.as_deref().and_then(|head| head.lines().next()) {
        text = format!("{}  {text}", escaped(start_line));
    }
    if message.truncated {
        text.push_str("  (cut)");
    }
    if let Some(by) = &message.decided_by {
        text.push_str(&format!("  (by {})", escaped(by)));
    }
    if let Some(violation) = &message.metadata.violation {
        text.push_str(&format!("  (violation: {})", escaped(violation)));
    }
    text
}

/// RFC 6455 §5.5.1: a code in two bytes, then a reason.
fn close(bytes: &[u8]) -> String {
    match bytes.split_at_checked(2) {
        Some((code, reason)) => {
            let code = u16::from_be_bytes([code[0], code[1]]);
            format!("{code} {}", escaped(&String::from_utf8_lossy(reason)))
        }
        None => hex(bytes),
    }
}

fn to_the_second(at: Timestamp) -> String {
    let text = at.rfc3339();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

fn time(at: Timestamp) -> String {
    let text = at.rfc3339();
    text.get(11..26).unwrap_or(&text).to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::exchange::samples;

    fn written(of: Rows, width: Option<usize>, items: &[Item]) -> Vec<String> {
        let mut out = Vec::new();
        let mut table = Table::new(of, &mut out, width);
        items.iter().for_each(|item| table.row(item).unwrap());
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn flows_have_their_columns() {
        let lines = written(Rows::Flows, None, &[Item::Flow(samples::websocket().0)]);
        assert_eq!(
            lines,
            [
                "  flow  started (UTC)        state         sent  received       bytes  close  url",
                "     8  2026-01-31 08:15:00  complete         4         3          88  1000   wss://example.com/chat",
            ]
        );
    }

    #[test]
    fn messages_have_their_columns() {
        let items: Vec<Item> = samples::websocket().1.into_iter().map(Item::Message).collect();
        let lines = written(Rows::Messages, None, &items);
        assert!(lines[1].ends_with(r"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Two: a\r\nX-Two: b\r\n\r\n"));
        assert_eq!(
            lines[3..],
            [
                "       2  08:15:01.250000  send     text                    13            hello, wörld",
                "       3  08:15:02.000000  receive  binary                   3            00 ff 80",
                "       4  08:15:03.000000  receive  ping                     1            70",
                "       5  08:15:04.000000  send     text                     7  replaced  changed  (by rule 1)",
                "       6  08:15:05.000000  send     text                     2            61 ff  (violation: text is not UTF-8)",
                "       7  08:15:06.000000  receive  text                  4000            =1+1  (cut)",
                "       8  08:15:07.000000  send     close                    5            1000 bye",
            ]
        );
    }

    #[test]
    fn a_live_stream_tells_flows_and_messages_apart() {
        let (flow, messages) = samples::websocket();
        let items = [
            Item::Flow(samples::active()),
            Item::Message(messages[2].clone()),
            Item::Missed(3),
            Item::Flow(flow),
        ];
        let lines = written(Rows::Mixed, Some(90), &items);
        assert_eq!(
            lines[1].trim_start(),
            "7  08:15:00.000001           flow                                  open  ws://exam…"
        );
        assert!(lines[2].starts_with("     8#2  08:15:01.250000  send     text"));
        assert!(lines[3].contains("3 were missed"));
        assert!(lines[4].contains("end 1000  w"));
    }

    #[test]
    fn a_hostile_url_is_escaped() {
        let mut flow = samples::active();
        flow.opening.url = "ws://a/\x1b[2J".to_owned();
        let lines = written(Rows::Flows, None, &[Item::Flow(flow)]);
        assert!(lines[1].ends_with(r"ws://a/\x1b[2J"));
    }
}
