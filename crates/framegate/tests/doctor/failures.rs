//! Hooks that say nothing of a message, and what its messages come to then.

use std::net::TcpListener;
use std::time::Duration;

use hyper::Version;

use crate::report::{doctor, firewall, framegate_says, good, report};
use crate::scripted::{Does, Hook, status};
use crate::served::{certificate, serve};
use crate::stage::framegate;

/// Nothing is asked behind a failure that all would have.
const FIRST: &str = "send harmless text";

fn blocks(body: &[u8]) -> (Duration, u16) {
    let attack = body.windows(6).any(|part| part == b"script" || part == b"\\u006f");
    (Duration::ZERO, if attack { 403 } else { 200 })
}

#[test]
fn nobody_listens() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = doctor(&format!("http://{addr}/"), &["hook.timeout_ms=100"]);
    assert_eq!(report.code, Some(1));
    report.has(
        FIRST,
        "fail",
        "no connection: Connection refused",
        "look whether it is running, and listens there",
    );
    report.has(FIRST, "fail", "", "ends its conversation (hook.fail = \"closed\")");
    assert_eq!(report.names(), ["send hook", FIRST]);
}

#[test]
fn the_name_leads_nowhere() {
    // It is an alias of what is no name anywhere, a label of more than 63 letters, so that no server of names is asked.
    let home = tempfile::tempdir().unwrap();
    let aliases = home.path().join("aliases");
    std::fs::write(&aliases, format!("nowhere {}.test\n", "a".repeat(64))).unwrap();
    let words = ["doctor", "waf", "--json", "--hook", "http://nowhere/"];
    let settings = [
        "--set",
        "hook.body=waf",
        "--set",
        "hook.timeout_ms=20000",
        "--set",
        "hook.fail=open",
    ];
    let report = report(
        framegate(home.path())
            .args(words)
            .args(settings)
            .env("HOSTALIASES", aliases),
    );
    assert_eq!(report.code, Some(1));
    report.has(FIRST, "fail", "cannot be found", "correct the host in the URL");
    report.has(FIRST, "fail", "", "goes on unjudged (hook.fail = \"open\")");
}

#[test]
fn its_certificate_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = certificate(&dir, "127.0.0.1", b"h2");
    let (addr, _) = serve(Version::HTTP_2, Some(config), blocks);
    let url = format!("https://{addr}/");
    let report = doctor(&url, &[]);
    assert_eq!(report.code, Some(1));
    report.has(FIRST, "fail", "no TLS: ", "until then");
    report.has(FIRST, "fail", "tls.upstream_ca", "until then");
    let report = doctor(&url, &[&format!("tls.upstream_ca={file}")]);
    assert_eq!(report.code, Some(0), "{}", report.out);
}

#[test]
fn its_certificate_is_for_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let (file, config) = certificate(&dir, "waf.example", b"http/1.1");
    let (addr, _) = serve(Version::HTTP_11, Some(config), blocks);
    let report = doctor(&format!("https://{addr}/"), &[&format!("tls.upstream_ca={file}")]);
    assert_eq!(report.code, Some(1));
    report.has(
        FIRST,
        "fail",
        "waf.example",
        "put a name into the URL that the certificate has",
    );
}

#[test]
fn its_port_speaks_no_tls() {
    let (addr, _) = serve(Version::HTTP_11, None, blocks);
    let report = doctor(&format!("https://{addr}/"), &[]);
    assert_eq!(report.code, Some(1));
    report.has(
        FIRST,
        "fail",
        "no TLS: ",
        "where a port speaks no TLS, the URL begins with http://",
    );
}

