//! What is to be reached: ratios to the other server, or to this one under easier conditions.

/// One line of the table that decides.
pub(crate) struct Target {
    /// The load that is looked at.
    pub(crate) load: &'static str,
    /// The figure of it.
    pub(crate) figure: &'static str,
    pub(crate) wanted: Wanted,
}

/// What a figure has to hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wanted {
    /// This server's is at least so many times the other's.
    AtLeast(f64),
    /// This server's is at most so many times the other's.
    AtMost(f64),
    /// This server's own value is at least this.
    OwnAtLeast(f64),
    /// This server's own value is at most this.
    OwnAtMost(f64),
}

impl Wanted {
    /// Whether it holds, of the ratio and this server's own value.
    pub(crate) fn holds(self, ratio: Option<f64>, own: f64) -> Option<bool> {
        match self {
            Wanted::AtLeast(least) => ratio.map(|ratio| ratio >= least),
            Wanted::AtMost(most) => ratio.map(|ratio| ratio <= most),
            Wanted::OwnAtLeast(least) => Some(own >= least),
            Wanted::OwnAtMost(most) => Some(own <= most),
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wanted::AtLeast(ratio) => write!(formatter, "≥ {ratio} ×"),
            Wanted::AtMost(ratio) => write!(formatter, "≤ {ratio} ×"),
            Wanted::OwnAtLeast(value) => write!(formatter, "≥ {value}"),
            Wanted::OwnAtMost(value) => write!(formatter, "≤ {value}"),
        }
    }
}

const fn target(load: &'static str, figure: &'static str, wanted: Wanted) -> Target {
    Target { load, figure, wanted }
}

/// Whether the table that decides has this figure of the load.
pub(crate) fn decides(load: &str, figure: &str) -> bool {
    TARGETS.iter().any(|target| target.load == load && target.figure == figure)
}

/// All of them, in the order of the table.
pub(crate) const TARGETS: &[Target] = &[
    target("put", "requests/s", Wanted::AtLeast(3.0)),
    target("put, one client", "requests/s", Wanted::AtLeast(1.0)),
    target("put", "server CPU s/1000", Wanted::AtMost(0.25)),
    target("put", "written KiB/1000", Wanted::AtMost(1.5)),
    target("txn", "requests/s", Wanted::AtLeast(2.0)),
    target("get", "requests/s", Wanted::AtLeast(2.0)),
    target("get, serializable", "requests/s", Wanted::AtLeast(2.0)),
    target("get while putting", "p99 ms", Wanted::AtMost(0.2)),
    target("list", "moved/s", Wanted::AtLeast(3.0)),
    target("list, streamed", "moved/s", Wanted::AtLeast(3.0)),
    target("page", "requests/s", Wanted::AtLeast(10.0)),
    target("watch", "events/s", Wanted::AtLeast(1.5)),
    target("keep alive", "requests/s", Wanted::AtLeast(1.5)),
    target("filled", "resident MiB", Wanted::AtMost(0.4)),
    target("idle", "resident MiB", Wanted::OwnAtMost(16.0)),
    target("start", "start ms", Wanted::AtMost(0.3)),
    target("put during compaction", "of before", Wanted::OwnAtLeast(0.9)),
    target("put during compaction", "max ms", Wanted::OwnAtMost(50.0)),
    target("growth", "put kept", Wanted::OwnAtLeast(0.7)),
    target("growth", "page kept", Wanted::OwnAtLeast(0.7)),
    target("growth", "one page kept", Wanted::OwnAtLeast(0.7)),
];
