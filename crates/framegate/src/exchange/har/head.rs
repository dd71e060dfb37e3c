//! Between a head as it came and the fields in which HAR keeps it.

use serde::{Deserialize, Serialize};

/// A name and a value: a header field or a query parameter.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Pair {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// A head in parts. Nothing is refused: what cannot be read is empty.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The three words of the start line; the last may contain spaces.
    pub(super) start: [String; 3],
    pub(super) headers: Vec<Pair>,
    /// Bytes of the head, the empty line included.
    pub(super) size: usize,
}

impl Head {
    /// Takes a head apart.
    pub(super) fn read(text: &str) -> Self {
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().splitn(3, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        let start = [word(), word(), word()];
        let fields = lines.take_while(|line| !line.is_empty()).map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            Pair {
                name: name.to_owned(),
                value: value.trim_matches([' ', '\t']).to_owned(),
            }
        });
        Self {
            start,
            headers: fields.collect(),
            size: text.len(),
        }
    }

    /// The first value of a field, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// The first value of a field, whatever the case of its name.
pub(super) fn header<'a>(headers: &'a [Pair], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|pair| pair.name.eq_ignore_ascii_case(name))
        .map(|pair| pair.value.as_str())
}

/// Puts a head together. Pseudo-fields of HTTP/2 are left out, and nothing from the file can end a line early.
pub(super) fn write(start: [&str; 3], headers: &[Pair]) -> String {
    let mut text = format!(
        "{} {} {}\r\n",
        one_line(start[0]),
        one_line(start[1]),
        one_line(start[2])
    );
    for pair in headers.iter().filter(|pair| !pair.name.starts_with(':')) {
        // Some writers join fields of one name with line breaks.
        for value in pair.value.split('\n') {
            text.push_str(&format!("{}: {}\r\n", one_line(&pair.name), one_line(value.trim())));
        }
    }
    text.push_str("\r\n");
    text
}

fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_control() && c != '\t', " ")
}

/// The version of a start line; HAR writers also say "h2", "HTTP/2.0" or nothing.
pub(super) fn version(said: &str) -> &'static str {
    if said.eq_ignore_ascii_case("http/1.0") {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    }
}

/// The target of a request in origin-form: path and query of its URL.
pub(super) fn target(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split('#').next().unwrap_or_default();
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

/// The parameters of a URL's query, percent-decoded.
pub(super) fn query(url: &str) -> Vec<Pair> {
    let url = url.split('#').next().unwrap_or_default();
    let Some((_, query)) = url.split_once('?') else {
        return Vec::new();
    };
    let parameters = query.split('&').filter(|part| !part.is_empty());
    let pairs = parameters.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        Pair {
            name: percent_decoded(name),
            value: percent_decoded(value),
        }
    });
    pairs.collect()
}

fn percent_decoded(text: &str) -> String {
    let hex = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let pair = (*byte == b'%')
            .then(|| hex(bytes.get(at + 1)).zip(hex(bytes.get(at + 2))))
            .flatten();
        match (pair, byte) {
            (Some((high, low)), _) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
                at += 2;
            }
            (None, b'+') => decoded.push(b' '),
            (None, byte) => decoded.push(*byte),
        }
        at += 1;
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Pair, query, target, write};

    #[test]
    fn a_value_cannot_end_its_line() {
        let headers = [Pair {
            name: "X\r\nY".to_owned(),
            value: "a\nb\rc".to_owned(),
        }];
        assert_eq!(
            write(["GET", "/ \r\n", "HTTP/1.1"], &headers),
            "GET /    HTTP/1.1\r\nX  Y: a\r\nX  Y: b c\r\n\r\n"
        );
    }

    #[test]
    fn a_target_is_path_and_query() {
        for (url, expected) in [
            ("wss://a.example/x?y=1#z", "/x?y=1"),
            ("ws://a.example", "/"),
            ("ws://a.example?y", "?y"),
        ] {
            assert_eq!(target(url), expected);
        }
    }

    #[test]
    fn a_query_is_decoded() {
        let pairs = query("http://a/?a=1&b=x%20y+z&%zz&e=%ff#?f=1");
        let said: Vec<(&str, &str)> = pairs
            .iter()
            .map(|pair| (pair.name.as_str(), pair.value.as_str()))
            .collect();
        assert_eq!(said, [("a", "1"), ("b", "x y z"), ("%zz", ""), ("e", "%ff")]);
    }
}
