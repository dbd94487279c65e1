//! No secret passes, everything else does, and nothing depends on how a stream is cut.
//!
//! proptest prints the case it failed with, and keeps its seed next to this file.

use proptest::prelude::*;
use roboppi_redact::{MARKER, Redactor, SHORTEST, Secrets};
use serde_json::{Value, json};

/// What is seen of a stream that is pushed in pieces of these lengths, the last one repeated.
fn seen(secrets: &Secrets, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let mut redactor = Redactor::new(secrets).with_masks();
    let mut out = Vec::new();
    let (mut rest, mut at) = (text, 0);
    while !rest.is_empty() {
        let length = lengths[at.min(lengths.len() - 1)].clamp(1, rest.len());
        redactor.push(&rest[..length], &mut out);
        (rest, at) = (&rest[length..], at + 1);
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    out
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn percent(value: &str, upper: bool) -> String {
    let code = |byte: u8| match byte {
        _ if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => char::from(byte).to_string(),
        _ if upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    };
    value.bytes().map(code).collect()
}

fn escaped(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn ascii(value: &str, upper: bool) -> String {
    let unit = |unit: u16| if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") };
    let escape = |c: char| {
        if c.is_ascii() {
            c.to_string()
        } else {
            c.encode_utf16(&mut [0; 2]).iter().map(|u| unit(*u)).collect()
        }
    };
    escaped(value).chars().map(escape).collect()
}

/// Plain base64, worked out bit by bit, so differently from the crate.
fn base64(value: &[u8]) -> String {
    let bits: Vec<u8> = value.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)).collect();
    let sextet = |bits: &[u8]| bits.iter().chain([0; 6].iter()).take(6).fold(0, |sum, bit| sum << 1 | bit);
    let letter = |value: u8| match value {
        0..26 => b'A' + value,
        26..52 => b'a' + value - 26,
        52..62 => b'0' + value - 52,
        62 => b'+',
        _ => b'/',
    };
    bits.chunks(6).map(|bits| char::from(letter(sextet(bits)))).collect()
}

/// Every spelling that is promised, in something that makes it that spelling.
fn spelled(value: &str) -> Vec<String> {
    let mut all = vec![
        value.to_owned(),
        percent(value, true),
        percent(value, false),
        percent(value, true).replace("%20", "+"),
        escaped(value),
        escaped(value).replace('/', "\\/"),
        ascii(value, true),
        ascii(value, false),
        escaped(&escaped(value)),
        value.replace('\n', "\r\n"),
    ];
    all.sort();
    all.dedup();
    all
}

fn secret() -> impl Strategy<Value = String> {
    let plain = "[A-Za-z0-9_]{8,40}";
    let odd = r#"[a-c"\\/%+ <&=~é😀.-]{6,20}[A-Z]{2}"#;
    let repeated = "(ab){4,8}|a{8,20}";
    let key = "[A-Za-z]{8,12}\n[A-Za-z/+]{10,20}\n[a-z]{1,4}";
    prop_oneof![plain, odd, repeated, key]
        .prop_filter("long enough", |value| value.trim_end().len() >= SHORTEST)
}

/// Text with the same letters as some of the secrets, so that there are many near hits; and without stars, so that
/// markers can be told from it.
fn prose() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,30}", "[ -)+-~éü\n]{0,30}", r#"[\\"u0-9a]{0,12}"#]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_spelling_passes_at_any_split(
        value in secret(),
        before in "[!-)<-@ ]{0,9}",
        after in "[!-)<-@ ]{0,9}",
    ) {
        let secrets = Secrets::new([("CANARY", &value)]);
        for spelling in spelled(&value) {
            let text = format!("{before}{spelling}{after}");
            let whole = seen(&secrets, text.as_bytes(), &[text.len()]);
            prop_assert!(!contains(&whole, spelling.as_bytes()), "{spelling:?} passed");
            prop_assert!(contains(&whole, MARKER.as_bytes()));
            for split in 1..text.len() {
                prop_assert_eq!(&seen(&secrets, text.as_bytes(), &[split, text.len()]), &whole, "split at {}", split);
            }
            prop_assert_eq!(&seen(&secrets, text.as_bytes(), &[1]), &whole);
        }
    }

    #[test]
    fn base64_of_more_than_the_secret(value in secret(), before in 0_usize..5, after in 0_usize..5, url in any::<bool>()) {
        let secrets = Secrets::new([("CANARY", &value)]);
        let mut text = base64(&[vec![b'x'; before], value.clone().into_bytes(), vec![b'y'; after]].concat());
        if url {
            text = text.replace('+', "-").replace('/', "_");
        }
        let shown = String::from_utf8(seen(&secrets, text.as_bytes(), &[3])).unwrap();
        // What is left are the neighbours, and the characters they share with the secret.
        let left = shown.len() - shown.matches(MARKER).count() * MARKER.len();
        prop_assert!(left <= (before * 8).div_ceil(6) + (after * 8).div_ceil(6) + 2, "{shown}");
    }

    #[test]
    fn cuts_change_nothing_and_plain_parts_stay(
        values in prop::collection::vec(secret(), 1..4),
        parts in prop::collection::vec((prose(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..6),
        lengths in prop::collection::vec(1_usize..20, 1..20),
    ) {
        let secrets = Secrets::new(values.iter().map(|value| ("S", value)));
        let mut text = String::new();
        for (prose, value, spelling) in &parts {
            text.push_str(prose);
            let spellings = spelled(&values[value.index(values.len())]);
            text.push_str(&spellings[spelling.index(spellings.len())]);
        }
        let whole = seen(&secrets, text.as_bytes(), &[text.len()]);
        prop_assert_eq!(&seen(&secrets, text.as_bytes(), &lengths), &whole);
        for spelling in values.iter().flat_map(|value| spelled(value)) {
            prop_assert!(!contains(&whole, spelling.as_bytes()), "{spelling:?} passed");
        }
        // Once redacted, a text holds nothing more to take out; and what is left stood in the text, in order.
        prop_assert_eq!(&seen(&secrets, &whole, &[whole.len()]), &whole);
        let mut rest = text.as_str();
        for left in std::str::from_utf8(&whole).unwrap().split(MARKER) {
            let at = rest.find(left);
            prop_assert!(at.is_some(), "{left:?} was not in the text");
            rest = &rest[at.unwrap() + left.len()..];
        }
    }

    #[test]
    fn without_secrets_in_it_a_text_stays(text in "[a-f\\\\\"u0-9\n]{0,200}", lengths in prop::collection::vec(1_usize..9, 1..9)) {
        let secrets = Secrets::new([("S", "fedcbaXfedcba"), ("T", "abcabcX\nabcabcabcX")]);
        prop_assert_eq!(seen(&secrets, text.as_bytes(), &lengths), text.into_bytes());
    }

    #[test]
    fn json_stays_json(
        values in prop::collection::vec(r#"[a-c"\\/n u0-9é]{6,12}[a-z0-9]{2}"#, 1..4),
        parts in prop::collection::vec((r#"[a-c"\\/n u0-9é]{0,12}"#, any::<prop::sample::Index>()), 1..6),
        style in 0..3,
        length in 1_usize..50,
    ) {
        // A value with a quote of its own matches what is around strings too; that is not promised.
        let values: Vec<String> = values.iter().map(|value| value.replace('"', "\\").trim().to_owned()).collect();
        let secrets = Secrets::new(values.iter().map(|value| ("S", value)));
        let texts: Vec<String> = parts.iter().map(|(prose, value)| format!("{prose}{}{prose}", values[value.index(values.len())])).collect();
        let line = json!({ "type": "x", "texts": texts, "last": values[0] }).to_string();
        let line = match style { 0 => line, 1 => line.replace('/', "\\/"), _ => line.replace('é', "\\u00e9") };
        let shown = String::from_utf8(seen(&secrets, line.as_bytes(), &[length])).unwrap();
        let parsed: Result<Value, _> = serde_json::from_str(&shown);
        prop_assert!(parsed.is_ok(), "{line}\nbecame\n{shown}");
        let parsed = parsed.unwrap();
        prop_assert_eq!(&parsed["type"], "x");
        for value in values.iter().filter(|value| value.len() >= SHORTEST) {
            for text in parsed["texts"].as_array().unwrap() {
                prop_assert!(!text.as_str().unwrap().contains(value.as_str()), "{value:?} is in {text}");
            }
        }
    }

    #[test]
    fn growth_hides_what_is_not_out_yet(first in secret(), added in "[g-z]{8,30}", cut in any::<prop::sample::Index>()) {
        let secrets = Secrets::new([("S", &first)]);
        let text = format!("1 {added} 2 {first} 3 {added} 4 {first} 5");
        // At any place but within the value that is added.
        let at = cut.index(text.len());
        let inside = text.match_indices(&added).any(|(start, _)| at > start && at < start + added.len());
        prop_assume!(!inside);
        let mut redactor = Redactor::new(&secrets);
        let mut before = Vec::new();
        redactor.push(&text.as_bytes()[..at], &mut before);
        let _taken = secrets.add("ADDED", added.as_bytes());
        let mut out = Vec::new();
        redactor.push(&text.as_bytes()[at..], &mut out);
        redactor.finish(&mut out);
        prop_assert!(!contains(&out, added.as_bytes()));
        let all = [before, out].concat();
        prop_assert!(!contains(&all, first.as_bytes()));
    }

    #[test]
    fn masks_work_at_any_cut(value in "[g-z]{8,30}", prose in "[ -)+-9;-Z^-f\n]{0,40}", lengths in prop::collection::vec(1_usize..40, 1..9)) {
        let text = format!("{prose}\n::add-mask::{value}\n{prose}{value}{prose}\n");
        let shown = seen(&Secrets::default(), text.as_bytes(), &lengths);
        prop_assert_eq!(String::from_utf8(shown).unwrap(), format!("{prose}\n::add-mask::***\n{prose}***{prose}\n"));
    }

    #[test]
    fn no_more_is_held_than_the_longest_pattern(value in secret(), text in prose(), lengths in prop::collection::vec(1_usize..9, 1..9)) {
        let secrets = Secrets::new([("S", &value)]);
        let longest = spelled(&value).iter().map(String::len).max().unwrap().max(value.len() * 6 + 1);
        let mut redactor = Redactor::new(&secrets);
        let mut out = Vec::new();
        let text = format!("{text}{}", value.repeat(20));
        for length in lengths.iter().cycle().take(60) {
            redactor.push(&text.as_bytes()[..(*length).min(text.len())], &mut out);
            prop_assert!(redactor.held() < longest + 6);
        }
    }
}

#[test]
fn both_streams_of_a_child_share_the_set() {
    let secrets = Secrets::default();
    let (mut stdout, mut stderr) = (Redactor::new(&secrets).with_masks(), Redactor::new(&secrets));
    let (mut shown, mut errors) = (Vec::new(), Vec::new());
    stdout.push(b"::add-mask::s3cretvalue\n", &mut shown);
    stderr.push(b"failed: s3cretvalue\n", &mut errors);
    assert_eq!((shown.as_slice(), errors.as_slice()), (&b"::add-mask::***\n"[..], &b"failed: ***\n"[..]));
}
