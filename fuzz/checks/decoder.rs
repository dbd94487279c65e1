//! No line makes the decoder panic, and what it reads means the same when it is written again.

use roboppi_ipc::{Message, decode};

pub(crate) fn check(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(Ok(message)) = decode(line) else { continue };
        if matches!(message, Message::Unknown { .. }) {
            continue;
        }
        let mut written = Vec::new();
        message.encode(&mut written);
        assert_eq!(written.last(), Some(&b'\n'));
        assert_eq!(written.iter().filter(|byte| **byte == b'\n').count(), 1, "one line");
        match decode(&written) {
            Some(Ok(again)) => assert_eq!(format!("{again:?}"), format!("{message:?}")),
            other => panic!("{other:?} of {}", String::from_utf8_lossy(&written)),
        }
    }
}
