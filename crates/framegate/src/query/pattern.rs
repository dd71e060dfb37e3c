//! Regular expressions as persons write them: compiled in one way wherever they stand, in a filter or in a rule.

use regex::bytes::{Regex, RegexBuilder};

/// Bytes of memory that one compiled regex may take.
const REGEX_BYTES_MAX: usize = 4 << 20;

/// Compiles a regular expression. It is matched in linear time, whatever it is held against.
///
/// # Errors
/// Why it is none, in a few words: what is wrong with its syntax, or that it takes too much memory.
pub(crate) fn regex(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| {
            let words = error.to_string();
            // A syntax error draws the place over several lines; the last one says what it is.
            let why = words.lines().last().unwrap_or_default();
            why.trim_start_matches("error: ").to_owned()
        })
}
