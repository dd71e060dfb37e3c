//! Whether a value fits its setting, and what to say if it does not.

use toml::Value;

use super::error::{Problem, nearest};
use super::rows;
use super::schema::{Form, Kind, Setting};
use super::settings::SECTIONS;
use super::sources::{Entry, Given, shorten};

/// Every setting, in the order of the reference.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.iter().flat_map(|section| section.settings)
}

/// The setting of that name.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.key == key)
}

/// Finds the entry's setting and reads the value as that one wants it; `None` unsets it.
pub(super) fn entry(entry: &Entry) -> Result<(&'static Setting, Option<Value>), Vec<Problem>> {
    let problem = |what: String| vec![entry.problem(what)];
    let setting = find(&entry.key).ok_or_else(|| problem(unknown(&entry.key)))?;
    let value = match setting.kind {
        Kind::Rows(rows) => rows::read(setting, rows, entry).map(Some)?,
        _ => value(setting, &entry.given).map_err(problem)?,
    };
    Ok((setting, value))
}

/// Reads a value as the setting wants it; `None` unsets it. Not for lists of tables.
///
/// # Errors
/// What was found, what is wrong with it, and what is expected.
pub(super) fn value(setting: &Setting, given: &Given) -> Result<Option<Value>, String> {
    read(setting.kind, given).map_err(|why| {
        let expected = format!("expected {}", setting.expected());
        let why = match why {
            Some(why) => format!("{why}; {expected}"),
            None => expected,
        };
        match given {
            _ if setting.is_private() => why,
            Given::Typed(_, shown) => format!("found {shown}, {why}"),
            Given::Text(text) => format!("found {:?}, {why}", shorten(text)),
            Given::Rows(_) => why,
        }
    })
}

/// `Err(None)`: it is just not what is expected.
fn read(kind: Kind, given: &Given) -> Result<Option<Value>, Option<String>> {
    match kind {
        Kind::Flag => match given {
            Given::Typed(Value::Boolean(flag), _) => Ok(Some(Value::Boolean(*flag))),
            Given::Text(text) => Ok(Some(Value::Boolean(text.parse().map_err(|_| None)?))),
            Given::Typed(..) | Given::Rows(_) => Err(None),
        },
        Kind::Number(min, max) => {
            let number = match given {
                Given::Typed(Value::Integer(number), _) => *number,
                Given::Text(text) => number(text).ok_or(None)?,
                Given::Typed(..) | Given::Rows(_) => return Err(None),
            };
            let fits = (min..=max).contains(&number);
            if fits {
                Ok(Some(Value::Integer(number)))
            } else {
                Err(None)
            }
        }
        Kind::Maybe(_) if text(given).is_ok_and(|text| text.is_empty()) => Ok(None),
        Kind::Maybe(kind) => read(*kind, given),
        Kind::Word(words) => match text(given)? {
            word if words.contains(&word.as_str()) => Ok(Some(Value::String(word))),
            _ => Err(None),
        },
        Kind::Words(words) => some_of(words, list(given)?).map(Some).map_err(Some),
        Kind::Text(form) => Ok(Some(checked(form, &text(given)?)?)),
        Kind::List(form) => {
            let items = list(given)?.into_iter().map(|item| checked(form, &item));
            Ok(Some(Value::Array(items.collect::<Result<_, _>>()?)))
        }
        // A list of tables within a list of tables, which none has.
        Kind::Rows(_) => Err(None),
    }
}

/// The list, if each of it is one of the words, and none is there twice.
fn some_of(words: &[&str], items: Vec<String>) -> Result<Value, String> {
    for (at, item) in items.iter().enumerate() {
        if !words.contains(&item.as_str()) {
            let meant = nearest(item, words.iter().copied());
            let hint = meant
                .map(|meant| format!(", did you mean {meant:?}?"))
                .unwrap_or_default();
            return Err(format!("there is no {item:?}{hint}"));
        }
        if items[..at].contains(item) {
            return Err(format!("{item:?} is there twice"));
        }
    }
    Ok(Value::Array(items.into_iter().map(Value::String).collect()))
}

fn checked(form: Form, text: &str) -> Result<Value, Option<String>> {
    (form.check)(text).map(Value::String).map_err(Some)
}

/// A whole number as TOML writes it: `_` between digits, `0x`.
fn number(text: &str) -> Option<i64> {
    match toml_value(text)? {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

/// A text: with quotes as TOML has them, or bare.
fn text(given: &Given) -> Result<String, Option<String>> {
    match given {
        Given::Typed(Value::String(text), _) => Ok(text.clone()),
        Given::Typed(..) | Given::Rows(_) => Err(None),
        Given::Text(text) if text.starts_with(['"', '\'']) => match toml_value(text) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Some("the quotes do not match".to_owned())),
        },
        Given::Text(text) => Ok(text.clone()),
    }
}

/// A list of texts: in brackets as TOML has it, or bare with commas.
fn list(given: &Given) -> Result<Vec<String>, Option<String>> {
    let array = match given {
        Given::Typed(Value::Array(array), _) => array.clone(),
        Given::Typed(..) | Given::Rows(_) => return Err(None),
        Given::Text(text) if text.starts_with('[') && text.contains(['"', '\'']) || text == "[]" => {
            match toml_value(text) {
                Some(Value::Array(array)) => array,
                _ => return Err(Some("that is not a TOML list".to_owned())),
            }
        }
        Given::Text(text) => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            return Ok(items.map(str::to_owned).collect());
        }
    };
    let item = |value: Value| match value {
        Value::String(text) => Ok(text),
        _ => Err(None),
    };
    array.into_iter().map(item).collect()
}

/// Reads one TOML value.
pub(super) fn toml_value(text: &str) -> Option<Value> {
    use serde::Deserialize;
    Value::deserialize(toml::de::ValueDeserializer::parse(text.trim()).ok()?).ok()
}

fn unknown(key: &str) -> String {
    let part = format!("{key}.");
    let is_section = |name: &str| name == key || name.starts_with(&part);
    if SECTIONS.iter().any(|section| is_section(section.name)) {
        return "expected a table of settings".to_owned();
    }
    let leaf = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let same_leaf = || {
        all()
            .map(|setting| setting.key)
            .find(|name| leaf(name) == key.rsplit('.').next().unwrap_or(key))
    };
    let meant = nearest(key, all().map(|setting| setting.key)).or_else(same_leaf);
    match meant {
        Some(name) => format!("no such setting; did you mean {name}?"),
        None => "no such setting".to_owned(),
    }
}
