//! Command lines: positional words, `--key value` pairs and bare `--flags`.

use std::str::FromStr;

use crate::Result;

/// The command line, taken apart as the program asks for its pieces.
#[derive(Debug)]
pub struct Args {
    words: Vec<String>,
}

impl Args {
    /// The arguments of this process, without its name.
    #[must_use]
    pub fn from_env() -> Self {
        Self {
            words: std::env::args().skip(1).collect(),
        }
    }

    /// Removes `--name` and says whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let found = self.words.iter().position(|word| word == name);
        found.map(|at| self.words.remove(at)).is_some()
    }

    /// Removes `--name VALUE` and gives the value.
    ///
    /// # Errors
    /// When the value is missing or does not parse.
    pub fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.words.iter().position(|word| word == name) else {
            return Ok(None);
        };
        self.words.remove(at);
        if at == self.words.len() {
            return Err(format!("{name} wants a value").into());
        }
        let value = self.words.remove(at);
        let parsed = value
            .parse()
            .map_err(|_| format!("{name} does not take {value:?}"))?;
        Ok(Some(parsed))
    }

    /// Removes every `--name VALUE`.
    ///
    /// # Errors
    /// When a value is missing.
    pub fn options(&mut self, name: &str) -> Result<Vec<String>> {
        let mut values = Vec::new();
        while let Some(value) = self.option(name)? {
            values.push(value);
        }
        Ok(values)
    }

    /// Removes `--name A,B,C`: `None` means that every one is wanted.
    ///
    /// # Errors
    /// When the value is missing.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<String>>> {
        let value: Option<String> = self.option(name)?;
        Ok(value.map(|list| list.split(',').map(str::to_owned).collect()))
    }

    /// Takes the next positional word.
    ///
    /// # Errors
    /// When there is none, or it does not parse.
    pub fn next<T: FromStr>(&mut self, what: &str) -> Result<T> {
        if self.words.is_empty() {
            return Err(format!("missing argument: {what}").into());
        }
        let word = self.words.remove(0);
        word.parse()
            .map_err(|_| format!("{what} cannot be {word:?}").into())
    }

    /// Ends the parsing.
    ///
    /// # Errors
    /// When words are left over: a misspelt option must not change a measurement silently.
    pub fn finish(self) -> Result<()> {
        match self.words.first() {
            Some(word) => Err(format!("unknown argument {word:?}").into()),
            None => Ok(()),
        }
    }
}
