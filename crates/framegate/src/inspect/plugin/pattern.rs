//! Regular expressions in plugins: linear in time, compiled once per thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use regex::{Captures, Regex, RegexBuilder};
use starlark::eval::Evaluator;
use starlark::values::{Heap, Value};

use super::meter;

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
    match compiled(pattern)?.captures(text) {
        Some(captures) => groups(&captures, heap),
        None => Ok(Value::new_none()),
    }
}

/// The text with every match replaced; `$1` and `${name}` stand for groups.
pub(super) fn replace(pattern: &str, by: &str, text: &str, heap: Heap<'_>) -> starlark::Result<String> {
    let mut replaced = Replaced::new(text, heap);
    for captures in compiled(pattern)?.captures_iter(text) {
        // What it can become is known before it is made: each `$` with all groups together.
        let groups: usize = captures.iter().flatten().map(|group| group.len()).sum();
        let dollars = memchr::memchr_iter(b'$', by.as_bytes()).count();
        replaced.claim(by.len().saturating_add(dollars.saturating_mul(groups)))?;
        let mut expanded = String::new();
        captures.expand(by, &mut expanded);
        replaced.put(&captures, &expanded)?;
    }
    replaced.finish()
}

/// The text with every match replaced by what the function returns for it; it is given what [`find`] gives.
pub(super) fn replace_by<'v>(
    pattern: &str,
    function: Value<'v>,
    text: &str,
    eval: &mut Evaluator<'v, '_, '_>,
) -> starlark::Result<String> {
    let heap = eval.heap();
    let mut replaced = Replaced::new(text, heap);
    for captures in compiled(pattern)?.captures_iter(text) {
        let groups = groups(&captures, heap)?;
        let by = eval.eval_function(function, &[groups], &[])?;
        let Some(by) = by.unpack_str() else {
            let what = by.get_type();
            return Err(starlark::Error::new_value(anyhow::anyhow!(
                "a match is replaced by a string, and the function returned a {what}"
            )));
        };
        replaced.put(&captures, by)?;
    }
    replaced.finish()
}

fn groups<'v>(captures: &Captures<'_>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
    meter::claim(heap, captures.iter().flatten().map(|group| group.len()).sum())?;
    let groups = captures.iter();
    let groups: Vec<Value<'v>> = groups
        .map(|group| group.map_or_else(Value::new_none, |group| heap.alloc(group.as_str())))
        .collect();
    Ok(heap.alloc(groups))
}

/// A text as far as its matches are replaced.
struct Replaced<'t, 'v> {
    text: &'t str,
    done: usize,
    made: String,
    heap: Heap<'v>,
}

impl<'t, 'v> Replaced<'t, 'v> {
    fn new(text: &'t str, heap: Heap<'v>) -> Self {
        Self {
            text,
            done: 0,
            made: String::new(),
            heap,
        }
    }

    /// So much is to be added, to a text that is copied to the heap in the end.
    fn claim(&self, bytes: usize) -> starlark::Result<()> {
        meter::claim(self.heap, self.made.len().saturating_add(bytes).saturating_mul(2))
    }

    fn put(&mut self, captures: &Captures<'_>, by: &str) -> starlark::Result<()> {
        meter::check(self.heap)?;
        // Group 0 is the whole match, which is always there.
        let (from, to) = captures.get(0).map_or((0, 0), |whole| (whole.start(), whole.end()));
        self.claim((from - self.done).saturating_add(by.len()))?;
        self.made.push_str(&self.text[self.done..from]);
        self.made.push_str(by);
        self.done = to;
        Ok(())
    }

    fn finish(mut self) -> starlark::Result<String> {
        self.claim(self.text.len() - self.done)?;
        self.made.push_str(&self.text[self.done..]);
        Ok(self.made)
    }
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
            return Err(refused(
                words.lines().last().unwrap_or_default().trim_start_matches("error: "),
            ));
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
