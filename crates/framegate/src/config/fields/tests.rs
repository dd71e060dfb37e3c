//! Each field by itself, all together, and over a route.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use super::{FieldError, FieldReach, Reach, Terms};
use crate::config::{Gateway, OnBinary, RouteRow};
use crate::flow::Direction;

pub(super) fn reach() -> FieldReach {
    let none = Arc::new(Reach::new(&[]).unwrap());
    FieldReach {
        upstream: Arc::clone(&none),
        hook: none,
    }
}

fn read(fields: &[(&str, &str)]) -> Result<Terms, FieldError> {
    let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
    Terms::new(&Gateway::default()).with_fields(fields, &reach())
}

#[test]
fn without_fields_the_documented_defaults_go() {
    let terms = read(&[("X-Wsproxy-Upstream", "ws://h")]).unwrap();
    assert_eq!((terms.idle_ms, terms.message_bytes_max), (60_000, 2048));
    assert!(!terms.compress && !terms.validate_utf8);
    assert_eq!((terms.binary, &terms.hooks), (OnBinary::Close, &[None, None]));
}

#[test]
fn every_field_says_what_it_says() {
    let terms = read(&[
        ("x-wsproxy-upstream", "wss://Up.Example:8443/ignored?too"),
        ("x-wsproxy-inboundhook", "http://waf:81/in?x"),
        ("x-wsproxy-inboundhook-method", "PUT"),
        ("x-wsproxy-inboundhook-headers", "a=1, b=x%2Cy%3Dz"),
        ("X-WSPROXY-OUTBOUNDHOOK", "https://waf"),
        ("x-wsproxy-binary", "hook"),
        ("x-wsproxy-compress", "True"),
        ("x-wsproxy-idletimeout", "5"),
        ("x-wsproxy-maxframesize", "70000"),
        ("x-wsproxy-validateutf8", "true"),
        ("x-other", "ws://no"),
    ])
    .unwrap();
    assert_eq!(terms.upstream[0].to_string(), "https://up.example:8443");
    let hook = terms.hook(Direction::Send).unwrap();
    assert_eq!(
        (hook.url.to_string().as_str(), hook.method.as_str()),
        ("http://waf:81/in?x", "PUT")
    );
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(hook.headers, [header("a", "1"), header("b", "x,y=z")]);
    let hook = terms.hook(Direction::Receive).unwrap();
    assert_eq!(
        (hook.url.to_string().as_str(), hook.method.as_str()),
        ("https://waf/", "POST")
    );
    assert!(terms.compress && terms.validate_utf8);
    assert_eq!(
        (terms.binary, terms.idle_ms, terms.message_bytes_max),
        (OnBinary::Hook, 5, 70_000)
    );
}

#[test]
fn a_wrong_value_names_its_field_and_what_was_expected() {
    for (name, value, says) in [
        ("x-wsproxy-upstream", "", "expected a WebSocket endpoint"),
        ("x-wsproxy-upstream", "http://h", "neither ws nor wss"),
        ("x-wsproxy-upstream", "ws://a, ws://b", "its host is neither"),
        ("x-wsproxy-upstream", "ws://u:hush@h", "password"),
        ("x-wsproxy-upstream", "u:hush@h", "it has no scheme"),
        ("x-wsproxy-inboundhook", "http://u:hush@h/", "password"),
        ("x-wsproxy-inboundhook", "", "expected a URL"),
        ("x-wsproxy-outboundhook", "ws://h", "neither http nor https"),
        ("x-wsproxy-inboundhook-method", "PO ST", "a method"),
        ("x-wsproxy-outboundhook-headers", "hush", "header1=val1"),
        ("x-wsproxy-inboundhook-headers", "a=hush%0d%0ab: c", "control character"),
        ("x-wsproxy-binary", "Close", "close, hook or pass"),
        ("x-wsproxy-compress", "1", "true or false"),
        ("x-wsproxy-idletimeout", "60s", "milliseconds"),
        ("x-wsproxy-idletimeout", "+5", "milliseconds"),
        ("x-wsproxy-idletimeout", "99999999999999999999", "milliseconds"),
        ("x-wsproxy-maxframesize", "0", "at least 1"),
        ("x-wsproxy-validateutf8", "yes", "true or false"),
        (
            "x-wsproxy-inbound-hook",
            "http://h",
            "did you mean x-wsproxy-inboundhook?",
        ),
        ("x-wsproxy-zzzzzzzzz", "", "there are x-wsproxy-upstream"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!((error.name.as_str(), error.forbidden), (name, false));
        assert!(error.what.contains(says), "{name}: {value}: {error}");
        assert!(!error.what.contains("hush"), "{error}");
    }
}

#[test]
fn a_field_that_is_there_twice_is_nobodys_word() {
    let error = read(&[("x-wsproxy-upstream", "ws://a"), ("X-WsProxy-Upstream", "ws://b")]).unwrap_err();
    assert_eq!(error.name, "X-WsProxy-Upstream");
    assert!(error.what.contains("more than once"));
}

#[test]
fn a_host_that_may_not_be_reached_is_forbidden() {
    for (name, value) in [
        ("x-wsproxy-upstream", "ws://169.254.169.254"),
        ("x-wsproxy-inboundhook", "http://[fe80::1]/"),
    ] {
        let error = read(&[(name, value)]).unwrap_err();
        assert!(error.forbidden, "{error}");
    }
}

#[test]
fn fields_go_over_a_route() {
    let row = RouteRow {
        id: "a".to_owned(),
        upstream: vec!["ws://route".to_owned()],
        send_hook: Some("http://hook".to_owned()),
        send_hook_headers: vec!["key: hush".to_owned()],
        idle_ms: Some(7),
        ..RouteRow::default()
    };
    let route = Terms::of_route(&Gateway::default(), &row).unwrap();
    let over = |fields: &[(&'static str, &'static str)]| {
        let fields = fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        route.clone().with_fields(fields, &reach()).unwrap()
    };
    let terms = over(&[("x-wsproxy-idletimeout", "8"), ("x-wsproxy-inboundhook-method", "PUT")]);
    assert_eq!((terms.upstream[0].host.as_str(), terms.idle_ms), ("route", 8));
    let hook = terms.hook(Direction::Send).unwrap();
    assert_eq!(
        (hook.url.host.as_str(), hook.method.as_str(), hook.headers.len()),
        ("hook", "PUT", 1)
    );
    // A secret that the route has for its own hook goes to no other.
    let terms = over(&[("x-wsproxy-inboundhook", "http://other")]);
    assert!(terms.hook(Direction::Send).unwrap().headers.is_empty());
}
