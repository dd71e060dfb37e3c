//! Lists of tables: how they are given, what is said of a row that does not fit, and how they are shown.

use super::*;

/// The keys and texts of all problems, without the temporary directory.
fn problems(result: Result<Loaded, ConfigError>) -> Vec<String> {
    let told = |problem: Problem| {
        let place = problem.place.rsplit('/').next().unwrap().to_owned();
        format!("{} ({place}): {}", problem.key, problem.what)
    };
    result.unwrap_err().problems.into_iter().map(told).collect()
}

fn literals(loaded: &Loaded) -> Vec<(&str, &str)> {
    let rows = loaded.settings.rewrite.iter();
    rows.map(|row| (row.literal.as_deref().unwrap_or(""), row.replacement.as_str()))
        .collect()
}

#[test]
fn a_list_is_headers_or_one_value() {
    for text in [
        "[[rewrite]]\nliteral = 'a'\nreplacement = '1'\n[[rewrite]]\nliteral = 'b'\nreplacement = '2'\n",
        "rewrite = [{ literal = 'a', replacement = '1' }, { literal = 'b', replacement = '2' }]",
        "rewrite = [\n  { literal = 'a', replacement = '1' },\n  # both\n  { literal = 'b', replacement = '2' },\n]",
    ] {
        let loaded = from_file(text).unwrap();
        assert_eq!(literals(&loaded), [("a", "1"), ("b", "2")], "{text}");
        assert!(
            matches!(loaded.origin("rewrite"), Origin::File { line: 1, .. }),
            "{text}"
        );
    }
    for text in [
        "rewrite = []",
        "[safety.input]\nrules = []",
        "[safety]\n[safety.input]\n[safety.output]\n[intercept]\n",
    ] {
        assert_eq!(from_file(text).unwrap().settings, Settings::default(), "{text}");
    }
    let dotted = "[safety]\ninput.rules = [{ id = 'a', pattern = 'b' }]\ninput.binary = true";
    let settings = from_file(dotted).unwrap().settings;
    assert_eq!(settings.safety_input_rules[0].id, "a");
    assert!(settings.safety_input.binary);
}

#[test]
fn a_list_is_one_value_on_the_command_line_and_in_the_environment() {
    let file = file("[[rewrite]]\nliteral = 'a'\nreplacement = '1'\n[[rewrite]]\nliteral = 'b'\nreplacement = ''\n");
    let value = "[{ literal = \"c\", replacement = \"3\" }]";
    let variable = env(&[("FRAMEGATE_REWRITE", value)]);
    let loaded = load(Some(&file.path), variable, &[]).unwrap();
    assert_eq!(literals(&loaded), [("c", "3")], "the whole list is another");
    assert_eq!(
        loaded.origin("rewrite"),
        &Origin::Environment("FRAMEGATE_REWRITE".to_owned())
    );
    let variable = env(&[("FRAMEGATE_REWRITE", value)]);
    let set = sets(&["rewrite=[{literal='d',replacement='4'},]"]);
    let loaded = load(Some(&file.path), variable, &set).unwrap();
    assert_eq!(literals(&loaded), [("d", "4")]);
    for nothing in ["rewrite=", "rewrite=[]"] {
        let loaded = load(Some(&file.path), env(&[]), &sets(&[nothing])).unwrap();
        assert_eq!(literals(&loaded), []);
    }
    let variable = env(&[("FRAMEGATE_SAFETY__INPUT__RULES", "[{ id = 'a', pattern = 'b' }]")]);
    let loaded = load(None, variable, &[]).unwrap();
    assert_eq!(loaded.settings.safety_input_rules[0].pattern.as_deref(), Some("b"));
}

#[test]
fn an_error_names_the_row_the_field_and_its_line() {
    let text = "[[rewrite]]\nliteral = 'a'\nreplacement = ''\n\n[[rewrite]]\nreplacement = ''\npattern = '('\n";
    assert_eq!(
        problems(from_file(text)),
        ["rewrite[2].pattern (f.toml:7): found '(', unclosed group; expected a regular expression, or \"\" for none"]
    );
    let text = "rewrite = [\n  { literal = 'a', replacement = '' },\n  { literal = 7, replacement = '' },\n]";
    assert_eq!(
        problems(from_file(text)),
        ["rewrite[2].literal (f.toml:3): found 7, expected a text, or \"\" for none"]
    );
    let set = "intercept.rules=[{ id = 'a', opcode = 'txt' }]";
    assert_eq!(
        problems(from_sets(&[set])),
        ["intercept.rules[1].opcode (command line): found 'txt', expected one of \"text\", \"binary\", \"any\""]
    );
    let variable = env(&[("FRAMEGATE_PLUGINS", "[{}]")]);
    assert_eq!(
        problems(load(None, variable, &[])),
        ["plugins[1].path (environment variable FRAMEGATE_PLUGINS): is missing, expected the path of a plugin's file"]
    );
}

