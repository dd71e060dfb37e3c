//! Where settings come from: a TOML file, environment variables, `--set`. Each is read into entries that remember
//! their place; whether a value fits its setting is for `check` to say.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::error::Problem;

/// The prefix of the environment variables that are settings.
const PREFIX: &str = "FRAMEGATE_";

/// Where an effective value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File {
        /// As it was named on the command line.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The environment variable of that name.
    Environment(String),
    /// A flag.
    CommandLine,
}

impl Origin {
    /// The kind of origin: `default`, `file`, `environment` or `command line`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::CommandLine => "command line",
        }
    }

    /// The line of the file or the name of the variable.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Default | Self::CommandLine => None,
            Self::File { path, line } => Some(format!("{}:{line}", path.display())),
            Self::Environment(name) => Some(name.clone()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => f.write_str(&place),
            None => f.write_str(self.kind()),
        }
    }
}

/// A value for a setting, as somebody gave it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The dotted name; it need not be one of a setting.
    pub(super) key: String,
    pub(super) given: Given,
    pub(super) origin: Origin,
}

/// How a value was given.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// In the file: it has a type of its own, and looks so in the source.
    Typed(toml::Value, String),
    /// On the command line or in the environment: text, to be read as the setting's type wants it.
    Text(String),
}

/// Reads the file's entries, or says why it cannot be read.
pub(super) fn file(path: &Path) -> Result<Vec<Entry>, Vec<Problem>> {
    let whole = |what: String| {
        vec![Problem {
            key: String::new(),
            place: path.display().to_string(),
            what,
        }]
    };
    let bytes = std::fs::read(path).map_err(|error| whole(format!("cannot read the configuration file: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        whole(format!("the configuration file is not UTF-8 (byte {at})"))
    })?;
    toml_entries(&text, path)
}

/// Reads the entries of a TOML document that stands in `path`.
pub(super) fn toml_entries(text: &str, path: &Path) -> Result<Vec<Entry>, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let problem = |error: &toml::de::Error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            Problem {
                key: String::new(),
                place: format!("{}:{line}:{column}", path.display()),
                what: format!("not TOML: {}", error.message().replace('\n', ", ")),
            }
        };
        return Err(errors.iter().map(problem).collect());
    }
    let mut walk = Walk {
        text,
        path,
        entries: Vec::new(),
    };
    walk.table("", table.into_inner());
    Ok(walk.entries)
}

/// The entries among the environment's variables. Names without `__` are no settings.
pub(super) fn environment(variables: impl Iterator<Item = (String, String)>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = variables
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?;
            key.contains("__").then(|| Entry {
                key: key.replace("__", ".").to_ascii_lowercase(),
                given: Given::Text(value),
                origin: Origin::Environment(name.clone()),
            })
        })
        .collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// The entry that one `--set KEY=VALUE` is.
pub(super) fn set(text: &str) -> Result<Entry, Problem> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok(Entry {
            key: key.trim().to_owned(),
            given: Given::Text(value.trim().to_owned()),
            origin: Origin::CommandLine,
        }),
        _ => Err(Problem {
            key: String::new(),
            place: format!("--set {text:?}"),
            what: "expected KEY=VALUE, such as limits.idle_ms=60000".to_owned(),
        }),
    }
}

/// The name of the environment variable of a setting.
#[must_use]
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Takes a document apart into its leaves. Arrays of tables are leaves: none is a setting yet.
struct Walk<'a> {
    text: &'a str,
    path: &'a Path,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: DeTable<'_>) {
        let first = self.entries.len();
        for (name, value) in table {
            let at = name.span();
            let key = match prefix {
                "" => name.into_inner().into_owned(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let span = value.span();
            match value.into_inner() {
                DeValue::Table(table) if !table.is_empty() => self.table(&key, table),
                // `[section]` with nothing in it sets nothing.
                DeValue::Table(_) if prefix.is_empty() && self.source(&span).starts_with('[') => {}
                value => self.leaf(key, &at, Spanned::new(span, value)),
            }
        }
        self.entries[first..].sort_by_key(|entry| match &entry.origin {
            Origin::File { line, .. } => *line,
            _ => 0,
        });
    }

    fn leaf(&mut self, key: String, at: &Range<usize>, value: Spanned<DeValue<'_>>) {
        let shown = shorten(self.source(&value.span()));
        // A number beyond 64 bits does not convert: it is none of the values that any setting takes.
        let value = toml::Value::deserialize(ValueDeserializer::from(value))
            .unwrap_or_else(|_| toml::Value::Table(toml::Table::new()));
        self.entries.push(Entry {
            key,
            given: Given::Typed(value, shown),
            origin: Origin::File {
                path: self.path.to_owned(),
                line: position(self.text, at.start).0,
            },
        });
    }

    fn source(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or("")
    }
}

/// Cuts a long value short, and puts it on one line, for a message.
pub(super) fn shorten(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    match line.char_indices().nth(60) {
        Some((cut, _)) => format!("{} …", &line[..cut]),
        None => line,
    }
}

/// Line and column of a byte, both counted from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
