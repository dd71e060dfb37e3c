//! The effective settings, written for people and for programs, each with where it came from.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::check;
use super::schema::{Kind, Setting};
use super::{Loaded, Settings};

impl Loaded {
    /// Writes `key = value` lines in TOML, each followed by where the value came from; a setting without a value is
    /// shown as the empty text, which it can be set to.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let values = values(&self.settings);
        let lines: Vec<(String, String)> = check::all()
            .map(|setting| {
                let value = shown(setting, lookup(&values, setting.key));
                (
                    format!("{} = {}", setting.key, toml_text(&value)),
                    self.origin(setting.key).to_string(),
                )
            })
            .collect();
        let width = lines
            .iter()
            .map(|(line, _)| line.chars().count())
            .filter(|width| *width <= 60)
            .max();
        let width = width.unwrap_or(0);
        for (line, origin) in lines {
            writeln!(out, "{line:width$}  # {origin}")?;
        }
        Ok(())
    }

    /// Writes one JSON object a line: `key`, `value` (null: unset), `origin` ("default", "file", "environment",
    /// "command line") and `place` (`FILE:LINE`, the variable's name, or null).
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        let values = values(&self.settings);
        for setting in check::all() {
            let origin = self.origin(setting.key);
            let object = json!({
                "key": setting.key,
                "value": shown(setting, lookup(&values, setting.key)),
                "origin": origin.kind(),
                "place": origin.place(),
            });
            writeln!(out, "{object}")?;
        }
        Ok(())
    }
}

/// All settings as one JSON object, section by section.
pub(super) fn values(settings: &Settings) -> Value {
    serde_json::to_value(settings).expect("settings are made of numbers, texts and lists, with texts for names")
}

/// The value at a dotted name.
pub(super) fn lookup<'a>(values: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(values, |value, part| &value[part])
}

/// JSON's texts, numbers, lists of texts and words are TOML's as well; unset is the empty text.
pub(super) fn toml_text(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Array(items) => format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", ")),
        value => value.to_string(),
    }
}

/// The value, or asterisks where there may be a password in it.
fn shown(setting: &Setting, value: &Value) -> Value {
    match setting.kind {
        Kind::Text(form) if form.private && value.as_str() != Some("") => json!("***"),
        _ => value.clone(),
    }
}
