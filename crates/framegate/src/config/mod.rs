//! Flags, environment and file, merged into typed [`Settings`] before anything is bound.
//!
//! This is the only reader of environment variables and configuration files. What is wrong with any of them is told
//! all at once, each with its place; nothing is guessed and nothing unknown is passed over.

mod mode;
mod schema;
mod forms;
mod rows;
mod rules;
mod settings;
mod blocking;
mod words;
mod reach;
mod terms;
mod fields;
mod path;
mod token_file;
mod sources;
mod check;
mod warnings;
mod error;
mod show;
mod reference;
pub mod cli;

use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use error::nearest;
pub use error::{ConfigError, Problem};
pub use fields::{FieldError, FieldReach, is_gateway_field};
pub use mode::{Mode, ModeError, Upstream, parse_addr};
pub(crate) use path::meant_path;
pub use reach::Reach;
pub use reference::reference_markdown;
pub(crate) use rules::TOO_LONG;
pub use schema::{Column, Form, Kind, Rows, Section, Setting};
pub use settings::{
    Control, Gateway, Hook, InputRule, Intercept, InterceptRule, Limits, Listen, Log, OutputRule, PluginFile, Record,
    RewriteRule, RouteRow, SECTIONS, SafetyInput, SafetyOutput, SchemaRow, Settings, Store, Tls, Upgrade, Wire,
};
pub use sources::Origin;
pub(crate) use terms::field;
pub use terms::{HookTerms, HookUrl, Terms};
pub(crate) use token_file::read_token;
pub use words::{
    ApplyTo, HookBody, HookFail, HookHttp, HookTarget, LogFormat, LogLevel, OnBinary, OnError, OnFull, OnHold,
    OnOversize, OnPluginError, Profile, RuleDirection, RuleOpcode, SafetyAction, SchemaAction, SchemaBinary,
    Violations,
};

use sources::Entry;

/// The effective settings, and where each came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What is in force.
    pub settings: Settings,
    /// The origin of each setting, by its dotted name; one that is missing has its default.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What is in order, and yet its owner should know of it: one line each.
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Where a setting came from.
    #[must_use]
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }
}

/// Merges the sources: `sets` (each `KEY=VALUE`, a later one goes before an earlier one), then the environment's
/// `FRAMEGATE_SECTION__NAME` variables, then the file, then the environment's `WSPROXY_` variables, then the defaults.
///
/// # Errors
/// Everything that is wrong with any of them: a file that cannot be read or is not TOML, an unknown setting, a value of
/// another type or out of its range.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    sets: &[String],
) -> Result<Loaded, ConfigError> {
    let variables: Vec<(String, String)> = env.collect();
    let mut problems = Vec::new();
    let mut entries = sources::gateway_environment(&variables);
    match file.map(sources::file).transpose() {
        Ok(found) => entries.extend(found.unwrap_or_default()),
        Err(found) => problems.extend(found),
    }
    entries.extend(sources::environment(variables.into_iter()));
    for set in sets {
        match sources::set(set) {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push(problem),
        }
    }
    let loaded = merge(&entries, problems)?;
    let warnings = warnings::all(&loaded.settings);
    Ok(Loaded { warnings, ..loaded })
}

/// The variables of the process that [`load`] wants to see. What is not UTF-8 in them is replaced.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| {
        let name = name.to_str()?;
        let ours = name.starts_with("FRAMEGATE_") || name.starts_with("WSPROXY_");
        ours.then(|| (name.to_owned(), value.to_string_lossy().into_owned()))
    })
}

/// Whether colours on a terminal are welcome: `NO_COLOR` is not set.
#[must_use]
pub fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The variables that tell clients which proxy to use, as they are set for this process. The proxy does not go by them.
#[must_use]
pub fn proxy_variables() -> Vec<(String, String)> {
    let names = [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "ws_proxy",
        "wss_proxy",
        "no_proxy",
    ];
    let ours = |name: &str| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let mut variables: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.to_str()?.to_owned(), value.to_string_lossy().into_owned())))
        .filter(|(name, value)| ours(name) && !value.is_empty())
        .collect();
    variables.sort();
    variables
}

/// Lays the entries over the defaults, later ones over earlier ones.
fn merge(entries: &[Entry], mut problems: Vec<Problem>) -> Result<Loaded, ConfigError> {
    let mut origins = BTreeMap::new();
    let mut table = toml::Table::new();
    for entry in entries {
        match check::entry(entry) {
            Ok((setting, value)) => {
                place(&mut table, setting, value);
                origins.insert(setting.key, entry.origin.clone());
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(ConfigError { problems });
    }
    let settings: Settings = table.try_into().map_err(|error: toml::de::Error| ConfigError {
        problems: vec![Problem {
            key: String::new(),
            place: "settings".to_owned(),
            what: error.message().to_owned(),
        }],
    })?;
    if let Err(at_odds) = rules::together(&settings) {
        let place = origins.get(at_odds.setting).unwrap_or(&Origin::Default).to_string();
        return Err(ConfigError {
            problems: vec![Problem {
                key: at_odds.key,
                place,
                what: at_odds.what,
            }],
        });
    }
    Ok(Loaded {
        settings,
        origins,
        warnings: Vec::new(),
    })
}

/// Puts a value where [`Settings`] have it, or takes it away: a list of tables at its name, others in their section.
fn place(table: &mut toml::Table, setting: &Setting, value: Option<toml::Value>) {
    let key = setting.key;
    let (section, name) = match setting.kind {
        Kind::Rows(_) => (table, key),
        _ => {
            let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
            let section = table
                .entry(section)
                .or_insert_with(|| toml::Value::Table(toml::Table::new()));
            match section {
                toml::Value::Table(section) => (section, name),
                _ => return,
            }
        }
    };
    match value {
        Some(value) => section.insert(name.to_owned(), value),
        None => section.remove(name),
    };
}

#[cfg(test)]
mod tests;
