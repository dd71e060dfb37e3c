//! Results as people and programs read them: Markdown tables with the raw numbers below.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use time::OffsetDateTime;

use crate::machine::Machine;
use crate::proxy::Proxy;
use crate::{compare, hooks, idle};

/// Everything that stands above the tables.
#[derive(Serialize)]
pub(crate) struct Preface {
    pub(crate) date: String,
    pub(crate) command: String,
    pub(crate) machine: Machine,
}

impl Preface {
    /// Today's, with the command that this process was started by.
    pub(crate) fn now(machine: Machine) -> Self {
        let words = std::env::args()
            .skip(1)
            .map(|word| if word.contains(' ') { format!("'{word}'") } else { word });
        let command = ["bench/run".to_owned()]
            .into_iter()
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ");
        Self {
            date: OffsetDateTime::now_utc().date().to_string(),
            command,
            machine,
        }
    }

    fn markdown(&self, title: &str) -> String {
        let Self { date, command, machine } = self;
        format!("# {title}, {date}\n\n- command: `{command}`\n{}\n", machine.markdown())
    }
}

/// The comparison.
///
/// # Errors
/// When the numbers cannot be written as JSON.
pub(crate) fn comparison(preface: &Preface, rows: &[compare::Row]) -> Result<String> {
    let mut out = preface.markdown("CPU per round trip");
    out.push_str("## CPU of the proxy in microseconds per round trip, and times the bare relay's\n\n");
    out.push_str(&table(&summary(rows)));
    out.push_str(
        "\nMedians; one round trip is two messages. Microseconds per round trip are CPU seconds per million.\n",
    );
    out.push_str("\n## Details\n\n");
    out.push_str(&table(&details(rows)));
    out.push_str(&json(preface, rows)?);
    Ok(out)
}

