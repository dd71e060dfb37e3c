//! What a plugin keeps of a flow.

use super::super::meter::Limit;
use super::super::{Hook, PluginState};
use super::{Tried, as_text, binary, call, hook, text};
use crate::inspect::Opinion;

/// A plugin that runs `message.text` as an instruction on its state.
const KEEPER: &str = r#"
def on_receive_from_client(message):
    state = message.state
    said = message.text
    if said == "show":
        return repr(state)
    if said == "fail":
        state["a"] = "lost"
        fail()
    if said == "wrong":
        state["a"] = "lost"
        return 1
    if said == "clear":
        state.clear()
        return None
    state.update(json.decode(said))
def on_receive_from_server(message):
    return repr(message.state)
def on_before_send_to_client(message):
    return "untouched"
"#;

#[test]
fn state_is_kept_between_the_calls_of_all_hooks_of_one_flow() {
    let mut tried = Tried::new(KEEPER);
    let mut other = PluginState::default();
    assert_eq!(tried.ask("show"), Ok(as_text("{}")));
    for said in [r#"{"a": [1, -2.5, null, true, {"b": "e"}]}"#, r#"{"c": {}}"#] {
        assert_eq!(tried.ask(said), Ok(Opinion::Pass));
    }
    let expected = r#"{"a": [1, -2.5, None, True, {"b": "e"}], "c": {}}"#;
    assert_eq!(tried.ask("show"), Ok(as_text(expected)));
    assert_eq!(tried.call(Hook::ReceiveFromServer, &text("")), Ok(as_text(expected)));
    let says = call(&tried.plugin, Hook::ReceiveFromServer, &text(""), &mut other);
    assert_eq!(says, Ok(as_text("{}")), "another flow has a state of its own");
    assert_eq!(tried.ask("clear"), Ok(Opinion::Pass));
    assert_eq!(tried.ask("show"), Ok(as_text("{}")));
    assert!(tried.state.kept.is_none());
}

#[test]
fn a_call_that_fails_leaves_the_state_as_it_was() {
    let mut tried = Tried::new(KEEPER);
    assert_eq!(tried.ask(r#"{"a": "kept"}"#), Ok(Opinion::Pass));
    for said in ["fail", "wrong", "no JSON"] {
        assert!(tried.ask(said).is_err(), "{said}");
        assert_eq!(tried.ask("show"), Ok(as_text(r#"{"a": "kept"}"#)), "{said}");
    }
    let large = format!(r#"{{"a": "lost", "b": "{}"}}"#, "x".repeat(5000));
    assert_eq!(tried.ask(&large).unwrap_err().limit, Some(Limit::State));
    assert_eq!(tried.ask("show"), Ok(as_text(r#"{"a": "kept"}"#)));
}

#[test]
fn a_call_that_does_not_ask_for_the_state_does_not_make_it() {
    let mut tried = Tried::new(KEEPER);
    tried.ask(r#"{"a": "kept"}"#).unwrap();
    let before = tried.state.kept.clone().unwrap();
    tried.call(Hook::BeforeSendToClient, &text("")).unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, tried.state.kept.as_ref().unwrap()));
}

#[test]
fn what_can_be_kept_comes_back_as_it_was() {
    let mut tried = Tried::new(&hook(
        "    s = message.state\n    if not s:\n        \
             s.update({1: 'int', True: 2, None: 3, b'k': b'v', 'big': -(1 << 62), 't': (1, 2)})\n        \
             return None\n    \
             return repr(s)",
    ));
    assert_eq!(tried.ask(""), Ok(Opinion::Pass));
    let expected = r#"{1: "int", True: 2, None: 3, b"k": b"v", "big": -4611686018427387904, "t": [1, 2]}"#;
    assert_eq!(tried.ask(""), Ok(as_text(expected)));
}

#[test]
fn a_small_part_of_a_large_message_is_kept_as_a_small_part() {
    let mut tried = Tried::new(&hook("    message.state['head'] = message.bytes[:4]"));
    tried.call(Hook::ReceiveFromClient, &binary(&vec![7; 1 << 20])).unwrap();
    let kept = format!("{:?}", tried.state.kept);
    assert!(kept.len() < 500, "{} bytes", kept.len());
}

#[test]
fn what_cannot_be_kept_is_the_calls_failure() {
    for (value, why, limit) in [
        ("len", "cannot keep a function", None),
        ("message", "cannot keep a message", None),
        ("1 << 64", "cannot keep a int", None),
        ("range(3)", "cannot keep a range", None),
        ("{(1, 2): 3}", "a key that is a tuple", None),
        ("'x' * 4096", "state_bytes", Some(Limit::State)),
        ("[None] * 200", "state_bytes", Some(Limit::State)),
        ("bytes([1] * 4096)", "state_bytes", Some(Limit::State)),
        ("nested(40)", "nested more than 32 deep", Some(Limit::State)),
        ("nested(50000)", "nested more than 32 deep", Some(Limit::State)),
        ("circle()", "nested more than 32 deep", Some(Limit::State)),
        ("doubled(30)", "state_bytes", Some(Limit::State)),
    ] {
        let source = "def nested(n):\n    x = []\n    for _ in range(n):\n        x = [x]\n    return x\n\
                      def circle():\n    x = []\n    x.append(x)\n    return x\n\
                      def doubled(n):\n    x = []\n    for _ in range(n):\n        x = [x, x]\n    return x\n"
            .to_owned()
            + &hook(&format!("    message.state['x'] = {value}"));
        let mut tried = Tried::within(&source, |spec| spec.memory_bytes = 256 << 20);
        let error = tried.ask("x").unwrap_err();
        assert!(error.what.contains(why), "{value}: {error}");
        assert_eq!(error.limit, limit, "{value}");
        assert!(tried.state.kept.is_none(), "{value}");
    }
}
