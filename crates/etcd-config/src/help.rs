//! The text of `etcd --help`: every flag by its section.

use crate::error::USAGE;
use crate::kind::Kind;
use crate::table::SECTIONS;

/// The whole text.
pub(crate) fn text() -> String {
    let mut text = USAGE.to_owned();
    text.push_str(
        "\nEvery flag has a variable: ETCD_ and its name in capitals, - written as _.\n\
         A boolean flag takes its value behind =; alone it means true.\n",
    );
    for section in SECTIONS {
        text.push_str(&format!("\n{}:\n", section.title));
        for flag in section.flags {
            let default = match flag.kind {
                Kind::Ignored => String::new(),
                _ => format!(" '{}'", flag.default),
            };
            text.push_str(&format!("  --{}{default}\n    {}\n", flag.name, flag.help));
        }
    }
    text
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
