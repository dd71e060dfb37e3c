//! What hooks are called with, what they answer, and what becomes of it.

use std::thread;

use wire::frame::Opcode;

use super::super::error::Place;
use super::super::{Hook, PluginCounts, PluginState, Stage};
use super::{Tried, as_binary, as_text, ask, binary, call, hook, replaced, subject, text};
use crate::flow::Direction;
use crate::inspect::Opinion;

#[test]
fn each_direction_and_stage_has_its_hook_and_what_is_not_defined_says_nothing() {
    let mut tried = Tried::new(
        "def on_receive_from_client(m):\n    return 'a'\n\
         def on_before_send_to_server(m):\n    return 'b'\n\
         def on_receive_from_server(m):\n    return 'c'\n",
    );
    for (direction, stage, expected) in [
        (Direction::Send, Stage::Receive, as_text("a")),
        (Direction::Send, Stage::BeforeSend, as_text("b")),
        (Direction::Receive, Stage::Receive, as_text("c")),
        (Direction::Receive, Stage::BeforeSend, Opinion::Pass),
    ] {
        let hook = Hook::of(direction, stage);
        assert_eq!(tried.plugin.has(hook), expected != Opinion::Pass);
        assert_eq!(tried.call(hook, &text("x")), Ok(expected), "{hook:?}");
    }
    assert_eq!(tried.plugin.id(), "tried");
}

