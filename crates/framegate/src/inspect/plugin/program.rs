//! A plugin's file, read: its hooks, ready to be called from any thread.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::thread;

use starlark::codemap::Pos;
use starlark::environment::Module;
use starlark::eval::{BeforeStmtFunc, Evaluator};
use starlark::syntax::ast::{AssignTarget, Parameter, Stmt};
use starlark::syntax::{AstModule, Dialect};
use starlark::values::OwnedFrozenValue;

use super::error::{LoadError, Place};
use super::globals::GLOBALS;
use super::guard::{self, OPERATORS, Places};
use super::meter::{self, CALL_STACK_MAX, Limits, Watch};
use super::nesting::{self, BRACKETS_MAX};
use super::{FILE_BYTES_MAX, Hook};
use crate::config::nearest;

/// Files are read by recursion; no file of [`FILE_BYTES_MAX`] bytes, nested as it may be, uses this up.
const STACK_BYTES: usize = 256 << 20;
/// What the statements outside of hooks may use, once, when the file is read.
const LOAD: Limits = Limits {
    time_ms: 2000,
    ticks_max: 1_000_000,
    memory_bytes: 64 << 20,
};
const LANGUAGE: Dialect = Dialect {
    enable_load: false,
    enable_keyword_only_arguments: true,
    enable_top_level_stmt: true,
    ..Dialect::Standard
};

/// A file as it was read.
#[derive(Debug)]
pub(super) struct Program {
    hooks: [Option<OwnedFrozenValue>; 4],
    places: Places,
    /// It asks for `message.flow` somewhere.
    pub(super) asks_flow: bool,
    pub(super) source: String,
}

impl Program {
    /// Reads a plugin's text.
    ///
    /// # Errors
    /// It is no plugin; says why and where.
    pub(super) fn load(path: &Path, source: String) -> Result<Self, LoadError> {
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("plugin".to_owned()).stack_size(STACK_BYTES);
            let loading = thread.spawn_scoped(scope, || load(path, source));
            match loading.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(loaded)) => loaded,
                Ok(Err(_)) => Err(LoadError::new(path, None, "the interpreter broke on it")),
                Err(error) => Err(LoadError::new(path, None, format!("no thread to load it on: {error}"))),
            }
        })
    }

    pub(super) fn hook(&self, hook: Hook) -> Option<&OwnedFrozenValue> {
        self.hooks[hook as usize].as_ref()
    }

    /// Where in the file an error is.
    pub(super) fn place(&self, error: &starlark::Error) -> Option<Place> {
        place(&self.places, error)
    }
}

/// A file's text.
///
/// # Errors
/// It cannot be read, is too large, or is not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, LoadError> {
    let cannot = |error: std::io::Error| LoadError::new(path, None, format!("cannot be read: {error}"));
    let file = fs::File::open(path).map_err(cannot)?;
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(LoadError::new(
            path,
            None,
            format!("is larger than {FILE_BYTES_MAX} bytes"),
        ));
    }
    String::from_utf8(text).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + memchr::memchr_iter(b'\n', valid).count();
        LoadError::new(path, Some(Place { line, column: 1 }), "this line is not UTF-8")
    })
}

fn load(path: &Path, source: String) -> Result<Program, LoadError> {
    let name = path.to_string_lossy();
    let untouched = Places::default();
    let parse = |text: &str, places: &Places| {
        AstModule::parse(&name, text.to_owned(), &LANGUAGE).map_err(|error| load_error(path, places, &error))
    };
    let at = |at: Pos, what: String| {
        let before = &source[..at.get() as usize];
        let line = before.rsplit('\n').next().unwrap_or_default();
        let place = untouched.original(before.matches('\n').count(), line.chars().count());
        LoadError::new(path, Some(place), what)
    };
    if let Some(deep) = nesting::too_deep(&source) {
        let what = format!("more than {BRACKETS_MAX} brackets are open here");
        return Err(at(Pos::new(u32::try_from(deep).unwrap_or_default()), what));
    }
    let plain = parse(&source, &untouched)?;
    check_hooks(&plain).map_err(|(place, what)| at(place, what))?;
    let guarded = guard::guard(&plain, &source).map_err(|(place, what)| at(place, what))?;
    let mut module = parse(&guarded.text, &guarded.places)?;
    let operators = OPERATORS.map(|(operator, guard)| (operator.to_owned(), guard.to_owned()));
    module.replace_binary_operators(&operators.into_iter().collect());

    let hooks = evaluate(module).map_err(|error| load_error(path, &guarded.places, &error))?;
    let callable = |hook: &Hook| match &hooks[*hook as usize] {
        Some(value) if value.value().get_type() != "function" => Some(hook.function()),
        _ => None,
    };
    if let Some(name) = Hook::ALL.iter().find_map(callable) {
        return Err(LoadError::new(path, None, format!("{name} is no function")));
    }
    Ok(Program {
        hooks,
        places: guarded.places,
        asks_flow: guarded.asks_flow,
        source,
    })
}

