//! The reference of all settings, `docs/configuration.md`.

use std::fmt::Write;

use super::schema::{Column, Kind, Rows, Section, Setting};
use super::settings::{SECTIONS, Settings};
use super::show::{lookup, toml_text};
use super::sources::variable;

const HEAD: &str = r#"<!-- Generated from crates/framegate/src/config/settings.rs. To bring it up to date:
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

On the command line and in the environment texts need no quotes, and a list is either TOML (`["a", "b"]`) or has
commas (`a,b`). A relative path is looked up from the directory that framegate is started in. A name that is no setting,
and a value that does not fit, are errors: nothing starts, and the exit code is 2. `framegate config check FILE` says
whether a file is in order; `framegate config show` prints the settings in force and where each came from.

A list of tables is written as TOML has it, a header for each table, or all of it as one value; on the command line and
in the environment only the latter:

```toml
[[rewrite]]
literal = "staging"
replacement = "production"

[[rewrite]]
pattern = "v([0-9]+)"
replacement = "version $1"
```

```sh
framegate run --set 'rewrite=[{ literal = "staging", replacement = "production" }]'
```

A list that is given in one place replaces the whole list of another. An error names a table by its place in the list,
counted from 1, and the field: `rewrite[2].pattern`.

Two more variables are read: `FRAMEGATE_DATA_DIR`, which is `--data-dir`, and `FRAMEGATE_LOG`, which goes before
`log.level`. And two that gateways of this kind have always had, each the last before the default: `WSPROXY_PORT` puts
`gateway@127.0.0.1:PORT` beside the default doors of `listen.modes`, `WSPROXY_WEBHOOK_POOL_SIZE` is `hook.pool_size`.

The flags `--mode` and `--control` of `run` are `listen.modes` and `listen.control`.
"#;

/// The reference as Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let defaults = Settings::default().to_json();
    let mut text = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut text, section, &defaults);
    }
    text
}

fn write_section(text: &mut String, section: &Section, defaults: &serde_json::Value) {
    // Writing to a String does not fail.
    let _ = write!(text, "\n## {}\n\n{}\n", section.name, section.doc.trim());
    for setting in section.settings {
        let key = setting.key;
        if let Kind::Rows(rows) = setting.kind {
            let _ = write!(text, "\nA list of tables, `[[{key}]]` each.\n\n");
            let _ = writeln!(text, "- Default: `[]`\n- Variable: `{}`", variable(key));
            write_columns(text, key, rows);
            continue;
        }
        let default = lookup(defaults, key);
        let _ = write!(text, "\n### `{key}`\n\n{}\n\n", setting.doc.trim());
        let _ = writeln!(text, "- Default: {}", in_words(setting, default));
        let _ = writeln!(text, "- Takes {}\n- Variable: `{}`", setting.expected(), variable(key));
    }
}

fn write_columns(text: &mut String, list: &str, rows: &Rows) {
    let defaults = (rows.defaults)();
    for Column { setting, required } in rows.columns {
        let key = setting.key;
        let _ = write!(text, "\n### `{list}[].{key}`\n\n{}\n\n", setting.doc.trim());
        let _ = match required {
            true => writeln!(text, "- Required"),
            false => writeln!(text, "- Default: {}", in_words(setting, &defaults[key])),
        };
        let _ = writeln!(text, "- Takes {}", setting.expected());
    }
}

/// A value as TOML has it, and a large number of bytes or milliseconds in words as well.
fn in_words(setting: &Setting, value: &serde_json::Value) -> String {
    format!("`{}`{}", toml_text(value), readable(setting, value))
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
