//! A form: fields in percent-encoding, as `application/x-www-form-urlencoded` has them.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Body;
use super::reading::{strings, undone};

/// All but what never has to be encoded (RFC 3986 §2.3): a space is `%20`, which every reader takes.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A form under way.
#[derive(Debug, Default)]
pub(super) struct Form {
    text: String,
    fields: usize,
}

impl Form {
    /// Adds a field.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        if self.fields > 0 {
            self.text.push('&');
        }
        self.fields += 1;
        self.text.extend(percent_encode(name, ENCODED));
        self.text.push('=');
        self.text.extend(percent_encode(value, ENCODED));
        self
    }

    /// Adds a field, and what else may be read in it.
    pub(super) fn add_text(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        self.add(name.as_bytes(), value).add_others(name, value)
    }

    /// Adds what else may be read in a field. A name of the sender's would be there as often as it likes.
    pub(super) fn add_others(&mut self, name: &'static str, value: &[u8]) -> &mut Self {
        if let Some(undone) = undone(value) {
            self.add(format!("{name}_unescaped").as_bytes(), &undone);
        }
        for string in strings(value) {
            self.add(format!("{name}_string").as_bytes(), &string);
        }
        self
    }

    pub(super) fn finish(self) -> Body {
        Body {
            content_type: Some("application/x-www-form-urlencoded"),
            bytes: Bytes::from(self.text),
            opaque: false,
        }
    }
}
