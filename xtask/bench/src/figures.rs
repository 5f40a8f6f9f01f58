//! Named numbers of one measurement, and what several of them say together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What one measurement found, by name and unit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Figures(BTreeMap<Cow<'static, str>, f64>);

impl Figures {
    pub(crate) fn set(&mut self, name: &'static str, value: f64) {
        self.0.insert(Cow::Borrowed(name), value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(AsRef::as_ref)
    }
}

/// Least, middle and greatest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of at least one number.
    pub(crate) fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (least, greatest) = (*numbers.first()?, *numbers.last()?);
        let middle = numbers.len() / 2;
        let median = match numbers.len() % 2 {
            0 => f64::midpoint(numbers[middle - 1], numbers[middle]),
            _ => numbers[middle],
        };
        Some(Spread { least, median, greatest })
    }
}

/// One server's figure divided by another's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Ratio {
    /// The quotient of the medians.
    pub(crate) of_medians: f64,
    /// The least quotient of two runs that followed each other.
    pub(crate) from: f64,
    /// The greatest one.
    pub(crate) to: f64,
}

impl Ratio {
    /// Of runs in pairs: the first of one with the first of the other, and so on. There is none
    /// without a pair, nor where the other's median is zero.
    pub(crate) fn of(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<Ratio> {
        let median = |runs: &[Option<f64>]| Spread::of(runs.iter().copied().flatten());
        let of_medians = median(ours)?.median / median(theirs)?.median;
        let pairs =
            ours.iter().zip(theirs).filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?));
        let pairs = Spread::of(pairs.filter(|ratio| ratio.is_finite()))?;
        let ratio = Ratio { of_medians, from: pairs.least, to: pairs.greatest };
        of_medians.is_finite().then_some(ratio)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_two() {
        let median = |numbers: &[f64]| Spread::of(numbers.iter().copied()).map(|s| s.median);
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_ratio_is_that_of_medians_and_its_spread_that_of_pairs() {
        let ours = [Some(10.0), Some(30.0), Some(20.0)];
        let theirs = [Some(10.0), Some(10.0), Some(40.0)];
        let ratio = Ratio::of(&ours, &theirs);
        assert_eq!(ratio, Some(Ratio { of_medians: 2.0, from: 0.5, to: 3.0 }));
    }

    #[test]
    fn a_run_that_lacks_the_figure_is_no_pair() {
        let ratio = Ratio::of(&[Some(10.0), None], &[Some(5.0), Some(1.0)]);
        assert_eq!(ratio, Some(Ratio { of_medians: 10.0 / 3.0, from: 2.0, to: 2.0 }));
        assert_eq!(Ratio::of(&[None], &[Some(5.0)]), None);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert_eq!(Ratio::of(&[Some(1.0)], &[Some(0.0)]), None);
    }
}
