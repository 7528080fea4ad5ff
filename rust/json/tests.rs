//! The grammar case by case, then a comparison with `serde_json`: both accept the same texts and find equal members.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::*;

fn members_of(text: &str) -> Result<BTreeMap<String, String>, Fault> {
    let mut found = BTreeMap::new();
    members(text.as_bytes(), |key, value| {
        found.insert(
            String::from_utf8_lossy(key).into_owned(),
            String::from_utf8_lossy(value).into_owned(),
        );
    })?;
    Ok(found)
}

#[test]
fn accepts_what_python_accepts() {
    for text in [
        "{}",
        "[]",
        " [ ] ",
        "\t{\r\n}\n",
        "null",
        "true",
        "false",
        "NaN",
        "Infinity",
        "-Infinity",
        "0",
        "-0",
        "1",
        "10",
        "-12.50",
        "1e5",
        "1E+5",
        "0.1e-2",
        "1e999",
        "\"\"",
        "\"\u{7f}\"",
        r#""\"\\\/\b\f\n\r\t\u00e9""#,
        r#""\ud800""#,
        r#""\uDC00\ud800""#,
        "[1,[2,{\"a\":[]}],{}]",
        "{\"a\":1,\"a\":2}",
        "{\"\":{}}",
        "[NaN,-Infinity]",
        "\"\u{2028}\u{10ffff}\"",
    ] {
        assert!(check(text.as_bytes()).is_ok(), "{text}");
    }
    assert_eq!(check(b"\"\xff\xc3(\xe2\x82\""), Ok(ValueKind::String));
    assert!(check("9".repeat(10_000).as_bytes()).is_ok());
}

#[test]
fn refuses_what_python_refuses() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "}",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1]",
        "[1}",
        "01",
        "-",
        "-01",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "1.e1",
        "--1",
        "-NaN",
        "+Infinity",
        "-Infinit",
        "nul",
        "True",
        "nan",
        "inf",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\n\"",
        "\"\u{1f}\"",
        "1 2",
        "{} {}",
        "null,",
        "\u{feff}{}",
        "\u{a0}1",
        "[1]\0",
        "\u{c}1",
        "'a'",
        "undefined",
        "[1//\n]",
        "0_0",
    ] {
        assert!(matches!(check(text.as_bytes()), Err(Fault::Syntax(_))), "{text:?}");
    }
    assert!(check(b"\xff").is_err());
}

#[test]
fn no_proper_prefix_of_an_object_is_json() {
    let text = r#" {"a\u0041" : [1.5e-3, {"b": "\ud83d\ude00\n"}, NaN, -Infinity], "c": null, "": "x"}"#;
    assert_eq!(check(text.as_bytes()), Ok(ValueKind::Object));
    for cut in 0..text.len() {
        assert!(check(&text.as_bytes()[..cut]).is_err(), "{cut}");
    }
    for tail in ["}", "]", ",", "1", "\"", "\0"] {
        assert!(check(format!("{text}{tail}").as_bytes()).is_err(), "{tail}");
    }
}

#[test]
fn a_control_character_is_found_at_every_place_of_a_word() {
    for len in 0..40 {
        for at in 0..len {
            for bad in [b'\0', b'\n', 0x1f] {
                let mut text = vec![b'x'; len];
                text[at] = bad;
                let text = [b"\"", &text[..], b"\""].concat();
                assert_eq!(check(&text), Err(Fault::Syntax(at + 1)));
            }
            for good in [0x20, 0x7f, 0x80, 0x9f, 0xa0, 0xa2, 0xdc, 0xff] {
                let mut text = vec![0xff; len];
                text[at] = good;
                assert!(check(&[b"\"", &text[..], b"\""].concat()).is_ok());
            }
        }
    }
}

#[test]
fn nesting_ends_at_the_limit() {
    let nest = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert_eq!(check(nest(MAX_DEPTH).as_bytes()), Ok(ValueKind::Array));
    assert_eq!(check(nest(MAX_DEPTH + 1).as_bytes()), Err(Fault::TooDeep));
    assert_eq!(check("[".repeat(100_000).as_bytes()), Err(Fault::TooDeep));
    assert_eq!(check("{\"a\":".repeat(100_000).as_bytes()), Err(Fault::TooDeep));
    let mixed = "[{\"a\":".repeat(MAX_DEPTH / 2) + "1" + &"}]".repeat(MAX_DEPTH / 2);
    assert_eq!(check(mixed.as_bytes()), Ok(ValueKind::Array));
    assert!(check(mixed.replacen("}]", "]}", 1).as_bytes()).is_err());
}

#[test]
fn depth_counts_open_containers_only() {
    let wide = format!("[{}0]", "[[]],{\"a\":{}},".repeat(2000));
    assert_eq!(check(wide.as_bytes()), Ok(ValueKind::Array));
}

