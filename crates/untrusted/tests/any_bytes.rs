//! What the fuzz target checks, on its seeds and on bytes that are mostly escape sequences.

#[path = "../../../fuzz/checks/line.rs"]
mod line;

use proptest::prelude::*;

/// Pieces that mean something together.
const PIECES: [&[u8]; 48] = [
    b"\x1b",
    b"\x1b[",
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b\\",
    b"\x07",
    b"[",
    b"]",
    b"\\",
    b"m",
    b"K",
    b"0",
    b"31",
    b";",
    b":",
    b"?",
    b" ",
    b"\t",
    b"\r",
    b"\n",
    b"\x08",
    b"\0",
    b"\x7f",
    b"#",
    b"##",
    b"vso",
    b"::",
    b"text",
    b"~",
    b"a long piece of plain text that fills vectors",
    b"\xc2\x9b",
    b"\xc2\x9d",
    b"\xc2\x9c",
    b"\xc2\x85",
    b"\xc2",
    b"\x9b",
    b"\xff",
    b"\xe2\x80",
    b"\xae",
    b"\xe2\x80\xae",
    b"\xe2\x80\xa8",
    b"\xef\xbb\xbf",
    b"\xc3\xa4",
    b"\xe6\xbc\xa2",
    b"\xf0\x9f\x91\xa9",
    b"e\xcc\x81",
    b"\xf3\xa0\x81\x81",
];

macro_rules! seeds {
    ($($name:literal),*) => { [$(include_bytes!(concat!("../../../fuzz/corpus/line/", $name)).as_slice()),*] };
}

const SEEDS: [&[u8]; 15] = seeds![
    "colours",
    "commands",
    "controls",
    "hidden",
    "long_colour",
    "not_utf8",
    "only_returns",
    "plain",
    "returns",
    "sequences",
    "single",
    "strings",
    "strings_in_lines",
    "wide",
    "windows"
];

#[test]
fn seeds_are_shown_as_the_model_shows_them() {
    for bytes in SEEDS {
        // Each beginning of it, too: what is shown of a line that is not written to its end yet.
        for end in 1..=bytes.len() {
            line::check(&bytes[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_line_is_shown_as_the_model_shows_it(pieces in prop::collection::vec(prop_oneof![
        9 => prop::sample::select(&PIECES[..]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ], 0..30)) {
        line::check(&[b"\0", pieces.concat().as_slice()].concat());
    }
}
