//! The header fields by which the proxy in front of the gateway door says what goes for one connection.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::error::nearest;
use super::mode::Upstream;
use super::reach::Reach;
use super::terms::{HookTerms, HookUrl, Terms, is_token};
use super::words::OnBinary;
use crate::flow::Direction;

/// What all of their names begin with.
const PREFIX: &str = "x-wsproxy-";

/// Their names behind that.
const NAMES: [&str; 12] = [
    "upstream",
    "inboundhook",
    "inboundhook-method",
    "inboundhook-headers",
    "outboundhook",
    "outboundhook-method",
    "outboundhook-headers",
    "binary",
    "compress",
    "idletimeout",
    "maxframesize",
    "validateutf8",
];

/// A field that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header field {name}: {what}")]
pub struct FieldError {
    /// As it was sent.
    pub name: String,
    /// What was found and what is expected.
    pub what: String,
    /// It is in order, but names a host that it may not.
    pub forbidden: bool,
}

/// Whether a field is one of these by its name, known or not.
#[must_use]
pub fn is_gateway_field(name: &str) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Which hosts the fields may name.
#[derive(Clone, Debug)]
pub struct FieldReach {
    /// For upstreams.
    pub upstream: Arc<Reach>,
    /// For hooks.
    pub hook: Arc<Reach>,
}

/// The hooks as they are said piece by piece.
#[derive(Default)]
struct HookFields {
    url: Option<HookUrl>,
    method: Option<String>,
    headers: Option<Vec<(String, String)>>,
}

impl Terms {
    /// Lays what the fields say over these terms; each is a name and a value. Of a hook that a field names, nothing goes
    /// on from a route.
    ///
    /// # Errors
    /// The first field that cannot be used: one that is unknown, there twice, malformed, or names a host that it may not.
    pub fn with_fields<'a>(
        mut self,
        fields: impl Iterator<Item = (&'a str, &'a [u8])>,
        reach: &FieldReach,
    ) -> Result<Self, FieldError> {
        let mut seen = Vec::new();
        let mut hooks: [HookFields; 2] = Default::default();
        for (name, value) in fields.filter(|(name, _)| is_gateway_field(name)) {
            let known = name[PREFIX.len()..].to_ascii_lowercase();
            let wrong = |what: String| FieldError {
                name: name.to_owned(),
                what,
                forbidden: false,
            };
            if seen.contains(&known) {
                return Err(wrong("is there more than once".to_owned()));
            }
            let value = std::str::from_utf8(value).map_err(|_| wrong("is not UTF-8".to_owned()))?;
            let forbidden = self.take(&known, value, &mut hooks, reach).map_err(wrong)?;
            if forbidden {
                return Err(FieldError {
                    forbidden,
                    ..wrong("names a host that the settings do not allow here".to_owned())
                });
            }
            seen.push(known);
        }
        for (direction, said) in Direction::BOTH.into_iter().zip(hooks) {
            self.say(direction, said, reach);
        }
        Ok(self)
    }

    /// Takes one field. Says whether it names a host that it may not; an error says what is wrong with its value.
    fn take(
        &mut self,
        name: &str,
        value: &str,
        hooks: &mut [HookFields; 2],
        reach: &FieldReach,
    ) -> Result<bool, String> {
        let [send, receive] = hooks;
        match name {
            "upstream" => {
                let upstream = upstream(value)?;
                let admitted = reach.upstream.may_admit(&upstream.host);
                self.upstream = vec![upstream];
                self.upstream_reach = Some(Arc::clone(&reach.upstream));
                return Ok(!admitted);
            }
            "inboundhook" | "outboundhook" => {
                let hook = if name == "inboundhook" { send } else { receive };
                let url: HookUrl = value
                    .parse()
                    .map_err(|why| found(value, "a URL such as http://127.0.0.1:8000/", why))?;
                let admitted = reach.hook.may_admit(&url.host);
                hook.url = Some(url);
                return Ok(!admitted);
            }
            "inboundhook-method" => send.method = Some(method(value)?),
            "outboundhook-method" => receive.method = Some(method(value)?),
            "inboundhook-headers" => send.headers = Some(headers(value)?),
            "outboundhook-headers" => receive.headers = Some(headers(value)?),
            "binary" => {
                self.binary = match value {
                    "close" => OnBinary::Close,
                    "hook" => OnBinary::Hook,
                    "pass" => OnBinary::Pass,
                    _ => return Err(found(value, "close, hook or pass", "")),
                }
            }
            "compress" => self.compress = flag(value)?,
            "validateutf8" => self.validate_utf8 = flag(value)?,
            "idletimeout" => self.idle_ms = number(value, "milliseconds", 0)?,
            "maxframesize" => self.message_bytes_max = number(value, "bytes", 1)?,
            _ => return Err(unknown(name)),
        }
        Ok(false)
    }

    /// Takes over what the fields say of one direction's hook.
    fn say(&mut self, direction: Direction, said: HookFields, reach: &FieldReach) {
        let hook = &mut self.hooks[direction.index()];
        let mut terms = match (said.url, hook.as_deref()) {
            (Some(url), _) => HookTerms {
                url,
                method: "POST".to_owned(),
                headers: Vec::new(),
                reach: Some(Arc::clone(&reach.hook)),
            },
            (None, Some(terms)) => terms.clone(),
            (None, None) => return,
        };
        terms.method = said.method.unwrap_or(terms.method);
        terms.headers = said.headers.unwrap_or(terms.headers);
        *hook = Some(Arc::new(terms));
    }
}

