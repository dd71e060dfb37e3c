//! What is around the proxy: ports, the system's trust, the shell's proxy variables, the clock, open files.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::files::Authority;
use super::{Check, Running};
use crate::config::Mode;
use crate::flow::Timestamp;

/// Where systems keep the certificates that they trust, as one PEM file.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// 2026-01-01: no clock that is right shows an earlier time.
const CLOCK_MIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// 2100-01-01: nor a later one.
const CLOCK_MAX: Timestamp = Timestamp(4_102_444_800_000_000);

/// How far a file may be ahead of the clock.
const SKEW_US: i64 = 5 * 60 * 1_000_000;

/// Files that the proxy has open besides its connections.
const FILES_BESIDES: u64 = 64;

/// Whether the address can be listened on, or the running proxy does.
pub(super) fn port(door: &str, addr: SocketAddr, running: &Running) -> Check {
    let name = format!("port {door}");
    if running.listens_on(addr) {
        return Check::ok(&name, format!("{addr}, the running proxy's"));
    }
    match TcpListener::bind(addr) {
        Ok(_) if addr.port() == 0 => Check::ok(&name, format!("{addr}, any free port")),
        Ok(_) => Check::ok(&name, format!("{addr} is free")),
        Err(error) => {
            let advice = match error.kind() {
                ErrorKind::AddrInUse => "stop the program that listens there, or choose another port (0: a free one)",
                ErrorKind::PermissionDenied => "choose a port above 1023, or give framegate the right to this one",
                ErrorKind::AddrNotAvailable => "choose an address that this machine has",
                _ => "choose another address",
            };
            Check::fail(&name, format!("{addr}: {error}")).advise(advice)
        }
    }
}

/// Whether programs that ask the system will trust the CA.
pub(super) fn trust(authority: &Authority) -> Check {
    let name = "system trust";
    let Some(der) = authority.der() else {
        return Check::ok(name, "nothing to trust yet");
    };
    let bundles: Vec<&str> = BUNDLES.into_iter().filter(|path| Path::new(path).exists()).collect();
    match bundles.iter().find(|path| holds(path, der)) {
        Some(path) => Check::ok(name, format!("the CA is in {path}")),
        None if bundles.is_empty() => Check::warn(name, "no bundle of trusted certificates was found")
            .advise("framegate ca install, or have each client trust the file that framegate ca path prints"),
        None => Check::warn(name, format!("the CA is not in {}", bundles.join(" or ")))
            .advise("framegate ca install, or have each client trust the file that framegate ca path prints"),
    }
}

fn holds(bundle: &str, der: &[u8]) -> bool {
    let certificates = CertificateDer::pem_file_iter(bundle).into_iter().flatten();
    certificates.flatten().any(|certificate| certificate.as_ref() == der)
}

/// Whether the variables that clients go by lead to a forward door. Nothing to say without such a door.
pub(super) fn proxy_variables(modes: &[Mode], variables: &[(String, String)]) -> Vec<Check> {
    let name = "proxy variables";
    let door = modes
        .iter()
        .find(|mode| matches!(mode, Mode::Regular { .. }) && mode.addr().port() != 0);
    let Some(door) = door.map(Mode::addr) else {
        return Vec::new();
    };
    let mut checks = Vec::new();
    for (variable, value) in variables {
        if variable.eq_ignore_ascii_case("no_proxy") {
            let all = value.split(',').any(|host| host.trim() == "*");
            let seen = format!("{variable} = {value}: clients go to these hosts without a proxy");
            checks.push(if all {
                Check::warn(name, seen).advise(format!("unset {variable}"))
            } else {
                Check::ok(name, seen)
            });
        } else if leads_to(value, door) {
            checks.push(Check::ok(name, format!("{variable} leads to {door}")));
        } else {
            let seen = format!("{variable} leads to {}, not to {door}", without_password(value));
            checks.push(Check::warn(name, seen).advise(format!("export {variable}=http://{door}")));
        }
    }
    if checks.is_empty() {
        let advice = format!("for clients that go by them: export HTTP_PROXY=http://{door} HTTPS_PROXY=http://{door}");
        checks.push(Check::ok(name, "none is set in this shell").advise(advice));
    }
    checks
}

fn leads_to(value: &str, door: SocketAddr) -> bool {
    let authority = value
        .split_once("://")
        .map_or(value, |(_, rest)| rest)
        .trim_end_matches('/');
    let host_matches = |host: &str| host == "localhost" && door.ip().is_loopback();
    authority.parse() == Ok(door)
        || authority
            .rsplit_once(':')
            .is_some_and(|(host, port)| host_matches(host) && port == door.port().to_string())
}

/// A proxy's URL may hold a password, which is nobody's to print.
fn without_password(value: &str) -> String {
    match (value.split_once("://"), value.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://***@{rest}"),
        (None, Some((_, rest))) => format!("***@{rest}"),
        _ => value.to_owned(),
    }
}

/// Whether the time can be right: certificates and the record depend on it.
pub(super) fn clock(data_dir: &Path, now: Timestamp) -> Check {
    let name = "clock";
    let advice = "set the clock of this machine: certificates are not valid otherwise";
    let shown = now.rfc3339();
    if !(CLOCK_MIN..CLOCK_MAX).contains(&now) {
        return Check::fail(name, format!("{shown} cannot be right")).advise(advice);
    }
    let written = fs::metadata(data_dir.join("framegate.db")).and_then(|metadata| metadata.modified());
    match written.map(Timestamp::from) {
        Ok(written) if written.0 > now.0 + SKEW_US => Check::warn(
            name,
            format!("{shown}, but the record was written at {}", written.rfc3339()),
        )
        .advise(advice),
        _ => Check::ok(name, shown),
    }
}

