//! What a hook's requests repeat of the client's upgrade.

use std::fmt;
use std::net::IpAddr;

use wire::http::RequestHead;

/// What a hook may learn of a client's upgrade. Fields that are for the proxy alone are not in it.
pub(crate) struct Handshake {
    /// Its path and query.
    pub(super) target: String,
    /// Its `Host`; empty if it has none.
    pub(super) host: Vec<u8>,
    /// Its other fields.
    fields: Vec<(String, Vec<u8>)>,
    /// From where the client came, as `X-Forwarded-For` has it.
    pub(super) forwarded_for: Vec<u8>,
    /// Tells the connection from all others, of other processes too.
    pub(super) nonce: u64,
}

/// Fields about one connection or one body, which a request of its own cannot repeat.
const NOT_REPEATED: [&str; 11] = [
    "host",
    "connection",
    "keep-alive",
    "upgrade",
    "te",
    "trailer",
    "transfer-encoding",
    "content-length",
    "content-type",
    "content-encoding",
    "x-forwarded-for",
];

impl Handshake {
    /// `hidden` are names of fields that do not travel on. `forwarded_for` is the way that a trusted proxy told; without
    /// it the client's address stands for that.
    pub(crate) fn new(
        request: &RequestHead,
        target: &str,
        hidden: &[String],
        client: IpAddr,
        forwarded_for: Option<&[u8]>,
    ) -> Self {
        let is_hidden = |name: &str| {
            let start = name.get(..14).unwrap_or_default();
            NOT_REPEATED.iter().any(|known| name.eq_ignore_ascii_case(known))
                || hidden.iter().any(|hidden| name.eq_ignore_ascii_case(hidden))
                || start.eq_ignore_ascii_case("sec-websocket-")
        };
        let fields = request.headers().filter(|field| !is_hidden(field.name));
        let mut nonce = [0; 8];
        // Without entropy its requests are still told apart by their sequence.
        let _ = getrandom::fill(&mut nonce);
        Self {
            target: target.to_owned(),
            host: request.header("Host").unwrap_or_default().to_vec(),
            fields: fields
                .map(|field| (field.name.to_owned(), field.value.to_vec()))
                .collect(),
            forwarded_for: forwarded_for.map_or_else(|| client.to_canonical().to_string().into_bytes(), <[u8]>::to_vec),
            nonce: u64::from_ne_bytes(nonce),
        }
    }

    /// The values of a field, in their order.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_slice())
    }
}

impl fmt::Debug for Handshake {
    /// Without the values of its fields, and without its query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Handshake")
            .field("fields", &names)
            .finish_non_exhaustive()
    }
}
