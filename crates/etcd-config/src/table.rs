//! The table of all flags: the one place that the command line, the environment, files and the
//! help are driven by.

use crate::flag::Flag;
use crate::sections::{
    auth, clustering, discovery, hazards, logging, member, monitoring, process, security, tracing,
    tuning,
};

/// How far a misspelt name may be from a flag's to be taken for it, in single-letter changes.
const MAX_DISTANCE: usize = 3;

/// A section's title in the help, which several in a row may share, and its flags.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) flags: &'static [Flag],
}

/// All sections, in the help's order.
pub(crate) const SECTIONS: &[Section] = &[
    Section { title: "Member", flags: member::FLAGS },
    Section { title: "Clustering", flags: clustering::FLAGS },
    Section { title: "Clustering", flags: discovery::FLAGS },
    Section { title: "Security", flags: security::FLAGS },
    Section { title: "Auth", flags: auth::FLAGS },
    Section { title: "Profiling and Monitoring", flags: monitoring::FLAGS },
    Section { title: "Logging", flags: logging::FLAGS },
    Section { title: "Distributed tracing", flags: tracing::FLAGS },
    Section { title: "Features", flags: tuning::FLAGS },
    Section { title: "Unsafe feature", flags: hazards::FLAGS },
    Section { title: "Process", flags: process::FLAGS },
    Section { title: "Accepted without effect", flags: process::IGNORED },
];

/// Every flag, in the help's order.
pub(crate) fn flags() -> impl Iterator<Item = &'static Flag> {
    SECTIONS.iter().flat_map(|section| section.flags)
}

/// Every setting that a YAML file may have: the flags, and what no flag sets.
pub(crate) fn settings() -> impl Iterator<Item = &'static Flag> {
    flags().chain(security::ONLY_IN_YAML)
}

/// The flag of a name, if there is one.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    flags().find(|flag| flag.name == name)
}

/// The flag whose name, or whatever `of` makes of it, is nearest to a misspelt one.
pub(crate) fn nearest(misspelt: &str, of: impl Fn(&Flag) -> Option<String>) -> Option<String> {
    flags()
        .filter_map(of)
        .filter(|name| name.len().abs_diff(misspelt.len()) <= MAX_DISTANCE)
        .map(|name| (distance(&name, misspelt), name))
        .min()
        .filter(|(distance, name)| *distance <= MAX_DISTANCE.min(name.len() / 3))
        .map(|(_, name)| name)
}

/// The number of single-letter changes between two names.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kind::Kind;

    #[test]
    fn there_are_as_many_flags_as_etcd_has() {
        let ignored = flags().filter(|flag| flag.kind == Kind::Ignored).count();
        assert_eq!((flags().count() - ignored, ignored), (113, 15));
    }

    #[test]
    fn no_name_key_or_yaml_key_is_given_twice() {
        let names: BTreeSet<&str> = flags().map(|flag| flag.name).collect();
        let keys: BTreeSet<&str> = flags().map(|flag| flag.key).collect();
        assert_eq!((names.len(), keys.len()), (flags().count(), flags().count()));
        let yaml: Vec<&str> = flags().filter_map(|flag| flag.yaml).collect();
        let distinct: BTreeSet<&str> = yaml.iter().copied().collect();
        assert_eq!(distinct.len(), yaml.len());
    }

    #[test]
    fn every_default_is_a_valid_value() {
        for flag in flags() {
            assert!(flag.kind.parse(flag.default).is_ok(), "{}", flag.name);
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_flag() {
        let name = |flag: &Flag| Some(flag.name.to_owned());
        assert_eq!(nearest("data-dri", name).as_deref(), Some("data-dir"));
        assert_eq!(nearest("listen-client-url", name).as_deref(), Some("listen-client-urls"));
        assert_eq!(nearest("nothing-like-it", name), None);
        assert_eq!(nearest("x", name), None);
    }
}
