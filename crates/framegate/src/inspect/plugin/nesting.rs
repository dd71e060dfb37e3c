//! Brackets inside of brackets, counted before a file is parsed: each takes the parser some KiB of its stack.

/// How many brackets may be open at once.
pub(super) const BRACKETS_MAX: usize = 100;

/// The byte of the first bracket too many.
pub(super) fn too_deep(source: &str) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                if open > BRACKETS_MAX {
                    return Some(at);
                }
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'#' => {
                at += bytes[at..]
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(bytes.len() - at)
            }
            b'"' | b'\'' => at = string_end(bytes, at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The last byte of the string that begins here, or of the line if the string has no end in it.
fn string_end(bytes: &[u8], begin: usize) -> usize {
    let quote = bytes[begin];
    let long = bytes[begin..].starts_with(&[quote; 3]);
    let mut at = begin + if long { 3 } else { 1 };
    while let Some(byte) = bytes.get(at) {
        match byte {
            // In raw strings too, a quote behind a backslash does not end the string.
            b'\\' => at += 1,
            b'\n' if !long => return at,
            _ if long && bytes[at..].starts_with(&[quote; 3]) => return at + 2,
            _ if !long && *byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{BRACKETS_MAX, too_deep};

    #[test]
    fn only_brackets_of_the_code_count() {
        let deep = "(".repeat(BRACKETS_MAX + 1);
        assert_eq!(too_deep(&format!("x = {deep}")), Some(4 + BRACKETS_MAX));
        assert_eq!(too_deep(&"([{}])\n".repeat(BRACKETS_MAX)), None);
        for harmless in [
            format!("# {deep}\n"),
            format!("x = \"{deep}\""),
            format!("x = '\\'{deep}'"),
            format!("x = '''\n'{deep}\n'''"),
            format!("x = r'\\'{deep}'"),
        ] {
            assert_eq!(too_deep(&harmless), None, "{harmless}");
        }
        for code in [
            format!("x = '' {deep}"),
            format!("x = '\\\\' {deep}"),
            format!("x = ''''a''' {deep}"),
            format!("# '\n{deep}"),
            format!("x = 'no end\n{deep}"),
        ] {
            assert!(too_deep(&code).is_some(), "{code}");
        }
        assert_eq!(too_deep("'"), None);
        assert_eq!(too_deep("'\\"), None);
    }
}
