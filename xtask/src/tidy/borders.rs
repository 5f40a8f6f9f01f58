//! Libraries that one crate keeps to itself: no other crate names them.

use super::manifests;
use super::tree::Tree;

struct Border {
    /// How sources name it.
    word: &'static str,
    /// How manifests name it, if the whole library is behind the border.
    library: Option<&'static str>,
    home: &'static str,
}

const BORDERS: [Border; 5] = [
    Border { word: "rocksdb::", library: Some("rocksdb"), home: "etcd-storage" },
    Border { word: "openraft::", library: Some("openraft"), home: "etcd-raft" },
    Border { word: "opentelemetry", library: Some("opentelemetry"), home: "etcd-spans" },
    Border { word: "tokio::net", library: None, home: "etcd-transport" },
    Border { word: "rustls_pemfile", library: Some("rustls-pemfile"), home: "etcd-transport" },
];

/// The places that reach across a border. What stands outside of `crates/` may, and so may a
/// crate's own tests.
pub(crate) fn check(tree: &Tree) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, text) in tree.iter() {
        let Some((name, rest)) = path.strip_prefix("crates/").and_then(|p| p.split_once('/'))
        else {
            continue;
        };
        for border in BORDERS.iter().filter(|border| border.home != name) {
            if rest.starts_with("src/") && rest.ends_with(".rs") {
                problems.extend(sources(path, text, border));
            } else if rest == "Cargo.toml" {
                problems.extend(manifest(path, text, border));
            }
        }
    }
    problems
}

fn sources(path: &str, text: &str, border: &Border) -> Vec<String> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains(border.word))
        .map(|(number, _)| format!("{path}:{number}: {} belongs to {}", border.word, border.home))
        .collect()
}

fn manifest(path: &str, text: &str, border: &Border) -> Vec<String> {
    manifests::dependencies(text)
        .filter(|line| Some(line.library()) == border.library)
        .map(|line| format!("{path}: {} belongs to {}", line.library(), border.home))
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
    fn each_library_stays_behind_its_border() {
        let uses = "//! Uses.\nuse rocksdb::DB;\nuse openraft::Raft;\nuse tokio::net::TcpStream;\n";
        check_file(
            "crates/etcd-storage/src/log.rs",
            uses,
            expect![[r#"
            crates/etcd-storage/src/log.rs:3: openraft:: belongs to etcd-raft
            crates/etcd-storage/src/log.rs:4: tokio::net belongs to etcd-transport"#]],
        );
        check_file(
            "crates/etcd-raft/src/log.rs",
            uses,
            expect![[r#"
            crates/etcd-raft/src/log.rs:2: rocksdb:: belongs to etcd-storage
            crates/etcd-raft/src/log.rs:4: tokio::net belongs to etcd-transport"#]],
        );
        check_file("tests/src/lib.rs", uses, expect![[""]]);
        check_file("crates/etcd-storage/tests/all.rs", uses, expect![[""]]);
    }

    #[test]
    fn a_manifest_asks_for_no_library_of_another_crate() {
        let text = "[dependencies]\nrocksdb.workspace = true\ntokio.workspace = true\n";
        check_file(
            "crates/etcd-mvcc/Cargo.toml",
            text,
            expect!["crates/etcd-mvcc/Cargo.toml: rocksdb belongs to etcd-storage"],
        );
        check_file("crates/etcd-storage/Cargo.toml", text, expect![[""]]);
        check_file("tests/Cargo.toml", text, expect![[""]]);
    }
}
