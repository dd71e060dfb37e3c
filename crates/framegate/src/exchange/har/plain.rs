//! The flow of an entry that another program wrote.
//!
//! Chrome, Playwright and mitmproxy agree on the four keys of a message and on little else, so nothing here is an
//! error: what cannot be read is skipped or repaired, and counted.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::entry::{Body, Entry};
use super::head;
use crate::exchange::{Imported, count};
use crate::flow::{
    Counts, Direction, Ending, Fate, Flow, FlowId, FlowType, Kind, Message, Metadata, Opening, Payload, Protocol,
    State, Timestamp,
};

/// The ids in what is read from a file are of no meaning.
const NO_ID: FlowId = FlowId(0);

/// Reads the flow of an entry; it always has an ending.
pub(super) fn read(entry: &Entry, imported: &mut Imported) -> (Flow, Vec<Message>) {
    let started_at = started_at(entry, imported);
    if is_websocket(entry) {
        websocket(entry, started_at, imported)
    } else {
        exchange(entry, started_at, imported)
    }
}

fn is_websocket(entry: &Entry) -> bool {
    let has_messages = entry.messages.as_array().is_some_and(|messages| !messages.is_empty());
    let typed = entry
        .resource_type
        .as_str()
        .is_some_and(|text| text.eq_ignore_ascii_case("websocket"));
    let schemed = ["ws://", "wss://"]
        .iter()
        .any(|scheme| entry.request.url.starts_with(scheme));
    // 200 is the answer to a WebSocket over HTTP/2 (RFC 8441 §5); some writers have no answer on record.
    has_messages || (matches!(status(entry), 101 | 200 | 0) && (typed || schemed)) || status(entry) == 101
}

fn websocket(entry: &Entry, started_at: Timestamp, imported: &mut Imported) -> (Flow, Vec<Message>) {
    let url = &entry.request.url;
    let url = match url.split_once("://") {
        Some(("http", rest)) => format!("ws://{rest}"),
        Some(("https", rest)) => format!("wss://{rest}"),
        _ => url.clone(),
    };
    let mut messages = vec![http(Kind::UpgradeRequest, started_at, None, request_head(entry))];
    if status(entry) != 0 {
        messages.push(http(Kind::UpgradeResponse, started_at, None, response_head(entry)));
    }
    let mut counts = Counts::default();
    let mut last = started_at;
    for object in entry.messages.as_array().into_iter().flatten() {
        let Some(mut message) = chrome(object, last, imported) else {
            continue;
        };
        message.sequence = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        last = message.at;
        count(&mut counts, message.direction, message.wire_bytes);
        messages.push(message);
    }
    let ended_at = last.max(after(started_at, &entry.time));
    let mut opening = opening(entry, started_at, url);
    opening.protocol = Protocol::WebSocket;
    opening.flow_type = FlowType::Bidirectional;
    let headers = entry
        .response
        .as_ref()
        .map(|response| response.headers.as_slice())
        .unwrap_or_default();
    opening.subprotocol = head::header(headers, "sec-websocket-protocol").map(str::to_owned);
    opening.extensions = head::header(headers, "sec-websocket-extensions").map(str::to_owned);
    let ending = Ending {
        ended_at,
        state: State::Complete,
        error: None,
        close: None,
    };
    (
        Flow {
            id: NO_ID,
            opening,
            counts,
            ending: Some(ending),
        },
        messages,
    )
}

