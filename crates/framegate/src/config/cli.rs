//! The command line, as clap reads it. What a command does is not here.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use super::mode::{Mode, parse_addr};
use super::terms::HookUrl;
use crate::flow::FlowId;

/// A WebSocket inspecting proxy: sees, records and may change every message.
///
/// Without a command it runs the proxy, as `framegate run` does.
#[derive(Clone, Debug, Parser)]
#[command(name = "framegate", version, max_term_width = 100)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// The flags of `run`, for a command line without a command.
    #[command(flatten)]
    pub run: RunArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Reads a command line whose first word is the program's name.
    ///
    /// # Errors
    /// As clap has them: a request for help is one as well.
    pub fn read<I, T>(words: I) -> Result<(Global, Command), clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let Self { global, run, command } = Self::try_parse_from(words)?;
        match command {
            None => Ok((global, Command::Run(run))),
            Some(command) if run == RunArgs::default() => Ok((global, command)),
            Some(_) => {
                use clap::CommandFactory;
                let what = "the flags of `run` go behind the command, as in `framegate run --mode regular@:8080`";
                Err(Self::command().error(clap::error::ErrorKind::ArgumentConflict, what))
            }
        }
    }
}

/// What every command takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Global {
    /// Where the CA, the record and run.json are kept [default: ~/.framegate]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "FRAMEGATE_DATA_DIR",
        hide_env_values = true
    )]
    pub data_dir: Option<PathBuf>,
    /// A TOML file of settings
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "FRAMEGATE_CONFIG",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
}

impl Global {
    /// The data directory: as asked for, or else `.framegate` in the home directory; `None`: there is no such thing.
    #[must_use]
    pub fn data_dir(&self) -> Option<PathBuf> {
        let home = || std::env::home_dir().filter(|home| home.is_absolute());
        self.data_dir.clone().or_else(|| Some(home()?.join(".framegate")))
    }
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run the proxy (the default)
    Run(RunArgs),
    /// Show a recorded conversation: an echo server, a client and the proxy in one process
    Demo,
    /// List flows: connections and HTTP exchanges
    Flows(FlowsArgs),
    /// List the messages of a flow
    Messages(MessagesArgs),
    /// Follow messages live, until interrupted
    Tail(TailArgs),
    /// Search the text of message bodies, best matches first
    Search(SearchArgs),
    /// Decide about messages that interception rules hold
    Intercept {
        /// What to do.
        #[command(subcommand)]
        command: InterceptCommand,
    },
    /// Send a message of your own into an open WebSocket
    Inject(InjectArgs),
    /// Write flows to a file of another format
    Export(ExportArgs),
    /// Read flows from a file
    Import(ImportArgs),
    /// The certificate authority that clients have to trust
    Ca {
        /// What to do with it.
        #[command(subcommand)]
        command: CaCommand,
    },
    /// Check the set-up and say what to do
    Doctor(DoctorArgs),
    /// Check a configuration file, or show the effective settings
    Config {
        /// Which.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// `run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct RunArgs {
    /// A door: regular@ADDR, gateway@ADDR or reverse:URL@ADDR; repeatable [default: regular@127.0.0.1:8080]
    #[arg(long = "mode", value_name = "MODE", value_parser = str::parse::<Mode>)]
    pub modes: Vec<Mode>,
    /// Where the HTTP API listens; port 0 picks a free one [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDR", value_parser = parse_addr)]
    pub control: Option<SocketAddr>,
    /// Change one setting, as in limits.idle_ms=60000; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Write what listens where to this file, once everything does
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

impl RunArgs {
    /// All flags that are settings, as [`super::load`] takes them.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        let mut sets = self.sets.clone();
        if !self.modes.is_empty() {
            // Debug quotes as TOML does: a door is of visible ASCII only.
            let modes: Vec<String> = self
                .modes
                .iter()
                .map(|mode| format!("{:?}", mode.to_string()))
                .collect();
            sets.push(format!("listen.modes=[{}]", modes.join(",")));
        }
        sets.extend(self.control.map(|addr| format!("listen.control={addr}")));
        sets
    }
}

/// `flows`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct FlowsArgs {
    /// Which flows, such as 'host == "example.com"' [default: all]
    pub filter: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// `messages`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct MessagesArgs {
    /// The flow's id
    #[arg(value_parser = flow_id)]
    pub flow: FlowId,
    /// Which messages, such as 'body.contains("error")' [default: all]
    pub filter: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `tail`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct TailArgs {
    /// Which messages, such as 'body.contains("error")' [default: all]
    pub filter: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `search`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct SearchArgs {
    /// What to look for
    pub words: String,
    /// In which messages, such as 'direction == "send"' [default: all]
    pub filter: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `intercept`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum InterceptCommand {
    /// List the messages that are held
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Let a held message go on as it is
    Release {
        /// The id, as `framegate intercept list` has it
        id: u64,
        /// Print a JSON object when it is done
        #[arg(long)]
        json: bool,
    },
    /// Let a held message go on with another payload
    Modify(ModifyArgs),
    /// Let a held message go no further
    Drop {
        /// The id, as `framegate intercept list` has it
        id: u64,
        /// Print a JSON object when it is done
        #[arg(long)]
        json: bool,
    },
}

/// `intercept modify`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("one payload").required(true).args(["text", "base64", "file"]))]
pub struct ModifyArgs {
    /// The id, as `framegate intercept list` has it
    pub id: u64,
    /// What takes its place.
    #[command(flatten)]
    pub payload: PayloadArgs,
    /// Print a JSON object when it is done
    #[arg(long)]
    pub json: bool,
}

/// A payload, in one of three ways.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct PayloadArgs {
    /// As text
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// In base64
    #[arg(long, value_name = "BASE64")]
    pub base64: Option<String>,
    /// What is in a file
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// `inject`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("one message").required(true).args(["text", "base64", "file", "ping", "close"]))]
pub struct InjectArgs {
    /// The flow's id
    #[arg(value_parser = flow_id)]
    pub flow: FlowId,
    /// Who gets it: client or server
    #[arg(long, value_name = "PEER", value_parser = ["client", "server"])]
    pub to: String,
    /// A text message, or a binary one.
    #[command(flatten)]
    pub payload: PayloadArgs,
    /// An empty Ping
    #[arg(long)]
    pub ping: bool,
    /// A Close with this code, such as 1000
    #[arg(long, value_name = "CODE")]
    pub close: Option<u16>,
    /// The reason of the Close
    #[arg(long, value_name = "TEXT", requires = "close", allow_hyphen_values = true)]
    pub reason: Option<String>,
    /// Print a JSON object when it is done
    #[arg(long)]
    pub json: bool,
}

/// `export`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ExportArgs {
    /// har, jsonl or csv
    #[arg(long, value_parser = str::parse::<ExportFormat>)]
    pub format: ExportFormat,
    /// Where to [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which flows, such as 'host == "example.com"' [default: all]
    pub filter: Option<String>,
}

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// HTTP Archive 1.2.
    Har,
    /// JSON objects, one a line.
    Jsonl,
    /// Comma-separated values (RFC 4180).
    Csv,
}

impl std::str::FromStr for ExportFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "har" => Ok(Self::Har),
            "jsonl" => Ok(Self::Jsonl),
            "csv" => Ok(Self::Csv),
            "pcapng" => Err("pcapng is not in this version; there are har, jsonl and csv"),
            _ => Err("expected har, jsonl or csv"),
        }
    }
}

