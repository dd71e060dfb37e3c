//! Escapes undone: a text as whoever decodes it sees it.
//!
//! The text need not be JSON, so that no prefix, comma or missing bracket hides what is inside: every backslash is
//! taken as JSON, JavaScript or a shell would take it. Overlong UTF-8 is read as lenient decoders read it. One pass
//! undoes one level; JSON inside a JSON string has two.

use std::ops::Range;

use memchr::memchr;

/// So many levels are looked at below the text as it is. Each is at most as long as the one before.
pub(super) const LEVELS_MAX: usize = 8;

/// A piece of a text that reads otherwise when it is undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::inspect) struct Unit {
    /// Where it is in the text.
    pub(in crate::inspect) from: Range<usize>,
    /// Where it is when it is undone.
    pub(in crate::inspect) to: Range<usize>,
}

/// Calls `look` with the text as it is, then with ever more levels undone, until one has nothing to undo; and with how
/// many are undone.
pub(super) fn each_level(text: &[u8], mut look: impl FnMut(&[u8], usize)) {
    look(text, 0);
    let (mut this, mut next) = (Vec::new(), Vec::new());
    if !undo(text, &mut this, |_| {}) {
        return;
    }
    for depth in 1..LEVELS_MAX {
        look(&this, depth);
        if !undo(&this, &mut next, |_| {}) {
            return;
        }
        std::mem::swap(&mut this, &mut next);
    }
    look(&this, LEVELS_MAX);
}

/// Writes `text` with one level undone into `out`, and tells each unit. False: there is nothing to undo, and `out` is
/// of no use.
pub(in crate::inspect) fn undo(text: &[u8], out: &mut Vec<u8>, mut tell: impl FnMut(Unit)) -> bool {
    let valid = simdutf8::basic::from_utf8(text).is_ok();
    if valid && memchr(b'\\', text).is_none() {
        return false;
    }
    out.clear();
    let mut any = false;
    let mut at = 0;
    while let Some(offset) = special(&text[at..], valid) {
        out.extend_from_slice(&text[at..at + offset]);
        at += offset;
        let (start, rest) = (out.len(), &text[at..]);
        let used = if rest[0] == b'\\' {
            backslash(rest, out)
        } else {
            overlong(rest, out)
        };
        match used {
            Some(used) => {
                any = true;
                tell(Unit {
                    from: at..at + used,
                    to: start..out.len(),
                });
                at += used;
            }
            None => {
                out.push(rest[0]);
                at += 1;
            }
        }
    }
    out.extend_from_slice(&text[at..]);
    any
}

/// Where something may begin that reads otherwise.
fn special(text: &[u8], valid: bool) -> Option<usize> {
    if valid {
        return memchr(b'\\', text);
    }
    text.iter()
        .position(|byte| matches!(byte, b'\\' | 0xc0 | 0xc1 | 0xe0 | 0xf0))
}

/// Undoes the escape that `text` begins with; how long it is. `None`: nothing comes behind the backslash.
fn backslash(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let plain = |byte, out: &mut Vec<u8>| {
        out.push(byte);
        Some(2)
    };
    match *text.get(1)? {
        b'n' => plain(b'\n', out),
        b't' => plain(b'\t', out),
        b'r' => plain(b'\r', out),
        b'b' => plain(0x08, out),
        b'f' => plain(0x0c, out),
        b'v' => plain(0x0b, out),
        byte @ (b'\\' | b'"' | b'\'' | b'/') => plain(byte, out),
        // A line that goes on in the next one.
        b'\n' => Some(2),
        b'\r' => Some(2 + usize::from(text.get(2) == Some(&b'\n'))),
        b'0'..=b'7' => octal(text, out),
        _ => match code_unit(text) {
            Some((high @ 0xd800..=0xdbff, used)) => Some(surrogates(text, high, used, out)),
            Some((code, used)) => {
                push(char::from_u32(code), out);
                Some(used)
            }
            // Before all else it stands for nothing: the next byte is itself.
            None => Some(1),
        },
    }
}

fn octal(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let digits_max = if text[1] <= b'3' { 3 } else { 2 };
    let digits = text[1..]
        .iter()
        .take(digits_max)
        .take_while(|byte| matches!(byte, b'0'..=b'7'));
    let (code, count) = digits.fold((0, 0), |(code, count), digit| {
        (code * 8 + u32::from(digit - b'0'), count + 1)
    });
    push(char::from_u32(code), out);
    Some(1 + count)
}

