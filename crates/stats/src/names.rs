//! Names that are counted separately, as far as there is room for them.

use std::collections::BTreeMap;

/// The name under which everything is counted that has no room for a name of its own.
pub const OTHER: &str = "(other)";

/// Bytes of a name that are kept.
const LONGEST: usize = 200;

/// A name within bounds.
pub(crate) fn bounded(name: &str) -> String {
    let end = name.floor_char_boundary(LONGEST);
    if end == name.len() { name.to_owned() } else { format!("{}…", &name[..end]) }
}

/// The entry of a name, or the one of [`OTHER`] when there are `most` names.
pub(crate) fn entry<'a, T: Default>(map: &'a mut BTreeMap<String, T>, name: &str, most: usize) -> &'a mut T {
    let name = bounded(name);
    let key = if map.len() < most || map.contains_key(&name) { name } else { OTHER.to_owned() };
    map.entry(key).or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bound_are_counted_together() {
        let mut map = BTreeMap::<String, u32>::new();
        for number in 0..10 {
            *entry(&mut map, &number.to_string(), 3) += 1;
        }
        *entry(&mut map, "1", 3) += 1;
        let counts: Vec<_> = map.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(counts, [(OTHER, 7), ("0", 1), ("1", 2), ("2", 1)]);
        assert_eq!(bounded(&"é".repeat(200)).chars().count(), 101);
    }
}
