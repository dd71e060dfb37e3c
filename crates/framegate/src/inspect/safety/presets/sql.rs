//! How patterns about SQL are spelt, and what a pattern cannot say of a statement: that it has no condition.

use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::Regex;

/// What may stand between two words: white space and comments, also those that MySQL executes.
const GAP: &str = r"(?:\s|/\*!\d*|\*/|/\*(?:[^*!]|\*+[^*/])(?:[^*]|\*+[^*/])*\*+/|/\*\*+/|--[^\r\n]*[\r\n]|#[^\r\n]*[\r\n]|\xC2\xA0|\xE3\x80\x80)";
/// The same where comments are taken out.
const SPACE: &str = r"(?:\s|\xC2\xA0|\xE3\x80\x80)";
/// A name, maybe quoted, maybe of several parts. A bracket that nobody closes is given up at the next one.
const NAME: &str = r#"(?:[\w$@.\x80-\xFF]|"\w[^"]*"|`\w[^`]*`|\[\w[^\[\]]*\])+"#;

/// A space is a gap, `~` a gap or nothing, `§` where a word may begin, `NAME` a name.
pub(super) fn spell(pattern: &str) -> String {
    spell_with(GAP, pattern)
}

fn spell_with(gap: &str, pattern: &str) -> String {
    let pattern = pattern
        .replace(' ', &format!("{gap}+"))
        .replace('~', &format!("{gap}*"))
        .replace('§', r"(?:\b|/\*!\d*)")
        .replace("NAME", NAME);
    format!("(?i-u){pattern}")
}

/// For a text without comments. With them, a search that goes on behind each match would read a comment without an end
/// to the end of the text each time.
fn compiled(pattern: &str) -> Regex {
    Regex::new(&spell_with(SPACE, &super::joined(pattern))).expect("patterns of presets are tested")
}

/// The text with a space for each comment. One without an end stays.
fn without_comments(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    // Where nothing closes one comment, nothing closes those behind it.
    let (mut blocks, mut lines) = (true, true);
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = match rest {
            [b'/', b'*', b'!', ..] => Some(3 + rest[3..].iter().take_while(|byte| byte.is_ascii_digit()).count()),
            [b'*', b'/', ..] => Some(2),
            [b'/', b'*', inside @ ..] if blocks => {
                let end = memmem::find(inside, b"*/");
                blocks = end.is_some();
                end.map(|end| end + 4)
            }
            [b'#', ..] | [b'-', b'-', ..] if lines => {
                let end = memchr::memchr2(b'\r', b'\n', rest);
                lines = end.is_some();
                end.map(|end| end + 1)
            }
            _ => None,
        };
        match length {
            Some(_) => out.push(b' '),
            None => out.push(rest[0]),
        }
        at += length.unwrap_or(1);
    }
    out
}

/// An UPDATE of every row.
pub(super) fn update_of_all(text: &[u8]) -> Option<Vec<u8>> {
    static UPDATE: LazyLock<Regex> = LazyLock::new(|| compiled(super::destructive_sql::UPDATE));
    without_where(text, &UPDATE, |rest| !rest.is_dangling)
}

/// A DELETE of every row.
pub(super) fn delete_of_all(text: &[u8]) -> Option<Vec<u8>> {
    static DELETE: LazyLock<Regex> = LazyLock::new(|| compiled(super::destructive_sql::DELETE));
    static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"\A~(?:(?:as )?\w+\b~)?(?:\z|[^\w\s.?!,:'\x80-\xFF-]|'(?:\W|\z)|--|where~|(?:limit|order by|returning
                |using|output|inner join|left join|join|delete|update|select|insert|drop|go)\b)",
        )
    });
    // "Delete from my list what you like" is none: behind the name comes what a statement goes on with.
    without_where(text, &DELETE, |rest| CLAUSE.is_match(rest.tail))
}

/// What follows the beginning of a statement.
struct Rest<'a> {
    tail: &'a [u8],
    /// It ends where no statement can end, so a quote cut it.
    is_dangling: bool,
}

