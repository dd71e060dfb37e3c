//! What a row of each list has to be beyond its columns: which of them go together, and which id it has by itself. And
//! which settings go together.

use std::path::Path;

use super::forms::ID;
use super::rows::{Row, Wrong};
use super::settings::{InputRule, InterceptRule, OutputRule, PluginFile, RewriteRule, RouteRow, SchemaRow, Settings};
use crate::query;

/// The rule of `safety` that means what is not read for its length.
pub(crate) const TOO_LONG: &str = "too-long";

impl Row for InputRule {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, _: usize, _: &toml::Table) -> Result<(), Wrong> {
        not_taken(&self.id)?;
        match (&self.pattern, &self.when) {
            (None, None) => whole("needs pattern, when, or both: it would find nothing"),
            _ => Ok(()),
        }
    }
}

impl Row for OutputRule {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, _: usize, _: &toml::Table) -> Result<(), Wrong> {
        not_taken(&self.id)
    }
}

impl Row for PluginFile {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, _: usize, _: &toml::Table) -> Result<(), Wrong> {
        if !self.id.is_empty() {
            return Ok(());
        }
        let name = Path::new(&self.path).file_name().unwrap_or_default();
        let name = name.to_str().unwrap_or_default();
        let name = name.strip_suffix(".star").unwrap_or(name);
        self.id = (ID.check)(name).map_err(|_| Wrong {
            column: Some("id"),
            what: format!(
                "is missing, and the file's name is none: {name:?}; expected {}",
                ID.what
            ),
        })?;
        Ok(())
    }
}

impl Row for InterceptRule {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, _: usize, given: &toml::Table) -> Result<(), Wrong> {
        if given.keys().all(|column| column == "id") {
            return whole("says nothing of the messages it is for; to hold all of them write direction = \"both\"");
        }
        Ok(())
    }
}

impl Row for RewriteRule {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, place: usize, _: &toml::Table) -> Result<(), Wrong> {
        if self.id.is_empty() {
            self.id = place.to_string();
        }
        match (&self.pattern, &self.literal, &self.json) {
            (Some(pattern), None, None) => groups_exist(pattern, &self.replacement),
            (None, Some(_), None) | (None, None, Some(_)) => Ok(()),
            (None, None, None) => whole("needs one of pattern, literal and json: it would replace nothing"),
            _ => whole("has more than one of pattern, literal and json: make a row of each"),
        }
    }
}

impl Row for SchemaRow {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, _: usize, _: &toml::Table) -> Result<(), Wrong> {
        Ok(())
    }
}

impl Row for RouteRow {
    fn id(&self) -> &str {
        &self.id
    }

    fn complete(&mut self, place: usize, given: &toml::Table) -> Result<(), Wrong> {
        if self.id.is_empty() {
            self.id = place.to_string();
        }
        // Whoever leaves it to others says nothing of it.
        match given.contains_key("upstream") && self.upstream.is_empty() {
            true => Err(Wrong {
                column: Some("upstream"),
                what: "is empty: it would lead nowhere".to_owned(),
            }),
            false => Ok(()),
        }
    }
}

/// A setting that does not go with the others.
pub(super) struct AtOdds {
    pub(super) setting: &'static str,
    /// The setting, or the column of its row.
    pub(super) key: String,
    pub(super) what: String,
}

/// Whether the settings, each of which is in order, go together.
pub(super) fn together(settings: &Settings) -> Result<(), AtOdds> {
    if settings.listen.modes.is_empty() {
        return Err(AtOdds {
            setting: "listen.modes",
            key: "listen.modes".to_owned(),
            what: "there must be at least one door".to_owned(),
        });
    }
    for (at, schema) in settings.schemas.iter().enumerate() {
        let is_there = |id: &String| settings.routes.iter().any(|route| route.id == *id);
        if let Some(id) = schema.route.as_ref().filter(|id| !is_there(id)) {
            return Err(AtOdds {
                setting: "schemas",
                key: format!("schemas[{}].route", at + 1),
                what: format!("there is no route with the id {id:?}: the schema would be for no message"),
            });
        }
    }
    Ok(())
}

fn not_taken(id: &str) -> Result<(), Wrong> {
    if id == TOO_LONG {
        return Err(Wrong {
            column: Some("id"),
            what: format!("{id:?} is the rule that means messages that are not read for their length"),
        });
    }
    Ok(())
}

fn whole(what: &str) -> Result<(), Wrong> {
    Err(Wrong {
        column: None,
        what: what.to_owned(),
    })
}

/// Whether the pattern has every group that the replacement puts in. One that it has not would be nothing, silently.
fn groups_exist(pattern: &str, replacement: &str) -> Result<(), Wrong> {
    // The column was compiled before: whatever is wrong with it is told already.
    let Ok(regex) = query::regex(pattern) else {
        return Ok(());
    };
    let exists = |group: &str| match group.parse::<usize>() {
        Ok(number) => number < regex.captures_len(),
        Err(_) => regex.capture_names().any(|name| name == Some(group)),
    };
    match groups(replacement).into_iter().find(|group| !exists(group)) {
        None => Ok(()),
        Some(group) => Err(Wrong {
            column: Some("replacement"),
            what: format!(
                "the pattern has no group {group:?}; a dollar is written $$, and braces end a name: ${{1}}st"
            ),
        }),
    }
}

/// The groups that a replacement puts in, as the regex library reads it: `$1`, `$name`, `${name}`, and `$$` is none.
fn groups(replacement: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = replacement;
    while let Some((_, behind)) = rest.split_once('$') {
        let braced = behind.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let (name, after) = behind.split_at(end.unwrap_or(behind.len()));
        rest = match braced {
            _ if behind.starts_with('$') => &behind[1..],
            Some((name, after)) => {
                found.push(name);
                after
            }
            None => {
                if !name.is_empty() {
                    found.push(name);
                }
                after
            }
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_are_found_as_the_regex_library_expands_them() {
        let everything = regex::bytes::Regex::new("(?<a>.)(?<b_1>.)").expect("a regex");
        let captures = everything.captures(b"xy").expect("a match");
        for (replacement, names, expanded) in [
            ("none", &[][..], "none"),
            ("$a$b_1", &["a", "b_1"], "xy"),
            ("${a}s $1s", &["a", "1s"], "xs "),
            ("$$a $$$a", &["a"], "$a $x"),
            ("$ $- $", &[], "$ $- $"),
            ("${a", &[], "${a"),
            ("${}", &[""], ""),
            ("${a b}$0", &["a b", "0"], "xy"),
            ("é$aé", &["a"], "éxé"),
        ] {
            assert_eq!(groups(replacement), names, "{replacement}");
            let mut out = Vec::new();
            captures.expand(replacement.as_bytes(), &mut out);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), expanded, "{replacement}");
        }
    }
}
