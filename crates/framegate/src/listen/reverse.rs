//! The door in front of one server: every request goes there.

use wire::http::RequestHead;

use super::regular::Absolute;
use crate::config::Upstream;
use crate::http::{Context, Door, Onward, Origin, Problem, Route};

#[derive(Debug)]
pub(super) struct Reverse {
    server: Upstream,
    authority: String,
}

impl Reverse {
    pub(super) fn new(server: Upstream) -> Self {
        Self {
            authority: server.authority(),
            server,
        }
    }

    /// Where all requests go.
    pub(super) fn origin(&self) -> Origin {
        Origin::new(self.server.tls, self.server.host.clone(), self.server.port)
    }
}

impl Door for Reverse {
    fn route(&self, request: &RequestHead, _: &Context) -> Result<Route, Problem> {
        if request.method() == "CONNECT" {
            return Err(Problem::new(
                405,
                "bad-request",
                "this door leads to one server; it opens no tunnels",
            ));
        }
        let target = request.target();
        // A server has to take absolute-form too (RFC 9112 §3.2.2).
        let absolute = Absolute::parse(target).map(|absolute| absolute.path);
        let path = absolute.as_deref().unwrap_or(target);
        let prefix = &self.server.path;
        let target = match path.as_bytes().first() {
            Some(b'/') => format!("{prefix}{path}"),
            Some(b'*') if path == "*" => path.to_owned(),
            Some(b'?') | None => format!("{prefix}/{path}"),
            _ => return Err(Problem::bad_request(format!("{target:?} is not a path"))),
        };
        Ok(Route::Server(Onward {
            host: Some(self.authority.clone()),
            ..Onward::new(self.origin(), target)
        }))
    }
}