/// Whether as many files can be open as `limits.connections_max` connections need: two each. `framegate run` raises the
/// soft limit to the hard one, so that it is the hard one that counts.
pub(super) fn open_files(connections_max: usize) -> Check {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    open_files_within(&limits, connections_max)
}

/// `limits` is in the format of `/proc/PID/limits`.
fn open_files_within(limits: &str, connections_max: usize) -> Check {
    let name = "open files";
    let need = (connections_max as u64).saturating_mul(2).saturating_add(FILES_BESIDES);
    let Some((soft, hard)) = file_limits(limits) else {
        return Check::ok(name, "the limit is not known on this system");
    };
    let raised = if soft < hard {
        format!(" (this shell's limit is {soft}; framegate run raises it)")
    } else {
        String::new()
    };
    match hard {
        limit if limit < need => {
            let seen = format!("{limit} at once{raised}, limits.connections_max = {connections_max} needs {need}");
            let fits = limit.saturating_sub(FILES_BESIDES) / 2;
            Check::warn(name, seen).advise(format!(
                "raise the hard limit (as root: ulimit -Hn {need}), or set limits.connections_max={fits}"
            ))
        }
        u64::MAX => Check::ok(name, format!("as many as needed{raised}")),
        limit => Check::ok(name, format!("{limit} at once{raised}")),
    }
}

/// The soft and the hard limit of open files.
fn file_limits(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_whitespace().map(|word| match word {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    });
    Some((words.next()??, words.next()??))
}

/// Whether a process is there; on systems that do not list them, whether somebody listens on one of `addrs`.
pub(super) fn is_alive(pid: u32, addrs: &[SocketAddr]) -> bool {
    if Path::new("/proc/self").exists() {
        return Path::new("/proc").join(pid.to_string()).exists();
    }
    addrs
        .iter()
        .any(|addr| TcpStream::connect_timeout(addr, Duration::from_millis(500)).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::control::doctor::Status;

    fn statuses(variables: &[(&str, &str)]) -> Vec<(Status, String)> {
        let modes = ["regular@127.0.0.1:8080".parse().unwrap()];
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        proxy_variables(&modes, &variables)
            .into_iter()
            .map(|check| (check.status, check.seen))
            .collect()
    }

    #[test]
    fn proxy_variables_lead_here_or_elsewhere() {
        assert_eq!(statuses(&[])[0].0, Status::Ok);
        for here in ["http://127.0.0.1:8080", "127.0.0.1:8080", "http://localhost:8080/"] {
            assert_eq!(statuses(&[("HTTPS_PROXY", here)])[0].0, Status::Ok, "{here}");
        }
        for elsewhere in [
            "http://127.0.0.1:8081",
            "http://proxy.example.com:8080",
            "localhost",
            "",
        ] {
            assert_eq!(
                statuses(&[("HTTPS_PROXY", elsewhere)])[0].0,
                Status::Warn,
                "{elsewhere}"
            );
        }
        assert_eq!(statuses(&[("no_proxy", "localhost")])[0].0, Status::Ok);
        assert_eq!(statuses(&[("no_proxy", "a, *")])[0].0, Status::Warn);
    }

    #[test]
    fn a_proxy_password_is_not_printed() {
        let (_, seen) = statuses(&[("HTTPS_PROXY", "http://me:hush@proxy.example.com:1")]).remove(0);
        assert!(seen.contains("proxy.example.com:1") && !seen.contains("hush"), "{seen}");
    }

    #[test]
    fn a_reverse_door_needs_no_variables() {
        let modes = ["reverse:http://h@:8080".parse().unwrap()];
        assert_eq!(proxy_variables(&modes, &[]), []);
    }

    #[test]
    fn the_limit_of_open_files_is_the_one_that_run_raises_it_to() {
        let limits = |soft: &str, hard: &str| {
            format!(
                "Limit   Soft Limit  Hard Limit  Units\nMax open files            {soft}        {hard}       files\n"
            )
        };
        for (limits, connections_max, status, seen) in [
            (
                limits("1024", "4096"),
                1000,
                Status::Ok,
                "4096 at once (this shell's limit is 1024;",
            ),
            (limits("1024", "4096"), 2016, Status::Ok, "4096 at once ("),
            (limits("1024", "4096"), 2017, Status::Warn, "needs 4098"),
            (limits("4096", "4096"), 1000, Status::Ok, "4096 at once"),
            (limits("4096", "unlimited"), 10_000, Status::Ok, "as many as needed ("),
            (String::new(), 10_000, Status::Ok, "not known"),
        ] {
            let check = open_files_within(&limits, connections_max);
            assert_eq!(check.status, status, "{limits}");
            assert!(check.seen.contains(seen), "{}", check.seen);
        }
    }

    #[test]
    fn a_clock_that_cannot_be_right_fails() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(clock(dir.path(), Timestamp(0)).status, Status::Fail);
        assert_eq!(clock(dir.path(), CLOCK_MIN).status, Status::Ok);
        std::fs::write(dir.path().join("framegate.db"), "").unwrap();
        assert_eq!(clock(dir.path(), CLOCK_MIN).status, Status::Warn);
    }
}
