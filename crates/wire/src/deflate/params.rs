//! The parameters of permessage-deflate (RFC 7692 §7.1): parsed from, and written as, an element of
//! `Sec-WebSocket-Extensions`. The list around it is `upgrade`'s.

use std::fmt;

/// The extension's name.
pub const NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
pub(crate) const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// What client and server agreed to. `client_…` governs what the client compresses (client to server), `server_…` what
/// the server compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// The server starts every message with an empty window.
    pub server_no_context_takeover: bool,
    /// The client starts every message with an empty window.
    pub client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's window, 8 to 15.
    pub server_max_window_bits: u8,
    /// Base-2 logarithm of the client's window, 8 to 15.
    pub client_max_window_bits: u8,
}

impl Default for Params {
    /// What an answer without parameters means: context takeover, windows of 32 KiB.
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        }
    }
}

impl Params {
    /// Reads the parameters of a server's answer: names and values, in order.
    ///
    /// # Errors
    ///
    /// When one is unknown, repeated or has a value it must not have (RFC 7692 §7.1).
    pub fn of_answer<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, ParamsError> {
        let offer = Offered::parse(params)?;
        if offer.client_max_window_bits == Some(None) {
            return Err(ParamsError::NoValue(CLIENT_MAX_WINDOW_BITS));
        }
        Ok(Self {
            server_no_context_takeover: offer.server_no_context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover,
            server_max_window_bits: offer.server_max_window_bits.unwrap_or(15),
            client_max_window_bits: offer.client_max_window_bits.flatten().unwrap_or(15),
        })
    }

    /// The element with which a server agrees to this. It may carry `client_max_window_bits` only if the client
    /// offered it, so below 15 bits that is the caller's to make sure of.
    #[must_use]
    pub fn to_answer(&self) -> String {
        let mut text = self.to_text();
        if self.client_max_window_bits < 15 {
            text += &format!("; {CLIENT_MAX_WINDOW_BITS}={}", self.client_max_window_bits);
        }
        text
    }

    /// The element with which a client asks for this, and lets the server ask for a smaller client window.
    #[must_use]
    pub fn to_offer(&self) -> String {
        let mut text = self.to_text();
        text += "; ";
        text += CLIENT_MAX_WINDOW_BITS;
        if self.client_max_window_bits < 15 {
            text += &format!("={}", self.client_max_window_bits);
        }
        text
    }

    fn to_text(self) -> String {
        let mut text = String::from(NAME);
        for (is_set, name) in [
            (self.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER),
        ] {
            if is_set {
                text += "; ";
                text += name;
            }
        }
        if self.server_max_window_bits < 15 {
            text += &format!("; {SERVER_MAX_WINDOW_BITS}={}", self.server_max_window_bits);
        }
        text
    }
}

impl fmt::Display for Params {
    /// As in a server's answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_answer())
    }
}

/// What a client offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Offered {
    /// The client asks the server to start every message with an empty window.
    pub server_no_context_takeover: bool,
    /// The client says that it will start every message with an empty window.
    pub client_no_context_takeover: bool,
    /// The client asks for a server window no larger than this.
    pub server_max_window_bits: Option<u8>,
    /// Present: the server may ask for a smaller client window; with a value, the client's window is no larger anyway.
    pub client_max_window_bits: Option<Option<u8>>,
}

impl Offered {
    /// Reads the parameters of an offer: names and values, in order.
    ///
    /// # Errors
    ///
    /// When one is unknown, repeated or has a value it must not have (RFC 7692 §7.1).
    pub fn parse<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<Self, ParamsError> {
        let mut offer = Self::default();
        for (name, value) in params {
            if name.eq_ignore_ascii_case(SERVER_NO_CONTEXT_TAKEOVER) {
                flag(&mut offer.server_no_context_takeover, SERVER_NO_CONTEXT_TAKEOVER, value)?;
            } else if name.eq_ignore_ascii_case(CLIENT_NO_CONTEXT_TAKEOVER) {
                flag(&mut offer.client_no_context_takeover, CLIENT_NO_CONTEXT_TAKEOVER, value)?;
            } else if name.eq_ignore_ascii_case(SERVER_MAX_WINDOW_BITS) {
                let value = value.ok_or(ParamsError::NoValue(SERVER_MAX_WINDOW_BITS))?;
                let bits = window_bits(SERVER_MAX_WINDOW_BITS, value)?;
                once(&mut offer.server_max_window_bits, SERVER_MAX_WINDOW_BITS, bits)?;
            } else if name.eq_ignore_ascii_case(CLIENT_MAX_WINDOW_BITS) {
                let bits = value
                    .map(|value| window_bits(CLIENT_MAX_WINDOW_BITS, value))
                    .transpose()?;
                once(&mut offer.client_max_window_bits, CLIENT_MAX_WINDOW_BITS, bits)?;
            } else {
                return Err(ParamsError::Unknown(name.to_owned()));
            }
        }
        Ok(offer)
    }

