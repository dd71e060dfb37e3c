//! The flow of a message, as plugins see it.

use std::fmt;
use std::sync::Arc;

use allocative::Allocative;
use starlark::values::{Heap, NoSerialize, ProvidesStaticType, StarlarkValue, Value, starlark_value};

use crate::flow::FlowId;
use crate::query::FlowFacts;

const ATTRIBUTES: [&str; 11] = [
    "client_addr",
    "client_ip",
    "host",
    "id",
    "mode",
    "path",
    "port",
    "scheme",
    "server_addr",
    "subprotocol",
    "url",
];

/// `message.flow`.
#[derive(Clone, Debug, Allocative, ProvidesStaticType, NoSerialize)]
pub(in super::super) struct Flow(#[allocative(skip)] Arc<(FlowId, FlowFacts<'static>)>);

starlark::starlark_simple_value!(Flow);

impl Flow {
    pub(in super::super) fn new(id: FlowId, facts: &FlowFacts<'_>) -> Self {
        Self(Arc::new((id, facts.clone().into_owned())))
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<flow {}>", self.0.0)
    }
}

#[starlark_value(type = "flow")]
impl<'v> StarlarkValue<'v> for Flow {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let (id, facts) = &*self.0;
        let opening = &facts.opening;
        let text = match attribute {
            "id" => return Some(heap.alloc(id.0)),
            "port" => return Some(facts.port().map_or_else(Value::new_none, |port| heap.alloc(port))),
            "url" => Some(opening.url.as_str()),
            "scheme" => facts.scheme(),
            "host" => Some(facts.host()),
            "path" => facts.path(),
            "subprotocol" => opening.subprotocol.as_deref(),
            "mode" => Some(opening.mode.as_str()),
            "client_ip" => Some(facts.client_ip()),
            "client_addr" => Some(opening.client_addr.as_str()),
            "server_addr" => opening.server_addr.as_deref(),
            _ => return None,
        };
        Some(text.map_or_else(Value::new_none, |text| heap.alloc(text)))
    }

    fn has_attr(&self, attribute: &str, _heap: Heap<'v>) -> bool {
        ATTRIBUTES.contains(&attribute)
    }

    fn dir_attr(&self) -> Vec<String> {
        ATTRIBUTES.map(str::to_owned).to_vec()
    }
}
