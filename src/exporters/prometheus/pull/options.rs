//! What the builder sets.

use crate::exporters::prometheus::TranslationStrategy;

#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) namespace: String,
    pub(super) constant_labels: Vec<(String, String)>,
    pub(super) strategy: TranslationStrategy,
    pub(super) scope_info: bool,
    pub(super) target_info: bool,
    pub(super) resource_labels: Vec<Pattern>,
    /// Milliseconds; `None` for never.
    pub(super) expiration: Option<u64>,
    pub(super) max_series: usize,
    pub(super) created_lines: bool,
    pub(super) openmetrics: bool,
    pub(super) delta_up_down: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: String::new(),
            constant_labels: Vec::new(),
            strategy: TranslationStrategy::default(),
            scope_info: true,
            target_info: true,
            resource_labels: Vec::new(),
            expiration: Some(5 * 60 * 1000),
            max_series: 100_000,
            created_lines: false,
            openmetrics: true,
            delta_up_down: false,
        }
    }
}

/// A text with `*` for any number of any characters.
#[derive(Clone, Debug)]
pub(super) struct Pattern(String);

impl Pattern {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn matches(&self, key: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == key;
        };
        let Some(mut key) = key.strip_prefix(first) else {
            return false;
        };
        let mut parts = rest.split('*').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return key.ends_with(part);
            }
            // The earliest place leaves the most for what follows.
            match key.split_once(part) {
                Some((_, behind)) => key = behind,
                None => return false,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, key, expected) in [
            ("host.name", "host.name", true),
            ("host.name", "host.name2", false),
            ("k8s.*", "k8s.pod.name", true),
            ("k8s.*", "k8", false),
            ("*", "", true),
            ("*.name", "host.name", true),
            ("*.name", "host.names", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(key),
                expected,
                "{pattern} {key}"
            );
        }
    }
}
