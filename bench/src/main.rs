//! The benchmark: what proxies cost in CPU time and memory for the same WebSocket work, beside a bare relay.
//!
//! `run` compares, `idle` weighs idle connections; `echo`, `load` and `relay` are the parts they are made of, and can
//! be used alone. Everything stays on loopback.

mod case;
mod frame;
mod handshake;
mod socket;
mod echo;
mod load;
mod relay;
mod responder;
mod process;
mod proxy;
mod compare;
mod idle;
mod hooks;
mod machine;
mod report;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use case::{CASES, Case, Kind};
use compare::Plan;
use load::Load;
use machine::Machine;
use proxy::{HookLoad, Lab, Proxy};
use report::Preface;

/// What proxies cost for the same WebSocket work.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// CPU time per round trip of each proxy in each case, as ratios to a bare relay.
    Run(Run),
    /// Resident memory per idle connection of each proxy.
    Idle(Idle),
    /// Throughput of one connection whose messages a slow hook judges, one at a time and many.
    Hooks(Hooks),
    /// A hook that answers every request with 200, until interrupted.
    Hook {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// How long it takes to.
        #[arg(long, default_value_t = 0)]
        delay_ms: u64,
    },
    /// A WebSocket echo server, until interrupted.
    Echo {
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// The bare relay, until interrupted.
    Relay {
        /// Where connections go.
        target: SocketAddr,
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// The load of one measurement; prints one line of JSON.
    Load(LoadArgs),
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    scene: Scene,
    /// How often each proxy is measured in each case; the figures are medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    repetitions: u32,
    /// Which cases, counted from 1, separated by commas. [default: all]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=CASES.len() as i64))]
    cases: Vec<u32>,
    /// Multiplies the number of round trips: 0.1 for a quick look, which is less exact.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The load of one measurement fails after this many seconds.
    #[arg(long, default_value_t = 300)]
    seconds_max: u64,
}

#[derive(Args)]
struct Idle {
    #[command(flatten)]
    scene: Scene,
    /// How many connections to open.
    #[arg(long, default_value_t = 2000)]
    connections: usize,
}

#[derive(Args)]
struct Hooks {
    #[command(flatten)]
    scene: Scene,
    /// Multiplies the number of round trips.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

#[derive(Args)]
struct Scene {
    /// Which proxies, separated by commas.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "relay,nginx,haproxy,framegate,framegate-record,framegate-index"
    )]
    proxies: Vec<Proxy>,
    /// The framegate to measure. [default: the one beside this program]
    #[arg(long)]
    framegate: Option<PathBuf>,
    /// The core that the proxy is pinned to, as `taskset -c` takes it.
    #[arg(long, default_value = "0")]
    proxy_cores: String,
    /// The cores of the load and the echo server.
    #[arg(long, default_value = "1")]
    load_cores: String,
    /// Where results go. [default: bench/results]
    #[arg(long)]
    results: Option<PathBuf>,
}

#[derive(Args)]
struct LoadArgs {
    target: SocketAddr,
    #[arg(long, value_enum, default_value = "text")]
    kind: Kind,
    #[arg(long, default_value_t = 125)]
    payload_bytes: usize,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Messages under way on each connection.
    #[arg(long, default_value_t = 1)]
    in_flight: usize,
    /// Over all connections.
    #[arg(long, default_value_t = 100_000)]
    round_trips: u64,
    /// Unmeasured round trips before them.
    #[arg(long, default_value_t = 0)]
    warm_up: u64,
    #[arg(long, default_value_t = 300)]
    seconds_max: u64,
    /// Say `ready` after the warm-up and begin at a line on standard input.
    #[arg(long)]
    hold: bool,
}

fn main() -> Result<ExitCode> {
    match Cli::parse().command {
        Command::Hooks(args) => return weigh_hooks(&args),
        Command::Hook { listen, delay_ms } => responder::run(listen, Duration::from_millis(delay_ms))?,
        Command::Echo { listen } => echo::run(listen)?,
        Command::Relay { target, listen } => relay::run(listen, target)?,
        Command::Load(args) => load::run(&args.into())?,
        Command::Run(args) => return run_comparison(&args),
        Command::Idle(args) => return weigh_idle(&args),
    }
    Ok(ExitCode::SUCCESS)
}

