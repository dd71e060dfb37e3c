//! What a hostile client would try.

use super::*;

/// Each character as JavaScript and JSON may write it, in turn.
fn escaped(text: &str) -> String {
    let escape = |(index, char): (usize, char)| match index % 4 {
        0 => format!("\\u{:04x}", u32::from(char)),
        1 => format!("\\x{:02X}", u32::from(char)),
        2 => format!("\\u{{{:x}}}", u32::from(char)),
        _ => format!("\\{:03o}", u32::from(char)),
    };
    text.chars().enumerate().map(escape).collect()
}

#[test]
fn escapes_hide_nothing_whether_the_text_is_json_or_not() {
    let attack = escaped("drop table users");
    for text in [
        format!(r#"{{"q":"{attack}"}}"#),
        format!(r#"42["q",{{"q":"{attack}"}}]"#),
        format!(r#"42/admin,17["q","{attack}"]"#),
        format!(r#"{{"a":NaN,"q":"{attack}",}}"#),
        format!("{{\"a\":1}}\n{{\"q\":\"{attack}\"}}\n"),
        format!(r#"{{"q":"x","q":"{attack}","q":"y"}}"#),
        format!(r#"{{"q":"{attack}"#),
        format!("\u{feff}{{\"q\":\"{attack}\"}}"),
        format!(r#"{{"{attack}":1}}"#),
        format!(r#"" \" {attack}"#),
        attack.clone(),
    ] {
        assert!(check(&ALL, &text).is_some(), "{text}");
    }
}

#[test]
fn json_inside_json_hides_nothing() {
    let mut text = r#"{"q":"\u0044rop table users"}"#.to_owned();
    for level in 0..5 {
        assert!(check(&ALL, &text).is_some(), "level {level}: {text}");
        text = serde_json::json!({ "data": text }).to_string();
    }
    // Escapes of escapes, which grow by five bytes a level only.
    assert!(check(&ALL, r#"{"q":"\u005cu005cu005cu0044rop table users"}"#).is_some());
}

#[test]
fn comments_white_space_and_case_hide_no_sql() {
    for gap in [
        "/**/",
        "/* x */",
        "/*/*/",
        "/***/",
        "--x\n",
        "-- \r\n",
        "#\n",
        "\t",
        "\n\n",
        "\u{b}",
        "\u{a0}",
        "\u{3000}",
        "/*!*/",
        " /*!50000 */ ",
        "/*a*//*b*/",
        "\\n",
        "\\u0020",
        "\\t",
    ] {
        let text = format!("{{\"q\":\"dRoP{gap}TaBlE{gap}users\"}}");
        assert!(check(&ALL, &text).is_some(), "{text}");
        let text = format!("1{gap}uNiOn{gap}aLL{gap}sElEcT{gap}1,2");
        assert!(check(&ALL, &text).is_some(), "{text}");
    }
}

#[test]
fn a_where_elsewhere_is_no_condition() {
    for text in [
        r#"{"q":"update users set admin=1","x":" where id=1"}"#,
        r#"{"x":"where","q":"delete from users"}"#,
        "update users set note='where id = 1'",
        "update users set admin = 1 /* where id = 1 */",
        "update users set admin = 1 -- where id = 1",
        "update users set admin = 1; select * from t where id = 1",
        "update a set b = 1 where c = 2; update a set b = 1",
        "update users set admin = 1 where 1 = 1 or id = 2 or 1=1; delete from users",
        r#"{"q":"update users set admin=1 -- (","x":"where"}"#,
    ] {
        assert!(check(&ALL, text).is_some(), "{text}");
    }
}

#[test]
fn overlong_utf8_hides_nothing() {
    assert!(check(&ALL, b"\xc1\x84rop\xc0\xa0table users").is_some());
    assert!(check(&ALL, b"\xc0\xae\xc0\xae\xc0\xaf\xc0\xae\xc0\xae\xc0\xafx").is_some());
    assert!(check(&ALL, b"\xe0\x80\xbcscript>alert(1)").is_some());
    assert!(check(&ALL, b"\xff\xfe drop table users \xff").is_some());
}

#[test]
fn an_anchored_rule_meets_strings_and_keys() {
    let rules = rules(&[], &[("cmd", "^exit(?: now)?$"), ("empty", "^$")]);
    for text in [
        "exit",
        r#"{"cmd":"exit"}"#,
        r#"{"exit":1}"#,
        r#"["x","\u0065xit\u0020now"]"#,
        r#"{"data":"{\"cmd\":\"exit\"}"}"#,
        r#"{"data":"{\"cmd\":\"\\u0065xit\"}"}"#,
        r#"stray " 42["cmd","exit"]"#,
        r#"{"a":"\\","b":"exit"#,
        r#"{"a":""}"#,
    ] {
        assert!(check(&rules, text).is_some(), "{text}");
    }
    for text in ["exit!", r#"{"cmd":"exit later"}"#, r#"{"cmd":"no\"exit"}"#, "x\nexit"] {
        assert!(check(&rules, text).is_none(), "{text}");
    }
}

#[test]
fn shells_quotes_hide_no_command() {
    for text in [
        "r''m -rf /",
        r#"r""m -r''f /"#,
        r"\r\m -\r\f /",
        "rm$IFS-rf$IFS/",
        "rm${IFS:0:1}-rf /",
        "$@rm$@ -rf /",
        "sh -c 'rm -rf /'",
        r#"{"cmd":["bash","-c","r'm' -r -f /"]}"#,
        "s'h'utdown -h now",
        "$'\\x72\\x6d' -rf /",
        "RM -RF /",
    ] {
        assert!(check(&ALL, text).is_some(), "{text}");
    }
}

#[test]
fn hostile_texts_of_a_mebibyte_are_answered() {
    for piece in [
        "\\",
        "{\"a\":\"",
        "\"",
        "\\\"",
        "delete from a ",
        "update a set b=1 ",
        "'",
        "/*",
        "--",
        "rm ",
        "<a ",
        "' or '",
        "-----BEGIN PRIVATE KEY-----",
        "4111 ",
        "1",
        "a@a.aa.",
        "\\u{0",
        "where ",
        "api_key: \"",
        "+1 2",
        "on",
    ] {
        let text = piece.repeat((1 << 16) / piece.len());
        let _ = check(&ALL, &text);
        let _ = REDACTOR.redact(text.as_bytes());
    }
}
