//! An entry of a HAR, and the flow that our own sibling in it restores.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::head::Pair;
use super::{OURS_VERSION, plain};
use crate::control::json::{FlowObject, MessageObject, ShapeError};
use crate::exchange::Imported;
use crate::flow::{Flow, Message};

/// An entry as any writer may write it: what may be missing may be missing, what may be odd is a [`Value`].
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) started_date_time: Value,
    /// Milliseconds.
    #[serde(default)]
    pub(super) time: Value,
    pub(super) request: Request,
    #[serde(default)]
    pub(super) response: Option<Response>,
    #[serde(default, rename = "serverIPAddress")]
    pub(super) server_ip_address: Value,
    /// A string of Chrome's; other writers put a number, or leave it out.
    #[serde(default, rename = "_resourceType")]
    pub(super) resource_type: Value,
    #[serde(default, rename = "_webSocketMessages")]
    pub(super) messages: Value,
    #[serde(default, rename = "_framegate")]
    ours: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(default)]
    pub(super) method: String,
    pub(super) url: String,
    #[serde(default)]
    pub(super) http_version: Value,
    #[serde(default)]
    pub(super) headers: Vec<Pair>,
    #[serde(default)]
    pub(super) post_data: Option<Body>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    #[serde(default)]
    pub(super) status: Value,
    #[serde(default)]
    pub(super) status_text: Value,
    #[serde(default)]
    pub(super) http_version: Value,
    #[serde(default)]
    pub(super) headers: Vec<Pair>,
    #[serde(default)]
    pub(super) content: Option<Body>,
    #[serde(default, rename = "_error")]
    pub(super) error: Value,
}

/// `postData` or `content`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(default)]
    pub(super) text: Option<String>,
    #[serde(default, alias = "_encoding")]
    pub(super) encoding: Option<String>,
    #[serde(default)]
    pub(super) size: Value,
}

impl Body {
    pub(super) fn is_base64(&self) -> bool {
        self.encoding
            .as_ref()
            .is_some_and(|encoding| encoding.eq_ignore_ascii_case("base64"))
    }
}

/// The flow of an entry. The ids are of no meaning.
pub(super) fn read_entry(mut entry: Entry, imported: &mut Imported) -> Result<(Flow, Vec<Message>), ShapeError> {
    let Some(ours) = entry.ours.take() else {
        return Ok(plain::read(&entry, imported));
    };
    if ours["version"] != OURS_VERSION {
        imported.warn("entries with a `_framegate` of another version are read without it");
        return Ok(plain::read(&entry, imported));
    }
    restore(&mut entry, ours)
}

fn restore(entry: &mut Entry, mut ours: Value) -> Result<(Flow, Vec<Message>), ShapeError> {
    let of_ours = |what: &str, why: &dyn std::fmt::Display| ShapeError::new(format!("`_framegate.{what}`: {why}"));
    let flow: Flow = serde_json::from_value::<FlowObject<'static>>(ours["flow"].take())
        .map_err(|error| of_ours("flow", &error))?
        .into_flow()
        .map_err(|error| of_ours("flow", &error))?;
    let Value::Array(objects) = ours["messages"].take() else {
        return Err(of_ours("messages", &"is not an array"));
    };
    let mut messages: Vec<Message> = Vec::with_capacity(objects.len());
    for (at, object) in objects.into_iter().enumerate() {
        let what = format!("messages[{at}]");
        let Value::Object(mut object) = object else {
            return Err(of_ours(&what, &"is not an object"));
        };
        if let Some(place) = object.remove("payload_at") {
            put_payload(&mut object, entry, &place).map_err(|why| of_ours(&what, &why))?;
        }
        let message = serde_json::from_value::<MessageObject<'static>>(Value::Object(object))
            .map_err(|error| of_ours(&what, &error))?
            .into_message()
            .map_err(|error| of_ours(&what, &error))?;
        if messages.last().is_some_and(|last| last.sequence >= message.sequence) {
            return Err(of_ours(&what, &"its sequence came before"));
        }
        messages.push(message);
    }
    Ok((flow, messages))
}

/// Fetches a payload from the part of the entry that every reader of HAR knows.
fn put_payload(object: &mut Map<String, Value>, entry: &mut Entry, place: &Value) -> Result<(), String> {
    let body = match place.as_str() {
        Some("request") => entry.request.post_data.as_mut(),
        Some("response") => entry.response.as_mut().and_then(|response| response.content.as_mut()),
        _ => {
            let found = place.as_u64().and_then(|at| usize::try_from(at).ok());
            let found = found.and_then(|at| entry.messages.get_mut(at));
            let chrome = found.and_then(Value::as_object_mut);
            let chrome = chrome.ok_or_else(|| format!("`_webSocketMessages` has no element {place}"))?;
            let text = chrome.get("opcode") == Some(&json!(1));
            let data = chrome.get_mut("data").map(Value::take).unwrap_or_default();
            object.insert(if text { "body" } else { "raw_bytes" }.to_owned(), data);
            return Ok(());
        }
    };
    let body = body.ok_or_else(|| format!("the {place} has no body"))?;
    let key = if body.is_base64() { "raw_bytes" } else { "body" };
    object.insert(key.to_owned(), body.text.take().into());
    Ok(())
}
