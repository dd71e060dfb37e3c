//! Rules of form: headers, lengths, leftovers, white space.

use super::Finding;
use super::tokens::Tokens;
use super::tree::{File, Tree};

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_WARN: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
/// Words that mark unfinished work; written in two parts so that this file has none of them.
const MARKS: [&str; 2] = [concat!("FIX", "ME"), concat!("X", "XX")];
const UNFINISHED_MACROS: [&str; 2] = ["todo", "dbg"];

/// Every Rust file begins by saying what it is for.
pub(super) fn header(tree: &Tree) -> Vec<Finding> {
    let lacking = |file: &File| {
        let first = file
            .text
            .lines()
            .find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
        let says = first
            .and_then(|line| line.strip_prefix("//!"))
            .is_some_and(|text| !text.trim().is_empty());
        (file.is("rs") && !says).then(|| {
            Finding::new(
                file,
                1,
                "header",
                "begin with a `//!` line that says what the file is for",
            )
        })
    };
    tree.files.iter().filter_map(lacking).collect()
}

/// Files are short enough to be read at one sitting.
pub(super) fn file_length(tree: &Tree) -> Vec<Finding> {
    let long = |file: &File| {
        let lines = file.text.lines().count();
        let advice = format!("{lines} lines, and {FILE_LINES_MAX} are the limit: split it by purpose");
        let warning = lines <= FILE_LINES_MAX;
        (file.is("rs") && lines > FILE_LINES_WARN).then(|| Finding {
            warning,
            ..Finding::new(file, lines, "file-length", advice)
        })
    };
    tree.files.iter().filter_map(long).collect()
}

/// Functions are short enough to be seen at once.
pub(super) fn function_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        for at in tokens.places("fn") {
            let (Some(name), Some(end)) = (tokens.ident(at + 1), body_end(tokens, at)) else {
                continue;
            };
            let lines = tokens.line(end) - tokens.line(at) + 1;
            if lines > FUNCTION_LINES_MAX {
                let advice =
                    format!("`{name}` has {lines} lines, and {FUNCTION_LINES_MAX} are the limit: name its parts");
                findings.push(Finding::new(file, tokens.line(at), "function-length", advice));
            }
        }
    }
    findings
}

/// Where the body of the function closes whose `fn` stands here; `None` for one without a body.
fn body_end(tokens: &Tokens, at: usize) -> Option<usize> {
    let mut place = at + 1;
    while place < tokens.len() && !tokens.is_punct(place, ';') {
        if let Some(end) = tokens.closing(place, '{') {
            // Braces of a constant argument (`Bytes<{ N }>`) are not the body.
            if !tokens.is_punct(end + 1, '>') && !tokens.is_punct(end + 1, ',') {
                return Some(end);
            }
        }
        place = tokens.next(place);
    }
    None
}

/// A test that is left out says why.
pub(super) fn ignore_reason(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        for at in tokens.places("ignore") {
            let in_attribute = at >= 2 && tokens.is_punct(at - 2, '#') && tokens.closing(at - 1, '[').is_some();
            if in_attribute && !tokens.is_punct(at + 1, '=') {
                let advice = "give the reason: #[ignore = \"…\"]";
                findings.push(Finding::new(file, tokens.line(at), "ignore-reason", advice));
            }
        }
    }
    findings
}

/// Nothing unfinished is left lying about.
pub(super) fn leftover(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        for name in UNFINISHED_MACROS {
            for at in tokens.places(name).filter(|at| tokens.is_punct(at + 1, '!')) {
                findings.push(Finding::new(
                    file,
                    tokens.line(at),
                    "leftover",
                    format!("finish it, without `{name}!`"),
                ));
            }
        }
    }
    let code = tree
        .files
        .iter()
        .filter(|file| ["rs", "toml", "sh", "yml"].iter().any(|end| file.is(end)) || file.shell().is_some());
    for file in code {
        for (number, line) in file.lines() {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            for mark in words.filter(|word| MARKS.contains(word)) {
                findings.push(Finding::new(
                    file,
                    number,
                    "leftover",
                    format!("do it, or say it without `{mark}`"),
                ));
            }
        }
    }
    findings
}

