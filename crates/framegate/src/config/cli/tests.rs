//! Command lines as people write them, and what is said of those that are wrong.

#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::{Cli, Command, DoctorSubject, ExportFormat, Global, RunArgs};

fn read(line: &str) -> Result<(Global, Command), clap::Error> {
    Cli::read(std::iter::once("framegate").chain(line.split_whitespace()))
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn without_a_command_it_runs() {
    assert_eq!(read("").unwrap().1, Command::Run(RunArgs::default()));
    assert_eq!(
        read("--mode regular@:1").unwrap().1,
        read("run --mode regular@:1").unwrap().1
    );
    let error = read("--mode regular@:1 flows").unwrap_err().to_string();
    assert!(error.contains("behind the command"), "{error}");
}

#[test]
fn global_flags_stand_anywhere() {
    let before = read("--data-dir d --config c flows --json").unwrap();
    assert_eq!(before, read("flows --json --config c --data-dir d").unwrap());
    assert_eq!(before.0.data_dir().unwrap(), std::path::Path::new("d"));
    assert_eq!(read("--data-dir d").unwrap().1, Command::Run(RunArgs::default()));
}

#[test]
fn the_flags_of_run_are_settings() {
    let line = "run --set limits.idle_ms=1 --mode regular@:1 --mode reverse:http://h/a,b\"'\\@:3 --control :2";
    let Command::Run(run) = read(line).unwrap().1 else {
        panic!("not run");
    };
    let loaded = crate::config::load(None, std::iter::empty(), &run.sets()).unwrap();
    assert_eq!(loaded.settings.listen.modes, run.modes);
    assert_eq!(Some(loaded.settings.listen.control), run.control);
    assert_eq!(loaded.settings.limits.idle_ms, 1);
}

#[test]
fn what_is_not_in_this_version_is_said_to_be_so() {
    for (line, says) in [
        ("export --format pcapng", "pcapng is not in this version"),
        ("run --mode socks5@:4000", "socks5@ADDR is not in this version"),
        ("mcp", "unrecognized subcommand 'mcp'"),
        ("messages seven", "number of a flow"),
    ] {
        let error = read(line).unwrap_err();
        assert!(error.to_string().contains(says), "{line}: {error}");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn the_query_commands_take_a_filter() {
    let Command::Export(export) = read("export --format csv --output o f").unwrap().1 else {
        panic!("not export");
    };
    assert_eq!(
        (export.format, export.filter.as_deref()),
        (ExportFormat::Csv, Some("f"))
    );
    for line in [
        "flows f --limit 3",
        "messages 1 f --json",
        "tail f --json",
        "search w f --json",
    ] {
        assert!(read(line).is_ok(), "{line}");
    }
}

#[test]
fn the_flags_of_doctor_waf_stand_before_and_behind_the_word() {
    let flags = "--json --set hook.body=waf --set hook.fail=open --hook http://a/ --hook http://b/ --url wss://c/d?e";
    let before = read(&format!("doctor {flags} --config f waf")).unwrap();
    assert_eq!(before, read(&format!("doctor waf {flags} --config f")).unwrap());
    assert_eq!(before, read(&format!("--config f doctor {flags} waf")).unwrap());
    let Command::Doctor(doctor) = before.1 else {
        panic!("not doctor");
    };
    assert_eq!(doctor.what, Some(DoctorSubject::Waf));
    assert_eq!((doctor.sets.len(), doctor.hooks.len(), doctor.json), (2, 2, true));
    let url = doctor.url.unwrap();
    assert_eq!((url.authority().as_str(), url.target.as_str()), ("c", "/d?e"));
    for (line, says) in [
        ("doctor --hook http://a/", "waf"),
        ("doctor waff", "waf"),
        ("doctor waf --hook a", "neither http nor https"),
        ("doctor waf --url a", "expected the URL of a WebSocket"),
    ] {
        let error = read(line).unwrap_err().to_string();
        assert!(error.contains(says), "{line}: {error}");
    }
}