#[test]
fn members_are_the_top_level_only_and_raw() {
    let found = members_of(r#"{ "a" : {"b": 1} , "c":[ 1 ],"d": "\u0041" ,"e":-1.50,"":null }"#).unwrap();
    let expected = [
        ("a", r#"{"b": 1}"#),
        ("c", "[ 1 ]"),
        ("d", r#""\u0041""#),
        ("e", "-1.50"),
        ("", "null"),
    ];
    assert_eq!(found, expected.map(|(k, v)| (k.into(), v.into())).into());
}

#[test]
fn the_last_of_duplicate_members_counts_however_it_is_written() {
    let found = members_of(r#"{"msg_type":"a","msg\u005ftype":"b","x":{"msg_type":"c"}}"#).unwrap();
    assert_eq!(found["msg_type"], "\"b\"");
}

#[test]
fn only_an_object_has_members() {
    for text in ["[]", "null", "\"{}\"", "1", "[{\"a\":1}]"] {
        assert_eq!(members_of(text), Err(Fault::NotObject));
    }
    assert_eq!(members_of("{\"a\":1"), Err(Fault::Syntax(6)));
}

#[test]
fn strings_decode_as_in_python_but_for_surrogates() {
    let decode = |raw: &'static [u8]| decode_string(raw).map(Cow::into_owned);
    assert_eq!(decode(b"\"abc\"").unwrap(), "abc");
    assert_eq!(
        decode(br#""\"\\\/\b\f\n\r\t\u00e9""#).unwrap(),
        "\"\\/\u{8}\u{c}\n\r\t\u{e9}"
    );
    assert_eq!(decode(br#""\ud83d\ude00x""#).unwrap(), "\u{1f600}x");
    assert_eq!(decode(br#""\ud83dx\ude00""#).unwrap(), "\u{fffd}x\u{fffd}");
    assert_eq!(decode(br#""\ud83d\u0041""#).unwrap(), "\u{fffd}A");
    assert_eq!(decode(br#""\ud83d\ud83d\ude00""#).unwrap(), "\u{fffd}\u{1f600}");
    assert_eq!(decode(b"\"a\xffb\"").unwrap(), "a\u{fffd}b");
    assert_eq!(decode(b"\"\\n\xe2\x82\"").unwrap(), "\n\u{fffd}");
    for other in [&b"1"[..], b"null", b"\"", b"", b"{}"] {
        assert_eq!(decode_string(other), None);
    }
}

#[test]
fn an_array_has_elements_as_they_were_written() {
    let found = elements(br#" [ 1 , "a,]" ,[2,[3]], {"b": [4]} ,null] "#).unwrap();
    assert_eq!(found, [&b"1"[..], br#""a,]""#, b"[2,[3]]", br#"{"b": [4]}"#, b"null"]);
    assert_eq!(elements(b"[]"), Some(vec![]));
    for other in [&b"{}"[..], b"[1", b"[1] 2", b"7", br#""a""#] {
        assert_eq!(elements(other), None);
    }
}

/// Mutates a text in a fixed order, often enough to reach each state of the scanner.
fn mutations(text: &str) -> Vec<String> {
    let spare = [
        "", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", ".", "e", "n", " ", "\n", "\u{e9}", "\\u0041",
    ];
    let mut out = vec![text.to_owned()];
    for (at, char) in text.char_indices() {
        for insert in spare {
            out.push(format!("{}{insert}{}", &text[..at], &text[at..]));
            out.push(format!("{}{insert}{}", &text[..at], &text[at + char.len_utf8()..]));
        }
    }
    out
}

#[test]
fn agrees_with_serde_json_on_what_serde_json_knows() {
    let seeds = [
        r#"{"a":1,"b":[true,null,{"c":"d\n"}],"e":-0.5e+10,"":{}}"#,
        r#"[ "x", {"y" : "\ud83d\ude00"} , 10, 0 ]"#,
        r#"{"header":{"msg_id":"1"},"content":"","a":"b","a":2}"#,
    ];
    let mut accepted = 0;
    for text in seeds.iter().flat_map(|seed| mutations(seed)) {
        let theirs = serde_json::from_str::<&RawValue>(&text);
        assert_eq!(check(text.as_bytes()).is_ok(), theirs.is_ok(), "{text}");
        if let Ok(array) = serde_json::from_str::<Vec<Box<RawValue>>>(&text) {
            let array: Vec<&[u8]> = array.iter().map(|value| value.get().as_bytes()).collect();
            assert_eq!(elements(text.as_bytes()), Some(array), "{text}");
        }
        if let Ok(object) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(&text) {
            let object: BTreeMap<_, _> = object.into_iter().map(|(k, v)| (k, v.get().to_owned())).collect();
            assert_eq!(members_of(&text).as_ref(), Ok(&object), "{text}");
            accepted += 1;
        }
    }
    assert!(accepted > 500, "{accepted}");
}
