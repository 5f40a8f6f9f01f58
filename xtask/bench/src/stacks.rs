//! Folded stacks, as flame graphs are made of, summed up by function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Functions that the lists name.
const LISTED: usize = 40;

/// How often each function was seen at the top of a stack, and how often anywhere in one.
#[derive(Debug, Default)]
pub(crate) struct Stacks<'t> {
    samples: u64,
    own: BTreeMap<&'t str, u64>,
    inclusive: BTreeMap<&'t str, u64>,
}

impl<'t> Stacks<'t> {
    /// Of lines like `thread;outer;inner 42`. What is no such line does not count.
    pub(crate) fn of(folded: &'t str) -> Stacks<'t> {
        let mut stacks = Stacks::default();
        for line in folded.lines() {
            let Some((frames, count)) = line.rsplit_once(' ') else { continue };
            let Ok(count) = count.parse::<u64>() else { continue };
            stacks.samples += count;
            // The first frame is the thread's name.
            let functions: Vec<&str> = frames.split(';').skip(1).collect();
            if let Some(top) = functions.last() {
                *stacks.own.entry(top).or_default() += count;
            }
            // One that calls itself was still seen once.
            for function in functions.into_iter().collect::<BTreeSet<_>>() {
                *stacks.inclusive.entry(function).or_default() += count;
            }
        }
        stacks
    }

    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// The functions that took most, themselves and with what they call.
    pub(crate) fn lists(&self) -> String {
        let mut text = format!("{} samples\n", self.samples);
        for (title, counts) in
            [("by their own time", &self.own), ("with what they call", &self.inclusive)]
        {
            let mut counts: Vec<(&str, u64)> =
                counts.iter().map(|(function, count)| (*function, *count)).collect();
            // The names' order decides between equals, so that the same stacks give the same text.
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let _ = writeln!(text, "\nFunctions {title}:");
            for (function, count) in counts.into_iter().take(LISTED) {
                let share = count as f64 * 100.0 / self.samples as f64;
                let _ = writeln!(text, "{share:6.2} %  {function}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_inclusive_times_are_told_apart() {
        let text = Stacks::of("worker;main;run;read 30\nworker;main;run 10\n").lists();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "40 samples",
                "",
                "Functions by their own time:",
                " 75.00 %  read",
                " 25.00 %  run",
                "",
                "Functions with what they call:",
                "100.00 %  main",
                "100.00 %  run",
                " 75.00 %  read",
            ]
        );
    }

    #[test]
    fn a_function_that_calls_itself_counts_once() {
        let stacks = Stacks::of("worker;walk;walk;walk 5\n");
        assert_eq!(stacks.inclusive.get("walk"), Some(&5));
    }

    #[test]
    fn names_may_have_spaces_and_broken_lines_are_left_out() {
        let stacks = Stacks::of("worker;<A as B>::c 3\nnothing\n");
        assert_eq!(stacks.samples(), 3);
        assert_eq!(stacks.own.get("<A as B>::c"), Some(&3));
    }
}
