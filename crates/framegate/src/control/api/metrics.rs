//! `GET /metrics`: what the proxy counts, and what it looks like now.

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::routes::App;
use crate::config::SafetyAction;
use crate::control::operations::{Context, Running};
use crate::inspect::PluginCounts;
use crate::telemetry::{self, Now, PluginNow, SafetyNow, StoreNow};

/// The files of an SQLite database, by what stands behind its name.
const FILES: [&str; 3] = ["", "-wal", "-shm"];

pub(super) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let context = &app.context;
    let Some(running) = &context.running else {
        return Err(Problem::new(404, "no proxy runs in this process"));
    };
    let (media_type, text) = telemetry::render(now(context, running))
        .map_err(|error| Problem::new(500, format!("cannot write the metrics: {error}")))?;
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

fn now(context: &Context, running: &Running) -> Now {
    let judges = running.judges.load();
    Now {
        started_at: running.started_at,
        held: judges.desk().held(),
        plugins: judges.plugin_counts().into_iter().map(plugin).collect(),
        safety: judges.safety_matches().into_iter().map(safety).collect(),
        schemas: judges.schema_violations(),
        breakers: running.hooks.breakers(),
        store: running.recording.queued().map(|(queued, max)| StoreNow {
            bytes: FILES.iter().map(|end| bytes(context.database(), end)).sum(),
            queue_bytes: queued as u64,
            queue_bytes_max: max as u64,
        }),
    }
}

fn plugin((id, counts): (String, PluginCounts)) -> PluginNow {
    PluginNow {
        id,
        calls: counts.calls,
        failures: counts.failures,
        decided: [
            ("replaced", counts.replaced),
            ("dropped", counts.dropped),
            ("closed", counts.closed),
        ],
    }
}

/// The action as the settings have it.
fn safety((rule, action, messages): (String, SafetyAction, u64)) -> SafetyNow {
    let action = match action {
        SafetyAction::Block => "block",
        SafetyAction::LogOnly => "log_only",
    };
    SafetyNow { rule, action, messages }
}

/// A file that is not there has none.
fn bytes(database: &Path, end: &str) -> u64 {
    let mut name = database.as_os_str().to_owned();
    name.push(end);
    std::fs::metadata(name).map_or(0, |file| file.len())
}