/// `import`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ImportArgs {
    /// A file that `export` or another tool wrote
    pub file: PathBuf,
}

/// `ca`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CaCommand {
    /// Print where the certificate is
    Path,
    /// Copy the certificate (PEM) to a file
    Export {
        /// The file; `-` is standard output
        file: PathBuf,
    },
    /// Have this machine trust the certificate
    Install,
}

/// `doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct DoctorArgs {
    /// Asks each hook about a harmless message and about an attack, and says what its answers mean
    #[arg(value_name = "waf")]
    pub what: Option<DoctorSubject>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Change one setting, as in limits.idle_ms=60000; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// With waf: ask this hook, as if x-wsproxy-inboundhook named it, and none of the routes; repeatable
    #[arg(long = "hook", value_name = "URL", requires = "what", value_parser = str::parse::<HookUrl>)]
    pub hooks: Vec<HookUrl>,
    /// With waf: the URL that a client has asked for [default: host and path of the route]
    #[arg(long, value_name = "URL", requires = "what", value_parser = client_url)]
    pub url: Option<HookUrl>,
}

/// What the doctor can look at alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoctorSubject {
    /// The hooks.
    Waf,
}

/// `config`.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Say whether a file is in order, and what is wrong with it
    Check {
        /// A TOML file of settings
        file: PathBuf,
    },
    /// Show the effective settings, each with where it came from
    Show(ShowArgs),
}

/// `config show`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct ShowArgs {
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Change one setting, as in limits.idle_ms=60000; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The URL of a WebSocket, of which host, path and query matter.
fn client_url(text: &str) -> Result<HookUrl, String> {
    let http = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ws") => format!("http://{rest}"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => format!("https://{rest}"),
        _ => text.to_owned(),
    };
    let wrong = "expected the URL of a WebSocket, such as wss://chat.example/room";
    http.parse().map_err(|why| format!("{why}; {wrong}"))
}

fn flow_id(text: &str) -> Result<FlowId, String> {
    FlowId::parse(text).ok_or_else(|| "expected the number of a flow, as `framegate flows` lists it".to_owned())
}

#[cfg(test)]
mod tests;
