//! The head of a hook's request: what all messages of one direction have in common, and what one of them adds.

use std::sync::Arc;
use std::{fmt, io};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf as _, Bytes};
use http_body_util::Full;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use wire::frame::Opcode;

use super::Handshake;
use super::body::{About, Body, kind, word};
use super::link::Written;
use super::probe::Manner;
use crate::config::{self, HookBody, HookTarget, HookTerms, is_gateway_field};
use crate::flow::{Direction, Timestamp};

/// Fields that frame a request, which nobody else may say.
const FRAMING: [&str; 7] = [
    "connection",
    "content-length",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a path and a query do not have as it is (RFC 3986 §3.3). A `#` would end them.
const UNFIT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'`')
    .add(b'^')
    .add(b'\\');

/// What a message may add to the head.
const TYPE: &str = "content-type";
const SIGNATURE: [&str; 3] = ["webhook-id", "webhook-timestamp", "webhook-signature"];
const EVENT: [&str; 6] = ["ce-id", "ce-time", "ce-sequence", "ce-flow", "ce-direction", "ce-type"];

/// Room for it, in bytes.
const ADDED_BYTES: usize = 512;

/// A body that is not longer is copied behind its head, so that both leave at once. In bytes.
const COPIED_BYTES_MAX: usize = 16 << 10;

/// The key of `hook.signing_key`.
#[derive(Clone)]
pub(in crate::inspect) struct SigningKey(hmac::Key);

/// What the requests about one direction's messages have in common.
pub(super) struct Template {
    method: Method,
    /// With scheme and authority, as HTTP/2 has it.
    whole: Uri,
    /// What HTTP/1.1 has besides.
    host: HeaderValue,
    headers: HeaderMap,
    /// All that as HTTP/1.1 has it: how each head begins.
    beginning: Vec<u8>,
    events: bool,
    signing: Option<Arc<SigningKey>>,
    /// What ends every message's name, so that none of another process has the same.
    nonce: String,
}

/// The message that a request is about.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) body: Body,
    flow: u64,
    sequence: u32,
    direction: Direction,
    opcode: Opcode,
    at: Timestamp,
}

impl Message {
    pub(super) fn new(about: &About<'_>, at: Timestamp, body: Body) -> Self {
        Self {
            body,
            flow: about.flow,
            sequence: about.sequence,
            direction: about.direction,
            opcode: about.opcode,
            at,
        }
    }
}

