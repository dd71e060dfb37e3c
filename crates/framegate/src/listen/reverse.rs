//! The door in front of one server: every request goes there, but for WebSockets that a route takes elsewhere.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wire::http::RequestHead;
use wire::upgrade;

use super::regular::path;
use super::rules::{Rules, to_upstream};
use crate::config::Upstream;
use crate::http::{Context, Door, Onward, Origin, Problem, Route};

#[derive(Debug)]
pub(super) struct Reverse {
    server: Upstream,
    authority: String,
    rules: Arc<ArcSwap<Rules>>,
}

impl Reverse {
    pub(super) fn new(server: Upstream, rules: Arc<ArcSwap<Rules>>) -> Self {
        Self {
            authority: server.authority(),
            server,
            rules,
        }
    }

    /// Where all requests go.
    pub(super) fn origin(server: &Upstream) -> Origin {
        Origin::new(server.tls, server.host.clone(), server.port)
    }
}

impl Door for Reverse {
    fn route(&self, request: &RequestHead, context: &Context) -> Result<Route, Problem> {
        if request.method() == "CONNECT" {
            return Err(Problem::new(
                405,
                "bad-request",
                "this door leads to one server; it opens no tunnels",
            ));
        }
        let (path, target) = match request.target() {
            // RFC 9112 §3.2.4.
            "*" => ("*".to_owned(), "*".to_owned()),
            _ => {
                let path = path(request)?;
                let target = format!("{}{path}", self.server.path);
                (path, target)
            }
        };
        let to_server = Onward {
            host: Some(self.authority.clone()),
            ..Onward::new(Self::origin(&self.server), target)
        };
        let rules = self.rules.load();
        let terms = match upgrade::Request::of(request) {
            upgrade::Request::NotUpgrade => None,
            _ => rules.routed(request, &path)?,
        };
        Ok(Route::Server(match terms {
            Some(terms) => {
                let onward = to_upstream(&terms, path).unwrap_or(to_server);
                rules.apply(terms, onward, request, context)
            }
            None => Onward {
                client: rules.client(request, context.client_addr.ip()),
                removed: rules.secret_field().map(str::to_owned).into_iter().collect(),
                ..to_server
            },
        }))
    }
}
