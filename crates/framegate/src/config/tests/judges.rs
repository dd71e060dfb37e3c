//! The settings of the judges: safety, plugins, intercept and rewrite.

use super::*;

/// Everything that can be set for the judges, with each kind of row.
const COMPLETE: &str = r#"
[safety.input]
action = "block"
presets = ["destructive-sql", "destructive-os-command", "sql-injection", "xss", "path-traversal", "secrets"]
binary = true
receive = true
close = true

[[safety.input.rules]]
id = "no-drop"
pattern = '(?i)drop\s+table'
when = ''
action = "log_only"

[[safety.input.rules]]
id = "admins-only"
when = 'json.role == "admin" && !(client_ip in cidr("10.0.0.0/8"))'

[safety.output]
apply_to = "both"
presets = ["credit-card", "email", "phone", "japan-my-number", "api-key", "jwt", "private-key"]

[[safety.output.rules]]
id = "order-number"
pattern = 'ORD-\d{6}'
replacement = "[order]"

[[safety.output.rules]]
id = "name"
pattern = 'Zoë'

[[plugins]]
path = "PLUGIN"
id = "redact"
on_error = "close"
time_ms = 70
ticks_max = 2_000_000
memory_bytes = 33554432
state_bytes = 1024

[intercept]
hold_ms = 1000
on_timeout = "drop"
held_max = 7
held_bytes_max = 1048576
on_full = "drop"

[[intercept.rules]]
id = "logins"
when = 'json.type == "login"'
direction = "client_to_server"
url = '^wss://'
opcode = "text"
payload = 'password'

[[rewrite]]
id = "role"
direction = "send"
when = 'host == "example.com"'
pattern = '"role":"(?<role>user)"'
replacement = '"role":"${role}-$1-$$"'

[[rewrite]]
literal = 'abc'
replacement = ''

[[rewrite]]
direction = "server_to_client"
json = 'user.roles[0]["odd key"]'
replacement = '"admin"'

[gateway]
trusted_proxies = ["127.0.0.0/8", "::1/128"]

[hook]
timeout_ms = 200
"#;

#[test]
fn a_file_with_everything_is_read_as_it_stands() {
    let plugin = file("");
    let loaded = from_file(&COMPLETE.replace("PLUGIN", &plugin.path.display().to_string())).unwrap();
    let settings = &loaded.settings;
    assert_eq!(settings.safety_input.presets.len(), 6);
    let SafetyInput {
        action,
        binary,
        receive,
        close,
        ..
    } = settings.safety_input;
    assert_eq!(
        (action, binary, receive, close),
        (SafetyAction::Block, true, true, true)
    );
    let [no_drop, admins] = &settings.safety_input_rules[..] else {
        panic!("two rules")
    };
    assert_eq!(
        (no_drop.pattern.as_deref(), no_drop.when.as_deref()),
        (Some(r"(?i)drop\s+table"), None)
    );
    assert_eq!((no_drop.action, admins.action), (Some(SafetyAction::LogOnly), None));
    assert_eq!(settings.safety_output.apply_to, ApplyTo::Both);
    let replacements: Vec<&str> = settings
        .safety_output_rules
        .iter()
        .map(|rule| &*rule.replacement)
        .collect();
    assert_eq!(replacements, ["[order]", "[redacted]"]);
    let redact = &settings.plugins[0];
    assert_eq!((redact.id.as_str(), redact.on_error), ("redact", OnPluginError::Close));
    assert_eq!(
        (
            redact.time_ms,
            redact.ticks_max,
            redact.memory_bytes,
            redact.state_bytes
        ),
        (70, 2_000_000, 32 << 20, 1024)
    );
    let Intercept {
        hold_ms,
        on_timeout,
        held_max,
        held_bytes_max,
        on_full,
    } = settings.intercept;
    assert_eq!((hold_ms, held_max, held_bytes_max), (1000, 7, 1 << 20));
    assert_eq!((on_timeout, on_full), (OnHold::Drop, OnHold::Drop));
    let logins = &settings.intercept_rules[0];
    assert_eq!(
        (logins.direction, logins.opcode),
        (RuleDirection::Send, RuleOpcode::Text)
    );
    let rows = settings.rewrite.iter().map(|row| (row.id.as_str(), row.direction));
    let directions = [RuleDirection::Send, RuleDirection::Both, RuleDirection::Receive];
    assert_eq!(
        rows.collect::<Vec<_>>(),
        ["role", "2", "3"].into_iter().zip(directions).collect::<Vec<_>>()
    );
}

