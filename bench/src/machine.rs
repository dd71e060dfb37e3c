//! What a reader of a result must know of the machine it comes from.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::proxy::{Lab, Proxy};

/// The machine, the moment and the programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_kib: u64,
    pub(crate) kernel: String,
    /// Whether the kernel says that it runs under a hypervisor.
    pub(crate) virtual_machine: bool,
    /// The 1, 5 and 15 minute load averages before the run: how busy others kept the machine.
    pub(crate) load_before: String,
    pub(crate) revision: String,
    /// What each program says of itself.
    pub(crate) versions: Vec<(Proxy, String)>,
    /// Proxies that were asked for and are not there.
    pub(crate) missing: Vec<Proxy>,
}

impl Machine {
    /// Reads it all from `/proc`, the programs and the repository; what cannot be had is called unknown.
    pub(crate) fn here(lab: &Lab, proxies: &[Proxy]) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name| value(&cpuinfo, name).unwrap_or("unknown").to_owned();
        let (present, missing): (Vec<Proxy>, Vec<Proxy>) =
            proxies.iter().partition(|proxy| lab.program(**proxy).is_some());
        let version = |proxy: Proxy| match proxy {
            Proxy::Relay => None,
            _ => Some((proxy, lab.version(proxy).unwrap_or_else(|| "unknown".to_owned()))),
        };
        Self {
            processor: field("model name"),
            processors: std::thread::available_parallelism().map_or(0, usize::from),
            memory_kib: value(&read("/proc/meminfo"), "MemTotal")
                .and_then(|value| value.trim_end_matches(" kB").parse().ok())
                .unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            virtual_machine: value(&cpuinfo, "flags").is_some_and(|flags| flags.contains(" hypervisor ")),
            load_before: read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" "),
            revision: revision().unwrap_or_else(|| "unknown".to_owned()),
            versions: present.into_iter().filter_map(version).collect(),
            missing,
        }
    }

    /// As a Markdown list.
    pub(crate) fn markdown(&self) -> String {
        let kind = if self.virtual_machine { "virtual" } else { "not virtual" };
        let mut out = format!(
            "- machine: {} processors ({}), {:.1} GiB of memory, {kind}, Linux {}\n\
             - load average before the run: {}\n- revision: {}\n",
            self.processors,
            self.processor,
            self.memory_kib as f64 / f64::from(1 << 20),
            self.kernel,
            self.load_before,
            self.revision,
        );
        for (proxy, version) in &self.versions {
            out.push_str(&format!("- {}: {version}\n", proxy.name()));
        }
        for proxy in &self.missing {
            out.push_str(&format!(
                "- {}: missing (not installed or not built), so not measured\n",
                proxy.name()
            ));
        }
        out
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first `name: value` of a file in `/proc`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The commit, and whether the tree differs from it.
fn revision() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |args: &[&str]| {
        let output = Command::new("git").current_dir(root).args(args).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if changed {
        format!("{commit} with changes")
    } else {
        commit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_whole_name() {
        let text = "model\t: 17\nmodel name\t: Some Processor: fast\n";
        assert_eq!(value(text, "model name"), Some("Some Processor: fast"));
        assert_eq!(value(text, "name"), None);
    }
}
