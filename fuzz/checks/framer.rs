//! Any way of cutting a stream into chunks gives the same lines, and they are those of a simple model.

use roboppi_ipc::{Frame, LineFramer};

const LIMIT: usize = 16;

/// The first byte says how the others are cut.
pub(crate) fn check(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let expected = model(bytes);
    for size in [usize::from(*cut % 7) + 1, bytes.len().max(1)] {
        let mut framer = LineFramer::new(LIMIT);
        let mut found = Vec::new();
        for chunk in bytes.chunks(size) {
            framer.push(chunk, |frame| match frame {
                Frame::Line(line) => found.push(Some(line.to_vec())),
                Frame::TooLong { limit } => {
                    assert_eq!(limit, LIMIT);
                    found.push(None);
                }
            });
            assert!(framer.incomplete().len() <= LIMIT, "memory is bounded");
        }
        assert_eq!(found, expected, "chunks of {size}");
    }
}

/// Lines that fit, and `None` for one that does not. A line is too long when that is certain, so also when its end
/// has not come.
fn model(bytes: &[u8]) -> Vec<Option<Vec<u8>>> {
    let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    let fits = |line: &[u8]| (line.len() <= LIMIT).then(|| line.to_vec());
    let mut found: Vec<_> = lines.into_iter().map(fits).collect();
    if unfinished.len() > LIMIT {
        found.push(None);
    }
    found
}