#[test]
fn nothing_is_judged_by_default() {
    let Settings {
        safety_input,
        safety_output,
        intercept,
        ..
    } = Settings::default();
    assert_eq!(
        (safety_input.action, safety_input.presets.len()),
        (SafetyAction::Block, 0)
    );
    assert_eq!(
        (safety_output.apply_to, safety_output.presets.len()),
        (ApplyTo::Record, 0)
    );
    assert_eq!(
        (intercept.hold_ms, intercept.held_max, intercept.held_bytes_max),
        (300_000, 100, 64 << 20)
    );
    assert_eq!(
        (intercept.on_timeout, intercept.on_full),
        (OnHold::Release, OnHold::Release)
    );
    let PluginFile {
        time_ms,
        ticks_max,
        memory_bytes,
        state_bytes,
        on_error,
        ..
    } = PluginFile::default();
    assert_eq!(
        (time_ms, ticks_max, memory_bytes, state_bytes),
        (50, 1_000_000, 16 << 20, 64 << 10)
    );
    assert_eq!(on_error, OnPluginError::Skip);
}

/// Loads one row and returns what is said of it, or panics if nothing is.
fn refusal(list: &str, row: &str) -> String {
    match from_sets(&[&format!("{list}=[{{ {row} }}]")]) {
        Ok(_) => panic!("{list} takes {row}"),
        Err(error) => error.to_string(),
    }
}

fn accept(list: &str, row: &str) -> Settings {
    let loaded = from_sets(&[&format!("{list}=[{{ {row} }}]")]);
    loaded.unwrap_or_else(|error| panic!("{error}")).settings
}

/// Each row of a list is refused, with these words, and by its name.
fn refused(rows: &[(&str, &str, &str)]) {
    for (list, row, says) in rows {
        let told = refusal(list, row);
        assert!(told.contains(says), "{list} {row}\n  {told}\n  {says}");
        assert!(told.starts_with(&format!("{list}[1]")), "{told}");
    }
}

#[test]
fn each_mistake_in_a_safety_rule_is_told() {
    refused(&[
        ("safety.input.rules", "id = 'a'", "needs pattern, when, or both"),
        (
            "safety.input.rules",
            "id = 'a', pattern = '', when = ''",
            "needs pattern, when, or both",
        ),
        ("safety.input.rules", "id = 'a', when = '  '", "it is blank"),
        (
            "safety.input.rules",
            "pattern = 'a'",
            "safety.input.rules[1].id (command line): is missing",
        ),
        (
            "safety.input.rules",
            "id = 'a', when = 'size > '",
            "the filter, column 8: the filter ends",
        ),
        (
            "safety.input.rules",
            "id = 'a', when = 'fate == \"sent\"'",
            "no rule can ask for it",
        ),
        (
            "safety.input.rules",
            "id = 'a', pattern = '\\w{1000}{1000}'",
            "exceeds size limit",
        ),
        ("safety.input.rules", "id = 'a', pattern = '(?=a)'", "look-around"),
        (
            "safety.input.rules",
            "id = 'a', pattern = 'a', action = 'blok'",
            "expected one of \"block\", \"log_only\"",
        ),
        (
            "safety.output.rules",
            "id = 'a'",
            "safety.output.rules[1].pattern (command line): is missing",
        ),
        (
            "safety.output.rules",
            "id = 'a', pattern = ''",
            "it matches where nothing is",
        ),
    ]);
}

#[test]
fn each_mistake_in_a_rewrite_is_told() {
    refused(&[
        ("rewrite", "replacement = 'a'", "needs one of pattern, literal and json"),
        (
            "rewrite",
            "literal = '', replacement = 'a'",
            "needs one of pattern, literal and json",
        ),
        (
            "rewrite",
            "literal = 'a', pattern = 'a', replacement = 'a'",
            "more than one of pattern, literal and json",
        ),
        (
            "rewrite",
            "json = 'a..b', replacement = 'a'",
            "column 3: behind a point stands a name",
        ),
        (
            "rewrite",
            "pattern = 'a', replacement = '$1'",
            "the pattern has no group \"1\"",
        ),
        (
            "rewrite",
            "pattern = '(a)', replacement = '$1st'",
            "the pattern has no group \"1st\"",
        ),
        (
            "rewrite",
            "pattern = '(?<b>a)', replacement = '${c}'",
            "the pattern has no group \"c\"",
        ),
    ]);
}

#[test]
fn each_mistake_in_a_plugin_or_an_intercept_rule_is_told() {
    refused(&[
        ("intercept.rules", "id = 'a'", "says nothing of the messages it is for"),
        (
            "intercept.rules",
            "id = 'a', url = ''",
            "says nothing of the messages it is for",
        ),
        (
            "intercept.rules",
            "id = 'a', direction = 'up'",
            "expected one of \"send\", \"receive\", \"both\"",
        ),
        ("plugins", "id = 'a'", "plugins[1].path (command line): is missing"),
        ("plugins", "path = '/nowhere.star'", "the file cannot be read: "),
        ("plugins", "path = '/'", "that is no file"),
        ("plugins", "path = ''", "the file cannot be read: "),
    ]);
}

