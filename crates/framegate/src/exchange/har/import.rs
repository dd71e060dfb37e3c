//! Reading a HAR, one entry at a time.

use std::fmt;
use std::io::BufRead;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::entry::{Entry, read_entry};
use crate::exchange::{ImportError, Imported, Intake};

/// Reads a file into `intake`.
///
/// # Errors
/// Names the entry that breaks the format. What came before it has been handed to `intake`; of it, nothing.
pub fn import(file: &mut dyn BufRead, intake: &mut dyn Intake) -> Result<Imported, ImportError> {
    if file.fill_buf()?.starts_with(b"\xEF\xBB\xBF") {
        file.consume(3);
    }
    let mut state = Import {
        intake,
        imported: Imported::default(),
        entry: 0,
        within: false,
        seen: false,
        failure: None,
    };
    let mut json = serde_json::Deserializer::from_reader(file);
    let result = Level::Root
        .seed(&mut state)
        .deserialize(&mut json)
        .and_then(|()| json.end());
    if let Some(failure) = state.failure {
        return Err(failure);
    }
    if let Err(error) = result {
        if error.is_io() {
            return Err(ImportError::Read(error.into()));
        }
        let place = if state.within {
            format!("entry {}", state.entry)
        } else {
            "the HAR".to_owned()
        };
        return Err(ImportError::Malformed {
            place,
            why: error.to_string(),
        });
    }
    if !state.seen {
        let why = "has no `log.entries`".to_owned();
        return Err(ImportError::Malformed {
            place: "the HAR".to_owned(),
            why,
        });
    }
    Ok(state.imported)
}

struct Import<'a> {
    intake: &'a mut dyn Intake,
    imported: Imported,
    /// Counted from 1.
    entry: u64,
    within: bool,
    seen: bool,
    /// Why the reading was broken off, where JSON is not to blame.
    failure: Option<ImportError>,
}

impl Import<'_> {
    fn entry(&mut self, entry: Entry) -> Result<(), ImportError> {
        let (flow, messages) = read_entry(entry, &mut self.imported).map_err(|error| ImportError::Malformed {
            place: format!("entry {}", self.entry),
            why: error.to_string(),
        })?;
        Ok(self.imported.store(self.intake, flow, messages)?)
    }
}

/// How deep in the file the reader is.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Root,
    Log,
    Entries,
    Entry,
}

impl Level {
    fn seed<'a, 'b>(self, import: &'a mut Import<'b>) -> Seed<'a, 'b> {
        Seed { level: self, import }
    }
}

struct Seed<'a, 'b> {
    level: Level,
    import: &'a mut Import<'b>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        match self.level {
            Level::Root | Level::Log => json.deserialize_map(self),
            Level::Entries => json.deserialize_seq(self),
            Level::Entry => {
                self.import.entry += 1;
                self.import.within = true;
                let entry = Entry::deserialize(json)?;
                self.import.entry(entry).map_err(|failure| {
                    self.import.failure = Some(failure);
                    D::Error::custom("broken off")
                })?;
                self.import.within = false;
                Ok(())
            }
        }
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Root => "an object with `log`",
            Level::Log => "an object with `entries`",
            Level::Entries | Level::Entry => "an array of entries",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (wanted, level) = match self.level {
            Level::Root => ("log", Level::Log),
            _ => ("entries", Level::Entries),
        };
        while let Some(key) = map.next_key::<String>()? {
            if key == wanted {
                self.import.seen |= level == Level::Entries;
                map.next_value_seed(level.seed(self.import))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while entries.next_element_seed(Level::Entry.seed(self.import))?.is_some() {}
        Ok(())
    }
}