/// The first statement without a condition, or with one that is always true. `start` matches how it begins, `is_one`
/// says whether it is a statement at all. Each search goes on where the one before ended.
fn without_where(text: &[u8], start: &Regex, is_one: impl Fn(&Rest<'_>) -> bool) -> Option<Vec<u8>> {
    let text = &without_comments(text);
    let mut at = 0;
    while let Some(begins) = start.find_at(text, at) {
        let tail = &text[begins.end()..];
        let end = end_of_statement(tail);
        let rest = Rest {
            tail,
            is_dangling: end.stop == tail.len() && is_dangling(&text[begins.start()..]),
        };
        if !end.is_conditional && is_one(&rest) {
            return Some(text[begins.start()..begins.end() + end.stop].to_vec());
        }
        at = begins.end() + end.next;
    }
    None
}

/// Where a statement ends or has a condition, and where to read on.
struct End {
    stop: usize,
    next: usize,
    is_conditional: bool,
}

fn end_of_statement(tail: &[u8]) -> End {
    static STOP: LazyLock<Regex> = LazyLock::new(|| {
        // A literal as a whole, also one inside JSON, so that a word in it is none of the statement's. A comment here
        // has no end.
        compiled(
            r#"(?P<skip>\\+"[^"\\]*\\+"|'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`|/\*[\s\S]*|--[^\r\n]*
                |#[^\r\n]*)|(?P<where>\bwhere\b)|(?P<end>;|\b(?:delete from|update [\w$@.\x22`\[\]]+ set)\b)"#,
        )
    });
    static ALWAYS: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r#"\A~\(*~(?:(\d+)~=~(\d+)|true|not false|1|'(\w*)'~=~'(\w*)'|"(\w*)"~=~"(\w*)")~\)*~(?:\z|[;"'`)}\]]
                |--|#|limit\b|order\b)"#,
        )
    });
    for piece in STOP.captures_iter(tail) {
        let whole = piece.get(0).expect("group 0 is there");
        if piece.name("where").is_some() {
            return End {
                stop: whole.start(),
                next: whole.end(),
                is_conditional: !is_always(&ALWAYS, &tail[whole.end()..]),
            };
        }
        if piece.name("end").is_some() {
            return End {
                stop: whole.start(),
                next: whole.start(),
                is_conditional: false,
            };
        }
    }
    End {
        stop: tail.len(),
        next: tail.len(),
        is_conditional: false,
    }
}

/// Both sides of a comparison are the same.
fn is_always(always: &Regex, condition: &[u8]) -> bool {
    always.captures(condition).is_some_and(|found| {
        let group = |number: usize| found.get(number).map(|group| group.as_bytes());
        group(1) == group(2) && group(3) == group(4) && group(5) == group(6)
    })
}

/// The last byte before a comment and white space wants something behind it.
fn is_dangling(statement: &[u8]) -> bool {
    static COMMENT: LazyLock<Regex> = LazyLock::new(|| compiled(r"(?:/\*|--|#)[\s\S]*\z"));
    let without = COMMENT
        .find(statement)
        .map_or(statement, |comment| &statement[..comment.start()]);
    matches!(
        without.trim_ascii().last(),
        Some(b'=' | b',' | b'(' | b'+' | b'|' | b'<' | b'>')
    )
}

/// Two numbers that are the same, compared: true of every row.
pub(super) fn same_numbers(text: &[u8]) -> Option<Vec<u8>> {
    static SAME: LazyLock<Regex> = LazyLock::new(|| compiled(super::sql_injection::NUMBERS));
    SAME.captures_iter(&without_comments(text))
        .find(|found| found.get(1).map(|one| one.as_bytes()) == found.get(2).map(|other| other.as_bytes()))
        .and_then(|found| found.get(0))
        .map(|found| found.as_bytes().to_vec())
}

/// A quote, and behind it a comment that hides the rest of the statement.
pub(super) fn comment_tail(text: &[u8]) -> Option<Vec<u8>> {
    static TAIL: LazyLock<Regex> =
        LazyLock::new(|| compiled(r#"[\w%]'\)*;?(?:--[\s+-]*(?:\z|[\r\n"'])|--\s|#\s*(?:\z|["']))"#));
    TAIL.find(text).map(|found| found.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_taken_out_and_those_without_an_end_stay() {
        for (text, wanted) in [
            ("a/**/b/* x */c", "a b c"),
            ("a--x\nb#y\r\nc", "a b \nc"),
            ("/*!50000a*/b", " a b"),
            ("a/*b", "a/*b"),
            ("a--b", "a--b"),
            ("a/*/b*/c", "a c"),
        ] {
            assert_eq!(without_comments(text.as_bytes()), wanted.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_statement_ends_where_its_condition_or_the_next_one_begins() {
        let end = end_of_statement(b" where a = 1; delete from b");
        assert_eq!((end.stop, end.next, end.is_conditional), (1, 6, true));
        let end = end_of_statement(b" = '; where' ; where");
        assert_eq!((end.stop, end.is_conditional), (13, false));
    }
}