/// No white space that nobody sees, and no tabs in Rust.
pub(super) fn whitespace(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let written =
        |file: &&File| ["rs", "toml", "md", "sh", "yml"].iter().any(|end| file.is(end)) || file.shell().is_some();
    for file in tree.files.iter().filter(written) {
        for (number, line) in file.lines() {
            if line.ends_with([' ', '\t', '\r']) {
                findings.push(Finding::new(
                    file,
                    number,
                    "whitespace",
                    "take out the white space at the end of the line",
                ));
            }
            if file.is("rs") && line.contains('\t') {
                findings.push(Finding::new(
                    file,
                    number,
                    "tab",
                    "indent with spaces; write \\t in a string",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    /// The lines that the rule finds fault with.
    fn found(rule: Rule, path: &str, text: &str) -> Vec<usize> {
        rule(&Tree::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(found(header, "src/a.rs", "// A.\nfn a() {}\n"), [1]);
        assert_eq!(found(header, "src/a.rs", "//!\nfn a() {}\n"), [1]);
        assert_eq!(found(header, "src/a.rs", ""), [1]);
        assert_eq!(found(header, "src/a.rs", "#![allow(dead_code)]\n\n//! A.\n"), []);
        assert_eq!(found(header, "a.md", "text\n"), []);
    }

    #[test]
    fn a_long_file_is_warned_of_and_then_refused() {
        let of = |lines: usize| file_length(&Tree::of(&[("a.rs", &"//! A.\n".repeat(lines))]));
        assert_eq!(of(400), []);
        assert!(of(401)[0].warning && of(500)[0].warning);
        assert!(!of(501)[0].warning);
    }

    #[test]
    fn a_long_function_is_found_wherever_it_stands() {
        let body = |lines: usize| {
            format!(
                "fn f(a: [u8; {{ 3 }}]) -> A<{{ 4 }}> {{\n{}}}\n",
                "    g();\n".repeat(lines - 2)
            )
        };
        assert_eq!(found(function_length, "a.rs", &body(70)), []);
        assert_eq!(found(function_length, "a.rs", &body(71)), [1]);
        assert_eq!(
            found(function_length, "a.rs", &format!("impl A {{\n    {}}}\n", body(71))),
            [2]
        );
        assert_eq!(
            found(function_length, "a.rs", &format!("proptest! {{\n{}}}\n", body(71))),
            [2]
        );
        let trait_and_type = format!(
            "trait T {{ fn a(); }}\ntype F = fn(u8);\nconst S: &str = \"{}\";\n",
            "{\n".repeat(80)
        );
        assert_eq!(found(function_length, "a.rs", &trait_and_type), []);
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(found(ignore_reason, "a.rs", "#[test]\n#[ignore]\nfn a() {}\n"), [2]);
        assert_eq!(
            found(
                ignore_reason,
                "a.rs",
                "#[ignore = \"needs root\"]\nfn a() { ignore() }\n"
            ),
            []
        );
        assert_eq!(
            found(ignore_reason, "a.rs", "// #[ignore]\nconst A: &str = \"#[ignore]\";\n"),
            []
        );
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(found(leftover, "a.rs", "fn a() {\n    todo!()\n}\n"), [2]);
        assert_eq!(found(leftover, "a.rs", "fn a() {\n    dbg!(1);\n}\n"), [2]);
        assert_eq!(found(leftover, "a.rs", "// todo!() and dbg!\nfn todo() {}\n"), []);
        for mark in MARKS {
            assert_eq!(found(leftover, "a.rs", &format!("// a\n// {mark}: later\n")), [2]);
            assert_eq!(found(leftover, "run", &format!("#!/bin/bash\n# {mark}\n")), [2]);
            assert_eq!(found(leftover, "a.rs", &format!("// {mark}S and A{mark}\n")), []);
        }
    }

    #[test]
    fn white_space_at_an_end_and_tabs_are_found() {
        assert_eq!(found(whitespace, "a.md", "a\nb \nc\t\n"), [2, 3]);
        assert_eq!(found(whitespace, "a.rs", "a\n    b\r\n"), [2]);
        assert_eq!(found(whitespace, "a.rs", "fn a() {\n\tb()\n}\n"), [2]);
        assert_eq!(found(whitespace, "Makefile", "a:\n\tb \n"), []);
    }
}
