//! JSONL: the objects of the command line, one a line. Lossless.
//!
//! The first line names the format and its version; then each flow has a line, followed by one for each of its
//! messages. Reading also takes a file without the first line, as it comes from joined output of the command line.

use std::io::{BufRead, Read, Write};

use serde_json::Value;

use super::{ExportError, ImportError, Imported, Intake, Limits, Source, each_flow, each_message};
use crate::control::json;
use crate::flow::{Flow, Message};

/// The `format` of the first line.
pub const FORMAT: &str = "framegate-jsonl";

/// The `version` of the first line.
pub const VERSION: u64 = 1;

/// Writes every flow of `source`.
///
/// # Errors
/// The source's failure, or that of `out`.
pub fn export(source: &mut dyn Source, out: &mut dyn Write) -> Result<(), ExportError> {
    writeln!(out, r#"{{"format":"{FORMAT}","version":{VERSION}}}"#)?;
    each_flow(source, &mut |source, flow| {
        write_line(out, &json::flow(flow))?;
        each_message(source, flow.id, &mut |message| write_line(out, &json::message(message)))
    })
}

/// Reads a file into `intake`.
///
/// # Errors
/// Names the line that breaks the format. What came before it has been handed to `intake`.
pub fn import(file: &mut dyn BufRead, limits: Limits, intake: &mut dyn Intake) -> Result<Imported, ImportError> {
    let mut import = Import {
        intake,
        open: None,
        imported: Imported::default(),
    };
    let mut line = Vec::new();
    let mut number: u64 = 0;
    loop {
        line.clear();
        number += 1;
        let n = file.take(limits.line_bytes_max + 1).read_until(b'\n', &mut line)?;
        if n == 0 {
            break;
        }
        let at_line = |why: String| ImportError::Malformed {
            place: format!("line {number}"),
            why,
        };
        if line.len() as u64 > limits.line_bytes_max {
            return Err(at_line(format!("is longer than {} bytes", limits.line_bytes_max)));
        }
        let text = line.trim_ascii();
        let text = if number == 1 {
            text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text)
        } else {
            text
        };
        if !text.is_empty() {
            import.line(text, number).map_err(|error| error.at(at_line))?;
        }
    }
    import.end_flow()?;
    Ok(import.imported)
}

struct Import<'a> {
    intake: &'a mut dyn Intake,
    open: Option<(Flow, Vec<Message>)>,
    imported: Imported,
}

enum LineError {
    Malformed(String),
    Other(ImportError),
}

impl LineError {
    fn at(self, place: impl FnOnce(String) -> ImportError) -> ImportError {
        match self {
            Self::Malformed(why) => place(why),
            Self::Other(error) => error,
        }
    }
}

impl From<super::IntakeError> for LineError {
    fn from(error: super::IntakeError) -> Self {
        Self::Other(error.into())
    }
}

