//! The signals that the process obeys.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM or SIGINT, by name and number: end.
    Stop(&'static str, u8),
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals of this process, caught from [`Signals::listen`] on.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// # Errors
    /// What the system said.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop("SIGTERM", 15),
            _ = self.interrupt.recv() => Signal::Stop("SIGINT", 2),
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}

/// Elsewhere there is Ctrl-C alone.
#[cfg(not(unix))]
#[derive(Debug)]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn next(&mut self) -> Signal {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop("Ctrl-C", 2)
    }
}

impl Signals {
    /// The number of the next signal that asks for the end; others are passed over.
    pub(super) async fn next_stop(&mut self) -> u8 {
        loop {
            if let Signal::Stop(_, number) = self.next().await {
                return number;
            }
        }
    }
}
