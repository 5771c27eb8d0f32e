//! Forms, as endpoints take them: `application/x-www-form-urlencoded` (RFC 6749 appendix B).

use form_urlencoded::Serializer;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::ConfigError;

/// Parameters to be sent.
#[derive(Default)]
pub(crate) struct Form<'a> {
    parameters: Vec<(&'a str, &'a str)>,
    /// Encoded already, and empty or not.
    payload: &'a str,
    /// What is sent, here or beside the form, and may show nowhere.
    secrets: Vec<&'a str>,
}

impl<'a> Form<'a> {
    pub(crate) fn add(&mut self, name: &'a str, value: &'a str) -> &mut Self {
        self.parameters.push((name, value));
        self
    }

    pub(crate) fn add_secret(&mut self, name: &'a str, value: &'a SecretString) -> &mut Self {
        self.hide(value).add(name, value.expose_secret())
    }

    /// Has a secret that is not sent in the form show nowhere either.
    pub(crate) fn hide(&mut self, value: &'a SecretString) -> &mut Self {
        self.secrets.push(value.expose_secret());
        self
    }

    pub(crate) fn extend(&mut self, extra: &'a Extra) -> &mut Self {
        for (name, value) in &extra.parameters {
            self.add_secret(name, value);
        }
        self.payload = extra.payload.as_ref().map_or("", |payload| payload.expose_secret());
        self
    }

    /// Whether one of the secrets stands in this text.
    pub(crate) fn shows_in(&self, text: &str) -> bool {
        // What is shorter tells nobody anything, and stands in any text.
        self.secrets.iter().any(|secret| secret.len() >= 4 && text.contains(secret))
    }

    pub(crate) fn encode(&self) -> SecretString {
        // A byte is three at most: no copy stays behind when it grows.
        let size = |(name, value): &(&str, &str)| 3 * (name.len() + value.len()) + 2;
        let size = self.parameters.iter().map(size).sum::<usize>() + self.payload.len();
        let mut form = Serializer::new(String::with_capacity(size + 1));
        form.extend_pairs(&self.parameters);
        let mut form = form.finish();
        // Behind others, which there always are: `grant_type`, or `token`.
        if !self.payload.is_empty() {
            form.push('&');
            form.push_str(self.payload);
        }
        form.into()
    }
}

/// Parameters that the user adds.
#[derive(Clone, Default)]
pub(crate) struct Extra {
    pub(crate) parameters: Vec<(String, SecretString)>,
    pub(crate) payload: Option<SecretString>,
}

impl Extra {
    /// "Request and response parameters MUST NOT be included more than once" (RFC 6749 §3.2).
    pub(crate) fn check(&self, reserved: &[&str]) -> Result<(), ConfigError> {
        let payload = self.payload.as_ref().map_or("", |payload| payload.expose_secret());
        let encoded = form_urlencoded::parse(payload.as_bytes()).map(|(name, _)| name.into_owned());
        let mut names = self.parameters.iter().map(|(name, _)| name.clone()).chain(encoded);
        match names.find(|name| reserved.contains(&name.as_str())) {
            Some(name) => {
                let problem = "is sent as other options say, and may not be sent twice";
                Err(ConfigError::new(format_args!("parameter `{name}`"), problem))
            }
            None => Ok(()),
        }
    }
}
