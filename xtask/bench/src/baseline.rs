//! These results beside earlier ones.

use crate::results::Results;
use crate::targets::decides;

/// Figures that are compared: those that several runs on one machine agree on.
pub(crate) const COMPARED: [&str; 9] = [
    "requests/s",
    "moved/s",
    "events/s",
    "p50 ms",
    "p99 ms",
    "server CPU s/1000",
    "written KiB/1000",
    "fsyncs/1000",
    "resident MiB",
];

/// A figure then and now.
#[derive(Debug, PartialEq)]
pub(crate) struct Change {
    pub(crate) load: String,
    pub(crate) figure: &'static str,
    pub(crate) server: String,
    pub(crate) then: f64,
    pub(crate) now: f64,
}

impl Change {
    /// None of what was nothing then.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.now / self.then).filter(|ratio| ratio.is_finite())
    }
}

/// All medians that both results have, of servers with the same label.
pub(crate) fn changes(then: &Results, now: &Results) -> Vec<Change> {
    let mut changes = Vec::new();
    for load in now.loads() {
        let compared = COMPARED.into_iter();
        for figure in compared.filter(|figure| *figure != "moved/s" || decides(load, figure)) {
            for (place, server) in now.programs.iter().enumerate() {
                let earlier = then.programs.iter().position(|one| one.label == server.label);
                let then = earlier.and_then(|earlier| then.spread(earlier, load, figure));
                let Some((then, now)) = then.zip(now.spread(place, load, figure)) else { continue };
                changes.push(Change {
                    load: load.to_owned(),
                    figure,
                    server: server.label.clone(),
                    then: then.median,
                    now: now.median,
                });
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::{outcome, results};

    #[test]
    fn medians_are_compared_server_by_server() {
        let then = results(&[(100.0, 50.0)]);
        let now = results(&[(140.0, 50.0), (160.0, 60.0)]);
        let changes = changes(&then, &now);
        let ratios: Vec<_> =
            changes.iter().map(|change| (change.server.as_str(), change.ratio())).collect();
        assert_eq!(ratios, [("this", Some(1.5)), ("other", Some(1.1))]);
    }

    #[test]
    fn what_was_nothing_has_no_ratio() {
        let changes = changes(&results(&[(0.0, 0.0)]), &results(&[(1.0, 0.0)]));
        assert!(changes.iter().all(|change| change.ratio().is_none()));
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn what_only_one_of_them_has_is_left_out() {
        let then = results(&[(100.0, 50.0)]);
        let mut now = results(&[]);
        now.add(0, outcome("get", 10.0));
        assert_eq!(changes(&then, &now), []);
    }
}
