//! From tokens to a plan: what binds to what, and whether it makes sense.

use memchr::memmem::Finder;

use super::field::{self, FIELDS, Field, Known, Type};
use super::path::Step;
use super::pattern::regex;
use super::plan::{Comparison, Literal, Operand, Pattern, Test};
use super::token::{Token, tokens};
use super::{FilterError, Use};
use crate::flow::Timestamp;
use crate::network;

/// Brackets and negations inside each other.
const DEPTH_MAX: usize = 64;

/// Bytes of one filter.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Reads a whole filter that is not blank.
pub(super) fn parse(text: &str, used: Use) -> Result<Test, FilterError> {
    let mut parser = Parser::new(text, used)?;
    let test = parser.any_of()?;
    match parser.peek() {
        Token::End => Ok(test),
        Token::Sign(")") => parser.wrong("this bracket closes nothing"),
        Token::Name(word) if matches!(word.as_str(), "and" | "or") => parser.wrong("filters are joined with && and ||"),
        Token::Name(word) if word == "not" => parser.wrong("a filter is negated with !"),
        _ => parser.wrong("the filter was over before this; join filters with && or ||"),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    used: Use,
}

/// Something that may stand on a side of a comparison, and where it does.
enum Term {
    Test(Test),
    Value(Side),
}

struct Side {
    operand: Operand,
    of: Type,
    words: Vec<&'static str>,
    at: usize,
}

impl Side {
    fn literal(&self) -> Option<&Literal> {
        match &self.operand {
            Operand::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self.literal(), Some(Literal::Null))
    }
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str, used: Use) -> Result<Self, FilterError> {
        if text.len() > TEXT_BYTES_MAX {
            let what = format!("at most {TEXT_BYTES_MAX} bytes are read, this one has {}", text.len());
            return Err(FilterError::new(text, 0, what));
        }
        Ok(Self {
            text,
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
            used,
        })
    }
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    pub(super) fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    pub(super) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if token != Token::End {
            self.next += 1;
        }
        token
    }

    /// Takes the sign if it comes next.
    pub(super) fn takes(&mut self, sign: &str) -> bool {
        let comes = matches!(self.peek(), Token::Sign(next) if *next == sign);
        self.next += usize::from(comes);
        comes
    }

    pub(super) fn expect(&mut self, sign: &str, behind: &str) -> Result<(), FilterError> {
        if self.takes(sign) {
            return Ok(());
        }
        self.wrong(format!("{behind} needs a `{sign}` here"))
    }

    pub(super) fn wrong<T>(&self, what: impl Into<String>) -> Result<T, FilterError> {
        self.wrong_at(self.at(), what)
    }

    pub(super) fn wrong_at<T>(&self, at: usize, what: impl Into<String>) -> Result<T, FilterError> {
        Err(FilterError::new(self.text, at, what))
    }

    fn any_of(&mut self) -> Result<Test, FilterError> {
        let mut tests = vec![self.all_of()?];
        while self.takes("||") {
            tests.push(self.all_of()?);
        }
        Ok(if tests.len() == 1 {
            tests.remove(0)
        } else {
            Test::Any(tests)
        })
    }

    fn all_of(&mut self) -> Result<Test, FilterError> {
        let mut tests = vec![self.unary()?];
        while self.takes("&&") {
            tests.push(self.unary()?);
        }
        Ok(if tests.len() == 1 {
            tests.remove(0)
        } else {
            Test::All(tests)
        })
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, FilterError>) -> Result<T, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.wrong(format!(
                "more than {DEPTH_MAX} brackets and negations inside each other"
            ));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn unary(&mut self) -> Result<Test, FilterError> {
        if self.takes("!") {
            let test = self.deeper(Self::unary)?;
            return Ok(Test::Not(Box::new(test)));
        }
        self.relation()
    }

    fn relation(&mut self) -> Result<Test, FilterError> {
        let one = match self.term()? {
            Term::Test(test) => return Ok(test),
            Term::Value(one) => one,
        };
        if matches!(self.peek(), Token::Name(word) if word == "in") {
            self.next += 1;
            return self.membership(one);
        }
        let Some(comparison) = self.comparison() else {
            return match one.of {
                Type::Bool | Type::Json if !one.is_null() => Ok(Test::Is(one.operand)),
                of => self.wrong_at(one.at, format!("this is {}: compare it with something", of.words())),
            };
        };
        let at = self.at();
        let Term::Value(other) = self.term()? else {
            return self.wrong_at(at, "this is an answer, and has nothing to compare");
        };
        self.comparable(&one, &other)?;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
        for side in [&one, &other] {
            let has_order = matches!(side.of, Type::Number | Type::Time | Type::Json) && !side.is_null();
            if ordered && !has_order {
                return self.wrong_at(side.at, "only numbers and times are less or greater than others");
            }
        }
        Ok(Test::Compare(one.operand, comparison, other.operand))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const ALL: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<", Comparison::Less),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            (">=", Comparison::GreaterOrEqual),
        ];
        ALL.into_iter()
            .find_map(|(sign, comparison)| self.takes(sign).then_some(comparison))
    }

    /// Whether the two can ever be equal.
    fn comparable(&self, one: &Side, other: &Side) -> Result<(), FilterError> {
        let alike = one.of == other.of || one.of == Type::Json || other.of == Type::Json;
        if !alike {
            let hint = match (one.of, other.of) {
                (Type::Time, Type::Text) | (Type::Text, Type::Time) => {
                    "; a time is timestamp(\"2026-01-31T08:15:00Z\")"
                }
                _ => "",
            };
            let what = format!(
                "this is {}, and the other side is {}{hint}",
                other.of.words(),
                one.of.words()
            );
            return self.wrong_at(other.at, what);
        }
        for (side, constant) in [(one, other), (other, one)] {
            let Some(Literal::Text(text)) = constant.literal() else {
                continue;
            };
            if !side.words.is_empty() && !side.words.contains(&text.as_str()) {
                let what = format!("{text:?} is never there; it is one of: {}", side.words.join(", "));
                return self.wrong_at(constant.at, what);
            }
        }
        Ok(())
    }

    /// What stands behind `in`.
    fn membership(&mut self, one: Side) -> Result<Test, FilterError> {
        if matches!(self.peek(), Token::Name(word) if word == "cidr") {
            let at = self.at();
            self.next += 1;
            let (text_at, text) = self.argument("cidr")?;
            if !matches!(one.of, Type::Text | Type::Json) {
                return self.wrong_at(one.at, format!("this is {}, and no address", one.of.words()));
            }
            return match network::parse(&text) {
                Ok(net) => Ok(Test::Matches(one.operand, Pattern::Net(net))),
                Err(error) => self.wrong_at(text_at.max(at), error.to_string()),
            };
        }
        self.expect("[", "`in`")?;
        let mut list = Vec::new();
        while !self.takes("]") {
            if !list.is_empty() {
                self.expect(",", "a list")?;
            }
            let at = self.at();
            match self.term()? {
                Term::Value(other) if other.literal().is_some() => {
                    self.comparable(&one, &other)?;
                    list.push(other.operand);
                }
                _ => return self.wrong_at(at, "a list has texts, numbers and times, as they stand"),
            }
        }
        Ok(Test::In(one.operand, list))
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        let at = self.at();
        let literal = |literal, of| {
            Ok(Term::Value(Side {
                operand: Operand::Literal(literal),
                of,
                words: Vec::new(),
                at,
            }))
        };
        match self.take() {
            Token::Text(text) => literal(Literal::Text(text), Type::Text),
            Token::Int(number) => literal(Literal::Int(number), Type::Number),
            Token::Float(number) => literal(Literal::Float(number), Type::Number),
            Token::Sign("-") => match self.take() {
                Token::Int(number) => literal(Literal::Int(-number), Type::Number),
                Token::Float(number) => literal(Literal::Float(-number), Type::Number),
                _ => self.wrong_at(at, "there is no arithmetic; - stands before a number"),
            },
            Token::Sign("(") => {
                let test = self.deeper(Self::any_of)?;
                self.expect(")", "a bracket")?;
                Ok(Term::Test(test))
            }
            Token::Name(name) => match name.as_str() {
                "true" => literal(Literal::Bool(true), Type::Bool),
                "false" => literal(Literal::Bool(false), Type::Bool),
                "null" => literal(Literal::Null, Type::Json),
                "has" => self.presence(),
                "timestamp" => {
                    let (text_at, text) = self.argument("timestamp")?;
                    match Timestamp::parse(&text) {
                        Some(time) => literal(Literal::Time(time), Type::Time),
                        None => self.wrong_at(text_at, format!("{text:?} is no time such as 2026-01-31T08:15:00Z")),
                    }
                }
                name => self.field(at, name),
            },
            Token::End => self.wrong_at(at, "the filter ends where something is still to come"),
            Token::Sign(sign) => self.wrong_at(at, format!("`{sign}` cannot stand here")),
        }
    }

    /// The one text in the brackets behind a name, and where it stands.
    fn argument(&mut self, name: &str) -> Result<(usize, String), FilterError> {
        self.expect("(", name)?;
        let at = self.at();
        let Token::Text(text) = self.take() else {
            return self.wrong_at(at, format!("{name} takes a text in quotes"));
        };
        self.expect(")", name)?;
        Ok((at, text))
    }

    fn presence(&mut self) -> Result<Term, FilterError> {
        self.expect("(", "has")?;
        let at = self.at();
        match self.term()? {
            Term::Value(side) if side.literal().is_none() => {
                self.expect(")", "has")?;
                Ok(Term::Test(Test::Has(side.operand)))
            }
            _ => self.wrong_at(at, "has takes a field, such as json.user"),
        }
    }

    /// A field, what is inside it, and what it is asked.
    fn field(&mut self, at: usize, name: &str) -> Result<Term, FilterError> {
        let Some(field) = field::find(name) else {
            let names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
            let what = format!("there is no field `{name}`; there are: {}", names.join(", "));
            return self.wrong_at(at, what);
        };
        self.is_known(at, field)?;
        let mut steps = Vec::new();
        loop {
            if self.takes("[") {
                steps.push(self.in_brackets()?);
            } else if self.takes(".") {
                let inner = self.at();
                let key = self.name("behind a point stands a name")?;
                if matches!(self.peek(), Token::Sign("(")) {
                    let side = self.side(at, field, steps)?;
                    return self.method(side, inner, &key);
                }
                steps.push(Step::Key(key));
            } else {
                return Ok(Term::Value(self.side(at, field, steps)?));
            }
        }
    }

    fn is_known(&self, at: usize, field: &Field) -> Result<(), FilterError> {
        let later = matches!(field.known, Known::FlowLater | Known::MessageLater);
        if later && self.used == Use::Rule {
            let what = format!(
                "`{}` is not known before a message is judged, so no rule can ask for it",
                field.name
            );
            return self.wrong_at(at, what);
        }
        Ok(())
    }

    fn side(&self, at: usize, field: &'static Field, steps: Vec<Step>) -> Result<Side, FilterError> {
        if !steps.is_empty() && field.of != Type::Json {
            return self.wrong_at(
                at,
                format!("`{}` is {}, and has nothing inside", field.name, field.of.words()),
            );
        }
        let operand = if field.of == Type::Json {
            Operand::Json(steps)
        } else {
            Operand::Field(field)
        };
        Ok(Side {
            operand,
            of: field.of,
            words: (field.words)(),
            at,
        })
    }

    fn method(&mut self, side: Side, at: usize, name: &str) -> Result<Term, FilterError> {
        const METHODS: &str = "contains, startsWith, endsWith, matches";
        if !METHODS.split(", ").any(|method| method == name) {
            return self.wrong_at(at, format!("there is no `{name}(…)`; there are: {METHODS}"));
        }
        if !matches!(side.of, Type::Text | Type::Json) {
            return self.wrong_at(side.at, format!("this is {}, and no text", side.of.words()));
        }
        let (text_at, text) = self.argument(name)?;
        let pattern = match name {
            "contains" => Pattern::Contains(Box::new(Finder::new(&text).into_owned())),
            "startsWith" => Pattern::Starts(text.into_bytes()),
            "endsWith" => Pattern::Ends(text.into_bytes()),
            _ => match regex(&text) {
                Ok(regex) => Pattern::Regex(regex),
                Err(why) => return self.wrong_at(text_at, format!("{text:?} is no regex: {why}")),
            },
        };
        Ok(Term::Test(Test::Matches(side.operand, pattern)))
    }
}