fn exchange(entry: &Entry, started_at: Timestamp, imported: &mut Imported) -> (Flow, Vec<Message>) {
    let ended_at = after(started_at, &entry.time);
    let post_data = entry.request.post_data.as_ref();
    let mut messages = vec![http(
        Kind::Request,
        started_at,
        Some(body(post_data, imported)),
        request_head(entry),
    )];
    let mut ending = Ending {
        ended_at,
        state: State::Complete,
        error: None,
        close: None,
    };
    match entry.response.as_ref().filter(|_| status(entry) != 0) {
        Some(response) => {
            let body = body(response.content.as_ref(), imported);
            messages.push(http(Kind::Response, ended_at, Some(body), response_head(entry)));
            if let Some(message) = messages.last_mut() {
                message.sequence = 1;
            }
        }
        None => {
            let error = entry.response.as_ref().and_then(|response| response.error.as_str());
            ending.state = State::Error;
            ending.error = Some(
                error
                    .filter(|text| !text.is_empty())
                    .unwrap_or("no response")
                    .to_owned(),
            );
        }
    }
    let mut counts = Counts::default();
    messages
        .iter()
        .for_each(|message| count(&mut counts, message.direction, message.size));
    (
        Flow {
            id: NO_ID,
            opening: opening(entry, started_at, entry.request.url.clone()),
            counts,
            ending: Some(ending),
        },
        messages,
    )
}

fn opening(entry: &Entry, started_at: Timestamp, url: String) -> Opening {
    let server = entry.server_ip_address.as_str().filter(|text| !text.is_empty());
    Opening {
        protocol: Protocol::Http,
        flow_type: FlowType::Unary,
        started_at,
        url,
        subprotocol: None,
        extensions: None,
        mode: "import".to_owned(),
        client_addr: String::new(),
        server_addr: server.map(str::to_owned),
        tls: None,
    }
}

/// One element of `_webSocketMessages`; `None`, with a warning, if it is no message.
fn chrome(object: &Value, last: Timestamp, imported: &mut Imported) -> Option<Message> {
    let direction = match object["type"].as_str() {
        Some("send") => Direction::Send,
        Some("receive") => Direction::Receive,
        _ => {
            imported.warn("elements of `_webSocketMessages` with an unknown `type` were skipped");
            return None;
        }
    };
    let (kind, opcode) = match number(&object["opcode"]) {
        None | Some(1) => (Kind::Text, 1),
        Some(2) => (Kind::Binary, 2),
        Some(8) => (Kind::Close, 8),
        Some(9) => (Kind::Ping, 9),
        Some(10) => (Kind::Pong, 10),
        Some(_) => {
            imported.warn("elements of `_webSocketMessages` with an unknown `opcode` were skipped");
            return None;
        }
    };
    let Some(data) = object["data"].as_str() else {
        imported.warn("elements of `_webSocketMessages` without `data` were skipped");
        return None;
    };
    let payload = match BASE64.decode(data) {
        _ if kind == Kind::Text => Payload::Text(data.to_owned()),
        Ok(bytes) => Payload::Bytes(bytes),
        Err(_) => {
            imported.warn("messages that should be base64 and are not were taken as they are");
            Payload::Bytes(data.as_bytes().to_vec())
        }
    };
    let at = seconds(&object["time"]).unwrap_or_else(|| {
        imported.warn("messages without a `time` got that of the message before");
        last
    });
    let mut message = blank(kind, direction, at, payload);
    message.frames = 1;
    message.metadata.opcode = Some(opcode);
    message.metadata.masked = direction == Direction::Send;
    Some(message)
}

/// A message of HTTP; without a body the head is its payload.
fn http(kind: Kind, at: Timestamp, body: Option<(Payload, u64)>, head: String) -> Message {
    let request = matches!(kind, Kind::UpgradeRequest | Kind::Request);
    let direction = if request { Direction::Send } else { Direction::Receive };
    let head_bytes = head.len() as u64;
    let word = head
        .split(' ')
        .nth(usize::from(!request))
        .unwrap_or_default()
        .to_owned();
    let mut message = match body {
        None => blank(kind, direction, at, Payload::Text(head)),
        Some((payload, size)) => {
            let mut message = blank(kind, direction, at, payload);
            message.head = Some(head);
            message.truncated = size > message.size;
            message.size = message.size.max(size);
            message.wire_bytes = message.size + head_bytes;
            message
        }
    };
    message.sequence = u32::from(!request);
    let name = if request { "method" } else { "status" };
    message.metadata.more.push((name.to_owned(), word));
    message
}

