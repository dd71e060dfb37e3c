//! JSON Schema: messages have the form that a file says, or do not pass.
//!
//! A server may read a text otherwise than a validator does: so what leaves room for that (a key twice in one object,
//! what is no JSON at all) is a violation like any other.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jsonschema::{PatternOptions, Retrieve, Uri, Validator};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};
use wire::frame::Opcode;

use super::judge::{Answer, Decided, Judge, JudgedFlow, Opinion, Subject};
use crate::config::{SchemaAction, SchemaBinary, SchemaRow};
use crate::flow::{Decision, Direction};
use crate::query::{Facts, Filter, FlowFacts, Use};
use crate::telemetry::JudgeKind;

/// Close code of a conversation that a schema ends: policy violation (RFC 6455 §7.4.1).
const POLICY: u16 = 1008;
/// What one pattern of a schema may take when it is compiled, as those of other rules may.
const PATTERN_BYTES_MAX: usize = 4 << 20;
/// Of the place in a message so much goes on record: its names are the sender's.
const PLACE_CHARS_MAX: usize = 200;
/// What stays as it is in the path of a `file:` URL.
const PATH_BYTES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// One schema, and the messages that it is for.
#[derive(Debug)]
pub(crate) struct Schema {
    id: String,
    directions: [bool; 2],
    /// The route whose WebSockets it is for; `None`: all.
    route: Option<String>,
    when: Filter,
    validator: Validator,
    action: SchemaAction,
    binary: SchemaBinary,
    bytes_max: usize,
    /// Messages that did not have its form.
    violations: AtomicU64,
}

/// What is wrong with a message, without its values.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    error: String,
    /// Where in the message, as a JSON Pointer (RFC 6901).
    at: Option<String>,
}

impl Schema {
    /// Reads and compiles the file.
    ///
    /// # Errors
    /// What is wrong with the file or the filter, and where.
    pub(crate) fn new(row: &SchemaRow) -> Result<Self, String> {
        let when = row.when.as_deref().unwrap_or_default();
        Ok(Self {
            id: row.id.clone(),
            directions: row.direction.each(),
            route: row.route.clone(),
            when: Filter::parse(when, Use::Rule).map_err(|error| error.to_string())?,
            validator: compile(Path::new(&row.path)).map_err(|why| format!("{}: {why}", row.path))?,
            action: row.action,
            binary: row.binary,
            bytes_max: row.bytes_max,
            violations: AtomicU64::new(0),
        })
    }

    /// Its name on record.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// How many messages did not have its form.
    pub(crate) fn violations(&self) -> u64 {
        self.violations.load(Ordering::Relaxed)
    }

    /// Whether it may concern messages of this direction of this flow, which has taken that route.
    pub(crate) fn concerns(&self, flow: &FlowFacts<'_>, route: Option<&str>, direction: Direction) -> bool {
        self.directions[direction.index()]
            && (self.route.is_none() || self.route.as_deref() == route)
            && self.when.means_flow(flow) != Some(false)
    }

    fn check(&self, opcode: Opcode, payload: &[u8]) -> Result<(), Violation> {
        let plainly = |error: &str| {
            Err(Violation {
                error: error.to_owned(),
                at: None,
            })
        };
        if opcode == Opcode::Binary {
            return match self.binary {
                SchemaBinary::Pass => Ok(()),
                SchemaBinary::Violation => plainly("binary"),
            };
        }
        if payload.len() > self.bytes_max {
            return plainly("too long");
        }
        let value = match serde_json::from_slice::<Once>(payload) {
            Ok(Once(value)) => value,
            Err(error) if error.classify() == Category::Data => return plainly("a key twice"),
            Err(_) => return plainly("no JSON"),
        };
        self.validator.validate(&value).map_err(|error| Violation {
            error: error.evaluation_path().as_str().to_owned(),
            at: Some(error.instance_path().as_str().chars().take(PLACE_CHARS_MAX).collect()),
        })
    }
}

