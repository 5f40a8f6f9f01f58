//! What a member shows at `/metrics`, read as Prometheus reads it.

use crate::web;
use std::collections::{BTreeMap, BTreeSet};

/// All that a member showed at one moment.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// Each series as it stands in the text, its labels in the order of their names.
    series: BTreeMap<String, f64>,
    /// Each family's type.
    types: BTreeMap<String, String>,
}

/// A family as it can be compared with another server's: its type, its labels, its buckets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// The names of its labels.
    pub labels: BTreeSet<String>,
    /// The bounds of its buckets, as they are written.
    pub buckets: Vec<String>,
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.labels.is_empty() {
            write!(f, " {{{}}}", self.labels.iter().cloned().collect::<Vec<_>>().join(","))?;
        }
        if !self.buckets.is_empty() {
            write!(f, " {}", self.buckets.join(" "))?;
        }
        Ok(())
    }
}

impl Scrape {
    /// Asks the member at `url`.
    ///
    /// # Panics
    ///
    /// When it does not answer with metrics.
    pub fn of(url: &str) -> Scrape {
        let answer = web::ask("GET", &format!("{url}/metrics"), &[]).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Scrape::read(&answer.body)
    }

    /// Reads the text.
    ///
    /// # Panics
    ///
    /// When it is none of Prometheus' format.
    pub fn read(text: &str) -> Scrape {
        let mut scrape = Scrape { series: BTreeMap::new(), types: BTreeMap::new() };
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').expect("a name and a type");
                let known = scrape.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(known, None, "{name} has one type");
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').expect("a series and a value");
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                let known = scrape.series.insert(sorted(series), value);
                assert_eq!(known, None, "{series} is there once");
            }
        }
        scrape
    }

    /// The value of one series, written with its labels in the order of their names; zero when it
    /// is not there, as it is before the first of what it counts.
    pub fn value(&self, series: &str) -> f64 {
        self.series.get(series).copied().unwrap_or_default()
    }

    /// Whether the series is there.
    pub fn has(&self, series: &str) -> bool {
        self.series.contains_key(series)
    }

    /// The series that begin so.
    pub fn beginning<'s>(&'s self, with: &'s str) -> impl Iterator<Item = (&'s str, f64)> + 's {
        let all = self.series.iter().filter(move |(series, _)| series.starts_with(with));
        all.map(|(series, value)| (&**series, *value))
    }

    /// Every family by its name.
    pub fn families(&self) -> BTreeMap<String, Family> {
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut bounds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for series in self.series.keys() {
            let (name, labels) = parts(series);
            let (name, kind) = self.family_of(name);
            let family = families.entry(name.to_owned()).or_insert_with(|| Family {
                kind: kind.to_owned(),
                labels: BTreeSet::new(),
                buckets: Vec::new(),
            });
            for (label, value) in labels {
                if kind == "histogram" && label == "le" {
                    let known = bounds.entry(name.to_owned()).or_default();
                    if !known.contains(&value) {
                        known.push(value);
                    }
                } else {
                    family.labels.insert(label);
                }
            }
        }
        for (name, mut bounds) in bounds {
            let number = |bound: &String| bound.parse::<f64>().expect("a bound is a number");
            bounds.sort_by(|one, other| number(one).total_cmp(&number(other)));
            families.get_mut(&name).expect("it has a bound").buckets = bounds;
        }
        families
    }

    fn family_of<'n>(&'n self, name: &'n str) -> (&'n str, &'n str) {
        for ending in ["", "_bucket", "_sum", "_count"] {
            if let Some(base) = name.strip_suffix(ending)
                && let Some(kind) = self.types.get(base)
            {
                return (base, kind);
            }
        }
        panic!("{name} has no type");
    }
}

/// A series' name and its labels.
fn parts(series: &str) -> (&str, Vec<(String, String)>) {
    let Some((name, labels)) = series.split_once('{') else { return (series, Vec::new()) };
    let mut rest = labels.strip_suffix('}').expect("the labels end");
    let mut pairs = Vec::new();
    while let Some((label, behind)) = rest.split_once("=\"") {
        let mut escaped = false;
        let end = behind.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        });
        let end = end.expect("a label's value ends");
        pairs.push((label.to_owned(), behind[..end].to_owned()));
        rest = behind[end + 1..].trim_start_matches(',');
    }
    (name, pairs)
}

fn sorted(series: &str) -> String {
    let (name, mut labels) = parts(series);
    if labels.is_empty() {
        return name.to_owned();
    }
    labels.sort();
    let labels: Vec<String> =
        labels.into_iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_their_labels_in_order() {
        let text = "# HELP a Of a.\n# TYPE a counter\na{y=\"1\",x=\"\\\"}\"} 3\na{x=\"2\",y=\"\"} 4\n\
                    # TYPE b histogram\nb_bucket{le=\"10\"} 1\nb_bucket{le=\"2.5\"} 0\n\
                    b_bucket{le=\"+Inf\"} 1\nb_sum 7e+00\nb_count 1\n";
        let scrape = Scrape::read(text);
        assert_eq!(scrape.value("a{x=\"\\\"}\",y=\"1\"}"), 3.0);
        assert_eq!(scrape.value("a{x=\"2\",y=\"\"}"), 4.0);
        assert_eq!((scrape.value("b_sum"), scrape.value("c")), (7.0, 0.0));
        let families = scrape.families();
        let shown: Vec<_> = families.iter().map(|(name, f)| format!("{name} {f}")).collect();
        assert_eq!(shown, ["a counter {x,y}", "b histogram 2.5 10 +Inf"]);
    }
}