impl SigningKey {
    /// `None`: nothing is signed.
    ///
    /// # Errors
    /// What is wrong with the key; it is not repeated.
    pub(in crate::inspect) fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let key = text.strip_prefix("whsec_").unwrap_or(text);
        let key = BASE64
            .decode(key)
            .map_err(|_| "it is not whsec_ and base64".to_owned())?;
        Ok(Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &key))))
    }

    /// `v1,` and the signature, as Standard Webhooks has it.
    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let mut signing = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
            signing.update(part);
        }
        format!("v1,{}", BASE64.encode(signing.sign()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl Template {
    /// # Errors
    /// What cannot be in a request.
    pub(super) fn new(
        hook: &HookTerms,
        route: Option<&str>,
        handshake: &Handshake,
        settings: &config::Hook,
        signing: Option<Arc<SigningKey>>,
    ) -> Result<Self, String> {
        let (target, asked) = match settings.target {
            HookTarget::Handshake => (
                utf8_percent_encode(&handshake.target, UNFIT).to_string(),
                &handshake.host[..],
            ),
            HookTarget::Url => (hook.url.target.clone(), &b""[..]),
        };
        let target: PathAndQuery = target.parse().map_err(|_| wrong("the path of the handshake"))?;
        let there = hook.url.authority();
        let authority = Authority::try_from(asked).or_else(|_| Authority::try_from(there.as_bytes()));
        let authority = authority.map_err(|_| wrong("the hook's host"))?;
        let scheme = if hook.url.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let mut host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("the host"))?;
        let mut own = own(hook)?;
        if let Some(value) = own.remove(HOST) {
            host = value;
        }
        let mut headers = repeated(handshake, settings);
        for name in own.keys() {
            headers.remove(name);
        }
        headers.extend(own);
        if settings.cloud_events {
            let source = route.map_or_else(|| "/framegate".to_owned(), |route| format!("/framegate/{route}"));
            let source = HeaderValue::from_str(&source).unwrap_or(HeaderValue::from_static("/framegate"));
            headers.insert("ce-source", source);
            headers.insert("ce-specversion", HeaderValue::from_static("1.0"));
        }
        // Each message says that itself, and once.
        for name in added(settings, signing.is_some()) {
            headers.remove(name);
        }
        let authority = host
            .to_str()
            .ok()
            .and_then(|host| host.parse().ok())
            .unwrap_or(authority);
        let whole = Uri::builder()
            .scheme(scheme)
            .authority(authority)
            .path_and_query(target.clone());
        let method: Method = hook.method.parse().map_err(|_| wrong("the hook's method"))?;
        let mut beginning = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        put(&mut beginning, "host", host.as_bytes());
        for (name, value) in &headers {
            put(&mut beginning, name.as_str(), value.as_bytes());
        }
        Ok(Self {
            method,
            whole: whole.build().map_err(|_| wrong("the hook's URL"))?,
            host,
            headers,
            beginning,
            events: settings.cloud_events,
            signing,
            nonce: format!("/{:016x}", handshake.nonce),
        })
    }

    /// What all messages share, for telling connections apart whose verdicts are kept.
    pub(super) fn identity(&self) -> Vec<u8> {
        [self.whole.to_string().as_bytes(), b"\n", &self.beginning].concat()
    }

    pub(super) fn method(&self) -> &str {
        self.method.as_str()
    }

    /// How it asks, in HTTP/1.1.
    pub(super) fn manner(&self) -> Manner {
        Manner {
            method: self.method.to_string(),
            target: self.target().to_owned(),
            host: String::from_utf8_lossy(self.host.as_bytes()).into_owned(),
            user_agent: self.headers.contains_key(USER_AGENT),
        }
    }

    /// Path and query.
    fn target(&self) -> &str {
        self.whole.path_and_query().map_or("/", PathAndQuery::as_str)
    }

    /// The request as it goes out in HTTP/1.1.
    pub(super) fn written(&self, message: &Message) -> Written {
        let body = &message.body.bytes;
        let (copied, rest) = if body.len() <= COPIED_BYTES_MAX {
            (&body[..], Bytes::new())
        } else {
            (&b""[..], Bytes::clone(body))
        };
        let mut written = Vec::with_capacity(self.beginning.len() + ADDED_BYTES + copied.len());
        written.extend_from_slice(&self.beginning);
        self.describe(message, &mut |name, value| put(&mut written, name, value.as_bytes()));
        put(
            &mut written,
            "content-length",
            itoa::Buffer::new().format(body.len()).as_bytes(),
        );
        written.extend_from_slice(b"\r\n");
        written.extend_from_slice(copied);
        io::Cursor::new(written).chain(rest)
    }

    /// The request as it goes out in HTTP/2.
    pub(super) fn request(&self, message: &Message) -> Request<Full<Bytes>> {
        let mut headers = self.headers.clone();
        self.describe(message, &mut |name, value| {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            headers.insert(HeaderName::from_static(name), value);
        });
        let mut request = Request::new(Full::new(Bytes::clone(&message.body.bytes)));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.whole.clone();
        *request.headers_mut() = headers;
        request
    }

    /// Says in the head what the message is.
    fn describe(&self, message: &Message, put: &mut dyn FnMut(&'static str, &str)) {
        if let Some(content_type) = message.body.content_type {
            put(TYPE, content_type);
        }
        if !self.events && self.signing.is_none() {
            return;
        }
        let (mut flow, mut sequence) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (flow, sequence) = (flow.format(message.flow), sequence.format(message.sequence));
        // Flows have names that last only where they are on record.
        let id = [flow, "/", sequence, &self.nonce].concat();
        if let Some(key) = &self.signing {
            let seconds = (Timestamp::now().0 / 1_000_000).to_string();
            let signature = key.sign(&id, &seconds, &message.body.bytes);
            for (name, value) in SIGNATURE.into_iter().zip([&id, &seconds, &signature]) {
                put(name, value);
            }
        }
        if self.events {
            let kind = match kind(message.opcode) {
                "binary" => "framegate.message.binary",
                _ => "framegate.message.text",
            };
            let time = message.at.rfc3339();
            let values = [&id, &time, sequence, flow, word(message.direction), kind];
            for (name, value) in EVENT.into_iter().zip(values) {
                if name != "ce-flow" || message.flow != 0 {
                    put(name, value);
                }
            }
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("method", &self.method)
            .field("whole", &self.whole)
            .field("headers", &self.headers)
            .finish_non_exhaustive()
    }
}

/// One more line of a head in HTTP/1.1.
fn put(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        head.extend_from_slice(part);
    }
}

fn wrong(what: &str) -> String {
    format!("{what} cannot be in a request")
}

/// The fields that the hook wants. The last `Host` counts.
fn own(hook: &HookTerms) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &hook.headers {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("the name of a field of the hook"))?;
        let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| wrong("a field of the hook"))?;
        value.set_sensitive(true);
        if name == HOST {
            headers.insert(name, value);
        } else if !FRAMING.contains(&name.as_str()) && !is_gateway_field(name.as_str()) {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

/// The names that each message adds.
fn added(settings: &config::Hook, signs: bool) -> impl Iterator<Item = &'static str> {
    let groups = [
        (settings.body != HookBody::Raw, &[TYPE][..]),
        (signs, &SIGNATURE),
        (settings.cloud_events, &EVENT),
    ];
    let groups = groups.into_iter().filter(|(adds, _)| *adds);
    groups.flat_map(|(_, names)| names.iter().copied())
}

/// What is repeated of the client's handshake, and where the client came from.
fn repeated(handshake: &Handshake, settings: &config::Hook) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let names = settings.handshake_headers.iter().filter(|name| !is_gateway_field(name));
    for name in names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()) {
        let values = handshake.values(name.as_str());
        for mut value in values.filter_map(|value| HeaderValue::from_bytes(value).ok()) {
            // It may be a cookie.
            value.set_sensitive(true);
            headers.append(name.clone(), value);
        }
    }
    if let Ok(way) = HeaderValue::from_bytes(&handshake.forwarded_for) {
        headers.insert("x-forwarded-for", way);
    }
    headers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{SigningKey, Template};
    use crate::config::{Hook, HookTerms, Settings};
    use crate::inspect::webhook::Handshake;

    const HEAD: &[u8] = b"GET /a?b#c HTTP/1.1\r\nHost: h.test\r\nCookie: secret\r\n\r\n";

    fn template(settings: &Hook) -> Template {
        let limits = wire::http::Limits {
            head_bytes_max: 1000,
            headers_max: 10,
        };
        let head = wire::http::RequestHead::parse(HEAD, &limits).unwrap().unwrap();
        let handshake = Handshake::new(&head, "/a?b#c", &[], "192.0.2.1".parse().unwrap(), None);
        let hook = HookTerms {
            url: "https://waf.test:8443/x".parse().unwrap(),
            method: "POST".to_owned(),
            headers: vec![("X-Key".to_owned(), "secret".to_owned())],
            reach: None,
        };
        Template::new(&hook, None, &handshake, settings, None).unwrap()
    }

    #[test]
    fn the_target_goes_whole_whatever_is_in_it() {
        let template = template(&Settings::default().hook);
        assert_eq!(template.target(), "/a?b%23c");
        assert!(
            template
                .beginning
                .starts_with(b"POST /a?b%23c HTTP/1.1\r\nhost: h.test\r\n")
        );
        assert_eq!(template.whole.to_string(), "https://h.test/a?b%23c");
    }

    #[test]
    fn secrets_cannot_be_printed() {
        let template = template(&Settings::default().hook);
        assert_eq!(template.headers["x-key"], "secret");
        assert_eq!(template.headers["cookie"], "secret");
        assert!(!format!("{template:?}").contains("secret"), "{template:?}");
        let key = SigningKey::parse("whsec_c2VjcmV0").unwrap().unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey");
    }

    #[test]
    fn a_signature_is_as_standard_webhooks_has_it() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
            .unwrap()
            .unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
