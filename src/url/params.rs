//! The parameters of a URL.

use percent_encoding::percent_decode_str;

use super::UrlError;

/// Parameters that are taken out one by one: what is left at the end is unknown.
pub(super) struct Params {
    scheme: &'static str,
    given: Vec<Param>,
    asked_for: Vec<&'static str>,
}

struct Param {
    /// Position in the URL, from 1.
    number: usize,
    name: String,
    value: String,
    /// Whether an ampersand in a secret before it may have cut a piece of the secret off, so
    /// that the name is not what it seems.
    after_secret: bool,
}

const HEADER: &str = "header.";
const HEADER_HELP: &str = "header.NAME";

impl Params {
    pub(super) fn parse(scheme: &'static str, query: &str) -> Result<Self, UrlError> {
        let mut given: Vec<Param> = Vec::new();
        let mut after_secret = false;
        for (index, pair) in query.split('&').enumerate() {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
                Ok(text) => Ok(text.into_owned()),
                Err(_) => Err(UrlError::new(
                    format!("parameter number {}", index + 1),
                    "it is not UTF-8 when percent-decoded",
                )),
            };
            let name = decoded(name)?;
            let is_secret =
                name.starts_with(HEADER) || matches!(&*name, "proxy" | "token" | "api_key");
            given.push(Param {
                number: index + 1,
                name,
                value: decoded(value)?,
                after_secret,
            });
            after_secret |= is_secret;
        }
        Ok(Self {
            scheme,
            given,
            asked_for: Vec::new(),
        })
    }

    /// Takes the value of a parameter.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<String>, UrlError> {
        self.asked_for.push(name);
        let mut found = self.given.extract_if(.., |param| param.name == name);
        let value = found.next().map(|param| param.value);
        if found.next().is_some() {
            return Err(UrlError::parameter(name, "it stands there twice"));
        }
        Ok(value)
    }

    /// Takes the value of a parameter and reads it.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, UrlError> {
        match self.take(name)? {
            Some(value) => read(&value)
                .map(Some)
                .map_err(|message| UrlError::parameter(name, message)),
            None => Ok(None),
        }
    }

    /// Takes all headers.
    pub(super) fn headers(&mut self) -> Vec<(String, String)> {
        self.prefixed(HEADER, HEADER_HELP)
    }

    /// Takes all whose name begins like this, without that.
    pub(super) fn prefixed(
        &mut self,
        prefix: &'static str,
        help: &'static str,
    ) -> Vec<(String, String)> {
        self.asked_for.push(help);
        let is_meant = |name: &str| name.len() > prefix.len() && name.starts_with(prefix);
        self.given
            .extract_if(.., |param| is_meant(&param.name))
            .map(|mut param| (param.name.split_off(prefix.len()), param.value))
            .collect()
    }

    /// Everything that may be given has been asked for: refuses what is left.
    pub(super) fn finish(self) -> Result<(), UrlError> {
        let Some(left) = self.given.first() else {
            return Ok(());
        };
        let part = if left.after_secret {
            format!("parameter number {}", left.number)
        } else {
            format!("parameter `{}`", left.name)
        };
        let allowed = self.asked_for.join(", ");
        let message = format!(
            "{}: knows no such parameter; there are {allowed}",
            self.scheme
        );
        Err(UrlError::new(part, message))
    }
}
