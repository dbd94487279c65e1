//! Where a run stands in a distributed trace: the W3C trace context it was started with, and the ids of its own spans.
//!
//! Ids are worked out of the id of the run, so the supervisor that hands them to workers, the exporter of a run that is over
//! and one that reads the record years later agree without a word.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::{AttemptRef, RunId, StepPath};

/// Whether a trace is recorded, in the flags of a context.
const SAMPLED: u8 = 1;

/// A W3C `traceparent`: the trace and the span that a program was started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Id of the trace.
    pub trace: TraceId,
    /// Id of the span above.
    pub span: SpanId,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

/// Id of a trace: 32 hexadecimal digits, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// Id of a span: 16 hexadecimal digits, not all of them zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// A text that is no `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a W3C traceparent")]
pub struct InvalidTraceParent;

/// The ids of a run and of what is in it.
#[derive(Clone, Debug)]
pub struct TraceIds {
    run: RunId,
    trace: TraceId,
    parent: Option<SpanId>,
}

impl TraceIds {
    /// Those of a run that was started within `parent`, or with a trace of its own.
    #[must_use]
    pub fn new(run: &RunId, parent: Option<TraceParent>) -> Self {
        let trace = parent.map_or_else(|| TraceId(digest(&["trace", run.as_str()])), |parent| parent.trace);
        Self { run: run.clone(), trace, parent: parent.map(|parent| parent.span) }
    }

    /// The trace that everything is in.
    #[must_use]
    pub const fn trace(&self) -> TraceId {
        self.trace
    }

    /// The span that the run is in, outside of it.
    #[must_use]
    pub const fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// The span of the run.
    #[must_use]
    pub fn of_run(&self) -> SpanId {
        self.span(&["run"])
    }

    /// The span of a step.
    #[must_use]
    pub fn of_step(&self, step: &StepPath) -> SpanId {
        self.span(&["step", step.as_str()])
    }

    /// The span of an attempt.
    #[must_use]
    pub fn of_attempt(&self, of: &AttemptRef) -> SpanId {
        self.span(&["attempt", &of.to_string()])
    }

    /// The span of the part `number` of an attempt.
    #[must_use]
    pub fn of_part(&self, of: &AttemptRef, number: usize) -> SpanId {
        self.span(&["part", &of.to_string(), &number.to_string()])
    }

    /// What the worker of an attempt is started with.
    #[must_use]
    pub fn for_worker(&self, of: &AttemptRef, sampled: bool) -> TraceParent {
        TraceParent { trace: self.trace, span: self.of_attempt(of), sampled }
    }

    fn span(&self, parts: &[&str]) -> SpanId {
        let all = [&["span", self.run.as_str()], parts].concat();
        SpanId(digest(&all))
    }
}

/// Which traces are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceSampler {
    /// Within a context its decision counts.
    pub follows_parent: bool,
    /// The share of all other traces, from 0 to 1.
    pub share: f64,
}

impl TraceSampler {
    /// Whether a trace is recorded. Every program of a trace that takes the same share takes the same traces.
    #[must_use]
    pub fn samples(self, parent: Option<TraceParent>, trace: TraceId) -> bool {
        if let Some(parent) = parent.filter(|_| self.follows_parent) {
            return parent.sampled;
        }
        let [.., a, b, c, d, e, f, g, h] = trace.0;
        let random = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
        #[expect(clippy::cast_precision_loss, reason = "a share of all traces need not be exact")]
        let place = random as f64 / (1_u64 << 63) as f64;
        place < self.share
    }
}

/// The beginning of a hash. Zero in the likeness of an id is none.
fn digest<const N: usize>(parts: &[&str]) -> [u8; N] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    let mut id = [0; N];
    id.copy_from_slice(&hash[..N]);
    if id.iter().all(|byte| *byte == 0) {
        id[N - 1] = 1;
    }
    id
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim().split('-');
        let mut part = || parts.next().ok_or(InvalidTraceParent);
        let [version] = hex::<1>(part()?)?;
        let trace = hex::<16>(part()?)?;
        let span = hex::<8>(part()?)?;
        let [flags] = hex::<1>(part()?)?;
        let has_more = parts.next().is_some();
        let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        if version == 0xff || (version == 0 && has_more) || is_zero(&trace) || is_zero(&span) {
            return Err(InvalidTraceParent);
        }
        Ok(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & SAMPLED != 0 })
    }
}

/// Bytes of lower-case hexadecimal digits, two for each.
fn hex<const N: usize>(text: &str) -> Result<[u8; N], InvalidTraceParent> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(InvalidTraceParent),
    };
    if text.len() != 2 * N {
        return Err(InvalidTraceParent);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_is_read_as_the_standard_has_it() {
        let parent: TraceParent = PARENT.parse().unwrap();
        assert_eq!(parent.to_string(), PARENT);
        assert!(parent.sampled);
        // Later versions may have more, and flags that this version does not know.
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02-what";
        assert!(!later.parse::<TraceParent>().unwrap().sampled);
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b-01",
        ] {
            assert_eq!(bad.parse::<TraceParent>(), Err(InvalidTraceParent), "{bad}");
        }
    }

    #[test]
    fn the_ids_of_a_run_are_its_own_and_always_the_same() {
        let run = RunId::parse("r1").unwrap();
        let ids = TraceIds::new(&run, None);
        let of = AttemptRef::first("a".into());
        let all = [
            ids.of_run(),
            ids.of_step(&"a".into()),
            ids.of_attempt(&of),
            ids.of_part(&of, 0),
            ids.of_part(&of, 1),
            TraceIds::new(&RunId::parse("r2").unwrap(), None).of_run(),
        ];
        let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), all.len());
        assert_eq!(TraceIds::new(&run, None).of_attempt(&of), ids.of_attempt(&of));
        let within = TraceIds::new(&run, Some(PARENT.parse().unwrap()));
        assert_eq!(within.trace().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(within.parent().unwrap().to_string(), "00f067aa0ba902b7");
        let worker = within.for_worker(&of, true).to_string();
        assert_eq!(worker, format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", within.of_attempt(&of)));
    }

    #[test]
    fn a_trace_is_recorded_as_its_parent_is_or_by_its_share() {
        let parent: TraceParent = PARENT.parse().unwrap();
        let off = TraceParent { sampled: false, ..parent };
        let of = |follows_parent, share| TraceSampler { follows_parent, share };
        let last = |last: u8| TraceId([[0; 8], [last, 0, 0, 0, 0, 0, 0, 1]].concat().try_into().unwrap());
        assert!(of(true, 1.0).samples(None, last(0xff)) && of(true, 1.0).samples(Some(parent), parent.trace));
        assert!(
            !of(true, 1.0).samples(Some(off), parent.trace)
                && of(true, 0.0).samples(Some(parent), parent.trace)
        );
        assert!(
            of(false, 1.0).samples(Some(off), parent.trace)
                && !of(false, 0.0).samples(Some(parent), parent.trace)
        );
        assert!(of(false, 0.5).samples(None, last(0x70)) && !of(false, 0.5).samples(None, last(0x90)));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-fA-F-]{0,60}|.{0,60}") {
            if let Ok(parent) = text.parse::<TraceParent>() {
                prop_assert_eq!(parent.to_string().parse::<TraceParent>(), Ok(parent));
            }
        }
    }
}
