//! permessage-deflate negotiated leg by leg: what is answered to any client's offers, and what is made of any server's
//! answer, held against a reading of RFC 7692 §7.1 that shares nothing with the one of `framegate-wire`.
//!
//! The first bytes say what the proxy wants, how the rest is read, and how much of it are offers; what follows is the
//! answer. Both are texts as they stand, or words that every byte picks.

use wire::deflate::{Deflater, Params};
use wire::http::{Limits, RequestHead, ResponseHead};
use wire::upgrade::{self, Request, WebSocketRequest};

use crate::script::Script;

const LIMITS: Limits = Limits {
    head_bytes_max: 64 << 10,
    headers_max: 64,
};

/// What lists of extensions are made of.
const WORDS: [&str; 32] = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; server_max_window_bits=15",
    ", permessage-deflate",
    "; server_no_context_takeover",
    "; client_no_context_takeover",
    "; server_max_window_bits",
    "; client_max_window_bits",
    "; server_max_window_bits=10",
    "; client_max_window_bits=9",
    "; SERVER_MAX_WINDOW_BITS=\"12\"",
    "=",
    "=8",
    "=9",
    "=15",
    "=16",
    "=08",
    "=\"1\\5\"",
    "=1",
    "=\"",
    "\"",
    "\\",
    ";",
    ",",
    "\n",
    " ",
    "\t",
    "x-other",
    "; a=b",
    "8",
    "1",
    "5",
];

/// Answers the offers in the input, and reads the answer in it.
///
/// # Panics
/// When an invariant does not hold.
pub fn check(data: &[u8]) {
    let mut script = Script::new(data);
    let own = params(&mut script);
    let code = script.byte();
    let len = usize::from(script.byte());
    let (offers, answer) = (script.take(len), script.rest());
    let read = if code & 1 == 0 { text } else { words };
    accepted(&read(offers), &own);
    let offered = (code & 2 == 0).then_some(own);
    answered(&read(answer), offered.as_ref());
}

fn params(script: &mut Script<'_>) -> Params {
    let byte = script.byte();
    Params {
        server_no_context_takeover: byte & 1 != 0,
        client_no_context_takeover: byte & 2 != 0,
        server_max_window_bits: 8 + (byte >> 2) % 8,
        client_max_window_bits: 8 + script.byte() % 8,
    }
}

/// As it stands, a value to the line.
fn text(input: &[u8]) -> Vec<u8> {
    let in_a_value = |byte: &u8| *byte >= b' ' && *byte != 0x7f || b"\t\n".contains(byte);
    input.iter().copied().filter(in_a_value).collect()
}

fn words(input: &[u8]) -> Vec<u8> {
    let word = |byte: &u8| WORDS[usize::from(*byte) % WORDS.len()].as_bytes();
    input.iter().flat_map(word).copied().collect()
}

/// `own` is what the proxy wants of a client that offers this.
fn accepted(offers: &[u8], own: &Params) {
    let Some(request) = request(offers) else { return };
    let deflate: Vec<_> = request.extensions.iter().filter(|offer| offer.is_deflate()).collect();
    let asked = deflate.iter().filter_map(|offer| Asked::read(offer.params()));
    let mut asked = asked.filter(|asked| {
        let bits = asked.server_bits.unwrap_or(15).min(own.server_max_window_bits);
        Deflater::new(bits, true).is_some()
    });
    let (asked, (params, answer)) = match (asked.next(), upgrade::accept_deflate(&request.extensions, own)) {
        (None, None) => return,
        (Some(asked), Some(accepted)) => (asked, accepted),
        (asked, accepted) => panic!("{asked:?} is the first offer that can be honoured, answered with {accepted:?}"),
    };
    let said =
        Asked::read(split(&answer).expect("one element")).expect("each parameter once, with the values that it has");
    // RFC 7692 §7.1.1.1, §7.1.2.1: these two are agreed to by saying them, and a window by one as small.
    assert!(said.server_no_takeover || !asked.server_no_takeover, "{answer}");
    if let Some(most) = asked.server_bits {
        assert!(
            said.server_bits.is_some_and(|bits| bits <= most),
            "{answer} to {asked:?}"
        );
    }
    // §7.1.2.2: not a word of the client's window unless it was offered, and then a value that is no larger.
    match (asked.client_bits, said.client_bits) {
        (_, None) => {}
        (Some(most), Some(Some(bits))) => assert!(bits <= most.unwrap_or(15), "{answer} to {asked:?}"),
        (asked, _) => panic!("{answer} to {asked:?}"),
    }
    // What is said is what is meant, and as strict as the proxy wants it.
    assert_eq!(said.as_answer(), Some(params), "{answer}");
    assert!(params.server_max_window_bits <= own.server_max_window_bits);
    assert!(params.server_no_context_takeover || !own.server_no_context_takeover);
    assert!(params.client_no_context_takeover || !own.client_no_context_takeover);
    if asked.client_bits.is_some() {
        assert!(params.client_max_window_bits <= own.client_max_window_bits);
    }
    // Whoever relays such an answer finds no flaw in it.
    let response = response(&request, answer.as_bytes()).expect("a head");
    assert_eq!(upgrade::check_response(&request, &response), []);
    assert_eq!(
        upgrade::negotiated(&response).map(|read| read.deflate),
        Ok(Some(params))
    );
}

