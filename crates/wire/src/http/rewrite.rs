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
        let last_line = raw.len() - b"\r\n".len();
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Limits, RequestHead, ResponseHead};
    use super::*;

    const INPUT: &str = "GET http://h/x HTTP/1.1\r\nhost:  h \r\nProxy-Connection: a\r\nX:1\r\nHOST: i\r\nY:\r\n\r\n";

    fn rewritten(change: impl Fn(&mut Rewrite<'_>)) -> String {
        let head = RequestHead::parse(INPUT.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap();
        let mut rewrite = head.rewrite();
        change(&mut rewrite);
        String::from_utf8(rewrite.finish()).unwrap()
    }

    #[test]
    fn without_a_change_nothing_changes() {
        assert_eq!(rewritten(|_| {}), INPUT);
    }

    #[test]
    fn only_what_is_named_changes() {
        let out = rewritten(|rewrite| {
            rewrite
                .target("/x")
                .remove("proxy-connection")
                .set("Host", "other")
                .append("Via", "1.1 p");
        });
        assert_eq!(
            out,
            "GET /x HTTP/1.1\r\nhost:  other \r\nX:1\r\nY:\r\nVia: 1.1 p\r\n\r\n"
        );
    }

    #[test]
    fn later_changes_see_earlier_ones() {
        let start = "GET http://h/x HTTP/1.1\r\n";
        let out = rewritten(|rewrite| {
            rewrite
                .retain(|_| false)
                .set("A", "1")
                .append("a", "2")
                .append("B", "3")
                .set("A", "4");
        });
        assert_eq!(out, format!("{start}A: 4\r\nB: 3\r\n\r\n"));
        let out = rewritten(|rewrite| {
            rewrite
                .append("A", "1")
                .set("Y", "2")
                .retain(|name| name == "Y")
                .set("x", "3");
        });
        assert_eq!(out, format!("{start}Y:2\r\nx: 3\r\n\r\n"));
    }

    #[test]
    fn what_is_put_in_can_not_break_out() {
        let out = rewritten(|rewrite| {
            rewrite
                .retain(|_| false)
                .target("/a b\r\nC: d")
                .set("E", "f\r\nG: h\0")
                .append("I\r\nJ", "k")
                .append("", "l");
        });
        assert_eq!(out, "GET /a%20b%0D%0AC:%20d HTTP/1.1\r\nE: f  G: h \r\nI--J: k\r\n\r\n");
    }

    #[test]
    fn a_response_is_rewritten_in_place_too() {
        let input = "HTTP/1.1 200 OK\r\nA: b c\r\nD: e\r\n\r\n";
        let head = ResponseHead::parse(input.as_bytes(), &Limits::default())
            .unwrap()
            .unwrap();
        let out = |rewrite: &mut Rewrite<'_>| String::from_utf8(rewrite.finish()).unwrap();
        assert_eq!(
            out(head.rewrite().target("/x").remove("a")),
            "HTTP/1.1 200 OK\r\nD: e\r\n\r\n"
        );
        assert_eq!(
            out(head.rewrite().set("a", "z")),
            "HTTP/1.1 200 OK\r\nA: z\r\nD: e\r\n\r\n"
        );
        assert_eq!(
            out(head.rewrite().append("F", "g")),
            "HTTP/1.1 200 OK\r\nA: b c\r\nD: e\r\nF: g\r\n\r\n"
        );
    }

    proptest! {
        /// Whatever is put in, the outcome is one head with exactly the lines asked for.
        #[test]
        fn the_outcome_is_always_one_head(target in ".{1,20}", name in "[A-Za-z]{1,8}", value in any::<Vec<u8>>()) {
            let head = RequestHead::parse(INPUT.as_bytes(), &Limits::default()).unwrap().unwrap();
            let out = head.rewrite().target(&target).append(&name, &value).set("New-One", &value).finish();
            let again = RequestHead::parse(&out, &Limits::default()).unwrap().unwrap();
            prop_assert_eq!(again.raw(), &out[..]);
            prop_assert_eq!(again.headers().count(), head.headers().count() + 2);
        }
    }
}
