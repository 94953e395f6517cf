//! Names without secrets.

/// Takes user information, query and fragment off a URL. What is no URL stays as it is.
pub(super) fn without_secrets(name: &str) -> String {
    let name = name.trim();
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme = name.split_once(':').map(|(scheme, _)| scheme);
    if !scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(is_scheme)) {
        return name.to_owned();
    }
    let name = name.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = name.split_once("://") else {
        return name.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_names_stay() {
        for (name, expected) in [
            ("eu", "eu"),
            ("the second in Europe: why?", "the second in Europe: why?"),
            ("otlp+grpc://host:4317", "otlp+grpc://host:4317"),
            (
                "otlp+grpc://user:pass@host:4317?header.x=s",
                "otlp+grpc://host:4317",
            ),
            ("otlp+http://a@b:c@host/v1/@x#f", "otlp+http://host/v1/@x"),
            ("influxdb+http://:p@h:1/?token=t", "influxdb+http://h:1/"),
            ("console:?to=stderr", "console:"),
            (
                "file:///var/log/x.jsonl?rotate=1",
                "file:///var/log/x.jsonl",
            ),
            ("<b>?", "<b>?"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(name), expected, "{name}");
        }
    }
}
