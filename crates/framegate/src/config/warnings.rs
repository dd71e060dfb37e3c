//! What is in order and yet may not be what somebody wants.

use super::{HookBody, Mode, RouteRow, Settings, Violations};

/// One line each.
pub(super) fn all(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    for mode in &settings.listen.modes {
        if !mode.addr().ip().is_loopback() {
            let who = match mode {
                Mode::Regular { .. } => "whoever reaches it can use this machine to reach others",
                Mode::Gateway { .. } => "whoever reaches it reaches what routes lead to",
                Mode::Reverse { .. } => "whoever reaches it reaches the server behind it",
            };
            warnings.push(format!("{mode} listens beyond this machine: {who}, and is recorded"));
        }
    }
    if !settings.listen.control.ip().is_loopback() {
        let addr = settings.listen.control;
        warnings.push(format!(
            "listen.control ({addr}) listens beyond this machine: only its token guards the record"
        ));
    }
    if settings.blocks() && settings.wire.violations == Some(Violations::Relay) {
        warnings.push(
            "wire.violations is relay, but a rule of safety.input or schemas blocks: what breaks the protocol passes, and a server \
             may read it otherwise than the rule does"
                .to_owned(),
        );
    }
    warnings.extend(sources_unknown(settings));
    warnings.extend(bodies_untyped(settings));
    warnings.extend(hosts_evaded(settings));
    let forward = |mode: &Mode| matches!(mode, Mode::Regular { .. });
    if !settings.upgrade.origins_allow.is_empty() && settings.listen.modes.iter().all(forward) {
        warnings.push(
            "upgrade.origins_allow is for gateway and reverse doors, and there is none: nobody is asked for an origin"
                .to_owned(),
        );
    }
    warnings
}

/// Behind a proxy that nobody believes, all clients are one source.
fn sources_unknown(settings: &Settings) -> Option<String> {
    let limits = &settings.limits;
    let by_source = limits.source_connections_max > 0
        || limits.source_connections_per_minute_max > 0
        || limits.source_messages_per_second_max > 0
        || limits.source_bytes_per_second_max > 0;
    (by_source && has_gateway(settings) && settings.gateway.trusted_proxies.is_empty()).then(|| {
        "limits.source_* count what comes from one address, but gateway.trusted_proxies is empty: all clients behind a \
         proxy in front are one source"
            .to_owned()
    })
}

/// What gateways have always sent to hooks is nothing to a firewall. A gateway door's hooks are known with each
/// connection only.
fn bodies_untyped(settings: &Settings) -> Option<String> {
    let mut routes = settings.routes.iter();
    let hooked = routes.any(|row| row.send_hook.is_some() || row.receive_hook.is_some());
    (settings.hook.body == HookBody::Raw && (hooked || has_gateway(settings))).then(|| {
        "hook.body is raw: without a Content-Type a web application firewall finds nothing in a body; set waf if a hook is one"
            .to_owned()
    })
}

/// A reverse door leads to its server whatever `Host` says, so whoever says another evades what a route has for one.
fn hosts_evaded(settings: &Settings) -> Option<String> {
    let mut modes = settings.listen.modes.iter();
    if !modes.any(|mode| matches!(mode, Mode::Reverse { .. })) {
        return None;
    }
    let evaded = |(at, row): (usize, &RouteRow)| {
        let takes_the_rest = |other: &RouteRow| {
            let whole = |own: &Option<String>, others: &Option<String>| others.is_none() || own == others;
            other.host.is_none() && whole(&row.path, &other.path) && whole(&row.subprotocol, &other.subprotocol)
        };
        (row.host.is_some() && !settings.routes[at + 1..].iter().any(takes_the_rest)).then_some(at + 1)
    };
    let at = settings.routes.iter().enumerate().find_map(evaded)?;
    Some(format!(
        "routes[{at}] is for one host, but a reverse door takes every client to its server, whichever Host it asks for: one that \
         asks for another is not held to the route. Leave out its host, or let a route without one follow"
    ))
}

fn has_gateway(settings: &Settings) -> bool {
    let mut modes = settings.listen.modes.iter();
    modes.any(|mode| matches!(mode, Mode::Gateway { .. }))
}
