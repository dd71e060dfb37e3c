//! Close frames: their payload and their codes (RFC 6455 §5.5.1, §7.4).

use crate::error::Rule;

/// The most bytes of a reason: a control frame's 125 less the code.
pub const REASON_BYTES_MAX: usize = 123;

/// What a Close says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Close {
    /// The status code; `None`: the frame was empty.
    pub code: Option<u16>,
    /// The reason, invalid UTF-8 replaced.
    pub reason: String,
}

impl Close {
    /// A Close that can be sent: the reason is cut at [`REASON_BYTES_MAX`], between characters, and a code that may not be
    /// sent is left out, with the reason, as there is none without a code.
    #[must_use]
    pub fn new(code: u16, reason: &str) -> Self {
        if may_be_sent(code) {
            Self {
                code: Some(code),
                reason: cut(reason).to_owned(),
            }
        } else {
            Self::default()
        }
    }

    /// Reads the payload of a Close frame. A payload of one byte reads as an empty one.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Self {
        match payload {
            [high, low, reason @ ..] => Self {
                code: Some(u16::from_be_bytes([*high, *low])),
                reason: String::from_utf8_lossy(reason).into_owned(),
            },
            _ => Self::default(),
        }
    }

    /// The payload of the frame that says this. The reason is cut at [`REASON_BYTES_MAX`], between characters; without
    /// a code there is none.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let Some(code) = self.code else { return Vec::new() };
        [&code.to_be_bytes(), cut(&self.reason).as_bytes()].concat()
    }
}

/// As much of a reason as a Close has room for.
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_MAX)]
}

/// What is wrong with the payload of a Close frame, if anything is.
#[must_use]
pub fn flaw(payload: &[u8]) -> Option<Rule> {
    match payload {
        [] => None,
        [_] => Some(Rule::ShortClose),
        [high, low, reason @ ..] => {
            if !may_be_sent(u16::from_be_bytes([*high, *low])) {
                Some(Rule::CloseCode)
            } else if simdutf8::basic::from_utf8(reason).is_err() {
                Some(Rule::CloseReasonUtf8)
            } else {
                None
            }
        }
    }
}

/// Whether a Close may carry this code: defined or registered ones, and those of libraries and applications
/// (RFC 6455 §7.4.2). 1004, 1005, 1006 and 1015 never travel.
#[must_use]
pub const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_named() {
        let with = |code: u16, reason: &[u8]| [&code.to_be_bytes()[..], reason].concat();
        assert_eq!(flaw(b""), None);
        assert_eq!(flaw(b"\x03"), Some(Rule::ShortClose));
        assert_eq!(flaw(&with(1000, b"bye")), None);
        assert_eq!(flaw(&with(4999, b"")), None);
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert_eq!(flaw(&with(code, b"")), Some(Rule::CloseCode), "{code}");
        }
        assert_eq!(flaw(&with(1000, b"\xff")), Some(Rule::CloseReasonUtf8));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let close = |code, reason: String| Close { code, reason };
        let payload = close(Some(1008), "ä".repeat(100)).payload();
        assert!(payload.len() <= 125);
        assert_eq!(Close::parse(&payload), close(Some(1008), "ä".repeat(61)));
        assert_eq!(close(None, "unsaid".to_owned()).payload(), b"");
        assert_eq!(Close::new(1008, &"ä".repeat(100)), close(Some(1008), "ä".repeat(61)));
    }

    #[test]
    fn a_code_that_may_not_be_sent_is_left_out_with_its_reason() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535] {
            assert_eq!(Close::new(code, "why").payload(), b"", "{code}");
        }
    }
}
