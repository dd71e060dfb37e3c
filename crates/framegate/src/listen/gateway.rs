//! The gateway door: where a connection goes, and what goes for it, the proxy in front says with header fields, or a
//! route does. Only WebSockets pass it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use wire::http::RequestHead;
use wire::upgrade;

use super::regular::path;
use super::rules::{Rules, to_upstream};
use crate::http::{Context, Door, Problem, Route};

/// The door.
#[derive(Debug)]
pub(super) struct Gateway(pub(super) Arc<ArcSwap<Rules>>);

impl Door for Gateway {
    fn route(&self, request: &RequestHead, context: &Context) -> Result<Route, Problem> {
        if matches!(upgrade::Request::of(request), upgrade::Request::NotUpgrade) {
            return Err(Problem::needs_upgrade(
                "this door is for WebSockets: the request asks for none",
            ));
        }
        let rules = self.0.load();
        let target = path(request)?;
        let terms = rules.terms(request, &target, context.client_addr.ip())?;
        let onward = to_upstream(&terms, target).ok_or_else(|| {
            Problem::bad_request(
                "nothing says where this connection goes: there is no x-wsproxy-upstream header field, and no route \
                 that matches and has an upstream",
            )
        })?;
        Ok(Route::Server(rules.apply(terms, onward, request, context)))
    }
}
