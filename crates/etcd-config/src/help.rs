//! The text of `etcd --help`: every flag by its section.

use crate::error::USAGE;
use crate::flag::Flag;
use crate::kind::Kind;
use crate::table::SECTIONS;

/// What some flags mean where they are not given, as etcd's help shows it.
const SHOWN: &[(&str, &str)] = &[
    ("data-dir", "${name}.etcd"),
    ("backend-bbolt-freelist-type", "map"),
    ("compaction-batch-limit", "1000"),
    ("watch-progress-notify-interval", "10m"),
];

/// The whole text.
pub(crate) fn text() -> String {
    let mut text = USAGE.to_owned();
    text.push_str(
        "\nEvery flag has a variable: ETCD_ and its name in capitals, - written as _.\n\
         A boolean flag takes its value behind =; alone it means true.\n",
    );
    let mut title = "";
    for section in SECTIONS {
        if section.title != title {
            title = section.title;
            text.push_str(&format!("\n{title}:\n"));
        }
        for flag in section.flags {
            let default = match flag.kind {
                Kind::Ignored => String::new(),
                _ => format!(" '{}'", shown(flag)),
            };
            text.push_str(&format!("  --{}{default}\n    {}\n", flag.name, flag.help));
        }
    }
    text
}

fn shown(flag: &Flag) -> &'static str {
    let listed = SHOWN.iter().find(|(name, _)| *name == flag.name);
    listed.map_or(flag.default, |(_, shown)| shown)
}

#[cfg(test)]
mod tests {
    use crate::table;

    #[test]
    fn every_flag_is_listed_once() {
        let text = super::text();
        for flag in table::flags() {
            let listed = text.lines().filter(|line| {
                line.strip_prefix("  --").and_then(|rest| rest.split(' ').next()) == Some(flag.name)
            });
            assert_eq!(listed.count(), 1, "{}", flag.name);
        }
    }

    #[test]
    fn lines_fit_a_hundred_columns() {
        for line in super::text().lines() {
            assert!(line.len() <= 100 || line.contains("maxsize"), "{line}");
        }
    }
}
