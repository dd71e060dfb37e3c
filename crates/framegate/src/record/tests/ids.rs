//! A store that has no id left for a flow.

use super::*;
use crate::config::OnError;

#[test]
fn flows_beyond_the_last_id_pass_unrecorded_and_hurt_no_other() {
    for (on_error, stops) in [(OnError::Relay, false), (OnError::Stop, true)] {
        let place = Place::new(|settings| settings.store.on_error = on_error);
        let failed = place.failed.clone();
        place.with_tap(FlowId::MAX.0, |tap| {
            let mut last = Talk {
                place: &place,
                tap: tap.open(opening()),
                sequence: 0,
            };
            last.say(Opcode::Text, false, &[b"before"]);
            for _ in 0..3 {
                let mut beyond = Talk {
                    place: &place,
                    tap: tap.open(opening()),
                    sequence: 0,
                };
                assert_eq!(beyond.tap.wanted_bytes_max(), None);
                beyond.say(Opcode::Text, false, &[b"unrecorded"]);
                beyond.tap.end(complete());
            }
            last.say(Opcode::Text, false, &[b"behind"]);
            last.tap.end(complete());
        });
        let kept = place.only();
        assert_eq!(kept.flow.id, FlowId::MAX);
        assert_eq!(kept.heard(), [(&b"before"[..], None), (b"behind", None)]);
        assert_eq!(
            (kept.flow.counts.messages_lost, kept.flow.state()),
            (0, State::Complete)
        );
        assert_eq!(failed.is_cancelled(), stops);
    }
}

#[test]
fn a_store_without_a_free_id_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("framegate.db");
    let config = |database: &std::path::Path| RecorderConfig {
        database: database.to_owned(),
        settings: Arc::default(),
        failed: CancellationToken::new(),
    };
    let mut writer = Writer::open(&database).unwrap();
    writer.open_flow(FlowId(FlowId::MAX.0 - 1), &opening()).unwrap();
    drop(writer);
    let (recorder, thread) = Recorder::start(config(&database)).unwrap();
    let flow = Flow {
        id: FlowId(1),
        opening: opening(),
        counts: crate::flow::Counts::default(),
        ending: Some(complete()),
    };
    assert_eq!(recorder.import(flow.clone(), Vec::new()), Ok(FlowId::MAX));
    let error = recorder.import(flow, Vec::new()).unwrap_err();
    assert!(error.contains("no free flow id"), "{error}");
    drop(recorder);
    thread.join();
    let error = Recorder::start(config(&database)).unwrap_err();
    assert!(matches!(error, StoreError::OutOfIds), "{error}");
}
