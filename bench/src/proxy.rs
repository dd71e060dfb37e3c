//! The proxies under test: how each is configured, started, and known to be ready.
//!
//! Each one is a plain `ws` reverse proxy with one thread on one core. nginx and haproxy are used when they are
//! installed, with nothing but this set-up in their configuration, so their buffers have their default sizes.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::process::{self, Process};

const START_TIME_MAX: Duration = Duration::from_secs(15);

/// What stands between the load and the echo server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Proxy {
    /// This benchmark's own relay: the yardstick.
    Relay,
    Nginx,
    Haproxy,
    /// framegate with the record switched off.
    Framegate,
    /// framegate recording every message to SQLite on disk.
    FramegateRecord,
    /// The same, and putting the words of each into the full-text index: its defaults.
    FramegateIndex,
    /// framegate with the record switched off, and a plugin with a hook in each direction that returns nothing.
    FramegatePlugin,
    /// framegate with the record switched off, and all presets of the safety filter in both directions.
    FramegateSafety,
    /// framegate's gateway door with the record switched off, and a hook for each direction that answers 200.
    FramegateHook,
}

/// The hook of [`Proxy::FramegateHook`], and how it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HookLoad {
    /// How long it takes.
    pub(crate) delay_ms: u64,
    /// `hook.in_flight`.
    pub(crate) in_flight: usize,
}

impl Proxy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Relay => "bare relay",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Framegate => "framegate, no record",
            Self::FramegateRecord => "framegate, record",
            Self::FramegateIndex => "framegate, record and index",
            Self::FramegatePlugin => "framegate, plugin",
            Self::FramegateSafety => "framegate, safety filter",
            Self::FramegateHook => "framegate, hook each way",
        }
    }

    pub(crate) const fn records(self) -> bool {
        matches!(self, Self::FramegateRecord | Self::FramegateIndex)
    }
}

/// Where to start proxies, and with what.
#[derive(Clone)]
pub(crate) struct Lab {
    /// A fresh directory for configurations, logs and data.
    pub(crate) dir: PathBuf,
    pub(crate) framegate: PathBuf,
    pub(crate) proxy_cores: String,
    pub(crate) load_cores: String,
    pub(crate) hook: HookLoad,
}

/// A proxy that accepts connections.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    /// framegate's data directory.
    pub(crate) data_dir: Option<PathBuf>,
    /// Ends with it.
    _hook: Option<Process>,
}

impl Lab {
    /// Where the program of a proxy is; `None` when it is not installed or not built.
    pub(crate) fn program(&self, proxy: Proxy) -> Option<PathBuf> {
        match proxy {
            Proxy::Relay => std::env::current_exe().ok(),
            Proxy::Nginx => process::find("nginx"),
            Proxy::Haproxy => process::find("haproxy"),
            _ => self.framegate.is_file().then(|| self.framegate.clone()),
        }
    }

    /// The first line that the program says of its version.
    pub(crate) fn version(&self, proxy: Proxy) -> Option<String> {
        let flag = if matches!(proxy, Proxy::Nginx | Proxy::Haproxy) {
            "-v"
        } else {
            "--version"
        };
        let output = Command::new(self.program(proxy)?).arg(flag).output().ok()?;
        if !output.status.success() {
            return None;
        }
        let said = if output.stdout.is_empty() {
            output.stderr
        } else {
            output.stdout
        };
        String::from_utf8_lossy(&said).lines().next().map(str::to_owned)
    }

