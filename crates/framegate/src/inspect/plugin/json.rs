//! `json.encode` and `json.decode`, within the limits of the call.
//!
//! The interpreter's own decode whatever fits into memory, recurse on the thread's own stack, and panic at `1e999`. What
//! is decoded here comes from peers.

use serde_json::Value as Json;
use starlark::collections::SmallMap;
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::float::StarlarkFloat;
use starlark::values::{Heap, UnpackValue, Value, ValueLike};

use super::measure;
use super::meter::{self, Limit};

/// How deep what is encoded may be nested. What is decoded may be as deep as the JSON library reads: 127.
const DEPTH_MAX: usize = 128;
/// What a value may take while it is decoded: parsed, and then made.
const VALUE_BYTES: usize = 128;
/// The clock is read after so many members of an object.
const MEMBERS_PER_READING: usize = 64;

/// Why there is no value.
pub(super) enum Undecoded {
    /// It is no JSON, or has a number that is none here.
    NoJson(String),
    /// There was no room for it, or no time.
    Stopped(starlark::Error),
}

/// Reads JSON.
pub(super) fn decode<'v>(text: &str, heap: Heap<'v>) -> Result<Value<'v>, Undecoded> {
    // Every value but the first has one of these before it. Those inside of strings are counted for nothing.
    let values = 1 + text
        .bytes()
        .filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':'))
        .count();
    let bytes = values
        .saturating_mul(VALUE_BYTES)
        .saturating_add(text.len().saturating_mul(2));
    meter::claim(heap, bytes).map_err(Undecoded::Stopped)?;
    let json = serde_json::from_str(text).map_err(|error| Undecoded::NoJson(error.to_string()))?;
    made(&json, heap)
}

fn made<'v>(json: &Json, heap: Heap<'v>) -> Result<Value<'v>, Undecoded> {
    Ok(match json {
        Json::Null => Value::new_none(),
        Json::Bool(is) => Value::new_bool(*is),
        Json::Number(number) => {
            if let Some(number) = number.as_i64() {
                heap.alloc(number)
            } else if let Some(number) = number.as_u64() {
                heap.alloc(number)
            } else {
                let float = number.as_f64().filter(|float| float.is_finite());
                heap.alloc(float.ok_or_else(|| Undecoded::NoJson("a number is too large".to_owned()))?)
            }
        }
        Json::String(text) => heap.alloc(text.as_str()),
        Json::Array(items) => {
            let items = items.iter().map(|item| made(item, heap));
            heap.alloc(items.collect::<Result<Vec<_>, _>>()?)
        }
        Json::Object(members) => {
            let mut content = SmallMap::with_capacity(members.len());
            for (at, (name, value)) in members.iter().enumerate() {
                // Names may be chosen so that the dictionary finds all of them in one place: then each one costs more
                // than the one before.
                if at % MEMBERS_PER_READING == MEMBERS_PER_READING - 1 {
                    meter::check_time().map_err(Undecoded::Stopped)?;
                }
                let name = heap
                    .alloc_str(name)
                    .to_value()
                    .get_hashed()
                    .map_err(Undecoded::Stopped)?;
                content.insert_hashed(name, made(value, heap)?);
            }
            heap.alloc(AllocDict(content))
        }
    })
}

/// Writes JSON without white space.
///
/// # Errors
/// The value is none of JSON's, nested too deeply, or there is no room for the text.
pub(super) fn encode(value: Value<'_>, heap: Heap<'_>) -> starlark::Result<String> {
    let mut writer = Writer {
        text: String::new(),
        // One for the text, one for its copy on the heap.
        bytes_max: meter::room(heap) / 2,
    };
    writer.value(value, 0)?;
    Ok(writer.text)
}

struct Writer {
    text: String,
    bytes_max: usize,
}

impl Writer {
    fn value(&mut self, value: Value<'_>, depth: usize) -> starlark::Result<()> {
        if depth > DEPTH_MAX {
            return Err(refused(&format!("what is nested more than {DEPTH_MAX} deep")));
        }
        if value.is_none() {
            return self.put("null");
        }
        if let Some(is) = value.unpack_bool() {
            return self.put(if is { "true" } else { "false" });
        }
        if let Some(text) = value.unpack_str() {
            return self.text(text);
        }
        if let Ok(Some(number)) = i64::unpack_value(value) {
            return self.put(&number.to_string());
        }
        if let Some(number) = value.downcast_ref::<StarlarkFloat>() {
            return match serde_json::Number::from_f64(number.0) {
                Some(number) => self.put(&number.to_string()),
                None => Err(refused("a float that is no number")),
            };
        }
        if let Some(items) = measure::items(value) {
            self.put("[")?;
            for (at, item) in items.iter().enumerate() {
                self.put(if at == 0 { "" } else { "," })?;
                self.value(*item, depth + 1)?;
            }
            return self.put("]");
        }
        if let Some(dict) = DictRef::from_value(value) {
            self.put("{")?;
            for (at, (name, value)) in dict.iter().enumerate() {
                let Some(name) = name.unpack_str() else {
                    return Err(refused("a dictionary whose keys are not all strings"));
                };
                self.put(if at == 0 { "" } else { "," })?;
                self.text(name)?;
                self.put(":")?;
                self.value(value, depth + 1)?;
            }
            return self.put("}");
        }
        if value.get_type() == "int" {
            return self.put(&value.to_str());
        }
        Err(refused(&format!("a {}", value.get_type())))
    }

    fn text(&mut self, text: &str) -> starlark::Result<()> {
        // Escapes make six bytes of one at the most.
        let quoted = (text.len() <= self.bytes_max).then(|| Json::from(text).to_string());
        self.put(&quoted.ok_or_else(|| meter::stop(Limit::Memory))?)
    }

    fn put(&mut self, text: &str) -> starlark::Result<()> {
        if self.text.len() + text.len() > self.bytes_max {
            return Err(meter::stop(Limit::Memory));
        }
        self.text.push_str(text);
        Ok(())
    }
}

fn refused(what: &str) -> starlark::Error {
    starlark::Error::new_value(anyhow::anyhow!("JSON has no place for {what}"))
}
