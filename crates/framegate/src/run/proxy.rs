//! The running proxy: what is started, in which order, and how it is stopped.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Settings};
use crate::control::api;
use crate::control::cli::DATABASE_NAME;
use crate::control::exit::ExitError;
use crate::control::operations::{Context, Running};
use crate::control::run_file::{Door, RunFile};
use crate::flow::Timestamp;
use crate::inspect::{Hooks, Judges};
use crate::listen::{self, Listening, Rules, World};
use crate::record::{Recorder, RecorderConfig, RecorderThread};
use crate::secret::Secret;
use crate::tls::{self, Ca, Tls};

/// For what comes after the Closes: the last entries of the record, the end of the tasks.
const GRACE: Duration = Duration::from_secs(1);

/// Everything that runs. Dropped without [`Proxy::stop`], it goes on until the process ends.
#[derive(Debug)]
pub(super) struct Proxy {
    run_file: RunFile,
    world: World,
    listening: Listening,
    control: api::Serving,
    recorder_thread: Option<RecorderThread>,
    failed: CancellationToken,
    stopping: CancellationToken,
}

impl Proxy {
    /// Starts the recorder, then opens the doors and the control door.
    ///
    /// # Errors
    /// [`ExitError::Usage`] if a setting names something that cannot be used, otherwise [`ExitError::Failed`], which says
    /// which file, door or address is meant.
    pub(super) fn start(data_dir: &Path, settings: Settings) -> Result<Self, ExitError> {
        create_directory(data_dir)?;
        let ca = Arc::new(Ca::load_or_create(&tls::ca::directory(data_dir)).map_err(failed)?);
        let tls = Tls::new(&settings, Arc::clone(&ca)).map_err(|error| ExitError::Usage(error.to_string()))?;
        let tls = Arc::new(ArcSwap::from_pointee(tls));
        let token = token(&settings)?;
        let control_listener = bind_control(settings.listen.control)?;
        let settings = Arc::new(settings);
        let store_failed = CancellationToken::new();
        let database = data_dir.join(DATABASE_NAME);
        let (recorder, recorder_thread) = recorder(&database, &settings, &store_failed)?;
        let judges = Judges::new(&settings, Arc::default()).map_err(|error| ExitError::Usage(error.to_string()))?;
        let gateway = Rules::new(&settings).map_err(ExitError::Usage)?;
        let world = World {
            settings: Arc::new(ArcSwap::new(Arc::clone(&settings))),
            hooks: Arc::new(Hooks::new(Arc::clone(&tls))),
            tls,
            judges: Arc::new(ArcSwap::from_pointee(judges)),
            gateway: Arc::new(ArcSwap::from_pointee(gateway)),
            live: Arc::default(),
            sources: Arc::default(),
            slots: Arc::default(),
            recorder,
            ca,
            stop_accepting: CancellationToken::new(),
            close_now: CancellationToken::new(),
        };
        let threads = threads(settings.listen.threads);
        let listening = listen::start(&settings.listen.modes, threads, world.clone()).map_err(failed)?;
        let doors = listening.doors.iter();
        let doors: Vec<Door> = doors.map(|(mode, addr)| door(mode.name(), *addr)).collect();
        let stopping = CancellationToken::new();
        let running = Running {
            settings: Arc::clone(&world.settings),
            store_failed: store_failed.clone(),
            recording: Box::new(world.recorder.clone()),
            judges: Arc::clone(&world.judges),
            hooks: Arc::clone(&world.hooks),
            live: Arc::clone(&world.live),
            started_at: Timestamp::now(),
            doors: doors.clone(),
            draining: world.stop_accepting.clone(),
            stopping: stopping.clone(),
        };
        let context = Context::of_running(database, running);
        let limits = api::Limits::default();
        let control = api::start(control_listener, context, token.clone(), limits, stopping.clone())
            .map_err(|error| ExitError::Failed(format!("cannot start the control door: {error}")))?;
        let run_file = RunFile {
            pid: std::process::id(),
            modes: doors,
            control: control.addr(),
            token,
        };
        Ok(Self {
            run_file,
            world,
            listening,
            control,
            recorder_thread,
            failed: store_failed,
            stopping,
        })
    }

