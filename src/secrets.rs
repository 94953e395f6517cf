//! What a server must not get to write into our errors.

use http::HeaderValue;

/// Header values that must not come back in an error: some servers quote what they were sent.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    /// Notes a value, with the part of it behind a scheme such as `Bearer`.
    pub(crate) fn add(&mut self, value: &HeaderValue) {
        // Hiding a very short value would only garble the text.
        const SHORTEST: usize = 4;
        let Ok(value) = value.to_str() else {
            return;
        };
        let parts = [Some(value), value.split_once(' ').map(|(_, secret)| secret)];
        for part in parts.into_iter().flatten() {
            if part.len() >= SHORTEST {
                self.0.push(part.to_owned());
            }
        }
    }

    pub(crate) fn hide(&self, text: String) -> String {
        self.0.iter().fold(text, |text, secret| {
            if text.contains(secret) {
                text.replace(secret, "***")
            } else {
                text
            }
        })
    }
}
