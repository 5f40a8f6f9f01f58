//! A systemd unit and its environment file, as far as they say what is run.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// A unit's settings in the order of the file; a name may be there more than once.
pub(crate) struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    /// Reads a unit's text.
    pub(crate) fn parse(text: &str) -> Result<Unit> {
        let mut settings = Vec::new();
        for line in meaningful(text).filter(|line| !line.starts_with('[')) {
            let (name, value) =
                line.split_once('=').with_context(|| format!("what is {line:?}?"))?;
            settings.push((name.trim().to_owned(), value.trim().to_owned()));
        }
        Ok(Unit { settings })
    }

    /// The value of a setting that must be there once.
    pub(crate) fn only(&self, wanted: &str) -> Result<&str> {
        let mut found = self.settings.iter().filter(|(name, _)| name == wanted);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => bail!("the unit must have one {wanted}="),
        }
    }

    /// The command line.
    pub(crate) fn command(&self) -> Result<Vec<String>> {
        let line = self.only("ExecStart")?;
        if line.contains(['"', '\'', '$', '%', '\\']) || !line.starts_with('/') {
            bail!("ExecStart={line} has words that are not understood here");
        }
        Ok(line.split_whitespace().map(str::to_owned).collect())
    }
}

/// The variables of an environment file, as systemd reads them; only whole values in double quotes
/// and plain words are understood here.
pub(crate) fn environment(text: &str) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for line in meaningful(text) {
        let (name, value) = line.split_once('=').with_context(|| format!("what is {line:?}?"))?;
        let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = quoted.unwrap_or(value);
        if value.contains(['"', '\'', '\\']) {
            bail!("{line:?} has quotes that are not understood here");
        }
        variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(variables)
}

fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_says_what_is_run() {
        let unit = "[Service]\n# why\nExecStart=/bin/p --a b\nUser=u\nProtect=1\nProtect=2\n";
        let unit = Unit::parse(unit).unwrap();
        assert_eq!(unit.command().unwrap(), ["/bin/p", "--a", "b"]);
        assert_eq!(unit.only("User").unwrap(), "u");
        assert!(unit.only("Protect").is_err());
        assert!(unit.only("Group").is_err());
    }

    #[test]
    fn an_environment_file_is_read_as_systemd_does() {
        let read = environment("#[Member]\nA=\"b c\"\nD=e=f\n\n").unwrap();
        let expected =
            [("A", "b c"), ("D", "e=f")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(read, BTreeMap::from(expected));
        assert!(environment("A=\"b\" \"c\"").is_err());
        assert!(environment("no variable").is_err());
    }
}