/// `offered` is what the proxy has offered to a server that answers this; `None`: nothing.
fn answered(answer: &[u8], offered: Option<&Params>) {
    let offer = offered.map(upgrade::offer_deflate).unwrap_or_default();
    let request = request(offer.as_bytes()).expect("an offer can be read");
    let Some(response) = response(&request, answer) else {
        return;
    };
    let read = upgrade::deflate_answered(offered, &response);
    match (&read, offered) {
        (Err(flaw), _) => assert!(!flaw.to_string().is_empty()),
        (Ok(None), _) => assert!(!mentions_deflate(answer), "agreed, and nobody has heard it"),
        (Ok(Some(params)), None) => panic!("{params:?} without an offer"),
        (Ok(Some(params)), Some(own)) => {
            assert!((8..=own.server_max_window_bits).contains(&params.server_max_window_bits));
            assert!((8..=own.client_max_window_bits).contains(&params.client_max_window_bits));
            assert!(params.server_no_context_takeover || !own.server_no_context_takeover);
            assert!(params.client_no_context_takeover || !own.client_no_context_takeover);
            assert_eq!(upgrade::check_response(&request, &response), []);
        }
    }
    // An answer that is right by the other reading is not refused.
    let plain = std::str::from_utf8(answer).ok().filter(|text| is_plain(text));
    let said = plain
        .and_then(|text| Asked::read(split(text)?))
        .and_then(|said| Some((said.as_answer()?, said)));
    if let (Some((mut params, said)), Some(own)) = (said, offered) {
        let agrees = (said.server_no_takeover || !own.server_no_context_takeover)
            && params.server_max_window_bits <= own.server_max_window_bits;
        params.client_no_context_takeover |= own.client_no_context_takeover;
        params.client_max_window_bits = params.client_max_window_bits.min(own.client_max_window_bits);
        assert_eq!(read.ok(), agrees.then_some(Some(params)), "{plain:?}");
    }
}

/// Parameters of permessage-deflate, as RFC 7692 §7.1 has them in an offer.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    client_bits: Option<Option<u8>>,
}

impl Asked {
    /// `None`: one is unknown, there twice, or has a value that it may not have.
    fn read<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Option<Self> {
        let mut all = Self::default();
        let mut seen = Vec::new();
        for (name, value) in params {
            let name = name.to_ascii_lowercase();
            let bits = |value: &str| (8..=15).find(|bits: &u8| bits.to_string() == value);
            match (name.as_str(), value) {
                ("server_no_context_takeover", None) => all.server_no_takeover = true,
                ("client_no_context_takeover", None) => all.client_no_takeover = true,
                ("server_max_window_bits", Some(value)) => all.server_bits = Some(bits(value)?),
                ("client_max_window_bits", None) => all.client_bits = Some(None),
                ("client_max_window_bits", Some(value)) => all.client_bits = Some(Some(bits(value)?)),
                _ => return None,
            }
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
        Some(all)
    }

    /// What it means in an answer, in which the client's window has a value.
    fn as_answer(self) -> Option<Params> {
        Some(Params {
            server_no_context_takeover: self.server_no_takeover,
            client_no_context_takeover: self.client_no_takeover,
            server_max_window_bits: self.server_bits.unwrap_or(15),
            client_max_window_bits: self.client_bits.map_or(Some(15), |bits| bits)?,
        })
    }
}

/// The parameters of a list that is permessage-deflate alone, without quotes; `None`: it is another list.
fn split(text: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    if !parts.next()?.eq_ignore_ascii_case("permessage-deflate") {
        return None;
    }
    Some(parts.map(pair).collect())
}

fn pair(part: &str) -> (&str, Option<&str>) {
    part.split_once('=')
        .map_or((part, None), |(name, value)| (name, Some(value)))
}

/// Whether the simple [`split`] reads a list as everybody does.
fn is_plain(text: &str) -> bool {
    !text.contains([',', '"', '\n']) && text.is_ascii()
}

fn mentions_deflate(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer).to_ascii_lowercase();
    answer.lines().flat_map(|line| line.split(',')).any(|one| {
        one.split(';')
            .next()
            .is_some_and(|name| name.trim() == "permessage-deflate")
    })
}

/// The request that offers this, if it can be read: a value to the line.
fn request(offers: &[u8]) -> Option<WebSocketRequest> {
    let mut head =
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
          Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            .to_vec();
    extensions(offers, &mut head);
    match Request::of(&RequestHead::parse(&head, &LIMITS).ok()??) {
        Request::WebSocket(request) if request.extensions_error.is_none() => Some(request),
        _ => None,
    }
}

/// The 101 that answers this.
fn response(request: &WebSocketRequest, answer: &[u8]) -> Option<ResponseHead> {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        upgrade::accept(&request.key)
    )
    .into_bytes();
    extensions(answer, &mut head);
    ResponseHead::parse(&head, &LIMITS).ok()?
}

fn extensions(values: &[u8], head: &mut Vec<u8>) {
    for value in values.split(|byte| *byte == b'\n').filter(|value| !value.is_empty()) {
        head.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
}
