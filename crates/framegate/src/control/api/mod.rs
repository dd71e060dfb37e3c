//! The HTTP API: every operation at `/api/v1/NAME`, on the control address.
//!
//! What only reads is asked with GET, all else with POST; parameters are in the query. Objects come as JSON, several
//! as one a line (`application/x-ndjson`), errors as `application/problem+json` (RFC 9457). `GET /api/v1` lists the
//! operations, `GET /metrics` has what is counted. `/livez` and `/readyz` ask for no token, nor does `/metrics` where
//! `metrics.public` says so; everything else is behind the guards of [`guard`].
//!
//! It runs on a thread of its own and never on the data plane.

mod answer;
mod guard;
mod health;
mod metrics;
mod problem;
mod routes;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::operations::Context;
use crate::secret::Secret;

/// What the control door takes upon itself at the most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub connections_max: usize,
    /// For the head of a request, and between two requests.
    pub head_ms: u64,
    /// The head of a request.
    pub head_bytes_max: usize,
    /// A file that is uploaded.
    pub upload_bytes_max: u64,
    /// How long answers may still take once the proxy stops.
    pub stop_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 256,
            head_ms: 30_000,
            head_bytes_max: 64 << 10,
            upload_bytes_max: 4 << 30,
            stop_ms: 1_000,
        }
    }
}

/// The control door, while it serves.
#[derive(Debug)]
pub struct Serving {
    addr: SocketAddr,
    thread: JoinHandle<()>,
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Waits until it has ended, which it does soon after its `shutdown` was cancelled.
    pub fn join(self) {
        // A panic has been printed by then.
        let _ = self.thread.join();
    }
}

/// Serves on `listener` until `shutdown` is cancelled.
///
/// # Errors
/// If the listener cannot be used or the thread not be started.
pub fn start(
    listener: TcpListener,
    context: Context,
    token: Secret,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<Serving> {
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("framegate-control-work")
        .build()?;
    let app = routes::router(routes::App::new(context, token, limits));
    let serve = move || {
        if let Err(error) = runtime.block_on(serve::serve(listener, app, limits, shutdown)) {
            tracing::error!("the control door failed: {error}");
        }
        // Work that still reads the record ends with its answer's receiver.
        runtime.shutdown_timeout(Duration::from_millis(limits.stop_ms));
    };
    let thread = std::thread::Builder::new()
        .name("framegate-control".to_owned())
        .spawn(serve)?;
    Ok(Serving { addr, thread })
}
