//! `framegate doctor`: looks at the set-up, and says what to do about what is not in order. It changes nothing.

mod files;
mod machine;
pub mod waf;

use std::fmt;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use super::exit::ExitError;
use crate::config::{self, Loaded};
use crate::flow::Timestamp;

/// What one look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at, such as `certificate authority`.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// What was seen, in a few words.
    pub seen: String,
    /// What to do about it, or what can be done next.
    pub advice: Option<String>,
    /// The URL of the hook that it is about.
    pub hook: Option<String>,
}

/// How the thing that was looked at is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// In order.
    Ok,
    /// It works, but perhaps not as its owner thinks.
    Warn,
    /// It does not work.
    Fail,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

impl Check {
    fn new(name: &str, status: Status, seen: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            status,
            seen: seen.into(),
            advice: None,
            hook: None,
        }
    }

    fn ok(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, seen)
    }

    fn warn(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, seen)
    }

    fn fail(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Status::Fail, seen)
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self {
            advice: Some(advice.into()),
            ..self
        }
    }
}

/// Looks at everything and writes one line a check: text, or JSON objects with `check`, `status` ("ok", "warn",
/// "fail"), `seen` and `advice` (null: nothing to do).
///
/// # Errors
/// [`ExitError::Silent`] if a check failed, and those of `out`.
pub fn run(data_dir: &Path, loaded: &Loaded, json: bool, out: &mut dyn Write) -> Result<(), ExitError> {
    write(&checks(data_dir, loaded), json, out)
}

/// Writes one line a check.
fn write(checks: &[Check], json: bool, out: &mut dyn Write) -> Result<(), ExitError> {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
    for check in checks {
        let Check {
            name,
            status,
            seen,
            advice,
            hook,
        } = check;
        if json {
            let mut object = json!({ "check": name, "status": status.to_string(), "seen": seen, "advice": advice });
            if let Some(hook) = hook {
                object["hook"] = hook.as_str().into();
            }
            writeln!(out, "{object}")?;
        } else {
            let advice = advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default();
            writeln!(out, "{:4}  {name:width$}  {seen}{advice}", status.to_string())?;
        }
    }
    out.flush()?;
    if checks.iter().any(|check| check.status == Status::Fail) {
        return Err(ExitError::Silent);
    }
    Ok(())
}

/// Looks at everything.
#[must_use]
pub fn checks(data_dir: &Path, loaded: &Loaded) -> Vec<Check> {
    let now = Timestamp::now();
    let running = Running::find(data_dir);
    let listen = &loaded.settings.listen;
    let authority = files::Authority::read(data_dir);

    let mut checks: Vec<Check> = loaded
        .warnings
        .iter()
        .map(|text| Check::warn("configuration", text))
        .collect();
    checks.push(files::data_directory(data_dir));
    checks.push(authority.check(now));
    checks.push(files::database(data_dir));
    checks.push(running.check());
    for mode in &listen.modes {
        checks.push(machine::port(mode.name(), mode.addr(), &running));
    }
    checks.push(machine::port("control", listen.control, &running));
    checks.push(machine::trust(&authority));
    checks.extend(machine::proxy_variables(&listen.modes, &config::proxy_variables()));
    checks.push(machine::clock(data_dir, now));
    checks.push(machine::open_files(loaded.settings.limits.connections_max));
    checks.extend(waf::hint(&loaded.settings));
    checks
}

/// What `run.json` says of a proxy that works on this data directory.
struct Running {
    state: State,
    /// The addresses that it listens on.
    addrs: Vec<SocketAddr>,
}

enum State {
    No,
    Yes(u32),
    /// It says that a proxy is running, and none is.
    Stale(u32),
    Unreadable(String),
}

impl Running {
    fn find(data_dir: &Path) -> Self {
        let path = data_dir.join("run.json");
        let state = |state| Self {
            state,
            addrs: Vec::new(),
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return state(State::No),
            Err(error) => return state(State::Unreadable(format!("{}: {error}", path.display()))),
        };
        let document: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let Some(pid) = document["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()) else {
            return state(State::Unreadable(format!("{}: it names no process", path.display())));
        };
        let modes = document["modes"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|mode| &mode["addr"]);
        let addrs: Vec<SocketAddr> = modes
            .chain(std::iter::once(&document["control"]))
            .filter_map(|addr| addr.as_str()?.parse().ok())
            .collect();
        if !machine::is_alive(pid, &addrs) {
            return state(State::Stale(pid));
        }
        Self {
            state: State::Yes(pid),
            addrs,
        }
    }

    fn check(&self) -> Check {
        let name = "proxy";
        match &self.state {
            State::No => Check::ok(name, "not running").advise("framegate run starts it"),
            State::Yes(pid) => Check::ok(name, format!("running as process {pid}")),
            State::Stale(pid) => Check::warn(name, format!("process {pid} has ended without saying so"))
                .advise("the next framegate run puts that right"),
            State::Unreadable(why) => Check::fail(name, why).advise("remove the file if no framegate is running"),
        }
    }

    fn listens_on(&self, addr: SocketAddr) -> bool {
        matches!(self.state, State::Yes(_)) && self.addrs.contains(&addr)
    }
}