#[test]
fn a_message_shows_what_is_known_of_it() {
    let body = "    m = message\n    f = m.flow\n    return repr([m.opcode, m.text, m.direction, m.sequence, \
                m.compressed, m.size, f.id, f.url, f.scheme, f.host, f.port, f.path, f.subprotocol, f.mode, \
                f.client_ip, f.client_addr, f.server_addr])";
    assert_eq!(
        replaced(body, "Zoe"),
        r#"["text", "Zoe", "send", 7, True, 3, 12, "wss://Chat.Example.com./rooms/7?token=x", "wss", "#.to_owned()
            + r#""chat.example.com", 443, "/rooms/7", "chat.v2", "regular", "2001:db8::7", "#
            + r#""[2001:db8::7]:50123", None]"#
    );
    let shown = "    return repr([sorted(dir(message)), sorted(dir(message.flow))])";
    assert!(replaced(shown, "").starts_with(r#"[["bytes", "compressed", "direction", "flow", "opcode""#));
    let all = "    for name in dir(message):\n        if not hasattr(message, name):\n            fail(name)";
    assert_eq!(ask(all, "x"), Ok(Opinion::Pass));
    let unknown = ask("    return message.colour", "x").unwrap_err();
    assert!(unknown.what.contains("no attribute `colour`"), "{unknown}");
}

#[test]
fn a_text_that_is_none_and_a_binary_message_have_no_text() {
    let mut tried = Tried::new(&hook("    return None if message.text == None else drop()"));
    for silent in [binary(b"abc"), binary(b"\xff"), subject(Opcode::Text, b"caf\xe9")] {
        assert_eq!(tried.call(Hook::ReceiveFromClient, &silent), Ok(Opinion::Pass));
    }
    assert_eq!(tried.ask(""), Ok(Opinion::Drop));
}

#[test]
fn what_a_hook_returns_is_its_opinion() {
    let close = |code, reason: &str| Opinion::Close {
        code,
        reason: reason.to_owned(),
    };
    for (returned, expected) in [
        ("None", Opinion::Pass),
        ("'other'", as_text("other")),
        ("''", as_text("")),
        ("b'\\x00\\xff'", as_binary(b"\x00\xff")),
        ("text('other')", as_text("other")),
        ("binary('other')", as_binary(b"other")),
        ("binary([0, 255])", as_binary(b"\x00\xff")),
        ("drop()", Opinion::Drop),
        ("close(1000)", close(1000, "")),
        ("close(4999, 'é' * 61 + '!')", close(4999, &("é".repeat(61) + "!"))),
        ("close(code = 1008, reason = 'no')", close(1008, "no")),
        // The same again is no replacement: the message leaves as it came.
        ("message.text", Opinion::Pass),
        ("text(message.text)", Opinion::Pass),
        ("message.bytes", as_binary(b"said")),
    ] {
        assert_eq!(
            ask(&format!("    return {returned}"), "said"),
            Ok(expected),
            "{returned}"
        );
    }
    assert_eq!(ask("    pass", "said"), Ok(Opinion::Pass));

    let mut tried = Tried::new(&hook("    return message.bytes"));
    assert_eq!(tried.call(Hook::ReceiveFromClient, &binary(b"\xff")), Ok(Opinion::Pass));
    // It came as text, and a judge before made a binary message of it.
    let mut changed = text("said");
    changed.opcode = Opcode::Binary;
    assert_eq!(tried.call(Hook::ReceiveFromClient, &changed), Ok(Opinion::Pass));
}

#[test]
fn whatever_else_a_hook_returns_is_its_failure() {
    for (returned, why) in [
        ("True", "but this one returned a bool"),
        ("1", "returned a int"),
        ("['x']", "returned a list"),
        ("message", "returned a message"),
        ("drop", "returned a function"),
        ("'x'.join", "returned a method"),
        ("close(1005)", "1005 is no code that a Close may carry"),
        ("close(999)", "999 is no code"),
        ("close(-1)", "-1 is no code"),
        ("close(1006)", "1006 is no code"),
        ("close(5000)", "5000 is no code"),
        ("close(1 << 40)", "code"),
        ("close()", "Missing"),
        ("close('1000')", "expected `int`"),
        ("close(1000, 'é' * 62)", "123 bytes at the most, and this one 124"),
        ("binary([256])", "a number from 0 to 255"),
        ("binary(None)", "not of a NoneType"),
        ("text(b'x')", "expected `str`"),
        ("fail('as I please')", "as I please"),
    ] {
        let mut tried = Tried::new(&hook(&format!("    return {returned}")));
        let error = tried.ask("said").unwrap_err();
        assert!(error.what.contains(why), "{returned}: {error}");
        assert_eq!(error.limit, None, "{returned}");
        assert_eq!(tried.plugin.counts().failures, 1);
    }
}

#[test]
fn an_error_says_where_in_the_file_it_is() {
    for (body, place) in [
        ("    return 1 // 0", "1 // 0"),
        (
            "    x = ','.join(message.text.split(',')) + str(1 // 0)\n    return x",
            "1 // 0",
        ),
        (
            "    x = ['ö'.replace('ö', '')\n         .join((1 + ''))\n         for a in ['ö']]",
            "1 + ''",
        ),
        ("    x = ['ä'.join([]) + b'x'.hex() for _ in [1]] + [fail()]", "fail()"),
        ("    x = 2\n    x *= 3 // 0", "3 // 0"),
        ("    return not'a'.join([]) and (1 + '')", "1 + ''"),
        ("    return [b'x'[7] for _ in [1]]", "b'x'[7]"),
        ("    return ['x'.join([1]) for _ in [1]]", "'x'.join([1])"),
    ] {
        let error = ask(body, "said").unwrap_err();
        let source = hook(body);
        let before = &source[..source.find(place).unwrap()];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap().chars().count();
        assert_eq!(error.place, Some(Place { line, column }), "{body}: {error}");
    }
}

#[test]
fn calls_failures_and_opinions_are_counted() {
    let mut tried = Tried::new(&hook(
        "    t = message.text\n    return {'drop': drop(), 'close': close(1000), 'fail': 1}.get(t, t.upper())",
    ));
    for said in ["a", "A", "B", "drop", "close", "fail", "fail"] {
        let _ = tried.ask(said);
    }
    let expected = PluginCounts {
        calls: 7,
        failures: 2,
        replaced: 1,
        dropped: 1,
        closed: 1,
    };
    assert_eq!(tried.plugin.counts(), expected);
}

#[test]
fn threads_share_a_plugin_and_nothing_else() {
    const CALLS: usize = 200;
    let tried = Tried::new(
        "SEEN = []\n\
         def on_receive_from_client(message):\n    \
             count = message.state.get('count', 0) + 1\n    \
             message.state['count'] = count\n    \
             return '%s %d %d' % (message.text, count, len(SEEN))\n",
    );
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let plugin = &tried.plugin;
            scope.spawn(move || {
                let mut state = PluginState::default();
                for count in 1..=CALLS {
                    let said = call(plugin, Hook::ReceiveFromClient, &text(name), &mut state);
                    assert_eq!(said, Ok(as_text(&format!("{name} {count} 0"))));
                }
            });
        }
    });
    assert_eq!(tried.plugin.counts().calls, 4 * CALLS as u64);
}

#[test]
fn what_a_file_defines_outside_of_its_hooks_cannot_be_changed_by_them() {
    let mut tried = Tried::new("SEEN = []\ndef on_receive_from_client(message):\n    SEEN.append(message.text)\n");
    let error = tried.ask("secret").unwrap_err();
    assert!(error.what.contains("Immutable"), "{error}");
}
