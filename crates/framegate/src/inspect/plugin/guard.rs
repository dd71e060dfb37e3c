//! The text of a plugin as it is run: the same, with guards around whatever can make much of little.
//!
//! `"a" * 10000000000`, `text.replace("", text)` and `[text.upper() for …]` are one step to the interpreter, which
//! looks at its memory limit between steps. The operators among them are replaced in the tree; for the others a call is
//! written around the receiver, as in `__of(text).replace("", text)`. Nothing is taken out and no line is added, so a
//! place in the new text is found in the old one by subtracting what stands before it on its line.

use std::borrow::Cow;

use starlark::codemap::{Pos, Span};
use starlark::syntax::AstModule;
use starlark::syntax::ast::{AssignOp, AssignTarget, AstExpr, AstLiteral, AstStmt, Expr, Stmt};

use super::error::Place;

/// Methods whose result, or what they make on the way, can be much larger than what they are asked of.
pub(super) const METHODS: [&str; 9] = [
    "codepoints",
    "elems",
    "extend",
    "format",
    "join",
    "replace",
    "rsplit",
    "split",
    "splitlines",
];
/// What stands for the operators.
pub(super) const OPERATORS: [(&str, &str); 4] = [("+", "__add"), ("*", "__mul"), ("%", "__percent"), ("<<", "__shl")];

/// A plugin's text with its guards.
#[derive(Debug)]
pub(super) struct Guarded {
    pub(super) text: String,
    pub(super) places: Places,
    /// It asks for `message.flow` somewhere.
    pub(super) asks_flow: bool,
}

/// Where guards were put in: line and column of the new text, both from 0 on and in characters, and their length.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<(usize, usize, usize)>);

impl Places {
    /// The place in the file of a place in the guarded text, both counted from 0 on.
    pub(super) fn original(&self, line: usize, column: usize) -> Place {
        let before = self.0.iter().filter(|(at, from, _)| *at == line && *from < column);
        let added: usize = before.map(|(_, from, length)| (*length).min(column - from)).sum();
        Place {
            line: line + 1,
            column: column - added + 1,
        }
    }
}

/// Puts the guards in.
///
/// # Errors
/// The plugin uses something that cannot be guarded; with the place in the file.
pub(super) fn guard(module: &AstModule, source: &str) -> Result<Guarded, (Pos, String)> {
    let mut walk = Walk::default();
    walk.statement(module.statement());
    module
        .statement()
        .node
        .visit_expr(|expression| walk.expression(expression));
    if let Some(refused) = walk.refused {
        return Err(refused);
    }
    let mut text = String::with_capacity(source.len() + walk.edits.len() * 8);
    let mut places = Vec::with_capacity(walk.edits.len());
    walk.edits.sort_by_key(|(at, _)| *at);
    let (mut done, mut line, mut column) = (0, 0, 0);
    for (at, guard) in walk.edits {
        let between = &source[done..at];
        done = at;
        text.push_str(between);
        match between.rsplit_once('\n') {
            Some((lines, last)) => {
                line += 1 + lines.matches('\n').count();
                column = last.chars().count();
            }
            None => column += between.chars().count(),
        }
        // `not"a".join(b)`: the guard must not become a part of the word before it.
        let space = guard != ")" && text.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        let length = guard.len() + usize::from(space);
        if space {
            text.push(' ');
        }
        text.push_str(&guard);
        places.push((line, column, length));
        column += length;
    }
    text.push_str(&source[done..]);
    Ok(Guarded {
        text,
        places: Places(places),
        asks_flow: walk.asks_flow,
    })
}

#[derive(Default)]
struct Walk {
    /// What is put in, and before which byte.
    edits: Vec<(usize, Cow<'static, str>)>,
    asks_flow: bool,
    refused: Option<(Pos, String)>,
}

impl Walk {
    /// Guards `x *= y` as `x *= __by_mul(x, y)`. The expressions are walked from the root, all at once.
    fn statement(&mut self, statement: &AstStmt) {
        if let Stmt::AssignModify(target, op, by) = &statement.node {
            let guard = match op {
                AssignOp::Multiply => Some("__by_mul"),
                AssignOp::Percent => Some("__by_percent"),
                AssignOp::LeftShift => Some("__by_shl"),
                _ => None,
            };
            match (guard, &target.node) {
                (None, _) => {}
                (Some(guard), AssignTarget::Identifier(name)) => {
                    self.around(by.span, format!("{guard}({}, ", name.node.ident));
                }
                // What stands there might do something, and would do it twice.
                (Some(_), _) => {
                    let op = op.to_string();
                    let (op, plain) = (op.trim(), op.trim().trim_end_matches('='));
                    let what = format!("`{op}` is for variables alone; write `a[b] = a[b] {plain} c`");
                    self.refused.get_or_insert((statement.span.begin(), what));
                }
            }
        }
        statement.node.visit_stmt(|inner| self.statement(inner));
    }

    fn expression(&mut self, expression: &AstExpr) {
        match &expression.node {
            Expr::Dot(receiver, name) => {
                self.asks_flow |= name.node == "flow";
                if METHODS.contains(&name.node.as_str()) {
                    self.around(receiver.span, "__of(");
                }
            }
            Expr::Literal(AstLiteral::Bytes(_)) => self.around(expression.span, "__bytes("),
            Expr::ListComprehension(element, ..) => self.around(element.span, "__kept("),
            Expr::DictComprehension(element, ..) => self.around(element.1.span, "__kept("),
            _ => {}
        }
        expression.node.visit_expr(|inner| self.expression(inner));
    }

    fn around(&mut self, span: Span, guard: impl Into<Cow<'static, str>>) {
        self.edits.push((span.begin().get() as usize, guard.into()));
        self.edits.push((span.end().get() as usize, ")".into()));
    }
}
