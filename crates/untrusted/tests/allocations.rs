//! Lines of the usual kinds cost no memory of their own.

#[path = "common/counting.rs"]
mod counting;

use counting::allocations;
use roboppi_untrusted::line_into;

#[test]
fn a_usual_line_allocates_nothing() {
    let lines = [
        "plain text #1 with a ## heading",
        "a line of Windows\r",
        "10%\r50%\r100%",
        "\x1b[32mPASS\x1b[0m in \x1b[1;38;5;9mcolours\x1b[m",
        "\x1b]8;;http://x\x1b\\a link\x1b]8;;\x1b\\ and \x1b[2K\x1b[?25l\x1b(B",
        "日本 e\u{301} — ✓ \u{200b}\0",
        "",
    ];
    let mut out = Vec::with_capacity(1024);
    for line in lines {
        for colour in [false, true] {
            let count = allocations(|| line_into(&mut out, line.as_bytes(), colour));
            assert_eq!(count, 0, "{line:?}, colour {colour}");
        }
    }
    assert!(allocations(|| line_into(&mut Vec::new(), b"text", false)) > 0, "they are counted");
}
