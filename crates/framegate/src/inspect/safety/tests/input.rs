//! Which rule is named, and which rules are refused.

use super::*;

/// Id, pattern, condition, action.
type RuleOf<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<Action>);

fn spec(rules: &[RuleOf<'_>]) -> InputSpec {
    InputSpec {
        presets: Vec::new(),
        action: Action::Block,
        rules: rules
            .iter()
            .map(|(id, pattern, when, action)| InputRuleSpec {
                id: (*id).to_owned(),
                pattern: pattern.map(str::to_owned),
                when: when.map(str::to_owned),
                action: *action,
            })
            .collect(),
    }
}

fn id(spec: &InputSpec, body: &str) -> Option<String> {
    check(&InputRules::new(spec).unwrap(), body).map(|found| found.rule_id.to_string())
}

#[test]
fn the_first_that_blocks_goes_before_the_first_that_logs() {
    let log = Some(Action::LogOnly);
    let spec = spec(&[
        ("log", Some("a"), None, log),
        ("log too", Some("b"), None, log),
        ("block", Some("c"), None, None),
        ("block too", Some("d"), None, None),
    ]);
    for (body, wanted) in [
        ("ba", Some("log")),
        ("b", Some("log too")),
        ("dcba", Some("block")),
        ("da", Some("block too")),
        // What is found only below escapes counts as much.
        (r"a\u0062\u0063", Some("block")),
        ("x", None),
    ] {
        assert_eq!(id(&spec, body).as_deref(), wanted, "{body}");
    }
}

#[test]
fn presets_go_before_rules_in_the_order_of_the_settings() {
    let mut spec = spec(&[("own", Some("(?i)drop"), None, None)]);
    spec.presets = names(&["xss", "destructive-sql"]);
    assert_eq!(id(&spec, "drop table a <script>").as_deref(), Some("xss/script"));
    assert_eq!(id(&spec, "drop table a").as_deref(), Some("destructive-sql/drop"));
    assert_eq!(id(&spec, "drop it").as_deref(), Some("own"));
    spec.action = Action::LogOnly;
    spec.rules[0].action = Some(Action::Block);
    assert_eq!(id(&spec, "drop table a").as_deref(), Some("own"));
}

#[test]
fn a_pattern_and_a_condition_must_both_hold() {
    let spec = spec(&[
        (
            "both",
            Some("x"),
            Some(r#"host == "chat.example.com" && json.n > 1"#),
            None,
        ),
        ("only when", None, Some("size > 40"), None),
        ("elsewhere", Some("x"), Some(r#"host == "other""#), None),
    ]);
    assert_eq!(id(&spec, r#"{"n":2,"x":1}"#).as_deref(), Some("both"));
    assert_eq!(id(&spec, r#"{"n":1,"x":1}"#), None);
    assert_eq!(id(&spec, r#"{"n":2,"y":1}"#), None);
    let found = check(&InputRules::new(&spec).unwrap(), "z".repeat(50)).unwrap();
    assert_eq!((&*found.rule_id, found.matched_on.as_str()), ("only when", "size > 40"));
}

#[test]
fn what_matched_is_said_without_giving_away_a_secret() {
    let matched = |body: &str| check(&ALL, body).unwrap().matched_on;
    assert_eq!(matched(r#"{"q":"xx drop\ntable users yy"}"#), r"drop\ntable u");
    assert_eq!(matched("key AKIAIOSFODNN7EXAMPLE"), "AKIA… (20 bytes)");
    let named = matched(r#"{"api_key": "s3cr3t-value"}"#);
    assert!(!named.contains("s3cr3t"), "{named}");
    let long = format!("drop{}table users", " ".repeat(500));
    assert_eq!(matched(&long).chars().count(), 100);
}

#[test]
fn without_rules_nothing_is_asked() {
    let none = InputRules::new(&spec(&[])).unwrap();
    assert!(none.is_empty() && check(&none, "drop table users").is_none());
    assert!(!ALL.is_empty());
}

#[test]
fn wrong_rules_are_named() {
    for (rule, wanted) in [
        (
            ("a", None, None, None),
            "the rule \"a\": has neither a pattern nor a condition",
        ),
        (
            ("a", Some("("), None, None),
            "the rule \"a\": its pattern: unclosed group",
        ),
        (
            ("a", None, Some("size >"), None),
            "the rule \"a\": the filter, column 7: ",
        ),
        (
            ("a", None, Some("fate == \"sent\""), None),
            "the rule \"a\": the filter, column ",
        ),
        ((" ", Some("x"), None, None), "the rule \" \": has no id"),
        (
            ("a\nb", Some("x"), None, None),
            "the rule \"a\\nb\": its id has a control character",
        ),
        (("b", Some("x"), None, None), "the rule \"b\": is there twice"),
    ] {
        let error = InputRules::new(&spec(&[("b", Some("y"), None, None), rule])).unwrap_err();
        assert!(error.to_string().starts_with(wanted), "{error}");
    }
    let mut spec = spec(&[]);
    spec.presets = names(&["xss", "sql"]);
    assert!(
        InputRules::new(&spec)
            .unwrap_err()
            .to_string()
            .starts_with("the rule \"sql\": is no preset; there are destructive-sql, ")
    );
    spec.presets = names(&["xss", "xss"]);
    assert!(InputRules::new(&spec).unwrap_err().what.contains("twice"));
}

#[test]
fn rules_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<InputRules>();
    shared::<Redactor>();
}
