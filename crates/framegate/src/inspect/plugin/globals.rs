//! The names that a plugin finds: those of Starlark, some with a guard, and ours. None of them reads a file, a socket, a
//! clock or chance.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use starlark::environment::{Globals, GlobalsBuilder};
use starlark::eval::{Arguments, Evaluator};
use starlark::starlark_module;
use starlark::values::bytes::StarlarkBytes;
use starlark::values::none::NoneType;
use starlark::values::{FrozenValue, Heap, UnpackValue, Value, ValueLike};
use wire::close::{REASON_BYTES_MAX, may_be_sent};

use super::json::Undecoded;
use super::values::{Answer, Bytes, Caller, Receiver};
use super::{json, measure, meter, pattern};

/// The longest line of `log`, in bytes.
const LOG_BYTES_MAX: usize = 1000;
/// The most digits that `int` reads: reading takes the square of their number in time.
const DIGITS_MAX: usize = 400;

static STANDARD: LazyLock<Globals> = LazyLock::new(Globals::standard);

/// What plugins are loaded with.
pub(super) static GLOBALS: LazyLock<Globals> = LazyLock::new(|| {
    let mut builder = GlobalsBuilder::new();
    for (name, value) in STANDARD.iter() {
        // `getattr` would ask for methods behind the guard's back, and `print` is `log` here.
        if !matches!(name, "getattr" | "print") {
            builder.set(name, value);
        }
    }
    builder
        .with(guards)
        .with(guarded)
        .with(answers)
        .with(ours)
        .with_namespace("json", json_functions)
        .build()
});

/// The functions that are guarded, as Starlark has them.
struct Unguarded {
    range: FrozenValue,
    str: FrozenValue,
    repr: FrozenValue,
    fail: FrozenValue,
    int: FrozenValue,
}

static UNGUARDED: LazyLock<Unguarded> = LazyLock::new(|| {
    let function = |name| {
        let found = STANDARD.iter().find(|(known, _)| *known == name);
        found.map_or_else(FrozenValue::new_none, |(_, function)| function)
    };
    Unguarded {
        range: function("range"),
        str: function("str"),
        repr: function("repr"),
        fail: function("fail"),
        int: function("int"),
    }
});

/// What the guarded text calls by itself.
#[starlark_module]
fn guards(builder: &mut GlobalsBuilder) {
    fn __of<'v>(value: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        Ok(Receiver::of(value, heap))
    }

    fn __bytes<'v>(literal: &StarlarkBytes, heap: Heap<'v>) -> starlark::Result<Bytes> {
        Bytes::make(literal.as_bytes().to_vec(), heap)
    }

    fn __kept<'v>(value: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        meter::check(heap)?;
        Ok(value)
    }

    fn __add<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        meter::claim(heap, measure::extent(a).saturating_add(measure::extent(b)))?;
        a.add(b, heap)
    }

    fn __mul<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        claim_mul(a, b, heap)?;
        a.mul(b, heap)
    }

    fn __by_mul<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        claim_mul(a, b, heap)?;
        Ok(b)
    }

    fn __percent<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        claim_percent(a, b, heap)?;
        a.percent(b, heap)
    }

    fn __by_percent<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        claim_percent(a, b, heap)?;
        Ok(b)
    }

    fn __shl<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        check_shl(a, b)?;
        a.left_shift(b, heap)
    }

    fn __by_shl<'v>(a: Value<'v>, b: Value<'v>) -> starlark::Result<Value<'v>> {
        check_shl(a, b)?;
        Ok(b)
    }
}

fn claim_mul<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<()> {
    let one = whole(a)?.unwrap_or(1).max(0).unsigned_abs();
    let other = whole(b)?.unwrap_or(1).max(0).unsigned_abs();
    let times = usize::try_from(one.max(other)).unwrap_or(usize::MAX);
    let extent = measure::extent(a).saturating_add(measure::extent(b));
    // Once in a place on the way, once where it stays.
    meter::claim(heap, extent.saturating_mul(times).saturating_mul(2))
}

