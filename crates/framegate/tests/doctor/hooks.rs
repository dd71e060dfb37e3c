//! Which hooks are asked, and in which manner.

use crate::report::{Report, framegate_says, good, is_attack};
use crate::scripted::{Hook, status};

/// Has the doctor look at these routes, each the inside of an inline table.
fn routes(rows: &[&str], settings: &[&str]) -> Report {
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{{upstream=[\"ws://127.0.0.1:1\"],{row}}}"))
        .collect();
    let routes = format!("routes=[{}]", rows.join(","));
    let mut words = vec!["doctor", "waf", "--json", "--set", &routes, "--set", "hook.body=waf"];
    for setting in [&["hook.timeout_ms=20000", "listen.modes=gateway@127.0.0.1:0"], settings].concat() {
        words.extend(["--set", setting]);
    }
    framegate_says(&words)
}

#[test]
fn each_hook_is_asked_once_for_each_direction() {
    let (one, other) = (good(), good());
    let (a, b) = (one.url(), other.url());
    let report = routes(
        &[
            &format!("id=\"x\",path=\"/x\",send_hook=\"{a}\",receive_hook=\"{a}\""),
            &format!("id=\"y\",path=\"/y\",send_hook=\"{a}\",receive_hook=\"{b}\""),
            &format!("id=\"z\",path=\"/z\",send_hook=\"{a}\",send_hook_headers=[\"X-Key: k\"]"),
        ],
        &[],
    );
    assert_eq!(report.code, Some(0), "{}", report.out);
    let hooks: Vec<String> = report
        .checks()
        .iter()
        .filter(|check| check["check"].as_str().unwrap().ends_with(" hook"))
        .map(|check| {
            format!(
                "{}: {}",
                check["check"].as_str().unwrap(),
                check["seen"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(hooks.len(), 4, "{hooks:?}");
    for (hook, says) in hooks.iter().zip([
        "send hook: http://",
        "receive hook: http://",
        "receive hook: http://",
        "send hook: http://",
    ]) {
        assert!(hook.starts_with(says), "{hooks:?}");
    }
    assert!(
        hooks[0].contains("of route x and 1 more: POST /x with Host chat.example"),
        "{hooks:?}"
    );
    assert_eq!((one.asked().len(), other.asked().len()), (18, 6));
    let directions: Vec<_> = one
        .asked()
        .iter()
        .map(|asked| asked.field("ce-direction").unwrap().to_owned())
        .collect();
    assert_eq!(directions.iter().filter(|direction| *direction == "receive").count(), 6);
    let with_key = one
        .asked()
        .iter()
        .filter(|asked| asked.field("x-key") == Some("k"))
        .count();
    assert_eq!(with_key, 6);
    assert!(!report.out.contains("X-Key"), "{}", report.out);
}

#[test]
fn the_method_the_fields_and_the_handshake_are_those_of_the_route() {
    let hook = Hook::new(|asked| {
        let meant = asked.method == "PUT" && asked.field("authorization") == Some("Bearer secret");
        status(match meant {
            false => 401,
            true if is_attack(asked) => 403,
            true => 200,
        })
    });
    let url = hook.url();
    let row = format!(
        "host=\"*.example.org\",path=\"/room\",receive_hook=\"{url}\",receive_hook_method=\"PUT\",\
         receive_hook_headers=[\"Authorization: Bearer secret\"]"
    );
    let report = routes(&[&row], &[]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    assert!(!report.out.contains("secret"), "{}", report.out);
    for asked in hook.asked() {
        assert_eq!(
            (asked.target.as_str(), asked.field("host")),
            ("/room", Some("chat.example.org"))
        );
    }
    let key = format!("hook.signing_key=whsec_{}", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    routes(&[&row], &["hook.target=url", &key, "hook.cloud_events=false"]);
    let asked = hook.asked();
    let last = asked.last().unwrap();
    let host = hook.addr.to_string();
    assert_eq!(
        (last.target.as_str(), last.field("host")),
        ("/hook?own=1", Some(host.as_str()))
    );
    assert!(last.field("webhook-signature").unwrap().starts_with("v1,"));
    assert_eq!(last.field("ce-type"), None);
}

#[test]
fn the_url_of_a_client_can_be_said() {
    let hook = good();
    let row = format!("path=\"/room\",send_hook=\"{}\"", hook.url());
    routes(&[&row], &[]);
    assert_eq!(hook.asked()[0].target, "/room");
    let url = hook.url();
    let words = ["doctor", "waf", "--hook", &url, "--url", "wss://club.example/a?b=1"];
    framegate_says(&words);
    let asked = hook.asked();
    let last = asked.last().unwrap();
    assert_eq!(
        (last.target.as_str(), last.field("host")),
        ("/a?b=1", Some("club.example"))
    );
}

#[test]
fn a_flag_names_hooks_instead_of_the_routes() {
    let (of_route, one, other) = (good(), good(), good());
    let route = format!(
        "routes=[{{upstream=[\"ws://127.0.0.1:1\"],send_hook=\"{}\"}}]",
        of_route.url()
    );
    let (a, b) = (one.url(), other.url());
    let words = [
        "doctor",
        "waf",
        "--set",
        &route,
        "--hook",
        &a,
        "--hook",
        &b,
        "--set",
        "hook.body=waf",
    ];
    let report = framegate_says(&[&words[..], &["--set", "hook.timeout_ms=20000"]].concat());
    assert_eq!(report.code, Some(0), "{}", report.out);
    assert_eq!(
        (of_route.asked().len(), one.asked().len(), other.asked().len()),
        (0, 6, 6)
    );
}

#[test]
fn one_hook_that_does_not_protect_is_enough_to_fail() {
    let (good, bad) = (good(), Hook::new(|_| status(200)));
    let row = format!("send_hook=\"{}\",receive_hook=\"{}\"", good.url(), bad.url());
    let report = routes(&[&row], &[]);
    assert_eq!(report.code, Some(1));
    report.has("send attack in text", "ok", "403", "");
    report.has("receive attack in text", "fail", "200", "DetectionOnly");
}

#[test]
fn routes_without_a_gateway_door_are_found() {
    let hook = good();
    let row = format!("send_hook=\"{}\"", hook.url());
    let report = routes(&[&row], &["listen.modes=regular@127.0.0.1:0"]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has("door", "warn", "no gateway or reverse door", "add gateway@ADDR");
    let report = routes(&[&row], &[]);
    assert!(!report.names().contains(&"door".to_owned()), "{}", report.out);
}

#[test]
fn the_doctor_for_all_else_says_that_there_are_hooks() {
    let row = "routes=[{upstream=[\"ws://127.0.0.1:1\"],send_hook=\"http://127.0.0.1:1/\"}]";
    let words = ["doctor", "--json", "--set", row];
    framegate_says(&words).has("hooks", "ok", "1 in routes", "framegate doctor waf asks them");
    let report = framegate_says(&["doctor", "--json"]);
    assert!(!report.names().contains(&"hooks".to_owned()), "{}", report.out);
}
