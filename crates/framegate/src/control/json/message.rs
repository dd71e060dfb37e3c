//! A message as a JSON object.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ShapeError, Word, flow_id_of, time_of, value_of};
use crate::flow::{Message, Metadata, Payload};

/// A message's object; its fields are its keys, in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct MessageObject<'a> {
    flow_id: String,
    sequence: u32,
    direction: Cow<'a, str>,
    timestamp: Cow<'a, str>,
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Cow<'a, str>>,
    #[serde(default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    raw_bytes: Option<String>,
    size: u64,
    #[serde(default)]
    wire_bytes: u64,
    #[serde(default)]
    frames: u32,
    #[serde(default)]
    truncated: bool,
    fate: Cow<'a, str>,
    #[serde(default)]
    decided_by: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    original: Option<PayloadObject<'a>>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

#[derive(Debug, Serialize, Deserialize)]
struct PayloadObject<'a> {
    #[serde(default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    raw_bytes: Option<String>,
}

impl<'a> MessageObject<'a> {
    /// The object of `message`.
    #[must_use]
    pub fn of(message: &'a Message) -> Self {
        let PayloadObject { body, raw_bytes } = PayloadObject::of(&message.payload);
        Self {
            body,
            raw_bytes,
            ..Self::without_payload(message)
        }
    }

    /// The object of `message` with neither `body` nor `raw_bytes`, for a place that keeps the payload elsewhere.
    #[must_use]
    pub fn without_payload(message: &'a Message) -> Self {
        Self {
            flow_id: message.flow.to_string(),
            sequence: message.sequence,
            direction: message.direction.word().into(),
            timestamp: message.at.rfc3339().into(),
            kind: message.kind.word().into(),
            head: message.head.as_deref().map(Cow::from),
            body: None,
            raw_bytes: None,
            size: message.size,
            wire_bytes: message.wire_bytes,
            frames: message.frames,
            truncated: message.truncated,
            fate: message.fate.word().into(),
            decided_by: message.decided_by.as_deref().map(Cow::from),
            original: message.original.as_ref().map(PayloadObject::of),
            metadata: metadata_object(&message.metadata),
        }
    }

    /// The message that the object describes.
    ///
    /// # Errors
    /// Says which key holds what it must not.
    pub fn into_message(self) -> Result<Message, ShapeError> {
        let payload = PayloadObject {
            body: self.body,
            raw_bytes: self.raw_bytes,
        }
        .into_payload("")?;
        let original = self
            .original
            .map(|original| original.into_payload("original."))
            .transpose()?;
        Ok(Message {
            flow: flow_id_of(&self.flow_id)?,
            sequence: self.sequence,
            direction: value_of("direction", &self.direction)?,
            at: time_of("timestamp", &self.timestamp)?,
            kind: value_of("kind", &self.kind)?,
            head: self.head.map(Cow::into_owned),
            payload,
            size: self.size,
            wire_bytes: self.wire_bytes,
            frames: self.frames,
            truncated: self.truncated,
            fate: value_of("fate", &self.fate)?,
            decided_by: self.decided_by.map(Cow::into_owned),
            original,
            metadata: metadata_of(self.metadata)?,
        })
    }
}

impl<'a> PayloadObject<'a> {
    fn of(payload: &'a Payload) -> Self {
        match payload {
            Payload::Text(text) => Self {
                body: Some(text.as_str().into()),
                raw_bytes: None,
            },
            Payload::Bytes(bytes) => Self {
                body: None,
                raw_bytes: Some(BASE64.encode(bytes)),
            },
        }
    }

    fn into_payload(self, within: &str) -> Result<Payload, ShapeError> {
        match (self.body, self.raw_bytes) {
            (Some(_), Some(_)) => Err(ShapeError::new(format!(
                "both `{within}body` and `{within}raw_bytes` are given"
            ))),
            (Some(text), None) => Ok(Payload::Text(text.into_owned())),
            (None, Some(text)) => match BASE64.decode(&text) {
                Ok(bytes) => Ok(Payload::Bytes(bytes)),
                Err(error) => Err(ShapeError::new(format!("`{within}raw_bytes` is not base64: {error}"))),
            },
            (None, None) => Err(ShapeError::new(format!(
                "neither `{within}body` nor `{within}raw_bytes` is given"
            ))),
        }
    }
}

/// Frame facts are only said of what came in frames; the values are strings.
fn metadata_object(metadata: &Metadata) -> Map<String, Value> {
    let mut object = Map::new();
    let mut say = |name: &str, value: &str| object.insert(name.to_owned(), Value::from(value));
    if let Some(opcode) = metadata.opcode {
        say("opcode", &opcode.to_string());
        say("fin", "true");
        say("masked", if metadata.masked { "true" } else { "false" });
        say("compressed", if metadata.compressed { "true" } else { "false" });
    }
    if metadata.invalid_utf8 {
        say("invalid_utf8", "true");
    }
    if let Some(violation) = &metadata.violation {
        say("violation", violation);
    }
    for (name, value) in &metadata.more {
        say(name, value);
    }
    object
}

