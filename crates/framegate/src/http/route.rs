//! Where a request goes, as a door decides it.

use std::net::IpAddr;
use std::sync::Arc;

use wire::http::{HeadError, RequestHead, Rewrite, Version};

use super::{Context, Origin, Problem};
use crate::config::Terms;

/// A way in. It decides where a request goes and how its head is rewritten, and nothing else.
pub(crate) trait Door {
    /// Decides about one request.
    ///
    /// # Errors
    ///
    /// The answer that the client gets if the request cannot go anywhere.
    fn route(&self, request: &RequestHead, context: &Context) -> Result<Route, Problem>;
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To a server.
    Server(Onward),
    /// Nowhere: the proxy's own page at that path.
    OwnPage(String),
    /// It is a CONNECT to that host and port.
    Connect(Origin),
}

/// How a request goes on to its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Onward {
    pub(crate) origin: Origin,
    /// Others that do as well, if that one cannot be reached.
    pub(crate) spare: Vec<Origin>,
    /// The request target that the server gets.
    pub(crate) target: String,
    /// The `Host` that the server gets; `None`: the client's.
    pub(crate) host: Option<String>,
    /// Fields that do not go on, by their names.
    pub(crate) removed: Vec<String>,
    /// Fields that have another value on the way.
    pub(crate) set: Vec<(&'static str, Vec<u8>)>,
    /// Where the client comes from, if somebody who is believed says so; `None`: the address of its connection.
    pub(crate) client: Option<IpAddr>,
    /// What goes for the connection, beyond the settings.
    pub(crate) terms: Option<Arc<Terms>>,
    /// The way that a client has come, as `X-Forwarded-For` has it, where a trusted proxy said so.
    pub(crate) forwarded_for: Option<Vec<u8>>,
}

/// What a client says to its proxy.
pub(crate) const PROXY_FIELDS: [&str; 2] = ["Proxy-Connection", "Proxy-Authorization"];

impl Onward {
    /// To that server, with the client's own words.
    pub(crate) fn new(origin: Origin, target: String) -> Self {
        Self {
            origin,
            spare: Vec::new(),
            target,
            host: None,
            removed: Vec::new(),
            set: Vec::new(),
            client: None,
            terms: None,
            forwarded_for: None,
        }
    }

    /// The URL for the record.
    pub(crate) fn url(&self, websocket: bool) -> String {
        self.url_at(&self.origin, websocket)
    }

    /// The URL at one of the servers that it may be at.
    pub(crate) fn url_at(&self, origin: &Origin, websocket: bool) -> String {
        let mut url = origin.url(websocket);
        if self.target != "*" {
            url.push_str(&self.target);
        }
        url
    }

    /// The head that goes to the server. Lines that need no change leave as they came.
    pub(crate) fn rewrite(&self, request: &RequestHead, websocket: bool) -> Vec<u8> {
        self.rewritten(request, websocket).finish()
    }

    /// The same, for whoever changes more of it.
    pub(crate) fn rewritten<'a>(&self, request: &'a RequestHead, websocket: bool) -> Rewrite<'a> {
        let mut head = request.rewrite();
        if self.target != request.target() {
            head.target(&self.target);
        }
        if let Some(host) = &self.host {
            let mut hosts = request.values("Host");
            let right = hosts.next() == Some(host.as_bytes()) && hosts.next().is_none();
            if !right {
                head.set("Host", host);
            }
        }
        for name in &self.removed {
            head.remove(name);
        }
        for (name, value) in &self.set {
            head.set(name, value);
        }
        if !websocket {
            // What follows a switch to any other protocol could not be seen.
            head.remove("Upgrade").remove("HTTP2-Settings");
        }
        head
    }
}

/// Checks what every request must have, whichever way it came (RFC 9112 §3.2).
pub(super) fn check(request: &RequestHead) -> Result<(), Problem> {
    request.framing().map_err(Problem::bad_head)?;
    let hosts = request.values("Host").count();
    if hosts > 1 {
        return Err(Problem::bad_request("the client's request has more than one Host"));
    }
    if hosts == 0 && request.version() == Version::Http11 {
        return Err(Problem::bad_request("the client's request has no Host"));
    }
    Ok(())
}

impl From<HeadError> for Problem {
    fn from(error: HeadError) -> Self {
        Self::bad_head(error)
    }
}
