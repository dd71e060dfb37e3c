//! Whatever fields are sent: never a panic, an error that names its field, and a meaning that neither order nor case
//! of names changes, and that is the same when it is written out again.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::tests::reach;
use super::{FieldError, NAMES, PREFIX, Terms, is_gateway_field};
use crate::config::{Gateway, OnBinary};
use crate::flow::Direction;

type Field = (String, Vec<u8>);

fn read(fields: &[Field]) -> Result<Terms, FieldError> {
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    Terms::new(&Gateway::default()).with_fields(fields, &reach())
}

/// A value that this field takes.
fn right(name: &str) -> BoxedStrategy<String> {
    let pair = ("[a-zA-Z0-9!#$&'*+.^_`|~-]{1,6}", "[ -~éß€𝄞\t]{0,8}");
    let pair = pair.prop_map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)));
    match name {
        "upstream" => "(ws|wss|WS)://([a-zA-Z]{1,8}(\\.[a-z]{1,5})?|10\\.[0-9]\\.0\\.1|\\[::1\\])(:[1-9][0-9]{0,3})?(/[a-z?=&]{0,6})?".boxed(),
        "inboundhook" | "outboundhook" => {
            "(http|HTTPS)://([a-zA-Z]{1,8}|\\[2001:db8::1\\])(:[1-9][0-9]{0,3})?(/[a-z./%]{0,6})?(\\?[a-z=&?/]{0,6})?".boxed()
        }
        "inboundhook-method" | "outboundhook-method" => "[A-Z!#$%&'*+.^_`|~-]{1,8}".boxed(),
        "inboundhook-headers" | "outboundhook-headers" => {
            let pairs = prop::collection::vec(pair, 0..4);
            (pairs, prop::sample::select(vec![",", ", ", ",,", " ,"])).prop_map(|(pairs, comma)| pairs.join(comma)).boxed()
        }
        "binary" => "close|hook|pass".boxed(),
        "compress" | "validateutf8" => "true|false|True|FALSE".boxed(),
        "maxframesize" => (1..=u64::MAX).prop_map(|number| number.to_string()).boxed(),
        "idletimeout" => prop_oneof![any::<u64>().prop_map(|number| number.to_string()), Just("007".to_owned())].boxed(),
        other => panic!("{other}"),
    }
}

/// Any value, or one that another field takes.
fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let others = prop::sample::select(NAMES.to_vec()).prop_flat_map(right);
    prop_oneof![
        others.prop_map(String::into_bytes),
        "\\PC{0,24}".prop_map(String::into_bytes),
        "(ws|http|https)?(://)?[a-z@:.\\[\\]/?#%*]{0,16}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..24),
    ]
}

/// The name with some of its letters in upper case.
fn in_case(name: &str, upper: u32) -> String {
    let letter = |(at, letter): (usize, char)| match upper >> (at % 32) & 1 {
        0 => letter,
        _ => letter.to_ascii_uppercase(),
    };
    format!("{PREFIX}{name}").char_indices().map(letter).collect()
}

/// Some of the fields, none of them twice, each with a value that it takes, but for one in so many.
fn fields(wrong_of: u32) -> impl Strategy<Value = Vec<Field>> {
    let field = move |name: &&'static str| {
        let name = *name;
        let value = prop_oneof![
            wrong_of => right(name).prop_map(String::into_bytes),
            1 => any_value(),
        ];
        prop::option::of((any::<u32>().prop_map(move |upper| in_case(name, upper)), value))
    };
    let known: Vec<_> = NAMES.iter().map(field).collect();
    known.prop_map(|fields| fields.into_iter().flatten().collect())
}

/// Those, and some that are unknown, there twice or of somebody else.
fn any_fields() -> impl Strategy<Value = Vec<Field>> {
    let twice = (prop::sample::select(NAMES.to_vec()), any::<u32>()).prop_map(|(name, upper)| in_case(name, upper));
    let name = prop_oneof![twice, "[xX]-[wW]sproxy-[a-z-]{0,12}", "\\PC{0,16}", "x-wsproxyé?"];
    let more = prop::collection::vec((name, any_value()), 0..3);
    (fields(4), more)
        .prop_map(|(fields, more)| [fields, more].concat())
        .prop_shuffle()
}

