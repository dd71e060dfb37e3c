//! Rules that come with framegate, as data: each with what it is for, texts that it must match and texts that it must
//! not. Tests hold each rule to them, and the reference is made from them.

mod destructive_sql;
mod destructive_os_command;
mod sql_injection;
mod xss;
mod path_traversal;
mod credentials;
mod sql;

pub(super) use credentials::{PRESET as CREDENTIALS, redacted_by};

/// Rules of one purpose.
pub(super) struct Preset {
    /// Its name in the settings.
    pub(super) name: &'static str,
    /// What it is for, in one sentence.
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference is made from it"))]
    pub(super) about: &'static str,
    /// Its patterns in a shorter spelling, made whole.
    pub(super) spell: fn(&str) -> String,
    /// In the order in which they are asked.
    pub(super) rules: &'static [Rule],
    /// What they match must not be shown.
    pub(super) secret: bool,
}

impl Preset {
    /// The rule's pattern, whole.
    pub(super) fn pattern(&self, rule: &Rule) -> String {
        (self.spell)(&joined(rule.pattern))
    }
}

/// A pattern that is written on several lines: neither their ends nor their indentation are part of it.
fn joined(pattern: &str) -> String {
    pattern.lines().map(str::trim_start).collect()
}

/// What of a text is what a pattern cannot say.
pub(super) type Confirm = fn(&[u8]) -> Option<Vec<u8>>;

/// One rule of a preset.
pub(super) struct Rule {
    /// Unique in its preset.
    pub(super) name: &'static str,
    /// What it matches, in one sentence.
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference is made from it"))]
    pub(super) about: &'static str,
    /// In the preset's spelling, maybe on several lines. It asks nowhere for the text's beginning or end, so that it
    /// costs little.
    pub(super) pattern: &'static str,
    /// Asked where the pattern is found, of the text and of what stands between quotes in it.
    pub(super) only_if: Option<Confirm>,
    /// Texts that it must match.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests hold the rule to it"))]
    pub(super) hits: &'static [&'static str],
    /// Texts alike that no rule of the preset may match.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests hold the rule to it"))]
    pub(super) misses: &'static [&'static str],
}

/// All presets of the safety filter, in the order in which they are documented.
pub(super) const PRESETS: [&Preset; 6] = [
    &destructive_sql::PRESET,
    &destructive_os_command::PRESET,
    &sql_injection::PRESET,
    &xss::PRESET,
    &path_traversal::PRESET,
    &credentials::PRESET,
];

/// The preset of that name.
pub(super) fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}
