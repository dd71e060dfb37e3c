//! Rules of the module tree: every file is in it, and says by its name what it is for.

use std::collections::BTreeSet;

use super::Finding;
use super::tokens::Tokens;
use super::tree::{File, Tree};

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 6] = ["utils", "util", "helpers", "helper", "common", "misc"];

/// Every file below a `src` is compiled: reached by `mod` from a root of its crate.
pub(super) fn orphan(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> = tree
        .rust()
        .map(|(file, _)| file.path.clone())
        .filter(|path| is_root(path))
        .collect();
    while let Some(path) = waiting.pop() {
        let tokens = tree.file(&path).and_then(|file| file.tokens.as_ref()?.as_ref().ok());
        if let Some(tokens) = tokens
            && reached.insert(path.clone())
        {
            let mut declared = Vec::new();
            declarations(tokens, 0..tokens.len(), &module_dir(&path), &mut declared);
            waiting.extend(declared);
        }
    }
    let lost = |file: &&File| file.is("rs") && source_part(&file.path).is_some() && !reached.contains(&file.path);
    let advice = "no `mod` leads here, so it is not compiled: declare it or remove it";
    tree.files
        .iter()
        .filter(lost)
        .map(|file| Finding::new(file, 1, "orphan", advice))
        .collect()
}

/// A module's name says what it is for.
pub(super) fn name(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        let parts = file.path.trim_end_matches(".rs").split('/');
        for name in parts.filter(|part| EMPTY_NAMES.contains(part)) {
            findings.push(Finding::new(
                file,
                1,
                "module-name",
                format!("`{name}` says nothing: name it by its purpose"),
            ));
        }
        for at in tokens.places("mod") {
            if let Some(name) = tokens.ident(at + 1).filter(|name| EMPTY_NAMES.contains(name)) {
                let advice = format!("`{name}` says nothing: name it by its purpose");
                findings.push(Finding::new(file, tokens.line(at), "module-name", advice));
            }
        }
    }
    findings
}

/// Adds the files that the `mod name;` in `range` may stand for, `dir` being where this module's children live.
fn declarations(tokens: &Tokens, range: std::ops::Range<usize>, dir: &str, files: &mut Vec<String>) {
    let mut at = range.start;
    while at < range.end {
        let name = if tokens.ident(at) == Some("mod") {
            tokens.ident(at + 1)
        } else {
            None
        };
        if let Some(name) = name {
            let name = name.trim_start_matches("r#");
            if tokens.is_punct(at + 2, ';') {
                files.push(format!("{dir}{name}.rs"));
                files.push(format!("{dir}{name}/mod.rs"));
            } else if let Some(end) = tokens.closing(at + 2, '{') {
                declarations(tokens, at + 3..end, &format!("{dir}{name}/"), files);
            }
            at += 2;
        } else {
            at = tokens.next(at);
        }
    }
}

/// The part below `src/`.
fn source_part(path: &str) -> Option<&str> {
    path.strip_prefix("src/")
        .or_else(|| path.split_once("/src/").map(|(_, part)| part))
}

fn is_root(path: &str) -> bool {
    source_part(path).is_some_and(|part| {
        let binary = part
            .strip_prefix("bin/")
            .is_some_and(|rest| !rest.contains('/') || rest.ends_with("/main.rs"));
        part == "lib.rs" || part == "main.rs" || binary
    })
}

/// Where the children of the module in this file live.
fn module_dir(path: &str) -> String {
    let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
    match name {
        "mod.rs" | "lib.rs" | "main.rs" => format!("{dir}/"),
        _ if is_root(path) => format!("{dir}/"),
        _ => format!("{}/", path.trim_end_matches(".rs")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(findings: Vec<Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_file_that_no_mod_leads_to_is_found() {
        let tree = Tree::of(&[
            (
                "crates/a/src/lib.rs",
                "pub mod b;\nmod c;\nmod inline { mod deep; }\n// mod lost;\n",
            ),
            ("crates/a/src/b.rs", "#[cfg(test)]\nmod tests;\n"),
            ("crates/a/src/b/tests.rs", ""),
            ("crates/a/src/c/mod.rs", "pub(crate) mod d;\n"),
            ("crates/a/src/c/d.rs", ""),
            ("crates/a/src/inline/deep.rs", ""),
            ("crates/a/src/bin/tool.rs", ""),
            ("crates/a/src/lost.rs", "mod below;\n"),
            ("crates/a/src/lost/below.rs", ""),
            ("crates/a/tests/whole.rs", ""),
        ]);
        assert_eq!(
            paths(orphan(&tree)),
            ["crates/a/src/lost.rs", "crates/a/src/lost/below.rs"]
        );
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        for (path, text) in [
            ("src/utils.rs", ""),
            ("src/helpers/mod.rs", ""),
            ("tests/common/mod.rs", ""),
            ("src/lib.rs", "mod misc { }\n"),
        ] {
            assert_eq!(paths(name(&Tree::of(&[(path, text)]))), [path]);
        }
        assert_eq!(
            name(&Tree::of(&[(
                "src/lib.rs",
                "//! Helpers.\nmod commons;\nfn misc() {}\n"
            )])),
            []
        );
    }
}
