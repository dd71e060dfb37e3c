//! Routes: what is said of the connections whose request matches, in the order in which they are written.

use std::sync::atomic::{AtomicUsize, Ordering};

use wire::http::RequestHead;

use crate::config::{RouteRow, Settings, Terms, meant_path};
use crate::http::{Problem, parse_authority};
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
    /// A path that servers take to lead to different places, and a `Host` that cannot be read.
    pub(super) fn terms(&self, request: &RequestHead, target: &str) -> Result<Option<Terms>, Problem> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let meant = meant_path(path).ok_or_else(|| {
            let detail = format!("the path {path:?} leads up again: routes go by paths that do not");
            Problem::bad_request(detail)
        })?;
        let host = self.host(request)?;
        let row = self.0.iter().find(|row| row.matches(request, host.as_deref(), &meant));
        Ok(row.map(Row::terms))
    }

    /// The host that the request asks for, if any route cares.
    ///
    /// # Errors
    /// One that nobody can read leads past all routes, and must not (RFC 9112 §3.2).
    fn host(&self, request: &RequestHead) -> Result<Option<String>, Problem> {
        let Some(asked) = request
            .header("Host")
            .filter(|_| self.0.iter().any(|row| row.host.is_some()))
        else {
            return Ok(None);
        };
        let read = std::str::from_utf8(asked).ok();
        let read = read.and_then(|asked| parse_authority(asked, Some(80)));
        let (host, _) = read.ok_or_else(|| {
            let asked = String::from_utf8_lossy(asked);
            Problem::bad_request(format!(
                "the Host {asked:?} cannot be read: expected a host, and a port or none"
            ))
        })?;
        Ok(Some(host))
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
        let path = row
            .path
            .as_ref()
            .map(|path| meant_path(path).ok_or("path: it leads up again (..)"));
        Ok(Self {
            host: host.transpose().map_err(|error| format!("host: {error}"))?,
            path: path.transpose()?.map(|path| path.trim_end_matches('/').to_owned()),
            subprotocol: row.subprotocol.clone(),
            terms: Terms::of_route(&settings.gateway, row).map_err(|(column, why)| format!("{column}: {why}"))?,
            turn: AtomicUsize::new(0),
        })
    }

    fn matches(&self, request: &RequestHead, host: Option<&str>, path: &str) -> bool {
        let asked_for = |patterns: &HostPatterns| host.is_some_and(|host| patterns.matches(host));
        let begins = |prefix: &String| {
            let behind = path.strip_prefix(prefix.as_str());
            behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
        };
        let subprotocol = |wanted: &String| {
            let mut offered = request.elements("Sec-WebSocket-Protocol");
            offered.any(|offered| offered == wanted.as_bytes())
        };
        self.host.as_ref().is_none_or(asked_for)
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
