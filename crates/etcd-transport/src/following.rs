//! A configuration that follows its files.

use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::Error;
use crate::material::{Material, Paths};
use crate::settings::Tls;
use crate::stamp::Stamp;

/// Makes a configuration of file contents.
pub(crate) type Build<C> = fn(&Tls, &Paths, &Material) -> Result<C, Error>;

/// A configuration that is built again when its files have changed.
///
/// A look at the files' metadata tells that nothing has changed, so that a handshake reads and
/// waits for nothing. What cannot be used leaves the configuration as it is: a certificate whose
/// key comes a moment later, or a file that was cut off, must not close the door.
pub(crate) struct Following<C> {
    settings: Tls,
    paths: Paths,
    build: Build<C>,
    latest: ArcSwap<Built<C>>,
    /// Held by the one who reads, so that others wait for him and nothing is said twice.
    reading: Mutex<()>,
}

/// A configuration and what it was built from.
struct Built<C> {
    /// Of the files that were read last, which may be others than those in `material`.
    stamps: Vec<Stamp>,
    material: Arc<Material>,
    config: Arc<C>,
    /// What is wrong with the files that were read last.
    complaint: Option<String>,
}

/// What the operator should know of a new look at the files.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Nothing,
    Taken,
    Refused(String),
}

impl<C: Send + Sync + 'static> Following<C> {
    pub(crate) fn start(
        settings: Tls,
        paths: Paths,
        build: Build<C>,
    ) -> Result<Arc<Following<C>>, Error> {
        let stamps = paths.stamps();
        let material = paths.read()?;
        let config = Arc::new(build(&settings, &paths, &material)?);
        let built = Built { stamps, material: Arc::new(material), config, complaint: None };
        let latest = ArcSwap::from_pointee(built);
        Ok(Arc::new(Following { settings, paths, build, latest, reading: Mutex::new(()) }))
    }

    /// The configuration for one handshake.
    pub(crate) async fn current(self: &Arc<Self>) -> Arc<C> {
        let latest = self.latest.load_full();
        if latest.is_of(&self.paths.stamps()) {
            return Arc::clone(&latest.config);
        }
        let following = Arc::clone(self);
        // Reading fails to run only while the process ends.
        let Ok((config, news)) = tokio::task::spawn_blocking(move || following.refresh()).await
        else {
            return Arc::clone(&latest.config);
        };
        match news {
            News::Nothing => {}
            News::Taken => {
                tracing::info!(files = %self.paths, "TLS files have changed; using them")
            }
            News::Refused(error) => tracing::warn!(
                files = %self.paths,
                error,
                "TLS files have changed and cannot be used; still using what they held before"
            ),
        }
        config
    }

    /// Reads the files, unless somebody else just has.
    fn refresh(&self) -> (Arc<C>, News) {
        let _reading = self.reading.lock();
        let latest = self.latest.load_full();
        let stamps = self.paths.stamps();
        if latest.is_of(&stamps) {
            return (Arc::clone(&latest.config), News::Nothing);
        }
        let kept = |complaint| Built {
            stamps: stamps.clone(),
            material: Arc::clone(&latest.material),
            config: Arc::clone(&latest.config),
            complaint,
        };
        let (built, news) = match self.read(&latest.material) {
            Ok(None) => (kept(None), News::Nothing),
            Ok(Some((material, config))) => {
                let (material, config) = (Arc::new(material), Arc::new(config));
                let stamps = stamps.clone();
                (Built { stamps, material, config, complaint: None }, News::Taken)
            }
            Err(error) => {
                let error = error.to_string();
                let is_known = latest.complaint.as_ref() == Some(&error);
                let news = if is_known { News::Nothing } else { News::Refused(error.clone()) };
                (kept(Some(error)), news)
            }
        };
        let config = Arc::clone(&built.config);
        self.latest.store(Arc::new(built));
        (config, news)
    }

    /// What the files hold now, and what follows from it; none when it is what they held before.
    fn read(&self, before: &Material) -> Result<Option<(Material, C)>, Error> {
        let material = self.paths.read()?;
        if material == *before {
            return Ok(None);
        }
        let config = (self.build)(&self.settings, &self.paths, &material)?;
        Ok(Some((material, config)))
    }
}

impl<C> Built<C> {
    /// Whether files with these stamps are surely those that were read last.
    fn is_of(&self, stamps: &[Stamp]) -> bool {
        self.stamps.len() == stamps.len()
            && stamps.iter().zip(&self.stamps).all(|(now, then)| now.is_still(*then))
    }
}

#[cfg(test)]
#[path = "following_tests.rs"]
mod tests;