fn blank(kind: Kind, direction: Direction, at: Timestamp, payload: Payload) -> Message {
    let size = payload.as_bytes().len() as u64;
    Message {
        flow: NO_ID,
        sequence: 0,
        direction,
        at,
        kind,
        head: None,
        payload,
        size,
        // A HAR does not say what was on the wire: the payload at least.
        wire_bytes: size,
        frames: 0,
        truncated: false,
        fate: Fate::Sent,
        decided_by: None,
        original: None,
        metadata: Metadata::default(),
    }
}

/// The recorded body, and the size it is said to have had.
fn body(body: Option<&Body>, imported: &mut Imported) -> (Payload, u64) {
    let Some(body) = body else {
        return (Payload::Text(String::new()), 0);
    };
    let text = body.text.as_deref().unwrap_or_default();
    let payload = match body.is_base64().then(|| BASE64.decode(text)) {
        None => Payload::Text(text.to_owned()),
        Some(Ok(bytes)) => Payload::Bytes(bytes),
        Some(Err(_)) => {
            imported.warn("bodies that should be base64 and are not were taken as they are");
            Payload::Text(text.to_owned())
        }
    };
    // The size of a text may be told in another encoding: only a body that is missing altogether was cut.
    let size = if text.is_empty() {
        number(&body.size).and_then(|size| u64::try_from(size).ok())
    } else {
        None
    };
    let size = size.unwrap_or(payload.as_bytes().len() as u64);
    (payload, size)
}

fn request_head(entry: &Entry) -> String {
    let method = if entry.request.method.is_empty() {
        "GET"
    } else {
        &entry.request.method
    };
    let version = head::version(entry.request.http_version.as_str().unwrap_or_default());
    head::write(
        [method, head::target(&entry.request.url), version],
        &entry.request.headers,
    )
}

fn response_head(entry: &Entry) -> String {
    let Some(response) = &entry.response else {
        return String::new();
    };
    let version = head::version(response.http_version.as_str().unwrap_or_default());
    let reason = response.status_text.as_str().unwrap_or_default();
    head::write([version, &status(entry).to_string(), reason], &response.headers)
}

/// The response's status; 0: there is none.
fn status(entry: &Entry) -> u16 {
    let status = entry.response.as_ref().and_then(|response| number(&response.status));
    status.and_then(|status| u16::try_from(status).ok()).unwrap_or(0)
}

/// A whole number, however it is written.
fn number(value: &Value) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation)] // saturates, and then is no number that anybody looks for
    let float = || value.as_f64().map(|float| float as i64);
    value
        .as_i64()
        .or_else(float)
        .or_else(|| value.as_str()?.trim().parse().ok())
}

fn started_at(entry: &Entry, imported: &mut Imported) -> Timestamp {
    let text = entry.started_date_time.as_str().unwrap_or_default();
    // Some writers leave the colon out of the offset.
    let with_colon = || {
        let at = text.len().checked_sub(2)?;
        Timestamp::parse(&format!("{}:{}", text.get(..at)?, text.get(at..)?))
    };
    Timestamp::parse(text).or_else(with_colon).unwrap_or_else(|| {
        imported.warn("entries without a readable `startedDateTime` are dated 1970");
        Timestamp(0)
    })
}

/// A time that is told as seconds since 1970.
fn seconds(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    #[allow(clippy::cast_possible_truncation)] // within the range that is asked for
    let micros = (seconds * 1e6).round() as i64;
    (0.0..1e11).contains(&seconds).then_some(Timestamp(micros))
}

/// `start` and so many milliseconds.
fn after(start: Timestamp, millis: &Value) -> Timestamp {
    let millis = millis
        .as_f64()
        .filter(|millis| (0.0..1e12).contains(millis))
        .unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation)] // within the range that was asked for
    let micros = (millis * 1000.0).round() as i64;
    Timestamp(start.0.saturating_add(micros))
}
