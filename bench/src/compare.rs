//! The comparison: every proxy on every case, interleaved, so that what drifts on the machine drifts for all.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::case::Case;
use crate::load::Outcome;
use crate::process::{self, Process};
use crate::proxy::{Lab, Proxy};

/// A proxy may put off work (a recorder does); this is how long it may take to catch up.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(120);
const FINISH_TIME_MAX: Duration = Duration::from_secs(15);

/// One proxy on one case, once.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement {
    /// The proxy's CPU time, user and system, in microseconds.
    pub(crate) cpu_us_per_round_trip: f64,
    pub(crate) round_trips_per_second: f64,
    /// The proxy's CPU time until it came to rest, over the time that the load ran: above 1 for one that catches up.
    pub(crate) busy: f64,
    pub(crate) memory_peak_kib: u64,
    /// Messages missing from the record, for a proxy that keeps one and can be asked.
    pub(crate) record: Option<String>,
}

/// All repetitions of one proxy on one case.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) case: &'static str,
    pub(crate) proxy: Proxy,
    pub(crate) repetitions: Vec<Measurement>,
    /// Why there are fewer than there should be.
    pub(crate) failed: Option<String>,
}

/// How much to measure.
pub(crate) struct Plan {
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) cases: Vec<Case>,
    pub(crate) repetitions: usize,
    /// The load of one measurement fails after this time.
    pub(crate) time_max: Duration,
}

/// Measures everything and says on standard error how it goes. A proxy that fails a case is left out of it from then on.
pub(crate) fn run(lab: &Lab, plan: &Plan) -> Vec<Row> {
    let mut rows = Vec::new();
    for case in &plan.cases {
        let empty = |proxy: &Proxy| Row {
            case: case.name,
            proxy: *proxy,
            repetitions: Vec::new(),
            failed: None,
        };
        let mut case_rows: Vec<Row> = plan.proxies.iter().map(empty).collect();
        for repetition in 1..=plan.repetitions {
            for row in case_rows.iter_mut().filter(|row| row.failed.is_none()) {
                let label = format!(
                    "{} · {repetition}/{} · {}",
                    case.name,
                    plan.repetitions,
                    row.proxy.name()
                );
                match measure(lab, row.proxy, case, plan.time_max) {
                    Ok(measurement) => {
                        eprintln!("{label}: {:.2} us", measurement.cpu_us_per_round_trip);
                        row.repetitions.push(measurement);
                    }
                    Err(error) => {
                        eprintln!("{label}: failed: {error:#}");
                        row.failed = Some(format!("{error:#}"));
                    }
                }
            }
        }
        rows.extend(case_rows);
    }
    rows
}

/// One measurement, with an echo server and a proxy of its own.
///
/// # Errors
/// When the proxy does not start, or the load fails.
pub(crate) fn measure(lab: &Lab, proxy: Proxy, case: &Case, time_max: Duration) -> Result<Measurement> {
    let (_echo, echo_addr) = lab.start_echo()?;
    let running = lab.start(proxy, echo_addr).context("start")?;
    let pid = running.process.pid();
    let mut load = start_load(lab, running.addr.to_string(), case, time_max)?;
    let said = load.line()?;
    anyhow::ensure!(said == "ready", "the load said {said:?} instead of \"ready\"");
    // Work put off during the warm-up is not part of the measurement.
    let cpu_before = process::settled_cpu_seconds(pid, SETTLE_TIME_MAX)?;
    load.release()?;
    let outcome: Outcome = serde_json::from_str(&load.line()?)?;
    let cpu_seconds = process::settled_cpu_seconds(pid, SETTLE_TIME_MAX)? - cpu_before;
    anyhow::ensure!(
        cpu_seconds > 0.0,
        "used no CPU time: is the work done by another process, or too short?"
    );
    load.finish(FINISH_TIME_MAX)?;
    let record = match &running.data_dir {
        Some(data_dir) if proxy.records() => Some(check_record(
            lab.recorded_messages(data_dir),
            outcome.round_trips_in_all * 2,
        )),
        _ => None,
    };
    Ok(Measurement {
        cpu_us_per_round_trip: cpu_seconds * 1e6 / outcome.round_trips as f64,
        round_trips_per_second: outcome.round_trips as f64 / outcome.seconds,
        busy: cpu_seconds / outcome.seconds,
        memory_peak_kib: process::memory_kib(pid, "VmHWM")?,
        record,
    })
}

fn start_load(lab: &Lab, target: String, case: &Case, time_max: Duration) -> Result<Process> {
    let kind = format!("{:?}", case.kind).to_lowercase();
    let warm_up = case.round_trips / 20;
    let numbers = [
        ("--payload-bytes", case.payload_bytes as u64),
        ("--connections", case.connections as u64),
        ("--in-flight", case.in_flight as u64),
        ("--round-trips", case.round_trips),
        ("--warm-up", warm_up),
        ("--seconds-max", time_max.as_secs()),
    ];
    let mut args = vec![
        "load".to_owned(),
        target,
        "--hold".to_owned(),
        "--kind".to_owned(),
        kind,
    ];
    args.extend(
        numbers
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value.to_string()]),
    );
    Process::start(
        &lab.load_cores,
        &std::env::current_exe()?,
        &args,
        &lab.dir.join("load.log"),
    )
}

/// A record that lacks messages would make a recorder look cheap.
fn check_record(counted: Result<u64>, expected: u64) -> String {
    match counted {
        Ok(recorded) if recorded >= expected => "complete".to_owned(),
        Ok(recorded) => format!("INCOMPLETE: {recorded} of {expected} messages"),
        Err(error) => format!("not checked: {error:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_with_gaps_is_called_so() {
        assert_eq!(check_record(Ok(200), 200), "complete");
        assert!(check_record(Ok(199), 200).starts_with("INCOMPLETE"));
        assert!(check_record(Err(anyhow::anyhow!("gone")), 200).starts_with("not checked"));
    }
}
