//! JSON stays JSON.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn redacted(text: &str) -> String {
    let taken = REDACTOR
        .redact(text.as_bytes())
        .map_or_else(|| text.as_bytes().to_vec(), |redacted| redacted.text);
    String::from_utf8(taken).unwrap()
}

#[test]
fn secrets_are_taken_out_of_strings_with_escapes() {
    for (text, wanted) in [
        (
            r#"{"a":"4\u0031 x 41\u003111111\u00311111111"}"#,
            r#"{"a":"4\u0031 x [redacted:credit-card]"}"#,
        ),
        (r#"{"a":"\nj\u006f@example.com\n"}"#, r#"{"a":"\n[redacted:email]\n"}"#),
        (r#"{"a":"\njo@example.com"}"#, r#"{"a":"\n[redacted:email]"}"#),
        (r#"{"a":"\u006ajo@example.com"}"#, r#"{"a":"[redacted:email]"}"#),
        (
            r#"{"a":"{\"b\":\"jo@example\\u002ecom\"}"}"#,
            r#"{"a":"{\"b\":\"[redacted:email]\"}"}"#,
        ),
        (
            r#"{"a":"{\"api_key\":\"abc\\\"defgh\"}"}"#,
            r#"{"a":"{\"api_key\":\"[redacted:api-key]\"}"}"#,
        ),
        (r#"{"jo@example.com":"x"}"#, r#"{"[redacted:email]":"x"}"#),
        (
            r#"{"a":4111111111111111,"b":1}"#,
            r#"{"a":"[redacted:credit-card]","b":1}"#,
        ),
        ("[123456789018]", "[\"[redacted:japan-my-number]\"]"),
        ("4111111111111111", "\"[redacted:credit-card]\""),
        (
            r#"{"k":"-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n","b":"x"}"#,
            r#"{"k":"[redacted:private-key]\n","b":"x"}"#,
        ),
        (
            r#"{"k":"-----BEGIN PRIVATE KEY-----\nMII","b":"x"}"#,
            r#"{"k":"[redacted:private-key]","b":"x"}"#,
        ),
        (
            r#"["-----BEGIN PRIVATE KEY-----",{"a":"MII"},"-----END PRIVATE KEY-----"]"#,
            r#"["[redacted:private-key]",{"[redacted:private-key]":"[redacted:private-key]"},"[redacted:private-key]"]"#,
        ),
    ] {
        assert_eq!(redacted(text), wanted);
        assert!(serde_json::from_str::<Value>(&redacted(text)).is_ok());
    }
}

#[test]
fn json_behind_a_prefix_or_in_lines_keeps_its_form() {
    assert_eq!(
        redacted(r#"42["x",{"card":4111111111111111,"n":"4111111111111111, 7"}]"#),
        r#"42["x",{"card":"[redacted:credit-card]","n":"[redacted:credit-card], 7"}]"#
    );
    assert_eq!(
        redacted("{\"a\":4111111111111111}\n{\"b\":\"jo@example.com\"}\n"),
        "{\"a\":\"[redacted:credit-card]\"}\n{\"b\":\"[redacted:email]\"}\n"
    );
}

#[test]
fn deep_json_is_json_as_well() {
    let deep = format!(
        "{}\"jo@example.com\",4111111111111111{}",
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let taken = redacted(&deep);
    assert!(taken.contains("\"[redacted:email]\",\"[redacted:credit-card]\""));
}

#[test]
fn a_rule_across_strings_takes_out_what_is_inside_them() {
    let rule = OutputRuleSpec {
        id: "own".into(),
        pattern: r#""pin":\s*"?\w+"?"#.into(),
        replacement: "***".into(),
    };
    let redactor = Redactor::new(&[], &[rule]).unwrap();
    assert_eq!(
        redactor.redact(br#"{"pin": "77", "pin":78}"#).unwrap().text,
        br#"{"***": "***", "***":"***"}"#
    );
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("4111 1111 1111 1111".to_owned()),
        Just("jo@example.com".to_owned()),
        Just("api_key".to_owned()),
        Just("0123456789abcdef".to_owned()),
        Just("AKIAIOSFODNN7EXAMPLE\n".to_owned()),
        Just("\"api_key\": \"0123456789\"".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----\nMII".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("{\"a\":\"jo@example.com\\n\"}".to_owned()),
        ".{0,12}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        Just(json!(4_111_111_111_111_111_u64)),
        Just(json!(123_456_789_018_u64)),
        Just(json!(-1.5e30)),
        Just(json!(true)),
        Just(Value::Null),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((text(), inner.clone()), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            inner.prop_map(|value| Value::from(value.to_string())),
        ]
    })
}

/// Some characters written as escapes that need not be.
fn with_escapes(json: &str, seed: u64) -> String {
    let mut inside = false;
    let mut out = String::new();
    let mut chars = json.chars();
    let mut count = seed;
    while let Some(char) = chars.next() {
        count = count.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if char == '"' {
            inside = !inside;
        }
        if char == '\\' {
            out.push(char);
            out.extend(chars.next());
        } else if inside && char.is_ascii_alphanumeric() && count >> 60 == 0 {
            out.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            out.push(char);
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn valid_json_stays_valid(value in value(), seed: u64) {
        let json = with_escapes(&value.to_string(), seed);
        prop_assume!(serde_json::from_str::<Value>(&json).is_ok());
        if let Some(once) = REDACTOR.redact(json.as_bytes()) {
            let text = String::from_utf8(once.text).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok(), "{} -> {}", json, text);
            prop_assert_eq!(REDACTOR.redact(text.as_bytes()), None, "{} -> {}", json, text);
            for secret in ["jo@example", "4111 1111", "4111111111111111", "AKIAIOSFODNN7EXAMPLE"] {
                prop_assert!(!text.contains(secret), "{} -> {}", json, text);
            }
        }
    }
}
