//! The list of rules in `docs/safety.md` is what the rules are.

use std::fmt::Write;
use std::path::Path;

use super::super::presets::PRESETS;

const BEGIN: &str = "<!-- Rules of presets: generated. To bring them up to date:
     FRAMEGATE_BLESS=1 cargo test -p framegate --lib reference -->\n";
const END: &str = "<!-- End of what is generated -->\n";

#[test]
fn the_documented_rules_are_those_that_there_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/safety.md");
    let there = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = there.split_once(BEGIN).expect("the marks are there");
    let (_, after) = rest.split_once(END).expect("the marks are there");
    let made = format!("{before}{BEGIN}{}{END}{after}", rules());
    if std::env::var_os("FRAMEGATE_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    } else {
        assert!(
            there == made,
            "docs/safety.md is out of date; run: FRAMEGATE_BLESS=1 cargo test -p framegate --lib reference"
        );
    }
}

fn rules() -> String {
    let mut text = String::new();
    for preset in PRESETS {
        let _ = write!(
            text,
            "\n### `{}`\n\n{}\n\n| rule | matches | such as |\n|---|---|---|\n",
            preset.name, preset.about
        );
        for rule in preset.rules {
            let _ = writeln!(text, "| `{}` | {} | {} |", rule.name, rule.about, code(rule.hits[0]));
        }
    }
    text.push('\n');
    text
}

/// As code in a table: on one line, and no bar ends the cell.
fn code(text: &str) -> String {
    let text = text
        .escape_debug()
        .to_string()
        .replace(r"\\", r"\")
        .replace("\\'", "'")
        .replace("\\\"", "\"");
    format!("`{}`", text.replace('|', "\\|"))
}
