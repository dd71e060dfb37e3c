//! Where settings come from: a TOML file, environment variables, `--set`. Each is read into entries that remember
//! their place; whether a value fits its setting is for `check` to say.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, ValueDeserializer};

use super::check;
use super::error::Problem;
use super::schema::Kind;
use super::settings::{SECTIONS, Settings};

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

impl Entry {
    /// What is wrong with it, with its name and its place.
    pub(super) fn problem(&self, what: String) -> Problem {
        problem(self.key.clone(), &self.origin, what)
    }
}

/// How a value was given.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// In the file: it has a type of its own, and looks so in the source.
    Typed(toml::Value, String),
    /// A list of tables, for a setting that is one.
    Rows(Vec<GivenRow>),
    /// On the command line or in the environment: text, to be read as the setting's type wants it.
    Text(String),
}

/// One table of a list of tables.
#[derive(Clone, Debug)]
pub(super) struct GivenRow {
    /// Its fields, by their names alone.
    pub(super) fields: Vec<Entry>,
    pub(super) origin: Origin,
}

impl GivenRow {
    /// What is wrong with it as a whole.
    pub(super) fn problem(&self, key: String, what: String) -> Problem {
        problem(key, &self.origin, what)
    }
}

fn problem(key: String, origin: &Origin, what: String) -> Problem {
    let place = match origin {
        Origin::Environment(name) => format!("environment variable {name}"),
        origin => origin.to_string(),
    };
    Problem { key, place, what }
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
    let line = |at: usize| Origin::File {
        path: path.to_owned(),
        line: position(text, at).0,
    };
    let mut walk = Walk {
        text,
        origin: &line,
        entries: Vec::new(),
    };
    walk.table("", table.into_inner());
    Ok(walk.entries)
}

/// Reads a list of tables that stands in one text, or says why it is none; the empty text is the empty list.
pub(super) fn rows(text: &str, origin: &Origin) -> Result<Vec<GivenRow>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let value = DeValue::parse(text).map_err(|error| format!("not TOML: {}", error.message().replace('\n', ", ")))?;
    let walk = Walk {
        text,
        origin: &|_| origin.clone(),
        entries: Vec::new(),
    };
    match value.into_inner() {
        DeValue::Array(rows) => walk.rows(rows).ok_or_else(|| "not all of it are tables".to_owned()),
        _ => Err("not a list".to_owned()),
    }
}

/// The entries among the environment's variables. Names without `__` are no settings, unless a setting has one part
/// only.
pub(super) fn environment(variables: impl Iterator<Item = (String, String)>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = variables
        .filter_map(|(name, value)| {
            let key = name.strip_prefix(PREFIX)?;
            let setting = key.replace("__", ".").to_ascii_lowercase();
            (key.contains("__") || check::find(&setting).is_some()).then(|| Entry {
                key: setting,
                given: Given::Text(value),
                origin: Origin::Environment(name.clone()),
            })
        })
        .collect();
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    entries
}

/// The entries that the variables are which gateways of this kind have always had. A port asks for its door beside the
/// default ones.
pub(super) fn gateway_environment(variables: &[(String, String)]) -> Vec<Entry> {
    let entry = |(name, value): &(String, String)| {
        let (key, value) = match name.as_str() {
            _ if value.is_empty() => return None,
            "WSPROXY_PORT" => {
                let defaults = Settings::default().listen.modes;
                let doors = defaults.iter().map(ToString::to_string);
                let all: Vec<String> = doors.chain([format!("gateway@:{value}")]).collect();
                ("listen.modes", all.join(","))
            }
            "WSPROXY_WEBHOOK_POOL_SIZE" => ("hook.pool_size", value.clone()),
            _ => return None,
        };
        Some(Entry {
            key: key.to_owned(),
            given: Given::Text(value),
            origin: Origin::Environment(name.clone()),
        })
    };
    variables.iter().filter_map(entry).collect()
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

/// Takes a document apart into its leaves: values, and lists of tables where a setting is one.
struct Walk<'a> {
    text: &'a str,
    /// The origin of what stands at a byte of the text.
    origin: &'a dyn Fn(usize) -> Origin,
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
            let is_rows = check::find(&key).is_some_and(|setting| matches!(setting.kind, Kind::Rows(_)));
            match value.into_inner() {
                DeValue::Table(table) if !table.is_empty() && !is_rows => self.table(&key, table),
                // `[section]` with nothing in it sets nothing.
                DeValue::Table(_) if self.source(&span).starts_with('[') && may_be_empty(&key) => {}
                DeValue::Array(rows) if is_rows => self.list(key, &at, Spanned::new(span, rows)),
                value => self.leaf(key, &at, Spanned::new(span, value)),
            }
        }
        sort_by_line(&mut self.entries[first..]);
    }

    fn list(&mut self, key: String, at: &Range<usize>, rows: Spanned<DeArray<'_>>) {
        match self.rows(rows.get_ref().clone()) {
            Some(rows) => self.entries.push(Entry {
                key,
                given: Given::Rows(rows),
                origin: (self.origin)(at.start),
            }),
            None => {
                let span = rows.span();
                self.leaf(key, at, Spanned::new(span, DeValue::Array(rows.into_inner())));
            }
        }
    }

    /// Takes the tables of a list apart; `None`: not all of it are tables.
    fn rows(&self, rows: DeArray<'_>) -> Option<Vec<GivenRow>> {
        let row = |row: Spanned<DeValue<'_>>| {
            let origin = (self.origin)(row.span().start);
            let DeValue::Table(table) = row.into_inner() else {
                return None;
            };
            let mut walk = Walk {
                entries: Vec::new(),
                ..*self
            };
            for (name, value) in table {
                let at = name.span();
                walk.leaf(name.into_inner().into_owned(), &at, value);
            }
            let mut fields = walk.entries;
            sort_by_line(&mut fields);
            Some(GivenRow { fields, origin })
        };
        rows.into_iter().map(row).collect()
    }

    fn leaf(&mut self, key: String, at: &Range<usize>, value: Spanned<DeValue<'_>>) {
        let shown = shorten(self.source(&value.span()));
        // A number beyond 64 bits does not convert: it is none of the values that any setting takes.
        let value = toml::Value::deserialize(ValueDeserializer::from(value))
            .unwrap_or_else(|_| toml::Value::Table(toml::Table::new()));
        self.entries.push(Entry {
            key,
            given: Given::Typed(value, shown),
            origin: (self.origin)(at.start),
        });
    }

    fn source(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or("")
    }
}

fn sort_by_line(entries: &mut [Entry]) {
    entries.sort_by_key(|entry| match &entry.origin {
        Origin::File { line, .. } => *line,
        _ => 0,
    });
}

/// Whether nothing is wrong with a header that nothing stands under: it names a section, and no setting.
fn may_be_empty(key: &str) -> bool {
    check::find(key).is_none() && (!key.contains('.') || SECTIONS.iter().any(|section| section.name == key))
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