#[test]
fn what_is_wrong_with_a_row_as_a_whole_is_told_at_its_header() {
    let text = "\n[[rewrite]]\nid = 'x'\nliteral = 'a'\njson = 'b'\nreplacement = ''\n[[rewrite]]\nliteral = 'a'\n";
    assert_eq!(
        problems(from_file(text)),
        [
            "rewrite[1] (f.toml:2): has more than one of pattern, literal and json: make a row of each",
            "rewrite[2].replacement (f.toml:7): is missing, expected a text",
        ]
    );
}

#[test]
fn a_field_that_no_row_has_is_an_error_and_a_near_one_is_suggested() {
    let text = "[[rewrite]]\nliteral = 'a'\nreplacment = 'b'\nreplacement = ''\ncolour = 1\n[rewrite.when]\nx = 1\n";
    assert_eq!(
        problems(from_file(text)),
        [
            "rewrite[1].replacment (f.toml:3): no such field; did you mean replacement?",
            "rewrite[1].colour (f.toml:5): no such field; there are id, direction, when, pattern, literal, json, \
             replacement",
            "rewrite[1].when (f.toml:6): found [rewrite.when], expected a filter that a rule can ask, such as 'json.type \
             == \"login\"', or \"\" for none",
        ]
    );
}

#[test]
fn what_is_no_list_of_tables_is_an_error() {
    let expected = "expected a list of tables with id, pattern, when, action";
    for (text, found) in [
        ("[safety.input.rules]\nid = 'a'", "found [safety.input.rules]"),
        ("[safety.input.rules]", "found [safety.input.rules]"),
        ("safety.input.rules = { id = 'a' }", "found { id = 'a' }"),
        ("safety.input.rules = 'a'", "found 'a'"),
        ("safety.input.rules = {}", "found {}"),
        ("safety.input.rules = [1]", "found [1]"),
        (
            "safety.input.rules = [{ id = 'a', pattern = 'a' }, 'b']",
            "found [{ id =",
        ),
    ] {
        let told = problems(from_file(text));
        assert_eq!(told.len(), 1, "{told:?}");
        let place = format!("safety.input.rules (f.toml:1): {found}");
        assert!(told[0].starts_with(&place) && told[0].ends_with(expected), "{told:?}");
    }
    for (set, says) in [
        ("safety.input.rules=a", "not TOML"),
        ("safety.input.rules=[{ id = 'a' }", "not TOML"),
        ("safety.input.rules='a'", "not a list"),
        ("safety.input.rules={ id = 'a' }", "not a list"),
        (
            "safety.input.rules=[{ id = 'a', pattern = 'b' }, 1]",
            "not all of it are tables",
        ),
    ] {
        let told = problems(from_sets(&[set]));
        assert!(told[0].contains(says) && told[0].ends_with(expected), "{set}: {told:?}");
    }
}

#[test]
fn sections_of_a_section_are_tables() {
    for text in ["safety = 1", "safety.input = 1", "safety.input = []", "intercept = 'a'"] {
        let told = problems(from_file(text));
        assert!(told[0].ends_with("expected a table of settings"), "{text}: {told:?}");
    }
    assert_eq!(
        problems(from_file(
            "[safety.inptu]\naction = 'block'\n[safety.input]\nrule = []\n"
        )),
        [
            "safety.inptu.action (f.toml:2): no such setting; did you mean safety.input.action?",
            "safety.input.rule (f.toml:4): no such setting; did you mean safety.input.rules?",
        ]
    );
}

#[test]
fn everything_that_is_wrong_with_all_rows_is_told_at_once() {
    let text = "[[intercept.rules]]\n[[intercept.rules]]\nid = ''\npayload = '['\n[[intercept.rules]]\nid = 'a'\n";
    let told = problems(from_file(text));
    let keys: Vec<&str> = told.iter().map(|told| told.split(' ').next().unwrap()).collect();
    assert_eq!(
        keys,
        [
            "intercept.rules[1].id",
            "intercept.rules[2].id",
            "intercept.rules[2].payload",
            "intercept.rules[3]"
        ]
    );
}

#[test]
fn each_list_has_ids_of_its_own() {
    let rule = "id = 'a'\npattern = 'b'\n";
    let both = format!("[[safety.input.rules]]\n{rule}[[safety.output.rules]]\n{rule}");
    assert!(from_file(&both).is_ok());
    let twice = format!("[[safety.input.rules]]\n{rule}[[safety.input.rules]]\n{rule}");
    assert_eq!(
        problems(from_file(&twice)),
        ["safety.input.rules[2].id (f.toml:4): safety.input.rules[1] has the id \"a\" already"]
    );
    // An id that nobody gave counts as well.
    let set = "rewrite=[{ id = '2', literal = 'a', replacement = '' }, { literal = 'b', replacement = '' }]";
    assert_eq!(
        problems(from_sets(&[set])),
        ["rewrite[2].id (command line): rewrite[1] has the id \"2\" already"]
    );
}

