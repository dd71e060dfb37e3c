//! What of JSON may be replaced so that it stays JSON: what is inside strings, and numbers and words as a whole.

use std::ops::Range;

use serde::de::IgnoredAny;

use super::ranges::{Hit, merge};

/// A piece of JSON that has a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Of a string without its quotes.
    pub(super) range: Range<usize>,
    pub(super) is_string: bool,
}

/// The tokens of a text that is JSON, keys among them; `None`: it is none. Nesting may be as deep as it likes.
pub(super) fn tokens(text: &[u8]) -> Option<Vec<Token>> {
    let first = text.trim_ascii_start().first()?;
    matches!(first, b'{' | b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n').then_some(())?;
    serde_json::from_slice::<IgnoredAny>(text).ok()?;
    Some(scan(text))
}

/// Reads strings and what stands between them, of anything that looks like JSON.
fn scan(text: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                let start = at + 1;
                let end = start + string_length(&text[start..]);
                tokens.push(Token {
                    range: start..end,
                    is_string: true,
                });
                at = end + 1;
            }
            byte if is_structure(byte) => at += 1,
            _ => {
                let length = text[at..]
                    .iter()
                    .take_while(|byte| !is_structure(**byte) && **byte != b'"')
                    .count();
                tokens.push(Token {
                    range: at..at + length,
                    is_string: false,
                });
                at += length;
            }
        }
    }
    tokens
}

/// Up to the quote that closes it.
fn string_length(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(offset) = memchr::memchr2(b'"', b'\\', &text[at..]) {
        at += offset;
        if text[at] == b'"' {
            return at;
        }
        at = (at + 2).min(text.len());
    }
    text.len()
}

fn is_structure(byte: u8) -> bool {
    matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':') || byte.is_ascii_whitespace()
}

/// The hits as far as they are inside tokens; of numbers and words the whole. Both are in order.
pub(super) fn clip(hits: Vec<Hit>, tokens: &[Token]) -> Vec<Hit> {
    let mut clipped: Vec<Hit> = Vec::new();
    for hit in hits {
        let first = tokens.partition_point(|token| token.range.end <= hit.range.start);
        for token in tokens[first..]
            .iter()
            .take_while(|token| token.range.start < hit.range.end)
        {
            let range = if token.is_string {
                token.range.start.max(hit.range.start)..token.range.end.min(hit.range.end)
            } else {
                token.range.clone()
            };
            clipped.push(Hit {
                range,
                rule: hit.rule,
                quoted: !token.is_string,
            });
        }
    }
    merge(clipped)
}

/// Of a text that is not JSON but has some in it, behind a prefix or line by line: numbers that are whole values.
pub(super) fn quote_numbers(text: &[u8], mut hits: Vec<Hit>) -> Vec<Hit> {
    if hits.is_empty() || memchr::memchr2(b'{', b'[', text).is_none() {
        return hits;
    }
    let mut tokens = scan(text).into_iter().filter(|token| !token.is_string).peekable();
    for hit in &mut hits {
        while tokens.peek().is_some_and(|token| token.range.end <= hit.range.start) {
            tokens.next();
        }
        let Some(token) = tokens.peek() else { break };
        let before = text[..token.range.start].trim_ascii_end().last();
        let behind = text[token.range.end..].trim_ascii_start().first();
        if token.range == hit.range
            && matches!(before, Some(b':' | b',' | b'['))
            && matches!(behind, Some(b',' | b'}' | b']'))
        {
            hit.quoted = true;
        }
    }
    hits
}
