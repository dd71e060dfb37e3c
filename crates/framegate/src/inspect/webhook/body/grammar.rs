//! Whether a text is JSON: one document, of any depth and any number of values.
//!
//! It is no stricter than the readers of JSON are (lone surrogates and numbers of any size are in order), because what is
//! refused here is sent as a form, in which escapes hide what they mean. A firewall that finds a document too deep or too
//! long refuses it itself; were it a form for that reason, depth would be a way around the rules.

/// Whether it is one JSON document (RFC 8259).
pub(super) fn is_json(text: &str) -> bool {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
    };
    reader.document().is_some()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// What is open: an array or an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Array,
    Object,
}

impl Reader<'_> {
    /// `None`: it is no document.
    fn document(&mut self) -> Option<()> {
        let mut open = Vec::new();
        loop {
            // A value begins here.
            self.space();
            match self.peek()? {
                b'[' => {
                    self.at += 1;
                    self.space();
                    open.push(Open::Array);
                    if self.peek()? != b']' {
                        continue;
                    }
                }
                b'{' => {
                    self.at += 1;
                    self.space();
                    open.push(Open::Object);
                    if self.peek()? != b'}' {
                        self.name()?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            if !self.behind_value(&mut open)? {
                self.space();
                return (self.at == self.text.len()).then_some(());
            }
        }
    }

    /// What stands behind a value. Says whether another one follows.
    fn behind_value(&mut self, open: &mut Vec<Open>) -> Option<bool> {
        while let Some(inner) = open.last() {
            self.space();
            let next = self.take()?;
            match (inner, next) {
                (Open::Array, b',') => return Some(true),
                (Open::Object, b',') => {
                    self.space();
                    self.name()?;
                    return Some(true);
                }
                (Open::Array, b']') | (Open::Object, b'}') => {
                    open.pop();
                }
                _ => return None,
            }
        }
        Some(false)
    }

    /// A name and the colon behind it.
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.space();
        (self.take()? == b':').then_some(())
    }

    fn scalar(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn string(&mut self) -> Option<()> {
        (self.take()? == b'"').then_some(())?;
        loop {
            match self.take()? {
                b'"' => return Some(()),
                b'\\' => match self.take()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let digits = self.text.get(self.at..self.at + 4)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        self.at += 4;
                    }
                    _ => return None,
                },
                ..b' ' => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.skip(b"-");
        if !self.skip(b"0") {
            self.digits()?;
        }
        if self.skip(b".") {
            self.digits()?;
        }
        if self.skip(b"eE") {
            self.skip(b"+-");
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.skip(b"0123456789") {}
        (self.at > from).then_some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then_some(())?;
        self.at += word.len();
        Some(())
    }

    fn space(&mut self) {
        while self.skip(b" \t\r\n") {}
    }

    /// Goes behind one of those bytes, if it is next.
    fn skip(&mut self, any: &[u8]) -> bool {
        let is_next = self.peek().is_some_and(|byte| any.contains(&byte));
        self.at += usize::from(is_next);
        is_next
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn one_document_is_json() {
        for text in [
            "{}",
            "[]",
            " [ ] ",
            r#"{"a":1,"a":[true,false,null,-0.5e+3,{"b":"\u0000\ud800"}]}"#,
            r#""root""#,
            "42",
            " -0 ",
            "null",
            "[1e999999,123456789012345678901234567890]",
            "\r\n\t[\"\u{e9}\u{7f}\"]",
        ] {
            assert!(is_json(text), "{text}");
        }
    }

    #[test]
    fn what_readers_of_json_refuse_is_not() {
        for text in [
            "",
            " ",
            "x",
            "1 2",
            "True",
            "nullx",
            "[NaN]",
            "[Infinity]",
            "\u{feff}[]",
            "[]\n[]",
            "[] x",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1",
            "[1}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "[01]",
            "[+1]",
            "[.5]",
            "[1.]",
            "[1e]",
            "[-]",
            "[\"\n\"]",
            r#"["\x41"]"#,
            r#"["\u12g4"]"#,
            r#"["\u12"#,
            "[\"",
            "[// c\n1]",
            "[tru]",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn neither_depth_nor_length_makes_it_something_else() {
        let deep = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_json(&deep(100_000)));
        assert!(!is_json(&"[".repeat(100_000)));
        assert!(is_json(&format!("[{}]", vec!["1"; 100_000].join(","))));
    }
}
