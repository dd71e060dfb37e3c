//! What an idle connection costs a proxy in resident memory.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::handshake;
use crate::process;
use crate::proxy::{Lab, Proxy};

/// Opened and closed before the first reading, so that what a proxy allocates once is not counted.
const WARM_UP_CONNECTIONS: usize = 50;
const REST_TIME_MAX: Duration = Duration::from_secs(20);
const REST_EVERY: Duration = Duration::from_millis(250);

/// One proxy's reading.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) proxy: Proxy,
    pub(crate) memory_before_kib: u64,
    pub(crate) memory_after_kib: u64,
    pub(crate) kib_per_connection: f64,
    pub(crate) failed: Option<String>,
}

/// Opens `connections` plain WebSocket connections through each proxy, sends nothing, and reads its memory.
///
/// # Errors
/// When this process may not open enough files; what goes wrong with one proxy stands in its row.
pub(crate) fn run(lab: &Lab, proxies: &[Proxy], connections: usize) -> Result<Vec<Row>> {
    let needed = 2 * connections as u64 + 200;
    let allowed = open_files_max()?;
    anyhow::ensure!(
        allowed >= needed,
        "{connections} connections need {needed} open files in the proxy and {allowed} are allowed: raise `ulimit -n`"
    );
    let row = |proxy: &Proxy| match measure(lab, *proxy, connections) {
        Ok((before, after)) => Row {
            proxy: *proxy,
            memory_before_kib: before,
            memory_after_kib: after,
            kib_per_connection: (after as f64 - before as f64) / connections as f64,
            failed: None,
        },
        Err(error) => Row {
            proxy: *proxy,
            memory_before_kib: 0,
            memory_after_kib: 0,
            kib_per_connection: 0.0,
            failed: Some(format!("{error:#}")),
        },
    };
    Ok(proxies.iter().map(row).collect())
}

fn measure(lab: &Lab, proxy: Proxy, connections: usize) -> Result<(u64, u64)> {
    let (_echo, echo_addr) = lab.start_echo()?;
    let running = lab.start(proxy, echo_addr).context("start")?;
    let pid = running.process.pid();
    let open = |count: usize| -> Result<Vec<_>> {
        (0..count)
            .map(|n| handshake::connect(running.addr, false).with_context(|| format!("connection {n}")))
            .collect()
    };
    drop(open(WARM_UP_CONNECTIONS)?);
    let before = memory_at_rest(pid)?;
    let held = open(connections)?;
    let after = memory_at_rest(pid)?;
    drop(held);
    Ok((before, after))
}

/// The resident memory once it has been the same for three readings.
fn memory_at_rest(pid: u32) -> Result<u64> {
    let deadline = Instant::now() + REST_TIME_MAX;
    let mut last = 0;
    let mut same = 0;
    while same < 3 && Instant::now() < deadline {
        std::thread::sleep(REST_EVERY);
        let now = process::memory_kib(pid, "VmRSS")?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    Ok(last)
}

fn open_files_max() -> Result<u64> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .context("no such limit")?;
    let soft = line.split_whitespace().next().context("no value")?;
    Ok(soft.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_known() {
        assert!(open_files_max().unwrap() >= 3);
    }
}
