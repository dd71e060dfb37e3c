//! Child processes on a core of their own, and what the kernel knows of them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The unit of `/proc/PID/stat` times on every Linux that Rust's standard library supports: 10 ms.
const TICKS_PER_SECOND: f64 = 100.0;
const STOP_TIME_MAX: Duration = Duration::from_secs(10);
const POLL_EVERY: Duration = Duration::from_millis(20);
const SETTLE_EVERY: Duration = Duration::from_millis(200);

/// A child process, ended when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    log: PathBuf,
}

impl Process {
    /// Starts `program` on the given cores (a list as `taskset -c` takes it); its standard error goes to `log`.
    ///
    /// # Errors
    /// When `taskset` or the log file cannot be had.
    pub(crate) fn start(cores: &str, program: &Path, args: &[String], log: &Path) -> Result<Self> {
        let mut child = Command::new("taskset")
            .args(["-c", cores])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(log).with_context(|| format!("create {}", log.display()))?)
            .spawn()
            .context("start taskset (of util-linux), which pins each process to its core")?;
        let stdout = child.stdout.take().map(BufReader::new);
        Ok(Self {
            child,
            stdout,
            log: log.to_owned(),
        })
    }

    /// `taskset` replaces itself, so this is the program's own id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of the process's standard output.
    ///
    /// # Errors
    /// When the process ends instead; the message is its last words.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if let Some(stdout) = &mut self.stdout {
            stdout.read_line(&mut line)?;
        }
        if line.is_empty() {
            bail!("{}", self.last_words());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Waits for `listening ADDR`, the first line of our own servers.
    ///
    /// # Errors
    /// When something else comes.
    pub(crate) fn listening(&mut self) -> Result<SocketAddr> {
        let line = self.line()?;
        let addr = line
            .strip_prefix("listening ")
            .with_context(|| format!("unexpected line {line:?}"))?;
        Ok(addr.parse()?)
    }

    /// Lets a process that waits for a line on its standard input go on.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn release(&mut self) -> Result<()> {
        use std::io::Write as _;
        let stdin = self.child.stdin.as_mut().context("no standard input")?;
        stdin.write_all(b"\n").with_context(|| self.log.display().to_string())?;
        Ok(())
    }

    /// Asks `ready` every 20 ms until it has an answer.
    ///
    /// # Errors
    /// When the process ends first, or the time is over.
    pub(crate) fn wait_for<T>(&mut self, time_max: Duration, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + time_max;
        loop {
            if let Some(answer) = ready() {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("ended before it was ready ({status}): {}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!("not ready within {} s: {}", time_max.as_secs(), self.last_words());
            }
            std::thread::sleep(POLL_EVERY);
        }
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not within the time, or not well.
    pub(crate) fn finish(mut self, time_max: Duration) -> Result<()> {
        let deadline = Instant::now() + time_max;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!("{status}: {}", self.last_words()),
                None if Instant::now() > deadline => bail!("still running after {} s", time_max.as_secs()),
                None => std::thread::sleep(POLL_EVERY),
            }
        }
    }

    /// The last line of standard error, which usually says what went wrong.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let line = log
            .lines()
            .rev()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no message");
        line.strip_prefix("Error: ").unwrap_or(line).to_owned()
    }
}

impl Drop for Process {
    /// Asks politely first, so that no proxy leaves anything behind.
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status()
            .is_ok_and(|status| status.success());
        let deadline = Instant::now() + STOP_TIME_MAX;
        while asked && Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(POLL_EVERY);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU seconds, user and system, of the process with all its threads, also those that have ended.
///
/// # Errors
/// When the process is gone.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the proxy is gone")?;
    Ok(cpu_ticks(&stat).context("unexpected form of /proc/PID/stat")? as f64 / TICKS_PER_SECOND)
}

/// Fields 14 and 15 of `/proc/PID/stat`; the second field is a name in parentheses that may itself hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?)
}

/// Waits until the process has used no more CPU for 400 ms (what it put off is part of the work), and returns its
/// CPU seconds.
///
/// # Errors
/// When it is gone, or does not come to rest in time.
pub(crate) fn settled_cpu_seconds(pid: u32, time_max: Duration) -> Result<f64> {
    let deadline = Instant::now() + time_max;
    let mut last = cpu_seconds(pid)?;
    let mut still = 0;
    while still < 2 {
        if Instant::now() > deadline {
            bail!(
                "the proxy was still busy {} s after the last message",
                time_max.as_secs()
            );
        }
        std::thread::sleep(SETTLE_EVERY);
        let now = cpu_seconds(pid)?;
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

/// Resident memory in KiB: now (`VmRSS`) or at its highest (`VmHWM`).
///
/// # Errors
/// When the process is gone.
pub(crate) fn memory_kib(pid: u32, field: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the proxy is gone")?;
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .context("no such field")?;
    Ok(value.trim().trim_end_matches(" kB").parse()?)
}

/// Finds a program in `PATH` and where the distributions keep servers.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_name() {
        let stat = "4242 (a) b (c) S 1 4242 4242 0 -1 4194304 120 0 0 0 731 269 5 7 20 0 1 0 99 1000 200";
        assert_eq!(cpu_ticks(stat), Some(1000));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn the_memory_of_this_process_is_known() {
        let pid = std::process::id();
        assert!(memory_kib(pid, "VmHWM").unwrap() >= memory_kib(pid, "VmRSS").unwrap() / 2);
        assert!(memory_kib(pid, "VmNothing").is_err());
    }
}
