//! What a scenario found on one program.

use serde::{Deserialize, Serialize};

use crate::figures::Figures;

/// What a load found, by the load's name.
pub(crate) type Measured = Vec<(&'static str, Figures)>;

/// All that one run of a scenario found.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) timeline: Option<Timeline>,
}

/// What one load found.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) load: String,
    /// Where it belongs when it is one point of a curve.
    pub(crate) point: Option<Point>,
    pub(crate) figures: Figures,
}

/// Of which curve a load is one point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) chart: Chart,
    /// What the curve is called.
    pub(crate) curve: String,
}

/// What curves are drawn over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Chart {
    /// Over the keys that are stored.
    Growth,
    /// Over the requests that are offered a second.
    Offered,
}

impl Chart {
    /// The figure that tells where on the curve a point stands.
    pub(crate) fn place(self) -> &'static str {
        match self {
            Chart::Growth => "keys",
            Chart::Offered => "rate",
        }
    }
}

/// What was seen second by second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) samples: Vec<Sample>,
}

/// One look at the members under load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Since the load began.
    pub(crate) seconds: f64,
    /// Answers since then.
    pub(crate) answers: u64,
    /// Of each member.
    pub(crate) resident_bytes: Vec<u64>,
    /// Of each member.
    pub(crate) disk_bytes: Vec<u64>,
    /// The id of the leader, as each member sees it; 0 is none, as when a member says nothing.
    pub(crate) leaders: Vec<u64>,
}

impl From<Measured> for Outcome {
    fn from(measured: Measured) -> Outcome {
        let measurements = measured.into_iter().map(|(load, figures)| Measurement {
            load: load.to_owned(),
            point: None,
            figures,
        });
        Outcome { measurements: measurements.collect(), timeline: None }
    }
}
