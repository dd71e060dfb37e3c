//! What many verdicts under way are worth: throughput of one connection whose messages a slow hook judges, one at a time
//! and many.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::case::{Case, Kind};
use crate::compare;
use crate::proxy::{HookLoad, Lab, Proxy};

/// How long the hook takes.
pub(crate) const DELAY_MS: u64 = 5;
/// Messages that wait for an echo.
pub(crate) const IN_FLIGHT: usize = 32;

/// One reading.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// `hook.in_flight`.
    pub(crate) in_flight: usize,
    pub(crate) round_trips_per_second: f64,
    pub(crate) failed: Option<String>,
}

/// Measures with one verdict under way, and with as many as there are messages.
pub(crate) fn run(lab: &Lab, scale: f64, time_max: Duration) -> Vec<Row> {
    let readings = [(1, 300.0), (IN_FLIGHT, 6_000.0)];
    readings
        .map(|(in_flight, round_trips)| {
            let case = Case {
                name: "125 B text, 1 conn, 32 in flight, a hook that takes 5 ms",
                kind: Kind::Text,
                payload_bytes: 125,
                connections: 1,
                in_flight: IN_FLIGHT,
                round_trips: (round_trips * scale).ceil() as u64,
            };
            let lab = lab.with_hook(HookLoad {
                delay_ms: DELAY_MS,
                in_flight,
            });
            let measured: Result<_> = compare::measure(&lab, Proxy::FramegateHook, &case, time_max);
            let (round_trips_per_second, failed) = match measured {
                Ok(measurement) => (measurement.round_trips_per_second, None),
                Err(error) => (0.0, Some(format!("{error:#}"))),
            };
            eprintln!("hook.in_flight = {in_flight}: {round_trips_per_second:.0} round trips a second");
            Row {
                in_flight,
                round_trips_per_second,
                failed,
            }
        })
        .into()
}
