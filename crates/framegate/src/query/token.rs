//! A filter's text as tokens, each with the place where it begins.

use super::FilterError;

/// The smallest piece that means something.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name: of a field, a function, a key.
    Name(String),
    /// A quoted text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a point or an exponent.
    Float(f64),
    /// An operator or a bracket.
    Sign(&'static str),
    /// Behind the last one.
    End,
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 16] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", ".", "-",
];

/// What a person is likely to have meant.
const OTHER_LANGUAGES: [(&str, &str); 6] = [
    ("=", "=="),
    ("&", "&&"),
    ("|", "||"),
    ("~", ".matches(…)"),
    ("+", "a smaller filter: there is no arithmetic"),
    ("“", "straight quotes"),
];

/// All tokens with the byte offsets where they begin; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        let blanks = rest.len() - rest.trim_start().len();
        at += blanks;
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else {
            found.push((at, Token::End));
            return Ok(found);
        };
        let (token, len) = match first {
            '"' | '\'' => quoted(text, at, at + 1, first, false)?,
            'r' | 'R' if rest[1..].starts_with(['"', '\'']) => {
                let quote = if rest[1..].starts_with('"') { '"' } else { '\'' };
                quoted(text, at, at + 2, quote, true)?
            }
            '0'..='9' => number(text, at)?,
            'a'..='z' | 'A'..='Z' | '_' => {
                let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let name = &rest[..len.unwrap_or(rest.len())];
                (Token::Name(name.to_owned()), name.len())
            }
            _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
                Some(sign) => (Token::Sign(sign), sign.len()),
                None => return Err(FilterError::new(text, at, stray(first))),
            },
        };
        found.push((at, token));
        at += len;
    }
}

fn stray(c: char) -> String {
    let meant = OTHER_LANGUAGES.iter().find(|(sign, _)| sign.starts_with(c));
    match meant {
        Some((_, meant)) => format!("`{c}` means nothing here; did you mean {meant}?"),
        None => format!("`{}` means nothing here", c.escape_debug()),
    }
}

/// The text from `start` to its closing quote, and the length of all of it from `at` on.
fn quoted(text: &str, at: usize, start: usize, quote: char, raw: bool) -> Result<(Token, usize), FilterError> {
    let mut value = String::new();
    let mut chars = text[start..].char_indices();
    while let Some((offset, c)) = chars.next() {
        if c == quote {
            return Ok((Token::Text(value), start + offset + 1 - at));
        }
        if c != '\\' || raw {
            value.push(c);
            continue;
        }
        let here = start + offset;
        let escape = chars.next().map(|(_, c)| c);
        let mut code = |digits: usize| {
            let hex: String = chars.by_ref().take(digits).map(|(_, c)| c).collect();
            let whole = hex.len() == digits && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let code = whole.then(|| u32::from_str_radix(&hex, 16).ok()).flatten();
            code.and_then(char::from_u32)
        };
        let meant = match escape {
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some(c @ ('\\' | '"' | '\'')) => Some(c),
            Some('u') => code(4),
            Some('U') => code(8),
            _ => None,
        };
        let wrong = || {
            let what = "this is no escape: \\n \\r \\t \\\\ \\\" \\' \\uHHHH are; a regex is easier as r\"…\"";
            FilterError::new(text, here, what)
        };
        value.push(meant.ok_or_else(wrong)?);
    }
    Err(FilterError::new(text, at, "this text has no closing quote"))
}

fn number(text: &str, at: usize) -> Result<(Token, usize), FilterError> {
    let rest = &text[at..];
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.');
    let word = &rest[..len.unwrap_or(rest.len())];
    let token = word
        .parse()
        .map(Token::Int)
        .or_else(|_| word.parse().map(Token::Float).map_err(|_| ()));
    match token {
        Ok(Token::Float(value)) if !value.is_finite() => Err(FilterError::new(text, at, "this number is too large")),
        Ok(token) => Ok((token, word.len())),
        Err(()) => Err(FilterError::new(text, at, format!("{word} is no number"))),
    }
}
