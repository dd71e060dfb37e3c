//! The arguments of a question, checked against the operation's parameters.

use std::collections::BTreeMap;

use super::{Operation, OperationError, Param, ParamKind};
use crate::flow::FlowId;
use crate::query::{Filter, Use};

/// What an operation is given. Only made from what its parameters allow.
#[derive(Clone, Debug, Default)]
pub struct Args(BTreeMap<&'static str, Arg>);

#[derive(Clone, Debug)]
enum Arg {
    Text(String),
    Number(u64),
    Filter(Filter),
}

impl Args {
    /// Checks names and values as a query string or a command line has them.
    ///
    /// # Errors
    /// [`OperationError::BadArgument`], which names the parameter that is unknown, missing, doubled or wrong.
    pub fn read<'a>(
        operation: &Operation,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, OperationError> {
        let mut args = BTreeMap::new();
        for (name, value) in given {
            let param = operation.params.iter().find(|param| param.name == name);
            let param = param.ok_or_else(|| unknown(operation, name))?;
            if args.insert(param.name, read_value(param, value)?).is_some() {
                return Err(OperationError::BadArgument(format!("`{name}` is given twice")));
            }
        }
        let missing = operation
            .params
            .iter()
            .find(|param| param.required && !args.contains_key(param.name));
        match missing {
            Some(param) => Err(OperationError::BadArgument(format!(
                "`{}` is missing: {}",
                param.name, param.summary
            ))),
            None => Ok(Self(args)),
        }
    }

    /// Checks names and values as a JSON object has them. `null` is as good as not given.
    ///
    /// # Errors
    /// As [`Args::read`].
    pub fn read_json(
        operation: &Operation,
        given: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, OperationError> {
        use serde_json::Value;
        let mut texts = Vec::with_capacity(given.len());
        for (name, value) in given {
            match value {
                Value::Null => {}
                Value::String(text) => texts.push((name.as_str(), text.clone())),
                Value::Number(number) => texts.push((name.as_str(), number.to_string())),
                _ => {
                    return Err(OperationError::BadArgument(format!(
                        "`{name}` is neither a text nor a number"
                    )));
                }
            }
        }
        Self::read(operation, texts.iter().map(|(name, value)| (*name, value.as_str())))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Arg::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        match self.0.get(name)? {
            Arg::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// What is asked for; everything, if nothing is said.
    pub(super) fn filter(&self) -> Filter {
        match self.0.get("filter") {
            Some(Arg::Filter(filter)) => filter.clone(),
            _ => Filter::default(),
        }
    }

    /// At most so many; 0 stands for all.
    pub(super) fn limit(&self, default: u64) -> usize {
        match self.number("limit").unwrap_or(default) {
            0 => usize::MAX,
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        }
    }

    /// The flow that is asked for; every operation that calls this requires it.
    pub(super) fn flow(&self) -> FlowId {
        let id = self.number("flow").and_then(|id| u32::try_from(id).ok());
        FlowId(id.unwrap_or_default())
    }
}

fn read_value(param: &Param, value: &str) -> Result<Arg, OperationError> {
    let wrong = |what: String| Err(OperationError::BadArgument(format!("`{}`: {what}", param.name)));
    match param.kind {
        ParamKind::Text if value.trim().is_empty() => wrong("is empty".to_owned()),
        ParamKind::Text | ParamKind::Payload => Ok(Arg::Text(value.to_owned())),
        ParamKind::Number => match value.parse() {
            Ok(number) => Ok(Arg::Number(number)),
            Err(_) => wrong(format!("{value:?} is not a whole number")),
        },
        ParamKind::Flow => match FlowId::parse(value) {
            Some(id) => Ok(Arg::Number(id.0.into())),
            None => wrong(format!("{value:?} is not the id of a flow")),
        },
        ParamKind::Filter => match Filter::parse(value, Use::Record) {
            Ok(filter) => Ok(Arg::Filter(filter)),
            Err(error) => Err(OperationError::BadArgument(error.to_string())),
        },
        ParamKind::OneOf(words) if words.contains(&value) => Ok(Arg::Text(value.to_owned())),
        ParamKind::OneOf(words) => wrong(format!("{value:?} is none of: {}", words.join(", "))),
    }
}

fn unknown(operation: &Operation, name: &str) -> OperationError {
    let names: Vec<&str> = operation.params.iter().map(|param| param.name).collect();
    let known = if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    };
    OperationError::BadArgument(format!(
        "`{}` has no parameter `{name}`; it takes: {known}",
        operation.name
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::find;
    use super::Args;

    fn error(operation: &str, given: &[(&str, &str)]) -> String {
        Args::read(find(operation).unwrap(), given.iter().copied())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn an_error_names_the_parameter() {
        for (operation, given, says) in [
            ("messages", &[][..], "`flow` is missing"),
            ("messages", &[("flow", "x")][..], "`flow`: \"x\" is not the id"),
            ("messages", &[("flow", "1"), ("flow", "2")][..], "`flow` is given twice"),
            ("flows", &[("limit", "-1")][..], "`limit`: \"-1\" is not a whole number"),
            (
                "flows",
                &[("colour", "red")][..],
                "`flows` has no parameter `colour`; it takes: filter, limit",
            ),
            (
                "flows",
                &[("filter", "url ~ x")][..],
                "the filter, column 5: `~` means nothing",
            ),
            (
                "export",
                &[("format", "pdf")][..],
                "`format`: \"pdf\" is none of: har, jsonl, csv",
            ),
            ("search", &[("words", " ")][..], "`words`: is empty"),
        ] {
            assert!(error(operation, given).starts_with(says), "{}", error(operation, given));
        }
    }

    #[test]
    fn json_has_numbers_and_nulls() {
        let given = serde_json::json!({"flow": 7, "limit": "3", "after": null});
        let args = Args::read_json(find("messages").unwrap(), given.as_object().unwrap()).unwrap();
        assert_eq!((args.flow().0, args.limit(0), args.number("after")), (7, 3, None));
    }
}
