//! Rust files as a flat list of tokens: comments, strings and macros cannot fool a rule that looks at tokens.
//!
//! Documentation comments are left out. The inside of macro calls is in, unlike in a syntax tree.

use std::str::FromStr as _;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Finding;
use super::tree::Tree;

/// One token and the line it begins on.
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ident(String),
    Punct(char),
    /// As it is written, with its quotes.
    Literal(String),
    /// An opening bracket, and the place of the one that closes it.
    Open(char, usize),
    Close,
}

/// A whole file.
pub(super) struct Tokens(Vec<Token>);

/// Why a file could not be taken apart.
pub(super) struct Unreadable {
    line: usize,
    reason: String,
}

/// A file that cannot be taken apart would slip past every other rule.
pub(super) fn parse(tree: &Tree) -> Vec<Finding> {
    let unreadable = |file: &super::File| match &file.tokens {
        Some(Err(error)) => Some(Finding::new(
            file,
            error.line,
            "parse",
            format!("make it valid Rust: {}", error.reason),
        )),
        _ => None,
    };
    tree.files.iter().filter_map(unreadable).collect()
}

impl Tokens {
    pub(super) fn read(text: &str) -> Result<Self, Unreadable> {
        let stream = TokenStream::from_str(text).map_err(|error| Unreadable {
            line: error.span().start().line,
            reason: error.to_string(),
        })?;
        let mut tokens = Self(Vec::new());
        tokens.flatten(stream);
        Ok(tokens)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn line(&self, at: usize) -> usize {
        self.0.get(at).map_or(0, |token| token.line)
    }

    pub(super) fn ident(&self, at: usize) -> Option<&str> {
        match &self.0.get(at)?.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn literal(&self, at: usize) -> Option<&str> {
        match &self.0.get(at)?.kind {
            Kind::Literal(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn is_punct(&self, at: usize, punct: char) -> bool {
        self.0.get(at).is_some_and(|token| token.kind == Kind::Punct(punct))
    }

    /// Where the bracket that opens here is closed.
    pub(super) fn closing(&self, at: usize, bracket: char) -> Option<usize> {
        match self.0.get(at)?.kind {
            Kind::Open(open, close) if open == bracket => Some(close),
            _ => None,
        }
    }

    /// The place after this token, or after its closing bracket if it opens one.
    pub(super) fn next(&self, at: usize) -> usize {
        match self.0.get(at).map(|token| &token.kind) {
            Some(Kind::Open(_, close)) => close + 1,
            _ => at + 1,
        }
    }

    /// The places of an identifier.
    pub(super) fn places<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + 'a {
        (0..self.len()).filter(move |at| self.ident(*at) == Some(name))
    }

    /// The names that directly follow `at` in a path or in the braces of a `use`: of `std::{fs, net::TcpStream}`, at
    /// `std`, these are `fs` and `net`; with their places.
    pub(super) fn children(&self, at: usize) -> Vec<(usize, &str)> {
        if !(self.is_punct(at + 1, ':') && self.is_punct(at + 2, ':')) {
            return Vec::new();
        }
        let Some(end) = self.closing(at + 3, '{') else {
            return self.ident(at + 3).map(|name| (at + 3, name)).into_iter().collect();
        };
        let mut children = Vec::new();
        let mut place = at + 4;
        while place < end {
            children.extend(self.ident(place).map(|name| (place, name)));
            while place < end && !self.is_punct(place, ',') {
                place = self.next(place);
            }
            place += 1;
        }
        children
    }

    /// The ranges that `#[cfg(test)]` governs.
    pub(super) fn test_code(&self) -> Vec<std::ops::Range<usize>> {
        let governed = |cfg: usize| {
            let end = self.closing(cfg + 1, '(')?;
            (cfg + 2..end).any(|at| self.ident(at) == Some("test")).then_some(())?;
            // Past the attribute's own bracket, to the end of the item: its braces or its semicolon.
            let mut at = end + 2;
            while at < self.len() && self.closing(at, '{').is_none() && !self.is_punct(at, ';') {
                at = self.next(at);
            }
            Some(cfg..self.next(at))
        };
        self.places("cfg").filter_map(governed).collect()
    }

    fn flatten(&mut self, stream: TokenStream) {
        let trees: Vec<TokenTree> = stream.into_iter().collect();
        let mut index = 0;
        while let Some(tree) = trees.get(index) {
            let line = tree.span().start().line;
            let documentation = documentation_length(&trees[index..]);
            index += documentation.max(1);
            if documentation > 0 {
                continue;
            }
            let kind = match tree {
                TokenTree::Ident(ident) => Kind::Ident(ident.to_string()),
                TokenTree::Punct(punct) => Kind::Punct(punct.as_char()),
                TokenTree::Literal(literal) => Kind::Literal(literal.to_string()),
                TokenTree::Group(group) => {
                    let open = match group.delimiter() {
                        Delimiter::Parenthesis => '(',
                        Delimiter::Brace => '{',
                        Delimiter::Bracket => '[',
                        Delimiter::None => ' ',
                    };
                    let place = self.0.len();
                    self.0.push(Token {
                        line,
                        kind: Kind::Open(open, place),
                    });
                    self.flatten(group.stream());
                    self.0[place].kind = Kind::Open(open, self.0.len());
                    self.0.push(Token {
                        line: group.span_close().start().line,
                        kind: Kind::Close,
                    });
                    continue;
                }
            };
            self.0.push(Token { line, kind });
        }
    }
}

/// How many trees make up the documentation comment that begins here (`#[doc = …]` or `#![doc = …]`); 0 for none.
fn documentation_length(trees: &[TokenTree]) -> usize {
    let is = |index: usize, wanted: char| matches!(trees.get(index), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    if !is(0, '#') {
        return 0;
    }
    let group = if is(1, '!') { 2 } else { 1 };
    match trees.get(group) {
        Some(TokenTree::Group(attribute)) => match attribute.stream().into_iter().next() {
            Some(TokenTree::Ident(name)) if name == "doc" => group + 1,
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_rust_is_found() {
        let findings = parse(&Tree::of(&[("src/a.rs", "//! A.\nfn a() {\n")]));
        assert_eq!((findings.len(), findings[0].rule), (1, "parse"));
        assert_eq!(parse(&Tree::of(&[("src/a.rs", "//! A.\nfn a() {}\n")])), []);
    }

    #[test]
    fn paths_are_followed_into_braces() {
        let Ok(tokens) = Tokens::read("use std::{fs, net::{TcpStream, UdpSocket}, io as i}; std::thread::spawn(f)")
        else {
            panic!("not read")
        };
        let names: Vec<&str> = tokens
            .places("std")
            .flat_map(|at| tokens.children(at))
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["fs", "net", "io", "thread"]);
    }
}
