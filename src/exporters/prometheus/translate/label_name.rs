//! Names of labels.

use super::TranslationStrategy;

/// The Prometheus name for an attribute's key; `None` if nothing is left of it, or if Prometheus
/// keeps the name for itself.
pub(crate) fn label_name(strategy: TranslationStrategy, key: &str) -> Option<String> {
    if key == "__name__" {
        return None;
    }
    let name = if strategy.escapes() {
        escaped(key)
    } else {
        key.to_owned()
    };
    (!name.bytes().all(|byte| byte == b'_')).then_some(name)
}

/// What no label may have becomes an underscore, and runs of them one.
fn escaped(key: &str) -> String {
    let is_reserved = key.len() > 4 && key.starts_with("__") && key.ends_with("__");
    let inner = if is_reserved {
        &key[2..key.len() - 2]
    } else {
        key
    };
    let mut out = String::with_capacity(key.len() + 4);
    for c in inner.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => out.push(c),
            _ if out.ends_with('_') => {}
            _ => out.push('_'),
        }
    }
    if is_reserved {
        return format!("__{out}__");
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_labels() {
        for (key, expected) in [
            ("http.method", Some("http_method")),
            ("plain", Some("plain")),
            ("a..b__c", Some("a_b_c")),
            ("_x", Some("_x")),
            ("0day", Some("key_0day")),
            ("__meta.x__", Some("__meta_x__")),
            ("é", None),
            ("", None),
            ("___", None),
            ("__name__", None),
            ("größe", Some("gr_e")),
        ] {
            let name = label_name(TranslationStrategy::default(), key);
            assert_eq!(name.as_deref(), expected, "{key}");
        }
    }

    #[test]
    fn without_escapes_the_key_stays() {
        let name = |key| label_name(TranslationStrategy::NoTranslation, key);
        assert_eq!(name("http.method").as_deref(), Some("http.method"));
        assert_eq!(name("é").as_deref(), Some("é"));
        assert_eq!(name(""), None);
        assert_eq!(name("__name__"), None);
    }
}
