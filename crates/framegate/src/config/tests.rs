//! Order of the sources, and what is said of a value that does not fit.

#![allow(clippy::unwrap_used)]

mod lists;
mod judges;

use std::path::PathBuf;

use super::*;

/// A file that lives as long as the test needs it.
struct File {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn file(text: &str) -> File {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f.toml");
    std::fs::write(&path, text).unwrap();
    File { _dir: dir, path }
}

fn env(variables: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    variables.iter().map(own).collect::<Vec<_>>().into_iter()
}

fn sets(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn from_file(text: &str) -> Result<Loaded, ConfigError> {
    load(Some(&file(text).path), env(&[]), &[])
}

fn from_sets(texts: &[&str]) -> Result<Loaded, ConfigError> {
    load(None, env(&[]), &sets(texts))
}

/// The one problem's key, and its text without the temporary directory.
fn problem(result: Result<Loaded, ConfigError>) -> (String, String) {
    let mut problems = result.unwrap_err().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    let problem = problems.remove(0);
    let place = problem.place.rsplit('/').next().unwrap().to_owned();
    (problem.key, format!("{place}: {}", problem.what))
}

#[test]
fn nothing_given_is_all_defaults() {
    let loaded = load(None, env(&[]), &[]).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.origin("limits.idle_ms"), &Origin::Default);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let file = file("[limits]\nidle_ms = 1\ndrain_ms = 1\nclose_ms = 1\n");
    let variables = env(&[("FRAMEGATE_LIMITS__IDLE_MS", "2"), ("FRAMEGATE_LIMITS__DRAIN_MS", "2")]);
    let loaded = load(
        Some(&file.path),
        variables,
        &sets(&["limits.idle_ms=3", "limits.idle_ms=4"]),
    )
    .unwrap();
    let Limits {
        idle_ms,
        drain_ms,
        close_ms,
        handshake_ms,
        ..
    } = loaded.settings.limits;
    assert_eq!((idle_ms, drain_ms, close_ms, handshake_ms), (4, 2, 1, 10_000));
    assert_eq!(loaded.origin("limits.idle_ms"), &Origin::CommandLine);
    assert_eq!(
        loaded.origin("limits.drain_ms"),
        &Origin::Environment("FRAMEGATE_LIMITS__DRAIN_MS".to_owned())
    );
    let path = file.path.clone();
    assert_eq!(loaded.origin("limits.close_ms"), &Origin::File { path, line: 4 });
    assert_eq!(loaded.origin("limits.handshake_ms"), &Origin::Default);
}

#[test]
fn a_bad_value_is_an_error_even_where_another_source_goes_before_it() {
    let file = file("[limits]\nidle_ms = -1\n");
    let result = load(Some(&file.path), env(&[]), &sets(&["limits.idle_ms=1"]));
    assert_eq!(problem(result).0, "limits.idle_ms");
}

#[test]
fn every_way_to_write_a_table_is_one() {
    for text in [
        "limits.idle_ms = 7",
        "limits = { idle_ms = 7 }",
        "[limits]\nidle_ms = 7",
        "[limits]\n\"idle_ms\" = 0x7",
    ] {
        assert_eq!(from_file(text).unwrap().settings.limits.idle_ms, 7, "{text}");
    }
    assert_eq!(from_file("[limits]\n[wire]\n").unwrap().settings, Settings::default());
}

#[test]
fn text_needs_no_quotes_outside_the_file() {
    for value in ["close", "\"close\"", "'close'", " close "] {
        let loaded = from_sets(&[&format!("wire.violations={value}")]).unwrap();
        assert_eq!(loaded.settings.wire.violations, Some(Violations::Close), "{value}");
    }
    assert_eq!(
        from_sets(&["limits.idle_ms=1_000"]).unwrap().settings.limits.idle_ms,
        1000
    );
    assert!(
        from_sets(&["wire.validate_utf8=true"])
            .unwrap()
            .settings
            .wire
            .validate_utf8
    );
}

#[test]
fn a_list_is_toml_or_has_commas() {
    for value in [
        "[\"a.example\", \"*.b.example\"]",
        "['a.example','*.b.example']",
        "a.example, *.b.example",
    ] {
        let loaded = load(None, env(&[("FRAMEGATE_TLS__PASSTHROUGH", value)]), &[]).unwrap();
        assert_eq!(loaded.settings.tls.passthrough, ["a.example", "*.b.example"], "{value}");
    }
    for value in ["", "[]"] {
        let file = file("tls.passthrough = ['a.example']");
        let loaded = load(
            Some(&file.path),
            env(&[]),
            &sets(&[&format!("tls.passthrough={value}")]),
        )
        .unwrap();
        assert!(loaded.settings.tls.passthrough.is_empty(), "{value}");
    }
    assert_eq!(
        from_sets(&["tls.passthrough=[::1]"]).unwrap().settings.tls.passthrough,
        ["[::1]"]
    );
}

#[test]
fn what_was_set_can_be_unset() {
    let file = file("wire.violations = 'close'");
    let loaded = load(Some(&file.path), env(&[]), &sets(&["wire.violations="])).unwrap();
    assert_eq!(loaded.settings.wire.violations, None);
}

#[test]
fn doors_and_addresses_are_settings() {
    let loaded = from_file("[listen]\nmodes = ['regular@:1', 'reverse:ws://h@:2']\ncontrol = ':3'").unwrap();
    let shown: Vec<String> = loaded.settings.listen.modes.iter().map(Mode::to_string).collect();
    assert_eq!(shown, ["regular@127.0.0.1:1", "reverse:http://h@127.0.0.1:2"]);
    assert_eq!(loaded.settings.listen.control.to_string(), "127.0.0.1:3");
}

#[test]
fn bad_values_in_the_file_are_told_with_their_line() {
    let number = "expected a whole number of milliseconds from 0 to 31536000000";
    for (text, key, says) in [
        (
            "\n[limits]\nidle_ms = \"x\"",
            "limits.idle_ms",
            format!("f.toml:3: found \"x\", {number}"),
        ),
        (
            "limits.idle_ms = -1",
            "limits.idle_ms",
            format!("f.toml:1: found -1, {number}"),
        ),
        (
            "limits.idle_ms = 1.5",
            "limits.idle_ms",
            format!("f.toml:1: found 1.5, {number}"),
        ),
        (
            "limits.idle_ms = [1]",
            "limits.idle_ms",
            format!("f.toml:1: found [1], {number}"),
        ),
        (
            "limits.idle_ms.x = 1",
            "limits.idle_ms.x",
            "f.toml:1: no such setting".to_owned(),
        ),
        (
            "limits = 1",
            "limits",
            "f.toml:1: expected a table of settings".to_owned(),
        ),
        (
            "[[limits]]\nidle_ms = 1",
            "limits",
            "f.toml:1: expected a table of settings".to_owned(),
        ),
        (
            "[wire]\nvalidate_utf8 = 1",
            "wire.validate_utf8",
            "f.toml:2: found 1, expected true or false".to_owned(),
        ),
        (
            "store.on_error = 'explode'",
            "store.on_error",
            "f.toml:1: found 'explode', expected one of \"relay\", \"stop\"".to_owned(),
        ),
        (
            "listen.modes = []",
            "listen.modes",
            "f.toml:1: there must be at least one door".to_owned(),
        ),
    ] {
        let (found_key, found) = problem(from_file(text));
        assert_eq!(found_key, key, "{text}");
        assert!(found.starts_with(&says), "{text}\n  {found}\n  {says}");
    }
}

#[test]
fn numbers_beyond_64_bits_are_no_numbers() {
    for text in [
        "limits.idle_ms = 99999999999999999999",
        "limits.idle_ms = 0xffffffffffffffffff",
    ] {
        let (_, found) = problem(from_file(text));
        assert!(found.contains("expected a whole number"), "{found}");
    }
}

#[test]
fn bad_values_outside_the_file_are_told_with_their_place() {
    for value in ["", "x", "1.5", "1 000", "-1", "0x", "99999999999999999999"] {
        let (key, found) = problem(from_sets(&[&format!("limits.handshake_ms={value}")]));
        assert_eq!(key, "limits.handshake_ms");
        assert!(
            found.starts_with(&format!("command line: found {value:?}, expected a whole number")),
            "{found}"
        );
        let (_, found) = problem(load(None, env(&[("FRAMEGATE_LIMITS__HANDSHAKE_MS", value)]), &[]));
        assert!(
            found.starts_with("environment variable FRAMEGATE_LIMITS__HANDSHAKE_MS: found"),
            "{found}"
        );
    }
    for (set, says) in [
        ("wire.violations=\"close", "the quotes do not match"),
        ("tls.passthrough=[\"a\"", "not a TOML list"),
        ("tls.passthrough=a b", "\"a b\" is no host pattern"),
        ("listen.control=nowhere", "cannot read the address \"nowhere\""),
        (
            "listen.modes=regular@:1,socks5@:2",
            "socks5@ADDR is not in this version",
        ),
        ("record.enabled=yes", "expected true or false"),
        ("record.on_full=", "expected one of"),
    ] {
        let (_, found) = problem(from_sets(&[set]));
        assert!(found.contains(says), "{set}: {found}");
    }
}

#[test]
fn ranges_include_their_ends() {
    for setting in check::all() {
        let Kind::Number(min, max) = setting.kind else { continue };
        for number in [min, max] {
            assert!(
                from_sets(&[&format!("{}={number}", setting.key)]).is_ok(),
                "{} = {number}",
                setting.key
            );
        }
        let beyond = std::iter::once(min - 1).chain(max.checked_add(1));
        for number in beyond {
            assert_eq!(
                problem(from_sets(&[&format!("{}={number}", setting.key)])).0,
                setting.key
            );
        }
    }
}

#[test]
fn every_word_in_the_table_is_one_of_the_settings() {
    for setting in check::all() {
        let Kind::Word(words) = setting.kind.when_set() else {
            continue;
        };
        for word in words {
            let loaded = from_sets(&[&format!("{}={word}", setting.key)]).unwrap();
            assert_eq!(
                show::lookup(&loaded.settings.to_json(), setting.key),
                word,
                "{}",
                setting.key
            );
        }
    }
}

#[test]
fn unknown_names_are_errors_and_near_ones_are_suggested() {
    let (key, found) = problem(from_file("[limits]\nframe_byte_max = 1"));
    assert_eq!(key, "limits.frame_byte_max");
    assert_eq!(found, "f.toml:2: no such setting; did you mean limits.frame_bytes_max?");
    let (_, found) = problem(from_sets(&["idle_ms=1"]));
    assert!(found.ends_with("did you mean limits.idle_ms?"), "{found}");
    let (key, found) = problem(load(None, env(&[("FRAMEGATE_LIMITS__COLOUR", "1")]), &[]));
    assert_eq!(
        (key.as_str(), found.ends_with("no such setting")),
        ("limits.colour", true),
        "{found}"
    );
}

#[test]
fn a_variable_without_a_section_is_no_setting() {
    let variables = [
        ("FRAMEGATE_DATA_DIR", "d"),
        ("FRAMEGATE_LOG", "debug"),
        ("LIMITS__IDLE_MS", "x"),
        ("A__B", "c"),
    ];
    assert_eq!(load(None, env(&variables), &[]).unwrap().settings, Settings::default());
}

#[test]
fn a_set_without_a_value_is_told() {
    for text in ["limits.idle_ms", "", "=1"] {
        let (_, found) = problem(from_sets(&[text]));
        assert!(found.contains("expected KEY=VALUE"), "{text}: {found}");
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let file = file("[limits]\nidle_ms = 'a'\n[wire]\ncolour = 1\n");
    let result = load(
        Some(&file.path),
        env(&[("FRAMEGATE_STORE__FLUSH_MS", "0")]),
        &sets(&["nothing"]),
    );
    assert_eq!(result.unwrap_err().problems.len(), 4);
}

#[test]
fn a_file_that_is_not_toml_is_told_with_line_and_column() {
    for (text, place) in [
        ("[limits]\nidle_ms = \n", "f.toml:2:1"),
        ("limits.idle_ms = 1\nlimits.idle_ms = 2\n", "f.toml:2:"),
        ("[limits\n", "f.toml:1:"),
    ] {
        let error = from_file(text).unwrap_err();
        assert!(error.to_string().contains(place), "{text}: {error}");
        assert!(error.to_string().contains("not TOML"), "{error}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    let error = load(Some(Path::new("/nowhere/f.toml")), env(&[]), &[])
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("/nowhere/f.toml: cannot read"), "{error}");
    let file = file("");
    std::fs::write(&file.path, b"a = '\xff'").unwrap();
    let error = load(Some(&file.path), env(&[]), &[]).unwrap_err().to_string();
    assert!(error.contains("not UTF-8 (byte 5)"), "{error}");
}

#[test]
fn another_store_is_refused_and_its_password_not_repeated() {
    for result in [
        from_sets(&["store.url=postgres://me:hush@h/d"]),
        from_file("store.url = 'postgres://me:hush@h/d'"),
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("only SQLite in this version"), "{error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

#[test]
fn the_bundle_of_certificates_must_be_one() {
    let (_, found) = problem(from_sets(&["tls.upstream_ca=/nowhere.pem"]));
    assert!(found.contains("cannot be read"), "{found}");
    let empty = file("");
    let (_, found) = problem(from_sets(&[&format!("tls.upstream_ca={}", empty.path.display())]));
    assert!(found.contains("there is no certificate in that file"), "{found}");
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["h".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let good = file(&certificate.pem());
    assert!(from_sets(&[&format!("tls.upstream_ca={}", good.path.display())]).is_ok());
}

#[test]
fn a_secret_is_not_repeated_where_it_is_wrong() {
    for (text, says) in [
        ("gateway.secret_header = 'hush'", "no colon"),
        ("gateway.secret_header = 'x y: hush'", "no field name"),
        ("hook.signing_key = 'hush'", "whsec_"),
        (
            "[[routes]]\nupstream = ['ws://h']\nsend_hook_headers = ['hush']",
            "no colon",
        ),
    ] {
        let error = from_file(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
        assert!(!error.contains("hush"), "{error}");
    }
    assert_eq!(problem(from_file("hook.colour = 1")).1, "f.toml:1: no such setting");
}

#[test]
fn the_variables_of_gateways_go_behind_all_else() {
    let variables = env(&[("WSPROXY_PORT", "4000"), ("WSPROXY_WEBHOOK_POOL_SIZE", "7")]);
    let loaded = load(None, variables.clone(), &[]).unwrap();
    let doors = |loaded: &Loaded| -> Vec<String> {
        let modes = &loaded.settings.listen.modes;
        modes.iter().map(ToString::to_string).collect()
    };
    assert_eq!(doors(&loaded), ["regular@127.0.0.1:8080", "gateway@127.0.0.1:4000"]);
    assert_eq!(loaded.settings.hook.pool_size, 7);
    let sets = ["listen.modes=gateway@:1".to_owned(), "hook.pool_size=8".to_owned()];
    let loaded = load(None, variables, &sets).unwrap();
    assert_eq!(doors(&loaded), ["gateway@127.0.0.1:1"]);
    assert_eq!(loaded.settings.hook.pool_size, 8);
    let (key, found) = problem(load(None, env(&[("WSPROXY_PORT", "no")]), &[]));
    assert_eq!(key, "listen.modes");
    assert!(found.starts_with("environment variable WSPROXY_PORT: "), "{found}");
}

#[test]
fn a_route_leads_somewhere_or_leaves_it_to_others() {
    let route = &from_file("[[routes]]\npath = '/a'\n").unwrap().settings.routes[0];
    assert!(route.upstream.is_empty());
    let routes = "[[routes]]\nhost = 'a.example'\nupstream = ['ws://127.0.0.1:9']\nidle_ms = 5\n";
    let loaded = from_file(routes).unwrap();
    let route = &loaded.settings.routes[0];
    assert_eq!((route.id.as_str(), route.idle_ms, route.compress), ("1", Some(5), None));
    for (row, says) in [
        ("upstream = []", "lead nowhere"),
        ("upstream = ['http://h/a']", "the client's is taken"),
        ("upstream = ['ws://h']\npath = 'a'", "slash"),
        ("upstream = ['ws://h']\nsend_hook = 'ws://h'", "neither http nor https"),
    ] {
        let error = from_file(&format!("[[routes]]\n{row}\n")).unwrap_err().to_string();
        assert!(error.contains(says), "{row}: {error}");
    }
}

#[test]
fn doors_that_are_open_to_others_are_warned_of() {
    let loaded = from_sets(&[
        "listen.modes=regular@0.0.0.0:1,regular@127.0.0.1:2",
        "listen.control=[::]:3",
    ])
    .unwrap();
    assert_eq!(loaded.warnings.len(), 2, "{:?}", loaded.warnings);
    assert!(
        loaded.warnings[0].contains("regular@0.0.0.0:1"),
        "{:?}",
        loaded.warnings
    );
    assert!(loaded.warnings[1].contains("listen.control"), "{:?}", loaded.warnings);
}

#[test]
fn what_is_shown_is_a_configuration_of_its_own() {
    let loaded = from_sets(&[
        "tls.passthrough=a,b",
        "limits.idle_ms=3",
        "listen.modes=reverse:http://h@:1",
    ])
    .unwrap();
    let mut shown = Vec::new();
    loaded.write_text(&mut shown).unwrap();
    let again = from_file(&String::from_utf8(shown).unwrap()).unwrap();
    assert_eq!(again.settings, loaded.settings);
}
