//! Which texts are taken where a setting is a text: addresses, doors, host patterns, files, regexes, filters.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::fields::is_gateway_field;
use super::mode::{Mode, Upstream, parse_addr};
use super::path::meant_path;
use super::schema::Form;
use super::terms::{HookUrl, field, is_token};
use super::token_file::read_token;
use crate::limit::OriginPattern;
use crate::network;
use crate::query::{self, Filter, Use};
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

/// A file of the control door's token, or nothing.
pub(super) const TOKEN_FILE: Form = Form {
    what: "the path of a file with a token, or nothing",
    check: |text| match text {
        "" => Ok(String::new()),
        path => read_token(path).map(|_| path.to_owned()),
    },
    private: false,
};

/// What a host is called.
pub(super) const HOST_NAME: Form = Form {
    what: "the name of a host, such as \"framegate.internal\"",
    check: |text| match HostPatterns::parse(&[text]) {
        Ok(pattern) if pattern.has_name(text) => Ok(text.trim_end_matches('.').to_ascii_lowercase()),
        Ok(_) => Err("it is an address or a pattern".to_owned()),
        Err(error) => Err(error.to_string()),
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

/// What something is called on record, in logs and by whoever asks for it.
pub(super) const ID: Form = Form {
    what: "an id: 1 to 64 of the characters A-Z, a-z, 0-9, \".\", \"_\" and \"-\"",
    check: |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
            Ok(text.to_owned())
        } else {
            Err("that is no id".to_owned())
        }
    },
    private: false,
};

/// What is looked for in bytes.
pub(super) const REGEX: Form = Form {
    what: "a regular expression",
    check: |text| query::regex(text).map(|_| text.to_owned()),
    private: false,
};

/// What is looked for in order to be taken out: there has to be something.
pub(super) const REGEX_OF_SOMETHING: Form = Form {
    what: "a regular expression that matches at least one character",
    check: |text| {
        query::regex(text)?;
        let shape = regex_syntax::ParserBuilder::new().utf8(false).build().parse(text);
        match shape.ok().and_then(|shape| shape.properties().minimum_len()) {
            Some(0) => Err("it matches where nothing is".to_owned()),
            _ => Ok(text.to_owned()),
        }
    },
    private: false,
};

/// Which messages are meant.
pub(super) const FILTER: Form = Form {
    what: "a filter that a rule can ask, such as 'json.type == \"login\"'",
    check: |text| match Filter::parse(text, Use::Rule) {
        // A filter of blanks would mean everything, and nobody would have said so.
        Ok(_) if text.trim().is_empty() => Err("it is blank".to_owned()),
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// A place inside JSON.
pub(super) const JSON_PATH: Form = Form {
    what: "a path such as user.roles[0] or [\"odd key\"].id",
    check: |text| match query::parse_json_path(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("column {}: {}", error.column, error.what)),
    },
    private: false,
};

/// The file of a plugin.
pub(super) const PLUGIN_FILE: Form = Form {
    what: "the path of a plugin's file",
    check: |text| {
        let unread = |error: std::io::Error| format!("the file cannot be read: {error}");
        if !std::fs::metadata(text).map_err(unread)?.is_file() {
            return Err("that is no file".to_owned());
        }
        std::fs::File::open(text).map_err(unread)?;
        Ok(text.to_owned())
    },
    private: false,
};

/// The file of a JSON Schema.
pub(super) const SCHEMA_FILE: Form = Form {
    what: "the path of a file with a JSON Schema",
    ..PLUGIN_FILE
};

/// Whatever somebody wants to stand there.
pub(super) const ANY_TEXT: Form = Form {
    what: "a text",
    check: |text| Ok(text.to_owned()),
    private: false,
};

/// Whose word something is.
pub(super) const NETWORK: Form = Form {
    what: "an address or a network, such as \"192.0.2.7\" or \"10.0.0.0/8\"",
    check: |text| match network::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// What a proxy shows that it is the one in front, or nothing.
pub(super) const SECRET_HEADER: Form = Form {
    what: "a header field, \"name: value\", or nothing",
    check: |text| match text {
        "" => Ok(String::new()),
        _ => match field(text)? {
            (_, value) if value.is_empty() => Err("its value is empty".to_owned()),
            (name, _) if is_gateway_field(&name) => {
                Err("a name that begins with x-wsproxy- is for what the gateway door is told".to_owned())
            }
            (name, value) => Ok(format!("{name}: {value}")),
        },
    },
    private: true,
};

/// A field of a hook's requests.
pub(super) const HOOK_HEADER: Form = Form {
    what: "a header field, \"name: value\"",
    check: |text| field(text).map(|(name, value)| format!("{name}: {value}")),
    private: true,
};

/// The name of a method, of a header field or of a subprotocol.
pub(super) const TOKEN: Form = Form {
    what: "a token, as names of methods and header fields are",
    check: |text| {
        is_token(text)
            .then(|| text.to_owned())
            .ok_or_else(|| "that is none".to_owned())
    },
    private: false,
};

/// What the paths of requests begin with.
pub(super) const PATH: Form = Form {
    what: "a path, such as \"/chat\"",
    check: |text| match text.strip_prefix('/') {
        Some(rest)
            if rest
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#') =>
        {
            meant_path(text).ok_or("it leads up again (..), as no request does that a route takes")?;
            Ok(text.to_owned())
        }
        Some(_) => Err("it has a character that no path has".to_owned()),
        None => Err("it does not begin with a slash".to_owned()),
    },
    private: false,
};

/// Where connections lead.
pub(super) const UPSTREAM: Form = Form {
    what: "a WebSocket server, such as \"ws://127.0.0.1:9000\" or \"wss://example.com\"",
    check: |text| match text.parse::<Upstream>() {
        Ok(upstream) if upstream.path.is_empty() => Ok(text.to_owned()),
        Ok(_) => Err("it has a path; the client's is taken".to_owned()),
        Err(error) => Err(error.to_string()),
    },
    private: false,
};

/// From which pages a WebSocket may be opened.
pub(super) const ORIGIN: Form = Form {
    what: "an origin, such as \"https://app.example\", \"https://*.example.com\", \"null\" or \"*\"",
    check: |text| match text.parse::<OriginPattern>() {
        Ok(pattern) => Ok(pattern.to_string()),
        Err(why) => Err(why.to_owned()),
    },
    private: false,
};

/// Where a hook is.
pub(super) const HOOK_URL: Form = Form {
    what: "the URL of a hook, such as \"http://127.0.0.1:8000/inspect\"",
    check: |text| text.parse::<HookUrl>().map(|_| text.to_owned()),
    private: false,
};

/// What requests to hooks are signed with, or nothing.
pub(super) const SIGNING_KEY: Form = Form {
    what: "whsec_ and the base64 of 24 to 64 bytes, or nothing",
    check: |text| {
        use base64::Engine as _;
        if text.is_empty() {
            return Ok(String::new());
        }
        let key = text.strip_prefix("whsec_").ok_or("it does not begin with whsec_")?;
        let key = base64::engine::general_purpose::STANDARD.decode(key);
        match key.map(|key| key.len()) {
            Ok(24..=64) => Ok(text.to_owned()),
            Ok(len) => Err(format!("its key has {len} bytes")),
            Err(_) => Err("what follows is no base64".to_owned()),
        }
    },
    private: true,
};
