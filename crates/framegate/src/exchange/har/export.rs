//! Writing a HAR.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::OURS_VERSION;
use super::head::{Head, query};
use crate::control::json::{self as objects, MessageObject};
use crate::exchange::{ExportError, Source, each_flow, each_message};
use crate::flow::Word;
use crate::flow::{Flow, FlowType, Kind, Message, Payload, Protocol, Timestamp};

/// Writes every flow of `source` but tunnels.
///
/// # Errors
/// The source's failure, or that of `out`.
pub fn export(source: &mut dyn Source, out: &mut dyn Write) -> Result<(), ExportError> {
    let creator = json!({"name": "framegate", "version": env!("CARGO_PKG_VERSION")});
    write!(
        out,
        "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[],\"entries\":["
    )?;
    let mut first = true;
    each_flow(source, &mut |source, flow| {
        if flow.opening.flow_type == FlowType::Tunnel {
            return Ok(());
        }
        out.write_all(if first { b"\n" } else { b",\n" })?;
        first = false;
        write_entry(source, flow, out)
    })?;
    out.write_all(b"\n]}}\n")?;
    Ok(())
}

fn write_entry(source: &mut dyn Source, flow: &Flow, out: &mut dyn Write) -> Result<(), ExportError> {
    let (request, response) = heads(source, flow)?;
    let mut entry = entry(flow, request.as_ref(), response.as_ref());
    let websocket = flow.opening.protocol == Protocol::WebSocket;
    if websocket {
        entry.insert("_resourceType".to_owned(), "websocket".into());
    }
    let mut text = serde_json::to_vec(&entry).map_err(std::io::Error::from)?;
    text.pop(); // the closing brace: there is more to come
    out.write_all(&text)?;
    // A flow may be active: both lists of its messages end at the same one.
    let last = if websocket {
        write_messages(source, flow, out)?
    } else {
        None
    };
    write_ours(source, flow, last, out)?;
    out.write_all(b"}")?;
    Ok(())
}

/// The request's and the response's messages, which are a flow's first.
fn heads(source: &mut dyn Source, flow: &Flow) -> Result<(Option<Message>, Option<Message>), ExportError> {
    let (mut request, mut response) = (None, None);
    let mut after = None;
    while request.is_none() || response.is_none() {
        let page = source.messages(flow.id, after)?;
        let Some(last) = page.last().map(|message| message.sequence) else {
            break;
        };
        after = Some(last);
        for message in page {
            match message.kind {
                Kind::UpgradeRequest | Kind::Request => request = Some(message),
                Kind::UpgradeResponse | Kind::Response => response = Some(message),
                _ => {}
            }
        }
        if last > 1 && flow.opening.protocol == Protocol::WebSocket {
            break;
        }
    }
    Ok((request, response))
}

fn entry(flow: &Flow, request: Option<&Message>, response: Option<&Message>) -> Map<String, Value> {
    let started = flow.opening.started_at;
    let answered = response.map_or(started, |response| response.at);
    let ended = flow.ending.as_ref().map_or(answered, |ending| ending.ended_at);
    let wait = millis(started, answered);
    let mut entry = Map::new();
    entry.insert("startedDateTime".to_owned(), started.rfc3339().into());
    entry.insert("time".to_owned(), millis(started, ended).into());
    entry.insert("request".to_owned(), request_object(flow, request));
    entry.insert("response".to_owned(), response_object(response));
    entry.insert("cache".to_owned(), json!({}));
    entry.insert(
        "timings".to_owned(),
        json!({"send": 0, "wait": wait, "receive": millis(answered, ended)}),
    );
    if let Some((ip, _)) = flow
        .opening
        .server_addr
        .as_deref()
        .and_then(|addr| addr.rsplit_once(':'))
    {
        entry.insert("serverIPAddress".to_owned(), ip.trim_matches(['[', ']']).into());
    }
    entry.insert("connection".to_owned(), flow.id.to_string().into());
    entry
}

