//! The receiver of a method that can make much of little, with its guard.

use std::fmt;

use allocative::Allocative;
use memchr::memmem;
use starlark::eval::{Arguments, Evaluator};
use starlark::values::list::ListRef;
use starlark::values::{Heap, NoSerialize, ProvidesStaticType, StarlarkValue, Trace, Value, ValueLike, starlark_value};

use crate::inspect::plugin::guard::METHODS;
use crate::inspect::plugin::{measure, meter};

/// What a short string takes on the heap, and its place in a list.
const PIECE_BYTES: usize = 48;

/// A string or list that is asked for one of the guarded methods.
#[derive(Debug, Trace, Allocative, ProvidesStaticType, NoSerialize)]
pub(in super::super) struct Receiver<'v>(Value<'v>);

impl<'v> Receiver<'v> {
    /// The value with guarded methods, if it has some.
    pub(in super::super) fn of(value: Value<'v>, heap: Heap<'v>) -> Value<'v> {
        if value.unpack_str().is_some() || ListRef::from_value(value).is_some() {
            return heap.alloc_complex_no_freeze(Self(value));
        }
        value
    }
}

impl fmt::Display for Receiver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<receiver>")
    }
}

#[starlark_value(type = "receiver")]
impl<'v> StarlarkValue<'v> for Receiver<'v> {
    fn get_attr(&self, attribute: &str, heap: Heap<'v>) -> Option<Value<'v>> {
        let name = METHODS.into_iter().find(|name| *name == attribute)?;
        if !self.0.has_attr(name, heap) {
            return None;
        }
        Some(heap.alloc_complex_no_freeze(Method { receiver: self.0, name }))
    }
}

/// One of its methods, to be called.
#[derive(Debug, Trace, Allocative, ProvidesStaticType, NoSerialize)]
struct Method<'v> {
    receiver: Value<'v>,
    #[trace(unsafe_ignore)]
    name: &'static str,
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<method {}>", self.name)
    }
}

#[starlark_value(type = "method")]
impl<'v> StarlarkValue<'v> for Method<'v> {
    fn invoke(
        &self,
        _me: Value<'v>,
        args: &Arguments<'v, '_>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Value<'v>> {
        let heap = eval.heap();
        let given: Vec<Value<'v>> = args.positions(heap)?.take(2).collect();
        let first = given.first().copied();
        let bytes = match self.receiver.unpack_str() {
            None => first.map_or(0, |items| length(items).saturating_mul(size_of::<Value<'_>>() * 2)),
            Some(text) => match self.name {
                "format" => formatted(text, args, heap)?,
                "join" => first.map_or(Ok(0), |items| joined(text, items, heap))?,
                "replace" => replaced(text, given.first(), given.get(1)),
                _ => pieces(text, self.name, first)
                    .saturating_mul(PIECE_BYTES)
                    .saturating_add(text.len()),
            },
        };
        meter::claim(heap, bytes)?;
        self.receiver.get_attr_error(self.name, heap)?.invoke(args, eval)
    }
}

fn length(items: Value<'_>) -> usize {
    items.length().map_or(0, |length| usize::try_from(length).unwrap_or(0))
}

/// At most so many bytes: each field with the largest of the values.
fn formatted<'v>(text: &str, args: &Arguments<'v, '_>, heap: Heap<'v>) -> starlark::Result<usize> {
    let mut largest = 0;
    for value in args.positions(heap)?.chain(args.names_map()?.values().copied()) {
        largest = largest.max(measure::printed(value, heap)?);
    }
    Ok(text
        .len()
        .saturating_add(text.matches('{').count().saturating_mul(largest)))
}

fn joined<'v>(between: &str, items: Value<'v>, heap: Heap<'v>) -> starlark::Result<usize> {
    let (mut bytes, mut count, mut first_two) = (0_usize, 0_usize, 0);
    for item in items.iterate(heap)? {
        let item = item.unpack_str().map_or(0, str::len);
        if count < 2 {
            first_two = item.max(first_two);
        }
        bytes = bytes.saturating_add(item).saturating_add(between.len());
        count += 1;
    }
    // The place in which it is put together is as large as if all were as long as the first two.
    let guessed = first_two.saturating_add(between.len()).saturating_mul(count);
    Ok(bytes.saturating_add(bytes.max(guessed)))
}

fn replaced(text: &str, old: Option<&Value<'_>>, new: Option<&Value<'_>>) -> usize {
    let (Some(old), Some(new)) = (
        old.and_then(|old| old.unpack_str()),
        new.and_then(|new| new.unpack_str()),
    ) else {
        return 0;
    };
    let times = if old.is_empty() {
        text.len() + 1
    } else {
        memmem::find_iter(text.as_bytes(), old).count()
    };
    text.len()
        .saturating_add(times.saturating_mul(new.len()))
        .saturating_mul(2)
}

/// How many strings the method makes of this one.
fn pieces(text: &str, method: &str, separator: Option<Value<'_>>) -> usize {
    let separator = separator.and_then(|separator| separator.unpack_str());
    match method {
        "elems" | "codepoints" => text.len(),
        "splitlines" => 1 + memchr::memchr2_iter(b'\n', b'\r', text.as_bytes()).count(),
        _ => match separator {
            Some("") | None => 1 + text.split_whitespace().count(),
            Some(separator) => 1 + memmem::find_iter(text.as_bytes(), separator).count(),
        },
    }
}
