//! Stories of gates that are shut and opened on a living connection.

use wire::Direction;
use wire::Peer::{Client, Server};
use wire::deflate::{Caps, Deflater, Inflated, Inflater, Params};
use wire::frame::Opcode;
use wire::message::NewMessage;
use wire::session::{Agreed, Config, End, Gate, Reason, Verdict};

use super::stage::{Receiver, Stage, config, deflate, frame, plain, text};

/// A client that compresses with context takeover.
struct Talker(Deflater);

impl Talker {
    fn new() -> Self {
        Self(Deflater::new(15, true).unwrap())
    }

    fn says(&mut self, word: &str) -> Vec<u8> {
        let mut small = Vec::new();
        self.0.compress(word.as_bytes(), &mut small);
        frame(Client, true, 4, 1, &small)
    }
}

#[test]
fn a_gate_shuts_by_itself_behind_the_message_under_way() {
    let whole = text(Client, "under way");
    let fragments = [
        frame(Client, false, 0, 1, b"under "),
        frame(Client, true, 0, 9, b"beat"),
        frame(Client, true, 0, 0, b"way"),
    ]
    .concat();
    let ping = frame(Client, true, 0, 9, b"beat");
    for bytes in [whole, fragments, ping] {
        for cut in 1..bytes.len() {
            let mut stage = plain(config());
            stage.says(Client, &bytes[..cut]).gate(Direction::Send, Gate::Judge);
            stage.says(Client, &[&bytes[cut..], &text(Client, "judged")].concat());
            let through = stage.gets(Server).len();
            // Of a message of which no header has come, nothing has left: it is judged too.
            assert!(through == bytes.len() || cut < 6, "{cut}");
            assert_eq!(stage.inspects.last().unwrap().payload.as_slice(), b"judged");
            while !stage.inspects.is_empty() {
                stage.judge(Verdict::Pass);
            }
            stage
                .gate(Direction::Send, Gate::Open)
                .says(Client, &text(Client, "open"));
            let said = stage.said[0].clone();
            assert!(stage.got[1].ends_with(&text(Client, "open")));
            assert_eq!(through + stage.gets(Server).len(), said.len());
        }
    }
}

#[test]
fn a_gate_opens_by_itself_when_the_last_verdict_is_there() {
    let mut stage = plain(config());
    stage
        .gate(Direction::Send, Gate::Judge)
        .says(Client, &text(Client, "held"));
    stage
        .gate(Direction::Send, Gate::Open)
        .says(Client, &text(Client, "behind"));
    assert_eq!(stage.gets(Server), b"", "who judged still owes a verdict");
    stage.judge(Verdict::Pass);
    assert_eq!(
        stage.gets(Server),
        [text(Client, "held"), text(Client, "behind")].concat()
    );
    let bytes = text(Client, "free");
    stage.says(Client, &bytes[..8]);
    assert_eq!(stage.gets(Server), bytes[..8], "before it is whole");
}

#[test]
fn an_opening_gate_passes_what_it_has_of_a_message_once() {
    let bytes = [text(Client, "half held"), text(Client, "free"), text(Client, "too")].concat();
    for cut in 0..16 {
        let mut stage = plain(config());
        stage.gate(Direction::Send, Gate::Judge).says(Client, &bytes[..cut]);
        stage.gate(Direction::Send, Gate::Open).says(Client, &bytes[cut..]);
        while !stage.inspects.is_empty() {
            stage.judge(Verdict::Pass);
        }
        assert_eq!(stage.gets(Server), bytes, "{cut}");
    }
}

#[test]
fn with_the_window_of_what_has_passed_judges_read_on_and_nothing_goes_unjudged() {
    for cut in [false, true] {
        let mut talker = Talker::new();
        let mut stage = Stage::new(config(), deflate());
        let [passed, under_way, behind, last] = [
            "select this",
            "select this too",
            "select this as well",
            "select all this",
        ]
        .map(|word| talker.says(word));
        stage.says(Client, &passed);
        let at = if cut { 8 } else { under_way.len() };
        stage.says(Client, &under_way[..at]).gate(Direction::Send, Gate::Judge);
        assert_eq!(stage.stalled[0], !cut, "as soon as the message under way is through");
        stage.says(Client, &[&under_way[at..], &behind, &last].concat());
        assert!(stage.stalled[0] && !stage.session.wants(Client));
        assert_eq!(stage.gets(Server), [passed, under_way].concat(), "not a byte behind it");
        assert!(stage.resume(Direction::Send, true));
        assert!(stage.session.wants(Client));
        assert_eq!(stage.inspects[0].payload.as_slice(), b"select this as well");
        assert_eq!(stage.inspects[1].payload.as_slice(), b"select all this");
        stage.judge(Verdict::Pass).judge(Verdict::Pass);
        assert_eq!(stage.gets(Server), [behind, last].concat());
    }
}

#[test]
fn without_that_window_the_direction_goes_on_open() {
    let mut talker = Talker::new();
    let bytes = ["one", "two", "three"].map(|word| talker.says(word));
    let mut stage = Stage::new(config(), deflate());
    stage.says(Client, &bytes[0]).gate(Direction::Send, Gate::Judge);
    stage.says(Client, &bytes[1]);
    assert!(!stage.resume(Direction::Send, false));
    stage.says(Client, &bytes[2]);
    assert_eq!(stage.gets(Server), bytes.concat());
    assert!(stage.inspects.is_empty());
    // A window that has lost something is none, and stays with whoever has it.
    let mut failed = Inflater::new(true);
    let caps = Caps {
        message_bytes_max: 1,
        ratio_max: 1,
        keep_bytes_max: 1,
    };
    assert!(failed.push(&[0xff; 5], &caps, &mut Inflated::default()).is_err());
    stage.gate(Direction::Send, Gate::Judge);
    assert!(!stage.session.wants(Client));
    assert!(stage.session.resume(Direction::Send, Some(failed)).is_some());
    assert!(stage.session.wants(Client));
}

