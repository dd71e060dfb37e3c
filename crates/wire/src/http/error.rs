//! What can be wrong with a head.

/// What is wrong with a head, or with what it says about the length of its body. It is the fault of the peer that sent
/// the head: the client for a request, the server for a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// No end of the head within the limit.
    #[error("the head is longer than {limit_bytes} bytes")]
    TooLarge {
        /// [`Limits::head_bytes_max`](super::Limits::head_bytes_max).
        limit_bytes: usize,
    },
    /// More header lines than the limit.
    #[error("the head has more than {limit} header lines")]
    TooManyHeaders {
        /// [`Limits::headers_max`](super::Limits::headers_max).
        limit: usize,
    },
    /// Not a request line or status line of HTTP/1.
    #[error("the start line is not that of an HTTP/1 message")]
    StartLine,
    /// Neither HTTP/1.0 nor HTTP/1.1.
    #[error("the HTTP version is neither 1.0 nor 1.1")]
    Version,
    /// A status below 100 or not of three digits, or a control character in the reason.
    #[error("the status line is malformed")]
    Status,
    /// A byte that no header name has, no colon, or white space before the colon.
    #[error("a header line does not start with a valid name and a colon")]
    HeaderName,
    /// A control character in a header value.
    #[error("a header value holds a control character")]
    HeaderValue,
    /// A line that starts with white space: it continues the one before it (obs-fold, RFC 9112 §5.2).
    #[error("a header line is folded onto the next one")]
    Folded,
    /// Something else where CR LF must stand, such as CR alone.
    #[error("a line does not end in CR LF")]
    NewLine,
    /// LF without CR. Recipients disagree whether a line ends there (RFC 9112 §2.2).
    #[error("a line ends in LF without CR")]
    BareLf,
    /// Not one decimal number that fits 64 bits (RFC 9110 §8.6).
    #[error("Content-Length is not one decimal number")]
    ContentLength,
    /// More than one Content-Length line, equal or not.
    #[error("there is more than one Content-Length")]
    RepeatedContentLength,
    /// Both ways to say how long the body is (RFC 9112 §6.1).
    #[error("Transfer-Encoding and Content-Length stand together")]
    TransferEncodingAndContentLength,
    /// HTTP/1.0 has no Transfer-Encoding (RFC 9112 §6.1).
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    TransferEncodingInHttp10,
    /// An empty or malformed list, or chunked anywhere but once, at the end.
    #[error("Transfer-Encoding is malformed")]
    TransferEncoding,
    /// A request whose last coding is not chunked has no length (RFC 9112 §6.3).
    #[error("the last transfer coding of the request is not chunked")]
    NotChunked,
}

impl HeadError {
    /// The status with which a request is refused for this: 431 (RFC 6585 §5), 505 or 400. For a response it is
    /// always 502, which is the caller's to say.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::TooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::Version => 505,
            _ => 400,
        }
    }

    pub(super) const fn of(error: httparse::Error, limits: &super::Limits) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyHeaders {
                limit: limits.headers_max,
            },
            httparse::Error::HeaderName => Self::HeaderName,
            httparse::Error::HeaderValue => Self::HeaderValue,
            httparse::Error::NewLine => Self::NewLine,
            httparse::Error::Status => Self::Status,
            httparse::Error::Token => Self::StartLine,
            httparse::Error::Version => Self::Version,
        }
    }
}
