//! Rules of the house's plan: what may stand in which room only.

use super::Finding;
use super::tokens::Tokens;
use super::tree::Tree;

const WIRE: &str = "crates/wire/src/";
const STORE: &str = "crates/framegate/src/store";
const CONFIG: &str = "crates/framegate/src/config";
/// Parts of the standard library that reach the world.
const WORLDLY: [&str; 5] = ["net", "fs", "thread", "env", "process"];
/// How a statement begins. House style writes SQL's words in capitals, so prose is not mistaken for it.
const STATEMENTS: [&str; 19] = [
    "SELECT ",
    "INSERT INTO ",
    "INSERT OR ",
    "REPLACE INTO ",
    "DELETE FROM ",
    "CREATE TABLE ",
    "CREATE INDEX ",
    "CREATE UNIQUE INDEX ",
    "CREATE VIRTUAL TABLE ",
    "CREATE TRIGGER ",
    "CREATE VIEW ",
    "DROP TABLE ",
    "DROP INDEX ",
    "ALTER TABLE ",
    "PRAGMA ",
    "BEGIN IMMEDIATE",
    "WITH RECURSIVE ",
    "ATTACH DATABASE ",
    "VACUUM",
];

/// The store is the only room that speaks SQL. Payloads in tests may look like it.
pub(super) fn sql(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        if !is_source(&file.path) || in_room(&file.path, STORE) {
            continue;
        }
        for at in tokens.places("rusqlite") {
            let advice = format!("only {STORE} uses rusqlite: ask the store");
            findings.push(Finding::new(file, tokens.line(at), "sql-outside-store", advice));
        }
        if is_test_file(&file.path) {
            continue;
        }
        let tests = tokens.test_code();
        for at in (0..tokens.len()).filter(|at| !tests.iter().any(|range| range.contains(at))) {
            if tokens.literal(at).is_some_and(is_statement) {
                let advice = format!("only {STORE} writes SQL: move the statement there");
                findings.push(Finding::new(file, tokens.line(at), "sql-outside-store", advice));
            }
        }
    }
    findings
}

/// Only `config` reads the environment; everyone else is handed settings.
pub(super) fn environment(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust() {
        if !is_source(&file.path) || in_room(&file.path, CONFIG) {
            continue;
        }
        for (at, _) in tokens
            .places("env")
            .flat_map(|at| tokens.children(at))
            .filter(|(_, name)| reads_environment(name))
        {
            let advice = format!("only {CONFIG} reads the environment: take a setting");
            findings.push(Finding::new(file, tokens.line(at), "env-outside-config", advice));
        }
    }
    findings
}

/// The protocol core knows no socket, file, clock or thread.
pub(super) fn pure_wire(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, tokens) in tree.rust().filter(|(file, _)| file.path.starts_with(WIRE)) {
        for (at, name) in worldly(tokens) {
            let advice =
                format!("`{name}` does not belong in the protocol core: take bytes, time and entropy as arguments");
            findings.push(Finding::new(file, tokens.line(at), "impure-wire", advice));
        }
    }
    findings
}

fn worldly(tokens: &Tokens) -> Vec<(usize, &str)> {
    let from_std = tokens
        .places("std")
        .flat_map(|at| tokens.children(at))
        .filter(|(_, name)| WORLDLY.contains(name));
    let anywhere = ["Instant", "SystemTime", "tokio"];
    let named = anywhere
        .into_iter()
        .flat_map(|name| tokens.places(name).map(move |at| (at, name)));
    from_std.chain(named).collect()
}

fn reads_environment(name: &str) -> bool {
    matches!(name, "var" | "var_os" | "vars" | "vars_os")
}

fn is_source(path: &str) -> bool {
    path.starts_with("crates/") && path.contains("/src/")
}

