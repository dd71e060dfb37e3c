//! How a command ends: its exit code, and what it says on standard error if it failed.

use std::io;
use std::process::ExitCode;

use crate::config::ConfigError;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum ExitError {
    /// It went wrong: exit code 1.
    Failed(String),
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// There is no such flow, message or file on record: exit code 3.
    NotFound(String),
    /// It has said so itself, on standard output: exit code 1.
    Silent,
    /// Whoever read standard output has had enough: exit code 0.
    BrokenPipe,
    /// A signal of this number ended it before it was done: exit code 128 + the number, as shells have it.
    Signal(u8),
}

impl ExitError {
    /// Tells standard error what there is to tell, and returns the exit code.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        let code = match self {
            Self::BrokenPipe => 0,
            Self::Failed(_) | Self::Silent => 1,
            Self::Usage(_) => 2,
            Self::NotFound(_) => 3,
            Self::Signal(number) => 128u8.saturating_add(*number),
        };
        if let Self::Failed(what) | Self::Usage(what) | Self::NotFound(what) = self {
            use io::Write;
            // With standard error gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "framegate: {what}");
        }
        ExitCode::from(code)
    }
}

impl From<ConfigError> for ExitError {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string().replace('\n', "\nframegate: "))
    }
}

/// For errors of standard output. An error that concerns a file wants the file's name: use [`ExitError::Failed`].
impl From<io::Error> for ExitError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Failed(format!("cannot write: {error}")),
        }
    }
}
