//! The values and functions that plugins have besides those of Starlark.

use super::super::Hook;
use super::{Tried, as_text, ask, binary, hook, replaced};
use crate::inspect::Opinion;

/// Whether the expressions are true, with a message that says `said`.
fn hold(said: &[u8], expressions: &[&str]) {
    for expression in expressions {
        let mut tried = Tried::new(&hook(&format!("    b = message.bytes\n    return str({expression})")));
        let answer = tried.call(Hook::ReceiveFromClient, &binary(said));
        assert_eq!(answer, Ok(as_text("True")), "{expression}");
    }
}

/// Whether the expression fails with these words.
fn fails(expression: &str, why: &str) {
    let error = ask(&format!("    return str({expression})"), "said").unwrap_err();
    assert!(error.what.contains(why), "{expression}: {error}");
}

#[test]
fn bytes_are_a_sequence_of_numbers() {
    hold(
        b"\x00\xffabc",
        &[
            "len(b) == 5 and b[1] == 255 and b[-1] == 99 and type(b) == 'bytes'",
            "b[2:] == b'abc' and b[:-3] == b'\\x00\\xff' and b[1:1] == b'' and b[9:] == b'' and b[-99:2][1] == 255",
            "b[3:1] == b'' and b[::1] == b and b[2:][1:][0] == 98",
            "list(b[:2]) == [0, 255] and [x for x in b[3:]] == [98, 99]",
            "255 in b and 1 not in b and b'ab' in b and b'ba' not in b and b'' in b",
            "b.find(b'bc') == 3 and b.find(97) == 2 and b.find(b'x') == -1",
            "b.startswith(b'\\x00\\xff') and b.endswith(b'c') and not b.startswith(b'c')",
            "b + b'd' == bytes([0, 255, 97, 98, 99, 100]) and b'ab' * 2 == b'abab' and 0 * b == b''",
            "b.hex() == '00ff616263' and bytes_from_hex('00FF616263') == b and bytes_from_hex('0') == None",
            "bytes_from_hex('0g') == None and bytes_from_hex('é') == None and bytes_from_hex('') == b''",
            "b.decode() == None and b[2:].decode() == 'abc' and bytes('é').decode() == 'é'",
            "b'a' < b'b' and sorted([b'b', b'a']) == [b'a', b'b'] and {b'a': 1}[bytes('a')] == 1",
            "b'a' != 'a' and bool(b) and not b[:0] and repr(b) == 'b\"\\\\x00\\\\xffabc\"'",
            "base64_encode(b) == 'AP9hYmM=' and base64_decode('AP9hYmM=') == b and base64_decode('?') == None",
            "base64_encode('abc') == 'YWJj' and bytes(b) == b and bytes((1, 2)) == b'\\x01\\x02'",
        ],
    );
    fails("message.bytes[9]", "out of bound");
    fails("message.bytes[-9]", "out of bound");
    fails("message.bytes[::2]", "no step");
    fails("message.bytes + 'x'", "not supported");
    fails("256 in message.bytes", "0 to 255");
    fails("message.bytes.find('x')", "not for a string");
    fails("bytes([-1])", "0 to 255");
    fails("bytes(1)", "not of a int");
}

#[test]
fn json_goes_both_ways() {
    hold(
        b"",
        &[
            r#"json.decode('{"a": [1, -2, 0.5, 1e3, true, null, "\\u00e9"]}') == {"a": [1, -2, 0.5, 1000.0, True, None, "é"]}"#,
            "json.decode('18446744073709551615') == 18446744073709551615",
            "type(json.decode('18446744073709551616')) == 'float'",
            r#"json.encode({"a": [1, -2, 0.5, True, None, "é\n\""], "b": (1,)}) == '{"a":[1,-2,0.5,true,null,"é\\n\\""],"b":[1]}'"#,
            "json.encode(1 << 64) == '18446744073709551616'",
            "json.decode('nonsense', 7) == 7 and json.decode('nonsense', None) == None",
            "json.decode('nonsense', default = {}) == {} and json.decode('[]', 7) == []",
            "json.decode('1e999', 'too large') == 'too large' and json.decode('[' * 500, 'deep') == 'deep'",
        ],
    );
    fails("json.decode('nonsense')", "not JSON: expected ident at line 1 column 2");
    fails("json.encode(b'x')", "JSON has no place for a bytes");
    fails("json.encode({1: 2})", "keys are not all strings");
    fails("json.encode(float('nan'))", "a float that is no number");
    fails("json.encode(message)", "a message");
}

