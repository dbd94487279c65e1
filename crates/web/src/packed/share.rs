//! How the room in a file is shared among attempts that do not all fit.

/// What an attempt needs, about, and how much more it counts than others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) bytes: u64,
    pub(super) weight: u64,
}

/// The shares, smallest need first: what one leaves is there for the others, so that small logs are whole and large ones share
/// the rest by their weights.
#[derive(Debug)]
pub(super) struct Shares {
    order: std::vec::IntoIter<(usize, u64)>,
    weights: u64,
    room: u64,
}

pub(super) fn shares(needs: impl Iterator<Item = Need>, room: u64) -> Shares {
    let mut order: Vec<(usize, Need)> = needs.enumerate().collect();
    order.sort_by_key(|(index, need)| (need.bytes / need.weight.max(1), *index));
    let weights = order.iter().map(|(_, need)| need.weight).sum();
    let order: Vec<_> = order.into_iter().map(|(index, need)| (index, need.weight)).collect();
    Shares { order: order.into_iter(), weights, room }
}

impl Shares {
    /// The next one, by its place among the needs, and the bytes that it may have.
    pub(super) fn next(&mut self) -> Option<(usize, u64)> {
        let (index, weight) = self.order.next()?;
        let share = u128::from(self.room) * u128::from(weight) / u128::from(self.weights.max(1));
        self.weights = self.weights.saturating_sub(weight);
        Some((index, u64::try_from(share).unwrap_or(self.room)))
    }

    /// Notes what one has taken.
    pub(super) const fn took(&mut self, bytes: u64) {
        self.room = self.room.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What each of them gets that takes what it needs, or all that it may have.
    fn taken(needs: &[Need], room: u64) -> Vec<u64> {
        let mut taken = vec![0; needs.len()];
        let mut shares = shares(needs.iter().copied(), room);
        while let Some((index, share)) = shares.next() {
            taken[index] = share.min(needs[index].bytes);
            shares.took(taken[index]);
        }
        taken
    }

    #[test]
    fn small_ones_are_whole_and_failed_ones_get_more() {
        let need = |bytes, weight| Need { bytes, weight };
        let needs = [need(1000, 1), need(10, 1), need(1000, 4), need(0, 1)];
        assert_eq!(taken(&needs, 5000), [1000, 10, 1000, 0]);
        assert_eq!(taken(&needs, 510), [100, 10, 400, 0]);
        assert_eq!(taken(&needs, 0), [0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn the_room_is_used_and_never_exceeded(
            needs in prop::collection::vec((0u64..10_000, 1u64..5), 0..20),
            room in 0u64..100_000,
        ) {
            let needs: Vec<Need> = needs.into_iter().map(|(bytes, weight)| Need { bytes, weight }).collect();
            let taken = taken(&needs, room);
            let (sum, wanted): (u64, u64) = (taken.iter().sum(), needs.iter().map(|need| need.bytes).sum());
            prop_assert!(sum <= room);
            // Rounding loses less than a byte for each.
            prop_assert!(sum + needs.len() as u64 >= wanted.min(room), "{} of {}", sum, wanted.min(room));
        }
    }
}
