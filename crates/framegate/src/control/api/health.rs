//! `/livez` and `/readyz`, for whoever starts it, and for a load balancer in front of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::routes::{App, object};

/// It runs. The process id tells it from another program that has the same port later.
pub(super) async fn live() -> Response {
    object(&json!({"status": "live", "pid": std::process::id()}))
}

/// Whether it takes connections; if not, why.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let Some(running) = &app.context.running else {
        return object(&json!({"status": "ready"}));
    };
    // A store that failed makes it drain, too, but only after a moment, and it is the reason.
    let (status, reason) = if running.store_failed.is_cancelled() {
        let reason = "the store failed, and store.on_error is \"stop\"; the log has the reason";
        ("store_failed", reason)
    } else if running.draining.is_cancelled() {
        ("draining", "it stops, and takes no more connections")
    } else {
        return object(&json!({"status": "ready"}));
    };
    let mut response = object(&json!({"status": status, "reason": reason}));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
