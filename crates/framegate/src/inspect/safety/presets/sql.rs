//! How patterns about SQL are spelt, and what a pattern cannot say of a statement: that it has no condition.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

/// What may stand between two words: white space and comments, also those that MySQL executes.
const GAP: &str = r"(?:\s|/\*!\d*|\*/|/\*(?:[^*!]|\*+[^*/])(?:[^*]|\*+[^*/])*\*+/|/\*\*+/|--[^\r\n]*[\r\n]|#[^\r\n]*[\r\n]|\xC2\xA0|\xE3\x80\x80)";
/// A name, maybe quoted, maybe of several parts.
const NAME: &str = r#"(?:[\w$@.\x80-\xFF]|"\w[^"]*"|`\w[^`]*`|\[\w[^\]]*\])+"#;

/// A space is a gap, `~` a gap or nothing, `§` where a word may begin, `NAME` a name.
pub(super) fn spell(pattern: &str) -> String {
    let pattern = pattern
        .replace(' ', &format!("{GAP}+"))
        .replace('~', &format!("{GAP}*"))
        .replace('§', r"(?:\b|/\*!\d*)")
        .replace("NAME", NAME);
    format!("(?i-u){pattern}")
}

fn compiled(pattern: &str) -> Regex {
    Regex::new(&spell(pattern)).expect("patterns of presets are tested")
}

/// An UPDATE of every row.
pub(super) fn update_of_all(text: &[u8]) -> Option<Range<usize>> {
    static UPDATE: LazyLock<Regex> = LazyLock::new(|| compiled(super::destructive_sql::UPDATE));
    without_where(text, &UPDATE, |rest| !rest.is_dangling)
}

/// A DELETE of every row.
pub(super) fn delete_of_all(text: &[u8]) -> Option<Range<usize>> {
    static DELETE: LazyLock<Regex> = LazyLock::new(|| compiled(super::destructive_sql::DELETE));
    static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"\A~(?:(?:as )?\w+\b~)?(?:\z|[^\w\s.?!,:'\x80-\xFF-]|'(?:\W|\z)|--|where~|(?:limit|order by|returning|using|output|inner join|left join|join|delete|update|select|insert|drop|go)\b)",
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
/// says whether it is a statement at all. Every byte is read once.
fn without_where(text: &[u8], start: &Regex, is_one: impl Fn(&Rest<'_>) -> bool) -> Option<Range<usize>> {
    static STOP: LazyLock<Regex> = LazyLock::new(|| {
        // A literal as a whole, also one inside JSON, so that a word in it is none of the statement's.
        compiled(
            r#"(?P<skip>\\+"[^"\\]*\\+"|'(?:[^'\\]|\\[\s\S])*'|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`|/\*(?:[^*]|\*+[^*/])*\*+/|--[^\r\n]*|#[^\r\n]*)|(?P<where>\bwhere\b)|(?P<end>;|\b(?:delete from|update NAME~ set|update [\w$@.]+ set)\b)"#,
        )
    });
    static ALWAYS: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r#"\A~\(*~(?:(\d+)~=~(\d+)|true|not false|1|'(\w*)'~=~'(\w*)'|"(\w*)"~=~"(\w*)")~\)*~(?:\z|[;"'`)}\]]|--|#|limit\b|order\b)"#,
        )
    });
    let mut at = 0;
    while let Some(begins) = start.find_at(text, at) {
        let mut next = begins.end();
        let mut stop = text.len();
        let mut is_conditional = false;
        for piece in STOP.captures_iter(&text[begins.end()..]) {
            let whole = piece.get(0).expect("group 0 is there");
            next = begins.end() + whole.end();
            if piece.name("where").is_some() {
                is_conditional = !is_always(&ALWAYS, &text[next..]);
                stop = begins.end() + whole.start();
                break;
            }
            if piece.name("end").is_some() {
                stop = begins.end() + whole.start();
                next = stop;
                break;
            }
        }
        if stop == text.len() {
            next = text.len();
        }
        let tail = &text[begins.end()..];
        let rest = Rest {
            tail,
            is_dangling: stop == text.len() && is_dangling(&text[begins.start()..]),
        };
        if !is_conditional && is_one(&rest) {
            return Some(begins.start()..stop.max(begins.end()));
        }
        at = next.max(begins.end());
    }
    None
}

/// Both sides of a comparison are the same.
fn is_always(always: &Regex, condition: &[u8]) -> bool {
    always.captures(condition).is_some_and(|found| {
        let group = |number: usize| found.get(number).map(|group| group.as_bytes());
        group(1) == group(2) && group(3) == group(4) && group(5) == group(6)
    })
}

/// The last byte that is no comment and no white space wants something behind it.
fn is_dangling(statement: &[u8]) -> bool {
    static COMMENT: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"/\*(?:[^*]|\*+[^*/])*\*+/|--[^\r\n]*|#[^\r\n]*"));
    let without = COMMENT.replace_all(statement, &b" "[..]);
    matches!(without.trim_ascii().last(), Some(b'=' | b',' | b'(' | b'+' | b'|' | b'<' | b'>'))
}

/// Two numbers that are the same, compared: true of every row.
pub(super) fn same_numbers(text: &[u8]) -> Option<Range<usize>> {
    static SAME: LazyLock<Regex> = LazyLock::new(|| compiled(super::sql_injection::NUMBERS));
    SAME.captures_iter(text)
        .find(|found| found.get(1).map(|one| one.as_bytes()) == found.get(2).map(|other| other.as_bytes()))
        .and_then(|found| found.get(0))
        .map(|found| found.range())
}

/// A quote, and behind it a comment that hides the rest of the statement.
pub(super) fn comment_tail(text: &[u8]) -> Option<Range<usize>> {
    static TAIL: LazyLock<Regex> =
        LazyLock::new(|| compiled(r#"[\w%]'\)*;?(?:--[\s+-]*(?:\z|[\r\n"'])|--\s|#\s*(?:\z|["']))"#));
    TAIL.find(text).map(|found| found.range())
}
