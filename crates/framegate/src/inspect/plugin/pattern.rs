//! Regular expressions in plugins: linear in time, compiled once per thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};
use starlark::values::{Heap, Value};

use super::meter::{self, Limit};

/// The largest compiled pattern.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// The longest pattern: one that takes long to compile is refused before it is tried.
const PATTERN_BYTES_MAX: usize = 4096;
/// How many patterns a thread keeps. A plugin that makes patterns of messages must not fill the memory with them.
const KEPT_MAX: usize = 64;

thread_local! {
    static KEPT: RefCell<HashMap<Box<str>, Rc<Regex>>> = RefCell::default();
}

/// The first match as a list, the whole before its groups; `None` if there is none.
pub(super) fn find<'v>(pattern: &str, text: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
    let regex = compiled(pattern)?;
    let Some(captures) = regex.captures(text) else {
        return Ok(Value::new_none());
    };
    let bytes = captures.iter().flatten().map(|group| group.len()).sum();
    meter::claim(heap, bytes)?;
    let groups = captures.iter();
    let groups: Vec<Value<'v>> = groups
        .map(|group| group.map_or_else(Value::new_none, |group| heap.alloc(group.as_str())))
        .collect();
    Ok(heap.alloc(groups))
}

/// The text with every match replaced; `$1` and `${name}` stand for groups.
pub(super) fn replace(pattern: &str, by: &str, text: &str, heap: Heap<'_>) -> starlark::Result<String> {
    let regex = compiled(pattern)?;
    // One for the text, one for its copy on the heap.
    let bytes_max = meter::room(heap) / 2;
    let mut replaced = String::new();
    let mut done = 0;
    for captures in regex.captures_iter(text) {
        let (from, to) = span(&captures);
        // What a replacement can become is known before it is made.
        let groups: usize = captures.iter().flatten().map(|group| group.len()).sum();
        let most = by.len().saturating_mul(groups.saturating_add(1));
        if most > bytes_max || replaced.len() + (from - done) + most > bytes_max.saturating_mul(2) {
            return Err(meter::stop(Limit::Memory));
        }
        replaced.push_str(&text[done..from]);
        captures.expand(by, &mut replaced);
        done = to;
        if replaced.len() > bytes_max {
            return Err(meter::stop(Limit::Memory));
        }
        meter::check_time()?;
    }
    meter::claim(heap, replaced.len() + text.len() - done)?;
    replaced.push_str(&text[done..]);
    Ok(replaced)
}

fn span(captures: &Captures<'_>) -> (usize, usize) {
    // Group 0 is the whole match, which is always there.
    captures.get(0).map_or((0, 0), |whole| (whole.start(), whole.end()))
}

fn compiled(pattern: &str) -> starlark::Result<Rc<Regex>> {
    if let Some(regex) = KEPT.with_borrow(|kept| kept.get(pattern).cloned()) {
        return Ok(regex);
    }
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(refused(&format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    let regex = match RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build() {
        Ok(regex) => Rc::new(regex),
        Err(error) => {
            let words = error.to_string();
            return Err(refused(words.lines().last().unwrap_or_default().trim_start_matches("error: ")));
        }
    };
    KEPT.with_borrow_mut(|kept| {
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(pattern.into(), Rc::clone(&regex));
    });
    Ok(regex)
}

fn refused(why: &str) -> starlark::Error {
    starlark::Error::new_value(anyhow::anyhow!("this is no regular expression: {why}"))
}
