//! A head with a few things changed and everything else as it came.

use std::fmt;
use std::ops::Range;

use super::Head;
use super::fields::is_token_byte;

/// Changes to a head. Lines that no change touches come out byte for byte, in order; without any change
/// [`finish`](Self::finish) gives [`Head::raw`].
///
/// What is put in can not break out of its place: CR, LF and NUL in a value become spaces (RFC 9110 §5.5), bytes that
/// no target has are percent-encoded, bytes that no name has become `-`.
#[derive(Clone)]
pub struct Rewrite<'a> {
    head: &'a Head,
    target_at: Option<Range<usize>>,
    target: Option<Vec<u8>>,
    edits: Vec<Edit>,
    appended: Vec<Appended>,
}

impl<'a> Rewrite<'a> {
    pub(super) fn new(head: &'a Head, target_at: Option<Range<usize>>) -> Self {
        Self {
            head,
            target_at,
            target: None,
            edits: vec![Edit::Keep; head.lines().len()],
            appended: Vec::new(),
        }
    }

    /// Replaces the request target. Has no effect on a response, which has none.
    pub fn target(&mut self, target: &str) -> &mut Self {
        self.target = Some(clean_target(target));
        self
    }

    /// Drops all lines of that name, in any case.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.retain(|other| !other.eq_ignore_ascii_case(name))
    }

    /// Drops all lines for whose name `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) -> &mut Self {
        for (line, edit) in self.head.lines().iter().zip(&mut self.edits) {
            if !keep(self.head.text(&line.name)) {
                *edit = Edit::Drop;
            }
        }
        self.appended.retain(|line| keep(&line.name));
        self
    }

    /// Gives the first line of that name, in any case, this value, and drops further ones. The line keeps its place,
    /// its name as it was written, and the white space around its value. If there is none, it is
    /// [appended](Self::append).
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        let mut value = Some(clean_value(value.as_ref()));
        for (line, edit) in self.head.lines().iter().zip(&mut self.edits) {
            if !matches!(edit, Edit::Drop) && self.head.text(&line.name).eq_ignore_ascii_case(name) {
                *edit = value.take().map_or(Edit::Drop, Edit::Value);
            }
        }
        self.appended
            .retain_mut(|line| !line.name.eq_ignore_ascii_case(name) || line.take_value(&mut value));
        match value {
            Some(value) => self.append(name, value),
            None => self,
        }
    }

    /// Adds a line behind all others.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        let name = clean_name(name);
        if !name.is_empty() {
            self.appended.push(Appended {
                name,
                value: clean_value(value.as_ref()),
            });
        }
        self
    }

    /// The changed head.
    #[must_use]
    pub fn finish(&self) -> Vec<u8> {
        let raw = self.head.raw();
        let mut out = Vec::with_capacity(raw.len() + 256);
        let mut copied = 0;
        let mut replace = |range: Range<usize>, with: &[u8]| {
            out.extend_from_slice(&raw[copied..range.start]);
            out.extend_from_slice(with);
            copied = range.end;
        };
        if let (Some(at), Some(target)) = (&self.target_at, &self.target) {
            replace(at.clone(), target);
        }
        for (line, edit) in self.head.lines().iter().zip(&self.edits) {
            match edit {
                Edit::Keep => {}
                Edit::Drop => replace(line.whole.clone(), b""),
                Edit::Value(value) => replace(line.value.clone(), value),
            }
        }
        let last_line = raw.len() - if raw.ends_with(b"\r\n") { 2 } else { 1 };
        replace(last_line..last_line, b"");
        for line in &self.appended {
            out.extend_from_slice(line.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(&line.value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&raw[last_line..]);
        out
    }
}

#[derive(Clone)]
enum Edit {
    Keep,
    Drop,
    Value(Vec<u8>),
}

#[derive(Clone)]
struct Appended {
    name: String,
    value: Vec<u8>,
}

impl Appended {
    /// Takes the value if it is still to be had.
    fn take_value(&mut self, value: &mut Option<Vec<u8>>) -> bool {
        match value.take() {
            Some(value) => {
                self.value = value;
                true
            }
            None => false,
        }
    }
}

impl fmt::Debug for Rewrite<'_> {
    /// Without the values, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

fn clean_value(value: &[u8]) -> Vec<u8> {
    value
        .iter()
        .map(|&byte| match byte {
            b'\t' | b' '..=0x7e | 0x80.. => byte,
            _ => b' ',
        })
        .collect()
}

fn clean_name(name: &str) -> String {
    name.bytes()
        .map(|byte| if is_token_byte(byte) { char::from(byte) } else { '-' })
        .collect()
}

fn clean_target(target: &str) -> Vec<u8> {
    if target.is_empty() {
        return b"/".to_vec();
    }
    let mut clean = Vec::with_capacity(target.len());
    for byte in target.bytes() {
        if byte <= b' ' || byte == 0x7f {
            clean.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            clean.push(byte);
        }
    }
    clean
}
