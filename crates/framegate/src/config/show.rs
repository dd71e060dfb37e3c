//! The effective settings, written for people and for programs, each with where it came from.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::check;
use super::schema::Setting;
use super::{Loaded, Settings};

impl Loaded {
    /// Writes `key = value` lines in TOML, each followed by where the value came from; a setting without a value is
    /// shown as the empty text, which it can be set to. A list of tables has a line for each of them.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let lines: Vec<(String, String)> = (self.settings.values())
            .map(|(setting, value)| {
                let value = shown(setting, value);
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
        for (setting, value) in self.settings.values() {
            let origin = self.origin(setting.key);
            let object = json!({
                "key": setting.key,
                "value": shown(setting, value),
                "origin": origin.kind(),
                "place": origin.place(),
            });
            writeln!(out, "{object}")?;
        }
        Ok(())
    }
}

impl Settings {
    /// Each setting with its value as JSON, in the order of the reference. A value may hold a password.
    pub fn values(&self) -> impl Iterator<Item = (&'static Setting, Value)> {
        let values = self.to_json();
        check::all().map(move |setting| (setting, lookup(&values, setting.key).clone()))
    }

    /// All of them as one JSON object, section by section.
    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self).expect("settings are made of numbers, texts and lists, with texts for names")
    }
}

/// The value of a setting: a list of tables stands at its name, anything else in its section.
pub(super) fn lookup<'a>(values: &'a Value, key: &str) -> &'a Value {
    match key.rsplit_once('.') {
        Some((section, name)) if values.get(key).is_none() => &values[section][name],
        _ => &values[key],
    }
}

/// JSON's texts, numbers, lists of texts and words are TOML's as well; unset is the empty text, and in a row nothing.
pub(super) fn toml_text(value: &Value) -> String {
    let joined = |items: &[Value]| items.iter().map(toml_text).collect::<Vec<_>>();
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Array(rows) if rows.iter().any(Value::is_object) => format!("[\n  {},\n]", joined(rows).join(",\n  ")),
        Value::Array(items) => format!("[{}]", joined(items).join(", ")),
        Value::Object(row) => {
            let fields = row.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<String> = fields
                .map(|(name, value)| format!("{name} = {}", toml_text(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        // The one character that JSON lets stand in a text and TOML does not.
        value => value.to_string().replace('\u{7f}', "\\u007F"),
    }
}

/// The value, or asterisks where there may be a password in it.
fn shown(setting: &Setting, value: Value) -> Value {
    if setting.is_private() && value.as_str() != Some("") {
        return json!("***");
    }
    value
}
