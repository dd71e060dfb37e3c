//! Many at once: clients that attack, and people who answer for the same messages.

use std::collections::HashMap;
use std::thread;

use serde_json::{Value, json};

use crate::api::ask;
use crate::peers::{CLOSE, Heard, Stage, TEXT, close, ended, messages, part};
use crate::safety::{ATTACK, BLOCK, all_heard};
use crate::stage::wait_for;

const CLIENTS: usize = 64;
const MESSAGES: usize = 100;

#[test]
fn of_many_clients_no_attack_passes_and_all_else_does() {
    let stage = Stage::new(&[BLOCK]);
    let pairs: Vec<_> = (0..CLIENTS).map(|_| stage.open()).collect();
    let is_attack = |number: usize| number % 7 == 6;
    thread::scope(|scope| {
        for (client, server) in pairs {
            let (mut client, mut server) = (client, server);
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = if is_attack(number) {
                        ATTACK.to_owned()
                    } else {
                        number.to_string()
                    };
                    client.send(TEXT, text.as_bytes());
                }
                client.send(CLOSE, &close(1000, ""));
                client.shut();
                assert!(matches!(client.hear(), Heard::Frame(frame) if frame.first == CLOSE));
            });
            scope.spawn(move || {
                let heard = all_heard(&mut server);
                let expected: Vec<_> = (0..MESSAGES)
                    .filter(|number| !is_attack(*number))
                    .map(|number| (TEXT, number.to_string().into_bytes()))
                    .chain([(CLOSE, close(1000, ""))])
                    .collect();
                assert_eq!(heard, expected);
            });
        }
    });
    for id in 1..=CLIENTS {
        let id = id.to_string();
        ended(&stage.proxy, &id);
        let rows = messages(&stage.proxy, &id);
        let blocked = rows.iter().filter(|row| row["fate"] == "blocked").count();
        assert_eq!(blocked, (0..MESSAGES).filter(|number| is_attack(*number)).count());
    }
}

#[test]
fn of_many_answers_to_a_message_one_counts() {
    const HELD: usize = 50;
    let stage = Stage::new(&[r#"intercept.rules=[{id="all", opcode="text"}]"#]);
    let (mut client, mut server) = stage.open();
    for number in 0..HELD {
        client.send(TEXT, format!("as it came {number}").as_bytes());
    }
    wait_for("all to be held", || {
        (stage.proxy.json(&["intercept", "list", "--json"]).len() == HELD).then_some(())
    });
    let answer = |thread: usize| {
        let stage = &stage;
        move || {
            let mut won = Vec::new();
            // Each has an order of its own, and an opinion of its own about each message.
            for step in 0..HELD {
                let id = (step * 7 + thread * 13) % HELD + 1;
                let (path, body, arrives) = match (id + thread) % 3 {
                    0 => ("release", String::new(), Some(format!("as it came {}", id - 1))),
                    1 => (
                        "modify",
                        format!("by {thread}: {id}"),
                        Some(format!("by {thread}: {id}")),
                    ),
                    _ => ("drop", String::new(), None),
                };
                let (status, problem) = ask(stage, "POST", &format!("{path}?id={id}"), body.as_bytes());
                match status {
                    200 => won.push((id, arrives)),
                    409 => assert!(
                        problem["detail"].as_str().unwrap().contains("is not held any more"),
                        "{problem}"
                    ),
                    _ => panic!("{status} {problem}"),
                }
            }
            won
        }
    };
    let won: Vec<(usize, Option<String>)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|thread| scope.spawn(answer(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.len(), HELD, "one answer each");
    let won: HashMap<usize, Option<String>> = won.into_iter().collect();
    assert_eq!(won.len(), HELD);
    for id in 1..=HELD {
        if let Some(arrives) = &won[&id] {
            server.hears(TEXT, arrives.as_bytes());
        }
    }
    part(client, server);
    ended(&stage.proxy, "1");
    let rows = messages(&stage.proxy, "1");
    for (id, row) in (1..=HELD).zip(&rows) {
        let fate = match &won[&id] {
            None => "dropped",
            Some(arrives) if arrives.starts_with("by") => "replaced",
            Some(_) => "sent",
        };
        assert_eq!(json!([row["fate"], row["decided_by"]]), json!([fate, "intercept"]));
    }
    assert_eq!(ask(&stage, "GET", "held", b"").1, Value::Null);
}