fn request_object(flow: &Flow, message: Option<&Message>) -> Value {
    let head = message.map(read_head).unwrap_or_default();
    let [method, _, version] = &head.start;
    let mut object = json!({
        "method": method,
        "url": flow.opening.url,
        "httpVersion": version,
        "cookies": [],
        "headers": head.headers,
        "queryString": query(&flow.opening.url),
        "headersSize": size_of(&head),
        "bodySize": body_of(message).map_or(0, |(message, _)| message.size),
    });
    if let Some((_, payload)) = body_of(message) {
        let mime_type = head.header("content-type").unwrap_or_default();
        object["postData"] = match payload {
            Payload::Text(text) => json!({"mimeType": mime_type, "text": text}),
            Payload::Bytes(bytes) => {
                json!({"mimeType": mime_type, "text": BASE64.encode(bytes), "_encoding": "base64"})
            }
        };
    }
    object
}

fn response_object(message: Option<&Message>) -> Value {
    let head = message.map(read_head).unwrap_or_default();
    let [version, status, reason] = &head.start;
    let mime_type = head.header("content-type").unwrap_or("x-unknown");
    let size = body_of(message).map_or(0, |(message, _)| message.size);
    let content = match body_of(message) {
        None => json!({"size": size, "mimeType": mime_type}),
        Some((_, Payload::Text(text))) => json!({"size": size, "mimeType": mime_type, "text": text}),
        Some((_, Payload::Bytes(bytes))) => {
            json!({"size": size, "mimeType": mime_type, "text": BASE64.encode(bytes), "encoding": "base64"})
        }
    };
    json!({
        "status": status.parse::<u16>().unwrap_or(0),
        "statusText": reason,
        "httpVersion": version,
        "cookies": [],
        "headers": head.headers,
        "content": content,
        "redirectURL": head.header("location").unwrap_or_default(),
        "headersSize": size_of(&head),
        "bodySize": size,
    })
}

/// The head is the payload of an upgrade, and beside the payload of an exchange.
fn read_head(message: &Message) -> Head {
    match &message.head {
        Some(head) => Head::read(head),
        None => Head::read(&String::from_utf8_lossy(message.payload.as_bytes())),
    }
}

/// A HAR says -1 of a size that is not known.
fn size_of(head: &Head) -> i64 {
    if head.size == 0 {
        -1
    } else {
        i64::try_from(head.size).unwrap_or(-1)
    }
}

/// The body of an exchange's message, if it has one.
fn body_of(message: Option<&Message>) -> Option<(&Message, &Payload)> {
    let message = message.filter(|message| matches!(message.kind, Kind::Request | Kind::Response))?;
    (!message.payload.as_bytes().is_empty()).then_some((message, &message.payload))
}

fn millis(from: Timestamp, to: Timestamp) -> f64 {
    #[allow(clippy::cast_precision_loss)] // exact below 2^53 microseconds, which is 285 years
    let micros = (to.0 - from.0).max(0) as f64;
    micros / 1000.0
}

/// One element of `_webSocketMessages`, with exactly Chrome's keys.
#[derive(Serialize)]
struct Chrome<'a> {
    r#type: &'static str,
    time: f64,
    opcode: u8,
    data: std::borrow::Cow<'a, str>,
}

/// Writes `_webSocketMessages`; returns the sequence of the last message seen.
fn write_messages(source: &mut dyn Source, flow: &Flow, out: &mut dyn Write) -> Result<Option<u32>, ExportError> {
    out.write_all(b",\"_webSocketMessages\":[")?;
    let mut last = None;
    let mut first = true;
    each_message(source, flow.id, &mut |message| {
        last = Some(message.sequence);
        let opcode = match message.kind {
            Kind::Text => 1,
            Kind::Binary => 2,
            _ => return Ok(()),
        };
        let data = match &message.payload {
            Payload::Text(text) => text.as_str().into(),
            Payload::Bytes(bytes) if opcode == 1 => String::from_utf8_lossy(bytes),
            Payload::Bytes(bytes) => BASE64.encode(bytes).into(),
        };
        let time = millis(Timestamp(0), message.at) / 1000.0;
        let object = Chrome {
            r#type: message.direction.word(),
            time,
            opcode,
            data,
        };
        write_element(out, &mut first, &object)
    })?;
    out.write_all(b"]")?;
    Ok(last)
}

/// A message in `_framegate`.
#[derive(Serialize)]
struct Ours<'a> {
    #[serde(flatten)]
    message: MessageObject<'a>,
    /// Where its payload is: an index into `_webSocketMessages`, "request" or "response".
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_at: Option<Value>,
}

