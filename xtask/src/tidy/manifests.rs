//! Versions stand in the root manifest, once each, and nowhere else.

use super::tree::Tree;

/// The problems of the manifests.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.iter() {
        match path {
            "Cargo.toml" => problems.extend(root(text)),
            path if path.ends_with("/Cargo.toml") => problems.extend(member(path, text)),
            _ => {}
        }
    }
    problems
}

/// Each of the workspace's dependencies has a version.
fn root(text: &str) -> Vec<String> {
    dependencies(text)
        .filter(|line| !line.value.starts_with('"') && !line.value.contains("version = \""))
        .map(|line| format!("Cargo.toml: {} has no version", line.name))
        .collect()
}

/// A member takes all versions from the workspace.
fn member(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for line in dependencies(text) {
        let inherits = line.name.ends_with(".workspace") && line.value == "true"
            || line.value.contains("workspace = true");
        if !inherits {
            problems.push(format!("{path}: {} does not say workspace = true", line.name));
        }
    }
    problems
}

/// One line of a table of dependencies.
pub(super) struct Line<'t> {
    name: &'t str,
    value: &'t str,
}

impl<'t> Line<'t> {
    /// What is depended on.
    pub(super) fn library(&self) -> &'t str {
        self.name.trim_end_matches(".workspace")
    }
}

/// The lines of every table of dependencies, `[dependencies.name]` tables among them.
pub(super) fn dependencies(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut inside = false;
    text.lines().map(str::trim).filter(|line| !line.starts_with('#')).filter_map(move |line| {
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            inside = table.split('.').any(|part| part.ends_with("dependencies"));
            return None;
        }
        let (name, value) = line.split_once('=').filter(|_| inside)?;
        Some(Line { name: name.trim(), value: value.trim() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_file(path: &str, text: &str, expected: Expect) {
        expected.assert_eq(&check(&Tree::of(&[(path, text)])).join("\n"));
    }

    #[test]
    fn a_member_that_inherits_everything_is_fine() {
        let text = "[package]\nname = \"a\"\nversion = \"1\"\n[dependencies]\n# why\n\
                    bytes.workspace = true\ntokio = { workspace = true, features = [\"net\"] }\n";
        check_file("crates/a/Cargo.toml", text, expect![[""]]);
    }

    #[test]
    fn a_version_outside_of_the_root_is_named() {
        let text = "[dev-dependencies]\nbytes = \"1\"\n[dependencies.serde]\nversion = \"1\"\n";
        check_file(
            "tests/Cargo.toml",
            text,
            expect![[r#"
            tests/Cargo.toml: bytes does not say workspace = true
            tests/Cargo.toml: version does not say workspace = true"#]],
        );
    }

    #[test]
    fn a_dependency_of_the_workspace_without_a_version_is_named() {
        let text = "[workspace.dependencies]\na = \"1\"\nb = { version = \"2\" }\n\
                    c = { path = \"crates/c\" }\n[profile.dev]\ndebug = 1\n";
        check_file("Cargo.toml", text, expect!["Cargo.toml: c has no version"]);
    }
}
