//! Durations in bounded memory.
//!
//! Figures are kept for each run, and most of them have a handful of durations. A histogram is therefore a short list of buckets, and
//! not the dense table of the usual libraries.

use serde::{Deserialize, Serialize};

/// Milliseconds below which a bucket has one value.
const EXACT: u64 = 64;

/// Buckets for each doubling above that. A value is at most a 64th off.
const SPLIT: u64 = 32;

/// Milliseconds, counted in buckets that grow with the value. Histograms of several runs can be added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Numbers of buckets in rising order, each with its count.
    #[serde(rename = "b")]
    buckets: Vec<(u16, u64)>,
    #[serde(rename = "s")]
    sum: u64,
    #[serde(rename = "l")]
    least: u64,
    #[serde(rename = "m")]
    most: u64,
}

impl Histogram {
    /// Adds one duration.
    pub fn add(&mut self, ms: u64) {
        let (least, most) = if self.is_empty() { (ms, ms) } else { (self.least.min(ms), self.most.max(ms)) };
        (self.least, self.most) = (least, most);
        self.sum = self.sum.saturating_add(ms);
        self.put(bucket(ms), 1);
    }

    /// Adds those of another one.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        (self.least, self.most) = if self.is_empty() {
            (other.least, other.most)
        } else {
            (self.least.min(other.least), self.most.max(other.most))
        };
        self.sum = self.sum.saturating_add(other.sum);
        for (bucket, count) in &other.buckets {
            self.put(*bucket, *count);
        }
    }

    fn put(&mut self, bucket: u16, count: u64) {
        match self.buckets.binary_search_by_key(&bucket, |(known, _)| *known) {
            Ok(at) => self.buckets[at].1 = self.buckets[at].1.saturating_add(count),
            Err(at) => self.buckets.insert(at, (bucket, count)),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// The value below which the share `quantile` of them is, from 0 to 1; `None` without any.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let count = self.count();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank, within bounds"
        )]
        let rank = ((count as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64).max(1);
        let mut passed = 0_u64;
        let found = self.buckets.iter().find(|(_, count)| {
            passed = passed.saturating_add(*count);
            passed >= rank
        });
        found.map(|(bucket, _)| middle(*bucket).clamp(self.least, self.most))
    }

    /// The figures that are shown; `None` without any.
    #[must_use]
    pub fn durations(&self) -> Option<Durations> {
        let count = self.count();
        Some(Durations {
            total: self.sum,
            mean: self.sum.checked_div(count)?,
            p50: self.quantile(0.5)?,
            p95: self.quantile(0.95)?,
            most: self.most,
        })
    }
}

/// What a histogram shows, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// The sum, exact.
    pub total: u64,
    /// The mean, exact.
    pub mean: u64,
    /// The median, within a 64th.
    pub p50: u64,
    /// The 95th percentile, within a 64th.
    pub p95: u64,
    /// The longest one, exact.
    pub most: u64,
}

/// The bucket of a value.
fn bucket(ms: u64) -> u16 {
    if ms < EXACT {
        return u16::try_from(ms).unwrap_or(u16::MAX);
    }
    let power = ms.ilog2();
    let place = (ms >> (power - SPLIT.ilog2())) - SPLIT;
    u16::try_from(EXACT + u64::from(power - EXACT.ilog2()) * SPLIT + place).unwrap_or(u16::MAX)
}

/// The middle of a bucket.
fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let Some(above) = bucket.checked_sub(EXACT) else { return bucket };
    let (power, place) = (above / SPLIT + u64::from(EXACT.ilog2()), above % SPLIT);
    let width_power = power.saturating_sub(u64::from(SPLIT.ilog2()));
    // A file that was written by other programs may have any number.
    if width_power > 58 {
        return u64::MAX;
    }
    let width = 1_u64 << width_power;
    (SPLIT + place).saturating_mul(width).saturating_add(width / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_never_far_from_its_values(ms in any::<u64>()) {
            let (found, off) = (middle(bucket(ms)), ms / 64 + 1);
            prop_assert!(found.abs_diff(ms) <= off, "{ms} in the bucket of {found}");
        }

        #[test]
        fn histograms_of_parts_are_added_to_that_of_all(
            values in prop::collection::vec(0_u64..10_000_000, 1..200), cut in 0_usize..200,
        ) {
            let cut = cut.min(values.len());
            let of = |values: &[u64]| {
                let mut all = Histogram::default();
                values.iter().for_each(|value| all.add(*value));
                all
            };
            let (mut first, all) = (of(&values[..cut]), of(&values));
            first.merge(&of(&values[cut..]));
            prop_assert_eq!(&first, &all);
            let text = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<Histogram>(&text).unwrap(), all.clone());

            let mut sorted = values.clone();
            sorted.sort_unstable();
            let durations = all.durations().unwrap();
            let sum: u64 = values.iter().sum();
            prop_assert_eq!((durations.total, durations.mean), (sum, sum / values.len() as u64));
            for (quantile, found) in [(50, durations.p50), (95, durations.p95), (100, durations.most)] {
                let exact = sorted[(sorted.len() * quantile).div_ceil(100) - 1];
                prop_assert!(found.abs_diff(exact) <= exact / 64 + 1, "{quantile}: {found}, exactly {exact}");
            }
        }

        #[test]
        fn any_bucket_of_a_file_is_read(bucket in any::<u16>(), count in any::<u64>()) {
            let text = format!(r#"{{"b":[[{bucket},{count}],[{bucket},{count}]],"s":1,"l":0,"m":{count}}}"#);
            let read: Histogram = serde_json::from_str(&text).unwrap();
            let _ = (read.durations(), read.count());
        }
    }

    #[test]
    fn nothing_has_no_figures() {
        assert_eq!(Histogram::default().durations(), None);
        let mut one = Histogram::default();
        one.add(1_234);
        let durations = one.durations().unwrap();
        assert_eq!((durations.p50, durations.p95, durations.mean), (1_234, 1_234, 1_234));
    }
}