/// `\xHH`, `\uHHHH`, `\u{H…}`, `\UHHHHHHHH`: its number, and how long it is.
fn code_unit(text: &[u8]) -> Option<(u32, usize)> {
    let fixed = |count: usize| Some((hex(text.get(2..2 + count)?)?, 2 + count));
    match text.get(..2)? {
        br"\x" => fixed(2),
        br"\U" => fixed(8),
        br"\u" if text.get(2) == Some(&b'{') => {
            let count = text[3..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
            (text.get(3 + count) == Some(&b'}')).then_some(())?;
            Some((hex(&text[3..3 + count])?, 4 + count))
        }
        br"\u" => fixed(4),
        _ => None,
    }
}

/// Leading zeros count for nothing, however many there are.
fn hex(digits: &[u8]) -> Option<u32> {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    if digits.is_empty() || digits.len() - zeros > 8 {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |code, digit| Some(code << 4 | char::from(*digit).to_digit(16)?))
}

/// A high surrogate and the low one behind it, or the sign for what cannot be read.
fn surrogates(text: &[u8], high: u32, used: usize, out: &mut Vec<u8>) -> usize {
    match code_unit(&text[used..]) {
        Some((low @ 0xdc00..=0xdfff, more)) => {
            push(char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), out);
            used + more
        }
        _ => {
            push(None, out);
            used
        }
    }
}

/// A character in more bytes than it needs, such as C0 AE for a full stop; how long it is.
fn overlong(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let (length, first) = match text[0] {
        0xc0..=0xc1 => (2, text[0] & 0x1f),
        0xe0 if *text.get(1)? < 0xa0 => (3, 0),
        0xf0 if *text.get(1)? < 0x90 => (4, 0),
        _ => return None,
    };
    let code = text.get(1..length)?.iter().try_fold(u32::from(first), |code, byte| {
        (byte & 0xc0 == 0x80).then_some(code << 6 | u32::from(byte & 0x3f))
    })?;
    push(char::from_u32(code), out);
    Some(length)
}