    /// Where it listens.
    pub(super) fn run_file(&self) -> &RunFile {
        &self.run_file
    }

    /// What its connections share.
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Waits until the store has failed for good.
    pub(super) async fn failed(&self) {
        self.failed.cancelled().await;
    }

    /// Takes no more connections, gives the open ones `limits.drain_ms` to end by themselves, closes them with 1001, and
    /// ends once what they said is on record. The control door answers until then.
    pub(super) async fn stop(self) {
        let Self {
            world,
            listening,
            control,
            recorder_thread,
            stopping,
            ..
        } = self;
        let limits = world.settings.load().limits.clone();
        world.stop_accepting.cancel();
        let mut ended = spawn_blocking(move || listening.join());
        let mut all_ended = timeout(Duration::from_millis(limits.drain_ms), &mut ended)
            .await
            .is_ok();
        if !all_ended {
            tracing::info!("the drain time is over: closing the connections that are still open");
            world.close_now.cancel();
            // `limits.close_ms` is for the peer's Close, and again for the end of the stream.
            let closing = Duration::from_millis(limits.close_ms.saturating_mul(2)).saturating_add(GRACE);
            all_ended = timeout(closing, &mut ended).await.is_ok();
        }
        world.recorder.flush().await;
        // Those who follow the record have seen the last of it now.
        stopping.cancel();
        let _ = spawn_blocking(move || control.join()).await;
        if !all_ended {
            tracing::warn!("some connections did not end in time: their flows will be marked as interrupted");
            return;
        }
        drop(world);
        if let Some(thread) = recorder_thread {
            // Everything is committed by now: somebody who still holds on to the recorder keeps nobody waiting.
            let _ = timeout(GRACE, spawn_blocking(move || thread.join())).await;
        }
    }
}

/// The recorder, and its thread if anything is recorded.
fn recorder(
    database: &Path,
    settings: &Arc<Settings>,
    store_failed: &CancellationToken,
) -> Result<(Recorder, Option<RecorderThread>), ExitError> {
    if !settings.record.enabled {
        return Ok((Recorder::disabled(), None));
    }
    let config = RecorderConfig {
        database: database.to_owned(),
        settings: Arc::clone(settings),
        failed: store_failed.clone(),
    };
    let (recorder, thread) = Recorder::start(config).map_err(failed)?;
    Ok((recorder, Some(thread)))
}

/// The data directory is the user's alone.
fn create_directory(data_dir: &Path) -> Result<(), ExitError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(data_dir).map_err(|error| {
        ExitError::Failed(format!(
            "cannot create the data directory {}: {error}",
            data_dir.display()
        ))
    })
}

/// The one that the settings name, or a new one.
fn token(settings: &Settings) -> Result<Secret, ExitError> {
    match settings.control.token_file.as_str() {
        "" => Secret::generate().map_err(failed),
        path => config::read_token(path).map_err(|why| ExitError::Usage(format!("control.token_file ({path}): {why}"))),
    }
}

fn bind_control(addr: SocketAddr) -> Result<TcpListener, ExitError> {
    TcpListener::bind(addr)
        .map_err(|error| ExitError::Failed(format!("cannot listen on {addr} for the control door: {error}")))
}

/// 0 stands for the number of processor cores.
fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, NonZero::get),
        asked => asked,
    }
}

fn door(mode: &str, addr: SocketAddr) -> Door {
    Door {
        mode: mode.to_owned(),
        addr,
    }
}

fn failed(error: impl std::fmt::Display) -> ExitError {
    ExitError::Failed(error.to_string())
}