fn found(value: &str, expected: &str, why: impl Into<String>) -> String {
    let why = why.into();
    let because = if why.is_empty() { why } else { format!("{why}; ") };
    // What stands before an @ may be a password.
    let found = if value.contains('@') {
        String::new()
    } else {
        format!("found {value:?}, ")
    };
    format!("{found}{because}expected {expected}")
}

/// A server by its URL, whose path and query do not matter.
fn upstream(value: &str) -> Result<Upstream, String> {
    const EXPECTED: &str = "a WebSocket endpoint such as ws://127.0.0.1:9000 or wss://example.com";
    let wrong = |why: &str| found(value, EXPECTED, why);
    let (scheme, rest) = value.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
    if !scheme.eq_ignore_ascii_case("ws") && !scheme.eq_ignore_ascii_case("wss") {
        return Err(wrong("its scheme is neither ws nor wss"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{authority}")
        .parse()
        .map_err(|error: super::ModeError| wrong(&error.why()))
}

fn method(value: &str) -> Result<String, String> {
    match is_token(value) {
        true => Ok(value.to_owned()),
        false => Err(found(value, "a method such as POST", "")),
    }
}

/// Reads `name=value,name=value`; a comma or an equals sign in a value is percent-encoded. The values may be secrets.
fn headers(value: &str) -> Result<Vec<(String, String)>, String> {
    let one = |pair: &str| {
        let (name, value) = pair.split_once('=').ok_or("there is no = behind a name")?;
        let value = percent_decode_str(value.trim())
            .decode_utf8()
            .map_err(|_| "a value is not UTF-8")?;
        super::terms::named(name.trim(), &value)
    };
    let pairs = value.split(',').filter(|pair| !pair.trim().is_empty());
    let read: Result<Vec<_>, String> = pairs.map(one).collect();
    read.map_err(|why| format!("{why}; expected header1=val1,header2=val2, with %2C for a comma in a value"))
}

fn flag(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(found(value, "true or false", "")),
    }
}

fn number(value: &str, unit: &str, min: u64) -> Result<u64, String> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|number| digits && *number >= min);
    number.ok_or_else(|| found(value, &format!("a whole number of {unit}, at least {min}"), ""))
}

fn unknown(name: &str) -> String {
    match nearest(name, NAMES.into_iter()) {
        Some(meant) => format!("there is no such field; did you mean {PREFIX}{meant}?"),
        None => format!(
            "there is no such field; there are {}",
            NAMES.map(|name| format!("{PREFIX}{name}")).join(", ")
        ),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod properties;
