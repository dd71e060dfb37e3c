//! What a rule matched, short enough for a line of the record.

/// An excerpt has at most so many characters.
const CHARS_MAX: usize = 100;
/// Of a secret so many are shown.
const SECRET_CHARS: usize = 4;

/// Control characters escaped, what is no UTF-8 replaced, cut with an ellipsis.
pub(super) fn excerpt(matched: &[u8]) -> String {
    // No character has more than four bytes, so that a long match is not read to its end.
    let end = matched.len().min(4 * (CHARS_MAX + 1));
    let start = String::from_utf8_lossy(&matched[..end]);
    let mut shown = String::new();
    let mut chars = 0;
    for char in start.chars() {
        let piece: String = if char.is_control() || is_invisible(char) {
            char.escape_default().collect()
        } else {
            char.to_string()
        };
        let length = piece.chars().count();
        if chars + length > CHARS_MAX {
            return cut(&shown);
        }
        chars += length;
        shown.push_str(&piece);
    }
    if end < matched.len() { cut(&shown) } else { shown }
}

/// The same of a secret: enough to tell which it was, too little to use it.
pub(super) fn secret_excerpt(matched: &[u8]) -> String {
    let whole = excerpt(matched);
    let start: String = whole.chars().take(SECRET_CHARS).collect();
    format!("{start}… ({} bytes)", matched.len())
}

/// Makes room for the ellipsis.
fn cut(shown: &str) -> String {
    let mut cut: String = shown.chars().take(CHARS_MAX - 1).collect();
    cut.push('…');
    cut
}

/// Characters that change how their neighbours are shown.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> String {
        excerpt(text)
    }

    #[test]
    fn an_excerpt_can_stand_on_one_line() {
        assert_eq!(of(b"drop\n\x1b[2Jtable\0"), r"drop\n\u{1b}[2Jtable\u{0}");
        assert_eq!(of("\u{202e}txt\u{85}".as_bytes()), r"\u{202e}txt\u{85}");
        assert_eq!(of(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(of("é".repeat(100).as_bytes()), "é".repeat(100));
        for long in [
            "é".repeat(101),
            "\n".repeat(1 << 20),
            "x".repeat(1 << 20),
            "😀".repeat(101),
        ] {
            let shown = of(long.as_bytes());
            assert!(shown.chars().count() <= CHARS_MAX && shown.ends_with('…'), "{shown}");
        }
    }

    #[test]
    fn of_a_secret_there_is_too_little_to_use_it() {
        assert_eq!(secret_excerpt(b"AKIAABCDEFGHIJKLMNOP"), "AKIA… (20 bytes)");
    }
}