    /// Starts a server of this program's own (`echo`), on the load's cores.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start_echo(&self) -> Result<(Process, SocketAddr)> {
        let exe = std::env::current_exe()?;
        let mut echo = Process::start(&self.load_cores, &exe, &["echo".to_owned()], &self.dir.join("echo.log"))?;
        let addr = echo.listening().context("echo server")?;
        Ok((echo, addr))
    }

    /// The same scene with another hook.
    pub(crate) fn with_hook(&self, hook: HookLoad) -> Self {
        Self { hook, ..self.clone() }
    }

    /// Starts the hook, on the load's cores.
    fn start_hook(&self) -> Result<(Process, SocketAddr)> {
        let exe = std::env::current_exe()?;
        let args = [
            "hook".to_owned(),
            "--delay-ms".to_owned(),
            self.hook.delay_ms.to_string(),
        ];
        let mut hook = Process::start(&self.load_cores, &exe, &args, &self.dir.join("hook.log"))?;
        let addr = hook.listening().context("hook")?;
        Ok((hook, addr))
    }

    fn hook_args(&self, target: SocketAddr, hook: SocketAddr) -> Vec<String> {
        let url = format!("http://{hook}/");
        let sets = [
            format!(
                "routes=[{{upstream=['ws://{target}'],send_hook='{url}',receive_hook='{url}',binary='hook',\
                 compress=true,compress_upstream=true,message_bytes_max=16777216}}]"
            ),
            format!("hook.in_flight={}", self.hook.in_flight),
            // A slow answer is not to end the run.
            "hook.timeout_ms=10000".to_owned(),
        ];
        sets.into_iter().flat_map(|set| ["--set".to_owned(), set]).collect()
    }

    /// Starts a proxy in front of `target` and waits until it accepts connections.
    ///
    /// # Errors
    /// When its program is missing or it does not come up.
    pub(crate) fn start(&self, proxy: Proxy, target: SocketAddr) -> Result<Running> {
        let program = self.program(proxy).context("not installed")?;
        let log = self.dir.join("proxy.log");
        let start = |args: &[String]| Process::start(&self.proxy_cores, &program, args, &log);
        match proxy {
            Proxy::Relay => {
                let mut process = start(&["relay".to_owned(), target.to_string()])?;
                let addr = process.listening()?;
                Ok(Running {
                    process,
                    addr,
                    data_dir: None,
                    _hook: None,
                })
            }
            Proxy::Nginx => {
                let addr = free_address()?;
                let config = self.write("nginx.conf", &nginx_config(&self.dir, addr, target))?;
                await_door(
                    start(&["-p".into(), self.dir.display().to_string(), "-c".into(), config])?,
                    addr,
                )
            }
            Proxy::Haproxy => {
                let addr = free_address()?;
                let config = self.write("haproxy.cfg", &haproxy_config(addr, target))?;
                await_door(start(&["-q".into(), "-db".into(), "-f".into(), config])?, addr)
            }
            _ => {
                let data_dir = self.fresh_data_dir()?;
                fs::write(data_dir.join(PLUGIN_FILE), PLUGIN)?;
                let hook = match proxy {
                    Proxy::FramegateHook => Some(self.start_hook()?),
                    _ => None,
                };
                let mut args = framegate_args(&data_dir, target, proxy);
                if let Some((_, hook)) = &hook {
                    args.extend(self.hook_args(target, *hook));
                }
                let mut process = start(&args)?;
                let ready_file = data_dir.join("ready.json");
                let addr = process.wait_for(START_TIME_MAX, || read_door(&ready_file))?;
                Ok(Running {
                    process,
                    addr,
                    data_dir: Some(data_dir),
                    _hook: hook.map(|(process, _)| process),
                })
            }
        }
    }

    /// How many messages framegate says it recorded, in all flows.
    ///
    /// # Errors
    /// When the query fails or answers something else than flows.
    pub(crate) fn recorded_messages(&self, data_dir: &Path) -> Result<u64> {
        let output = Command::new(&self.framegate)
            .arg("--data-dir")
            .arg(data_dir)
            .args(["flows", "--json", "--limit", "100000"])
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        let lines = String::from_utf8(output.stdout)?;
        lines.lines().try_fold(0, |sum, line| {
            let flow: Flow = serde_json::from_str(line)?;
            Ok(sum + flow.messages_sent + flow.messages_received)
        })
    }

    fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.dir.join(name);
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
        Ok(path.display().to_string())
    }

    fn fresh_data_dir(&self) -> Result<PathBuf> {
        let dir = self.dir.join("data");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }
}

/// The plugin of [`Proxy::FramegatePlugin`]: what every hook costs, and nothing else.
const PLUGIN_FILE: &str = "nothing.star";
const PLUGIN: &str = "\
def on_receive_from_client(message):
    return None

def on_receive_from_server(message):
    return None
";

