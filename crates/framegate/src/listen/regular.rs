//! The door of a forward proxy: requests name their server by an absolute URL, or open a tunnel to it by CONNECT.

use wire::http::RequestHead;

use crate::http::{Context, Door, Onward, Origin, PROXY_FIELDS, Problem, Route, parse_authority};

/// The host under which a client that goes through the proxy finds the proxy's own pages.
pub(super) const OWN_HOST: &str = "framegate.local";

#[derive(Clone, Copy, Debug)]
pub(super) struct Regular;

impl Door for Regular {
    fn route(&self, request: &RequestHead, _: &Context) -> Result<Route, Problem> {
        let target = request.target();
        if request.method() == "CONNECT" {
            return connect(target).map(Route::Connect);
        }
        if target.starts_with('/') || target == "*" {
            return origin_form(request);
        }
        let absolute = Absolute::parse(target)
            .ok_or_else(|| Problem::bad_request(format!("{target:?} is not a URL that the proxy can fetch")))?;
        if !absolute.origin.tls && absolute.origin.host == OWN_HOST {
            return Ok(Route::OwnPage(absolute.path));
        }
        let is_options = request.method() == "OPTIONS" && absolute.path.is_empty();
        let target = match absolute.path.as_str() {
            // RFC 9112 §3.2.4.
            "" if is_options => "*".to_owned(),
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        Ok(Route::Server(Onward {
            host: Some(absolute.authority.to_owned()),
            removed: PROXY_FIELDS.map(str::to_owned).to_vec(),
            ..Onward::new(absolute.origin, target)
        }))
    }
}

fn connect(target: &str) -> Result<Origin, Problem> {
    let (host, port) = parse_authority(target, None)
        .ok_or_else(|| Problem::bad_request(format!("CONNECT needs a host and a port, not {target:?}")))?;
    Ok(Origin::new(false, host, port))
}

/// A client that takes the proxy for a server. Going by its Host would lead back here.
fn origin_form(request: &RequestHead) -> Result<Route, Problem> {
    let host = request.header("Host").and_then(|host| std::str::from_utf8(host).ok());
    match host.and_then(|host| parse_authority(host, Some(80))) {
        Some((host, _)) if host == OWN_HOST => Ok(Route::OwnPage(request.target().to_owned())),
        _ => Err(Problem::bad_request(
            "this is a proxy, not a web server: set it as the HTTP proxy of the client, so that requests name their \
             server by an absolute URL; the page for the proxy's own clients is http://framegate.local/",
        )),
    }
}

/// A request target in absolute-form (RFC 9112 §3.2.2).
#[derive(Debug)]
pub(super) struct Absolute<'a> {
    pub(super) origin: Origin,
    /// As it is written.
    authority: &'a str,
    /// Path and query as they are written; it may be empty or begin with `?`.
    pub(super) path: String,
}

impl<'a> Absolute<'a> {
    /// `None`: another scheme, or no URL at all.
    pub(super) fn parse(target: &'a str) -> Option<Self> {
        let (scheme, rest) = target.split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = parse_authority(authority, Some(if tls { 443 } else { 80 }))?;
        Some(Self {
            origin: Origin::new(tls, host, port),
            authority,
            path: path.to_owned(),
        })
    }
}

/// Path and query of a request at a door that is a server to its clients. A server takes absolute-form too (RFC 9112
/// §3.2.2).
///
/// # Errors
/// The answer to one that has none.
pub(super) fn path(request: &RequestHead) -> Result<String, Problem> {
    let asked = request.target();
    let absolute = Absolute::parse(asked).map(|absolute| absolute.path);
    let path = absolute.as_deref().unwrap_or(asked);
    match path.as_bytes().first() {
        Some(b'/') => Ok(path.to_owned()),
        Some(b'?') | None => Ok(format!("/{path}")),
        _ => Err(Problem::bad_request(format!("{asked:?} is not a path"))),
    }
}
