//! What people and programs ordinarily say passes.

use super::*;

const BENIGN: &[&str] = &[
    // Talk.
    "please drop the table off at 5",
    "let's union",
    "select a seat",
    "Can you delete from your list what you don't need? I'll update mine.",
    "I'd like to update the set we bought; where is it?",
    "It's 5 o'clock -- don't be late!",
    "rock 'n' roll or 'nothing'",
    "1 or 2? I say 2 and 2 = 4",
    "please reboot your router, then halt and think",
    "the shutdown of the plant; nobody knows why",
    "He said \"or else\" and she said \"and then?\"",
    "JavaScript: The Good Parts (2008), chapter 3",
    "wait... what?! ../.. no",
    "a < b and c > d, on average",
    "I <3 you :) :( :|",
    "in the format a: b, c: d",
    "format the document, then sort it",
    "the etc/passwords of life",
    "fetch me a coffee | tea",
    "100% agree & then some; 50%25 off",
    "日本語のメッセージです。テーブルを下げてください。",
    "Größe, Straße; «déjà vu» — naïve café №5",
    "emoji 😀👩‍👩‍👧‍👦 and text",
    "insert coin into slot; select a drink from the menu",
    "Where was the group by the river having fun? In order, by 10.",
    "sleep (8 hours) and benchmark your day",
    "rm is a state of mind",
    "O'Brien and O'Neil's -- partners since 1999",
    "My number's on the card; call me",
    "alter the table's legs, or drop by",
    // Code talk.
    "import { a } from \"../utils\";",
    "const sleep = (ms) => new Promise(r => setTimeout(r, ms)); await sleep(1000);",
    "if (a === 1 || b === 2) { return c && d; }",
    "for (let i = 0; i < n; i++) sum += xs[i];",
    "SELECT id, name FROM users WHERE id = 7 ORDER BY name",
    "UPDATE users SET seen = 1 WHERE id = 7;",
    "DELETE FROM sessions WHERE expires < 17",
    "insert into log (a, b) values (1, 'x')",
    "CREATE TABLE t (id int primary key)",
    "git rm --cached file.txt && git commit -m 'x'",
    "curl -s https://example.com/a.json | jq '.items[] | .id'",
    "make 2>/dev/null || echo failed",
    "dd if=/dev/sda of=disk.img bs=1M status=progress",
    "chmod 644 notes.txt; chmod +x run.sh",
    "fn main() { let x: Vec<u8> = vec![]; println!(\"{x:?}\"); }",
    "Promise<object> | Map<string, form> | Array<svgs>",
    "x = 'a' if name == \"b\" or name == \"c\" else 'd'",
    "window.onload = () => start(); el.onclick = save",
    "C:\\Users\\me\\notes.txt and D:\\data",
    "grep -r TODO . && find . -name '*.rs'",
    "{{ user.name }} #{id} ${total} <%= x %>",
    "docker run --rm -it -v $(pwd):/app node:20 npm test",
    "npm_config_registry=x npm install",
    // JSON of many protocols.
    r#"{"type":"message","id":7,"text":"hello, world","ts":1769847300123}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#,
    r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"changes":[{"text":"a\n\tb"}]}}"#,
    r#"{"id":"1","type":"subscribe","payload":{"query":"subscription { posts(where: {id: 1}) { id title } }"}}"#,
    r#"{"query":"mutation { deletePost(id: 5) { id } updateUser(set: {a: 1}) { id } }"}"#,
    r#"42["chat message",{"room":"x","text":"drop by on 5th; or 6th"}]"#,
    r#"{"action":"drop","kind":"table","delete":"from","select":["union"]}"#,
    r#"{"op":2,"d":{"properties":{"os":"linux","browser":"x"},"intents":513}}"#,
    r#"{"u":"https://example.com/a/b?x=1&shutdown=1&y=%20z%2Fq#top"}"#,
    r#"{"html":"<p>Hello <b>you</b>, <a href=\"https:\/\/example.com\">there<\/a><\/p>"}"#,
    r#"{"price":19.99,"qty":-3,"e":1e-7,"ok":true,"none":null,"list":[1,2,3]}"#,
    r#"{"uuid":"123e4567-e89b-12d3-a456-426614174000","sha":"e3b0c44298fc1c149afbf4c8996fb924"}"#,
    r#"{"note":"it's a \"quoted\" thing","path":"a\\b","unicode":"\u00e9\ud83d\ude00"}"#,
    r#"{"arguments":["--help","-v","--filter='x'"],"cwd":"/home/me/project"}"#,
    "{\"type\":\"ping\"}\u{1e}",
    "a[\"1\",\"{\\\"x\\\":1}\"]",
    "SEND\ndestination:/queue/a\ncontent-type:text/plain\n\nhello\0",
    "[null,\"3\",\"room:lobby\",\"phx_join\",{}]",
    "MQTT topic: a/b/c, payload 23.5",
    "<stream:stream to='example.com' version='1.0'><message><body>hi</body></message>",
    "event: update\ndata: {\"set\": 1}\n\n",
    "0123456789",
    "",
    " ",
];

#[test]
fn ordinary_messages_pass_all_presets() {
    assert!(BENIGN.len() >= 60);
    let found: Vec<String> = BENIGN
        .iter()
        .filter_map(|text| {
            check(&ALL, text).map(|found| format!("{} on {:?}: {text}", found.rule_id, found.matched_on))
        })
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn ordinary_messages_have_nothing_to_take_out() {
    let taken: Vec<String> = BENIGN
        .iter()
        .filter_map(|text| {
            REDACTOR
                .redact(text.as_bytes())
                .map(|redacted| format!("{:?}: {text}", redacted.rules))
        })
        .collect();
    assert!(taken.is_empty(), "\n{}", taken.join("\n"));
}
