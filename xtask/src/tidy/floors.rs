//! A crate uses only crates on lower floors. The floors are those of the map in `crates/README.md`.

use std::collections::BTreeMap;

use super::tree::Tree;
use crate::cargo::Package;

const MAP: &str = "crates/README.md";

/// The crates whose dependencies climb or stay on their floor, and those the map forgot.
pub(crate) fn check(tree: &Tree, packages: &[Package]) -> Vec<String> {
    let floors = floors(tree.get(MAP).unwrap_or_default());
    let mut problems = Vec::new();
    for name in tree.crates() {
        if !floors.contains_key(name) {
            problems.push(format!("{MAP}: {name} has no floor"));
        }
    }
    for name in floors.keys().filter(|name| !tree.crates().contains(*name)) {
        problems.push(format!("{MAP}: there is no crate {name}"));
    }
    for package in packages {
        let Some(floor) = floors.get(package.name.as_str()) else { continue };
        for dependency in &package.dependencies {
            let below = floors.get(dependency.name.as_str());
            if let Some(other) = below.filter(|other| *other >= floor) {
                problems.push(format!(
                    "{} (floor {floor}) uses {} (floor {other}): a crate uses only lower floors",
                    package.name, dependency.name
                ));
            }
        }
    }
    problems
}

/// The rows `| 3 | etcd-raft | … |` of the map.
fn floors(map: &str) -> BTreeMap<&str, u8> {
    map.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let floor = cells.next()?.parse().ok()?;
            Some((cells.next()?.trim_matches('`'), floor))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo::Dependency;
    use expect_test::{Expect, expect};

    const TABLE: &str = "| floor | crate |\n|---|---|\n| 2 | `b` | x |\n| 2 | c | y |\n| 1 | a |\n";

    fn check_uses(map: &str, uses: &[(&str, &str)], expected: Expect) {
        let tree = Tree::of(&[
            (MAP, map),
            ("crates/a/Cargo.toml", ""),
            ("crates/b/Cargo.toml", ""),
            ("crates/c/Cargo.toml", ""),
        ]);
        let package = |(name, other): &(&str, &str)| Package {
            id: String::new(),
            name: (*name).to_owned(),
            version: String::new(),
            manifest_path: String::new().into(),
            dependencies: vec![Dependency { name: (*other).to_owned() }],
        };
        let packages: Vec<_> = uses.iter().map(package).collect();
        expected.assert_eq(&check(&tree, &packages).join("\n"));
    }

    #[test]
    fn stepping_down_is_fine() {
        check_uses(TABLE, &[("b", "a"), ("c", "a"), ("a", "bytes")], expect![[""]]);
    }

    #[test]
    fn climbing_and_leaning_on_a_neighbour_are_named() {
        check_uses(
            TABLE,
            &[("a", "b"), ("c", "b")],
            expect![[r#"
            a (floor 1) uses b (floor 2): a crate uses only lower floors
            c (floor 2) uses b (floor 2): a crate uses only lower floors"#]],
        );
    }

    #[test]
    fn the_map_has_every_crate_and_no_other() {
        check_uses(
            "| 1 | a |\n| 2 | b |\n| 3 | d |",
            &[],
            expect![[r#"
            crates/README.md: c has no floor
            crates/README.md: there is no crate d"#]],
        );
    }
}