fn framegate_args(data_dir: &Path, target: SocketAddr, proxy: Proxy) -> Vec<String> {
    let ready_file = data_dir.join("ready.json").display().to_string();
    let judges: Vec<String> = match proxy {
        Proxy::FramegatePlugin => vec![format!("plugins=[{{path={:?}}}]", data_dir.join(PLUGIN_FILE))],
        Proxy::FramegateSafety => vec![
            "safety.input.presets=destructive-sql,destructive-os-command,sql-injection,xss,path-traversal,secrets"
                .into(),
            "safety.input.receive=true".into(),
            "safety.input.binary=true".into(),
        ],
        _ => Vec::new(),
    };
    let mode = match proxy {
        Proxy::FramegateHook => "gateway@127.0.0.1:0".to_owned(),
        _ => format!("reverse:ws://{target}@127.0.0.1:0"),
    };
    let data_dir = data_dir.display().to_string();
    let record = format!("record.enabled={}", proxy.records());
    let index = format!("store.full_text={}", proxy == Proxy::FramegateIndex);
    let args = [
        "run",
        "--data-dir",
        &data_dir,
        "--mode",
        &mode,
        "--control",
        "127.0.0.1:0",
        "--ready-file",
        &ready_file,
        "--set",
        "listen.threads=1",
        "--set",
        &record,
        "--set",
        &index,
    ];
    let judges = judges.into_iter().flat_map(|set| ["--set".to_owned(), set]);
    args.map(str::to_owned).into_iter().chain(judges).collect()
}

/// What framegate writes once all its doors listen; only the part that is needed here.
#[derive(Deserialize)]
struct Ready {
    modes: Vec<Door>,
}

#[derive(Deserialize)]
struct Door {
    addr: SocketAddr,
}

/// A line of `framegate flows --json`; only the part that is needed here.
#[derive(Deserialize)]
struct Flow {
    messages_sent: u64,
    messages_received: u64,
}

fn read_door(ready_file: &Path) -> Option<SocketAddr> {
    let ready: Ready = serde_json::from_slice(&fs::read(ready_file).ok()?).ok()?;
    Some(ready.modes.first()?.addr)
}

/// For a proxy that does not say when it is ready.
fn await_door(mut process: Process, addr: SocketAddr) -> Result<Running> {
    process.wait_for(START_TIME_MAX, || TcpStream::connect(addr).ok())?;
    Ok(Running {
        process,
        addr,
        data_dir: None,
        _hook: None,
    })
}

/// A port that was free a moment ago, for programs that cannot choose one themselves.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn nginx_config(dir: &Path, listen: SocketAddr, target: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "daemon off;
master_process off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {dir}/nginx.pid;
error_log {dir}/proxy.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {dir}/nginx-body;
    proxy_temp_path {dir}/nginx-proxy;
    fastcgi_temp_path {dir}/nginx-fastcgi;
    uwsgi_temp_path {dir}/nginx-uwsgi;
    scgi_temp_path {dir}/nginx-scgi;
    server {{
        listen {listen};
        location / {{
            proxy_pass http://{target};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"
    )
}

fn haproxy_config(listen: SocketAddr, target: SocketAddr) -> String {
    format!(
        "global
    nbthread 1
    maxconn 6000
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend door
    bind {listen}
    default_backend echo
backend echo
    server echo {target}
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_ready_file_names_the_door() {
        let file = std::env::temp_dir().join(format!("bench-ready-{}.json", std::process::id()));
        assert_eq!(read_door(&file), None);
        let text =
            r#"{"pid":1,"modes":[{"mode":"reverse","addr":"127.0.0.1:4567"}],"control":"127.0.0.1:1","token":"t"}"#;
        fs::write(&file, text).unwrap();
        let door = read_door(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(door, Some("127.0.0.1:4567".parse().unwrap()));
    }

    #[test]
    fn framegate_is_told_what_to_do() {
        let args = framegate_args(Path::new("/t"), "127.0.0.1:9".parse().unwrap(), Proxy::Framegate).join(" ");
        assert_eq!(
            args,
            "run --data-dir /t --mode reverse:ws://127.0.0.1:9@127.0.0.1:0 --control 127.0.0.1:0 \
             --ready-file /t/ready.json --set listen.threads=1 --set record.enabled=false --set store.full_text=false"
        );
    }
}