/// A text that only the right quotes bring through: quotes, backslashes, control characters, more than one line.
const AWKWARD: &str = "\"\\ ' \u{7f}\u{1}\t\r\n# $1 ] } é";
const AWKWARD_IN_TOML: &str = r##""\"\\ ' \u007F\u0001\t\r\n# $1 ] } é""##;

fn some_of_each() -> (File, Loaded) {
    let plugin = file("");
    let awkward = format!("literal = {AWKWARD_IN_TOML}, replacement = {AWKWARD_IN_TOML}");
    let rewrite = format!("rewrite=[{{ {awkward} }}, {{ json = 'a[0]', replacement = '' }}]");
    let plugins = format!(
        "plugins=[{{ path = '{}', id = 'p', time_ms = 7 }}]",
        plugin.path.display()
    );
    let loaded = from_sets(&[
        &rewrite,
        &plugins,
        "safety.input.presets=xss,secrets",
        "safety.input.rules=[{ id = 'a', when = 'size > 1', action = 'log_only' }, { id = 'b', pattern = '\\d' }]",
        "safety.output.rules=[{ id = 'a', pattern = 'ORD-\\d{6}' }]",
        "intercept.rules=[{ id = 'a', direction = 'server_to_client', url = '^wss:' }]",
    ])
    .unwrap();
    assert_eq!(loaded.settings.rewrite[0].literal.as_deref(), Some(AWKWARD));
    (plugin, loaded)
}

