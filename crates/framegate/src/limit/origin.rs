//! From which pages a WebSocket may be opened. A browser says in `Origin` which page asks (RFC 6454 §7), sends the
//! user's cookies along, and lets every page ask every server: so a page of somebody else could speak for the user.

use std::fmt;
use std::str::FromStr;

use wire::http::RequestHead;

/// Pages that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OriginPattern {
    /// `*`: every page.
    Any,
    /// `null`: pages that have no origin, such as files and sandboxed frames.
    Null,
    /// Those of one scheme, host and port.
    At {
        scheme: String,
        /// Of `https://*.example.com` all hosts below `example.com`, at any depth, and not that one itself.
        below: bool,
        /// In lower case.
        host: String,
        port: Option<u16>,
    },
}

impl OriginPattern {
    /// Whether an origin is meant, as a browser has written it. What no browser writes is meant by nothing but `*`.
    fn means(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Null => origin == "null",
            Self::At {
                scheme,
                below,
                host,
                port,
            } => {
                let Ok((its_scheme, its_host, its_port)) = read(origin) else {
                    return false;
                };
                let fits = match below {
                    false => its_host == *host,
                    true => its_host
                        .strip_suffix(host.as_str())
                        .and_then(|rest| rest.strip_suffix('.'))
                        .is_some_and(|rest| !rest.is_empty()),
                };
                fits && its_scheme == *scheme && its_port == *port
            }
        }
    }
}

impl FromStr for OriginPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "*" => return Ok(Self::Any),
            "null" => return Ok(Self::Null),
            _ => {}
        }
        let (plain, below) = match text.split_once("://*.") {
            Some((scheme, rest)) => (format!("{scheme}://{rest}"), true),
            None => (text.to_owned(), false),
        };
        let (scheme, host, port) = read(&plain)?;
        if below && host.starts_with('[') {
            return Err("nothing is below an address");
        }
        Ok(Self::At {
            scheme,
            below,
            host,
            port,
        })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Null => f.write_str("null"),
            Self::At {
                scheme,
                below,
                host,
                port,
            } => {
                let star = if *below { "*." } else { "" };
                write!(f, "{scheme}://{star}{host}")?;
                match port {
                    Some(port) if Some(*port) != default_port(scheme) => write!(f, ":{port}"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// Whether a request comes from a page that may ask. `required`: it has to say from which.
///
/// # Errors
/// Why not.
pub(crate) fn check(request: &RequestHead, allowed: &[String], required: bool) -> Result<(), String> {
    if allowed.is_empty() {
        return Ok(());
    }
    let mut origins = request.values("Origin");
    let Some(origin) = origins.next() else {
        return match required {
            false => Ok(()),
            true => Err("the request has no Origin, and upgrade.origin_required asks for one".to_owned()),
        };
    };
    if origins.next().is_some() {
        return Err("the request has more than one Origin".to_owned());
    }
    let shown = String::from_utf8_lossy(origin);
    let means = |pattern: &String| {
        pattern
            .parse::<OriginPattern>()
            .is_ok_and(|pattern| pattern.means(&shown))
    };
    if allowed.iter().any(means) {
        return Ok(());
    }
    let shown: String = shown.chars().take(100).collect();
    Err(format!("pages of the origin {shown:?} may not open a WebSocket here"))
}

/// Scheme, host and port of an origin, both names in lower case, the port its scheme's own if there is none.
fn read(text: &str) -> Result<(String, String, Option<u16>), &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or("it is no scheme://host")?;
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.bytes().all(letters) {
        return Err("that is no scheme");
    }
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(port.parse().map_err(|_| "that is no port")?)
        }
        Some(_) => return Err("that is no port"),
        None => default_port(&scheme),
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match address {
        Some(address) => match address.parse::<std::net::Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => return Err("that is no address"),
        },
        None => host.to_ascii_lowercase(),
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let named = address.is_some() || host.bytes().all(fits) && !host.split('.').any(str::is_empty);
    match named {
        true => Ok((scheme, host, port)),
        false => Err("its host is none: it has no user, no path and no dot at its end"),
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::OriginPattern;

    fn means(pattern: &str, origin: &str) -> bool {
        pattern
            .parse::<OriginPattern>()
            .is_ok_and(|pattern| pattern.means(origin))
    }

    #[test]
    fn scheme_host_and_port_are_the_same() {
        for (pattern, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://app.example", "HTTPS://App.Example"),
            ("https://app.example", "https://app.example:443"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:8080", "http://app.example:8080"),
            ("http://[::1]:3000", "http://[0:0::1]:3000"),
            ("https://*.example.com", "https://a.example.com"),
            ("https://*.example.com", "https://a.b.example.com"),
            ("chrome-extension://abcdef", "chrome-extension://abcdef"),
            ("null", "null"),
            ("*", "null"),
            ("*", "anything"),
        ] {
            assert!(means(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_not_meant() {
        for (pattern, origin) in [
            ("https://app.example", "http://app.example"),
            ("https://app.example", "https://app.example.evil.test"),
            ("https://app.example", "https://evil-app.example"),
            ("https://app.example", "https://app.example@evil.test"),
            ("https://app.example", "https://user@app.example"),
            ("https://app.example", "https://evil.test/https://app.example"),
            ("https://app.example", "https://app.example/"),
            ("https://app.example", "https://app.example."),
            ("https://app.example", "https://app.example:8443"),
            ("https://app.example", "https://app.example:"),
            ("https://app.example", "https://app.example:+443"),
            ("https://app.example", "https://app.example\0"),
            ("https://app.example", " https://app.example"),
            ("https://app.example", "https://app.example https://evil.test"),
            ("https://app.example", "app.example"),
            ("https://app.example", "null"),
            ("https://app.example", ""),
            ("https://*.example.com", "https://example.com"),
            ("https://*.example.com", "https://.example.com"),
            ("https://*.example.com", "https://evilexample.com"),
            ("https://*.example.com", "https://a.example.com.evil.test"),
            ("https://*.example.com", "https://*.example.com"),
            ("https://*.example.com", "http://a.example.com"),
            ("null", "NULL"),
        ] {
            assert!(!means(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_none() {
        for bad in [
            "",
            "app.example",
            "https://",
            "https://*",
            "https://a.*.b",
            "https://app.example/",
            "https://u@a",
            "://a",
            "https://*.[::1]",
            "https://a:0x1",
            "Null",
        ] {
            assert!(bad.parse::<OriginPattern>().is_err(), "{bad}");
        }
        let shown = |text: &str| text.parse::<OriginPattern>().map(|pattern| pattern.to_string());
        assert_eq!(
            shown("HTTPS://*.Example.com:443").as_deref(),
            Ok("https://*.example.com")
        );
        assert_eq!(shown("http://a:81").as_deref(), Ok("http://a:81"));
    }
}
