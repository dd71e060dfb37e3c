//! Plugins, and messages to plugins, that would take all there is.

use super::super::Hook;
use super::super::meter::Limit;
use super::{Tried, ask, binary, hook};

/// The limit that stops a hook with this body.
fn stopped_by(body: &str, said: &str) -> Option<Limit> {
    match ask(body, said) {
        Err(error) => error.limit,
        Ok(said) => panic!("{body}: {said:?}"),
    }
}

#[test]
fn recursion_ends_at_the_call_stack() {
    let forever = "def f(x):\n    return f(x) + 1\n".to_owned() + &hook("    f(0)");
    let error = Tried::new(&forever).ask("x").unwrap_err();
    assert_eq!(error.limit, Some(Limit::CallStack));
    assert_eq!(error.what, "stopped by the limit of 50 nested calls");
    assert_eq!(
        stopped_by("    f = lambda g: g(g)\n    f(f)", "x"),
        Some(Limit::CallStack)
    );
    let sorting = "    f = lambda g: sorted([1, 2], key = lambda _: g(g))\n    f(f)";
    assert_eq!(stopped_by(sorting, "x"), Some(Limit::CallStack));
    let replacing = "    f = lambda g: re_replace('x', lambda _: g(g), 'x')\n    f(f)";
    assert_eq!(stopped_by(replacing, "x"), Some(Limit::CallStack));
}

#[test]
fn loops_end_at_the_ticks() {
    for body in [
        "    for i in range(20000):\n        for j in range(20000):\n            pass",
        "    x = [1 for i in range(1000) for j in range(20000)]",
        "    for i in range(20000):\n        sorted([3, 2, 1], key = lambda x: x)",
    ] {
        let mut tried = Tried::within(&hook(body), |spec| spec.ticks_max = 20_000);
        let error = tried.ask("x").unwrap_err();
        assert_eq!(error.limit, Some(Limit::Ticks), "{body}: {error}");
        assert_eq!(error.what, "stopped by ticks_max");
    }
}

#[test]
fn loops_end_when_the_time_is_up() {
    for body in [
        "    for i in range(1000000):\n        for j in range(1000000):\n            pass",
        "    any([False and j for i in range(1000000) for j in range(1000000)])",
        "    sorted([1] * 900000, key = lambda x: [y for y in range(900000)] and 1)",
    ] {
        let mut tried = Tried::within(&hook(body), |spec| {
            spec.time_ms = 1;
            spec.ticks_max = 1 << 40;
            spec.memory_bytes = 1 << 30;
        });
        let error = tried.ask("x").unwrap_err();
        assert_eq!(error.limit, Some(Limit::Time), "{body}: {error}");
        assert_eq!(error.what, "stopped by time_ms");
    }
}

#[test]
fn a_range_that_no_loop_could_end_is_refused() {
    for body in [
        "    list(range(2000000000))",
        "    max(range(2000000000))",
        "    bytes(list(range(2000000000)))",
        "    sorted(range(1100000))",
        "    f = lambda *x: x\n    f(*range(2000000000))",
        "    [].extend(range(2000000000))",
        "    range(2000000000) == range(1, 2000000000)",
    ] {
        let error = ask(body, "x").unwrap_err();
        assert!(error.what.contains("allow, which is 1000000"), "{body}: {error}");
    }
}

