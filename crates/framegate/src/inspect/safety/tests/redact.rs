//! What the redactor takes out, and what it leaves.

use proptest::prelude::*;

use super::*;

fn redacted(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let taken = REDACTOR
        .redact(text)
        .map_or_else(|| text.to_vec(), |redacted| redacted.text);
    String::from_utf8_lossy(&taken).into_owned()
}

const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";

#[test]
fn secrets_are_taken_out_of_texts() {
    for (text, wanted) in [
        ("card 4111111111111111.", "card [redacted:credit-card]."),
        ("4111 1111 1111 1111 123", "[redacted:credit-card] 123"),
        ("x4111-1111-1111-1111x", "x[redacted:credit-card]x"),
        ("３７８２ ８２２４６３ １０００５", "[redacted:credit-card]"),
        (
            "4111 1111 1111 1111 5555-5555-5555-4444",
            "[redacted:credit-card] [redacted:credit-card]",
        ),
        ("mail jo.doe+x@mail.example.co.uk!", "mail [redacted:email]!"),
        ("メールはjo@example.jpです", "メールは[redacted:email]です"),
        ("call +81 90-1234-5678 now", "call [redacted:phone] now"),
        ("call +14155550123", "call [redacted:phone]"),
        ("(415) 555-0123 or 415-555-0123", "[redacted:phone] or [redacted:phone]"),
        (
            "電話03-1234-5678、０９０－１２３４－５６７８",
            "電話[redacted:phone]、[redacted:phone]",
        ),
        ("0120-123-456, 09012345678", "[redacted:phone], [redacted:phone]"),
        ("番号 123456789018 です", "番号 [redacted:japan-my-number] です"),
        ("1234-5678-9018", "[redacted:japan-my-number]"),
        ("１２３４　５６７８　９０１８", "[redacted:japan-my-number]"),
        ("key AKIAIOSFODNN7EXAMPLE", "key [redacted:api-key]"),
        (r#"{"api_key": "a\"b c-d-e"}"#, r#"{"api_key": "[redacted:api-key]"}"#),
        (
            "Authorization: Bearer abc.def-123\r\n",
            "Authorization: Bearer [redacted:api-key]\r\n",
        ),
        ("/?access_token=0123456789&x=1", "/?access_token=[redacted:api-key]&x=1"),
        (&format!("token {JWT}."), "token [redacted:jwt]."),
        (
            "a -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- b",
            "a [redacted:private-key] b",
        ),
        ("a -----BEGIN PRIVATE KEY-----\nMII\nE", "a [redacted:private-key]"),
    ] {
        assert_eq!(redacted(text), wanted);
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "4111111111111112",
        "41111111111111111111",
        "0.4111111111111111",
        "9111111111111111",
        "1769847300123",
        "20260131081500",
        "41 11 11 11 11 11 11 11",
        "2026-01-31T08:15:00+09:00",
        "2026-01-31 08:15",
        "01-02-2026",
        "123e4567-e89b-12d3-a456-426614174000",
        "00000000-0000-0000-0000-123456789018",
        "123456789012",
        "9123456789018",
        "192.168.100.200:8080",
        "1+2025550123",
        "415-555-01234",
        "version 1.200.300.4000",
        "a@b, @user, user@host",
        "react@18.2.0",
        "-----BEGIN PUBLIC KEY-----\nMII\n-----END PUBLIC KEY-----",
        "api_key",
        r#"{"api_key":null,"token":""}"#,
    ] {
        assert_eq!(
            REDACTOR.redact(text.as_bytes()).map(|redacted| redacted.rules),
            None,
            "{text}"
        );
    }
}

#[test]
fn each_rule_that_matched_is_named_once() {
    let redacted = REDACTOR
        .redact(b"a@example.com b@example.com 4111111111111111")
        .unwrap();
    assert_eq!(redacted.rules, ["email", "credit-card"]);
}

#[test]
fn bytes_that_are_no_text_are_redacted_too() {
    let redacted = REDACTOR
        .redact(b"\xff4111111111111111\xfe\xc0 a@example.com\x80")
        .unwrap();
    assert_eq!(
        redacted.text,
        b"\xff[redacted:credit-card]\xfe\xc0 [redacted:email]\x80"
    );
}

#[test]
fn own_rules_have_their_own_replacement() {
    let rule = |pattern: &str, replacement: &str| OutputRuleSpec {
        id: "own".into(),
        pattern: pattern.into(),
        replacement: replacement.into(),
    };
    let redactor = Redactor::new(&names(&["email"]), &[rule(r"secret-\w+", "<$1>")]).unwrap();
    let redacted = redactor.redact(b"secret-a a@example.com").unwrap();
    assert_eq!(redacted.text, b"<$1> [redacted:email]");
    assert_eq!(redacted.rules, ["own", "email"]);
    // One that overlaps another takes all of it along.
    let redactor = Redactor::new(&names(&["email"]), &[rule("to a@ex", "***")]).unwrap();
    assert_eq!(redactor.redact(b"mail to a@example.com!").unwrap().text, b"mail ***!");
    let anchored = Redactor::new(&[], &[rule("^pin[0-9]+$", "***")]).unwrap();
    assert_eq!(
        anchored.redact(br#"{"a":"\u0070in7","b":"a pin7"}"#).unwrap().text,
        br#"{"a":"***","b":"a pin7"}"#
    );
    assert_eq!(anchored.redact(b"a pin7"), None);
    for (rule, wanted) in [
        (rule("x*", "y"), "matches nothing"),
        (rule("(", "y"), "unclosed group"),
        (rule("x", "\"y\""), "would break JSON"),
        (rule("x", "a\\"), "would break JSON"),
    ] {
        let error = Redactor::new(&[], &[rule]).unwrap_err();
        assert!(error.rule == "own" && error.what.contains(wanted), "{error}");
    }
    assert!(
        Redactor::new(&names(&["cards"]), &[])
            .unwrap_err()
            .what
            .contains("credit-card, email")
    );
}

#[test]
fn a_secret_across_the_cut_is_taken_out_whole() {
    let cut = |text: &str, keep| {
        REDACTOR
            .redact_cut(text.as_bytes(), keep)
            .map(|redacted| String::from_utf8(redacted.text).unwrap())
    };
    let text = "card 4111111111111111 and a@example.com";
    assert_eq!(cut(text, 5), None);
    for keep in 6..21 {
        assert_eq!(
            cut(text, keep).as_deref(),
            Some("card [redacted:credit-card]"),
            "{keep}"
        );
    }
    assert_eq!(cut(text, 24).as_deref(), Some("card [redacted:credit-card] an"));
    assert_eq!(
        cut(text, 99).as_deref(),
        Some("card [redacted:credit-card] and [redacted:email]")
    );
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----",
        "MIIE".repeat(1000)
    );
    assert!(key.len() < Redactor::margin_bytes());
    assert_eq!(
        cut(&format!("x {key} y"), 10).as_deref(),
        Some("x [redacted:private-key]")
    );
}

fn secret() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("4111111111111111".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("3782-822463-10005".to_owned()),
        Just("123456789018".to_owned()),
        Just("jo@example.com".to_owned()),
        Just("+81-3-1234-5678".to_owned()),
        Just("AKIAIOSFODNN7EXAMPLE".to_owned()),
        Just(JWT.to_owned()),
        Just("api_key=0123456789".to_owned()),
        Just("\"api_key\": \"0123456789\"".to_owned()),
        Just("-----BEGIN PRIVATE KEY-----".to_owned()),
        Just("-----END PRIVATE KEY-----".to_owned()),
        "[0-9 -]{1,20}",
        "[ -~]{0,8}",
        ".{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_is_left_to_take_out(parts in prop::collection::vec(secret(), 0..6), keep in 0..200_usize) {
        let text = parts.concat();
        if let Some(once) = REDACTOR.redact(text.as_bytes()) {
            let again = REDACTOR.redact(&once.text);
            prop_assert_eq!(again, None, "{} -> {}", text, String::from_utf8_lossy(&once.text));
        }
        // What is kept of a cut text is what is kept of the whole one.
        let keep = keep.min(text.len());
        if let Some(cut) = REDACTOR.redact_cut(text.as_bytes(), keep) {
            let whole = REDACTOR.redact(text.as_bytes()).unwrap().text;
            prop_assert!(whole.starts_with(&cut.text) || cut.text.len() <= keep + 30);
        }
    }

    #[test]
    fn any_bytes_are_answered(text in prop::collection::vec(any::<u8>(), 0..300), keep in 0..400_usize) {
        let _ = REDACTOR.redact(&text);
        let _ = REDACTOR.redact_cut(&text, keep);
        let _ = check(&ALL, &text);
    }
}
