//! A held message as a JSON object, for whoever is to answer it.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use wire::frame::Opcode;

use super::{ShapeError, flow_id_of, time_of};
use crate::flow::Direction;
use crate::inspect::HeldMessage;

/// The phase in which it is held: the only one there is.
const PHASE: &str = "websocket_frame";
const DIRECTIONS: [(Direction, &str); 2] = [
    (Direction::Send, "client_to_server"),
    (Direction::Receive, "server_to_client"),
];

/// A held message's object; its fields are its keys, in order.
#[derive(Debug, Serialize, Deserialize)]
pub struct HeldObject<'a> {
    id: String,
    phase: Cow<'a, str>,
    opcode: Cow<'a, str>,
    direction: Cow<'a, str>,
    flow_id: String,
    upgrade_url: Cow<'a, str>,
    sequence: u32,
    body: Option<Cow<'a, str>>,
    raw_bytes: Option<String>,
    held_since: String,
    matched_rules: Vec<String>,
}

impl<'a> HeldObject<'a> {
    pub(super) fn of(held: &'a HeldMessage) -> Self {
        let text = match held.opcode {
            Opcode::Binary => None,
            _ => std::str::from_utf8(&held.payload).ok(),
        };
        let direction = DIRECTIONS.iter().find(|(direction, _)| *direction == held.direction);
        Self {
            id: held.id.to_string(),
            phase: PHASE.into(),
            opcode: match held.opcode {
                Opcode::Text => "Text",
                Opcode::Binary => "Binary",
                _ => "Unknown",
            }
            .into(),
            direction: direction.map_or("", |(_, word)| word).into(),
            flow_id: held.flow.to_string(),
            upgrade_url: held.url.as_str().into(),
            sequence: held.sequence,
            body: text.map(Cow::from),
            raw_bytes: text.is_none().then(|| BASE64.encode(&*held.payload)),
            held_since: held.held_since.rfc3339(),
            matched_rules: held.rules.clone(),
        }
    }

    pub(super) fn into_held(self) -> Result<HeldMessage, ShapeError> {
        let payload = match (self.body, self.raw_bytes) {
            (Some(text), None) => text.into_owned().into_bytes(),
            (None, Some(text)) => {
                let bytes = BASE64.decode(text);
                bytes.map_err(|error| ShapeError::new(format!("`raw_bytes` is not base64: {error}")))?
            }
            _ => return Err(ShapeError::new("neither `body` nor `raw_bytes`, or both")),
        };
        let direction = DIRECTIONS.iter().find(|(_, word)| *word == self.direction);
        Ok(HeldMessage {
            id: self.id.parse().map_err(|_| ShapeError::new("`id` is no number"))?,
            flow: flow_id_of(&self.flow_id)?,
            url: self.upgrade_url.into_owned(),
            direction: direction
                .map(|(direction, _)| *direction)
                .ok_or_else(|| ShapeError::new(format!("`direction` is {:?}, which is none", self.direction)))?,
            sequence: self.sequence,
            opcode: match &*self.opcode {
                "Text" => Opcode::Text,
                "Binary" => Opcode::Binary,
                _ => Opcode::Continuation,
            },
            payload: Arc::new(payload),
            held_since: time_of("held_since", &self.held_since)?,
            rules: self.matched_rules,
            bytes_max: 0,
        })
    }
}