fn claim_percent<'v>(a: Value<'v>, b: Value<'v>, heap: Heap<'v>) -> starlark::Result<()> {
    let Some(text) = a.unpack_str() else { return Ok(()) };
    // Each value is printed once; escapes may make four bytes of one.
    let printed = measure::printed(b, heap)?.saturating_mul(4);
    meter::claim(heap, printed.saturating_add(text.len()))
}

fn check_shl<'v>(a: Value<'v>, b: Value<'v>) -> starlark::Result<()> {
    whole(a)?;
    if whole(b)?.is_some_and(|by| by > 64) {
        return Err(wrong("a whole number is shifted by 64 at the most".to_owned()));
    }
    Ok(())
}

/// The whole number of 64 bits that this is; `None` if it is something else.
fn whole(value: Value<'_>) -> starlark::Result<Option<i64>> {
    match i64::unpack_value(value) {
        Ok(number) if number.is_some() || value.get_type() != "int" => Ok(number),
        _ => Err(wrong(
            "only whole numbers of 64 bits are multiplied and shifted".to_owned(),
        )),
    }
}

/// Starlark's own functions, asked first what they would make.
#[starlark_module]
fn guarded(builder: &mut GlobalsBuilder) {
    fn range<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        let range = UNGUARDED.range.to_value().invoke(args, eval)?;
        let length = usize::try_from(range.length()?).unwrap_or(0);
        let most = meter::range_max();
        if length > most {
            return Err(wrong(format!(
                "a range of {length} numbers is longer than ticks_max and memory_bytes allow, which is {most}"
            )));
        }
        Ok(range)
    }

    fn str<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        printed(args, eval)?;
        UNGUARDED.str.to_value().invoke(args, eval)
    }

    fn repr<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        printed(args, eval)?;
        UNGUARDED.repr.to_value().invoke(args, eval)
    }

    fn fail<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        printed(args, eval)?;
        UNGUARDED.fail.to_value().invoke(args, eval)
    }

    fn int<'v>(args: &Arguments<'v, '_>, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<Value<'v>> {
        let text = args.positions(eval.heap())?.next().and_then(|first| first.unpack_str());
        if text.is_some_and(|text| text.len() > DIGITS_MAX) {
            return Err(wrong(format!("int() reads {DIGITS_MAX} digits at the most")));
        }
        UNGUARDED.int.to_value().invoke(args, eval)
    }
}

fn printed<'v>(args: &Arguments<'v, '_>, eval: &Evaluator<'v, '_, '_>) -> starlark::Result<()> {
    let heap = eval.heap();
    let mut bytes = 0_usize;
    for value in args.positions(heap)? {
        bytes = bytes.saturating_add(measure::printed(value, heap)?);
    }
    // Escapes may make four bytes of one.
    meter::claim(heap, bytes.saturating_mul(2))
}

/// What a hook may answer besides None, a string and bytes.
#[starlark_module]
fn answers(builder: &mut GlobalsBuilder) {
    fn text(#[starlark(require = pos)] text: &str, heap: Heap<'_>) -> starlark::Result<Answer> {
        meter::claim_outside(heap, text.len())?;
        Ok(Answer::Text(text.to_owned()))
    }

    fn binary<'v>(#[starlark(require = pos)] content: Value<'v>, heap: Heap<'v>) -> starlark::Result<Answer> {
        Ok(Answer::Binary(to_bytes(content, heap)?))
    }

    fn drop() -> starlark::Result<Answer> {
        Ok(Answer::Drop)
    }

    fn close(code: i32, #[starlark(default = "")] reason: &str) -> starlark::Result<Answer> {
        let valid = u16::try_from(code).ok().filter(|code| may_be_sent(*code));
        let Some(code) = valid else {
            return Err(wrong(format!(
                "{code} is no code that a Close may carry (RFC 6455 §7.4)"
            )));
        };
        if reason.len() > REASON_BYTES_MAX {
            let length = reason.len();
            return Err(wrong(format!(
                "a reason has {REASON_BYTES_MAX} bytes at the most, and this one {length}"
            )));
        }
        Ok(Answer::Close {
            code,
            reason: reason.to_owned(),
        })
    }
}