fn metadata_of(object: Map<String, Value>) -> Result<Metadata, ShapeError> {
    let mut metadata = Metadata::default();
    for (name, value) in object {
        let value = match value {
            Value::String(text) => text,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return Err(ShapeError::new(format!("`metadata.{name}` is not a string"))),
        };
        match name.as_str() {
            "opcode" => {
                let opcode = value.parse().ok().filter(|opcode| *opcode < 16);
                let no_opcode = || ShapeError::new(format!("`metadata.opcode` is {value:?}, which is no opcode"));
                metadata.opcode = Some(opcode.ok_or_else(no_opcode)?);
            }
            "fin" => {}
            "masked" => metadata.masked = value == "true",
            "compressed" => metadata.compressed = value == "true",
            "invalid_utf8" => metadata.invalid_utf8 = value == "true",
            "violation" => metadata.violation = Some(value),
            _ => metadata.more.push((name, value)),
        }
    }
    Ok(metadata)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{message as object, parse_message};
    use crate::exchange::samples;
    use crate::flow::{Fate, Kind, Payload};

    fn golden(kind: Kind, nth: usize) -> String {
        let (_, messages) = samples::websocket();
        let (_, exchange) = samples::http();
        let mut of_kind = messages.iter().chain(&exchange).filter(|message| message.kind == kind);
        serde_json::to_string(&object(of_kind.nth(nth).unwrap())).unwrap()
    }

    #[test]
    fn each_kind_has_its_shape() {
        assert_eq!(
            golden(Kind::UpgradeRequest, 0),
            r#"{"flow_id":"8","sequence":0,"direction":"send","timestamp":"2026-01-31T08:15:00.000001Z","kind":"upgrade_request","body":"GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Two: a\r\nX-Two: b\r\n\r\n","raw_bytes":null,"size":102,"wire_bytes":102,"frames":0,"truncated":false,"fate":"sent","decided_by":null,"metadata":{"method":"GET"}}"#
        );
        assert_eq!(
            golden(Kind::Text, 0),
            r#"{"flow_id":"8","sequence":2,"direction":"send","timestamp":"2026-01-31T08:15:01.250000Z","kind":"text","body":"hello, wörld","raw_bytes":null,"size":13,"wire_bytes":19,"frames":1,"truncated":false,"fate":"sent","decided_by":null,"metadata":{"opcode":"1","fin":"true","masked":"true","compressed":"true"}}"#
        );
        assert_eq!(
            golden(Kind::Ping, 0),
            r#"{"flow_id":"8","sequence":4,"direction":"receive","timestamp":"2026-01-31T08:15:03.000000Z","kind":"ping","body":null,"raw_bytes":"cA==","size":1,"wire_bytes":3,"frames":1,"truncated":false,"fate":"sent","decided_by":null,"metadata":{"opcode":"9","fin":"true","masked":"false","compressed":"false"}}"#
        );
        assert_eq!(
            golden(Kind::Request, 0),
            r#"{"flow_id":"9","sequence":0,"direction":"send","timestamp":"2026-01-31T08:15:00.000001Z","kind":"request","head":"POST /form?a=1&b=x%20y HTTP/1.1\r\nHost: example.com\r\nContent-Type: application/octet-stream\r\nContent-Length: 2\r\n\r\n","body":null,"raw_bytes":"/wA=","size":2,"wire_bytes":115,"frames":0,"truncated":false,"fate":"sent","decided_by":null,"metadata":{"method":"POST"}}"#
        );
    }

    #[test]
    fn a_replaced_message_has_its_original() {
        let json = golden(Kind::Text, 1);
        assert!(json.contains(r#""body":"changed""#), "{json}");
        assert!(
            json.contains(
                r#""fate":"replaced","decided_by":"rule 1","original":{"body":"as it came","raw_bytes":null}"#
            ),
            "{json}"
        );
        let message = parse_message(json.as_bytes()).unwrap();
        assert_eq!(message.fate, Fate::Replaced);
        assert_eq!(message.original, Some(Payload::Text("as it came".to_owned())));
    }

    #[test]
    fn every_sample_reads_back() {
        for message in samples::websocket().1.iter().chain(&samples::http().1) {
            let json = serde_json::to_vec(&object(message)).unwrap();
            assert_eq!(&parse_message(&json).unwrap(), message);
        }
    }

    #[test]
    fn an_error_names_the_key() {
        let json = golden(Kind::Text, 0);
        for (from, to, names) in [
            (
                r#""body":"hello, wörld""#,
                r#""body":null"#,
                "neither `body` nor `raw_bytes`",
            ),
            (
                r#""raw_bytes":null"#,
                r#""raw_bytes":"AA==""#,
                "both `body` and `raw_bytes`",
            ),
            (
                r#""body":"hello, wörld","raw_bytes":null"#,
                r#""raw_bytes":"*""#,
                "`raw_bytes` is not base64",
            ),
            (r#""opcode":"1""#, r#""opcode":"16""#, "`metadata.opcode`"),
            (r#""fin":"true""#, r#""fin":[]"#, "`metadata.fin`"),
            (r#""direction":"send""#, r#""direction":"up""#, "`direction`"),
        ] {
            let error = parse_message(json.replacen(from, to, 1).as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(names), "{error}");
        }
    }
}
