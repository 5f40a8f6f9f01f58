//! The results as a page of text, between two marks: what people wrote around them stays.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::results::Results;
use crate::table;

const BEGIN: &str = "<!-- Written by `cargo xtask bench --results`: begin -->";
const END: &str = "<!-- Written by `cargo xtask bench --results`: end -->";

/// Puts the results into the page, which is made when there is none.
pub(crate) fn write(path: &Path, results: &Results) -> Result<()> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("# Results\n\n{BEGIN}\n{END}\n")
        }
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    };
    let after = replace(&before, &page(results)?)
        .with_context(|| format!("{} stays as it was", path.display()))?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, after).with_context(|| format!("writing {}", path.display()))
}

/// The text with other words between its marks.
fn replace(text: &str, words: &str) -> Result<String> {
    if text.matches(BEGIN).count() != 1 || text.matches(END).count() != 1 {
        bail!("the text has not one line {BEGIN} and one line {END}");
    }
    let (before, rest) = text.split_once(BEGIN).context("the beginning was counted")?;
    let Some((_, after)) = rest.split_once(END) else { bail!("the marks are in the wrong order") };
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", words.trim()))
}

fn page(results: &Results) -> Result<String> {
    let mut page = String::new();
    writeln!(page, "Machine: {}", results.machine)?;
    writeln!(page, "\nTaken: {}, by `{}`\n", results.date, results.command)?;
    for program in &results.programs {
        writeln!(page, "- *{}*: {}", program.label, program.version)?;
    }
    writeln!(page, "\nRatios are of medians; from and to are the least and the greatest ratio of")?;
    writeln!(page, "two runs that followed each other, and stand in parentheses below.")?;
    if let Some(targets) = table::targets(results) {
        writeln!(page, "\n## Targets\n\n{targets}")?;
    }
    writeln!(page, "\n## Everything\n\n{}", table::everything(results))?;
    if let Some(others) = table::others(results) {
        writeln!(page, "\n{others}")?;
    }
    if !results.notes.is_empty() {
        writeln!(page, "\n## Not measured\n")?;
    }
    for note in &results.notes {
        writeln!(page, "- {note}")?;
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::results;

    #[test]
    fn what_stands_around_the_marks_survives() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("new/RESULTS.md");
        write(&path, &results(&[(20.0, 10.0)]))?;
        let first = fs::read_to_string(&path)?;
        fs::write(&path, format!("Before.\n{first}After.\n"))?;
        write(&path, &results(&[(50.0, 10.0)]))?;
        let text = fs::read_to_string(&path)?;
        assert!(text.starts_with("Before.\n# Results\n"));
        assert!(text.ends_with(&format!("{END}\nAfter.\n")));
        assert!(text.contains("5.00") && !text.contains("2.00"));
        Ok(())
    }

    #[test]
    fn a_page_without_marks_or_with_too_many_is_left_alone() {
        for text in [
            "prose".to_owned(),
            format!("{BEGIN}\n"),
            format!("{END}\n{BEGIN}\n"),
            format!("{BEGIN}\n{BEGIN}\n{END}\n"),
        ] {
            assert!(replace(&text, "words").is_err(), "{text}");
        }
    }
}
