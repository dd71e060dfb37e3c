//! The gateway door: where a connection goes, and what goes for it, the proxy in front says with header fields, or a
//! route does. Only WebSockets pass it. Routes take WebSockets of the reverse doors too.
//!
//! Whoever can set those fields can point the proxy anywhere. So they are believed from trusted addresses only, a
//! request with one from elsewhere goes nowhere, and none of them travels on.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use wire::http::RequestHead;
use wire::upgrade;

use super::regular::Absolute;
use crate::config::{self, FieldError, FieldReach, Reach, RouteRow, Settings, Terms, is_gateway_field};
use crate::http::{Context, Door, Onward, Origin, Problem, Route};
use crate::network;
use crate::secret::Secret;
use crate::tls::HostPatterns;

/// What the gateway doors go by, made from the settings.
#[derive(Debug)]
pub struct Rules {
    trusted: Vec<IpNet>,
    secret: Option<(String, Secret)>,
    reach: FieldReach,
    forwarded: bool,
    /// Where nothing is said of a connection.
    terms: Terms,
    routes: Vec<Row>,
}

/// A route.
#[derive(Debug)]
struct Row {
    host: Option<HostPatterns>,
    path: Option<String>,
    subprotocol: Option<String>,
    terms: Terms,
    /// Whose turn it is among its upstreams.
    turn: AtomicUsize,
}

impl Rules {
    /// # Errors
    /// Which setting cannot be used, and why.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let gateway = &settings.gateway;
        let wrong = |key: &str, why: &dyn std::fmt::Display| format!("gateway.{key}: {why}");
        let reach = |key: &str, patterns: &[String]| {
            let reach = Reach::new(patterns).map_err(|error| wrong(key, &error))?;
            Ok::<_, String>(Arc::new(reach))
        };
        let trusted = gateway.trusted_proxies.iter().map(|text| network::parse(text));
        let trusted: Result<Vec<IpNet>, _> = trusted.collect();
        let secret = match gateway.secret_header.as_str() {
            "" => None,
            text => {
                let (name, value) = config::field(text).map_err(|why| wrong("secret_header", &why))?;
                Some((name, Secret::from(value)))
            }
        };
        let rows = settings.routes.iter().enumerate();
        let rows = rows.map(|(at, row)| Row::new(settings, row).map_err(|why| format!("routes[{}].{why}", at + 1)));
        Ok(Self {
            trusted: trusted.map_err(|error| wrong("trusted_proxies", &error))?,
            secret,
            reach: FieldReach {
                upstream: reach("upstream_allow", &gateway.upstream_allow)?,
                hook: reach("hook_allow", &gateway.hook_allow)?,
            },
            forwarded: gateway.forwarded,
            terms: Terms::new(gateway),
            routes: rows.collect::<Result<_, _>>()?,
        })
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Where a client comes from whose connection a trusted proxy has passed on: the last in `X-Forwarded-For` that is no
    /// trusted proxy itself. What stands before it anybody may have written.
    pub(super) fn client(&self, request: &RequestHead, peer: IpAddr) -> Option<IpAddr> {
        if !self.trusts(peer) || !self.shows_secret(request) {
            return None;
        }
        let mut client = peer;
        let hops: Vec<&[u8]> = request.elements("X-Forwarded-For").collect();
        for hop in hops.into_iter().rev() {
            // Behind what is no address nothing is known either: it counts for the proxy that has said so.
            let Some(addr) = hop_addr(hop) else { break };
            client = addr;
            if !self.trusts(client) {
                break;
            }
        }
        Some(client)
    }

    /// The header field that has the secret of the proxy in front.
    pub(super) fn secret_field(&self) -> Option<&str> {
        self.secret.as_ref().map(|(name, _)| name.as_str())
    }

    /// Whether the request shows the secret of the proxy in front, if there is one.
    fn shows_secret(&self, request: &RequestHead) -> bool {
        let Some((name, secret)) = &self.secret else {
            return true;
        };
        let mut values = request.values(name);
        values.next().is_some_and(|value| secret.is(value)) && values.next().is_none()
    }

    /// What the route says that the request takes. Without routes its path decides nothing, and none is refused.
    pub(super) fn routed(&self, request: &RequestHead, target: &str) -> Result<Option<Terms>, Problem> {
        if self.routes.is_empty() {
            return Ok(None);
        }
        let path = meant_path(target)?;
        let row = self.routes.iter().find(|row| row.matches(request, &path));
        Ok(row.map(Row::terms))
    }

    /// What goes for the connection that the request asks for.
    fn terms(&self, request: &RequestHead, target: &str, peer: IpAddr) -> Result<Terms, Problem> {
        let terms = self.routed(request, target)?.unwrap_or_else(|| self.terms.clone());
        if !request.headers().any(|header| is_gateway_field(header.name)) {
            return Ok(terms);
        }
        if !self.trusts(peer) {
            return Err(forbidden(format!(
                "{peer} may not say with x-wsproxy-* header fields where a connection goes: it is not among \
                 gateway.trusted_proxies"
            )));
        }
        if !self.shows_secret(request) {
            return Err(forbidden(
                "the request has x-wsproxy-* header fields, but not what gateway.secret_header asks for".to_owned(),
            ));
        }
        let fields = request.headers().map(|header| (header.name, header.value));
        terms.with_fields(fields, &self.reach).map_err(Problem::from)
    }

