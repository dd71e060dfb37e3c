//! What the answers about short messages mean.

use crate::report::{answer, doctor, firewall, framegate_says, good, is_attack, is_json};
use crate::scripted::{Does, Hook, status};

const HTML: &str = "Content-Type: text/html\r\n";
const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_firewall_that_blocks_attacks_is_in_order() {
    let hook = good();
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(0), "{}{}", report.out, report.err);
    for name in ["harmless text", "harmless JSON", "long text"] {
        report.has(&format!("send {name}"), "ok", "200, it goes on", "");
    }
    for name in ["attack in text", "attack in JSON", "attack behind it"] {
        report.has(&format!("send {name}"), "ok", "403, blocked", "");
    }
    assert!(
        report.checks().iter().all(|check| check["status"] == "ok"),
        "{}",
        report.out
    );
    let shown = format!("http://{}/hook?…", hook.addr);
    assert!(
        report.checks().iter().all(|check| check["hook"] == shown.as_str()),
        "{}",
        report.out
    );
}

#[test]
fn what_is_asked_is_what_a_connection_would_ask() {
    let hook = good();
    doctor(&hook.url(), &[]);
    let asked = hook.asked();
    let types: Vec<_> = asked.iter().map(|asked| asked.field("content-type").unwrap()).collect();
    let json = "application/json";
    assert_eq!(types, [FORM, FORM, json, json, FORM, FORM]);
    let sequences: Vec<_> = asked.iter().map(|asked| asked.field("ce-sequence").unwrap()).collect();
    assert_eq!(sequences, ["1", "2", "3", "4", "5", "6"]);
    for one in &asked {
        assert_eq!((one.method.as_str(), one.target.as_str()), ("POST", "/"));
        assert_eq!(one.field("host"), Some("chat.example"));
        assert_eq!(one.field("x-forwarded-for"), Some("192.0.2.1"));
        assert!(
            one.field("user-agent").unwrap().starts_with("framegate-doctor/"),
            "{}",
            one.head
        );
        assert_eq!(one.field("ce-type"), Some("framegate.message.text"));
    }
    assert_eq!(asked[0].body, b"payload=Hello%20there%2C%20how%20are%20you%3F");
    assert_eq!(asked[2].body, br#"{"text":"Hello there, how are you?"}"#);
    assert!(asked[3].body.starts_with(br#"{"text":"x\u0027 \u006fr"#));
    assert_eq!(
        asked[4..].iter().map(|asked| asked.body.len()).collect::<Vec<_>>(),
        [131_072; 2]
    );
}

#[test]
fn a_body_without_a_type_lets_attacks_pass() {
    // Rules look into fields, and without a type there are none.
    let hook = Hook::new(|asked| match asked.field("content-type") {
        Some(_) if is_attack(asked) => status(403),
        _ => status(200),
    });
    let report = doctor(&hook.url(), &["hook.body=raw"]);
    assert_eq!(report.code, Some(1));
    report.has("send harmless text", "ok", "without a Content-Type: 200", "");
    for name in ["send attack in text", "send attack in JSON"] {
        report.has(
            name,
            "fail",
            "without a Content-Type: 200, it goes on",
            "Set hook.body = \"waf\"",
        );
    }
    assert_eq!(doctor(&hook.url(), &[]).code, Some(0));
}

#[test]
fn a_body_without_a_type_may_be_refused_whatever_is_in_it() {
    let typed = |asked: &crate::scripted::Asked| asked.field("content-type").is_some() && !is_attack(asked);
    let hook = Hook::new(move |asked| status(if typed(asked) { 200 } else { 403 }));
    let report = doctor(&hook.url(), &["hook.body=raw"]);
    assert_eq!(report.code, Some(1));
    report.has("send harmless text", "fail", "403, blocked", "set hook.body = \"waf\"");
    report.has(
        "send attack in text",
        "warn",
        "403, blocked",
        "says nothing of its rules",
    );
    let hook = Hook::new(move |asked| status(if typed(asked) { 200 } else { 400 }));
    let report = doctor(&hook.url(), &["hook.body=raw"]);
    report.has("send harmless text", "fail", "400, blocked", "Set hook.body = \"waf\"");
}

#[test]
fn a_page_that_says_blocked_with_status_200_is_no_block() {
    let hook = firewall(|| status(200), || answer(200, HTML, "<html>Request blocked</html>"));
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(1));
    for name in ["send attack in text", "send attack in JSON"] {
        report.has(
            name,
            "fail",
            "200 with a page of HTML, it goes on",
            "the status is the verdict",
        );
    }
    // Nor is a header field.
    let hook = firewall(|| status(200), || answer(200, "X-WAF-Action: block\r\n", ""));
    doctor(&hook.url(), &[]).has("send attack in JSON", "fail", "200", "the status is the verdict");
    // Nor is one in JSON, if harmless messages have another that stays the same.
    let hook = firewall(|| answer(200, "", "{\"ok\":1}"), || answer(200, "", "{\"ok\":0}"));
    let report = doctor(&hook.url(), &[]);
    report.has(
        "send attack in text",
        "fail",
        "200, it goes on",
        "the status is the verdict",
    );
}

#[test]
fn an_attack_that_is_answered_as_all_else_finds_rules_that_do_not_block() {
    for page in ["", "<html>hello</html>"] {
        let hook = Hook::new(move |_| answer(200, HTML, page));
        let report = doctor(&hook.url(), &[]);
        assert_eq!(report.code, Some(1));
        for name in ["send attack in text", "send attack in JSON"] {
            report.has(name, "fail", "it goes on", "SecRuleEngine DetectionOnly");
            report.has(name, "fail", "it goes on", "return 200");
        }
        assert!(
            !report.names().contains(&"send attack behind it".to_owned()),
            "{}",
            report.out
        );
    }
    // Pages that always differ say nothing.
    let hook = Hook::new(|asked| answer(200, HTML, &String::from_utf8_lossy(&asked.body)));
    let report = doctor(&hook.url(), &[]);
    report.has(
        "send attack in text",
        "fail",
        "page of HTML",
        "SecRuleEngine DetectionOnly",
    );
}

#[test]
fn a_firewall_may_read_one_kind_of_body_alone() {
    let hook = Hook::new(|asked| status(if is_attack(asked) && !is_json(asked) { 403 } else { 200 }));
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(1));
    report.has("send attack in text", "ok", "403, blocked", "");
    report.has("send attack in JSON", "fail", "200", "ctl:requestBodyProcessor=JSON");
    let hook = Hook::new(|asked| status(if is_attack(asked) && is_json(asked) { 403 } else { 200 }));
    let report = doctor(&hook.url(), &[]);
    report.has("send attack in text", "fail", "200", "does not look into forms");
    report.has("send attack in JSON", "ok", "403, blocked", "");
}

/// What a hook says of everything, by that method and these settings, and what is said to be the reason.
#[test]
fn a_harmless_message_that_is_refused_has_usual_reasons() {
    let own = "hook.target=url";
    let cases: [(u16, &str, &str, &str); 15] = [
        (403, "POST", "", "the Content-Type (920420) or the method (911100)"),
        (403, "PUT", "", "the method is PUT (911100"),
        (403, "POST", own, "Host is an address, 127.0.0.1:"),
        (
            403,
            "POST",
            "hook.handshake_headers=",
            "there is no User-Agent (920320)",
        ),
        (403, "POST", "", "its audit log names the rule"),
        (400, "POST", "", "could not read the request"),
        (400, "POST", "", "the port is one for https://"),
        (401, "POST", "", "send_hook_headers"),
        (
            404,
            "POST",
            "",
            "nothing at /room, the path of the client: hook.target = \"url\"",
        ),
        (404, "POST", own, "nothing at /hook: correct the path"),
        (405, "PUT", "", "it takes no PUT at /room"),
        (413, "POST", "", "client_max_body_size"),
        (415, "POST", "", "does not take the Content-Type"),
        (302, "POST", "", "no page for logging in"),
        (206, "POST", "", "only 200 to 204"),
    ];
    for (code, method, setting, reason) in cases {
        let hook = Hook::new(move |_| answer(code, "Location: /login\r\n", ""));
        let url = hook.url();
        let route = format!(
            "routes=[{{upstream=[\"ws://127.0.0.1:1\"],path=\"/room\",send_hook=\"{url}\",send_hook_method=\"{method}\"}}]"
        );
        let mut words = vec!["doctor", "waf", "--json", "--set", &route, "--set", "hook.body=waf"];
        words.extend(["--set", "hook.timeout_ms=20000"]);
        if !setting.is_empty() {
            words.extend(["--set", setting]);
        }
        let report = framegate_says(&words);
        assert_eq!(report.code, Some(1), "{code}");
        report.has("send harmless text", "fail", &code.to_string(), reason);
        report.has(
            "send attack in text",
            "warn",
            &code.to_string(),
            "says nothing of its rules",
        );
        assert!(!report.names().contains(&"send long text".to_owned()), "{}", report.out);
    }
}

#[test]
fn a_redirection_says_where_it_leads() {
    let hook = Hook::new(|_| answer(302, "Location: https://sso.example/\r\n", ""));
    let report = doctor(&hook.url(), &[]);
    report.has(
        "send harmless text",
        "fail",
        "302 to https://sso.example/, blocked",
        "not followed",
    );
}

#[test]
fn an_action_is_understood_as_the_judge_understands_it() {
    let act = |action: &'static str| move || answer(200, &format!("x-framegate-action: {action}\r\n"), "mild");
    let hook = Hook::new(move |asked| if is_attack(asked) { act("drop")() } else { status(200) });
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has(
        "send attack in text",
        "ok",
        "200 with x-framegate-action: drop, dropped",
        "",
    );
    report.has("send attack behind it", "ok", "dropped", "");

    let hook = Hook::new(move |asked| {
        if is_attack(asked) {
            act("replace")()
        } else {
            status(200)
        }
    });
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has("send attack in text", "ok", "replace, 4 bytes take its place", "");

    let hook = Hook::new(move |_| act("drop")());
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(1));
    report.has("send harmless text", "fail", "dropped", "drops what is harmless");
    report.has("send attack in text", "warn", "dropped", "says nothing of its rules");

    let hook = Hook::new(move |_| act("replace")());
    let report = doctor(&hook.url(), &[]);
    report.has(
        "send harmless text",
        "warn",
        "4 bytes take its place",
        "changes what is harmless",
    );

    let hook = Hook::new(move |_| act("forward")());
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(1));
    report.has(
        "send harmless text",
        "fail",
        "neither replace nor drop",
        "is drop or replace",
    );
    assert_eq!(hook.asked().len(), 1, "the others would fail as well");
}

