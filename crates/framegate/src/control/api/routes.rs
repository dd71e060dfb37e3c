//! The paths of the control door. None of them knows an operation by itself.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path as FilePath;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::answer::respond;
use super::health::{live, ready};
use super::metrics::metrics;
use super::problem::Problem;
use super::{Limits, guard};
use crate::control::operations::{ALL, Args, Context, Gives, Operation, ParamKind, find};
use crate::secret::Secret;

/// What the routes share.
pub(super) struct App {
    pub(super) context: Context,
    pub(super) token: Secret,
    limits: Limits,
}

impl App {
    pub(super) fn new(context: Context, token: Secret, limits: Limits) -> Self {
        Self { context, token, limits }
    }
}

pub(super) fn router(app: App) -> Router {
    let app = Arc::new(app);
    let api = Router::new()
        .route("/api/v1", get(index))
        .route("/api/v1/", get(index))
        .route("/api/v1/{operation}", any(operation))
        .route("/api", any(nothing))
        .route("/api/{*rest}", any(nothing))
        .layer(middleware::from_fn_with_state(app.clone(), guard::token));
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn_with_state(app.clone(), guard::reader));
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .merge(metrics)
        .merge(api)
        .fallback(nothing)
        .method_not_allowed_fallback(|| async { Problem::new(405, "this path is for GET") })
        .layer(middleware::from_fn_with_state(app.clone(), guard::same_site))
        .with_state(app)
}

async fn nothing() -> Problem {
    Problem::new(404, "there is nothing here; /api/v1 lists the operations")
}

async fn index() -> Response {
    let operations: Vec<Value> = ALL.iter().map(describe).collect();
    object(&json!({"version": env!("CARGO_PKG_VERSION"), "operations": operations}))
}

async fn operation(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let operation = find(&name).ok_or_else(|| Problem::new(404, format!("there is no operation {name:?}")))?;
    if *request.method() != method(operation) {
        let mut response = Problem::new(405, format!("{name} is asked with {}", method(operation))).into_response();
        let allow = if operation.read_only { "GET" } else { "POST" };
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allow));
        return Ok(response);
    }
    let Query(given) = query.map_err(|error| Problem::new(400, error.body_text()))?;
    let args = Args::read(
        operation,
        given.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    )?;
    let file = match operation.takes_file {
        true => Some(
            upload(
                request.into_body(),
                app.context.directory(),
                app.limits.upload_bytes_max,
            )
            .await?,
        ),
        false => None,
    };
    let content_type = content_type(operation, &given);
    respond(operation, operation.ask(&app.context, args, file), content_type).await
}

fn method(operation: &Operation) -> Method {
    if operation.read_only { Method::GET } else { Method::POST }
}

fn content_type(operation: &Operation, given: &[(String, String)]) -> HeaderValue {
    let format = given
        .iter()
        .find(|(name, _)| name == "format")
        .map(|(_, format)| format.as_str());
    HeaderValue::from_static(match (operation.gives, format) {
        (Gives::One(_), _) | (Gives::File, Some("har")) => "application/json",
        (Gives::Many(_), _) | (Gives::File, Some("jsonl")) => "application/x-ndjson",
        (Gives::File, Some("csv")) => "text/csv; charset=utf-8",
        (Gives::File, _) => "application/octet-stream",
    })
}

/// Keeps what is uploaded in a file that has no name and goes away by itself.
async fn upload(mut body: Body, directory: &FilePath, bytes_max: u64) -> Result<File, Problem> {
    let failed = |error: std::io::Error| Problem::new(500, format!("cannot keep the upload: {error}"));
    let mut file = tempfile::tempfile_in(directory).map_err(failed)?;
    let mut bytes: u64 = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::new(400, format!("the upload broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len() as u64;
        if bytes > bytes_max {
            return Err(Problem::new(413, format!("an upload may have {bytes_max} bytes")));
        }
        // Into the system's cache, in pieces of a read: the thread serves others in between.
        file.write_all(&data).map_err(failed)?;
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// What the list says of an operation, for those who make a door of their own.
fn describe(operation: &Operation) -> Value {
    let params: Vec<Value> = operation.params.iter().map(describe_param).collect();
    let (gives, shapes) = match operation.gives {
        Gives::One(shape) => ("one", vec![format!("{shape:?}").to_lowercase()]),
        Gives::Many(shapes) => (
            "many",
            shapes.iter().map(|shape| format!("{shape:?}").to_lowercase()).collect(),
        ),
        Gives::File => ("file", Vec::new()),
    };
    json!({
        "name": operation.name,
        "summary": operation.summary,
        "method": method(operation).as_str(),
        "path": format!("/api/v1/{}", operation.name),
        "live": operation.live,
        "takes_file": operation.takes_file,
        "params": params,
        "gives": gives,
        "shapes": shapes,
    })
}

fn describe_param(param: &crate::control::operations::Param) -> Value {
    let (kind, words) = match param.kind {
        ParamKind::Text => ("text", None),
        ParamKind::Payload => ("payload", None),
        ParamKind::Number => ("number", None),
        ParamKind::Flow => ("flow", None),
        ParamKind::Filter => ("filter", None),
        ParamKind::OneOf(words) => ("one_of", Some(words)),
    };
    json!({
        "name": param.name, "summary": param.summary, "kind": kind, "words": words, "required": param.required,
    })
}

pub(super) fn object(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
