//! `framegate intercept` and `framegate inject`: what a person decides about messages of the running proxy.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{ExitError, Rows, copy, operation, runtime, show};
use crate::config::cli::{InjectArgs, InterceptCommand, ModifyArgs, PayloadArgs};
use crate::control::cli::ask::Asked;

/// A longer payload travels as the request's body: it must fit into no head.
const PARAM_BYTES_MAX: usize = 8 << 10;

/// `framegate intercept`.
///
/// # Errors
/// [`ExitError::Failed`] if no proxy runs with this data directory, or somebody has answered before;
/// [`ExitError::NotFound`] if no such message was ever held; [`ExitError::Usage`] for a payload that cannot be sent.
pub fn intercept(data_dir: &Path, command: &InterceptCommand) -> Result<(), ExitError> {
    match command {
        InterceptCommand::List { json } => show(data_dir, "held", &[], *json, Rows::Held).map(drop),
        InterceptCommand::Release { id, json } => ask(data_dir, "release", vec![id_of(*id)], None, *json),
        InterceptCommand::Drop { id, json } => ask(data_dir, "drop", vec![id_of(*id)], None, *json),
        InterceptCommand::Modify(ModifyArgs { id, payload, json }) => {
            let mut given = vec![id_of(*id)];
            let file = payload_of(payload)?.give(&mut given);
            ask(data_dir, "modify", given, file, *json)
        }
    }
}

/// `framegate inject`.
///
/// # Errors
/// [`ExitError::NotFound`] if the flow is not open, otherwise as [`intercept`].
pub fn inject(data_dir: &Path, args: &InjectArgs) -> Result<(), ExitError> {
    let mut given = vec![("flow", args.flow.to_string()), ("to", args.to.clone())];
    let mut file = None;
    if let Some(code) = args.close {
        given.extend([("kind", "close".to_owned()), ("code", code.to_string())]);
        given.extend(args.reason.clone().map(|reason| ("reason", reason)));
    } else if args.ping {
        given.push(("kind", "ping".to_owned()));
    } else {
        let kind = if args.payload.text.is_some() { "text" } else { "binary" };
        given.push(("kind", kind.to_owned()));
        file = payload_of(&args.payload)?.give(&mut given);
    }
    ask(data_dir, "inject", given, file, args.json)
}

fn id_of(id: u64) -> (&'static str, String) {
    ("id", id.to_string())
}

/// How a payload travels.
enum Payload {
    /// As a parameter.
    Param(&'static str, String),
    /// As the request's body: it is too long for a parameter.
    Body(File),
}

impl Payload {
    /// Puts it among the parameters, or gives back what the body is.
    fn give(self, given: &mut Vec<(&'static str, String)>) -> Option<File> {
        match self {
            Self::Param(name, value) => {
                given.push((name, value));
                None
            }
            Self::Body(file) => Some(file),
        }
    }
}

fn payload_of(payload: &PayloadArgs) -> Result<Payload, ExitError> {
    let failed = |error: io::Error| ExitError::Failed(format!("cannot keep the payload: {error}"));
    if let Some(path) = &payload.file {
        let what = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ExitError::NotFound(what(error)),
            _ => ExitError::Failed(what(error)),
        })?;
        let found = file.metadata().map_err(|error| ExitError::Failed(what(error)))?;
        if !found.is_file() {
            return Err(ExitError::Failed(format!("{} is not a regular file", path.display())));
        }
        // A body that is empty is none.
        return Ok(match found.len() {
            0 => Payload::Param("base64", String::new()),
            _ => Payload::Body(file),
        });
    }
    let (name, text) = match (&payload.text, &payload.base64) {
        (Some(text), _) => ("text", text.clone()),
        (None, base64) => ("base64", base64.clone().unwrap_or_default()),
    };
    if text.len() <= PARAM_BYTES_MAX {
        return Ok(Payload::Param(name, text));
    }
    let bytes = match name {
        "text" => text.into_bytes(),
        _ => BASE64
            .decode(text.trim())
            .map_err(|error| ExitError::Usage(format!("--base64: {error}")))?,
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    file.write_all(&bytes).and_then(|()| file.rewind()).map_err(failed)?;
    Ok(Payload::Body(file))
}

/// Asks an operation that does something. What it gives is for scripts.
fn ask(
    data_dir: &Path,
    name: &str,
    given: Vec<(&'static str, String)>,
    file: Option<File>,
    json: bool,
) -> Result<(), ExitError> {
    if file.is_none() && json {
        return copy(data_dir, name, &given, &mut io::stdout().lock()).and_then(|()| Ok(writeln!(io::stdout())?));
    }
    runtime()?.block_on(async {
        let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut asked = Asked::ask(data_dir, operation(name)?, &given, file).await?;
        while let Some(bytes) = asked.bytes().await? {
            if json {
                io::stdout().write_all(&bytes)?;
            }
        }
        if json {
            writeln!(io::stdout())?;
        }
        Ok(())
    })
}
