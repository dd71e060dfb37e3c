//! What else a reader may make of a text that is no JSON document: its escapes undone, and each string in it for itself.
//!
//! Many readers take more than RFC 8259 does (`NaN`, a byte order mark, a document a line, a header before it), and rules
//! that ask how a value begins see a value in a string only if it stands alone.

use crate::inspect::safety::{between_quotes, undo};

/// The text with its escapes undone. `None`: it has none.
pub(super) fn undone(text: &[u8]) -> Option<Vec<u8>> {
    memchr::memchr(b'\\', text)?;
    let mut undone = Vec::new();
    undo(text, &mut undone, |_| {}).then_some(undone)
}

/// What stands between any two double quotes, and before and behind them, with its escapes undone. Nothing, if there are
/// no quotes. There are as many as the text has: a firewall with too many arguments before it refuses them all, and to
/// leave some out would be a way around it.
pub(super) fn strings(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    between_quotes(text, 0)
        .map(|range| &text[range])
        .filter(|string| string.len() < text.len() && !is_between_strings(string))
        .map(|string| undone(string).unwrap_or_else(|| string.to_vec()))
}

/// Whether it is what JSON has between two strings.
fn is_between_strings(text: &[u8]) -> bool {
    text.iter().all(|byte| {
        matches!(
            byte,
            b'{' | b'}' | b'[' | b']' | b':' | b',' | b' ' | b'\t' | b'\r' | b'\n'
        )
    })
}

#[cfg(test)]
mod tests {
    use super::strings;

    fn of(text: &str) -> Vec<String> {
        strings(text.as_bytes())
            .map(|string| String::from_utf8_lossy(&string).into_owned())
            .collect()
    }

    #[test]
    fn each_string_stands_for_itself() {
        assert_eq!(
            of(r#"{"a": "1 or \u0031=1", "b": NaN}"#),
            ["a", "1 or 1=1", "b", ": NaN}"]
        );
        assert_eq!(
            of("{\"a\":\"x\"}\n{\"b\":\"y\"}\u{1e}"),
            ["a", "x", "b", "y", "}\u{1e}"]
        );
        assert_eq!(of(r#"["\" or \"\"=\"""#), ["\" or \"\"=\""]);
        assert_eq!(of(r#"He said "no", and left."#), ["He said ", "no", ", and left."]);
    }

    #[test]
    fn a_quote_astray_hides_none() {
        assert_eq!(of(r#"5" x ["1 or 1=1"]"#), ["5", " x [", "1 or 1=1"]);
        assert_eq!(of(r#"["1 or 1=1"#), ["1 or 1=1"]);
    }

    #[test]
    fn a_text_without_quotes_has_none() {
        assert!(of("it's 1 or 2").is_empty());
        assert!(of(r#"{"": ["",""]}"#).is_empty(), "nor have empty ones anything to say");
    }
}