/// What these terms are as fields, all of them.
fn written(terms: &Terms) -> Vec<Field> {
    let mut all = Vec::new();
    let mut say = |name: &str, value: String| all.push((format!("{PREFIX}{name}"), value.into_bytes()));
    for upstream in &terms.upstream {
        let scheme = if upstream.tls { "wss" } else { "ws" };
        say("upstream", format!("{scheme}://{}", upstream.authority()));
    }
    for (direction, name) in Direction::BOTH.into_iter().zip(["inboundhook", "outboundhook"]) {
        let Some(hook) = terms.hook(direction) else { continue };
        let encoded =
            |(name, value): &(String, String)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
        let headers: Vec<String> = hook.headers.iter().map(encoded).collect();
        say(name, hook.url.to_string());
        say(&format!("{name}-method"), hook.method.clone());
        say(&format!("{name}-headers"), headers.join(","));
    }
    let binary = match terms.binary {
        OnBinary::Close => "close",
        OnBinary::Hook => "hook",
        OnBinary::Pass => "pass",
    };
    say("binary", binary.to_owned());
    say("compress", terms.compress.to_string());
    say("validateutf8", terms.validate_utf8.to_string());
    say("idletimeout", terms.idle_ms.to_string());
    say("maxframesize", terms.message_bytes_max.to_string());
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_taken_means_the_same_when_it_is_written_out_and_an_error_names_its_field(fields in any_fields()) {
        match read(&fields) {
            Ok(terms) => {
                prop_assert!(terms.message_bytes_max >= 1 && terms.upstream.len() <= 1);
                prop_assert_eq!(read(&written(&terms)), Ok(terms.clone()));
                let own: Vec<_> = fields.iter().filter(|(name, _)| is_gateway_field(name)).cloned().collect();
                prop_assert_eq!(read(&own), Ok(terms), "others' fields say nothing");
                let names: BTreeSet<_> = own.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
                prop_assert_eq!(names.len(), own.len(), "none was there twice");
            }
            Err(error) => {
                prop_assert!(is_gateway_field(&error.name));
                prop_assert!(fields.iter().any(|(name, _)| *name == error.name), "{}", error);
                prop_assert!(error.to_string().contains(&error.name) && !error.what.is_empty());
            }
        }
    }

    #[test]
    fn right_fields_are_taken_in_any_order((fields, shuffled) in fields(1000).prop_flat_map(|fields| {
        (Just(fields.clone()), Just(fields).prop_shuffle())
    })) {
        match (read(&fields), read(&shuffled)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(one, other),
            (Err(one), Err(other)) if one.name == other.name => prop_assert_eq!(one, other),
            // Of several errors the first is told.
            (Err(_), Err(_)) => {}
            (one, other) => prop_assert!(false, "{:?} and {:?}", one, other),
        }
    }

    #[test]
    fn a_value_that_a_field_takes_is_taken((name, value) in prop::sample::select(NAMES.to_vec()).prop_flat_map(|name| (Just(name), right(name)))) {
        let fields = [(format!("{PREFIX}{name}"), value.into_bytes())];
        prop_assert!(read(&fields).is_ok(), "{:?}", read(&fields));
    }

    #[test]
    fn a_password_is_not_repeated(
        name in prop::sample::select(vec!["upstream", "inboundhook", "outboundhook"]),
        (before, behind) in ("(ws|wss|http|https|ftp|[a-z]{0,3})(://|:)?[a-z]{0,3}(:)?", "@[a-z:/?# ]{0,8}"),
    ) {
        let fields = [(format!("{PREFIX}{name}"), format!("{before}hush{behind}").into_bytes())];
        if let Err(error) = read(&fields) {
            prop_assert!(!error.to_string().contains("hush"), "{}", error);
        }
    }
}