/// Writes `_framegate`, with the messages up to sequence `last` (`None`: all).
fn write_ours(source: &mut dyn Source, flow: &Flow, last: Option<u32>, out: &mut dyn Write) -> Result<(), ExportError> {
    write!(out, ",\"_framegate\":{{\"version\":{OURS_VERSION},\"flow\":")?;
    serde_json::to_writer(&mut *out, &objects::flow(flow)).map_err(std::io::Error::from)?;
    out.write_all(b",\"messages\":[")?;
    let mut first = true;
    let mut index: u64 = 0;
    each_message(source, flow.id, &mut |message| {
        if last.is_some_and(|last| message.sequence > last) {
            return Ok(());
        }
        let payload_at = payload_at(message, index);
        if matches!(message.kind, Kind::Text | Kind::Binary) {
            index += 1;
        }
        let message = match payload_at {
            Some(_) => MessageObject::without_payload(message),
            None => MessageObject::of(message),
        };
        write_element(out, &mut first, &Ours { message, payload_at })
    })?;
    out.write_all(b"]}")?;
    Ok(())
}

/// Where the entry has the payload already, exactly; `None` if nowhere.
fn payload_at(message: &Message, index: u64) -> Option<Value> {
    match (message.kind, &message.payload) {
        (Kind::Text, Payload::Text(_)) | (Kind::Binary, Payload::Bytes(_)) => Some(index.into()),
        (Kind::Request, payload) if !payload.as_bytes().is_empty() => Some("request".into()),
        (Kind::Response, payload) if !payload.as_bytes().is_empty() => Some("response".into()),
        _ => None,
    }
}

fn write_element(out: &mut dyn Write, first: &mut bool, element: &impl Serialize) -> Result<(), ExportError> {
    if !std::mem::replace(first, false) {
        out.write_all(b",")?;
    }
    serde_json::to_writer(out, element).map_err(std::io::Error::from)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::exchange::samples::Memory;

    fn exported() -> Value {
        let mut out = Vec::new();
        export(&mut Memory::samples(), &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn messages_are_as_chrome_writes_them() {
        let har = exported();
        let entry = &har["log"]["entries"][0];
        assert_eq!(entry["_resourceType"], "websocket");
        assert_eq!(
            entry["_webSocketMessages"].to_string(),
            concat!(
                r#"[{"type":"send","time":1769847301.25,"opcode":1,"data":"hello, wörld"},"#,
                r#"{"type":"receive","time":1769847302.0,"opcode":2,"data":"AP+A"},"#,
                r#"{"type":"send","time":1769847304.0,"opcode":1,"data":"changed"},"#,
                r#"{"type":"send","time":1769847305.0,"opcode":1,"data":"a�"},"#,
                r#"{"type":"receive","time":1769847306.0,"opcode":1,"data":"=1+1"}]"#
            )
        );
    }

    #[test]
    fn the_handshake_is_the_entry() {
        let har = exported();
        let entry = &har["log"]["entries"][0];
        assert_eq!(entry["request"]["method"], "GET");
        assert_eq!(entry["request"]["url"], "wss://example.com/chat");
        assert_eq!(entry["request"]["headers"][3], json!({"name": "X-Two", "value": "a"}));
        assert_eq!(entry["request"]["headers"][4], json!({"name": "X-Two", "value": "b"}));
        assert_eq!(entry["response"]["status"], 101);
        assert_eq!(entry["response"]["statusText"], "Switching Protocols");
        assert_eq!(entry["time"], 8_999.999);
        assert_eq!(entry["serverIPAddress"], "192.0.2.1");
    }

    #[test]
    fn an_exchange_has_its_bodies() {
        let har = exported();
        let entry = &har["log"]["entries"][1];
        assert_eq!(entry.get("_resourceType"), None);
        assert_eq!(entry["request"]["postData"]["text"], "/wA=");
        assert_eq!(entry["request"]["postData"]["_encoding"], "base64");
        assert_eq!(entry["request"]["queryString"][1], json!({"name": "b", "value": "x y"}));
        assert_eq!(entry["response"]["content"]["text"], "it worked");
        assert_eq!(entry["response"]["content"]["mimeType"], "text/plain; charset=utf-8");
        assert_eq!(entry["serverIPAddress"], "2001:db8::1");
    }

    #[test]
    fn a_payload_is_written_once() {
        let mut out = Vec::new();
        export(&mut Memory::samples(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        for payload in ["hello, wörld", "it worked", "AP+A"] {
            assert_eq!(text.matches(payload).count(), 1, "{payload}");
        }
    }
}
