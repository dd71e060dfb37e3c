//! The message that a hook is called with. What a plugin does not ask for is not made.

use std::cell::OnceCell;
use std::fmt;

use allocative::Allocative;
use starlark::values::{Heap, NoSerialize, ProvidesStaticType, StarlarkValue, Trace, Value, starlark_value};
use wire::frame::Opcode;

use super::{Bytes, Flow};
use crate::flow::Word;
use crate::inspect::Subject;
use crate::inspect::plugin::state::{self, Kept};

const ATTRIBUTES: [&str; 9] = [
    "bytes",
    "compressed",
    "direction",
    "flow",
    "opcode",
    "sequence",
    "size",
    "state",
    "text",
];

/// `message`.
#[derive(Debug, Trace, Allocative, ProvidesStaticType, NoSerialize)]
pub(in super::super) struct Message<'v> {
    #[allocative(skip)]
    #[trace(unsafe_ignore)]
    subject: Subject,
    #[allocative(skip)]
    #[trace(unsafe_ignore)]
    kept: Kept,
    #[allocative(skip)]
    #[trace(unsafe_ignore)]
    flow: Option<Flow>,
    state: OnceCell<Value<'v>>,
    text: OnceCell<Value<'v>>,
}

impl<'v> Message<'v> {
    pub(in super::super) fn new(subject: &Subject, kept: &Kept, flow: Option<Flow>) -> Self {
        Self {
            subject: subject.clone(),
            kept: kept.clone(),
            flow,
            state: OnceCell::new(),
            text: OnceCell::new(),
        }
    }

    /// The state, if the plugin asked for it in this call.
    pub(in super::super) fn touched_state(&self) -> Option<Value<'v>> {
        self.state.get().copied()
    }

    fn text(&self, heap: Heap<'v>) -> Value<'v> {
        let text = match self.subject.opcode {
            Opcode::Text => simdutf8::basic::from_utf8(&self.subject.payload).ok(),
            _ => None,
        };
        text.map_or_else(Value::new_none, |text| heap.alloc(text))
    }
}

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<message {}>", self.subject.facts.sequence)
    }
}

#[starlark_value(type = "message")]
impl<'v> StarlarkValue<'v> for Message<'v> {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let subject = &self.subject;
        Some(match attribute {
            "text" => *self.text.get_or_init(|| self.text(heap)),
            "bytes" => heap.alloc(Bytes::of(&subject.payload)),
            "opcode" => heap.alloc(if subject.opcode == Opcode::Text {
                "text"
            } else {
                "binary"
            }),
            "direction" => heap.alloc(subject.facts.direction.word()),
            "sequence" => heap.alloc(subject.facts.sequence),
            "compressed" => Value::new_bool(subject.facts.compressed),
            "size" => heap.alloc(subject.payload.len() as u64),
            "state" => *self.state.get_or_init(|| state::load(&self.kept, heap)),
            "flow" => heap.alloc(self.flow.clone()?),
            _ => return None,
        })
    }

    fn has_attr(&self, attribute: &str, _heap: Heap<'v>) -> bool {
        ATTRIBUTES.contains(&attribute)
    }

    fn dir_attr(&self) -> Vec<String> {
        ATTRIBUTES.map(str::to_owned).to_vec()
    }
}
