//! The house rules as a test.
//!
//! A rule is a function from the tree to findings. It sees files, not the file system, so each one is tested on trees
//! made up for it. What the compiler and clippy can check is left to them.

mod tree;
mod tokens;
mod shape;
mod floors;
mod modules;
mod links;
mod scripts;
mod exceptions;

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use exceptions::EXCEPTIONS;
use tree::{File, Tree};

/// A rule: what is broken where.
type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [Rule; 14] = [
    tokens::parse,
    shape::header,
    shape::file_length,
    shape::function_length,
    shape::ignore_reason,
    shape::leftover,
    shape::whitespace,
    floors::sql,
    floors::environment,
    floors::pure_wire,
    modules::orphan,
    modules::name,
    links::resolve,
    scripts::strict,
];

/// One line for whoever has to do something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: &'static str,
    advice: String,
    /// Worth knowing, but no reason to fail.
    warning: bool,
}

impl Finding {
    fn new(file: &File, line: usize, rule: &'static str, advice: impl Into<String>) -> Self {
        Self {
            path: file.path.clone(),
            line,
            rule,
            advice: advice.into(),
            warning: false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            rule,
            advice,
            warning,
        } = self;
        let kind = if *warning { "warning: " } else { "" };
        write!(f, "{path}:{line}: {kind}{rule}: {advice}")
    }
}

/// Checks the tree at `root` and prints what is found; the exit code is 1 when a rule is broken.
///
/// # Errors
/// When the tree cannot be read.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let tree = Tree::read(root)?;
    let findings = exceptions::apply(check(&tree), EXCEPTIONS);
    for finding in &findings {
        println!("{finding}");
    }
    let broken = findings.iter().filter(|finding| !finding.warning).count();
    if broken > 0 {
        eprintln!("{broken} to put right");
        return Ok(ExitCode::FAILURE);
    }
    eprintln!("{} files are tidy", tree.files.len());
    Ok(ExitCode::SUCCESS)
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(tree)).collect();
    findings.sort();
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let tree = Tree::of(&[
            (
                "README.md",
                "# Title\n\nSee [the code](crates/wire/src/lib.rs) and [above](#title).\n",
            ),
            ("crates/wire/src/lib.rs", "//! The core.\n\npub mod frame;\n"),
            (
                "crates/wire/src/frame.rs",
                "//! Frames.\n\npub fn length() -> usize {\n    2\n}\n",
            ),
        ]);
        assert_eq!(check(&tree), []);
    }

    #[test]
    fn a_finding_is_one_line_that_an_editor_can_jump_to() {
        let tree = Tree::of(&[("src/lib.rs", "//! A.\n\n\tfn a() {}\n")]);
        let lines: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["src/lib.rs:3: tab: indent with spaces; write \\t in a string"]);
    }
}