impl From<json::ShapeError> for LineError {
    fn from(error: json::ShapeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Which keys a line has; enough to know what it is.
#[derive(serde::Deserialize)]
struct Keys {
    format: Option<Value>,
    version: Option<Value>,
    sequence: Option<serde::de::IgnoredAny>,
    protocol: Option<serde::de::IgnoredAny>,
}

impl Import<'_> {
    fn line(&mut self, text: &[u8], number: u64) -> Result<(), LineError> {
        let keys: Keys = serde_json::from_slice(text)
            .map_err(|error| LineError::Malformed(format!("is not a JSON object: {error}")))?;
        if keys.sequence.is_some() {
            self.message(json::parse_message(text)?)
        } else if keys.protocol.is_some() {
            self.flow(json::parse_flow(text)?)
        } else if let Some(format) = keys.format {
            check_format(&format, keys.version.as_ref(), number).map_err(LineError::Malformed)
        } else {
            Err(LineError::Malformed("is neither a flow nor a message".to_owned()))
        }
    }

    fn flow(&mut self, flow: Flow) -> Result<(), LineError> {
        self.end_flow()?;
        self.open = Some((flow, Vec::new()));
        Ok(())
    }

    fn message(&mut self, message: Message) -> Result<(), LineError> {
        let Some((_, messages)) = self.open.as_mut().filter(|(flow, _)| flow.id == message.flow) else {
            return Err(LineError::Malformed(format!(
                "is a message of flow {}, but does not stand behind that flow's line",
                message.flow
            )));
        };
        if messages.last().is_some_and(|last| last.sequence >= message.sequence) {
            return Err(LineError::Malformed(format!(
                "has sequence {}, which came before",
                message.sequence
            )));
        }
        messages.push(message);
        Ok(())
    }

    fn end_flow(&mut self) -> Result<(), super::IntakeError> {
        match self.open.take() {
            Some((flow, messages)) => self.imported.store(self.intake, flow, messages),
            None => Ok(()),
        }
    }
}

fn check_format(format: &Value, version: Option<&Value>, number: u64) -> Result<(), String> {
    if format != FORMAT {
        return Err(format!("the format is {format}, not \"{FORMAT}\""));
    }
    if number != 1 {
        return Err("names the format a second time".to_owned());
    }
    match version {
        Some(version) if *version == VERSION => Ok(()),
        Some(version) => Err(format!(
            "the format's version is {version}; this framegate reads version {VERSION}"
        )),
        None => Err("the format's version is missing".to_owned()),
    }
}

fn write_line(out: &mut dyn Write, object: &dyn erased::Object) -> Result<(), ExportError> {
    object.write(out)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Serialising behind a reference, so that one function writes flows and messages.
mod erased {
    use std::io::{self, Write};

    pub(super) trait Object {
        fn write(&self, out: &mut dyn Write) -> io::Result<()>;
    }

    impl<T: serde::Serialize> Object for T {
        fn write(&self, out: &mut dyn Write) -> io::Result<()> {
            serde_json::to_writer(out, self).map_err(io::Error::from)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::samples::{Memory, active};
    use super::*;

    fn exported(mut memory: Memory) -> String {
        let mut out = Vec::new();
        export(&mut memory, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn imported(text: &str) -> Result<(Memory, Imported), ImportError> {
        let mut memory = Memory::default();
        let imported = import(&mut text.as_bytes(), Limits::default(), &mut memory)?;
        Ok((memory, imported))
    }

    #[test]
    fn what_goes_out_comes_back() {
        let text = exported(Memory::samples());
        assert_eq!(text.lines().next(), Some(r#"{"format":"framegate-jsonl","version":1}"#));
        let (memory, result) = imported(&text).unwrap();
        assert_eq!(memory, Memory::samples().renumbered());
        assert_eq!(
            result,
            Imported {
                flows: 2,
                messages: 11,
                warnings: vec![]
            }
        );
    }

    #[test]
    fn the_first_line_may_be_missing() {
        let text = exported(Memory::samples());
        let (_, rest) = text.split_once('\n').unwrap();
        assert_eq!(imported(rest).unwrap().0, Memory::samples().renumbered());
    }

    #[test]
    fn an_active_flow_is_told_of() {
        let (memory, result) = imported(&exported(Memory(vec![(active(), vec![])]))).unwrap();
        assert_eq!(memory.0[0].0.ending, None);
        assert_eq!(result.warnings.len(), 1);
    }

    #[test]
    fn an_error_names_the_line() {
        let good = exported(Memory::samples());
        let lines: Vec<&str> = good.lines().collect();
        for (text, says) in [
            (
                "{\"format\":\"framegate-jsonl\",\"version\":2}".to_owned(),
                "line 1: the format's version is 2",
            ),
            (format!("{}\n{}", lines[0], lines[2]), "line 2: is a message of flow 8"),
            (
                format!("{}\n{}\n{}\n{}", lines[0], lines[1], lines[2], lines[2]),
                "line 4: has sequence 0",
            ),
            (
                format!("{}\n{}\n{{\"sequence\"", lines[0], lines[1]),
                "line 3: is not a JSON object",
            ),
            (format!("{}\n{{}}", lines[0]), "line 2: is neither"),
            (lines[1].replace("bidirectional", "sideways"), "line 1: `flow_type`"),
        ] {
            let error = imported(&text).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_an_error() {
        let text = exported(Memory::samples());
        let limits = Limits { line_bytes_max: 100 };
        let error = import(&mut text.as_bytes(), limits, &mut Memory::default())
            .unwrap_err()
            .to_string();
        assert_eq!(error, "line 2: is longer than 100 bytes");
    }
}
