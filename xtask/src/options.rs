//! The arguments of one subcommand: named options first, and after `--` what is passed on.

use crate::error::Error;

/// Arguments not yet taken. `finish` refuses what nobody asked for, so that a typo is an error.
pub struct Options {
    command: &'static str,
    own: Vec<String>,
    passed_on: Vec<String>,
}

impl Options {
    /// Splits at the first `--`.
    pub fn new(command: &'static str, arguments: Vec<String>) -> Self {
        let mut parts = arguments.splitn(2, |argument| argument == "--");
        let own = parts.next().unwrap_or_default().to_vec();
        let passed_on = parts.next().unwrap_or_default().to_vec();
        Self { command, own, passed_on }
    }

    /// Takes `--name` and says whether it was there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.own.len();
        self.own.retain(|argument| argument != name);
        self.own.len() != before
    }

    /// Takes `--name VALUE` (or `--name=VALUE`) as a number.
    pub fn number(&mut self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        let number = text
            .parse()
            .map_err(|_| self.usage(&format!("{name} wants a whole number, not `{text}`")))?;
        Ok(Some(number))
    }

    /// Takes `--name VALUE` (or `--name=VALUE`).
    pub fn value(&mut self, name: &str) -> Result<Option<String>, Error> {
        let Some(at) = self.own.iter().position(|argument| {
            argument == name
                || argument.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
        }) else {
            return Ok(None);
        };
        let argument = self.own.remove(at);
        if let Some((_, value)) = argument.split_once('=') {
            return Ok(Some(value.to_owned()));
        }
        if at == self.own.len() {
            return Err(self.usage(&format!("{name} wants a value")));
        }
        Ok(Some(self.own.remove(at)))
    }

    /// Ends the reading: everything before `--` must have been taken. Returns what follows it.
    pub fn finish(self) -> Result<Vec<String>, Error> {
        match self.own.first() {
            Some(unknown) => Err(self.usage(&format!("unknown argument `{unknown}`"))),
            None => Ok(self.passed_on),
        }
    }

    /// As `finish`, but everything not taken is passed on too, also without a `--`.
    pub fn finish_passing_on(mut self) -> Vec<String> {
        self.own.append(&mut self.passed_on);
        self.own
    }

    fn usage(&self, what: &str) -> Error {
        Error::Usage(format!("{what}; `cargo xtask {} --help` tells more", self.command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::new("up", arguments.iter().map(|argument| argument.to_string()).collect())
    }

    #[test]
    fn reads_both_spellings_of_a_value() {
        for arguments in [&["--seeds", "7"][..], &["--seeds=7"][..]] {
            let mut options = options(arguments);
            assert_eq!(options.number("--seeds").unwrap(), Some(7));
            assert!(options.finish().unwrap().is_empty());
        }
    }

    #[test]
    fn refuses_what_nobody_took() {
        let error = options(&["--sedes", "7"]).finish().unwrap_err();
        assert!(error.to_string().contains("`--sedes`"), "{error}");
    }

    #[test]
    fn refuses_a_missing_or_wrong_value() {
        assert!(options(&["--seeds"]).number("--seeds").is_err());
        assert!(options(&["--seeds", "many"]).number("--seeds").is_err());
    }

    #[test]
    fn passes_on_what_follows_the_dashes() {
        let mut options = options(&["--seed", "1", "--", "--seed", "--help"]);
        assert_eq!(options.number("--seed").unwrap(), Some(1));
        assert_eq!(options.finish().unwrap(), ["--seed", "--help"]);
    }
}