impl From<LoadArgs> for Load {
    fn from(args: LoadArgs) -> Self {
        let LoadArgs {
            target,
            kind,
            payload_bytes,
            connections,
            in_flight,
            round_trips,
            warm_up,
            seconds_max,
            hold,
        } = args;
        let time_max = Duration::from_secs(seconds_max);
        Self {
            target,
            kind,
            payload_bytes,
            connections,
            in_flight,
            round_trips,
            warm_up,
            time_max,
            hold,
        }
    }
}

fn run_comparison(args: &Run) -> Result<ExitCode> {
    anyhow::ensure!(
        args.scale > 0.0 && args.scale <= 100.0,
        "--scale is above 0 and at most 100"
    );
    let scaled = |case: Case| Case {
        round_trips: (case.round_trips as f64 * args.scale).ceil() as u64,
        ..case
    };
    let chosen = |n: usize| args.cases.is_empty() || args.cases.iter().any(|case| *case as usize == n + 1);
    let cases = CASES
        .into_iter()
        .enumerate()
        .filter(|(n, _)| chosen(*n))
        .map(|(_, case)| scaled(case))
        .collect();
    args.scene.enact("compare", |lab, proxies, preface| {
        let time_max = Duration::from_secs(args.seconds_max);
        let plan = Plan {
            proxies,
            cases,
            repetitions: args.repetitions as usize,
            time_max,
        };
        let rows = compare::run(lab, &plan);
        let failed = rows.iter().any(|row| row.failed.is_some());
        Ok((report::comparison(preface, &rows)?, failed))
    })
}

fn weigh_idle(args: &Idle) -> Result<ExitCode> {
    anyhow::ensure!(args.connections > 0, "--connections is at least 1");
    args.scene.enact("idle", |lab, proxies, preface| {
        let rows = idle::run(lab, &proxies, args.connections)?;
        let failed = rows.iter().any(|row| row.failed.is_some());
        Ok((report::idle(preface, &rows, args.connections)?, failed))
    })
}

fn weigh_hooks(args: &Hooks) -> Result<ExitCode> {
    anyhow::ensure!(args.scale > 0.0, "--scale is above 0");
    args.scene.enact("hooks", |lab, _, preface| {
        let rows = hooks::run(lab, args.scale, Duration::from_secs(300));
        let failed = rows.iter().any(|row| row.failed.is_some());
        Ok((report::hooks(preface, &rows)?, failed))
    })
}

impl Scene {
    /// Sets the scene, measures, prints and saves the report, and clears up. The exit code is 1 when a proxy that is
    /// there failed; one that is missing is only named.
    fn enact(
        &self,
        name: &str,
        measure: impl FnOnce(&Lab, Vec<Proxy>, &Preface) -> Result<(String, bool)>,
    ) -> Result<ExitCode> {
        let exe = std::env::current_exe()?;
        let beside = exe.parent().context("this program has no directory")?;
        // On the disk of the build, not in a temporary directory that may be memory: a record goes to disk.
        let dir = beside.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let framegate = self.framegate.clone().unwrap_or_else(|| beside.join("framegate"));
        let (proxy_cores, load_cores) = (self.proxy_cores.clone(), self.load_cores.clone());
        let lab = Lab {
            dir,
            framegate,
            proxy_cores,
            load_cores,
            hook: HookLoad {
                delay_ms: 0,
                in_flight: 16,
            },
        };
        let preface = Preface::now(Machine::here(&lab, &self.proxies));
        for proxy in &preface.machine.missing {
            eprintln!("{}: missing (not installed or not built)", proxy.name());
        }
        let present = self
            .proxies
            .iter()
            .copied()
            .filter(|proxy| lab.program(*proxy).is_some())
            .collect();
        let measured = measure(&lab, present, &preface);
        let cleared = fs::remove_dir_all(&lab.dir).with_context(|| format!("remove {}", lab.dir.display()));
        let (text, failed) = measured?;
        cleared?;
        print!("{text}");
        let results = self
            .results
            .clone()
            .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("results"));
        eprintln!(
            "saved as {}",
            report::save(&results, &preface.date, name, &text)?.display()
        );
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