fn push(char: Option<char>, out: &mut Vec<u8>) {
    let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What stands between two quotes, and between a quote and the text's end, each on its own. Whichever of two quotes
/// opens a string and whichever closes it: a stray one must not hide all strings behind it. Where escapes are undone, a
/// quote may also be one that somebody wrote, so only what has JSON's signs around it counts.
pub(in crate::inspect) fn between_quotes(text: &[u8], depth: usize) -> impl Iterator<Item = Range<usize>> {
    let mut quotes = memchr::memchr_iter(b'"', text).filter(|at| !is_escaped(text, *at));
    let mut start = Some(0);
    let strings = std::iter::from_fn(move || {
        let from = start?;
        let quote = quotes.next();
        start = quote.map(|at| at + 1);
        Some(from..quote.unwrap_or(text.len()))
    });
    strings.filter(move |string| depth == 0 || is_among_signs(text, string))
}

/// Whether JSON could have a string there, quotes not counted.
fn is_among_signs(text: &[u8], string: &Range<usize>) -> bool {
    let before = text[..string.start.saturating_sub(1)].trim_ascii_end().last();
    let behind = text
        .get(string.end + 1..)
        .unwrap_or_default()
        .trim_ascii_start()
        .first();
    matches!(before, None | Some(b'{' | b'[' | b',' | b':' | b'"'))
        && matches!(behind, None | Some(b'}' | b']' | b',' | b':' | b'"'))
}

/// Whether an odd number of backslashes stands before it.
fn is_escaped(text: &[u8], at: usize) -> bool {
    let backslashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
    backslashes % 2 == 1
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn undone(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        if undo(text, &mut out, |_| {}) {
            out
        } else {
            text.to_vec()
        }
    }

    #[test]
    fn escapes_of_json_and_javascript_are_undone() {
        for (escaped, plain) in [
            (r#"\u0044ROP \"x\" \/ \\ \n\t"#, "DROP \"x\" / \\ \n\t"),
            (r"\x44\u{44}\u{000000000000044}\U00000044\104\60", "DDDDD0"),
            (r"\ud83d\ude00\u{d83d}\u{de00}", "😀😀"),
            (r"\ud83d!\ude00", "\u{fffd}!\u{fffd}"),
            (r"\q\é\400", "qé 0"),
            ("DR\\\nO\\\r\nP", "DROP"),
            (r"\u00zz\x4\u{44\u{}\u{110000}", "u00zzx4u{44u{}\u{fffd}"),
            (r"\", r"\"),
            (r"\\", r"\"),
        ] {
            assert_eq!(
                String::from_utf8(undone(escaped.as_bytes())).unwrap(),
                plain,
                "{escaped}"
            );
        }
    }

    #[test]
    fn overlong_utf8_is_read_and_other_bytes_stay() {
        assert_eq!(undone(b"\xc0\xae\xe0\x80\xae\xf0\x80\x80\xae\xc1\x84"), b"...D");
        for stays in [
            &b"\xc0"[..],
            b"\xe0\xa0\x80",
            b"\xf0\x9f\x98\x80",
            b"\xff\xfe",
            b"\xe0\x80",
            b"\xc0x",
        ] {
            assert_eq!(undone(stays), stays);
        }
    }

    #[test]
    fn the_work_is_linear_whatever_the_text() {
        let length = 1 << 20;
        let text = |pattern: &[u8]| pattern.iter().copied().cycle().take(length).collect::<Vec<u8>>();
        for pattern in [
            &b"\\"[..],
            b"{\"a\":\"",
            b"\\u{0",
            b"\\u005c",
            b"\\\"",
            b"\\ud83d",
            b"\\\\u005cu005c",
        ] {
            let text = text(pattern);
            let (mut seen, mut levels, mut last) = (0, 0, usize::MAX);
            each_level(&text, |level, _| {
                assert!(level.len() <= last);
                (seen, levels, last) = (seen + level.len(), levels + 1, level.len());
                let inside: usize = between_quotes(level, 0).map(|range| range.len()).sum();
                assert!(inside <= level.len());
            });
            assert!(levels <= 1 + LEVELS_MAX && seen <= length * (1 + LEVELS_MAX));
        }
        let mut seen = 0;
        each_level(&text(b"\\"), |level, _| seen += level.len());
        assert!(seen <= 2 * length, "backslashes halve");
    }

    #[test]
    fn what_stands_between_quotes_is_found_with_any_quote_astray() {
        let text = br#"x "a" {"b\"c":"d\\"} "e"#;
        let found: Vec<&[u8]> = between_quotes(text, 0).map(|range| &text[range]).collect();
        let wanted: [&[u8]; 8] = [b"x ", b"a", b" {", b"b\\\"c", b":", b"d\\\\", b"} ", b"e"];
        assert_eq!(found, wanted);
        assert_eq!(between_quotes(b"", 0).count(), 1);
        // Deeper down a quote may be one that somebody wrote.
        let text = br#"{"a":"he said "exit" to ["b", "c"]"}"#;
        let found: Vec<&[u8]> = between_quotes(text, 1).map(|range| &text[range]).collect();
        let wanted: [&[u8]; 3] = [b"a", b"b", b"c"];
        assert_eq!(found, wanted);
    }

    proptest! {
        #[test]
        fn what_json_escapes_is_what_is_undone(text: String) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(undone(&json.as_bytes()[1..json.len() - 1]), text.as_bytes());
        }

        #[test]
        fn units_say_where_everything_came_from(text in prop::collection::vec(prop_oneof![
            Just(b'\\'), Just(b'u'), Just(b'0'), Just(b'{'), Just(b'}'), Just(0xc0), Just(0xae), any::<u8>()
        ], 0..200)) {
            let (mut out, mut units) = (Vec::new(), Vec::new());
            if undo(&text, &mut out, |unit| units.push(unit)) {
                let (mut from, mut to) = (0, 0);
                for unit in &units {
                    prop_assert_eq!(&text[from..unit.from.start], &out[to..unit.to.start]);
                    prop_assert!(unit.to.len() < unit.from.len());
                    (from, to) = (unit.from.end, unit.to.end);
                }
                prop_assert_eq!(&text[from..], &out[to..]);
            }
        }
    }
}