/// What else Starlark does not have.
#[starlark_module]
fn ours(builder: &mut GlobalsBuilder) {
    fn bytes<'v>(#[starlark(require = pos)] content: Value<'v>, heap: Heap<'v>) -> starlark::Result<Bytes> {
        to_bytes(content, heap)
    }

    fn bytes_from_hex<'v>(#[starlark(require = pos)] digits: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        match from_hex(digits) {
            Some(content) => Ok(heap.alloc(Bytes::make(content, heap)?)),
            None => Ok(Value::new_none()),
        }
    }

    fn base64_encode<'v>(#[starlark(require = pos)] content: Value<'v>, heap: Heap<'v>) -> starlark::Result<String> {
        meter::claim(heap, measure::extent(content).saturating_mul(3))?;
        Ok(BASE64.encode(to_bytes(content, heap)?.as_slice()))
    }

    fn base64_decode<'v>(#[starlark(require = pos)] text: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        meter::claim(heap, text.len())?;
        match BASE64.decode(text) {
            Ok(content) => Ok(heap.alloc(Bytes::make(content, heap)?)),
            Err(_) => Ok(Value::new_none()),
        }
    }

    fn re_match<'v>(pattern: &str, text: &str, heap: Heap<'v>) -> starlark::Result<Value<'v>> {
        pattern::find(pattern, text, heap)
    }

    fn re_replace<'v>(
        pattern: &str,
        replacement: Value<'v>,
        text: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<String> {
        match replacement.unpack_str() {
            Some(replacement) => pattern::replace(pattern, replacement, text, eval.heap()),
            None => pattern::replace_by(pattern, replacement, text, eval),
        }
    }

    fn log<'v>(#[starlark(require = pos)] text: &str, eval: &mut Evaluator<'v, '_, '_>) -> starlark::Result<NoneType> {
        if let Some(Caller { id, voice }) = eval.extra.and_then(|extra| extra.downcast_ref::<Caller<'_>>()) {
            let text = &text[..text.floor_char_boundary(LOG_BYTES_MAX)];
            voice
                .0
                .say(|end| tracing::info!(plugin = id, "{}{end}", text.escape_debug()));
        }
        Ok(NoneType)
    }
}

#[starlark_module]
fn json_functions(builder: &mut GlobalsBuilder) {
    fn encode<'v>(#[starlark(require = pos)] value: Value<'v>, heap: Heap<'v>) -> starlark::Result<String> {
        json::encode(value, heap)
    }

    fn decode<'v>(
        #[starlark(require = pos)] text: &str,
        default: Option<Value<'v>>,
        heap: Heap<'v>,
    ) -> starlark::Result<Value<'v>> {
        match (json::decode(text, heap), default) {
            (Ok(value), _) => Ok(value),
            (Err(Undecoded::Stopped(error)), _) => Err(error),
            (Err(Undecoded::NoJson(_)), Some(default)) => Ok(default),
            (Err(Undecoded::NoJson(why)), None) => Err(wrong(format!("this is not JSON: {why}"))),
        }
    }
}

/// The bytes of a string, of `bytes`, or of a list of numbers.
fn to_bytes<'v>(content: Value<'v>, heap: Heap<'v>) -> starlark::Result<Bytes> {
    if let Some(bytes) = Bytes::from_value(content) {
        return Ok(bytes.clone());
    }
    if let Some(text) = content.unpack_str() {
        meter::claim(heap, text.len())?;
        return Bytes::make(text.as_bytes().to_vec(), heap);
    }
    let Some(items) = measure::items(content) else {
        let what = content.get_type();
        return Err(wrong(format!(
            "bytes are made of a string or of a list of numbers, not of a {what}"
        )));
    };
    meter::claim(heap, items.len())?;
    let bytes = items
        .iter()
        .map(|item| item.unpack_i32().and_then(|byte| u8::try_from(byte).ok()));
    let content = bytes.collect::<Option<Vec<u8>>>();
    Bytes::make(
        content.ok_or_else(|| wrong("a byte is a number from 0 to 255".to_owned()))?,
        heap,
    )
}

/// The bytes that these digits name; `None` if they are no pairs of hexadecimal digits.
fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    rest.is_empty().then(|| bytes.collect())?
}

fn wrong(what: String) -> starlark::Error {
    starlark::Error::new_value(anyhow::Error::msg(what))
}
