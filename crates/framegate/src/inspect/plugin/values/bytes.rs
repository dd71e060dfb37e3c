//! `bytes`: what a binary message is made of. A part of it is a view and copies nothing.
//!
//! The interpreter has a type of that name. It copies with every slice, does not count what it copies, and has no
//! methods; so this one stands in its place, and `b"…"` in a plugin makes one of these.

use std::cmp::Ordering;
use std::fmt;
use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use allocative::Allocative;
use memchr::memmem;
use starlark::collections::StarlarkHasher;
use starlark::environment::{Methods, MethodsBuilder};
use starlark::values::{
    Heap, NoSerialize, ProvidesStaticType, StarlarkValue, UnpackValue, Value, ValueError, starlark_value,
};
use starlark::{methods_static, starlark_module, starlark_simple_value};

use crate::inspect::plugin::meter;

/// What an integer of a list or tuple takes, with room for the two copies of an iteration.
const ITEM_BYTES: usize = 16;

/// Immutable bytes.
#[derive(Clone, Debug, Allocative, ProvidesStaticType, NoSerialize)]
pub(in super::super) struct Bytes {
    #[allocative(skip)]
    whole: Arc<Vec<u8>>,
    #[allocative(skip)]
    part: Range<usize>,
}

starlark_simple_value!(Bytes);

impl Bytes {
    /// All of these.
    pub(in super::super) fn of(whole: &Arc<Vec<u8>>) -> Self {
        Self {
            part: 0..whole.len(),
            whole: Arc::clone(whole),
        }
    }

    /// New ones, counted.
    pub(in super::super) fn make(content: Vec<u8>, heap: Heap<'_>) -> starlark::Result<Self> {
        meter::claim_outside(heap, content.len())?;
        Ok(Self::of(&Arc::new(content)))
    }

    pub(in super::super) fn as_slice(&self) -> &[u8] {
        &self.whole[self.part.clone()]
    }

    /// The same without what is around it.
    pub(in super::super) fn compact(&self) -> Self {
        if self.part.len() == self.whole.len() {
            return self.clone();
        }
        Self::of(&Arc::new(self.as_slice().to_vec()))
    }

    /// Where in them `what` is found first.
    fn place_of(&self, what: Value<'_>) -> starlark::Result<Option<usize>> {
        if let Some(bytes) = Self::from_value(what) {
            return Ok(memmem::find(self.as_slice(), bytes.as_slice()));
        }
        match what.unpack_i32().map(u8::try_from) {
            Some(Ok(byte)) => Ok(memchr::memchr(byte, self.as_slice())),
            Some(Err(_)) => Err(wrong("a byte is a number from 0 to 255")),
            None => Err(wrong(format!(
                "bytes are searched for bytes or a number, not for a {}",
                what.get_type()
            ))),
        }
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_slice().escape_ascii())
    }
}

methods_static!(METHODS = methods);

