//! What redaction costs: `cargo bench -p roboppi-redact`. Prints numbers, judges nothing.
//!
//! The searchers are compared on the patterns of the same twenty secrets, next to what a stream costs anyway:
//! copying it and finding its lines.

#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark measures and prints, and stops when it cannot go on"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aho_corasick::{AhoCorasick, AhoCorasickKind, packed};
use memchr::memmem;
use roboppi_redact::{MOST_VALUES, Redactor, Secrets, Taken};

const CHUNK: usize = 64 * 1024;
const TOTAL: usize = 64 * 1024 * 1024;

fn main() {
    let values = values();
    let secrets = Secrets::new(values.iter().map(|value| ("S", value)));
    println!("{secrets:?}");
    grown();
    chosen();
    for (name, text) in texts(&values) {
        println!("{name}:");
        measure("copy", &text, |chunk, out| out.extend_from_slice(chunk));
        measure("find newlines", &text, |chunk, _| {
            black_box(memchr::memchr_iter(b'\n', chunk).count());
        });
        let mut redactor = Redactor::new(&secrets);
        measure("redact", &text, |chunk, out| redactor.push(chunk, out));
        let mut redactor = Redactor::new(&secrets).with_masks();
        measure("redact, with masks", &text, |chunk, out| redactor.push(chunk, out));
        let mut redactor = Redactor::new(&secrets).with_masks();
        measure("redact, 100 bytes at once", &text, |chunk, out| {
            chunk.chunks(100).for_each(|line| redactor.push(line, out));
        });
        searchers(&values, &text);
    }
}

/// What a command costs that has value after value hidden. A core does nothing else meanwhile.
fn grown() {
    let mut random = Random(13);
    let values: Vec<String> = (0..MOST_VALUES).map(|_| random.letters(40)).collect();
    let start = Instant::now();
    let secrets = Secrets::default();
    let mut longest = Duration::ZERO;
    for value in &values {
        let start = Instant::now();
        black_box(secrets.add("S", value.as_bytes()) == Taken::Added);
        longest = longest.max(start.elapsed());
    }
    let one_by_one = start.elapsed();
    let start = Instant::now();
    black_box(Secrets::new(values.iter().map(|value| ("S", value))));
    println!(
        "{MOST_VALUES} values: one by one {one_by_one:?}, the longest {longest:?}; all at once {:?}",
        start.elapsed()
    );
}

