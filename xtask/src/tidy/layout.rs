//! Where files may stand, what they may be called, and how long they may be.

use std::collections::BTreeSet;

use super::tree::Tree;

/// All that may stand at the top, beside dot-files.
const TOP: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "README.md",
    "LICENSE",
    "crates",
    "proto",
    "deploy",
    "xtask",
    "tests",
];
/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 5] = ["util", "utils", "common", "core", "helpers"];
/// The longest file, in lines.
const LINES: usize = 600;

/// The problems of layout.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = top_level(tree);
    problems.extend(readmes(tree));
    problems.extend(names(tree));
    problems.extend(lengths(tree));
    problems
}

fn top_level(tree: &Tree) -> Vec<String> {
    let top: BTreeSet<_> =
        tree.iter().map(|(path, _)| path.split('/').next().unwrap_or(path)).collect();
    top.into_iter()
        .filter(|name| !name.starts_with('.') && !TOP.contains(name))
        .map(|name| format!("{name}: does not belong at the top"))
        .collect()
}

fn readmes(tree: &Tree) -> Vec<String> {
    tree.crates()
        .into_iter()
        .map(|name| format!("crates/{name}/README.md"))
        .filter(|path| tree.get(path).is_none_or(|text| text.trim().is_empty()))
        .map(|path| format!("{path}: each crate says what it is"))
        .collect()
}

fn names(tree: &Tree) -> Vec<String> {
    let crates = tree.crates().into_iter().filter(|name| {
        EMPTY_NAMES.contains(name) || EMPTY_NAMES.contains(&name.trim_start_matches("etcd-"))
    });
    let crates = crates.map(|name| format!("crates/{name}"));
    let modules = tree.sources().filter(|(path, _)| {
        let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
        module.rsplit('/').next().is_some_and(|name| EMPTY_NAMES.contains(&name))
    });
    crates
        .chain(modules.map(|(path, _)| path.to_owned()))
        .map(|path| format!("{path}: the name says nothing of what is inside"))
        .collect()
}

fn lengths(tree: &Tree) -> Vec<String> {
    tree.sources()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES)
        .map(|(path, lines)| format!("{path}: {lines} lines; split it by noun ({LINES} at most)"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_files(files: &[(&str, &str)], expected: Expect) {
        expected.assert_eq(&check(&Tree::of(files)).join("\n"));
    }

    #[test]
    fn a_tidy_tree_has_no_problems() {
        check_files(
            &[
                ("Cargo.toml", ""),
                (".ci/run", ""),
                ("crates/etcd-mvcc/README.md", "# etcd-mvcc"),
                ("crates/etcd-mvcc/src/lib.rs", "//! Keys."),
                ("crates/etcd-mvcc/src/gen/long.rs", &"\n".repeat(LINES + 1)),
            ],
            expect![[""]],
        );
    }

    #[test]
    fn strangers_at_the_top_are_named() {
        check_files(
            &[("Makefile", ""), ("scripts/build.sh", "")],
            expect![[r#"
                Makefile: does not belong at the top
                scripts: does not belong at the top"#]],
        );
    }

    #[test]
    fn a_crate_without_a_readme_is_named() {
        check_files(
            &[("crates/a/src/lib.rs", ""), ("crates/b/README.md", "\n")],
            expect![[r#"
            crates/a/README.md: each crate says what it is
            crates/b/README.md: each crate says what it is"#]],
        );
    }

    #[test]
    fn names_that_say_nothing_are_named() {
        check_files(
            &[
                ("crates/etcd-core/README.md", "text"),
                ("crates/a/README.md", "text"),
                ("crates/a/src/util.rs", ""),
                ("tests/tests/common/mod.rs", ""),
            ],
            expect![[r#"
                crates/etcd-core: the name says nothing of what is inside
                crates/a/src/util.rs: the name says nothing of what is inside
                tests/tests/common/mod.rs: the name says nothing of what is inside"#]],
        );
    }

    #[test]
    fn a_file_of_one_line_too_many_is_named() {
        check_files(
            &[
                ("xtask/src/fits.rs", &"\n".repeat(LINES)),
                ("xtask/src/long.rs", &"\n".repeat(LINES + 1)),
            ],
            expect!["xtask/src/long.rs: 601 lines; split it by noun (600 at most)"],
        );
    }
}
