//! What sources may not say, and how each opens.

use std::path::Path;

use super::tree::Tree;

/// Marks of unfinished work. Written in two parts, so that this file does not carry them itself.
const UNFINISHED: [&str; 3] =
    [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[", "ignore")];
/// The problems in the sources' text.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.sources() {
        if !text.starts_with("//!") {
            problems.push(format!("{path}: a file opens with a `//!` sentence"));
        }
        for (number, line) in (1..).zip(text.lines()) {
            problems.extend(
                UNFINISHED
                    .iter()
                    .filter(|mark| line.contains(*mark))
                    .map(|mark| format!("{path}:{number}: unfinished: {mark}")),
            );
        }
    }
    problems
}

/// Places that name the folder this checkout happens to stand in.
pub(crate) fn check_machine(tree: &Tree, root: &Path) -> Vec<String> {
    let folder = format!("{}/", root.display());
    tree.iter()
        .filter(|(_, text)| text.contains(&folder))
        .map(|(path, _)| format!("{path}: names {folder}, a path of this machine"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check_file(path: &str, text: &str, expected: Expect) {
        expected.assert_eq(&check(&Tree::of(&[(path, text)])).join("\n"));
    }

    #[test]
    fn unfinished_work_is_named_with_its_line() {
        for mark in UNFINISHED {
            let text = format!("//! A.\n{mark}");
            let problems = check(&Tree::of(&[("xtask/src/a.rs", &text)]));
            assert_eq!(problems, [format!("xtask/src/a.rs:2: unfinished: {mark}")]);
        }
    }

    #[test]
    fn a_file_without_an_opening_sentence_is_named() {
        check_file(
            "crates/a/src/b.rs",
            "use std::fs;\n",
            expect!["crates/a/src/b.rs: a file opens with a `//!` sentence"],
        );
    }

    #[test]
    fn generated_code_may_open_as_it_likes() {
        check_file("crates/a/src/gen/b.rs", "struct A;\n", expect![[""]]);
    }

    #[test]
    fn a_path_of_this_machine_is_named() {
        let tree = Tree::of(&[("README.md", "see /home/me/etcd/x"), ("LICENSE", "/home/me")]);
        expect!["README.md: names /home/me/etcd/, a path of this machine"]
            .assert_eq(&check_machine(&tree, Path::new("/home/me/etcd")).join("\n"));
    }
}