    /// Whether a server may answer this offer with these parameters. An answer's `client_max_window_bits` below 15
    /// needs the offer's; the others may not be weaker than what the offer asks for (RFC 7692 §7.1).
    #[must_use]
    pub fn allows(&self, answer: &Params) -> bool {
        (answer.server_no_context_takeover || !self.server_no_context_takeover)
            && self
                .server_max_window_bits
                .is_none_or(|bits| answer.server_max_window_bits <= bits)
            && (answer.client_max_window_bits == 15 || self.client_max_window_bits.is_some())
    }
}

/// What is wrong with the parameters of permessage-deflate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// Not one of the four.
    #[error("permessage-deflate has no parameter {0:?}")]
    Unknown(String),
    /// Given twice.
    #[error("{0} is given twice")]
    Repeated(&'static str),
    /// It must have a value.
    #[error("{0} has no value")]
    NoValue(&'static str),
    /// It must have none.
    #[error("{0} has a value")]
    Value(&'static str),
    /// Not 8 to 15 in decimal without leading zeros.
    #[error("{0} is not a number from 8 to 15")]
    WindowBits(&'static str),
}

fn flag(slot: &mut bool, name: &'static str, value: Option<&str>) -> Result<(), ParamsError> {
    if value.is_some() {
        return Err(ParamsError::Value(name));
    }
    if std::mem::replace(slot, true) {
        return Err(ParamsError::Repeated(name));
    }
    Ok(())
}

fn once<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), ParamsError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(ParamsError::Repeated(name)),
    }
}

fn window_bits(name: &'static str, value: &str) -> Result<u8, ParamsError> {
    match value {
        "8" => Ok(8),
        "9" => Ok(9),
        "10" => Ok(10),
        "11" => Ok(11),
        "12" => Ok(12),
        "13" => Ok(13),
        "14" => Ok(14),
        "15" => Ok(15),
        _ => Err(ParamsError::WindowBits(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Splits `a=b; c` as far as these tests need it.
    fn split(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
        text.split(';')
            .map(str::trim)
            .filter(|param| !param.is_empty())
            .map(|param| {
                param
                    .split_once('=')
                    .map_or((param, None), |(name, value)| (name, Some(value)))
            })
    }

    #[test]
    fn an_answer_may_have_all_four_in_any_case() {
        let text = "client_max_window_bits=8; SERVER_no_context_takeover; client_no_context_takeover; \
                    server_max_window_bits=15";
        let params = Params {
            server_no_context_takeover: true,
            client_no_context_takeover: true,
            server_max_window_bits: 15,
            client_max_window_bits: 8,
        };
        assert_eq!(Params::of_answer(split(text)), Ok(params));
        assert_eq!(Params::of_answer(split("")), Ok(Params::default()));
    }

    #[test]
    fn invalid_parameters_are_refused() {
        for (text, error) in [
            ("window_bits=8", ParamsError::Unknown("window_bits".into())),
            (
                "server_no_context_takeover=1",
                ParamsError::Value("server_no_context_takeover"),
            ),
            (
                "client_no_context_takeover; client_no_context_takeover",
                ParamsError::Repeated("client_no_context_takeover"),
            ),
            (
                "server_max_window_bits=9; server_max_window_bits=9",
                ParamsError::Repeated("server_max_window_bits"),
            ),
            (
                "client_max_window_bits; client_max_window_bits=9",
                ParamsError::Repeated("client_max_window_bits"),
            ),
            ("server_max_window_bits", ParamsError::NoValue("server_max_window_bits")),
        ] {
            assert_eq!(Params::of_answer(split(text)), Err(error.clone()), "answer {text}");
            assert_eq!(Offered::parse(split(text)), Err(error), "offer {text}");
        }
        for value in ["7", "16", "08", "+8", "8 ", "", "1e1", "255", "264"] {
            for name in [SERVER_MAX_WINDOW_BITS, CLIENT_MAX_WINDOW_BITS] {
                let params = [(name, Some(value))];
                assert_eq!(
                    Params::of_answer(params),
                    Err(ParamsError::WindowBits(name)),
                    "{value:?}"
                );
                assert_eq!(Offered::parse(params), Err(ParamsError::WindowBits(name)), "{value:?}");
            }
        }
    }

    #[test]
    fn only_an_offer_may_leave_the_client_window_open() {
        let text = "client_max_window_bits";
        let offer = Offered::parse(split(text));
        assert_eq!(offer.map(|offer| offer.client_max_window_bits), Ok(Some(None)));
        let answer = Params::of_answer(split(text));
        assert_eq!(answer, Err(ParamsError::NoValue("client_max_window_bits")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            (server_no_context_takeover, client_no_context_takeover) in any::<(bool, bool)>(),
            (server_max_window_bits, client_max_window_bits) in (8..=15u8, 8..=15u8),
        ) {
            let params = Params {
                server_no_context_takeover,
                client_no_context_takeover,
                server_max_window_bits,
                client_max_window_bits,
            };
            let written = params.to_answer();
            let (name, rest) = written.split_once(';').unwrap_or((&written, ""));
            prop_assert_eq!(name, NAME);
            prop_assert_eq!(Params::of_answer(split(rest)), Ok(params));
            let written = params.to_offer();
            let (_, rest) = written.split_once(';').unwrap_or((&written, ""));
            prop_assert!(Offered::parse(split(rest)).is_ok_and(|offer| offer.allows(&params)));
        }
    }
}
