//! Fresh members, and loads on them one after the other.

use anyhow::{Result, ensure};
use indicatif::ProgressBar;

use crate::cluster::{Cluster, Watched};
use crate::control::Control;
use crate::figures::Figures;
use crate::fill::fill;
use crate::load::{AsyncSend, Crowd, measure};
use crate::outcome::{Measurement, Outcome, Point};
use crate::program::Program;
use crate::recording;
use crate::size::{Purpose, Size};

/// Whether a load changes what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Reads,
    Writes,
}

/// Members, and what was found on them so far.
pub(crate) struct Stage<'s> {
    pub(crate) cluster: Cluster,
    pub(crate) size: &'s Size,
    progress: &'s ProgressBar,
    outcome: Outcome,
}

impl<'s> Stage<'s> {
    /// Starts that many members.
    pub(crate) async fn open(
        program: &Program,
        members: usize,
        size: &'s Size,
        progress: &'s ProgressBar,
    ) -> Result<Stage<'s>> {
        let watched = match size.purpose {
            Purpose::CountSyncs => Watched::Syncs,
            Purpose::Measure | Purpose::Profile(_) => Watched::Not,
        };
        progress.set_message("start");
        let cluster = Cluster::start_watched(program, members, &size.scratch, watched).await?;
        Ok(Stage { cluster, size, progress, outcome: Outcome::default() })
    }

    /// Takes a load when it is wanted.
    pub(crate) async fn load<S: AsyncSend>(
        &mut self,
        name: &str,
        effect: Effect,
        crowd: Crowd,
        send: S,
    ) -> Result<()> {
        if self.size.wants(name)
            && let Some(figures) = self.take(name, effect, crowd, send).await?
        {
            self.found(name, figures);
        }
        Ok(())
    }

    /// Takes a load for what the run is for. A load that only reads makes no disk sync.
    pub(crate) async fn take<S: AsyncSend>(
        &self,
        name: &str,
        effect: Effect,
        crowd: Crowd,
        send: S,
    ) -> Result<Option<Figures>> {
        self.progress.set_message(name.to_owned());
        Ok(match (&self.size.purpose, effect) {
            (Purpose::Measure, _) => Some(measure(&self.cluster, crowd, send).await?),
            (Purpose::CountSyncs, Effect::Reads) => None,
            (Purpose::CountSyncs, Effect::Writes) => Some(self.count_syncs(crowd, send).await?),
            (Purpose::Profile(folder), _) => {
                let leader = self.cluster.leader().await?;
                let recording = recording::record(leader, crowd, folder, name);
                let (figures, recorded) =
                    tokio::join!(measure(&self.cluster, crowd, send), recording);
                recorded?;
                Some(figures?)
            }
        })
    }

    /// Syncs for a thousand writes, each of which is a revision: warming up and ending included.
    async fn count_syncs<S: AsyncSend>(&self, crowd: Crowd, send: S) -> Result<Figures> {
        let control = Control::of(self.cluster.addresses()[0])?;
        let (revision, syncs) = (control.revision().await?, self.cluster.syncs()?);
        measure(&self.cluster, crowd, send).await?;
        let writes = control.revision().await? - revision;
        let syncs = self.cluster.syncs()? - syncs;
        ensure!(writes > 0, "nothing was written");
        let mut figures = Figures::default();
        figures.set("fsyncs/1000", syncs as f64 / writes as f64 * 1000.0);
        Ok(figures)
    }

    /// Stores that many keys, when it matters for what the run is for.
    pub(crate) async fn fill(&self, keys: u64, value_bytes: usize) -> Result<()> {
        if self.size.purpose == Purpose::CountSyncs {
            return Ok(());
        }
        self.progress.set_message("fill");
        fill(&self.cluster.addresses(), keys, value_bytes, self.progress).await
    }

    /// Notes what was found otherwise.
    pub(crate) fn found(&mut self, load: &str, figures: Figures) {
        let load = load.to_owned();
        self.outcome.measurements.push(Measurement { load, point: None, figures });
    }

    /// Notes a point of a curve.
    pub(crate) fn found_point(&mut self, load: String, point: Point, figures: Figures) {
        self.outcome.measurements.push(Measurement { load, point: Some(point), figures });
    }

    pub(crate) fn say(&self, what: &'static str) {
        self.progress.set_message(what);
    }

    pub(crate) fn end(self) -> Outcome {
        self.outcome
    }
}
