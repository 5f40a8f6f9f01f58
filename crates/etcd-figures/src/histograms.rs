//! Histograms of one scale that are made when they are first needed.

use std::sync::OnceLock;

use crate::{Distribution, Histogram, Scale};

/// Places for histograms, each of which is empty until something is noted there.
#[derive(Debug)]
pub struct Histograms {
    scale: Scale,
    places: Box<[OnceLock<Box<Histogram>>]>,
}

impl Histograms {
    /// So many places.
    pub fn new(scale: Scale, places: usize) -> Histograms {
        Histograms { scale, places: (0..places).map(|_| OnceLock::new()).collect() }
    }

    /// The histogram at a place.
    ///
    /// # Panics
    /// When there is no such place.
    pub fn at(&self, place: usize) -> &Histogram {
        self.places[place].get_or_init(|| Box::new(Histogram::new(self.scale)))
    }

    /// What there is, with its place.
    pub fn distributions(&self) -> impl Iterator<Item = (usize, Distribution)> + '_ {
        let there = self.places.iter().enumerate();
        there.filter_map(|(place, there)| Some((place, there.get()?.distribution())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_places_that_were_used_are_shown() {
        let histograms = Histograms::new(Scale::numbers(1.0, 3), 5);
        assert_eq!(histograms.distributions().count(), 0);
        histograms.at(3).note(2);
        histograms.at(3).note(3);
        let seen: Vec<_> = histograms.distributions().map(|(at, seen)| (at, seen.sum)).collect();
        assert_eq!(seen, [(3, 5.0)]);
    }
}
