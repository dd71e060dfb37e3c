//! `Sec-WebSocket-Extensions` as it is written (RFC 6455 §9.1): a list of names with parameters.

use std::fmt;

use crate::deflate::params::{self, ParamsError};
use crate::http::{Head, is_token_byte};

/// The header's name.
pub(super) const HEADER: &str = "Sec-WebSocket-Extensions";

/// One element of the list: an extension that is offered or agreed to, known or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name, case as it came.
    pub name: String,
    /// Its parameters, in order.
    pub params: Vec<Param>,
}

/// A parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name, case as it came.
    pub name: String,
    /// Its value, without quotes and escapes.
    pub value: Option<String>,
}

impl Offer {
    /// Whether it is permessage-deflate. The case does not matter: better to look into what a lenient peer compresses
    /// than to pass it by.
    #[must_use]
    pub fn is_deflate(&self) -> bool {
        self.name.eq_ignore_ascii_case(params::NAME)
    }

    /// The parameters' names and values.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params
            .iter()
            .map(|param| (param.name.as_str(), param.value.as_deref()))
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in self.params() {
            match value {
                Some(value) => write!(f, "; {name}={value}")?,
                None => write!(f, "; {name}")?,
            }
        }
        Ok(())
    }
}

/// What is wrong with a `Sec-WebSocket-Extensions` header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtensionError {
    /// It is not a list as RFC 6455 §9.1 has it.
    #[error("Sec-WebSocket-Extensions is malformed: {0}")]
    Syntax(#[from] SyntaxError),
    /// permessage-deflate is agreed to with parameters it must not have.
    #[error("Sec-WebSocket-Extensions: {0}")]
    Params(#[from] ParamsError),
    /// permessage-deflate is agreed to twice.
    #[error("Sec-WebSocket-Extensions agrees to permessage-deflate twice")]
    DeflateTwice,
}

/// What is wrong with the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyntaxError {
    /// No token where the name of an extension or parameter, or a value, should be.
    #[error("a name or value is missing or has a byte that is not allowed")]
    Token,
    /// A quoted value without its end.
    #[error("a quoted value does not end")]
    Unterminated,
    /// Something else than `;` or `,` after a name or value.
    #[error("neither a semicolon nor a comma follows a name or value")]
    Separator,
}

/// The elements over all lines, and what stopped the reading.
pub(super) fn offers(head: &Head) -> (Vec<Offer>, Option<ExtensionError>) {
    let mut offers = Vec::new();
    for line in head.values(HEADER) {
        if let Err(error) = parse_line(line, &mut offers) {
            return (offers, Some(error.into()));
        }
    }
    (offers, None)
}

fn parse_line(line: &[u8], offers: &mut Vec<Offer>) -> Result<(), SyntaxError> {
    let mut rest = Rest(line);
    loop {
        rest.skip_space();
        match rest.0 {
            [] => return Ok(()),
            // Empty elements mean nothing (RFC 9110 §5.6.1.2).
            [b',', tail @ ..] => rest.0 = tail,
            _ => {
                offers.push(rest.offer()?);
                match rest.0 {
                    [] => {}
                    [b',', tail @ ..] => rest.0 = tail,
                    _ => return Err(SyntaxError::Separator),
                }
            }
        }
    }
}