#[test]
fn an_inflater_of_the_records_guards_like_any_other() {
    let small = |config: &Config| Stage::new(config.clone(), deflate());
    let mut stage = small(&Config {
        message_bytes_max: 1_000,
        ..config()
    });
    let mut talker = Talker::new();
    let first = talker.says("first");
    stage.says(Client, &first).gate(Direction::Send, Gate::Judge);
    let mut records = Inflater::new(true).reading_on();
    let caps = Caps {
        message_bytes_max: 1_000,
        ratio_max: 200,
        keep_bytes_max: 10,
    };
    let mut payload = Vec::new();
    wire::mask::unmask_into(&mut payload, &first[6..], Some(super::stage::KEY), 0);
    let mut out = Inflated::default();
    records.push(&payload, &caps, &mut out).unwrap();
    records.finish(&caps, &mut out).unwrap();
    assert!(stage.session.resume(Direction::Send, Some(records)).is_none());
    stage.stalled[0] = false;
    stage.gets(Server);
    let long = talker.says(&"x".repeat(1_001));
    stage.says(Client, &long);
    assert!(stage.inspects.is_empty(), "no judge gets a part for the whole");
    assert_eq!(stage.gets(Client)[2..4], 1009u16.to_be_bytes());
}

#[test]
fn a_gate_that_waits_for_a_window_is_let_go_with_the_conversation() {
    let mut talker = Talker::new();
    let mut stage = Stage::new(config(), deflate());
    let bytes = ["one", "two"].map(|word| talker.says(word));
    stage.says(Client, &bytes[0]).gate(Direction::Send, Gate::Judge);
    stage.says(Client, &bytes[1]).close(Reason::Drain);
    assert!(stage.session.wants(Client), "its answer must be heard");
    assert!(
        !stage.resume(Direction::Send, true),
        "there is nothing to judge any more"
    );
    assert_eq!(stage.record().last().unwrap(), r#"5 send text "two" dropped"#);
    stage.ends(Client, End::Fin).gate(Direction::Send, Gate::Judge);
    assert!(!stage.stalled[0]);
}

#[test]
fn a_wish_for_a_gate_that_is_taken_back_opens_the_way_again() {
    let mut talker = Talker::new();
    let mut stage = Stage::new(config(), deflate());
    let bytes = ["one", "two"].map(|word| talker.says(word));
    stage.says(Client, &bytes[0]).gate(Direction::Send, Gate::Judge);
    stage.says(Client, &bytes[1]).gate(Direction::Send, Gate::Open);
    assert!(!stage.resume(Direction::Send, true), "the inflater is given back");
    assert_eq!(stage.gets(Server), bytes.concat());
    assert_eq!(
        stage.record().last().unwrap(),
        r#"3 send text "two" sent"#,
        "and reads on for the record"
    );
}

#[test]
fn without_takeover_a_gate_shuts_and_opens_as_if_nothing_were_compressed() {
    let params = Params {
        client_no_context_takeover: true,
        ..Params::default()
    };
    let agreed = Agreed::both(Some(params));
    let mut deflater = Deflater::new(15, false).unwrap();
    let mut says = |word: &[u8]| {
        let mut small = Vec::new();
        deflater.compress(word, &mut small);
        frame(Client, true, 4, 1, &small)
    };
    let mut stage = Stage::new(config(), agreed);
    stage.says(Client, &says(b"unread")).gate(Direction::Send, Gate::Judge);
    assert!(!stage.stalled[0]);
    stage.gets(Server);
    stage.says(Client, &says(b"read"));
    assert_eq!(stage.inspects[0].payload.as_slice(), b"read");
    stage.judge(Verdict::Drop).gate(Direction::Send, Gate::Open);
    let bytes = says(b"unread again");
    stage.says(Client, &bytes[..10]);
    assert_eq!(stage.gets(Server), bytes[..10], "before it is whole");
}

#[test]
fn a_direction_that_was_changed_is_sent_anew_for_good_but_waits_for_nobody() {
    let mut talker = Talker::new();
    let mut stage = Stage::new(config(), deflate());
    stage.gate(Direction::Send, Gate::Judge);
    stage.says(Client, &talker.says("select nothing"));
    stage.judge(Verdict::Replace(NewMessage {
        opcode: Opcode::Text,
        payload: Vec::new(),
    }));
    stage.gate(Direction::Send, Gate::Open);
    let bytes = ["select something", "select nothing"].map(|word| talker.says(word));
    stage.says(Client, &bytes[0]).says(Client, &bytes[1]);
    assert!(stage.inspects.is_empty() && stage.session.wants(Client));
    let got = Receiver::new(Direction::Send, &deflate()).read(&stage.gets(Server));
    let words = got
        .iter()
        .map(|(_, payload)| String::from_utf8_lossy(payload).into_owned());
    assert_eq!(words.collect::<Vec<_>>(), ["", "select something", "select nothing"]);
    // Judges may come back, and need nothing for it.
    stage
        .gate(Direction::Send, Gate::Judge)
        .says(Client, &talker.says("select"));
    assert_eq!(stage.inspects[0].payload.as_slice(), b"select");
}
