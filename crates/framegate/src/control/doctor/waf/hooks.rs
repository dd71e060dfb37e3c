//! Which hooks there are to be asked, and the handshake of a client that there is not.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use wire::http::{Limits, RequestHead};

use crate::config::{HookTerms, HookUrl, Reach, RouteRow, Settings, Terms};
use crate::control::exit::ExitError;
use crate::flow::Direction;
use crate::inspect::Handshake;

/// A client that nobody is (RFC 5737): a firewall that comes to refuse it refuses nobody else.
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The host that such a client asks for where nothing says another.
const HOST: &str = "chat.example";

/// A hook, as one direction of a connection has it.
pub(super) struct Asked {
    pub(super) terms: Arc<Terms>,
    pub(super) direction: Direction,
    pub(super) handshake: Arc<Handshake>,
    /// The routes that name it; empty: a flag does.
    pub(super) routes: Vec<String>,
}

/// Those of the routes: each that differs from the others by URL, method, fields or direction.
pub(super) fn of_routes(settings: &Settings, url: Option<&HookUrl>) -> Result<Vec<Asked>, ExitError> {
    let mut all: Vec<Asked> = Vec::new();
    for (at, row) in settings.routes.iter().enumerate() {
        let wrong = |(column, why)| ExitError::Usage(format!("routes[{}].{column}: {why}", at + 1));
        let terms = Arc::new(Terms::of_route(&settings.gateway, row).map_err(wrong)?);
        for direction in Direction::BOTH {
            let Some(hook) = terms.hook(direction) else { continue };
            let is_same =
                |asked: &&mut Asked| asked.direction == direction && asked.terms.hook(direction) == Some(hook);
            match all.iter_mut().find(is_same) {
                Some(known) => known.routes.push(row.id.clone()),
                None => all.push(Asked {
                    handshake: Arc::new(handshake(&host_of(row, url), &target_of(row, url))?),
                    terms: Arc::clone(&terms),
                    direction,
                    routes: vec![row.id.clone()],
                }),
            }
        }
    }
    Ok(all)
}

/// Those of the flags, which stand for an `x-wsproxy-inboundhook` each: what `gateway.hook_allow` does not admit is
/// refused.
pub(super) fn named(settings: &Settings, hooks: &[HookUrl], url: Option<&HookUrl>) -> Result<Vec<Asked>, ExitError> {
    let gateway = &settings.gateway;
    let reach = Reach::new(&gateway.hook_allow);
    let reach = Arc::new(reach.map_err(|error| ExitError::Usage(format!("gateway.hook_allow: {error}")))?);
    let host = url.map_or_else(|| HOST.to_owned(), HookUrl::authority);
    let target = url.map_or("/", |url| &url.target);
    let asked = |hook: &HookUrl| {
        let hook = HookTerms {
            url: hook.clone(),
            method: "POST".to_owned(),
            headers: Vec::new(),
            reach: Some(Arc::clone(&reach)),
        };
        Ok(Asked {
            terms: Arc::new(Terms {
                hooks: [Some(Arc::new(hook)), None],
                ..Terms::new(gateway)
            }),
            direction: Direction::Send,
            handshake: Arc::new(handshake(&host, target)?),
            routes: Vec::new(),
        })
    };
    hooks.iter().map(asked).collect()
}

/// A host that the route is for.
fn host_of(row: &RouteRow, url: Option<&HookUrl>) -> String {
    match (url, row.host.as_deref()) {
        (Some(url), _) => url.authority(),
        (None, Some(pattern)) => match pattern.strip_prefix("*.") {
            Some(parent) => format!("chat.{parent}"),
            None if pattern.contains(['*', '/']) => HOST.to_owned(),
            None => pattern.to_owned(),
        },
        (None, None) => HOST.to_owned(),
    }
}

fn target_of(row: &RouteRow, url: Option<&HookUrl>) -> String {
    let path = || row.path.clone().unwrap_or_else(|| "/".to_owned());
    url.map_or_else(path, |url| url.target.clone())
}

/// The upgrade of a client that says who it is.
fn handshake(host: &str, target: &str) -> Result<Handshake, ExitError> {
    let agent = concat!("framegate-doctor/", env!("CARGO_PKG_VERSION"));
    let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\r\n");
    match RequestHead::parse(head.as_bytes(), &Limits::default()) {
        Ok(Some(head)) => Ok(Handshake::new(&head, target, &[], CLIENT, None)),
        Ok(None) => Err(ExitError::Usage(format!("no client can ask for {target:?}"))),
        Err(error) => Err(ExitError::Usage(format!(
            "no client can ask {host} for {target:?}: {error}"
        ))),
    }
}