/// All schemas that concern one connection, in their order.
pub(crate) struct Schemas {
    pub(crate) schemas: Vec<Arc<Schema>>,
    /// Names in a message do not go on record where the record is redacted.
    pub(crate) discreet: bool,
}

impl Judge for Schemas {
    fn kind(&self) -> JudgeKind {
        JudgeKind::Schema
    }

    fn judge(&mut self, flow: &JudgedFlow, subject: &Subject, decision: &mut Decision) -> Answer {
        let direction = subject.facts.direction;
        for schema in &self.schemas {
            let concerned =
                schema.directions[direction.index()] && schema.when.means(&Facts::new(&flow.facts, subject.message()));
            if !concerned {
                continue;
            }
            let Err(violation) = schema.check(subject.opcode, &subject.payload) else {
                continue;
            };
            schema.violations.fetch_add(1, Ordering::Relaxed);
            let blocks = schema.action != SchemaAction::LogOnly;
            let discreet = self.discreet && direction == Direction::Receive;
            let at = violation.at.filter(|_| !discreet);
            let verdict = if blocks { "schema_blocked" } else { "schema_logged" };
            let facts = [("schema_id", schema.id.clone()), ("schema_error", violation.error)];
            let facts = facts.into_iter().chain(at.map(|at| ("schema_at", at)));
            if blocks {
                // What decides goes before what was only noted.
                decision.more.retain(|(name, _)| !name.starts_with("schema_"));
            }
            decision.fact(verdict, "true");
            facts.for_each(|(name, value)| decision.fact(name, value));
            let opinion = match schema.action {
                SchemaAction::LogOnly => continue,
                SchemaAction::Block => Opinion::Drop,
                SchemaAction::Close => Opinion::Close {
                    code: POLICY,
                    reason: "not as its schema wants it".to_owned(),
                },
            };
            decision.blocked = true;
            return Answer::Decided(Decided {
                opinion,
                by: format!("schema:{}", schema.id),
            });
        }
        Answer::Pass
    }
}

fn compile(path: &Path) -> Result<Validator, String> {
    let unread = |error: std::io::Error| format!("the file cannot be read: {error}");
    let path = path.canonicalize().map_err(unread)?;
    let bytes = std::fs::read(&path).map_err(unread)?;
    let schema: Value = serde_json::from_slice(&bytes).map_err(|error| format!("it is no JSON: {error}"))?;
    let directory = path.parent().unwrap_or(&path).to_owned();
    let url = path
        .to_str()
        .map(|path| format!("file://{}", utf8_percent_encode(path, PATH_BYTES)));
    jsonschema::options()
        .with_base_uri(url.ok_or("its path is not UTF-8")?)
        .with_retriever(Beside(directory))
        // Linear in the length of the text, whatever a client sends.
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(PATTERN_BYTES_MAX)
                .dfa_size_limit(PATTERN_BYTES_MAX),
        )
        .build(&schema)
        .map_err(|error| match error.instance_path().as_str() {
            "" => format!("it is no schema: {error}"),
            at => format!("it is no schema: at {at}: {error}"),
        })
}

/// What `$ref` may lead to: files in the directory of the schema, and below it. Nothing is fetched.
struct Beside(PathBuf);

impl Retrieve for Beside {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() != "file" {
            return Err("only files are read".into());
        }
        let path = percent_decode_str(uri.path().as_str()).decode_utf8()?;
        let path = Path::new(&*path).canonicalize()?;
        if !path.starts_with(&self.0) {
            return Err("that is outside of the schema's directory".into());
        }
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

/// JSON in which no object has a key twice: whoever reads the other one would read something else.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OnceVisitor).map(Self)
    }
}

struct OnceVisitor;