#[starlark_value(type = "bytes")]
impl<'v> StarlarkValue<'v> for Bytes {
    fn get_methods() -> Option<&'static Methods> {
        Some(METHODS.methods())
    }

    fn to_bool(&self) -> bool {
        !self.part.is_empty()
    }

    fn write_hash(&self, hasher: &mut StarlarkHasher) -> starlark::Result<()> {
        self.as_slice().hash(hasher);
        Ok(())
    }

    fn equals(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(Self::from_value(other).is_some_and(|other| self == other))
    }

    fn compare(&self, other: Value<'v>) -> starlark::Result<Ordering> {
        match Self::from_value(other) {
            Some(other) => Ok(self.as_slice().cmp(other.as_slice())),
            None => Err(wrong(format!("bytes have no order with a {}", other.get_type()))),
        }
    }

    fn length(&self) -> starlark::Result<i32> {
        i32::try_from(self.part.len()).map_err(|_| ValueError::IntegerOverflow.into())
    }

    fn at(&self, index: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        let asked = i32::unpack_value_err(index)?;
        let index = isize::try_from(asked).unwrap_or_default();
        let from_end = if index < 0 { self.part.len() } else { 0 };
        let byte = from_end
            .checked_add_signed(index)
            .and_then(|at| self.as_slice().get(at));
        byte.map_or_else(
            || Err(ValueError::IndexOutOfBound(asked).into()),
            |byte| Ok(heap.alloc(i32::from(*byte))),
        )
    }

    fn slice(
        &self,
        start: Option<Value<'v>>,
        stop: Option<Value<'v>>,
        stride: Option<Value<'v>>,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        if stride.is_some_and(|stride| stride.unpack_i32() != Some(1)) {
            return Err(wrong("slices of bytes have no step"));
        }
        let length = self.part.len();
        let from = bound(start, 0, length)?;
        let to = bound(stop, length, length)?.max(from);
        Ok(heap.alloc(Self {
            whole: Arc::clone(&self.whole),
            part: self.part.start + from..self.part.start + to,
        }))
    }

    fn is_in(&self, other: Value<'v>) -> starlark::Result<bool> {
        Ok(self.place_of(other)?.is_some())
    }

    fn add(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        let other = Self::from_value(other)?;
        let length = self.part.len().saturating_add(other.part.len());
        let joined =
            meter::claim(heap, length).and_then(|()| Self::make([self.as_slice(), other.as_slice()].concat(), heap));
        Some(joined.map(|joined| heap.alloc(joined)))
    }

    fn mul(&self, other: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        let times = usize::try_from(other.unpack_i32()?).unwrap_or(0);
        let repeated = meter::claim(heap, self.part.len().saturating_mul(times))
            .and_then(|()| Self::make(self.as_slice().repeat(times), heap));
        Some(repeated.map(|repeated| heap.alloc(repeated)))
    }

    fn rmul(&self, lhs: Value<'v>, heap: Heap<'v>) -> Option<starlark::Result<Value<'v>>> {
        self.mul(lhs, heap)
    }

    fn iterate_collect(&self, heap: Heap<'v>) -> starlark::Result<Vec<Value<'v>>> {
        meter::claim(heap, self.part.len().saturating_mul(ITEM_BYTES))?;
        Ok(self
            .as_slice()
            .iter()
            .map(|byte| heap.alloc(i32::from(*byte)))
            .collect())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Two digits a byte.
    fn hex(this: &Bytes, heap: Heap<'_>) -> starlark::Result<String> {
        use fmt::Write;
        meter::claim(heap, this.part.len().saturating_mul(4))?;
        let mut digits = String::with_capacity(this.part.len() * 2);
        for byte in this.as_slice() {
            // Writing into a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Ok(digits)
    }

    /// The text that they are in UTF-8, or `None` if they are none.
    fn decode<'v>(this: &Bytes, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        meter::claim(heap, this.part.len())?;
        let text = simdutf8::basic::from_utf8(this.as_slice()).ok();
        Ok(text.map_or_else(Value::new_none, |text| heap.alloc(text)))
    }

    /// Where these bytes, or this byte, are found first; -1 if nowhere.
    fn find<'v>(this: &Bytes, #[starlark(require = pos)] what: Value<'v>) -> starlark::Result<i32> {
        Ok(this.place_of(what)?.and_then(|at| i32::try_from(at).ok()).unwrap_or(-1))
    }

    /// Whether they begin so.
    fn startswith(this: &Bytes, #[starlark(require = pos)] prefix: &Bytes) -> starlark::Result<bool> {
        Ok(this.as_slice().starts_with(prefix.as_slice()))
    }

    /// Whether they end so.
    fn endswith(this: &Bytes, #[starlark(require = pos)] suffix: &Bytes) -> starlark::Result<bool> {
        Ok(this.as_slice().ends_with(suffix.as_slice()))
    }
}

/// An end of a slice: negative ones count from the end, and none lies outside.
fn bound(asked: Option<Value<'_>>, default: usize, length: usize) -> starlark::Result<usize> {
    let Some(asked) = asked.filter(|asked| !asked.is_none()) else {
        return Ok(default);
    };
    let asked = i64::from(i32::unpack_value_err(asked)?);
    let length_signed = i64::try_from(length).unwrap_or(i64::MAX);
    let from_start = if asked < 0 { length_signed + asked } else { asked };
    Ok(usize::try_from(from_start).unwrap_or(0).min(length))
}

fn wrong(what: impl Into<String>) -> starlark::Error {
    starlark::Error::new_value(anyhow::Error::msg(what.into()))
}