/// What it costs when a worker has chosen both the values and the text so that it costs much.
fn chosen() {
    println!("chosen to be slow:");
    let all = |value: Vec<u8>| vec![value];
    let thousand = |value: &dyn Fn(usize) -> String| (0..1000).map(|at| value(at).into_bytes()).collect();
    let a = |count: usize| "a".repeat(count);
    let words = |word: &str, count: usize| word.repeat(count).into_bytes();
    type Case = (&'static str, Vec<Vec<u8>>, Vec<u8>);
    let cases: [Case; 8] = [
        ("60,000 a and b, in a", all((a(60_000) + "b").into()), words("a", 1 << 22)),
        ("60,000 a, in a", all(a(60_000).into()), words("a", 1 << 22)),
        ("60,000 a, in runs that are too short", all(a(60_000).into()), words(&(a(59_999) + "b"), 70)),
        (
            "a word 7,500 times, in words",
            all([words("abcdefgh", 7_500), b"-".into()].concat()),
            words("abcdefgh", 1 << 19),
        ),
        (
            "1,000 of a with a number at the end, in a",
            thousand(&|at| format!("{}{at}", a(200))),
            words("a", 1 << 22),
        ),
        (
            "1,000 of a with different lengths, in a",
            thousand(&|at| a(8 + at % 500)),
            words(&(a(300) + "b"), 14_000),
        ),
        (
            "1,000 with one window, in that",
            thousand(&|at| format!("Z9Y8X7W6{}{at}", a(50))),
            words("Z9Y8X7W6", 1 << 19),
        ),
        (
            "1,000 with a window at different places",
            thousand(&|at| format!("{}Z9Y8X7W6{at}", "z".repeat(at % 200))),
            words("Z9Y8X7W6", 1 << 19),
        ),
    ];
    for (name, values, text) in cases {
        let secrets = Secrets::new(values.iter().map(|value| ("S", value)));
        let mut redactor = Redactor::new(&secrets);
        let start = Instant::now();
        let mut out = Vec::new();
        for chunk in text.chunks(CHUNK) {
            out.clear();
            redactor.push(chunk, &mut out);
        }
        println!("  {name:<46} {:>8.1} MB/s", text.len() as f64 / 1e6 / start.elapsed().as_secs_f64());
    }
}

/// The bare search for as many needles as redaction has, by each kind of searcher.
fn searchers(values: &[String], text: &[u8]) {
    let needles: Vec<Vec<u8>> = values.iter().flat_map(|value| ten_needles(value.as_bytes())).collect();
    for size in [8, 16, 32, 64, 128] {
        let build = |part: &[Vec<u8>]| {
            packed::Config::new().heuristic_pattern_limits(false).builder().extend(part).build()
        };
        let Some(groups) = needles.chunks(size).map(build).collect::<Option<Vec<_>>>() else { continue };
        measure(&format!("  packed, groups of {size}"), text, |chunk, _| {
            for group in &groups {
                black_box(group.find_iter(chunk).count());
            }
        });
    }
    for kind in [AhoCorasickKind::DFA, AhoCorasickKind::ContiguousNFA] {
        let all = AhoCorasick::builder().kind(Some(kind)).build(&needles).expect("few needles");
        measure(&format!("  one automaton, {kind:?}"), text, |chunk, _| {
            black_box(all.find_iter(chunk).count());
        });
    }
    let finders: Vec<_> = needles.iter().map(memmem::Finder::new).collect();
    measure("  memmem for each", text, |chunk, _| {
        for finder in &finders {
            black_box(finder.find_iter(chunk).count());
        }
    });
}

/// Eight bytes each, and together about as many as the patterns of the values have.
fn ten_needles(value: &[u8]) -> Vec<Vec<u8>> {
    (0..10).map(|at| value[at..at + 8].to_vec()).collect()
}

fn measure(name: &str, text: &[u8], mut step: impl FnMut(&[u8], &mut Vec<u8>)) {
    let mut out = Vec::with_capacity(2 * CHUNK);
    let mut best = Duration::MAX;
    // Best of three: other work on the machine only ever slows down.
    for _ in 0..3 {
        let start = Instant::now();
        let mut done = 0;
        // Slow ones are measured on less.
        while done < TOTAL && start.elapsed() < Duration::from_millis(120) {
            for chunk in text.chunks(CHUNK) {
                out.clear();
                step(chunk, &mut out);
                black_box(&out);
            }
            done += text.len();
        }
        best = best.min(start.elapsed() * 1_000_000 / (done / 1000) as u32);
    }
    println!("  {name:<30} {:>8.2} GB/s", 1e6 / best.as_nanos() as f64 * 1e3);
}

/// Twenty secrets of the kinds that occur: tokens with well-known beginnings, passwords, one key of many lines.
fn values() -> Vec<String> {
    let mut random = Random(7);
    let mut values = Vec::new();
    for prefix in ["ghp_", "sk-ant-api03-", "AKIA", "xoxb-", "glpat-", "npm_"] {
        for _ in 0..3 {
            values.push(format!("{prefix}{}", random.letters(36)));
        }
    }
    values.push("correct horse/battery+staple\"!".into());
    let lines: Vec<_> = (0..27).map(|_| random.letters(64)).collect();
    values.push(format!("-----BEGIN KEY-----\n{}\n-----END KEY-----\n", lines.join("\n")));
    values
}

fn texts(values: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random(11);
    let (mut log, mut base64, mut json, mut near, mut full) = (vec![], vec![], vec![], vec![], vec![]);
    let mut at = 0;
    while log.len() < 4 * 1024 * 1024 {
        at += 1;
        log.extend(format!(
            "2026-01-02T03:04:{:02}.{:03}Z INFO  build: compiled crate number {at} in {} ms, {} warnings, see target/debug/build-{}\n",
            at % 60, at % 1000, at % 977, at % 7, random.letters(8)
        ).into_bytes());
        base64.extend(format!("{}\n", random.letters(76)).into_bytes());
        json.extend(format!(
            "{{\"type\":\"assistant\",\"message\":{{\"id\":\"msg_{}\",\"content\":[{{\"type\":\"text\",\"text\":\"line one\\nline \\\"two\\\" of {at}\\n\"}}]}}}}\n",
            random.letters(22)
        ).into_bytes());
        let value = &values[at % 18];
        near.extend(format!("{} {}\n", &value[..value.len() - 1], &value[1..]).into_bytes());
        full.extend(
            format!("a line with a secret {value} in it and some more text behind it, as it might be\n")
                .into_bytes(),
        );
    }
    vec![
        ("log lines", log),
        ("JSON lines", json),
        ("base64", base64),
        ("secrets but for one byte, end to end", near),
        ("a secret in each line", full),
    ]
}

/// Small, and the same for ever.
struct Random(u64);

impl Random {
    fn letters(&mut self, count: usize) -> String {
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let mut letter = || {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            char::from(letters[(self.0 >> 32) as usize % letters.len()])
        };
        (0..count).map(|_| letter()).collect()
    }
}