    /// Sends a connection on under these terms.
    pub(super) fn apply(&self, terms: Terms, onward: Onward, request: &RequestHead, context: &Context) -> Onward {
        let peer = context.client_addr.ip();
        let trusted = self.trusts(peer);
        let set = self.forwarded.then(|| forwarded(request, context, trusted));
        Onward {
            client: self.client(request, peer),
            removed: not_passed_on(request, self.secret_field()),
            set: set.unwrap_or_default(),
            forwarded_for: Some(forwarded_for(request, context, trusted)),
            terms: Some(Arc::new(terms)),
            ..onward
        }
    }
}

/// To the upstreams that the terms name; `None`: they name none.
pub(super) fn to_upstream(terms: &Terms, target: String) -> Option<Onward> {
    let mut origins = terms.upstream.iter().map(|upstream| Origin {
        reach: terms.upstream_reach.clone(),
        ..Origin::new(upstream.tls, upstream.host.clone(), upstream.port)
    });
    let onward = Onward::new(origins.next()?, target);
    Some(Onward {
        spare: origins.collect(),
        ..onward
    })
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
        let target = target(request)?;
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

/// The path and query of the request, which an absolute URL has too (RFC 9112 §3.2.2).
fn target(request: &RequestHead) -> Result<String, Problem> {
    let asked = request.target();
    let absolute = Absolute::parse(asked).map(|absolute| absolute.path);
    let path = absolute.as_deref().unwrap_or(asked);
    match path.as_bytes().first() {
        Some(b'/') => Ok(path.to_owned()),
        Some(b'?') | None => Ok(format!("/{path}")),
        _ => Err(Problem::bad_request(format!("{asked:?} is not a path"))),
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

/// Fields that are for this proxy, or for this connection alone (RFC 9110 §7.6.1).
fn not_passed_on(request: &RequestHead, secret: Option<&str>) -> Vec<String> {
    const HOP_BY_HOP: [&str; 5] = ["Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "TE", "Trailer"];
    let named = request.elements("Connection");
    let named = named.filter_map(|name| std::str::from_utf8(name).ok());
    // What makes it an upgrade, and says whose it is, no list can take away.
    let named = named.filter(|name| {
        let kept = ["upgrade", "close", "keep-alive", "host"];
        let needed = name
            .get(..14)
            .is_some_and(|start| start.eq_ignore_ascii_case("sec-websocket-"));
        !needed && !kept.iter().any(|kept| name.eq_ignore_ascii_case(kept))
    });
    let own = request.headers().map(|header| header.name);
    let own =
        own.filter(|name| is_gateway_field(name) || secret.is_some_and(|secret| name.eq_ignore_ascii_case(secret)));
    HOP_BY_HOP
        .into_iter()
        .chain(named)
        .chain(own)
        .map(str::to_owned)
        .collect()
}

/// Says where the client came from. What it says itself of that counts only if it comes from a trusted proxy.
fn forwarded(request: &RequestHead, context: &Context, trusted: bool) -> Vec<(&'static str, Vec<u8>)> {
    let mut fields = vec![("X-Forwarded-For", forwarded_for(request, context, trusted))];
    let said = |name: &str| request.header(name).filter(|_| trusted).is_some();
    if !said("X-Forwarded-Proto") {
        let scheme = if context.client_tls.is_some() { "https" } else { "http" };
        fields.push(("X-Forwarded-Proto", scheme.as_bytes().to_vec()));
    }
    if let Some(host) = request.header("Host").filter(|_| !said("X-Forwarded-Host")) {
        fields.push(("X-Forwarded-Host", host.to_vec()));
    }
    fields
}

/// The way that the client has come, with its own address at the end.
fn forwarded_for(request: &RequestHead, context: &Context, trusted: bool) -> Vec<u8> {
    let peer = context.client_addr.ip().to_canonical().to_string();
    let before = request.values("X-Forwarded-For").filter(|_| trusted);
    let mut chain: Vec<&[u8]> = before.collect();
    chain.push(peer.as_bytes());
    chain.join(&b", "[..])
}

/// An address, with or without a port.
fn hop_addr(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?;
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let with_port = || hop.parse::<SocketAddr>().ok().map(|addr| addr.ip());
    bare.unwrap_or(hop).parse().ok().or_else(with_port)
}

fn forbidden(detail: String) -> Problem {
    Problem::new(403, "not-trusted", detail)
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        match error.forbidden {
            true => Self::new(403, "forbidden-host", error.to_string()),
            false => Self::new(400, "bad-gateway-field", error.to_string()),
        }
    }
}