#[test]
fn one_operation_that_makes_much_of_little_is_stopped_before_it_does() {
    for body in [
        "    'a' * 2000000000",
        "    2000000000 * 'a'",
        "    [None] * 2000000000",
        "    (None,) * 2000000000",
        "    b'a' * 2000000000",
        "    x = 'a'\n    x *= 2000000000",
        "    x = [1]\n    x *= 2000000000",
        "    x = 'a' * 1000000\n    ','.join([x] * 1000)",
        "    x = 'a' * 1000000\n    x.join(['', ''] * 1000)",
        "    x = ['a' * 1000000] + [''] * 100000\n    ''.join(x)",
        "    x = 'a' * 1000000\n    x.replace('', x)",
        "    x = 'a' * 1000000\n    x.replace('a', 'b' * 100)",
        "    x = 'a' * 1000000\n    ('{0}' * 1000).format(x)",
        "    x = 'a' * 1000000\n    ('{x}' * 1000).format(x = x)",
        "    x = 'a' * 1000000\n    ('%s' * 1000) % tuple([x] * 1000)",
        "    x = 'a' * 1000000\n    y = '%s' * 1000\n    y %= tuple([x] * 1000)",
        "    x = 'a' * 1000000\n    str([x] * 1000)",
        "    x = 'a' * 1000000\n    repr([x] * 1000)",
        "    x = 'a' * 1000000\n    fail([x] * 1000)",
        "    x = 'a' * 1000000\n    json.encode([x] * 1000)",
        "    x = '\\0' * 3000000\n    json.encode(x)",
        "    x = 'a' * 1000000\n    re_replace('a', 'b' * 100, x)",
        "    x = 'a' * 100000\n    re_replace('(a+)', '$1' * 1000, x)",
        "    x = 'a' * 100000\n    re_replace('', lambda m: x, x)",
        "    (',' * 1000000).split(',')",
        "    (' a' * 1000000).split()",
        "    ('\\n' * 1000000).splitlines()",
        "    list(('a' * 1000000).elems())",
        "    f = ('a' * 1000000).replace\n    f('a', 'b' * 100)",
        "    json.decode('[' + '0,' * 1000000 + '0]')",
        "    list(bytes('a' * 2000000))",
        "    base64_encode('a' * 8000000)",
        "    x = [1] * 500000\n    x.extend(x)\n    x.extend(x)\n    x.extend(x)",
    ] {
        assert_eq!(stopped_by(body, "x"), Some(Limit::Memory), "{body}");
    }
}

#[test]
fn guards_are_wherever_an_expression_may_stand() {
    let large = "('a' * 1000000).replace('a', 'b' * 100)";
    for body in [
        "    (lambda s: LARGE)(1)",
        "    f = lambda s = LARGE: 1\n    f()",
        "    def f(x = LARGE):\n        return 1\n    f()",
        "    def f():\n        return LARGE\n    f()",
        "    [1 for x in [LARGE]]",
        "    [1 for x in [1] if LARGE]",
        "    [1 for x in [1] for y in [LARGE]]",
        "    {LARGE: 1 for x in [1]}",
        "    {1: LARGE}",
        "    x = [0]\n    x[len(LARGE)] = 1",
        "    x = [0]\n    x[len(LARGE)] += 1",
        "    x = 0\n    x += len(LARGE)",
        "    if LARGE:\n        pass",
        "    for x in [LARGE]:\n        pass",
        "    x = 1 if LARGE else 2",
        "    x = [1][len(LARGE):][0]",
        "    x = not LARGE",
        "    x = -len(LARGE)",
        "    len(*[LARGE])",
        "    dict(**{'x': LARGE})",
        "    LARGE.upper().lower()",
        "    return LARGE",
    ] {
        assert_eq!(
            stopped_by(&body.replace("LARGE", large), "x"),
            Some(Limit::Memory),
            "{body}"
        );
    }
}

#[test]
fn doubling_is_stopped_after_the_first_time_too_many() {
    for body in [
        "    s = 'a'\n    for i in range(50):\n        s += s",
        "    s = 'a'\n    for i in range(50):\n        s = s + s",
        "    s = [1]\n    for i in range(50):\n        s += s",
        "    s = [1]\n    for i in range(50):\n        s.extend(s)",
        "    s = [1]\n    [s.extend(s) for i in range(50)]",
        "    s = b'a'\n    for i in range(50):\n        s += s",
        "    f = lambda x: x + x\n    f(f(f(f(f(f(f(f(f(f('a' * 100000))))))))))",
        "    s = ['a' * 1000000]\n    [s.append(s[-1].upper()) for i in range(900)]",
        "    for i in range(900):\n        message.text.upper()",
        "    {i: message.text.upper() for i in range(900)}",
    ] {
        assert_eq!(stopped_by(body, &"a".repeat(1 << 20)), Some(Limit::Memory), "{body}");
    }
}

#[test]
fn slices_of_bytes_copy_nothing_and_copies_of_them_are_counted() {
    let naive = "    rest = message.bytes\n    for i in range(100000):\n        rest = rest[8:]\n    return rest";
    let mut tried = Tried::new(&hook(naive));
    let message = binary(&vec![1; 900_000]);
    assert!(tried.call(Hook::ReceiveFromClient, &message).is_ok());
    let copying =
        "    rest = message.bytes\n    for i in range(100000):\n        rest = rest[8:] + b''\n    return rest";
    let mut tried = Tried::new(&hook(copying));
    let error = tried.call(Hook::ReceiveFromClient, &message).unwrap_err();
    assert_eq!(error.limit, Some(Limit::Memory));
}

