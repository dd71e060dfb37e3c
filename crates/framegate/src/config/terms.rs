//! What goes for one connection of the gateway door: where it leads, who judges it, and what it is held to. A route
//! says so, or the header fields of the proxy in front, each over the settings of `gateway` and `hook`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::mode::{ModeError, Upstream};
use super::reach::Reach;
use super::settings::{Gateway, Hook, Limits, RouteRow};
use super::words::{HookFail, OnBinary};
use crate::flow::Direction;

/// What goes for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The route's name; `None`: no route said anything of it.
    pub route: Option<Arc<str>>,
    /// Where it may lead: the first that can be reached.
    pub upstream: Vec<Upstream>,
    /// Which addresses that may be, if a header field named it.
    pub upstream_reach: Option<Arc<Reach>>,
    /// Who judges the messages of each direction.
    pub hooks: [Option<Arc<HookTerms>>; 2],
    /// What becomes of a binary message in a direction with a hook.
    pub binary: OnBinary,
    /// The proxy speaks permessage-deflate with a client that offers it.
    pub compress: bool,
    /// It offers permessage-deflate to the upstream.
    pub compress_upstream: bool,
    /// From which pages it may be asked for; empty: as `upgrade.origins_allow` has it.
    pub origins: Vec<String>,
    /// As `gateway.idle_ms`.
    pub idle_ms: u64,
    /// As `gateway.message_bytes_max`.
    pub message_bytes_max: u64,
    /// As `gateway.validate_utf8`.
    pub validate_utf8: bool,
}

/// A hook, as one connection has it.
#[derive(Clone, PartialEq, Eq)]
pub struct HookTerms {
    /// Where it is.
    pub url: HookUrl,
    /// The method of its requests.
    pub method: String,
    /// Header fields of its requests, which may be secrets.
    pub headers: Vec<(String, String)>,
    /// Which addresses it may have, if a header field named it.
    pub reach: Option<Arc<Reach>>,
}

/// Where a hook is: an `http` or `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HookUrl {
    /// Whether it is spoken to in TLS.
    pub tls: bool,
    /// A name in lower case or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The URL's port, or else its scheme's.
    pub port: u16,
    /// Its path and query; the path is at least `/`.
    pub target: String,
}

impl Terms {
    /// Where nothing is said of a connection.
    #[must_use]
    pub fn new(gateway: &Gateway) -> Self {
        Self {
            route: None,
            upstream: Vec::new(),
            upstream_reach: None,
            hooks: [None, None],
            binary: gateway.binary,
            compress: gateway.compress,
            compress_upstream: gateway.compress_upstream,
            origins: Vec::new(),
            idle_ms: gateway.idle_ms,
            message_bytes_max: gateway.message_bytes_max,
            validate_utf8: gateway.validate_utf8,
        }
    }

    /// What a route says.
    ///
    /// # Errors
    /// The column that cannot be read and what is wrong with it, which rows of the settings have been held against
    /// already.
    pub fn of_route(gateway: &Gateway, row: &RouteRow) -> Result<Self, (&'static str, String)> {
        let hook = |url: &Option<String>, method: &str, headers: &[String], columns: [&'static str; 2]| {
            let Some(url) = url else { return Ok(None) };
            let url = url.parse().map_err(|why: String| (columns[0], why))?;
            let headers: Result<_, String> = headers.iter().map(|header| field(header)).collect();
            Ok(Some(Arc::new(HookTerms {
                url,
                method: method.to_owned(),
                headers: headers.map_err(|why| (columns[1], why))?,
                reach: None,
            })))
        };
        let send = ["send_hook", "send_hook_headers"];
        let receive = ["receive_hook", "receive_hook_headers"];
        let upstream: Result<_, ModeError> = row.upstream.iter().map(|url| url.parse()).collect();
        let or = Self::new(gateway);
        Ok(Self {
            route: Some(row.id.as_str().into()),
            upstream: upstream.map_err(|why| ("upstream", why.to_string()))?,
            upstream_reach: None,
            hooks: [
                hook(&row.send_hook, &row.send_hook_method, &row.send_hook_headers, send)?,
                hook(
                    &row.receive_hook,
                    &row.receive_hook_method,
                    &row.receive_hook_headers,
                    receive,
                )?,
            ],
            binary: row.binary.unwrap_or(or.binary),
            compress: row.compress.unwrap_or(or.compress),
            compress_upstream: row.compress_upstream.unwrap_or(or.compress_upstream),
            origins: row.origins.clone(),
            idle_ms: row.idle_ms.unwrap_or(or.idle_ms),
            message_bytes_max: row.message_bytes_max.unwrap_or(or.message_bytes_max),
            validate_utf8: row.validate_utf8.unwrap_or(or.validate_utf8),
        })
    }

