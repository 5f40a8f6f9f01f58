//! The part of a Dockerfile that says what is in the final image and how it starts.

use anyhow::{Context, Result, bail};

/// What the last stage of the file says, and the line before it that lays the files out.
pub(crate) struct Dockerfile {
    /// The shell's line that makes the files, in the stage that the last one copies from.
    pub(crate) layout: String,
    /// The folder in which that line runs.
    pub(crate) layout_folder: String,
    /// What the last stage starts from.
    pub(crate) base: String,
    /// What it copies.
    pub(crate) copies: Vec<Copied>,
    /// The user and the group that it runs as.
    pub(crate) user: (u32, u32),
    /// The folder that it starts in.
    pub(crate) folder: String,
    /// The program.
    pub(crate) entrypoint: Vec<String>,
    /// The ports it names.
    pub(crate) ports: Vec<String>,
}

/// One line that copies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Whose the copies are; else root's.
    pub(crate) owner: Option<(u32, u32)>,
}

/// A stage: what it starts from, its name, and its instructions.
struct Stage<'t> {
    base: &'t str,
    name: Option<&'t str>,
    instructions: Vec<(&'t str, &'t str)>,
}

impl Dockerfile {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Dockerfile> {
        let lines = lines(text);
        let stages = stages(&lines)?;
        let last = stages.last().context("it has no stage")?;
        let mut copies = Vec::new();
        let mut source = None;
        for (_, words) in last.instructions.iter().filter(|(name, _)| *name == "COPY") {
            let (stage, copied) = copy(words)?;
            copies.push(copied);
            source = Some(stage);
        }
        let source = source.context("the last stage copies nothing")?;
        let files = stages.iter().find(|stage| stage.name == Some(source));
        let files = files.with_context(|| format!("there is no stage {source}"))?;
        Ok(Dockerfile {
            layout: files.only("RUN")?.to_owned(),
            layout_folder: files.only("WORKDIR")?.to_owned(),
            base: last.base.to_owned(),
            copies,
            user: ids(last.only("USER")?)?,
            folder: last.only("WORKDIR")?.to_owned(),
            entrypoint: serde_json::from_str(last.only("ENTRYPOINT")?)?,
            ports: last.only("EXPOSE")?.split_whitespace().map(str::to_owned).collect(),
        })
    }
}

impl<'t> Stage<'t> {
    /// What stands behind an instruction that must be there once.
    fn only(&self, wanted: &str) -> Result<&'t str> {
        let mut found = self.instructions.iter().filter(|(name, _)| *name == wanted);
        match (found.next(), found.next()) {
            (Some((_, words)), None) => Ok(words),
            _ => bail!("the stage from {} must have one {wanted}", self.base),
        }
    }
}

/// The instructions, each on one line.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut goes_on = false;
    let meant = text.lines().map(str::trim);
    for line in meant.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (words, continues) = match line.strip_suffix('\\') {
            Some(words) => (words.trim_end(), true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| goes_on) {
            Some(last) => last.extend([" ", words]),
            None => lines.push(words.to_owned()),
        }
        goes_on = continues;
    }
    lines
}

fn stages(lines: &[String]) -> Result<Vec<Stage<'_>>> {
    let mut stages: Vec<Stage<'_>> = Vec::new();
    for line in lines {
        let (name, words) = line.split_once(' ').with_context(|| format!("what is {line:?}?"))?;
        let words = words.trim();
        if name == "FROM" {
            let (base, name) = match words.split_once(" AS ") {
                Some((base, name)) => (base, Some(name.trim())),
                None => (words, None),
            };
            stages.push(Stage { base, name, instructions: Vec::new() });
        } else {
            let stage = stages.last_mut().with_context(|| format!("{name} before FROM"))?;
            stage.instructions.push((name, words));
        }
    }
    Ok(stages)
}

/// The stage that is copied from, and what.
fn copy(words: &str) -> Result<(&str, Copied)> {
    let (mut stage, mut owner, mut paths) = (None, None, Vec::new());
    for word in words.split_whitespace() {
        if let Some(name) = word.strip_prefix("--from=") {
            stage = Some(name);
        } else if let Some(name) = word.strip_prefix("--chown=") {
            owner = Some(ids(name)?);
        } else if word.starts_with("--") {
            bail!("COPY {word} is not understood here");
        } else {
            paths.push(word.to_owned());
        }
    }
    let stage = stage.with_context(|| format!("COPY {words} is from no stage"))?;
    let [from, to] = <[String; 2]>::try_from(paths)
        .map_err(|paths| anyhow::anyhow!("COPY has {} paths instead of two", paths.len()))?;
    Ok((stage, Copied { from, to, owner }))
}

/// Numbers: Kubernetes cannot tell whether a name is root's.
fn ids(words: &str) -> Result<(u32, u32)> {
    let (user, group) = words.split_once(':').with_context(|| format!("{words} has no group"))?;
    Ok((user.parse()?, group.parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A comment\nFROM a AS build\nRUN one \\\n && two\n\nFROM build AS files\n\
        WORKDIR /image\nRUN install x \\\n    y\nFROM base:tag\nCOPY --from=files /image/usr /usr\n\
        COPY --from=files --chown=1:2 /image/d /d\nWORKDIR /d\nUSER 1:2\nEXPOSE 3 4\n\
        ENTRYPOINT [\"/usr/p\"]\n";

    #[test]
    fn the_last_stage_and_its_files_are_read() {
        let read = Dockerfile::parse(TEXT).unwrap();
        assert_eq!(read.layout, "install x y");
        assert_eq!(read.layout_folder, "/image");
        assert_eq!(read.base, "base:tag");
        assert_eq!(read.user, (1, 2));
        assert_eq!(read.ports, ["3", "4"]);
        assert_eq!(read.entrypoint, ["/usr/p"]);
        let copied =
            |from: &str, to: &str, owner| Copied { from: from.into(), to: to.into(), owner };
        let expected = [copied("/image/usr", "/usr", None), copied("/image/d", "/d", Some((1, 2)))];
        assert_eq!(read.copies, expected);
    }

    #[test]
    fn a_user_with_a_name_is_refused() {
        assert!(Dockerfile::parse(&TEXT.replace("USER 1:2", "USER nonroot")).is_err());
    }
}
