//! How large a value is: before it is printed, added or repeated.

use starlark::values::dict::DictRef;
use starlark::values::list::ListRef;
use starlark::values::tuple::TupleRef;
use starlark::values::{Heap, Value, ValueLike};

use super::meter::{self, Limit};
use super::values::Bytes;

/// How deep what is printed may be nested: the interpreter prints by recursion on the thread's own stack.
pub(super) const DEPTH_MAX: usize = 64;
/// What a number, a bracket or a name takes at the most, in print; a whole number may have some hundred digits.
const WORD_BYTES: usize = 32;

/// About how many bytes the value takes in print. What occurs twice is counted twice, as it is printed.
///
/// # Errors
/// It is more than there is room for, or it is nested too deeply.
pub(super) fn printed(value: Value<'_>, heap: Heap<'_>) -> starlark::Result<usize> {
    let room = meter::room(heap);
    let mut left = room;
    print(value, 0, &mut left)?;
    Ok(room - left)
}

fn print(value: Value<'_>, depth: usize, left: &mut usize) -> starlark::Result<()> {
    if depth > DEPTH_MAX {
        return Err(starlark::Error::new_value(anyhow::anyhow!(
            "this is nested more than {DEPTH_MAX} deep"
        )));
    }
    let content = match value.unpack_str() {
        Some(text) => text.len(),
        None => value
            .downcast_ref::<Bytes>()
            .map_or(0, |bytes| bytes.as_slice().len().saturating_mul(4)),
    };
    let spent = left.checked_sub(content.saturating_add(WORD_BYTES));
    *left = spent.ok_or_else(|| meter::stop(Limit::Memory))?;
    if let Some(items) = items(value) {
        for item in items {
            print(*item, depth + 1, left)?;
        }
    } else if let Some(dict) = DictRef::from_value(value) {
        for (key, value) in dict.iter() {
            print(key, depth + 1, left)?;
            print(value, depth + 1, left)?;
        }
    }
    Ok(())
}

/// The items of a list or tuple.
pub(super) fn items<'v>(value: Value<'v>) -> Option<&'v [Value<'v>]> {
    let list = ListRef::from_value(value).map(|list| list.content());
    list.or_else(|| TupleRef::from_value(value).map(|tuple| tuple.content()))
}

/// The bytes of a string or of `bytes`, or those of a list's or tuple's own places.
pub(super) fn extent(value: Value<'_>) -> usize {
    if let Some(text) = value.unpack_str() {
        return text.len();
    }
    if let Some(bytes) = value.downcast_ref::<Bytes>() {
        return bytes.as_slice().len();
    }
    // Once in a vector on the way, once where it stays.
    items(value).map_or(0, |items| size_of_val(items) * 2)
}
