//! How many files the process may have open: each connection is two.

/// Raises the limit to what the system allows this user, and says so if that is too few for `connections_max`.
#[cfg(unix)]
pub(super) fn raise(connections_max: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!(%error, "the limit of open files cannot be raised");
        }
    }
    let need = need(connections_max);
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < need) {
        tracing::info!("limits.connections_max = {connections_max} needs {need} open files, the system allows {limit}");
    }
}

#[cfg(not(unix))]
pub(super) fn raise(_connections_max: usize) {}

/// Two for each connection, and some for all else.
#[cfg(unix)]
fn need(connections_max: usize) -> u64 {
    const BESIDES: u64 = 64;
    (connections_max as u64).saturating_mul(2).saturating_add(BESIDES)
}
