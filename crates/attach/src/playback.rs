//! Where a replay is, how fast it goes, and what may be asked of it.

use std::fmt;
use std::str::FromStr;

use roboppi_ipc::UtcMillis;

/// How fast a replay goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// So many thousandths of the time it took.
    Thousandths(u32),
    /// As fast as it can be read.
    Max,
}

/// A text that is no speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a speed is a number of times, as `4x` or `0.5x`, up to 1000x, or `max`")]
pub struct InvalidSpeed;

impl Speed {
    /// As it was.
    pub const NORMAL: Self = Self::Thousandths(1_000);

    /// Those that are stepped through.
    const STEPS: [Self; 10] = [
        Self::Thousandths(250),
        Self::Thousandths(500),
        Self::NORMAL,
        Self::Thousandths(2_000),
        Self::Thousandths(4_000),
        Self::Thousandths(8_000),
        Self::Thousandths(16_000),
        Self::Thousandths(32_000),
        Self::Thousandths(64_000),
        Self::Max,
    ];

    /// A sort key: the faster the greater.
    const fn rank(self) -> u32 {
        match self {
            Self::Thousandths(speed) => speed,
            Self::Max => u32::MAX,
        }
    }

    pub(crate) fn faster(self) -> Self {
        Self::STEPS.into_iter().find(|step| step.rank() > self.rank()).unwrap_or(self)
    }

    pub(crate) fn slower(self) -> Self {
        Self::STEPS.into_iter().rev().find(|step| step.rank() < self.rank()).unwrap_or(self)
    }
}

impl FromStr for Speed {
    type Err = InvalidSpeed;

    fn from_str(text: &str) -> Result<Self, InvalidSpeed> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let number: f64 = text.strip_suffix('x').unwrap_or(text).parse().map_err(|_| InvalidSpeed)?;
        if !(0.001..=1_000.0).contains(&number) {
            return Err(InvalidSpeed);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to a million")]
        Ok(Self::Thousandths((number * 1_000.0).round() as u32))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thousandths(speed) => write!(f, "{}x", f64::from(*speed) / 1_000.0),
            Self::Max => f.write_str("max"),
        }
    }
}

/// What a person asks of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayInput {
    /// Stand still, or go on; at the end, from the beginning.
    Toggle,
    /// Go so many milliseconds of the run forward, or back.
    SeekBy(i64),
    /// One step faster.
    Faster,
    /// One step slower.
    Slower,
    /// Nothing but time: it goes on.
    Woken,
}

/// Where a replay is. Times are milliseconds from the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// What is shown.
    pub at: u64,
    /// Where it ends.
    pub end: u64,
    /// How fast it goes.
    pub speed: Speed,
    /// It stands still.
    pub paused: bool,
}

/// The position of a replay, as a viewer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Playback {
    /// Where.
    pub position: Position,
    /// The time it was when that happened.
    pub now: UtcMillis,
}