#[test]
fn a_firewall_that_blocks_with_a_failure_depends_on_the_policy() {
    let hook = || firewall(|| status(200), || status(503));
    let report = doctor(&hook().url(), &[]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has("send attack in text", "warn", "it answered 503", "have it answer 403");
    let report = doctor(&hook().url(), &["hook.fail=open"]);
    assert_eq!(report.code, Some(1));
    report.has(
        "send attack in text",
        "fail",
        "it answered 503",
        "of which hook.fail decides",
    );
}

#[test]
fn an_attack_that_could_not_be_read_is_stopped_all_the_same() {
    let hook = firewall(|| status(200), || status(400));
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has(
        "send attack in text",
        "ok",
        "400, blocked as one that could not be read",
        "says 403",
    );
}

#[test]
fn a_hook_of_ones_own_is_asked_in_its_own_form() {
    // It knows nothing of firewalls: an object with a body.
    let hook = Hook::new(|asked| {
        let object: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
        let said = object["body"].as_str().unwrap();
        let said = serde_json::from_str(said).unwrap_or(serde_json::json!({ "text": said }));
        let text = said["text"].as_str().unwrap().to_lowercase();
        status(if text.contains("' or '") { 403 } else { 200 })
    });
    let report = doctor(&hook.url(), &["hook.body=json", "hook.body_bytes_max=5000"]);
    assert_eq!(report.code, Some(0), "{}", report.out);
    report.has("send long text", "ok", "5000 bytes as JSON: 200", "");
    assert!(hook.asked()[4..].iter().all(|asked| asked.body.len() == 5000));
}

#[test]
fn a_hook_that_hangs_up_half_way_through_its_page_has_failed() {
    let hook = Hook::new(|_| Does::Ends(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf".to_vec()));
    let report = doctor(&hook.url(), &[]);
    report.has("send harmless text", "fail", "its answer is none", "breaks off");
}
