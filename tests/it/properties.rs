//! properties
use crate::support::generate::*;
#[test]
fn generator_is_deterministic_and_rich() {
    let mut spans = 0;
    for seed in 0..200 {
        let a = Draw::seeded(seed, Options::default()).traces();
        let b = Draw::seeded(seed, Options::default()).traces();
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        spans += a
            .resource_spans
            .iter()
            .flat_map(|r| &r.scope_spans)
            .map(|s| s.spans.len())
            .sum::<usize>();
    }
    assert!(spans > 200, "{spans}");
}
