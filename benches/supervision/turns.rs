//! Two sides measured in turns, and their medians.

/// Seconds, or whatever else, of the two sides round by round.
#[derive(Default)]
pub(crate) struct Turns {
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Turns {
    /// Measures each side `rounds` times; the one that begins changes with each round.
    pub(crate) fn take(rounds: usize, mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> Self {
        let mut turns = Self::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                turns.bare.push(bare());
                turns.ours.push(ours());
            } else {
                turns.ours.push(ours());
                turns.bare.push(bare());
            }
        }
        turns
    }

    pub(crate) fn ours(&self) -> f64 {
        median(self.ours.clone())
    }

    pub(crate) fn bare(&self) -> f64 {
        median(self.bare.clone())
    }

    /// The median of the rounds' own ratios, ours to theirs: what else the machine does hits both sides of a round.
    pub(crate) fn ratio(&self) -> f64 {
        median(
            self.ours
                .iter()
                .zip(&self.bare)
                .map(|(ours, bare)| ours / bare)
                .collect(),
        )
    }
}

/// The middle one.
pub(crate) fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