#[test]
fn whole_numbers_do_not_grow_without_end() {
    for (body, why) in [
        ("    x = 3\n    for i in range(100):\n        x = x * x", "64 bits"),
        ("    x = 3\n    for i in range(100):\n        x *= x", "64 bits"),
        ("    x = 1 << 2000000000", "shifted by 64"),
        ("    x = 1\n    x <<= 2000000000", "shifted by 64"),
        ("    x = 1\n    for i in range(100):\n        x = x << 60", "64 bits"),
        ("    x = int('9' * 1000000)", "400 digits"),
        ("    x = json.decode('9' * 1000000)", "too large"),
    ] {
        let error = ask(body, "x").unwrap_err();
        assert!(error.what.contains(why), "{body}: {error}");
    }
}

#[test]
fn an_object_with_many_members_is_decoded_as_long_as_there_is_time() {
    let members: Vec<String> = (0..50_000).map(|number| format!("\"{number}\":0")).collect();
    let object = format!("{{{}}}", members.join(","));
    let body = hook("    json.decode(message.text, None)");
    for (time_ms, limit) in [(60_000, None), (0, Some(Limit::Time))] {
        let mut tried = Tried::within(&body, |spec| {
            spec.time_ms = time_ms;
            spec.memory_bytes = 256 << 20;
        });
        assert_eq!(tried.ask(&object).err().and_then(|error| error.limit), limit);
    }
}

#[test]
fn deep_values_are_printed_by_nobody() {
    let deep = "def deep(x):\n    for _ in range(50000):\n        x = [x]\n    return x\n";
    for printing in [
        "str(deep(1))",
        "repr({'a': deep(1)})",
        "'%s' % deep(1)",
        "'%s' % (1, deep(1))",
        "'{}'.format(deep(1))",
        "'{x}'.format(x = deep(1))",
        "json.encode(deep(1))",
        "fail(deep(1))",
        "text(str(deep(1)))",
    ] {
        let source = deep.to_owned() + &hook(&format!("    {printing}"));
        let mut tried = Tried::within(&source, |spec| spec.memory_bytes = 256 << 20);
        let error = tried.ask("x").unwrap_err();
        assert!(error.what.contains("nested more than"), "{printing}: {error}");
    }
    // The interpreter compares by recursion, with a limit of its own.
    let source = deep.to_owned() + &hook("    deep(1) == deep(2)");
    let mut tried = Tried::within(&source, |spec| spec.memory_bytes = 256 << 20);
    let error = tried.ask("x").unwrap_err();
    assert!(error.what.contains("Too many recursion levels"), "{error}");
    let circle = ask("    x = []\n    x.append(x)\n    return str(x)", "x").unwrap_err();
    assert!(circle.what.contains("nested more than"), "{circle}");
}

#[test]
fn what_doubles_in_print_is_not_printed() {
    let doubled = "    x = ['a']\n    for _ in range(60):\n        x = [x, x]\n";
    for printing in ["str(x)", "'%s' % [x]", "'{}'.format(x)", "json.encode(x)", "fail(x)"] {
        let mut tried = Tried::within(&hook(&format!("{doubled}    {printing}")), |spec| {
            spec.memory_bytes = 1 << 20;
        });
        assert_eq!(tried.ask("x").unwrap_err().limit, Some(Limit::Memory), "{printing}");
    }
}

#[test]
fn a_message_larger_than_the_memory_can_be_weighed_but_not_unpacked() {
    let large = "a".repeat(20 << 20);
    assert!(ask("    return drop() if message.size > 1000 else None", &large).is_ok());
    assert!(ask("    return drop() if message.bytes[0] == 97 else None", &large).is_ok());
    assert_eq!(
        stopped_by("    x = message.text\n    return x", &large),
        Some(Limit::Memory)
    );
    assert_eq!(stopped_by("    message.bytes.decode()", &large), Some(Limit::Memory));
}

#[test]
fn a_patterns_time_is_linear_whatever_the_text() {
    let body = "    return drop() if re_match('(a|a)*(a|aa)+$', message.text) else None";
    assert!(ask(body, &("a".repeat(1000) + "!")).is_ok());
}

#[test]
fn patterns_made_of_messages_do_not_pile_up() {
    let mut tried = Tried::new(&hook("    re_match('x' + message.text, '')"));
    for said in 0..200 {
        assert!(tried.ask(&said.to_string()).is_ok());
    }
}