#[test]
fn http_2_is_spoken_as_the_settings_say() {
    let (addr, _) = serve(Version::HTTP_2, None, blocks);
    let url = format!("http://{addr}/");
    let report = doctor(&url, &["hook.http=2"]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    let (addr, _) = serve(Version::HTTP_11, None, blocks);
    let report = doctor(&format!("http://{addr}/"), &["hook.http=2", "hook.timeout_ms=300"]);
    assert_eq!(report.code, Some(1));
    report.has(FIRST, "fail", "no connection", "speaks HTTP/2");
}

#[test]
fn it_does_not_answer_in_time() {
    let hook = Hook::new(|_| Does::Hangs);
    let report = doctor(&hook.url(), &["hook.timeout_ms=100", "hook.fail=shadow"]);
    assert_eq!(report.code, Some(1));
    report.has(
        FIRST,
        "fail",
        "did not answer within hook.timeout_ms",
        "hook.timeout_ms is 100",
    );
    report.has(FIRST, "fail", "", "go on in any case (hook.fail = \"shadow\")");
    assert_eq!(hook.asked().len(), 1, "the others would take as long");
}

#[test]
fn it_is_no_http_server() {
    let hook = Hook::new(|_| Does::Ends(b"SSH-2.0-OpenSSH\r\n".to_vec()));
    let report = doctor(&hook.url(), &[]);
    report.has(FIRST, "fail", "its answer is none", "or the port is one for https://");
}

#[test]
fn it_answers_that_it_has_failed() {
    for (code, advice) in [
        (429, "exempt framegate"),
        (500, "its error log says why"),
        (502, "proxy_pass must lead to something that says 200"),
        (503, "limit_req"),
    ] {
        let hook = Hook::new(move |_| status(code));
        let report = doctor(&hook.url(), &[]);
        assert_eq!(report.code, Some(1));
        report.has(FIRST, "fail", &format!("it answered {code}"), advice);
        report.has("send attack in text", "fail", &format!("it answered {code}"), advice);
        assert_eq!(hook.asked().len(), 4, "no breaker keeps it from being asked");
    }
    // Its rules work all the same: what they block they block before they ask behind them.
    let report = doctor(
        &firewall(|| status(502), || status(403)).url(),
        &["hook.breaker_failures=1"],
    );
    assert_eq!(report.code, Some(1));
    report.has(FIRST, "fail", "it answered 502", "proxy_pass");
    report.has("send attack in text", "ok", "403, blocked", "");
}

#[test]
fn each_direction_has_its_own_policy() {
    let hook = Hook::new(|_| status(500));
    let url = hook.url();
    let route = format!("routes=[{{upstream=[\"ws://127.0.0.1:1\"],send_hook=\"{url}\",receive_hook=\"{url}\"}}]");
    let settings = [
        "--set",
        &route,
        "--set",
        "hook.fail_receive=open",
        "--set",
        "hook.timeout_ms=20000",
    ];
    let report = framegate_says(&[&["doctor", "waf", "--json"], &settings[..]].concat());
    report.has(
        FIRST,
        "fail",
        "",
        "of a client ends its conversation (hook.fail = \"closed\")",
    );
    let received = "receive harmless text";
    report.has(
        received,
        "fail",
        "",
        "of a server goes on unjudged (hook.fail_receive = \"open\")",
    );
    report.has("receive hook.fail_receive", "warn", "\"open\"", "\"closed\"");
}

#[test]
fn a_hook_that_may_not_be_named_in_a_field_is_not_asked() {
    let hook = good();
    let report = doctor(&hook.url(), &["gateway.hook_allow=10.0.0.0/8,waf.example"]);
    assert_eq!(report.code, Some(1));
    let seen = "leads to 127.0.0.1, which gateway.hook_allow does not allow";
    report.has(
        FIRST,
        "fail",
        seen,
        "has to be admitted there; that of a route may be anywhere",
    );
    assert_eq!(hook.asked().len(), 0);
    assert_eq!(doctor(&hook.url(), &["gateway.hook_allow=127.0.0.1"]).code, Some(0));
    let report = doctor("http://169.254.169.254/", &[]);
    report.has(FIRST, "fail", "leads to 169.254.169.254", "has to be admitted there");
}

#[test]
fn the_proxy_itself_is_no_hook() {
    let own = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = doctor(&format!("http://{own}/"), &[&format!("listen.modes=gateway@{own}")]);
    assert_eq!(report.code, Some(1));
    report.has(
        FIRST,
        "fail",
        "a door of this proxy itself",
        "has to lead to the firewall",
    );
}