#[test]
fn what_is_taken_out_is_never_nothing() {
    for pattern in ["x*", "a|", "^", "$", r"\\b", "(?m)$", "(a?)(b?)", "[a]{0}"] {
        let told = refusal("safety.output.rules", &format!("id = 'a', pattern = \"{pattern}\""));
        assert!(told.contains("it matches where nothing is"), "{pattern}: {told}");
    }
    for pattern in ["x+", "a|b", "^a", r"\\bx\\b", "(a?)(b)", r"(?-u)\\xff", "(?s)."] {
        accept("safety.output.rules", &format!("id = 'a', pattern = \"{pattern}\""));
    }
}

#[test]
fn an_id_can_stand_in_a_url_and_in_a_log() {
    let long = "a".repeat(64);
    for id in ["a", "A.b_c-9", "..", &long] {
        accept("safety.input.rules", &format!("id = '{id}', pattern = 'a'"));
    }
    let longer = "a".repeat(65);
    for id in ["", " ", "a b", "a/b", "é", "a\\n", &longer] {
        let told = refusal("safety.input.rules", &format!("id = \"{id}\", pattern = 'a'"));
        assert!(told.contains("that is no id"), "{id}: {told}");
    }
}

#[test]
fn a_plugin_is_called_as_its_file_unless_it_has_an_id() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, "").unwrap();
        path.display().to_string()
    };
    for (name, id) in [
        ("redact.star", "redact"),
        ("redact", "redact"),
        ("a.b.star", "a.b"),
        (".star.star", ".star"),
    ] {
        let settings = accept("plugins", &format!("path = '{}'", path(name)));
        assert_eq!(settings.plugins[0].id, id, "{name}");
    }
    for name in ["my plugin.star", "é.star", ".star"] {
        let told = refusal("plugins", &format!("path = '{}'", path(name)));
        assert!(
            told.starts_with("plugins[1].id (command line): is missing, and the file's name is none"),
            "{told}"
        );
        accept("plugins", &format!("path = '{}', id = 'a'", path(name)));
    }
    let twice = format!("plugins=[{{ path = '{0}' }}, {{ path = '{0}' }}]", path("redact.star"));
    let (key, _) = problem(from_sets(&[&twice]));
    assert_eq!(key, "plugins[2].id");
}

#[test]
fn a_rule_that_holds_everything_says_so() {
    let settings = accept("intercept.rules", "id = 'all', direction = 'both'");
    assert_eq!(settings.intercept_rules[0].direction, RuleDirection::Both);
    accept("intercept.rules", "id = 'all', when = 'true'");
}

#[test]
fn presets_are_known_and_none_is_there_twice() {
    let loaded = from_file("safety.output.presets = ['jwt', 'email']").unwrap();
    assert_eq!(loaded.settings.safety_output.presets, ["jwt", "email"]);
    for (set, says) in [
        ("safety.input.presets=xs", "there is no \"xs\", did you mean \"xss\"?"),
        (
            "safety.input.presets=everything",
            "there is no \"everything\"; expected a list, each one of",
        ),
        ("safety.input.presets=xss,xss", "\"xss\" is there twice"),
        ("safety.input.presets=email", "there is no \"email\""),
    ] {
        let (_, told) = problem(from_sets(&[set]));
        assert!(told.contains(says), "{set}: {told}");
    }
}

#[test]
fn safety_blocks_where_a_rule_does() {
    let blocks = |texts: &[&str]| from_sets(texts).unwrap().settings.safety_blocks();
    let log_only = "safety.input.action=log_only";
    let rule = |action: &str| format!("safety.input.rules=[{{ id = 'a', pattern = 'a', action = '{action}' }}]");
    assert!(!blocks(&[]), "without a rule there is nothing to block");
    assert!(blocks(&["safety.input.presets=xss"]));
    assert!(!blocks(&["safety.input.presets=xss", log_only]));
    assert!(blocks(&[&rule("")]));
    assert!(!blocks(&[&rule(""), log_only]));
    assert!(blocks(&[&rule("block"), log_only]));
    assert!(!blocks(&[&rule("log_only")]));
    assert!(blocks(&[&rule("log_only"), "safety.input.presets=xss"]));
}

#[test]
fn rules_that_block_what_may_be_read_in_two_ways_are_warned_of() {
    let warnings = |texts: &[&str]| from_sets(texts).unwrap().warnings;
    let (rule, relay) = ("safety.input.presets=xss", "wire.violations=relay");
    let warned = warnings(&[rule, relay]);
    assert!(warned.len() == 1 && warned[0].contains("wire.violations"), "{warned:?}");
    assert_eq!(warnings(&[rule]), [""; 0]);
    assert_eq!(warnings(&[rule, "wire.violations=close"]), [""; 0]);
    assert_eq!(warnings(&[rule, relay, "safety.input.action=log_only"]), [""; 0]);
}
