//! The query commands: what was recorded, shown to people and scripts.
//!
//! Each asks one operation: the running proxy's, if one runs with the data directory, or else its own on the record.
//! With `--json` the operation's objects are printed as they are, one a line.

mod ask;
mod judged;
mod rows;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use super::exit::ExitError;
use super::operations::{Item, Operation, OperationError, find};
use crate::config::cli::{ExportArgs, ExportFormat, FlowsArgs, ImportArgs, MessagesArgs, SearchArgs, TailArgs};

pub use judged::{inject, intercept};

use ask::Asked;
use rows::{Rows, Table};

/// The database's name in the data directory.
pub const DATABASE_NAME: &str = "framegate.db";

/// How many flows or hits a person is shown, unless asked otherwise. A script gets all.
const SHOWN: usize = 100;

/// `framegate flows`: the newest flows, the newest last; people are shown 100 unless they say `--limit` (0: all).
///
/// # Errors
/// [`ExitError::Usage`] for a filter, [`ExitError::Failed`] if the record cannot be read.
pub fn flows(data_dir: &Path, args: &FlowsArgs) -> Result<(), ExitError> {
    let limit = args.limit.unwrap_or(if args.json { 0 } else { SHOWN });
    let given = [("limit", limit.to_string()), filter(args.filter.as_ref())];
    let shown = show(data_dir, "flows", &given, args.json, Rows::Flows)?;
    if args.limit.is_none() && shown == SHOWN {
        note(&format!("these are the {SHOWN} newest flows; --limit 0 shows all"));
    }
    Ok(())
}

/// `framegate messages FLOW`.
///
/// # Errors
/// [`ExitError::NotFound`] if there is no such flow, otherwise as [`flows`].
pub fn messages(data_dir: &Path, args: &MessagesArgs) -> Result<(), ExitError> {
    let given = [("flow", args.flow.to_string()), filter(args.filter.as_ref())];
    show(data_dir, "messages", &given, args.json, Rows::Messages).map(drop)
}

/// `framegate search WORDS`, the best first; people are shown 100.
///
/// # Errors
/// As [`flows`].
pub fn search(data_dir: &Path, args: &SearchArgs) -> Result<(), ExitError> {
    let limit = if args.json { 0 } else { SHOWN };
    let given = [
        ("words", args.words.clone()),
        ("limit", limit.to_string()),
        filter(args.filter.as_ref()),
    ];
    let shown = show(data_dir, "search", &given, args.json, Rows::Mixed)?;
    if shown == SHOWN && !args.json {
        note(&format!("these are the {SHOWN} best; --json has all"));
    }
    Ok(())
}

/// `framegate tail`: flows and messages as they happen, until interrupted.
///
/// # Errors
/// [`ExitError::Failed`] if no proxy runs with this data directory, or it stops; otherwise as [`flows`].
pub fn tail(data_dir: &Path, args: &TailArgs) -> Result<(), ExitError> {
    show(
        data_dir,
        "tail",
        &[filter(args.filter.as_ref())],
        args.json,
        Rows::Mixed,
    )
    .map(drop)
}

