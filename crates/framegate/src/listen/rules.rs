//! Who may say what goes for a connection, and what they have said: routes for the gateway and reverse doors, header
//! fields of the proxy in front for the gateway door.
//!
//! Whoever can set those fields can point the proxy anywhere. So they are believed from trusted addresses only, a
//! request with one from elsewhere goes nowhere, and none of them travels on.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use wire::http::RequestHead;

use super::routes::Routes;
use crate::config::{self, FieldError, FieldReach, Reach, Settings, Terms, is_gateway_field};
use crate::http::{Context, Onward, Origin, Problem};
use crate::network;
use crate::secret::Secret;

/// What the gateway and reverse doors go by, made from the settings.
#[derive(Debug)]
pub struct Rules {
    trusted: Vec<IpNet>,
    secret: Option<(String, Secret)>,
    reach: FieldReach,
    forwarded: bool,
    /// Where nothing is said of a connection.
    terms: Terms,
    routes: Routes,
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
        Ok(Self {
            trusted: trusted.map_err(|error| wrong("trusted_proxies", &error))?,
            secret,
            reach: FieldReach {
                upstream: reach("upstream_allow", &gateway.upstream_allow)?,
                hook: reach("hook_allow", &gateway.hook_allow)?,
            },
            forwarded: gateway.forwarded,
            terms: Terms::new(gateway),
            routes: Routes::new(settings)?,
        })
    }

    /// Whether what the request says of where it comes from counts.
    fn believes(&self, request: &RequestHead, peer: IpAddr) -> bool {
        self.trusts(peer) && self.shows_secret(request)
    }

    fn trusts(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }

    /// Where a client comes from whose connection a trusted proxy has passed on: the last in `X-Forwarded-For` that is no
    /// trusted proxy itself. What stands before it anybody may have written.
    pub(super) fn client(&self, request: &RequestHead, peer: IpAddr) -> Option<IpAddr> {
        self.believes(request, peer).then(|| self.last_hop(request, peer))
    }

    fn last_hop(&self, request: &RequestHead, peer: IpAddr) -> IpAddr {
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
        client
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

    /// What the route says that the request takes, if one does.
    ///
    /// # Errors
    /// As [`Routes::terms`].
    pub(super) fn routed(&self, request: &RequestHead, target: &str) -> Result<Option<Terms>, Problem> {
        self.routes.terms(request, target)
    }

    /// What goes for the connection that the request asks for.
    pub(super) fn terms(&self, request: &RequestHead, target: &str, peer: IpAddr) -> Result<Terms, Problem> {
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
        let believed = self.believes(request, peer);
        let set = self.forwarded.then(|| forwarded(request, context, believed));
        Onward {
            client: believed.then(|| self.last_hop(request, peer)),
            removed: not_passed_on(request, self.secret_field()),
            set: set.unwrap_or_default(),
            forwarded_for: Some(forwarded_for(request, context, believed)),
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

/// Says where the client came from. What the request says itself of that counts only if it is believed.
fn forwarded(request: &RequestHead, context: &Context, believed: bool) -> Vec<(&'static str, Vec<u8>)> {
    let mut fields = vec![("X-Forwarded-For", forwarded_for(request, context, believed))];
    let said = |name: &str| request.header(name).filter(|_| believed).is_some();
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
fn forwarded_for(request: &RequestHead, context: &Context, believed: bool) -> Vec<u8> {
    let peer = context.client_addr.ip().to_canonical().to_string();
    let before = request.values("X-Forwarded-For").filter(|_| believed);
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