/// Runs the file's statements once, and keeps what they defined, unchangeable.
fn evaluate(module: AstModule) -> starlark::Result<[Option<OwnedFrozenValue>; 4]> {
    Module::with_temp_heap(|environment| {
        let heap = environment.heap();
        meter::start(LOAD);
        {
            let mut eval = Evaluator::new(&environment);
            eval.disable_gc();
            eval.set_max_callstack_size(CALL_STACK_MAX)?;
            eval.set_max_tick_count(LOAD.ticks_max)?;
            eval.set_check_cancelled(Box::new(move || {
                meter::check(heap).is_err() || meter::check_time().is_err()
            }));
            eval.before_stmt_for_dap(BeforeStmtFunc::from_dyn(Box::new(Watch)));
            eval.eval_module(module, &GLOBALS)?;
        }
        let frozen = environment.freeze().map_err(anyhow::Error::from)?;
        let mut hooks = [const { None }; 4];
        for hook in Hook::ALL {
            hooks[hook as usize] = frozen.get_option(hook.function())?;
        }
        Ok(hooks)
    })
}

/// A plugin has a hook, none that there is not, and hooks take the message and nothing else.
fn check_hooks(module: &AstModule) -> Result<(), (Pos, String)> {
    let mut named = BTreeMap::new();
    let statements = match &module.statement().node {
        Stmt::Statements(statements) => statements.as_slice(),
        _ => std::slice::from_ref(module.statement()),
    };
    for statement in statements {
        match &statement.node {
            Stmt::Def(def) => {
                let hook = Hook::ALL.iter().any(|hook| hook.function() == def.name.node.ident);
                let needed = |parameter: &Parameter| matches!(parameter, Parameter::Normal(_, _, None));
                let needed = def.params.iter().filter(|parameter| needed(&parameter.node)).count();
                let positional = matches!(
                    def.params.first().map(|first| &first.node),
                    Some(Parameter::Normal(..) | Parameter::Args(..))
                );
                if hook && (needed > 1 || !positional) {
                    let what = format!("{} takes one parameter, the message", def.name.node.ident);
                    return Err((def.name.span.begin(), what));
                }
                named.insert(def.name.node.ident.as_str(), def.name.span.begin());
            }
            Stmt::Assign(assign) => {
                if let AssignTarget::Identifier(name) = &assign.lhs.node {
                    named.insert(name.node.ident.as_str(), name.span.begin());
                }
            }
            _ => {}
        }
    }
    let hooks = || Hook::ALL.iter().map(|hook| hook.function());
    let unknown = named
        .iter()
        .filter(|(name, _)| name.starts_with("on_") && hooks().all(|hook| hook != **name));
    if let Some((name, at)) = unknown.min_by_key(|(_, at)| **at) {
        let all: Vec<&str> = hooks().collect();
        let meant = match nearest(name, hooks()) {
            Some(hook) => format!("did you mean {hook}?"),
            None => format!("there are {}", all.join(", ")),
        };
        return Err((*at, format!("there is no hook {name}; {meant}")));
    }
    if hooks().all(|hook| !named.contains_key(hook)) {
        let all: Vec<&str> = hooks().collect();
        return Err((Pos::new(0), format!("it defines no hook; there are {}", all.join(", "))));
    }
    Ok(())
}

fn load_error(path: &Path, places: &Places, error: &starlark::Error) -> LoadError {
    LoadError::new(path, place(places, error), error.without_diagnostic().to_string())
}

fn place(places: &Places, error: &starlark::Error) -> Option<Place> {
    let frame = || {
        error
            .call_stack()
            .clone()
            .into_frames()
            .into_iter()
            .rev()
            .find_map(|frame| frame.location)
    };
    let span = error.span().cloned().or_else(frame)?;
    let begin = span.resolve_span().begin;
    Some(places.original(begin.line, begin.column))
}
