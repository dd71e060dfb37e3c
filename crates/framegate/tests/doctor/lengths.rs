//! Long messages: how long one may be, and whether all of it is looked at.

use crate::report::{doctor, good, is_attack};
use crate::scripted::{Does, Hook, status};

const LONG: &str = "send long text";
const BEHIND: &str = "send attack behind it";

/// A firewall that does that with what is longer than so many bytes.
fn limited(max: usize, does: fn() -> Does) -> Hook {
    Hook::new(move |asked| match () {
        () if asked.body.len() > max => does(),
        () if is_attack(asked) => status(403),
        () => status(200),
    })
}

#[test]
fn the_limit_of_the_firewall_is_found_to_the_byte() {
    for max in [1024, 5000, 65_536, 131_071] {
        for (does, raise) in [
            ((|| status(400)) as fn() -> Does, "SecRequestBodyNoFilesLimit"),
            (|| status(413), "client_max_body_size"),
        ] {
            let hook = limited(max, does);
            let report = doctor(&hook.url(), &[]);
            assert_eq!(report.code, Some(0), "{}", report.out);
            report.has(
                LONG,
                "warn",
                "131072 bytes as a form: 4",
                &format!("set hook.body_bytes_max = {max}, or raise {raise}"),
            );
            report.has(BEHIND, "ok", &format!("{max} bytes with"), "");
            let hook = limited(max, does);
            let report = doctor(&hook.url(), &[&format!("hook.body_bytes_max={max}")]);
            report.has(LONG, "ok", &format!("{max} bytes as a form: 200"), "");
            assert_eq!(hook.asked().len(), 6);
        }
    }
}

#[test]
fn a_limit_below_the_least_setting_is_not_looked_for() {
    let report = doctor(&limited(500, || status(400)).url(), &[]);
    report.has(
        LONG,
        "warn",
        "400",
        "lower hook.body_bytes_max, which is 131072, or raise SecRequestBodyNoFilesLimit",
    );
    assert!(!report.names().contains(&BEHIND.to_owned()), "{}", report.out);
}

#[test]
fn other_ways_to_refuse_what_is_long() {
    let report = doctor(&limited(5000, || status(403)).url(), &[]);
    report.has(
        LONG,
        "warn",
        "403, blocked",
        "refuses what is long: the longest that it takes has 5000",
    );
    let report = doctor(
        &limited(5000, || Does::Ends(Vec::new())).url(),
        &["hook.timeout_ms=400"],
    );
    report.has(
        LONG,
        "warn",
        "no connection",
        "ends the connection before it has read the body",
    );
    let report = doctor(&limited(5000, || Does::Hangs).url(), &["hook.timeout_ms=400"]);
    report.has(LONG, "warn", "did not answer", "longer than hook.timeout_ms, 400 ms");
    let report = doctor(&limited(5000, || status(500)).url(), &[]);
    report.has(LONG, "warn", "it answered 500", "fails at long bodies with 500");
}

#[test]
fn where_failures_go_on_a_long_message_is_a_way_around() {
    let report = doctor(&limited(5000, || status(500)).url(), &["hook.fail=open"]);
    assert_eq!(report.code, Some(1));
    report.has(
        LONG,
        "fail",
        "it answered 500",
        "whoever makes a message long has it go on unjudged",
    );
    // A limit that the firewall states is a verdict.
    assert_eq!(
        doctor(&limited(5000, || status(413)).url(), &["hook.fail=open"]).code,
        Some(0)
    );
}

#[test]
fn a_firewall_that_looks_at_the_beginning_alone_is_found() {
    let hook = Hook::new(|asked| {
        let mut beginning = asked.clone();
        beginning.body.truncate(8192);
        status(if is_attack(&beginning) { 403 } else { 200 })
    });
    let report = doctor(&hook.url(), &[]);
    assert_eq!(report.code, Some(1));
    report.has(LONG, "ok", "200", "");
    report.has(
        BEHIND,
        "fail",
        "with an attack at their end, as a form: 200, it goes on",
        "SecRequestBodyLimitAction ProcessPartial",
    );
    assert_eq!(doctor(&hook.url(), &["hook.body_bytes_max=8192"]).code, Some(0));
}

#[test]
fn a_very_long_limit_is_not_reached() {
    let hook = good();
    let report = doctor(&hook.url(), &["hook.body_bytes_max=1000000000"]);
    report.has(LONG, "ok", "16777216 bytes", "");
}
