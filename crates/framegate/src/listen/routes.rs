//! Routes: what is said of the connections whose request matches, in the order in which they are written.

use std::sync::atomic::{AtomicUsize, Ordering};

use percent_encoding::percent_decode_str;
use wire::http::RequestHead;

use crate::config::{RouteRow, Settings, Terms};
use crate::http::Problem;
use crate::tls::HostPatterns;

/// All of them.
#[derive(Debug)]
pub(super) struct Routes(Vec<Row>);

impl Routes {
    /// # Errors
    /// Which setting cannot be used, and why.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let rows = settings.routes.iter().enumerate();
        let rows = rows.map(|(at, row)| Row::new(settings, row).map_err(|why| format!("routes[{}].{why}", at + 1)));
        Ok(Self(rows.collect::<Result<_, _>>()?))
    }

    /// What the first says that the request matches. Without routes its path decides nothing, and none is refused.
    ///
    /// # Errors
    /// A path that servers take to lead to different places.
    pub(super) fn terms(&self, request: &RequestHead, target: &str) -> Result<Option<Terms>, Problem> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let path = meant_path(target)?;
        let row = self.0.iter().find(|row| row.matches(request, &path));
        Ok(row.map(Row::terms))
    }
}

#[derive(Debug)]
struct Row {
    host: Option<HostPatterns>,
    path: Option<String>,
    subprotocol: Option<String>,
    terms: Terms,
    /// Whose turn it is among its upstreams.
    turn: AtomicUsize,
}

impl Row {
    fn new(settings: &Settings, row: &RouteRow) -> Result<Self, String> {
        let host = row.host.as_ref().map(|host| HostPatterns::parse(&[host]));
        Ok(Self {
            host: host.transpose().map_err(|error| format!("host: {error}"))?,
            path: row.path.as_ref().map(|path| path.trim_end_matches('/').to_owned()),
            subprotocol: row.subprotocol.clone(),
            terms: Terms::of_route(&settings.gateway, row).map_err(|(column, why)| format!("{column}: {why}"))?,
            turn: AtomicUsize::new(0),
        })
    }

    fn matches(&self, request: &RequestHead, path: &str) -> bool {
        let host = |host: &HostPatterns| {
            let asked = request.header("Host").and_then(|host| std::str::from_utf8(host).ok());
            let asked = asked.and_then(|asked| crate::http::parse_authority(asked, Some(80)));
            asked.is_some_and(|(asked, _)| host.matches(&asked))
        };
        let begins = |prefix: &String| {
            let behind = path.strip_prefix(prefix.as_str());
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
        };
        let subprotocol = |wanted: &String| {
            let mut offered = request.elements("Sec-WebSocket-Protocol");
            offered.any(|offered| offered == wanted.as_bytes())
        };
        self.host.as_ref().is_none_or(host)
            && self.path.as_ref().is_none_or(begins)
            && self.subprotocol.as_ref().is_none_or(subprotocol)
    }

    /// The next connection's: its upstreams begin with the one whose turn it is.
    fn terms(&self) -> Terms {
        let mut terms = self.terms.clone();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % terms.upstream.len().max(1);
        terms.upstream.rotate_left(turn);
        terms
    }
}

/// The path that a server finds in a target, however it was written: percent-decoded, with single slashes, and without the
/// parameters of its parts. A client must not choose by the way it writes a path which route its connection takes.
///
/// # Errors
/// One that leads up again (`..`) is not passed on: servers differ in what they make of it.
fn meant_path(target: &str) -> Result<String, Problem> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let decoded = percent_decode_str(path).decode_utf8_lossy().replace('\\', "/");
    let parts = decoded
        .split('/')
        .map(|part| part.split(';').next().unwrap_or_default());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(Problem::bad_request(format!(
            "the path {path:?} leads up again: routes go by paths that do not"
        )));
    }
    let slash = if decoded.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    Ok(format!("/{}{slash}", parts.join("/")))
}
