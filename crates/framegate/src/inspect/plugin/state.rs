//! What a plugin keeps of a flow between its calls.

use std::sync::Arc;

use starlark::collections::SmallMap;
use starlark::values::dict::{AllocDict, DictRef};
use starlark::values::float::StarlarkFloat;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark::values::{Heap, UnpackValue, Value, ValueLike};

use super::meter::{self, Limit};
use super::values::{Bytes, Flow};

/// How deep lists and dictionaries of the state may be nested.
const DEPTH_MAX: usize = 32;
/// What a value counts, besides the content of a text or of bytes.
const VALUE_BYTES: usize = 32;

/// What one plugin keeps of one flow: its `message.state`. It belongs to the conversation, not to the plugin, and
/// outlives a reload.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginState {
    pub(super) kept: Kept,
    /// The flow as plugins see it, made when one first asks.
    pub(super) flow: Option<Flow>,
}

/// The content of a state; `None`: nothing yet.
pub(super) type Kept = Option<Arc<Vec<(Stored, Stored)>>>;

/// A value outside of any heap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stored {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    Bytes(Bytes),
    List(Vec<Stored>),
    Dict(Vec<(Stored, Stored)>),
}

/// The dictionary that a call works on.
pub(super) fn load<'v>(kept: &Kept, heap: Heap<'v>) -> Value<'v> {
    let pairs = kept.as_deref().map_or(&[][..], Vec::as_slice);
    load_dict(pairs, heap)
}

fn load_dict<'v>(pairs: &[(Stored, Stored)], heap: Heap<'v>) -> Value<'v> {
    let mut content = SmallMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        // Only what can be a key was stored as one.
        if let Ok(key) = load_value(key, heap).get_hashed() {
            content.insert_hashed(key, load_value(value, heap));
        }
    }
    heap.alloc(AllocDict(content))
}

fn load_value<'v>(stored: &Stored, heap: Heap<'v>) -> Value<'v> {
    match stored {
        Stored::None => Value::new_none(),
        Stored::Bool(is) => Value::new_bool(*is),
        Stored::Int(number) => heap.alloc(*number),
        Stored::Float(number) => heap.alloc(*number),
        Stored::Text(text) => heap.alloc(&**text),
        Stored::Bytes(bytes) => heap.alloc(bytes.clone()),
        Stored::List(items) => {
            let items: Vec<Value<'v>> = items.iter().map(|item| load_value(item, heap)).collect();
            heap.alloc(items)
        }
        Stored::Dict(pairs) => load_dict(pairs, heap),
    }
}

/// The dictionary as the call left it.
///
/// # Errors
/// It is larger than `bytes_max`, nested too deeply, or has what is not kept: functions, sets, numbers beyond 64 bits.
pub(super) fn store(state: Value<'_>, bytes_max: usize) -> starlark::Result<Kept> {
    let Some(dict) = DictRef::from_value(state) else {
        return Ok(None);
    };
    let pairs = Store { left: bytes_max }.dict(&dict, 0)?;
    Ok((!pairs.is_empty()).then(|| Arc::new(pairs)))
}

struct Store {
    left: usize,
}

impl Store {
    fn spend(&mut self, bytes: usize) -> starlark::Result<()> {
        let left = self.left.checked_sub(bytes.saturating_add(VALUE_BYTES));
        self.left = left.ok_or_else(|| meter::stop(Limit::State))?;
        Ok(())
    }

    fn dict(&mut self, dict: &DictRef<'_>, depth: usize) -> starlark::Result<Vec<(Stored, Stored)>> {
        let pairs = dict.iter().map(|(key, value)| {
            if ListRef::from_value(key).is_some() || TupleRef::from_value(key).is_some() {
                return Err(refused("a key that is a tuple"));
            }
            Ok((self.value(key, depth + 1)?, self.value(value, depth + 1)?))
        });
        pairs.collect()
    }

    fn value(&mut self, value: Value<'_>, depth: usize) -> starlark::Result<Stored> {
        if depth > DEPTH_MAX {
            meter::stop(Limit::State);
            return Err(refused(&format!("what is nested more than {DEPTH_MAX} deep")));
        }
        if let Some(text) = value.unpack_str() {
            self.spend(text.len())?;
            return Ok(Stored::Text(text.into()));
        }
        if let Some(bytes) = value.downcast_ref::<Bytes>() {
            self.spend(bytes.as_slice().len())?;
            // A view of a large message would keep all of it.
            return Ok(Stored::Bytes(bytes.compact()));
        }
        self.spend(0)?;
        if value.is_none() {
            return Ok(Stored::None);
        }
        if let Some(is) = value.unpack_bool() {
            return Ok(Stored::Bool(is));
        }
        if let Ok(Some(number)) = i64::unpack_value(value) {
            return Ok(Stored::Int(number));
        }
        if let Some(number) = value.downcast_ref::<StarlarkFloat>() {
            return Ok(Stored::Float(number.0));
        }
        let list = ListRef::from_value(value).map(|list| list.content());
        if let Some(items) = list.or_else(|| TupleRef::from_value(value).map(|tuple| tuple.content())) {
            let items = items.iter().map(|item| self.value(*item, depth + 1));
            return Ok(Stored::List(items.collect::<Result<_, _>>()?));
        }
        if let Some(dict) = DictRef::from_value(value) {
            return Ok(Stored::Dict(self.dict(&dict, depth)?));
        }
        Err(refused(&format!("a {}", value.get_type())))
    }
}

fn refused(what: &str) -> starlark::Error {
    starlark::Error::new_other(anyhow::anyhow!(
        "message.state cannot keep {what}: it keeps None, booleans, numbers of 64 bits, strings, bytes, lists and \
         dictionaries"
    ))
}
