//! The answers that the proxy gives itself, as `application/problem+json` (RFC 9457).

use std::fmt::Write as _;

use serde::Serialize;
use wire::http::HeadError;
use wire::upgrade::BadUpgrade;

/// Why a request got no answer from a server. The client's connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The last part of the `type`: a word that a script can rely on.
    kind: &'static str,
    /// What happened and whose fault it was, as a sentence without its full stop.
    pub(crate) detail: String,
    headers: &'static [(&'static str, &'static str)],
    /// When it may be worth asking again.
    retry_after_s: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
}

impl Problem {
    pub(crate) fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            detail: detail.into(),
            headers: &[],
            retry_after_s: None,
        }
    }

    /// The request cannot be understood.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(400, "bad-request", detail)
    }

    /// The request's head is not valid HTTP.
    pub(crate) fn bad_head(error: HeadError) -> Self {
        let status = match error {
            HeadError::TooLarge { .. } | HeadError::TooManyHeaders { .. } => 431,
            HeadError::Version => 505,
            _ => 400,
        };
        Self::new(
            status,
            "bad-request",
            format!("the client's request is malformed: {error}"),
        )
    }

    /// The request for a WebSocket is not as RFC 6455 wants it.
    pub(crate) fn bad_upgrade(bad: &BadUpgrade) -> Self {
        Self {
            headers: bad.headers(),
            ..Self::new(
                bad.status,
                "bad-upgrade",
                format!("the client's upgrade is not valid: {}", bad.why),
            )
        }
    }

    /// The door is for WebSockets alone (RFC 9110 §15.5.22).
    pub(crate) fn needs_upgrade(detail: impl Into<String>) -> Self {
        Self {
            headers: &[("Upgrade", "websocket"), ("Connection", "Upgrade")],
            ..Self::new(426, "needs-upgrade", detail)
        }
    }

    /// A page that is not meant asks for a WebSocket.
    pub(crate) fn forbidden_origin(detail: impl Into<String>) -> Self {
        Self::new(403, "forbidden-origin", detail)
    }

    /// The client's source has too many WebSockets (RFC 6585 §4).
    pub(crate) fn too_many(detail: impl Into<String>, retry_after_ms: u64) -> Self {
        Self {
            retry_after_s: Some(retry_after_ms.div_ceil(1000).max(1)),
            ..Self::new(429, "too-many-connections", detail)
        }
    }

    /// The server cannot be reached or does not speak as it should.
    pub(crate) fn bad_gateway(kind: &'static str, detail: impl Into<String>) -> Self {
        Self::new(502, kind, detail)
    }

    /// The server took too long.
    pub(crate) fn too_slow(detail: impl Into<String>) -> Self {
        Self::new(504, "server-too-slow", detail)
    }

    /// The head and the body of the response.
    pub(crate) fn response(&self) -> (String, String) {
        let title = title(self.status);
        let body = Body {
            r#type: format!("urn:framegate:problem:{}", self.kind),
            title,
            status: self.status,
            detail: &self.detail,
        };
        // Strings and numbers always have a JSON form.
        let mut body = serde_json::to_string(&body).unwrap_or_default();
        body.push('\n');
        let mut connection = "close".to_owned();
        let mut further = String::new();
        for (name, value) in self.headers {
            if name.eq_ignore_ascii_case("connection") {
                let _ = write!(connection, ", {value}");
            } else {
                let _ = write!(further, "{name}: {value}\r\n");
            }
        }
        if let Some(seconds) = self.retry_after_s {
            let _ = write!(further, "Retry-After: {seconds}\r\n");
        }
        let head = format!(
            "HTTP/1.1 {} {title}\r\nServer: framegate\r\nContent-Type: application/problem+json\r\n\
             Content-Length: {}\r\n{further}Connection: {connection}\r\n\r\n",
            self.status,
            body.len(),
        );
        (head, body)
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}
