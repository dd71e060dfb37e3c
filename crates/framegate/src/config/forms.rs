//! Which texts are taken where a setting is a text: addresses, doors, host patterns, files.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::mode::{Mode, parse_addr};
use super::schema::Form;
use crate::tls::HostPatterns;

/// An address to listen on.
pub(super) const ADDR: Form = Form {
    what: "an IP address and a port, such as \"127.0.0.1:8081\"",
    check: |text| match parse_addr(text) {
        Ok(addr) => Ok(addr.to_string()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// A door.
pub(super) const DOOR: Form = Form {
    what: "a door, such as \"regular@127.0.0.1:8080\" or \"reverse:http://example.com@127.0.0.1:9000\"",
    check: |text| match text.parse::<Mode>() {
        Ok(mode) => Ok(mode.to_string()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// Whose hosts something goes for.
pub(super) const HOST_PATTERN: Form = Form {
    what: "a host pattern, such as \"example.com\", \"*.example.com\", \"192.0.2.7\" or \"10.0.0.0/8\"",
    check: |text| match HostPatterns::parse(&[text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// A file of certificates, or nothing.
pub(super) const PEM_FILE: Form = Form {
    what: "the path of a PEM file, or nothing",
    check: |text| {
        if text.is_empty() {
            return Ok(String::new());
        }
        let mut certificates =
            CertificateDer::pem_file_iter(text).map_err(|error| format!("the file cannot be read: {error}"))?;
        match certificates.next() {
            Some(Ok(_)) => Ok(text.to_owned()),
            Some(Err(error)) => Err(format!("the file cannot be read as PEM: {error}")),
            None => Err("there is no certificate in that file".to_owned()),
        }
    },
    private: false,
};

/// Where a store is, which is always the data directory.
pub(super) const STORE_URL: Form = Form {
    what: "nothing, which is SQLite in the data directory",
    check: |text| match text {
        "" => Ok(String::new()),
        _ => Err("only SQLite in this version".to_owned()),
    },
    private: true,
};
