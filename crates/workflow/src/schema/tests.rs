use super::*;

#[test]
fn every_kind_of_value_has_a_shape() {
    let unknown = |key: &&KeyDoc| key.status == KeyStatus::Supported && Shape::of(key).is_none();
    let unknown: Vec<_> = crate::keys::KEYS.iter().filter(unknown).map(|key| (key.name, key.kind)).collect();
    assert_eq!(unknown, []);
}

#[test]
fn links_of_the_reference_are_left_out() {
    assert_eq!(plain("[Usage limits](#usage-limits) of it: a [1] b"), "Usage limits of it: a [1] b");
    assert_eq!(plain("none"), "none");
}

#[test]
fn defaults_are_values_where_they_are_some() {
    assert_eq!(default("10"), Some(json!(10)));
    assert_eq!(default("24h"), Some(json!("24h")));
    assert_eq!(default("`abort`"), Some(json!("abort")));
    assert_eq!(default("false"), Some(json!(false)));
    for none in ["none", "`context` in the workspace", "15m for agents, `none` for `CUSTOM`", "`--on-limit`"]
    {
        assert_eq!(default(none), None, "{none}");
    }
}