/// The memory of idle connections.
///
/// # Errors
/// When the numbers cannot be written as JSON.
pub(crate) fn idle(preface: &Preface, rows: &[idle::Row], connections: usize) -> Result<String> {
    let mut out = preface.markdown(&format!("Resident memory of {connections} idle connections"));
    let mut cells = vec![
        ["proxy", "KiB per connection", "before, KiB", "after, KiB"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for row in rows {
        let measured = match &row.failed {
            Some(reason) => vec![format!("failed: {reason}"), String::new(), String::new()],
            None => vec![
                format!("{:.1}", row.kib_per_connection),
                row.memory_before_kib.to_string(),
                row.memory_after_kib.to_string(),
            ],
        };
        cells.push([vec![row.proxy.name().to_owned()], measured].concat());
    }
    out.push_str(&table(&cells));
    out.push_str(&json(preface, rows)?);
    Ok(out)
}

/// What verdicts under way at once are worth.
///
/// # Errors
/// When the numbers cannot be written as JSON.
pub(crate) fn hooks(preface: &Preface, rows: &[hooks::Row]) -> Result<String> {
    let mut out = preface.markdown(&format!(
        "Throughput of one connection with {} messages in flight and a hook that takes {} ms",
        hooks::IN_FLIGHT,
        hooks::DELAY_MS
    ));
    let header = ["hook.in_flight", "round trips a second", "times the first"];
    let mut cells = vec![header.map(str::to_owned).to_vec()];
    let first = rows.first().map_or(0.0, |row| row.round_trips_per_second);
    for row in rows {
        let measured = match &row.failed {
            Some(reason) => [format!("failed: {reason}"), String::new()],
            None => [
                format!("{:.0}", row.round_trips_per_second),
                format!("{:.1}", row.round_trips_per_second / first),
            ],
        };
        cells.push([vec![row.in_flight.to_string()], measured.to_vec()].concat());
    }
    out.push_str(&table(&cells));
    out.push_str(&json(preface, rows)?);
    Ok(out)
}

/// Writes a result beside the earlier ones and returns where.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn save(dir: &Path, date: &str, name: &str, text: &str) -> Result<PathBuf> {
    fs::create_dir_all(dir).with_context(|| format!("create {}", dir.display()))?;
    let file = |n: u32| {
        dir.join(if n == 1 {
            format!("{date}-{name}.md")
        } else {
            format!("{date}-{name}-{n}.md")
        })
    };
    let path = (1..)
        .map(file)
        .find(|path| !path.exists())
        .context("too many results of one day")?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

/// One line per proxy, one column per case.
fn summary(rows: &[compare::Row]) -> Vec<Vec<String>> {
    let (mut cases, mut proxies): (Vec<&str>, Vec<Proxy>) = (Vec::new(), Vec::new());
    for row in rows {
        if !cases.contains(&row.case) {
            cases.push(row.case);
        }
        if !proxies.contains(&row.proxy) {
            proxies.push(row.proxy);
        }
    }
    let find = |case: &str, proxy: Proxy| rows.iter().find(|row| row.case == case && row.proxy == proxy);
    let cell = |case: &str, proxy: Proxy| {
        let row = find(case, proxy)?;
        let Some(cpu) = median_cpu(row) else {
            return Some(
                row.failed
                    .clone()
                    .map_or("-".to_owned(), |reason| format!("failed: {reason}")),
            );
        };
        let ratio = find(case, Proxy::Relay)
            .and_then(median_cpu)
            .map(|relay| format!(" (x{:.2})", cpu / relay));
        Some(format!("{}{}", digits(cpu), ratio.unwrap_or_default()))
    };
    let mut table = vec![
        [
            vec!["proxy".to_owned()],
            cases.iter().map(|case| (*case).to_owned()).collect(),
        ]
        .concat(),
    ];
    for proxy in proxies {
        let cells = cases
            .iter()
            .map(|case| cell(case, proxy).unwrap_or_else(|| "-".to_owned()))
            .collect();
        table.push([vec![proxy.name().to_owned()], cells].concat());
    }
    table
}

/// One line per measurement's medians, with their spread.
fn details(rows: &[compare::Row]) -> Vec<Vec<String>> {
    let head = [
        "case",
        "proxy",
        "CPU us, min / median / max",
        "round trips/s",
        "busy",
        "peak MiB",
        "remarks",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        let of = |field: fn(&compare::Measurement) -> f64| sorted(row.repetitions.iter().map(field));
        let cpu = of(|m| m.cpu_us_per_round_trip);
        let mid = |values: &[f64], digits: usize| median(values).map_or("-".to_owned(), |v| format!("{v:.digits$}"));
        let spread = [cpu.first().copied(), median(&cpu), cpu.last().copied()];
        let spread = spread.map(|value| value.map_or("-".to_owned(), digits)).join(" / ");
        let mut remarks: Vec<String> = row.failed.iter().map(|reason| format!("failed: {reason}")).collect();
        for said in row.repetitions.iter().filter_map(|m| m.record.as_ref()) {
            let said = format!("record {said}");
            if !remarks.contains(&said) {
                remarks.push(said);
            }
        }
        table.push(vec![
            row.case.to_owned(),
            row.proxy.name().to_owned(),
            spread,
            mid(&of(|m| m.round_trips_per_second), 0),
            mid(&of(|m| m.busy), 2),
            mid(&of(|m| m.memory_peak_kib as f64 / 1024.0), 1),
            remarks.join("; "),
        ]);
    }
    table
}

fn median_cpu(row: &compare::Row) -> Option<f64> {
    median(&sorted(row.repetitions.iter().map(|m| m.cpu_us_per_round_trip)))
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The middle of sorted values; the mean of the two in the middle of an even number.
fn median(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

/// Three significant digits, as far as the clock's ticks carry.
fn digits(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

/// A Markdown table whose columns also line up in a terminal; the first row is the head.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let clean = |cell: &str| cell.replace('|', "\\|").replace('\n', " ");
    let width = |column: usize| {
        rows.iter()
            .map(|row| clean(&row[column]).chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (n, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            out.push_str(&format!("| {:width$} ", clean(cell)));
        }
        out.push_str("|\n");
        if n == 0 {
            widths
                .iter()
                .for_each(|width| out.push_str(&format!("|{}", "-".repeat(width + 2))));
            out.push_str("|\n");
        }
    }
    out
}

fn json(preface: &Preface, rows: &[impl Serialize]) -> Result<String> {
    #[derive(Serialize)]
    struct Document<'a, R> {
        #[serde(flatten)]
        preface: &'a Preface,
        rows: &'a [R],
    }
    let text = serde_json::to_string(&Document { preface, rows })?;
    Ok(format!("\n## The same as JSON\n\n```json\n{text}\n```\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(proxy: Proxy, cpu: &[f64]) -> compare::Row {
        let measurement = |cpu: &f64| compare::Measurement {
            cpu_us_per_round_trip: *cpu,
            round_trips_per_second: 1000.0,
            busy: 0.5,
            memory_peak_kib: 2048,
            record: None,
        };
        compare::Row {
            case: "a case",
            proxy,
            repetitions: cpu.iter().map(measurement).collect(),
            failed: None,
        }
    }

    #[test]
    fn ratios_stand_on_the_medians() {
        let rows = [row(Proxy::Relay, &[9.0, 2.0, 3.0]), row(Proxy::Nginx, &[6.0, 4.5])];
        let table = summary(&rows);
        assert_eq!(table[1], ["bare relay", "3.00 (x1.00)"]);
        assert_eq!(table[2], ["nginx", "5.25 (x1.75)"]);
        assert_eq!(details(&rows)[1][2], "2.00 / 3.00 / 9.00");
    }

    #[test]
    fn a_failure_stands_where_the_figure_would() {
        let mut failed = row(Proxy::Haproxy, &[]);
        failed.failed = Some("declines deflate".to_owned());
        assert_eq!(summary(&[failed])[1], ["haproxy", "failed: declines deflate"]);
    }

    #[test]
    fn columns_line_up() {
        let cells = [["a", "b"], ["long", "x|y"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&cells), "| a    | b    |\n|------|------|\n| long | x\\|y |\n");
    }
}