impl<'de> Visitor<'de> for OnceVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON has no number that is none.
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Once(value))) = fields.next_entry::<String, Once>()? {
            if object.insert(key, value).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use wire::frame::Opcode;

    use super::{Schema, Violation};
    use crate::config::SchemaRow;

    const FORM: &str = r#"{"type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"type": "integer"}, "b": {"$ref": "b.json"}, "c": {"pattern": "^(x+x+)+y$"}}}"#;

    fn schema(directory: &Path, text: &str) -> Result<Schema, String> {
        let path = directory.join("odd näme.json");
        std::fs::write(&path, text).unwrap();
        Schema::new(&SchemaRow {
            id: "form".to_owned(),
            path: path.to_str().unwrap().to_owned(),
            bytes_max: 100_000,
            ..SchemaRow::default()
        })
    }

    #[test]
    fn what_has_not_the_form_is_told_by_its_place_and_without_its_value() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("b.json"), r#"{"maxLength": 3}"#).unwrap();
        let schema = schema(home.path(), FORM).unwrap();
        let said = |text: &str| schema.check(Opcode::Text, text.as_bytes());
        assert_eq!(said(r#"{"a":1,"b":"abc"}"#), Ok(()));
        for (text, error, at) in [
            (r#"{"a":"secret"}"#, "/properties/a/type", Some("/a")),
            (r#"{"a":1,"b":"secret"}"#, "/properties/b/$ref/maxLength", Some("/b")),
            (r#"{}"#, "/required", Some("")),
            ("secret", "no JSON", None),
            ("", "no JSON", None),
            ("\u{feff}{\"a\":1}", "no JSON", None),
            (r#"{"a":1} {"a":1}"#, "no JSON", None),
            (r#"{"a":1,}"#, "no JSON", None),
            (r#"{"a":NaN}"#, "no JSON", None),
            (r#"{"a":1,"a":"x"}"#, "a key twice", None),
            (r#"{"a":"x","a":1}"#, "a key twice", None),
            (r#"{"a":1,"\u0061":1}"#, "a key twice", None),
            (r#"{"a":1,"b":{"c":1,"c":1}}"#, "a key twice", None),
        ] {
            let violation = Violation {
                error: error.to_owned(),
                at: at.map(str::to_owned),
            };
            assert_eq!(said(text), Err(violation), "{text}");
        }
        assert_eq!(said(&"[".repeat(10_000)).unwrap_err().error, "no JSON");
        assert_eq!(said(&"1".repeat(100_001)).unwrap_err().error, "too long");
        assert_eq!(schema.check(Opcode::Binary, b"{\"a\":1}").unwrap_err().error, "binary");
        let backtracks = format!(r#"{{"a":1,"c":"{}"}}"#, "x".repeat(50_000));
        assert_eq!(said(&backtracks).unwrap_err().error, "/properties/c/pattern");
    }

    #[test]
    fn nothing_is_fetched_and_no_file_read_that_is_elsewhere() {
        let home = tempfile::tempdir().unwrap();
        let inner = home.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(home.path().join("outer.json"), "{}").unwrap();
        std::fs::write(inner.join("fine.json"), "{}").unwrap();
        std::os::unix::fs::symlink(home.path().join("outer.json"), inner.join("link.json")).unwrap();
        let leads = |to: &str| schema(&inner, &format!(r#"{{"$ref": "{to}"}}"#)).map(drop);
        assert_eq!(leads("fine.json"), Ok(()));
        for bad in [
            "../outer.json",
            "%2e%2e/outer.json",
            "link.json",
            "gone.json",
            "/etc/hostname",
            "http://127.0.0.1:9/a",
            "file:///etc/hostname",
            "//127.0.0.1/a",
        ] {
            assert!(leads(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_that_is_no_schema_says_where() {
        let home = tempfile::tempdir().unwrap();
        let why = |text: &str| schema(home.path(), text).map(drop).unwrap_err();
        assert!(why("{\n  oops").contains("line 2"), "{}", why("{\n  oops"));
        let typo = why(r#"{"properties": {"a": {"type": "interger"}}}"#);
        assert!(
            typo.contains("odd näme.json") && typo.contains("/properties/a/type"),
            "{typo}"
        );
        assert!(why(r#"{"pattern": "("}"#).contains("pattern"));
    }
}