    /// Who judges the messages of that direction.
    #[must_use]
    pub fn hook(&self, direction: Direction) -> Option<&Arc<HookTerms>> {
        self.hooks[direction.index()].as_ref()
    }
}

impl Limits {
    /// What the head of a request or a response may have.
    #[must_use]
    pub const fn head(&self) -> wire::http::Limits {
        wire::http::Limits {
            head_bytes_max: self.head_bytes_max,
            headers_max: self.headers_max,
        }
    }
}

impl Hook {
    /// What becomes of a message of that direction whose hook has failed.
    #[must_use]
    pub fn fail_of(&self, direction: Direction) -> HookFail {
        match direction {
            Direction::Send => self.fail,
            Direction::Receive => self.fail_receive.unwrap_or(self.fail),
        }
    }
}

impl fmt::Debug for HookTerms {
    /// Without the values of its header fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("HookTerms")
            .field("url", &self.url)
            .field("method", &self.method)
            .field("headers", &names)
            .finish()
    }
}

impl HookUrl {
    /// `host:port`, without the port if it is the scheme's own: what a `Host` field holds (RFC 9110 §7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        self.server().authority()
    }

    fn server(&self) -> Upstream {
        Upstream {
            tls: self.tls,
            host: self.host.clone(),
            port: self.port,
            path: String::new(),
        }
    }
}

impl FromStr for HookUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return Err("its scheme is neither http nor https".to_owned());
        }
        let (whole, query) = match text.split_once('?') {
            Some((whole, query)) => (whole, Some(query)),
            None => (text, None),
        };
        let Upstream { tls, host, port, .. } = whole.parse().map_err(|error: ModeError| error.why())?;
        // A path that ends with a slash is another than without it.
        let path = whole[scheme.len() + "://".len()..].find('/');
        let path = path.map_or("/", |at| &whole[scheme.len() + "://".len() + at..]);
        let mut target = path.to_owned();
        if let Some(query) = query {
            if query.contains('#') || !query.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err("its query has a character that must be percent-encoded".to_owned());
            }
            target.push('?');
            target.push_str(query);
        }
        Ok(Self {
            tls,
            host,
            port,
            target,
        })
    }
}

impl fmt::Display for HookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Reads `name: value`, a field of a request (RFC 9110 §5).
///
/// # Errors
/// What is wrong with it; the text itself is not repeated, because the value may be a secret.
pub(crate) fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("there is no colon behind a name")?;
    named(name, value)
}

/// A field of that name.
///
/// # Errors
/// As [`field`].
pub(super) fn named(name: &str, value: &str) -> Result<(String, String), String> {
    let value = value.trim_matches([' ', '\t']);
    if !is_token(name) {
        return Err("the name has a character that no field name has".to_owned());
    }
    if value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return Err("the value has a control character".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Whether it is a token (RFC 9110 §5.6.2), as names of methods and of header fields are.
#[must_use]
pub(super) fn is_token(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::{HookUrl, field};

    fn read(text: &str) -> Result<String, String> {
        text.parse::<HookUrl>().map(|url| url.to_string())
    }

    #[test]
    fn a_hook_url_keeps_its_path_and_query() {
        for (text, shown) in [
            ("http://waf", "http://waf/"),
            ("HTTPS://Waf.example:443/inspect/", "https://waf.example/inspect/"),
            ("http://[::1]:81/a?b=c?d", "http://[::1]:81/a?b=c?d"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn what_is_no_hook_url_says_why() {
        for (text, why) in [
            ("waf:80", "neither http nor https"),
            ("ws://waf", "neither http nor https"),
            ("http://", "its host is neither"),
            ("http://waf..internal/", "its host is neither"),
            ("http://waf:0/", "its port is none of"),
            ("http://u:p@waf", "a user name or a password"),
            ("http://waf/a b", "percent-encoded"),
            ("http://waf/?a b", "percent-encoded"),
        ] {
            let error = read(text).expect_err("it is no URL of a hook");
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_field_has_a_name_and_a_value_without_controls() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(field("X-Key:  a: b "), pair("X-Key", "a: b"));
        assert_eq!(field("x:"), pair("x", ""));
        for bad in ["x", ": v", "x y: v", "x: a\r\nb: c", "x : v"] {
            assert!(field(bad).is_err(), "{bad:?}");
        }
    }
}
