//! Text that came over a wire, made fit for a terminal.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

/// The text with everything escaped that could drive a terminal, hide other text or reorder it.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut safe, c));
    safe
}

/// Bytes in hexadecimal, at most 32 of them.
pub(super) fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text = String::new();
    for (at, byte) in bytes.iter().take(SHOWN).enumerate() {
        let space = if at > 0 { " " } else { "" };
        // Writing to a String does not fail.
        let _ = write!(text, "{space}{byte:02x}");
    }
    if bytes.len() > SHOWN {
        text.push_str(" …");
    }
    text
}

/// As much of `line` as fits into `columns` of a terminal, with "…" where it was cut. The line is escaped already.
pub(super) fn fitted(line: &str, columns: usize) -> String {
    let mut taken = 0;
    // Where to cut, if the rest turns out not to fit.
    let mut cut = 0;
    for (at, c) in line.char_indices() {
        let width = c.width().unwrap_or(0);
        if taken + width > columns {
            return format!("{}…", &line[..cut]);
        }
        taken += width;
        if taken < columns {
            cut = at + c.len_utf8();
        }
    }
    line.to_owned()
}

fn push_escaped(safe: &mut String, c: char) {
    match c {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        // C0, DEL and C1; what is invisible; what reorders or breaks lines; tags.
        c if c.is_control() => {
            let _ = write!(safe, "\\x{:02x}", u32::from(c));
        }
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}' => {
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(c));
        }
        c => safe.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::{escaped, fitted, hex};

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(
            escaped("\x1b]0;owned\x07\r\n\t\u{9b}31m"),
            "\\x1b]0;owned\\x07\\r\\n\\t\\x9b31m"
        );
        assert_eq!(escaped("a\u{202e}b\u{200b}c"), "a\\u{202e}b\\u{200b}c");
        assert_eq!(escaped("wörld 世界"), "wörld 世界");
    }

    #[test]
    fn a_line_is_cut_where_the_terminal_ends() {
        for (columns, line) in [(5, "abcde"), (4, "abc…"), (1, "…"), (80, "abcde")] {
            assert_eq!(fitted("abcde", columns), line);
        }
        assert_eq!(fitted("世界世界", 6), "世界…", "a wide character takes two columns");
        assert_eq!(fitted("世界世界", 5), "世界…");
        assert_eq!(fitted("世界", 4), "世界");
    }

    #[test]
    fn bytes_are_shown_in_part() {
        assert_eq!(hex(&[0, 0xFF]), "00 ff");
        assert!(hex(&[1; 40]).ends_with("01 …"));
    }
}