/// What of a line has not been read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn offer(&mut self) -> Result<Offer, SyntaxError> {
        let name = self.token()?;
        let mut params = Vec::new();
        while self.skip(b';') {
            self.skip_space();
            let name = self.token()?;
            let value = if self.skip(b'=') {
                self.skip_space();
                Some(if self.skip(b'"') { self.quoted()? } else { self.token()? })
            } else {
                None
            };
            params.push(Param { name, value });
        }
        Ok(Offer { name, params })
    }

    /// A token and the white space behind it.
    fn token(&mut self) -> Result<String, SyntaxError> {
        let end = self
            .0
            .iter()
            .position(|&byte| !is_token_byte(byte))
            .unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        if token.is_empty() {
            return Err(SyntaxError::Token);
        }
        self.0 = rest;
        self.skip_space();
        Ok(token.iter().copied().map(char::from).collect())
    }

    /// The rest of a quoted string, which must be a token once it is unquoted (RFC 6455 §9.1), and the white space
    /// behind it.
    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let mut value = String::new();
        loop {
            let (byte, tail) = match self.0 {
                [b'"', tail @ ..] => {
                    self.0 = tail;
                    self.skip_space();
                    return if value.is_empty() {
                        Err(SyntaxError::Token)
                    } else {
                        Ok(value)
                    };
                }
                [b'\\', byte, tail @ ..] | [byte, tail @ ..] => (*byte, tail),
                [] => return Err(SyntaxError::Unterminated),
            };
            if !is_token_byte(byte) {
                return Err(SyntaxError::Token);
            }
            value.push(char::from(byte));
            self.0 = tail;
        }
    }

    fn skip(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, tail @ ..] if *first == byte => {
                self.0 = tail;
                true
            }
            _ => false,
        }
    }

    /// CR and LF stand where a line was folded.
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', tail @ ..] = self.0 {
            self.0 = tail;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(line: &[u8]) -> Result<Vec<Offer>, SyntaxError> {
        let mut offers = Vec::new();
        parse_line(line, &mut offers).map(|()| offers)
    }

    fn shown(line: &str) -> Result<Vec<String>, SyntaxError> {
        parse(line.as_bytes()).map(|offers| offers.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn lists_are_read_as_rfc_6455_writes_them() {
        for (line, offers) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("a", &["a"]),
            ("a,b , c", &["a", "b", "c"]),
            ("a;b;c=d ; e = \"f\"\t;g, h", &["a; b; c=d; e=f; g", "h"]),
            ("a; b=\"1\\0\"", &["a; b=10"]),
            ("a,\r\n b", &["a", "b"]),
        ] {
            assert_eq!(
                shown(line),
                Ok(offers.iter().map(ToString::to_string).collect()),
                "{line:?}"
            );
        }
    }

    #[test]
    fn malformed_lists_are_refused() {
        for (line, error) in [
            ("a;", SyntaxError::Token),
            ("a; ,b", SyntaxError::Token),
            (";a", SyntaxError::Token),
            ("=a", SyntaxError::Token),
            ("a; b=", SyntaxError::Token),
            ("a; b=\"\"", SyntaxError::Token),
            ("a; b=\"c d\"", SyntaxError::Token),
            ("a; b=\"c,d\"", SyntaxError::Token),
            ("a; b=\"\\\"\"", SyntaxError::Token),
            ("a; b=\"c", SyntaxError::Unterminated),
            ("a; b=\"c\\", SyntaxError::Token),
            ("a b", SyntaxError::Separator),
            ("a=b", SyntaxError::Separator),
            ("a; b=c d", SyntaxError::Separator),
            ("a; b=\"c\"d", SyntaxError::Separator),
            ("\u{e9}", SyntaxError::Token),
        ] {
            assert_eq!(shown(line), Err(error), "{line:?}");
        }
    }

    #[test]
    fn deflate_is_known_in_any_case() {
        let known = |line: &[u8]| parse(line).is_ok_and(|offers| offers.iter().all(Offer::is_deflate));
        assert!(known(b"permessage-deflate, PerMessage-Deflate; a"));
        assert!(!known(b"x-permessage-deflate"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(line in prop_oneof![
            any::<Vec<u8>>(),
            "[ab,;=\" \\\\]{0,30}".prop_map(String::into_bytes),
        ]) {
            if let Ok(offers) = parse(&line) {
                // What was understood means the same when it is written out again.
                let text: Vec<String> = offers.iter().map(ToString::to_string).collect();
                prop_assert_eq!(parse(text.join(", ").as_bytes()), Ok(offers));
            }
        }
    }
}
