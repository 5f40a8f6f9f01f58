//! How often what was asked and how it was answered: it shows when nearly all is refused.

use super::answer::Answer;
use etcd_proto::etcdserverpb::WatchResponse;
use std::collections::BTreeMap;
use std::fmt;

/// Counts by kinds of operations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    kinds: BTreeMap<&'static str, Outcomes>,
    /// Responses on watch streams.
    pub responses: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Outcomes {
    succeeded: usize,
    left_out: usize,
    refused: BTreeMap<String, usize>,
}

impl Counts {
    pub(crate) fn answered(&mut self, kind: &'static str, answer: &Answer) {
        let outcomes = self.kinds.entry(kind).or_default();
        match answer.refusal() {
            None => outcomes.succeeded += 1,
            Some(refusal) => *outcomes.refused.entry(refusal.message.clone()).or_default() += 1,
        }
    }

    pub(crate) fn happened(&mut self, kind: &'static str) {
        self.kinds.entry(kind).or_default().succeeded += 1;
    }

    /// What was not asked, because it would end a real etcd's process or an older one knows it not.
    pub(crate) fn left_out(&mut self, kind: &'static str) {
        self.kinds.entry(kind).or_default().left_out += 1;
    }

    pub(crate) fn received(&mut self, response: &WatchResponse) {
        self.responses += 1;
        if response.created && response.canceled {
            self.happened("watch> refused");
        } else if response.compact_revision != 0 {
            self.happened("watch> compacted");
        } else if response.fragment {
            self.happened("watch> fragment");
        }
        if !response.events.is_empty() {
            self.happened("watch> events");
        }
    }

    /// How many of a kind were not refused.
    pub fn succeeded(&self, kind: &str) -> usize {
        self.kinds.get(kind).map_or(0, |outcomes| outcomes.succeeded)
    }

    /// How many of a kind were refused.
    pub fn refused(&self, kind: &str) -> usize {
        self.kinds.get(kind).map_or(0, |outcomes| outcomes.refused.values().sum())
    }

    /// Adds others.
    pub(crate) fn add(&mut self, other: &Counts) {
        self.responses += other.responses;
        for (kind, from) in &other.kinds {
            let into = self.kinds.entry(kind).or_default();
            into.succeeded += from.succeeded;
            into.left_out += from.left_out;
            for (message, count) in &from.refused {
                *into.refused.entry(message.clone()).or_default() += count;
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, outcomes) in &self.kinds {
            let refused: usize = outcomes.refused.values().sum();
            write!(f, "{kind:16} {:7} ok {refused:6} refused", outcomes.succeeded)?;
            match outcomes.left_out {
                0 => writeln!(f)?,
                count => writeln!(f, " {count:6} left out")?,
            }
            for (message, count) in &outcomes.refused {
                writeln!(f, "{:28}{count:6} {message}", "")?;
            }
        }
        writeln!(f, "{} responses on watch streams", self.responses)
    }
}
