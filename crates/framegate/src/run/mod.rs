//! Puts the parts together: `framegate run` from its start to its exit, and `framegate demo`.
//!
//! Reading order: [`run`] (the whole life) · `proxy` (what is started, in which order, and how it is stopped) ·
//! `signals` · `reload` · `open_files` · `demo`. What a connection does is not here.

mod demo;
mod open_files;
mod proxy;
mod reload;
mod signals;

pub use demo::demo;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use crate::config::cli::RunArgs;
use crate::config::{self, Log};
use crate::control::client::Client;
use crate::control::exit::ExitError;
use crate::control::run_file::{Published, RunFile};
use crate::telemetry;
use proxy::Proxy;
use reload::Sources;
use signals::{Signal, Signals};
use tokio::time::MissedTickBehavior;

/// How often the files of plugins are looked at.
const PLUGINS_EVERY: Duration = Duration::from_secs(1);

/// `framegate run`: serves until SIGTERM or SIGINT, then drains. A second one of these ends it at once; SIGHUP reads
/// the configuration again.
///
/// # Errors
/// [`ExitError::Usage`] if the configuration is wrong, [`ExitError::Failed`] if a port is taken, another framegate
/// has the data directory, or the store failed and `store.on_error` is "stop"; [`ExitError::Signal`] after a second
/// signal.
pub fn run(data_dir: &Path, file: Option<&Path>, args: &RunArgs) -> Result<(), ExitError> {
    let sources = Sources {
        file: file.map(Path::to_owned),
        sets: args.sets(),
    };
    let loaded = sources.load()?;
    start_log(&loaded.settings.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    open_files::raise(loaded.settings.limits.connections_max);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // Before anything can be told to the world: whoever reads that the doors are open may send a signal at once.
        let mut signals =
            Signals::listen().map_err(|error| ExitError::Failed(format!("cannot listen for signals: {error}")))?;
        refuse_a_second(data_dir).await?;
        let proxy = Proxy::start(data_dir, loaded.settings)?;
        let _published = publish(&proxy, data_dir, args.ready_file.as_deref())?;
        announce(&proxy);
        serve(proxy, &mut signals, &sources).await
    });
    // What still waits for a connection that does not end is left behind.
    runtime.shutdown_background();
    ended
}

/// From the moment at which everything is open.
async fn serve(proxy: Proxy, signals: &mut Signals, sources: &Sources) -> Result<(), ExitError> {
    let mut look = tokio::time::interval(PLUGINS_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let failed = loop {
        tokio::select! {
            _ = look.tick() => reload::plugins(proxy.world()),
            signal = signals.next() => match signal {
                Signal::Reload => reload::reload(sources, proxy.world()),
                Signal::Stop(name, _) => {
                    tracing::info!("{name}: draining; a second signal exits at once");
                    break false;
                }
            },
            () = proxy.failed() => break true,
        }
    };
    tokio::select! {
        () = proxy.stop() => {}
        number = signals.next_stop() => return Err(ExitError::Signal(number)),
    }
    if failed {
        let what = "the store failed, and store.on_error is \"stop\"; the log has the reason";
        return Err(ExitError::Failed(what.to_owned()));
    }
    Ok(())
}

/// The store's lock would say so as well, but there is none if nothing is recorded.
async fn refuse_a_second(data_dir: &Path) -> Result<(), ExitError> {
    if Client::find(data_dir).await.is_none() {
        return Ok(());
    }
    let process = RunFile::read(data_dir).map_or(String::new(), |run_file| format!(" (process {})", run_file.pid));
    Err(ExitError::Failed(format!(
        "another framegate{process} runs with the data directory {}; choose another with --data-dir",
        data_dir.display()
    )))
}

/// Writes `run.json`, and the same to where `--ready-file` says. Both go away with what is returned.
fn publish(proxy: &Proxy, data_dir: &Path, ready_file: Option<&Path>) -> Result<Vec<Published>, ExitError> {
    let run_file = proxy.run_file();
    let own = RunFile::path(data_dir);
    [Some(own.as_path()), ready_file]
        .into_iter()
        .flatten()
        .map(|path| {
            let failed = |error| ExitError::Failed(format!("cannot write {}: {error}", path.display()));
            run_file.publish(path).map_err(failed)
        })
        .collect()
}

/// Tells standard output where the doors are. Nobody has to listen there.
fn announce(proxy: &Proxy) {
    let run_file = proxy.run_file();
    let mut lines = String::new();
    for door in &run_file.modes {
        lines.push_str(&format!("listening {} {}\n", door.mode, door.addr));
    }
    lines.push_str(&format!("listening control {}\n", run_file.control));
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
}

fn start_log(log: &Log) -> Result<(), ExitError> {
    let directives = config::environment().find(|(name, _)| name == "FRAMEGATE_LOG");
    let directives = directives.as_ref().map(|(_, value)| value.as_str());
    telemetry::start(log, directives).map_err(|error| ExitError::Usage(error.to_string()))
}

/// For waiting on the main thread: connections, control door and recorder have threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime, ExitError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| ExitError::Failed(format!("cannot start: {error}")))
}
