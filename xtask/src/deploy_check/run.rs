//! Running other programs, and saying what they said when they fail.

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Runs the command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} failed: {}\n{printed}{errors}", output.status);
    }
    Ok(printed)
}

/// Runs the command to its end.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_failing_program_said_is_shown() {
        let error = succeed(Command::new("ls").arg("/no such place")).unwrap_err().to_string();
        assert!(error.contains("/no such place"), "{error}");
        assert_eq!(output(Command::new("echo").arg("hello")).unwrap(), "hello\n");
    }
}
