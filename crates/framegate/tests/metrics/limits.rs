//! Limits that were exceeded, and messages that have not the form of a schema.

use crate::peers::{Stage, TEXT, both_are_closed, part};
use crate::scrape::Scrape;
use crate::stage::wait_for;

#[test]
fn a_limit_that_was_gone_beyond_is_counted_under_its_name() {
    let stage = Stage::new(&["limits.messages_max=1"]);
    let (mut client, mut server) = stage.open();
    client.send(TEXT, b"one");
    server.hears(TEXT, b"one");
    client.send(TEXT, b"two");
    both_are_closed(&mut client, &mut server, 1008);
    let name = "framegate_limits_exceeded_total";
    wait_for("the count", || {
        (Scrape::of(&stage.proxy).some(name) == [(r#"{limit="message_count"}"#, 1.0)]).then_some(())
    });
}

#[test]
fn a_message_without_the_form_of_a_schema_is_counted_for_it_even_if_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("form.json"), r#"{"type":"object"}"#).unwrap();
    let stage = Stage::in_home(home, &[r#"schemas=[{id="form", path="form.json", action="log_only"}]"#]);
    let (mut client, mut server) = stage.open();
    for text in ["{}", "[]", "no JSON"] {
        client.send(TEXT, text.as_bytes());
        server.hears(TEXT, text.as_bytes());
    }
    assert_eq!(
        Scrape::of(&stage.proxy).some("framegate_schema_violations_total"),
        [(r#"{schema="form"}"#, 2.0)]
    );
    part(client, server);
}
