//! What the fuzz targets check, on bytes that are mostly messages.

#[path = "../../../fuzz/checks/core_server.rs"]
mod core_server;
#[path = "../../../fuzz/checks/decoder.rs"]
mod decoder;
#[path = "../../../fuzz/checks/framer.rs"]
mod framer;

use proptest::prelude::*;

const FIXTURES: [&str; 2] = [
    include_str!("../../../tests/protocol/fixtures/protocol-1.jsonl"),
    include_str!("../../../tests/protocol/fixtures/protocol-2.jsonl"),
];

/// Messages, some of them damaged, and malformed between them.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<&str> = FIXTURES.iter().flat_map(|text| text.lines()).collect();
    let message = prop::sample::select(lines).prop_map(|line| line.as_bytes().to_vec());
    let damaged = (message.clone(), any::<prop::sample::Index>(), any::<u8>(), any::<bool>()).prop_map(
        |(mut line, at, byte, cut)| {
            let at = at.index(line.len());
            line[at] = byte;
            if cut {
                line.truncate(at);
            }
            line
        },
    );
    let malformed = prop::collection::vec(any::<u8>(), 0..40);
    let line = prop_oneof![6 => message, 3 => damaged, 1 => malformed];
    (prop::collection::vec(line, 0..20), any::<bool>()).prop_map(|(lines, ended)| {
        let mut bytes = lines.join(&b'\n');
        if ended {
            bytes.push(b'\n');
        }
        bytes
    })
}

proptest! {
    #[test]
    fn the_framer_keeps_its_promises(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n')], 0..200)) {
        framer::check(&bytes);
    }

    #[test]
    fn the_decoder_keeps_its_promises(bytes in conversation()) {
        decoder::check(&bytes);
    }

    #[test]
    fn the_core_keeps_its_promises(bytes in conversation()) {
        core_server::check(&bytes);
    }
}
