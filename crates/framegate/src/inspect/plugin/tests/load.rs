//! Files that are no plugins.

use std::fs;

use tempfile::TempDir;

use super::super::{LoadError, Plugin};
use super::spec;

/// Why this is no plugin, with `FILE` in the path's place.
fn refused(source: impl AsRef<[u8]>) -> String {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("plugin.star");
    fs::write(&path, source).unwrap();
    let error: LoadError = Plugin::load(spec(&path)).unwrap_err();
    error.to_string().replace(&path.display().to_string(), "FILE")
}

#[test]
fn an_error_names_file_line_and_column() {
    for (source, expected) in [
        (
            "def f(m):\n    pass\n",
            "FILE:1:1: it defines no hook; there are on_receive_from_client, on_",
        ),
        ("", "FILE:1:1: it defines no hook"),
        (
            "x = 1\ndef on_recieve_from_client(m):\n    pass\n",
            "FILE:2:5: there is no hook on_recieve_from_client; did you mean on_receive_from_client?",
        ),
        (
            "def on_receive_from_client(m):\n    pass\non_message = len\n",
            "FILE:3:1: there is no hook on_message; there are on_receive_from_client, ",
        ),
        (
            "def on_receive_from_client():\n    pass\n",
            "FILE:1:5: on_receive_from_client takes one parameter",
        ),
        (
            "def on_receive_from_client(a, b):\n    pass\n",
            "FILE:1:5: on_receive_from_client takes one parameter",
        ),
        (
            "def on_receive_from_client(**m):\n    pass\n",
            "FILE:1:5: on_receive_from_client takes one parameter",
        ),
        (
            "on_receive_from_client = 1\n",
            "FILE: on_receive_from_client is no function",
        ),
        (
            "def on_receive_from_client(m):\n    return (1\n",
            "FILE:3:1: Parse error",
        ),
        (
            "def on_receive_from_client(m):\n    return nothing\n",
            "FILE:2:12: Variable `nothing` not found",
        ),
        (
            "x = 'é'.join([]) + 1 // 0\n\ndef on_receive_from_client(m):\n    pass\n",
            "FILE:1:20: Floor division by zero",
        ),
        ("load('other.star', 'x')\n", "FILE:1:1: "),
        (
            "def on_receive_from_client(m):\n    print(m.text)\n",
            "FILE:2:5: Variable `print` not found",
        ),
        (
            "def on_receive_from_client(m):\n    m.x[0] *= 2\n",
            "FILE:2:5: `*=` is for variables alone; write `a[b] =",
        ),
        (
            "def on_receive_from_client(m):\n    return getattr(m, 'x')\n",
            "FILE:2:12: Variable `getattr` not found",
        ),
    ] {
        let said = refused(source);
        assert!(said.starts_with(expected), "{source:?}: {said}");
    }
    assert_eq!(refused(b"x = 1\n# caf\xe9\n"), "FILE:2:1: this line is not UTF-8");
    assert_eq!(refused(vec![b'#'; 300_000]), "FILE: is larger than 65536 bytes");
    let gone = Plugin::load(spec("/nowhere/plugin.star".as_ref()))
        .unwrap_err()
        .to_string();
    assert!(gone.starts_with("/nowhere/plugin.star: cannot be read: "), "{gone}");
}

#[test]
fn what_a_file_does_when_it_is_read_is_limited_too() {
    for source in [
        "def f():\n    for i in range(1000000):\n        for j in range(1000000):\n            pass\nf()\n",
        "x = 'a' * 2000000000\n",
        "def f(x):\n    return f(x)\nf(1)\n",
        "x = [i for i in range(1000000) for j in range(1000000)]\n",
    ] {
        let said = refused(format!("{source}def on_receive_from_client(m):\n    pass\n"));
        assert!(said.starts_with("FILE:"), "{said}");
    }
}

#[test]
fn a_file_that_is_nothing_but_nesting_is_an_error_and_no_crash() {
    for opening in [
        "(",
        "[",
        "{",
        "-",
        "not ",
        "lambda: ",
        "f(",
        "1 if 1 else ",
        "[x for x in ",
        "a.b(c).",
        "1+",
        "x[",
    ] {
        let many = opening.repeat(65_000 / opening.len());
        let _ = refused(format!("x = {many}"));
        let _ = refused(format!("x = {many}1"));
    }
    let mut blocks = String::new();
    for depth in 0..600 {
        blocks += &format!("{}if True:\n", " ".repeat(depth));
    }
    blocks += &format!("{}pass\n", " ".repeat(600));
    let _ = refused(blocks);
}