/// `framegate export`: to a file, which is replaced when all of it is written, or to standard output.
///
/// # Errors
/// [`ExitError::Failed`] if the record cannot be read or the file not be written.
pub fn export(data_dir: &Path, args: &ExportArgs) -> Result<(), ExitError> {
    let format = match args.format {
        ExportFormat::Har => "har",
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Csv => "csv",
    };
    let given = [("format", format.to_owned()), filter(args.filter.as_ref())];
    let Some(path) = args.output.as_deref().filter(|path| *path != Path::new("-")) else {
        return copy(data_dir, "export", &given, &mut io::stdout().lock());
    };
    let failed = |error: io::Error| ExitError::Failed(format!("cannot write {}: {error}", path.display()));
    let to_file = |error| match error {
        ExitError::BrokenPipe => ExitError::Failed(format!("cannot write {}", path.display())),
        error => error,
    };
    // A device or a pipe cannot be replaced.
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        let mut file = File::options().write(true).open(path).map_err(failed)?;
        return copy(data_dir, "export", &given, &mut file).map_err(to_file);
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    copy(data_dir, "export", &given, &mut file).map_err(to_file)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// `framegate import FILE`.
///
/// # Errors
/// [`ExitError::NotFound`] if there is no such file, [`ExitError::Failed`] if it is malformed or cannot be stored.
pub fn import(data_dir: &Path, args: &ImportArgs) -> Result<(), ExitError> {
    let path = &args.file;
    let file = File::open(path).map_err(|error| {
        let what = format!("cannot read {}: {error}", path.display());
        if error.kind() == io::ErrorKind::NotFound {
            ExitError::NotFound(what)
        } else {
            ExitError::Failed(what)
        }
    })?;
    if !file.metadata().is_ok_and(|found| found.is_file()) {
        return Err(ExitError::Failed(format!("{} is not a regular file", path.display())));
    }
    // Nothing says that the proxy has ever run with this data directory.
    std::fs::create_dir_all(data_dir)
        .map_err(|error| ExitError::Failed(format!("cannot create {}: {error}", data_dir.display())))?;
    let of_file = |error| match error {
        OperationError::BadFile(why) => ExitError::Failed(format!("{}: {why}; nothing was imported", path.display())),
        error => error.into(),
    };
    let items = runtime()?.block_on(async {
        let mut asked = Asked::ask(data_dir, operation("import")?, &[], Some(file))
            .await
            .map_err(of_file)?;
        let mut all = Vec::new();
        while let Some(items) = asked.items().await.map_err(of_file)? {
            all.extend(items);
        }
        Ok::<_, ExitError>(all)
    })?;
    for item in &items {
        if let Item::Imported(imported) = item {
            for (count, what) in &imported.warnings {
                note(&format!("{count} times: {what}"));
            }
            writeln!(
                io::stdout(),
                "imported {} flows, {} messages",
                imported.flows,
                imported.messages
            )?;
        }
    }
    Ok(())
}

/// Asks, and prints what comes; returns how many rows it printed for people.
fn show(data_dir: &Path, name: &str, given: &[(&str, String)], json: bool, rows: Rows) -> Result<usize, ExitError> {
    if json {
        return copy(data_dir, name, given, &mut io::stdout().lock()).map(|()| 0);
    }
    let stdout = io::stdout();
    let width = stdout.is_terminal().then(terminal_size::terminal_size).flatten();
    let out = &mut BufWriter::new(stdout.lock());
    let mut table = Table::new(rows, out, width.map(|(width, _)| width.0.into()));
    runtime()?.block_on(async {
        let mut asked = asked(data_dir, name, given).await?;
        while let Some(items) = until_interrupted(asked.is_endless(), asked.items()).await? {
            for item in &items {
                table.row(item)?;
            }
            table.flush()?;
        }
        Ok::<(), ExitError>(())
    })?;
    table.flush()?;
    Ok(table.written())
}

/// Asks, and writes what comes as it is.
fn copy(data_dir: &Path, name: &str, given: &[(&str, String)], out: &mut dyn Write) -> Result<(), ExitError> {
    runtime()?.block_on(async {
        let mut asked = asked(data_dir, name, given).await?;
        while let Some(bytes) = until_interrupted(asked.is_endless(), asked.bytes()).await? {
            out.write_all(&bytes)?;
            out.flush()?;
        }
        Ok::<(), ExitError>(())
    })
}

async fn asked(data_dir: &Path, name: &str, given: &[(&str, String)]) -> Result<Asked, ExitError> {
    let given: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let operation = operation(name)?;
    let asked = Asked::ask(data_dir, operation, &given, None).await?;
    if operation.is_endless() {
        note("following, until interrupted");
    }
    Ok(asked)
}

/// Whoever interrupts an endless answer has seen enough: it has ended well. Of anything else the rest is missing.
async fn until_interrupted<T>(
    endless: bool,
    next: impl Future<Output = Result<Option<T>, OperationError>>,
) -> Result<Option<T>, ExitError> {
    tokio::select! {
        next = next => Ok(next?),
        () = interrupted() => if endless { Ok(None) } else { Err(ExitError::Failed("interrupted".to_owned())) },
    }
}

async fn interrupted() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

fn operation(name: &str) -> Result<&'static Operation, ExitError> {
    find(name).ok_or_else(|| ExitError::Failed(format!("there is no operation {name}")))
}

fn runtime() -> Result<tokio::runtime::Runtime, ExitError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| ExitError::Failed(format!("cannot start: {error}")))
}

/// Left out, a filter means everything, as an empty one does.
fn filter(given: Option<&String>) -> (&'static str, String) {
    ("filter", given.cloned().unwrap_or_default())
}

/// Tells a person something beside the answer.
fn note(what: &str) {
    let _ = writeln!(io::stderr(), "framegate: {}", text::escaped(what));
}

impl From<OperationError> for ExitError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::BadArgument(why) => Self::Usage(why),
            OperationError::NotFound(why) => Self::NotFound(why),
            OperationError::BadFile(why)
            | OperationError::NotRunning(why)
            | OperationError::Conflict(why)
            | OperationError::Failed(why) => Self::Failed(why),
            OperationError::Gone => Self::BrokenPipe,
        }
    }
}
