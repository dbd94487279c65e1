//! Every byte arrives.

use crate::support::{Running, bash, ended, patient};
use roboppi_ipc::EndingPhase;
use roboppi_process::{Control, ExitKind, Spawn, StdinMode};

#[tokio::test]
async fn the_last_line_is_always_there() {
    for round in 0..200 {
        let (report, seen) = ended(bash("printf 'one\\ntwo'; printf 'three' >&2"), patient()).await;
        assert_eq!(report.exit, ExitKind::Code(0), "round {round}");
        assert_eq!(seen.stdout, b"one\ntwo", "round {round}");
        assert_eq!(seen.stderr, b"three", "round {round}");
        // Another test that forks holds copies of all pipes until it executes its program, so the exit may be seen first.
        assert!(
            seen.endings.iter().all(|ending| *ending == (EndingPhase::Draining, None)),
            "round {round}: {:?}",
            seen.endings
        );
        assert!(!report.pipes_left_open, "round {round}");
    }
}

#[tokio::test]
async fn both_streams_are_complete() {
    let script = "for n in {1..20000}; do echo out $n; echo err $n >&2; done";
    let (_, seen) = ended(bash(script), patient()).await;
    let expected = |word: &str| (1..=20000).map(|n| format!("{word} {n}\n")).collect::<String>();
    assert!(seen.stdout == expected("out").as_bytes());
    assert!(seen.stderr == expected("err").as_bytes());
}

#[tokio::test]
async fn a_lot_of_output_arrives_byte_for_byte() {
    const LENGTH: usize = 64 * 1024 * 1024;
    let line = b"0123456789abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\n";
    let line_text = std::str::from_utf8(line).unwrap().trim_end();
    let (report, seen) = ended(bash(&format!("yes '{line_text}' | head -c {LENGTH}")), patient()).await;
    assert_eq!(report.exit, ExitKind::Code(0));
    assert_eq!(seen.stdout.len(), LENGTH);
    let wrong = seen.stdout.iter().zip(line.iter().cycle()).position(|(got, wanted)| got != wanted);
    assert_eq!(wrong, None);
}

#[tokio::test]
async fn bytes_that_are_not_text_arrive_as_they_are() {
    let (_, seen) = ended(bash(r"printf '\xff\x00\xfe\r\n\x80'"), patient()).await;
    assert_eq!(seen.stdout, b"\xff\x00\xfe\r\n\x80");
}

#[tokio::test]
async fn output_goes_on_after_one_stream_was_closed() {
    let (report, seen) = ended(bash("echo first; exec >&-; echo second >&2; exit 4"), patient()).await;
    assert_eq!((seen.stdout.as_slice(), seen.stderr.as_slice()), (&b"first\n"[..], &b"second\n"[..]));
    assert_eq!(report.exit, ExitKind::Code(4));
}

#[tokio::test]
async fn a_child_that_closes_its_pipes_is_still_waited_for() {
    let mut running = Running::start(
        Spawn { stdin: StdinMode::Piped, ..bash("exec >&- 2>&-; read line; exit 6") },
        patient(),
    );
    running.until(|seen| seen.started.is_some()).await;
    running.tell(Control::Stdin(b"go\n".to_vec())).await;
    let (report, _) = running.end().await;
    assert_eq!(report.exit, ExitKind::Code(6));
}

#[tokio::test]
async fn stdin_is_empty_unless_it_is_piped() {
    let mut running = Running::start(bash("cat; echo end"), patient());
    running.tell(Control::Stdin(b"unheard".to_vec())).await;
    let (_, seen) = running.end().await;
    assert_eq!(seen.stdout, b"end\n");
}

#[tokio::test]
async fn stdin_is_written_whole_and_then_closed() {
    let mut running = Running::start(Spawn { stdin: StdinMode::Piped, ..bash("cat; echo end") }, patient());
    let text: Vec<u8> = (0..4_000_000u32).flat_map(u32::to_le_bytes).collect();
    for piece in text.chunks(1_000_000) {
        // What waits is bounded; the echo says when there is room.
        let written = running.until(|seen| seen.started.is_some()).await.stdout.len();
        running.tell(Control::Stdin(piece.to_vec())).await;
        running.until(|seen| seen.stdout.len() >= written + piece.len()).await;
    }
    running.tell(Control::CloseStdin).await;
    running.tell(Control::Stdin(b"too late".to_vec())).await;
    let (report, seen) = running.end().await;
    assert_eq!(report.exit, ExitKind::Code(0));
    assert!(seen.stdout.strip_suffix(b"end\n") == Some(&text));
}

#[tokio::test]
async fn a_child_that_does_not_read_its_stdin_is_not_harmed() {
    let mut running = Running::start(
        Spawn { stdin: StdinMode::Piped, ..bash("exec <&-; echo closed; sleep 0.01; exit 5") },
        patient(),
    );
    running.lines(1).await;
    running.tell(Control::Stdin(vec![0; 1_000_000])).await;
    running.tell(Control::CloseStdin).await;
    let (report, _) = running.end().await;
    assert_eq!((report.exit, report.reason), (ExitKind::Code(5), None));
}
