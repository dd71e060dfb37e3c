//! Who may ask: what keeps web pages of other sites away from the control door.
//!
//! A browser sends requests for any page, so that being on loopback protects nothing. The `Host` of a request must be
//! an IP address, `localhost` or a name of `control.hosts` (one that a stranger's DNS points here is none of them), its
//! `Origin`, if it has one, must be this door itself, and the API asks for the token, which no page knows. There is no
//! CORS.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use super::routes::App;

/// Refuses what a page of another site may have sent. Stands before every route.
pub(super) async fn same_site(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let settings = app.context.running.as_ref().map(|running| running.settings.load());
    let named = settings.map_or_else(Vec::new, |settings| settings.control.hosts.clone());
    let mut response = match check_site(request.headers(), request.uri(), &named) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Refuses who does not show the token, unless everybody may read the metrics. Stands before them.
pub(super) async fn reader(state: State<Arc<App>>, request: Request, next: Next) -> Response {
    let running = state.context.running.as_ref();
    if running.is_some_and(|running| running.settings.load().metrics.public) {
        return next.run(request).await;
    }
    token(state, request, next).await
}

/// Refuses who does not show the token. Stands before the API.
pub(super) async fn token(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    let given = given.next().filter(|_| given.next().is_none());
    if given.and_then(bearer).is_some_and(|given| app.token.is(given)) {
        return next.run(request).await;
    }
    let problem = Problem::new(
        401,
        "the token of run.json is asked for, as `Authorization: Bearer TOKEN`",
    );
    let mut response = problem.into_response();
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// With every answer: browsers must neither keep, guess at, frame nor share it.
const ALWAYS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; frame-ancestors 'none'",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

fn check_site(headers: &HeaderMap, uri: &Uri, named: &[String]) -> Result<(), Problem> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Problem::new(400, "exactly one Host is asked for"));
    };
    let host = host.to_str().unwrap_or_default();
    // RFC 9112 §3.2.2: the authority of an absolute-form target goes before Host; a stranger's may be in either.
    let authority = uri.authority().map(axum::http::uri::Authority::as_str);
    if !is_own(host, named) || authority.is_some_and(|authority| !is_own(authority, named)) {
        let why = "Host is no IP address, localhost or one of control.hosts: a page of another site may have sent this";
        return Err(Problem::new(403, why));
    }
    let own = format!("http://{host}");
    let foreign = |origin: &HeaderValue| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
    if headers.get_all(header::ORIGIN).iter().any(foreign) {
        return Err(Problem::new(403, "Origin is another site"));
    }
    // Browsers say so even where they send no Origin, for images and navigation.
    let cross = |site: &HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if headers.get_all("sec-fetch-site").iter().any(cross) {
        return Err(Problem::new(403, "Sec-Fetch-Site is another site"));
    }
    Ok(())
}

/// An IP address, `localhost` or one of these names, with or without a port.
fn is_own(host: &str, named: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let Some((name, port)) = rest.split_once(']') else {
                return false;
            };
            (name, port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_good = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let name_is_good = || {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut own = named.iter().map(String::as_str).chain(["localhost"]);
        own.any(|own| own.eq_ignore_ascii_case(name))
    };
    port_is_good && (name.parse::<IpAddr>().is_ok() || name_is_good())
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn an_own_host_is_an_address_or_localhost() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8081",
            "localhost:8081",
            "LocalHost",
            "[::1]:8081",
            "192.0.2.7:1",
        ] {
            assert!(is_own(host, &[]), "{host}");
        }
        let named = ["framegate.internal".to_owned()];
        for host in ["framegate.internal", "Framegate.Internal.:8081", "localhost", "[::1]"] {
            assert!(is_own(host, &named), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.framegate.internal",
            "framegate.internal.evil.example",
            "framegate.internal..",
            "framegate.internal:evil",
            "[framegate.internal]evil",
            ":8081",
            ".",
            "evil.example:8081",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "evil@127.0.0.1",
            "127.0.0.1@evil.example:8081",
            "127.0.0.1:evil",
            "[::1]evil",
            "[evil]",
            "127.0.0.1/evil.example",
            "2130706433",
        ] {
            assert!(!is_own(host, &named), "{host}");
        }
    }
}