/// A room is a directory or the file of the same name.
fn in_room(path: &str, room: &str) -> bool {
    path.strip_prefix(room)
        .is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

fn is_statement(literal: &str) -> bool {
    let Some((prefix, text)) = literal.split_once('"') else {
        return false;
    };
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\\');
    let update = text.starts_with("UPDATE ") && text.contains(" SET ");
    !prefix.contains('\'') && (update || STATEMENTS.iter().any(|statement| text.starts_with(statement)))
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;

    fn found(rule: Rule, path: &str, text: &str) -> Vec<usize> {
        rule(&Tree::of(&[(path, text)]))
            .iter()
            .map(|finding| finding.line)
            .collect()
    }

    #[test]
    fn sql_is_found_outside_the_store() {
        let statements =
            "fn a() {\n    f(\"SELECT 1\");\n    f(r#\"\n  UPDATE a SET b = 1\"#);\n    rusqlite::open();\n}\n";
        let mut lines = found(sql, "crates/framegate/src/record/mod.rs", statements);
        lines.sort_unstable();
        assert_eq!(lines, [2, 3, 5]);
        assert_eq!(
            found(
                sql,
                "crates/framegate/src/storefront.rs",
                "const A: &str = \"PRAGMA a\";"
            ),
            [1]
        );
        assert_eq!(found(sql, "crates/framegate/src/store/query.rs", statements), []);
        assert_eq!(found(sql, "crates/framegate/src/store.rs", statements), []);
    }

    #[test]
    fn prose_and_the_payloads_of_tests_are_not_sql() {
        let prose = "/// SELECT chooses.\nfn a() { f(\"SELECTED\"); f(\"select a flow from the list\"); f('\"') }\n";
        assert_eq!(found(sql, "crates/framegate/src/a.rs", prose), []);
        let payload = "#[cfg(test)]\nmod tests {\n    const A: &str = \"DROP TABLE users\";\n}\n";
        assert_eq!(found(sql, "crates/framegate/src/a.rs", payload), []);
        assert_eq!(
            found(
                sql,
                "crates/framegate/src/a/tests.rs",
                "const A: &str = \"DROP TABLE users\";"
            ),
            []
        );
        let both = format!("{payload}const B: &str = \"DROP TABLE users\";\n");
        assert_eq!(found(sql, "crates/framegate/src/a.rs", &both), [5]);
    }

    #[test]
    fn the_environment_is_read_by_config_alone() {
        for read in [
            "std::env::var(\"A\")",
            "env::var_os(\"A\")",
            "{ use std::env::{self, vars}; }",
        ] {
            let text = format!("fn a() {{\n    {read};\n}}\n");
            assert_eq!(
                found(environment, "crates/framegate/src/tls/mod.rs", &text),
                [2],
                "{read}"
            );
            assert_eq!(found(environment, "crates/framegate/src/config/mod.rs", &text), []);
        }
        let other = "fn a() { std::env::args(); env!(\"CARGO_MANIFEST_DIR\"); let var = 1; }";
        assert_eq!(found(environment, "crates/framegate/src/tls/mod.rs", other), []);
    }

    #[test]
    fn the_world_is_found_in_the_protocol_core() {
        for use_of_world in [
            "use std::net::TcpStream",
            "use std::{fmt, fs::File}",
            "use std::time::{Duration, Instant}",
            "use std::time::SystemTime",
            "fn a() { std::thread::yield_now() }",
            "use tokio::sync::mpsc",
        ] {
            let text = format!("//! A.\n{use_of_world};\n");
            assert_eq!(
                found(pure_wire, "crates/wire/src/session/mod.rs", &text),
                [2],
                "{use_of_world}"
            );
            assert_eq!(found(pure_wire, "crates/framegate/src/net.rs", &text), []);
        }
        let pure = "//! No Instant, no tokio.\nuse std::{fmt, io::Write, time::Duration};\n";
        assert_eq!(found(pure_wire, "crates/wire/src/lib.rs", pure), []);
    }
}
