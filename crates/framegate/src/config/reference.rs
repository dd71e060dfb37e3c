//! The reference of all settings, `docs/configuration.md`.

use std::fmt::Write;

use super::schema::{Section, Setting};
use super::settings::{SECTIONS, Settings};
use super::show::{lookup, toml_text, values};
use super::sources::variable;

const HEAD: &str = "\
<!-- Generated from crates/framegate/src/config/settings.rs. To bring it up to date:
     FRAMEGATE_BLESS=1 cargo test -p framegate --lib reference -->
# Configuration

Every setting has one dotted name, such as `limits.idle_ms`, and can be given in several places. The first of them that
has it decides:

1. on the command line of `run`: `--set limits.idle_ms=60000`
2. in the environment: `FRAMEGATE_LIMITS__IDLE_MS=60000`
3. in a TOML file, which `--config FILE` or the variable `FRAMEGATE_CONFIG` names:

   ```toml
   [limits]
   idle_ms = 60000
   ```
4. its default

On the command line and in the environment texts need no quotes, and a list is either TOML (`[\"a\", \"b\"]`) or has
commas (`a,b`). A relative path is looked up from the directory that framegate is started in. A name that is no setting,
and a value that does not fit, are errors: nothing starts, and the exit code is 2. `framegate config check FILE` says
whether a file is in order; `framegate config show` prints the settings in force and where each came from.

Two more variables are read: `FRAMEGATE_DATA_DIR`, which is `--data-dir`, and `FRAMEGATE_LOG`, which goes before
`log.level`.

The flags `--mode` and `--control` of `run` are `listen.modes` and `listen.control`.
";

/// The reference as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let defaults = values(&Settings::default());
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut text, section, &defaults);
    }
    text
}

fn write_section(text: &mut String, section: &Section, defaults: &serde_json::Value) {
    text.push_str(&format!("\n## {}\n\n{}\n", section.name, section.doc.trim()));
    for setting in section.settings {
        let default = toml_text(lookup(defaults, setting.key));
        let Setting { key, doc, .. } = setting;
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n### `{key}`\n\n{}\n\n- Default: `{default}`{}\n- Takes {}\n- Variable: `{}`\n",
            doc.trim(),
            readable(setting, lookup(defaults, key)),
            setting.expected(),
            variable(key),
        );
    }
}

/// A large number of bytes or milliseconds in words.
fn readable(setting: &Setting, value: &serde_json::Value) -> String {
    let Some(number) = value.as_u64().filter(|number| *number > 0) else {
        return String::new();
    };
    let units: &[(u64, &str)] = match setting.unit() {
        Some("bytes") => &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
        Some("milliseconds") => &[(60_000, "min"), (1000, "s")],
        _ => &[],
    };
    match units.iter().find(|(unit, _)| number % unit == 0) {
        Some((unit, name)) => format!(" ({} {name})", number / unit),
        None => String::new(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::reference_markdown;

    #[test]
    fn the_reference_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
        let made = reference_markdown();
        if std::env::var_os("FRAMEGATE_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &made).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == made,
            "docs/configuration.md is out of date; run: FRAMEGATE_BLESS=1 cargo test -p framegate --lib reference"
        );
    }
}
