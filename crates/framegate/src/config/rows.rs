//! Lists of tables: whether each row fits its columns and stands beside the others, and what to say if it does not.
//!
//! What a row is called in a message is its place in the list, counted from 1: `rewrite[2].pattern`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Value;

use super::check;
use super::error::{Problem, nearest};
use super::schema::{Rows, Setting};
use super::sources::{self, Entry, Given, GivenRow};

/// A row as a type, whose columns fit each for itself.
pub(super) trait Row: Default + DeserializeOwned + Serialize {
    /// What no other row of the list has.
    fn id(&self) -> &str;

    /// Fills in what follows from other columns or from the row's place in the list, counted from 1, and holds the
    /// row against the rules that several columns share. `given` are the columns as they were given.
    fn complete(&mut self, place: usize, given: &toml::Table) -> Result<(), Wrong>;
}

/// What is wrong with a row.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In which column; `None`: in several of them.
    pub(super) column: Option<&'static str>,
    pub(super) what: String,
}

/// A row that is in order.
#[derive(Debug)]
pub(super) struct Settled {
    id: String,
    value: Value,
}

/// Makes a row of its columns and its place in the list, counted from 1.
pub(super) type Settle = fn(toml::Table, usize) -> Result<Settled, Wrong>;

/// [`Row::complete`] for whoever knows no types.
pub(super) fn settle<R: Row>(given: toml::Table, place: usize) -> Result<Settled, Wrong> {
    let whole = |what: String| Wrong { column: None, what };
    let mut row: R = Value::Table(given.clone())
        .try_into()
        .map_err(|error: toml::de::Error| whole(error.message().to_owned()))?;
    row.complete(place, &given)?;
    let id = row.id().to_owned();
    let value = Value::try_from(row).map_err(|error| whole(error.to_string()))?;
    Ok(Settled { id, value })
}

/// A row in which nothing is given.
pub(super) fn defaults<R: Row>() -> serde_json::Value {
    serde_json::to_value(R::default()).expect("rows are made of numbers, texts and words, with texts for names")
}

/// Reads a list of tables; `setting` has these rows.
pub(super) fn read(setting: &Setting, rows: &Rows, entry: &Entry) -> Result<Value, Vec<Problem>> {
    let refuse = |found: String| vec![entry.problem(format!("found {found} expected {}", setting.expected()))];
    let parsed;
    let given = match &entry.given {
        Given::Rows(given) => given,
        Given::Typed(_, shown) => return Err(refuse(format!("{shown},"))),
        Given::Text(text) => {
            parsed = sources::rows(text, &entry.origin)
                .map_err(|why| refuse(format!("{:?}, {why};", sources::shorten(text))))?;
            &parsed
        }
    };
    let mut problems = Vec::new();
    let mut values = Vec::new();
    let mut taken = BTreeMap::new();
    for (index, row) in given.iter().enumerate() {
        let name = format!("{}[{}]", setting.key, index + 1);
        match read_row(&name, rows, row, index + 1) {
            Ok(settled) => {
                if let Some(other) = taken.insert(settled.id.clone(), name.clone()) {
                    let what = format!("{other} has the id {:?} already", settled.id);
                    problems.push(row.problem(format!("{name}.id"), what));
                }
                values.push(settled.value);
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(Value::Array(values))
    } else {
        Err(problems)
    }
}

fn read_row(name: &str, rows: &Rows, row: &GivenRow, place: usize) -> Result<Settled, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut table = toml::Table::new();
    for field in &row.fields {
        let key = format!("{name}.{}", field.key);
        let column = rows.columns.iter().find(|column| column.setting.key == field.key);
        let value = match column {
            Some(column) => check::value(&column.setting, &field.given),
            None => Err(unknown(rows, &field.key)),
        };
        match value {
            Ok(Some(value)) => {
                table.insert(field.key.clone(), value);
            }
            Ok(None) => {}
            Err(what) => problems.push(Problem {
                key,
                ..field.problem(what)
            }),
        }
    }
    for column in rows.columns.iter().filter(|column| column.required) {
        let key = column.setting.key;
        if row.fields.iter().all(|field| field.key != key) {
            let what = format!("is missing, expected {}", column.setting.expected());
            problems.push(row.problem(format!("{name}.{key}"), what));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    (rows.settle)(table, place).map_err(|Wrong { column, what }| {
        let given = row.fields.iter().find(|field| Some(field.key.as_str()) == column);
        let key = column.map_or_else(|| name.to_owned(), |column| format!("{name}.{column}"));
        vec![match given {
            Some(field) => Problem {
                key,
                ..field.problem(what)
            },
            None => row.problem(key, what),
        }]
    })
}

fn unknown(rows: &Rows, name: &str) -> String {
    let names = || rows.columns.iter().map(|column| column.setting.key);
    match nearest(name, names()) {
        Some(meant) => format!("no such field; did you mean {meant}?"),
        None => format!("no such field; there are {}", names().collect::<Vec<_>>().join(", ")),
    }
}
