//! The `framegate` binary: reads the command line and hands over to the command.

use std::io::{self, Write};
use std::process::ExitCode;

use framegate::config::cli::{Cli, Command, ConfigCommand, DoctorSubject, Global};
use framegate::config::{self, Loaded};
use framegate::control::exit::ExitError;
use framegate::control::{cli, doctor};
use mimalloc::MiMalloc;

/// A message that is judged is some thirty small allocations that live for a moment, on one thread each. Of the
/// instructions of one with a hook glibc's allocator made a fifth; this one makes a twentieth. Its second version, since
/// the third takes twice the memory for thousands of connections.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let (global, command) = match Cli::read(std::env::args_os()) {
        Ok(read) => read,
        Err(error) => {
            // Help and version are errors to clap as well: 0 for these, 2 for the others. A broken pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match dispatch(&global, &command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn dispatch(global: &Global, command: &Command) -> Result<(), ExitError> {
    match command {
        Command::Run(args) => framegate::run::run(&data_dir(global)?, global.config.as_deref(), args),
        Command::Demo => framegate::run::demo(global.data_dir.as_deref()),
        Command::Config { command } => configuration(global, command),
        Command::Ca { command } => framegate::control::ca::run(&data_dir(global)?, command, &mut io::stdout().lock()),
        Command::Doctor(args) => {
            let loaded = load(global, &args.sets)?;
            let out = &mut io::stdout().lock();
            match args.what {
                None => doctor::run(&data_dir(global)?, &loaded, args.json, out),
                Some(DoctorSubject::Waf) => doctor::waf::run(&loaded.settings, args, out),
            }
        }
        Command::Flows(args) => cli::flows(&data_dir(global)?, args),
        Command::Messages(args) => cli::messages(&data_dir(global)?, args),
        Command::Tail(args) => cli::tail(&data_dir(global)?, args),
        Command::Search(args) => cli::search(&data_dir(global)?, args),
        Command::Export(args) => cli::export(&data_dir(global)?, args),
        Command::Intercept { command } => cli::intercept(&data_dir(global)?, command),
        Command::Inject(args) => cli::inject(&data_dir(global)?, args),
        Command::Import(args) => cli::import(&data_dir(global)?, args),
    }
}

fn configuration(global: &Global, command: &ConfigCommand) -> Result<(), ExitError> {
    let out = &mut io::stdout().lock();
    match command {
        ConfigCommand::Check { file } => {
            // The file for itself: what the environment of this shell says is not the file's fault.
            let loaded = config::load(Some(file), std::iter::empty(), &[])?;
            for warning in &loaded.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}: ok", file.display())?;
        }
        ConfigCommand::Show(args) => {
            let loaded = load(global, &args.sets)?;
            if args.json {
                loaded.write_json(out)?;
            } else {
                loaded.write_text(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

fn load(global: &Global, sets: &[String]) -> Result<Loaded, ExitError> {
    Ok(config::load(global.config.as_deref(), config::environment(), sets)?)
}

fn data_dir(global: &Global) -> Result<std::path::PathBuf, ExitError> {
    let what = "there is no home directory: name a data directory with --data-dir or FRAMEGATE_DATA_DIR";
    global.data_dir().ok_or_else(|| ExitError::Usage(what.to_owned()))
}