#[test]
fn lists_that_are_shown_are_a_configuration_of_their_own() {
    let (_plugin, loaded) = some_of_each();
    let mut shown = Vec::new();
    loaded.write_text(&mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    let again = from_file(&shown).unwrap();
    assert_eq!(again.settings, loaded.settings, "{shown}");
    let rules = "safety.input.rules = [\n  { id = \"a\", when = \"size > 1\", action = \"log_only\" },\n  { id = \"b\", \
                 pattern = \"\\\\d\" },\n]  # command line\n";
    assert!(shown.contains(rules), "{shown}");
}

#[test]
fn lists_are_shown_as_json_with_all_of_their_fields() {
    let (_plugin, loaded) = some_of_each();
    let mut shown = Vec::new();
    loaded.write_json(&mut shown).unwrap();
    let lines = String::from_utf8(shown).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let values: BTreeMap<String, serde_json::Value> = lines
        .map(|mut line| (line["key"].as_str().unwrap().to_owned(), line["value"].take()))
        .collect();
    let rewrite: Vec<RewriteRule> = serde_json::from_value(values["rewrite"].clone()).unwrap();
    assert_eq!(rewrite, loaded.settings.rewrite);
    assert_eq!(
        values["intercept.rules"],
        serde_json::json!([
            { "id": "a", "when": null, "direction": "receive", "url": "^wss:", "opcode": "any", "payload": null }
        ])
    );
}

#[test]
fn every_column_has_a_default_that_fits_it_or_must_be_given() {
    let lists = check::all().filter_map(|setting| match setting.kind {
        Kind::Rows(rows) => Some((setting.key, rows)),
        _ => None,
    });
    let mut seen = 0;
    for (key, rows) in lists {
        let defaults = (rows.defaults)();
        for Column { setting, required } in rows.columns {
            let default = show::toml_text(&defaults[setting.key]);
            let read = check::value(setting, &sources::Given::Text(default.clone()));
            assert!(*required || read.is_ok(), "{key}.{}: {default}", setting.key);
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn numbers_and_words_of_rows_have_ranges_that_include_their_ends() {
    let plugin = file("");
    let path = plugin.path.display();
    for setting in check::all() {
        let Kind::Rows(rows) = setting.kind else { continue };
        for Column { setting: column, .. } in rows.columns {
            let (good, bad) = match column.kind.when_set() {
                Kind::Number(min, max) => (
                    vec![min.to_string(), max.to_string()],
                    vec![(min - 1).to_string(), (max + 1).to_string()],
                ),
                Kind::Word(words) => (
                    words.iter().map(|word| format!("'{word}'")).collect(),
                    vec!["'no such word'".to_owned()],
                ),
                _ => continue,
            };
            let others = match setting.key {
                "plugins" => format!("path = '{path}', id = 'a'"),
                "rewrite" => "literal = 'a', replacement = 'a'".to_owned(),
                "intercept.rules" => "id = 'a', url = 'a'".to_owned(),
                "schemas" => format!("id = 'a', path = '{path}'"),
                "routes" => "id = 'a', upstream = ['ws://h']".to_owned(),
                _ => "id = 'a', pattern = 'a'".to_owned(),
            };
            let load = |value: &str| from_sets(&[&format!("{}=[{{{others}, {} = {value}}}]", setting.key, column.key)]);
            for value in good {
                load(&value).unwrap_or_else(|error| panic!("{error}"));
            }
            for value in bad {
                assert_eq!(
                    problem(load(&value)).0,
                    format!("{}[1].{}", setting.key, column.key),
                    "{value}"
                );
            }
        }
    }
}

#[test]
fn limits_that_can_limit_nobody_are_warned_of() {
    let warnings = |texts: &[&str]| from_sets(texts).unwrap().warnings;
    let (gateway, limit) = ("listen.modes=gateway@:1", "limits.source_connections_max=1");
    let warnings = |texts: &[&str]| warnings(&[texts, &["hook.body=waf"]].concat());
    let warned = warnings(&[gateway, limit, "gateway.trusted_proxies="]);
    assert!(warned.len() == 1 && warned[0].contains("trusted_proxies"), "{warned:?}");
    assert_eq!(warnings(&[gateway, limit]), [""; 0]);
    assert_eq!(warnings(&[gateway, "gateway.trusted_proxies="]), [""; 0]);
    let origins = "upgrade.origins_allow=https://a";
    let warned = warnings(&[origins]);
    assert!(warned.len() == 1 && warned[0].contains("origins_allow"), "{warned:?}");
    assert_eq!(warnings(&[gateway, origins]), [""; 0]);
}

#[test]
fn bodies_without_a_type_are_warned_of_where_a_hook_can_be() {
    let warnings = |texts: &[&str]| from_sets(texts).unwrap().warnings;
    let reverse = "listen.modes=reverse:http://h@:1";
    let route = |hook: &str| format!("routes=[{{ upstream = ['ws://h']{hook} }}]");
    let (plain, send) = (route(""), route(", send_hook = 'http://h'"));
    let receive = route(", receive_hook = 'http://h'");
    for hooked in [
        &["listen.modes=gateway@:1"][..],
        &["listen.modes=regular@:1,gateway@:2", "hook.body=raw"],
        &[reverse, &send],
        &[reverse, &receive],
        // Its door may be on the command line.
        &[&send],
    ] {
        let warned = warnings(hooked);
        assert!(warned.len() == 1 && warned[0].contains("hook.body"), "{warned:?}");
        for body in ["hook.body=waf", "hook.body=json"] {
            assert_eq!(warnings(&[hooked, &[body]].concat()), [""; 0]);
        }
    }
    for none in [&["hook.body=raw"][..], &[reverse, &plain], &[reverse, "hook.body=raw"]] {
        assert_eq!(warnings(none), [""; 0]);
    }
    let variables = env(&[("WSPROXY_PORT", "4000")]);
    assert_eq!(load(None, variables, &[]).unwrap().warnings.len(), 1);
}

#[test]
fn a_route_that_another_host_evades_is_warned_of() {
    let reverse = "listen.modes=reverse:http://h@:1";
    let warnings = |mode: &str, routes: &str| from_sets(&[mode, &format!("routes=[{routes}]")]).unwrap().warnings;
    let (host, path) = ("{ host = 'h', message_bytes_max = 125 }", "{ host = 'h', path = '/a' }");
    let (all, of_path) = ("{ message_bytes_max = 125 }", "{ path = '/a' }");
    for evaded in [host, path, &format!("{all}, {host}"), &format!("{host}, {of_path}")] {
        let warned = warnings(reverse, evaded);
        assert!(warned.len() == 1 && warned[0].contains("is for one host"), "{warned:?}");
    }
    for rest in [
        format!("{host}, {all}"),
        format!("{path}, {all}"),
        format!("{path}, {of_path}"),
    ] {
        assert_eq!(warnings(reverse, &rest), [""; 0]);
    }
    assert_eq!(warnings(reverse, all), [""; 0]);
    assert_eq!(warnings("listen.modes=regular@:1", host), [""; 0]);
}

#[test]
fn what_is_no_origin_is_refused_and_what_is_one_is_kept_in_one_form() {
    let loaded = from_sets(&["upgrade.origins_allow=HTTPS://App.example:443,null"]).unwrap();
    assert_eq!(loaded.settings.upgrade.origins_allow, ["https://app.example", "null"]);
    let (key, what) = problem(from_sets(&["upgrade.origins_allow=app.example"]));
    assert!(
        key == "upgrade.origins_allow" && what.contains("expected"),
        "{key}: {what}"
    );
}
