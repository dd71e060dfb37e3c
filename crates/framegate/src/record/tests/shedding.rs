//! What is shed is counted, and takes nothing else with it.

use super::*;

const UNREAD: &str = "not inflated: a message before it is not on record";

#[test]
fn parts_of_a_message_that_was_shed_are_not_part_of_the_next() {
    for opcode in [Opcode::Text, Opcode::Ping] {
        let place = Place::new(|_| {});
        place.with_flow(|talk| {
            talk.part(opcode, false, b"old ");
            talk.shed(|talk| talk.part(opcode, false, b"and "));
            talk.end(opcode, false, b"cut", 11);
            talk.say(opcode, false, &[b"new ", b"and ", b"whole"]);
        });
        let kept = place.only();
        assert_eq!(kept.heard(), [(&b"new and whole"[..], None)]);
        assert!(!kept.messages[0].truncated);
        assert_eq!((kept.flow.counts.messages_lost, kept.flow.counts.messages_sent), (1, 2));
    }
}

#[test]
fn what_is_shed_between_the_fragments_of_a_message_does_not_touch_it() {
    for (whole, between) in [(Opcode::Text, Opcode::Ping), (Opcode::Ping, Opcode::Text)] {
        let place = Place::new(|_| {});
        place.with_flow(|talk| {
            talk.part(whole, false, b"one ");
            talk.shed(|talk| talk.say(between, false, &[b"lost ", b"too"]));
            talk.part(whole, false, b"and ");
            talk.shed(|talk| talk.part(between, false, b"lost "));
            talk.end(whole, false, b"all", 11);
            talk.end(between, false, b"as well", 12);
        });
        let kept = place.only();
        assert_eq!(kept.heard(), [(&b"one and all"[..], None)]);
        assert_eq!(kept.flow.counts.messages_lost, 2);
    }
}

#[test]
fn a_control_frame_inside_a_message_that_was_cut_is_kept() {
    let place = Place::new(|_| {});
    place.with_flow(|talk| {
        talk.part(Opcode::Text, false, b"cut ");
        talk.shed(|talk| talk.part(Opcode::Text, false, b"here "));
        talk.say(Opcode::Ping, false, &[b"kept"]);
        talk.end(Opcode::Text, false, b"and not", 16);
        talk.say(Opcode::Text, false, &[b"next"]);
    });
    let kept = place.only();
    assert_eq!(kept.heard(), [(&b"kept"[..], None), (b"next", None)]);
}

#[test]
fn under_context_takeover_what_comes_behind_a_shed_compressed_message_is_kept_unread() {
    for half in [false, true] {
        let place = Place::new(|_| {});
        let mut deflater = deflater(TAKEOVER);
        let [first, second, third] = [(); 3].map(|()| deflated(&mut deflater, b"the same words"));
        place.with_flow(|talk| {
            talk.tap.deflate(TAKEOVER);
            talk.say(Opcode::Text, true, &[&first]);
            if half {
                talk.part(Opcode::Text, true, &second[..3]);
            }
            let rest = if half { &second[3..] } else { &second };
            talk.shed(|talk| talk.end(Opcode::Text, true, rest, second.len()));
            talk.say(Opcode::Text, true, &[&third[..2], &third[2..]]);
            talk.say(Opcode::Text, false, &[b"plain"]);
        });
        let expected = [(&b"the same words"[..], None), (&third, Some(UNREAD)), (b"plain", None)];
        assert_eq!(place.only().heard(), expected);
    }
}

#[test]
fn without_context_takeover_what_comes_behind_a_shed_compressed_message_is_read() {
    for half in [false, true] {
        let place = Place::new(|_| {});
        let small = deflated(&mut deflater(NO_TAKEOVER), b"the same words");
        place.with_flow(|talk| {
            talk.tap.deflate(NO_TAKEOVER);
            if half {
                talk.part(Opcode::Text, true, &small[..small.len() / 2]);
            }
            talk.shed(|talk| talk.part(Opcode::Text, true, &small[small.len() / 2..]));
            talk.end(Opcode::Text, true, b"", small.len());
            talk.say(Opcode::Text, true, &[&small]);
        });
        assert_eq!(place.only().heard(), [(&b"the same words"[..], None)]);
    }
}

#[test]
fn a_shed_message_that_was_not_compressed_leaves_the_window_as_it_is() {
    let place = Place::new(|_| {});
    let mut deflater = deflater(TAKEOVER);
    let [first, second] = [(); 2].map(|()| deflated(&mut deflater, b"the same words"));
    place.with_flow(|talk| {
        talk.tap.deflate(TAKEOVER);
        talk.say(Opcode::Text, true, &[&first]);
        talk.shed(|talk| talk.say(Opcode::Text, false, &[b"in ", b"parts"]));
        talk.shed(|talk| talk.say(Opcode::Ping, false, &[b""]));
        talk.say(Opcode::Text, true, &[&second]);
    });
    let words = (&b"the same words"[..], None);
    assert_eq!(place.only().heard(), [words, words]);
}
