//! Logs, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, LogLevel};

/// Starts logging as the settings say; `directives` (the variable `FRAMEGATE_LOG`) go before `log.level`. Only the
/// first call in a process does anything.
///
/// # Errors
/// The directives cannot be read.
pub fn start(log: &Log, directives: Option<&str>) -> Result<(), BadDirectives> {
    let filter = filter(log.level, directives)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal() && crate::config::colours_are_welcome())
        .with_writer(io::stderr)
        // It would panic where it tells standard error that standard error is gone.
        .log_internal_errors(false);
    // An error means that somebody in this process started logging before.
    let _ = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

/// `FRAMEGATE_LOG` holds something that is no level and no list of `part=level`.
#[derive(Debug, thiserror::Error)]
#[error(
    "FRAMEGATE_LOG: {0}; expected a level (off, error, warn, info, debug, trace) or a list such as \"warn,framegate::tls=debug\""
)]
pub struct BadDirectives(String);

fn filter(level: LogLevel, directives: Option<&str>) -> Result<EnvFilter, BadDirectives> {
    match directives.map(str::trim) {
        None | Some("") => Ok(EnvFilter::new(match level {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        })),
        Some(directives) => EnvFilter::try_new(directives).map_err(|error| BadDirectives(error.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::filter;
    use crate::config::LogLevel;

    #[test]
    fn directives_go_before_the_setting() {
        assert_eq!(filter(LogLevel::Warn, None).unwrap().to_string(), "warn");
        assert_eq!(filter(LogLevel::Warn, Some("")).unwrap().to_string(), "warn");
        assert_eq!(
            filter(LogLevel::Warn, Some("framegate=debug")).unwrap().to_string(),
            "framegate=debug"
        );
    }

    #[test]
    fn bad_directives_are_told() {
        let error = filter(LogLevel::Warn, Some("framegate=loud")).unwrap_err().to_string();
        assert!(error.starts_with("FRAMEGATE_LOG: "), "{error}");
    }
}
