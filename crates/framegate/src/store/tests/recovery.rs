//! What is left after a crash.

use super::*;

#[test]
fn a_crash_in_the_middle_of_a_batch_keeps_every_commit_and_ends_the_flow() {
    let place = Place::new();
    let mut writer = place.writer();
    let ended = conversation(&mut writer, &["whole"], 77);
    let cut = open(&mut writer);
    assert!(writer.message(&text(cut, 2, "one")).unwrap());
    let received = Row {
        direction: Direction::Receive,
        ..text(cut, 3, "two!")
    };
    assert!(writer.message(&received).unwrap());
    let counts = Counts {
        messages_sent: 1,
        messages_received: 1,
        bytes_sent: 9,
        bytes_received: 10,
        messages_lost: 0,
    };
    assert!(writer.progress(cut, &counts).unwrap());
    writer.commit().unwrap();
    // More than the cache holds, so that pages of the open transaction are in the log already.
    writer.connection.execute_batch("PRAGMA cache_size = 10").unwrap();
    let long = "x".repeat(1_000);
    for sequence in 4..2_000 {
        assert!(writer.message(&text(cut, sequence, &long)).unwrap());
    }
    let log = std::fs::metadata(place.directory.path().join("framegate.db-wal"))
        .unwrap()
        .len();
    assert!(log > 1_000_000, "the open transaction must have reached the disk");

    let left = place.crash();
    let before = left.reader();
    assert_eq!(
        before.flow(cut).unwrap().unwrap().state(),
        State::Active,
        "a reader changes nothing"
    );
    assert_eq!(before.messages(cut, 0, 10).unwrap().len(), 2);
    let again = left.writer();
    assert_sound(&again);
    let reader = left.reader();
    assert_eq!(reader.messages(cut, 0, 10_000).unwrap().len(), 2);
    let flow = reader.flow(cut).unwrap().unwrap();
    let ending = flow.ending.unwrap();
    assert_eq!((ending.state, ending.ended_at), (State::Error, Timestamp(10_003)));
    assert!(ending.error.unwrap().starts_with("interrupted: "));
    assert_eq!(flow.counts, counts);
    assert_eq!(reader.flow(ended).unwrap().unwrap().ending, Some(complete(77)));
    assert_eq!(again.next_flow_id(), FlowId(cut.0 + 1));
}

#[test]
fn what_a_crash_cut_before_its_first_message_ends_when_it_began() {
    let place = Place::new();
    let mut writer = place.writer();
    let cut = open(&mut writer);
    let tunnel = writer.next_flow_id();
    let opened = Opening {
        flow_type: FlowType::Tunnel,
        protocol: Protocol::Http,
        ..opening()
    };
    writer.open_flow(tunnel, &opened).unwrap();
    let carried = Counts {
        bytes_sent: 5,
        bytes_received: 6,
        ..Counts::default()
    };
    writer.progress(tunnel, &carried).unwrap();
    writer.commit().unwrap();
    let left = place.crash();
    drop(left.writer());
    let reader = left.reader();
    for id in [cut, tunnel] {
        let ending = reader.flow(id).unwrap().unwrap().ending.unwrap();
        assert_eq!((ending.state, ending.ended_at), (State::Error, Timestamp(1_000)));
    }
    assert_eq!(reader.flow(tunnel).unwrap().unwrap().counts, carried);
}

#[test]
fn the_index_goes_on_where_a_crash_cut_it() {
    let place = Place::new();
    let mut writer = place.writer();
    let a = open(&mut writer);
    let b = open(&mut writer);
    for sequence in 2..22 {
        assert!(writer.message(&text(a, sequence, "early bird")).unwrap());
        assert!(writer.message(&text(b, sequence, "early worm")).unwrap());
    }
    assert!(writer.index_some(7).unwrap());
    assert!(writer.message(&text(a, 22, "late bird")).unwrap());
    writer.commit().unwrap();

    let left = place.crash();
    let mut again = left.writer();
    index_all(&mut again);
    assert_eq!(rows(&again, "unindexed"), 0, "all flows have ended and are indexed");
    let reader = left.reader();
    assert_eq!(reader.search("bird", 100).unwrap().len(), 21);
    assert_eq!(reader.search("worm", 100).unwrap().len(), 20);
    assert_eq!(reader.search("late", 100).unwrap()[0].sequence, 22);
}