#[test]
fn regular_expressions_find_and_replace() {
    hold(
        b"",
        &[
            r#"re_match(r"(\w)(\d)?", "..a") == ["a", "a", None] and re_match("b", "a") == None"#,
            r#"re_match("(?i)é+", "xÉé")[0] == "Éé""#,
            r#"re_replace(r"(\d)(\d)", "$2$1!", "12 345") == "21! 43!5""#,
            r#"re_replace("x*", "-", "abc") == "-a-b-c-""#,
            r#"re_replace(r"\d+", lambda m: str(int(m[0]) + 1), "9 and 99") == "10 and 100""#,
            r#"re_replace(r"(a)|b", lambda m: "A" if m[1] else "", "abc") == "Ac""#,
        ],
    );
    fails("re_match('(', '')", "no regular expression: unclosed group");
    fails("re_match(r'(?:\\d{1000}){1000}', '')", "no regular expression");
    fails("re_match('x' * 5000, '')", "longer than 4096 bytes");
    fails("re_replace('s', lambda m: 1, 'said')", "returned a int");
    fails("re_replace('s', 1, 'said')", "not supported");
}

#[test]
fn guards_do_not_change_what_operators_and_methods_do() {
    hold(
        b"",
        &[
            "1 + 2 * 3 % 4 == 3 and 1 << 4 == 16 and 2.5 * 2 == 5.0 and 7 % 2.5 == 2.0 and -3 * 2 == -6",
            "'a' + 'b' * 2 == 'abb' and [1] * 2 + [3] == [1, 1, 3] and (1,) * 2 == (1, 1) and 2 * 'ab' == 'abab'",
            "'%s-%d-%r' % ('a', 1, [2]) == 'a-1-[2]' and '%s' % 'x' == 'x' and '%%' % () == '%'",
            "'{} {x} {}'.format(1, 2, x = 'y') == '1 y 2' and '{0}{0}'.format('ab') == 'abab'",
            "','.join(['a', 'b']) == 'a,b' and ''.join([]) == '' and '-'.join('abc'.elems()) == 'a-b-c'",
            "'aXbX'.replace('X', 'yy') == 'ayybyy' and 'aXbX'.replace('X', '', 1) == 'abX'",
            "'a,b,c'.split(',') == ['a', 'b', 'c'] and ' a  b '.split() == ['a', 'b'] and 'a,b'.rsplit(',', 1) == ['a', 'b']",
            "'a\\nb\\r\\n'.splitlines() == ['a', 'b'] and list('ab'.codepoints())[0] == 97",
            "{k: v + 1 for k, v in {'a': 1}.items()} == {'a': 2} and [f(2) for f in [lambda x: x * x]] == [4]",
            "(1 << 62) * 2 == 9223372036854775808 and (1 << 64) + 1 == 18446744073709551617 and 1000000007 * 31 % 97 == 10",
            "int('12') == 12 and int('ff', 16) == 255 and int(2.9) == 2 and str([1, 'a']) == '[1, \"a\"]'",
            "list(range(3)) == [0, 1, 2] and list(range(5, 1, -2)) == [5, 3] and range(0) == range(0)",
        ],
    );
    let body = "    x = 6\n    x *= 7\n    x %= 40\n    x <<= 3\n    l = [1]\n    m = l\n    l += [2]\n    l.extend([3])\n    \
                l *= 1\n    s = 'a'\n    s += 'b'\n    s *= 2\n    return '%s %s %s %s' % (x, l, m, s)";
    assert_eq!(replaced(body, ""), "16 [1, 2, 3] [1, 2, 3] abab");
    fails("'x'.join([1])", "Type of parameter");
    fails("'x'.colour()", "no attribute");
    fails("(1).join([])", "no attribute `join`");
    fails("[].split()", "no attribute");
}

#[test]
fn a_log_line_is_no_opinion() {
    assert_eq!(
        ask("    for i in range(100):\n        log('line\\n' * i)", "x"),
        Ok(Opinion::Pass)
    );
}
