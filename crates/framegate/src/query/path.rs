//! Places inside JSON, as a filter has them behind `json`: `.user`, `["odd key"]`, `[0]`.

use super::FilterError;
use super::parse::Parser;
use super::token::Token;

/// One step further inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the value of an object's key.
    Key(String),
    /// To a place in a list, counted from 0.
    Index(usize),
}

/// Reads a path that stands for itself, without `json.` before it: `user.roles[0]`, `["odd key"].id`.
///
/// # Errors
/// Says what is wrong, and at which column. A path has at least one step.
pub(crate) fn parse_json_path(text: &str) -> Result<Vec<Step>, FilterError> {
    let mut parser = Parser::new(text, super::Use::Rule)?;
    let mut steps = vec![if parser.takes("[") {
        parser.in_brackets()?
    } else {
        Step::Key(parser.name("a path begins with a name, or with a key or a place in brackets")?)
    }];
    loop {
        if parser.takes("[") {
            steps.push(parser.in_brackets()?);
        } else if parser.takes(".") {
            steps.push(Step::Key(parser.name("behind a point stands a name")?));
        } else if *parser.peek() == Token::End {
            return Ok(steps);
        } else {
            return parser.wrong("the path was over before this; a key that is no name stands as [\"odd key\"]");
        }
    }
}

impl Parser<'_> {
    /// The step behind a `[` that was taken.
    pub(super) fn in_brackets(&mut self) -> Result<Step, FilterError> {
        let at = self.at();
        let step = match self.take() {
            Token::Text(key) => Step::Key(key),
            Token::Int(index) if index >= 0 => Step::Index(usize::try_from(index).unwrap_or(usize::MAX)),
            _ => return self.wrong_at(at, "in brackets stands a key in quotes, or a place from 0 on"),
        };
        self.expect("]", "a bracket")?;
        Ok(step)
    }

    /// The name that has to come next.
    pub(super) fn name(&mut self, otherwise: &str) -> Result<String, FilterError> {
        let at = self.at();
        match self.take() {
            Token::Name(name) => Ok(name),
            _ => self.wrong_at(at, otherwise),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Step, parse_json_path};

    #[test]
    fn a_path_is_names_keys_and_places() {
        let key = |key: &str| Step::Key(key.to_owned());
        for (text, steps) in [
            ("user", vec![key("user")]),
            ("user.roles[0]", vec![key("user"), key("roles"), Step::Index(0)]),
            (" user . roles ", vec![key("user"), key("roles")]),
            ("[1][2].x", vec![Step::Index(1), Step::Index(2), key("x")]),
            (
                r#"["odd key"]['a.b'].true"#,
                vec![key("odd key"), key("a.b"), key("true")],
            ),
            (r#"a["\u005b"]"#, vec![key("a"), key("[")]),
        ] {
            assert_eq!(parse_json_path(text), Ok(steps), "{text}");
        }
    }

    #[test]
    fn what_is_no_path_is_told_with_its_column() {
        for (text, column, says) in [
            ("", 1, "begins with a name"),
            (".user", 1, "begins with a name"),
            ("user.", 6, "stands a name"),
            ("user..name", 6, "stands a name"),
            ("user[", 6, "in brackets"),
            ("user[-1]", 6, "in brackets"),
            ("user[name]", 6, "in brackets"),
            ("user[0", 7, "needs a `]`"),
            ("user-name", 5, "the path was over"),
            ("user == 1", 6, "the path was over"),
            ("ünder", 1, "means nothing here"),
            ("user['a]", 6, "no closing quote"),
        ] {
            let error = parse_json_path(text).unwrap_err();
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.what.contains(says), "{text}: {error}");
        }
        assert!(parse_json_path(&"a.".repeat(40_000)).is_err(), "longer than a filter");
    }
}
