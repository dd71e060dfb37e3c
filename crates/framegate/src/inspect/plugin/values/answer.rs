//! What a hook answers, and the opinion that it is.

use std::fmt;

use allocative::Allocative;
use starlark::values::{NoSerialize, ProvidesStaticType, StarlarkValue, Value, starlark_value};
use wire::frame::Opcode;

use super::Bytes;
use crate::inspect::{Opinion, Subject};

/// What `text()`, `binary()`, `drop()` and `close()` give.
#[derive(Clone, Debug, Allocative, ProvidesStaticType, NoSerialize)]
pub(in super::super) enum Answer {
    Text(String),
    Binary(Bytes),
    Drop,
    Close { code: u16, reason: String },
}

starlark::starlark_simple_value!(Answer);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("text(…)"),
            Self::Binary(_) => f.write_str("binary(…)"),
            Self::Drop => f.write_str("drop()"),
            Self::Close { code, .. } => write!(f, "close({code})"),
        }
    }
}

#[starlark_value(type = "answer")]
impl<'v> StarlarkValue<'v> for Answer {}

impl Answer {
    /// What a hook that returned this says of the message.
    ///
    /// # Errors
    /// It is none of what hooks return.
    pub(in super::super) fn opinion(returned: Value<'_>, subject: &Subject) -> Result<Opinion, String> {
        if returned.is_none() {
            return Ok(Opinion::Pass);
        }
        if let Some(text) = returned.unpack_str() {
            return Ok(replaced(Opcode::Text, text.as_bytes(), subject));
        }
        if let Some(bytes) = Bytes::from_value(returned) {
            return Ok(replaced(Opcode::Binary, bytes.as_slice(), subject));
        }
        match Self::from_value(returned) {
            Some(Self::Text(text)) => Ok(replaced(Opcode::Text, text.as_bytes(), subject)),
            Some(Self::Binary(bytes)) => Ok(replaced(Opcode::Binary, bytes.as_slice(), subject)),
            Some(Self::Drop) => Ok(Opinion::Drop),
            Some(Self::Close { code, reason }) => Ok(Opinion::Close {
                code: *code,
                reason: reason.clone(),
            }),
            None => Err(format!(
                "a hook returns None, a string, bytes, or what text(), binary(), drop() or close() gives, but this one \
                 returned a {}",
                returned.get_type()
            )),
        }
    }
}

/// The same message again is no replacement: it leaves as it came, byte for byte.
fn replaced(opcode: Opcode, payload: &[u8], subject: &Subject) -> Opinion {
    if opcode == subject.opcode && payload == subject.payload.as_slice() {
        return Opinion::Pass;
    }
    Opinion::Replace {
        opcode,
        payload: payload.to_vec(),
    }
}
